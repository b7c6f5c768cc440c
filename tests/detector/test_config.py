"""Configurations: what can be wrong with one, and that each fault is told in one sentence."""

import itertools
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from rcl.detector.build import regular_anchors
from rcl.detector.config import Config
from rcl.detector.heads import ContinuousHeadConfig, GridHeadConfig
from rcl.detector.load_config import load_config, parse_config
from rcl.detector.model_config import ModelConfig, encoder_config
from rcl.system.errors import InputError
from rcl.system.options import Section
from rcl.training.recipes import recipe_file, recipe_names

RECIPES = [recipe_file(name) for name in recipe_names()]


def load(tmp_path, text, *overrides):
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, list(overrides))


def error_of(tmp_path, text, *overrides):
    with pytest.raises(InputError) as caught:
        load(tmp_path, text, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert ": expected " in message
    assert ", found " in message
    assert "Input" not in message  # Pydantic's word for a value
    assert "Unable to" not in message
    return message


# -- values that are right ---------------------------------------------------------------------------------------


def test_an_empty_file_is_the_default(tmp_path):
    assert load(tmp_path, "") == Config()
    assert load(tmp_path, "# nothing\n", *[]) == parse_config({}, where="here") == Config()


def test_values_are_read(tmp_path):
    config = load(
        tmp_path, "data: {root: pack, layout: CT}\nmodel:\n  encoder: {name: bmn, channels: 64}\n  head: {steps: 1}\n"
    )
    assert (config.data.root, config.data.annotations, config.data.features) == (Path("pack"), None, None)
    assert (config.data.layout, config.model.head.steps) == ("CT", 1)
    assert (config.model.encoder.name, config.model.encoder.channels, config.model.encoder.groups) == ("bmn", 64, 4)
    assert config.training == Config().training


def test_paths_of_their_own(tmp_path):
    data = load(tmp_path, "data: {root: pack, annotations: a.csv, features: f.h5}").data
    assert (data.annotations, data.features) == (Path("a.csv"), Path("f.h5"))


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("training.epochs=5", 5),
        ("training.learning_rate=1e-3", 1e-3),  # text in YAML 1.1
        ("training.learning_rate=2.5E-4", 2.5e-4),
        ("training.ema=1e-1", 0.1),
        ("training.ema=auto", "auto"),
        ("training.ema=null", None),
        ("training.clip_norm=null", None),
        ("training.precision=32", "32"),
        ("training.precision=bf16", "bf16"),
        ("model.encoder.layers=3", 3),  # of the default encoder, which need not be named
        ("model.encoder.name=bmn", "bmn"),
        ("data.root=/some/folder with=signs", Path("/some/folder with=signs")),
        ("data.root=[", Path("[")),
        ("data.root=2024-13-45", Path("2024-13-45")),  # no date, but YAML tries
        ("data.validation_subset=null", None),
        ("loss.order=last", "last"),
    ],
)
def test_override(tmp_path, override, value):
    found = load(tmp_path, "training: {seed: 7}", override)
    for part in override.partition("=")[0].split("."):
        found = getattr(found, part)
    assert found == value
    assert type(found) is type(value) or isinstance(value, Path)
    assert load(tmp_path, "training: {seed: 7}", override).training.seed == 7


def test_overrides_win_and_the_last_of_them_most(tmp_path):
    text = "training: {epochs: 1, seed: 1}"
    config = load(tmp_path, text, "training.epochs=2", "training.epochs=3", "model.head.steps=1")
    assert (config.training.epochs, config.training.seed, config.model.head.steps) == (3, 1, 1)


def test_numbers_written_as_powers_in_the_file(tmp_path):
    assert load(tmp_path, "training: {learning_rate: 6e-6, precision: 16}").training.learning_rate == 6e-6


CHANGED = {
    "data": {"root": "/pack", "snippets_per_second": 2.5, "resize": 100},
    "model": {"encoder": {"name": "bmn", "groups": 2}, "labels": "none"},
    "training": {"ema": None, "precision": "16"},
    "inference": {"longest": 40.0, "anchors": "grid"},
}


@pytest.mark.parametrize("values", [{}, CHANGED])
@pytest.mark.parametrize("mode", ["python", "json"])
def test_round_trip(tmp_path, values, mode):
    config = parse_config(values, where="here")
    dumped = config.model_dump(mode=mode)
    assert parse_config(dumped, where="here") == config
    if mode == "json":
        assert load(tmp_path, yaml.safe_dump(dumped)) == config
    assert (config == Config()) is not bool(values)


def test_a_configuration_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Config().training.epochs = 3


def test_recipes_load():
    for path in RECIPES:  # there may be none
        assert isinstance(load_config(path), Config), path


# -- values that are wrong ---------------------------------------------------------------------------------------


def sections(section=Config, prefix=""):
    yield prefix, section
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from sections(field.annotation, f"{prefix}{name}.")
    if section is ModelConfig:
        yield f"{prefix}encoder.", encoder_config("temporal")
        yield f"{prefix}head.", ContinuousHeadConfig


@pytest.mark.parametrize("prefix", [prefix for prefix, _ in sections()])
def test_unknown_keys_are_named_with_what_there_is(tmp_path, prefix):
    section = dict(sections())[prefix]
    text = yaml.safe_dump({"epoch": 3})
    for name in reversed(prefix.split(".")[:-1]):
        text = yaml.safe_dump({name: yaml.safe_load(text)})
    message = error_of(tmp_path, text)
    assert f"recipe.yaml, {prefix}epoch: expected one of " in message
    assert "found an unknown key" in message
    assert all(key in message for key in section.model_fields)
    assert error_of(tmp_path, "", f"{prefix}epoch=3") == message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        # unknown keys inside a section that may be one of several
        (
            "model: {encoder: {name: temporal, groups: 4}}",
            ["model.encoder.groups:", "channels, dropout", "unknown key"],
        ),
        ("model: {encoder: {name: bmn, layers: 4}}", ["model.encoder.layers:", "channels, groups, name", "unknown"]),
        ("model: {encoder: {layer: 4}}", ["model.encoder.layer:", "layers", "unknown"]),
        ("bmn: 3", ["recipe.yaml, bmn:", "augmentation, data, inference", "unknown"]),
        # types
        ("training: {epochs: ten}", ["training.epochs:", "integer", "'ten'"]),
        ("training: {epochs: 2.5}", ["training.epochs:", "integer", "2.5"]),
        ("training: {epochs: [1, 2]}", ["training.epochs:", "integer", "[1, 2]"]),
        ("training: {learning_rate: fast}", ["training.learning_rate:", "number", "'fast'"]),
        ("training: {learning_rate: }", ["training.learning_rate:", "number", "None"]),
        ("training: {ema: fast}", ["training.ema:", "'fast'"]),
        ("model: {encoder: {name: bmn, channels: wide}}", ["model.encoder.channels:", "integer", "'wide'"]),
        ("model: {encoder: 3}", ["model.encoder:", "section", "3"]),
        ("model: 3", ["model:", "section", "3"]),
        ("training: [1]", ["training:", "section", "[1]"]),
        ("data: {root: 5}", ["data.root:", "a path", "5"]),
        ("1: 2", ["recipe.yaml, 1:", "names as keys"]),
        # values
        ("training: {epochs: 0}", ["training.epochs:", "greater than 0", "found 0"]),
        ("training: {learning_rate: -1e-3}", ["training.learning_rate:", "greater than 0", "-1e-3"]),
        ("training: {learning_rate: .inf}", ["training.learning_rate:", "finite", "inf"]),
        ("loss: {labels: .nan}", ["loss.labels:", "found nan"]),
        ("loss: {offsets: .inf}", ["loss.offsets:", "finite", "inf"]),
        ("training: {ema: 1}", ["training.ema:", "less than 1", "found 1"]),
        ("training: {precision: 64}", ["training.precision:", "'bf16'", "64"]),
        ('training: {optimizer: "a\\nb"}', ["training.optimizer:", "'adamw' or 'adam'"]),
        ("data: {layout: TCC}", ["data.layout:", "'TC' or 'CT'", "'TCC'"]),
        ("inference: {ratio: 1}", ["inference.ratio:", "greater than 1", "found 1"]),
        ("inference: {stride: 0}", ["inference.stride:", "greater than 0"]),
        ("inference: {stride: 1.5}", ["inference.stride:", "less than or equal to 1"]),
        ("loss: {foreground: 1.0}", ["loss.foreground:", "less than 1"]),
        ("sampling: {regular: -1}", ["sampling.regular:", "greater than or equal to 0"]),
        (
            "model: {head: map}",
            ["model.head.name:", "'continuous', 'grid', 'anchors', 'points', 'queries'", "found 'map'"],
        ),
        ("model: {head: {name: anchors, lengths: []}}", ["model.head.lengths:", "at least 1 item"]),
        ("model: {head: {name: anchors, lengths: [4, 0]}}", ["model.head.lengths.1:", "greater than 0", "found 0"]),
        (
            "model: {head: {name: grid, jitter: 0.1}}",
            ["model.head.jitter:", "convention, finer", "unknown key"],
        ),
        (
            "model: {head: {name: points, points: 8}}",
            ["model.head.points:", "dropout, name, typical", "unknown"],
        ),
        (
            "model: {head: {name: queries, typical: 8}}",
            ["model.head.typical:", "layers, name, queries", "unknown"],
        ),
        ("model: {head: {name: queries, queries: 0}}", ["model.head.queries:", "greater than 0", "found 0"]),
        (
            "model: {head: {name: queries, channels: 100}}",
            ["model.head:", "an even number of channels that attention_heads=8 divides"],
        ),
        ("model: {head: 3}", ["model.head:", "section", "3"]),
        (
            "model: {encoder: {name: 'nowhere.at:All'}}",
            ["model.encoder.name:", "no module nowhere", "PYTHONPATH"],
        ),
        (
            "model: {encoder: {name: 'rcl.models.rcl:RCL'}}",
            ["model.encoder.name:", "a subclass of rcl.models"],
        ),
        ("inference: {anchors: points}", ["inference.anchors:", "'lattice', 'grid' or 'pairs'", "found 'points'"]),
        (
            "model: {encoder: {name: slowfast}}",
            ["model.encoder.name:", "'bmn', 'gtad', 'temporal'", "found 'slowfast'"],
        ),
        ("sampling: {regular: 0, scale_invariant: 0}", ["at least one kind of training segments", "sampling"]),
        # several
        ("training: {epochs: 0, seed: x}\nfoo: 1", ["training.epochs:", "found 0 (and 2 more)"]),
    ],
)
def test_wrong_values_are_named(tmp_path, text, parts):
    message = error_of(tmp_path, text)
    assert message.startswith(str(tmp_path / "recipe.yaml"))
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("training: [1\nmodel: 2", ["expected YAML", "line 2"]),
        ("training:\n\tepochs: 3", ["expected YAML", "line 2"]),
        ("training: {epochs: 2\x01}", ["expected YAML", "special characters"]),
        ("? [1]\n: 2", ["expected YAML", "line 1"]),
        ("!!python/object:os.system x", ["expected YAML", "python/object"]),
        ("data: {root: 2024-13-45}", ["expected YAML", "month"]),
        ("{" * 500, ["expected YAML", "recursion"]),
        ("- 1\n- 2", ["'data:'", "found a list"]),
        ("just text", ["'data:'", "found a str"]),
        ("3", ["'data:'", "found a int"]),
    ],
)
def test_files_that_are_no_configuration(tmp_path, text, parts):
    message = error_of(tmp_path, text)
    assert message.startswith(str(tmp_path / "recipe.yaml"))
    assert [part for part in parts if part not in message] == []


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"none.yaml: expected a configuration file, found No such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(InputError, match=r"found Is a directory"):
        load_config(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"data: {root: caf\xe9}")
    with pytest.raises(InputError, match=r"latin.yaml: expected YAML, found 'utf-8' codec"):
        load_config(latin)


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("training.epochs", ["override 'training.epochs'", "key=value", "write e.g. training.epochs=5"]),
        ("=5", ["override '=5'", "key=value"]),
        ("", ["key=value"]),
        ("training.epochs.more=5", ["override 'training.epochs.more=5'", "a section", "the value 3 at epochs"]),
        ("training=5", ["training:", "section", "found 5"]),
        ("training.epochs=many", ["training.epochs:", "integer", "'many'"]),
        ("training.epoch=5", ["training.epoch:", "unknown key"]),
        ("epochs=5", ["recipe.yaml, epochs:", "unknown key"]),
        ("training..epochs=5", ["unknown key"]),
        ("model.encoder.name=slowfast", ["model.encoder.name:", "found 'slowfast'"]),
    ],
)
def test_wrong_overrides_are_named(tmp_path, override, parts):
    message = error_of(tmp_path, "training: {epochs: 3}", override)
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(("section", "value"), [*itertools.product(Config.model_fields, [3, "text", []])])
def test_no_section_may_be_a_value(tmp_path, section, value):
    assert f"{section}: expected a section" in error_of(tmp_path, yaml.safe_dump({section: value}))


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("training:\n  epochs: 3\nmodel:\n  steps: 2\ntraining:\n  seed: 1\n")
    with pytest.raises(InputError, match=r"'training' occurs twice.*line 5"):
        load_config(path)


def test_a_section_without_keys_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("data:\n  # root: pack\n")
    assert load_config(path, ["data.root=pack"]).data.root == Path("pack")


def test_a_model_that_learns_nothing_is_refused() -> None:
    nothing = {"classification": 0, "regression": 0, "offsets": 0, "labels": 0}
    with pytest.raises(InputError, match="at least one loss"):
        parse_config({"loss": nothing}, where="test")


@pytest.mark.parametrize("head", ["grid", "anchors", "points", "queries"])
def test_only_the_continuous_function_has_steps(tmp_path: Path, head: str) -> None:
    message = error_of(tmp_path, f"model: {{head: {{name: {head}, steps: 3}}}}")
    assert "model.head.steps: expected one of " in message
    assert "found an unknown key" in message
    assert load(tmp_path, "", f"model.head={head}").model.head.name == head


# -- layouts of earlier versions ---------------------------------------------------------------------------------


def test_options_of_the_head_may_stand_in_the_section_of_the_model(tmp_path: Path) -> None:
    text = "model: {head: grid, channels: 64, map_kernel: 1, map_rows: starts, longest: 30, steps: 1}"
    head = load(tmp_path, text).model.head
    assert head == GridHeadConfig(channels=64, kernel=1, rows="starts", longest=30)
    assert load(tmp_path, "model: {channels: 64}", "model.steps=1").model.head == ContinuousHeadConfig(
        channels=64, steps=1
    )
    assert load(tmp_path, "model: {head: {channels: 64}}", "model.steps=1").model.head == ContinuousHeadConfig(
        channels=64, steps=1
    )


def test_the_longest_segment_of_grid_anchors_moves_to_the_inference(tmp_path: Path) -> None:
    for anchors in ("grid", "pairs"):
        config = load(tmp_path, f"model: {{longest: 30}}\ninference: {{anchors: {anchors}}}")
        assert config.inference.longest == 30
        assert regular_anchors(config.model, config.inference, longest=99.0)(50).segments.diff(dim=1).max() <= 30
    grid = load(tmp_path, "model: {head: grid, longest: 30}\ninference: {anchors: grid}")
    assert (grid.model.head.longest, grid.inference.longest) == (30, None)


def test_points_start_with_the_mean_of_the_lengths_that_they_had(tmp_path: Path) -> None:
    assert load(tmp_path, "model: {head: points, lengths: [2, 8]}").model.head.typical == pytest.approx(4)
    assert load(tmp_path, "model: {head: points}").model.head.typical == pytest.approx(8.3, abs=0.1)


def test_an_option_of_another_head_is_an_error_unless_it_is_the_default_or_in_a_checkpoint(tmp_path: Path) -> None:
    assert "model.head.map_channels" in error_of(tmp_path, "model: {map_channels: 64}")
    assert load(tmp_path, "model: {map_channels: 128, longest: null}") == Config()
    values = {"model": {"head": "continuous", "map_channels": 64, "jitter": 0.3}}
    head = parse_config(values, where="test", lenient=True).model.head
    assert head == ContinuousHeadConfig(jitter=0.3)


def test_another_head_on_the_command_line_keeps_the_options_that_it_has(tmp_path: Path) -> None:
    text = "model: {head: {name: continuous, channels: 64, points: 24, jitter: 0.3}}"
    assert load(tmp_path, text, "model.head=grid").model.head == GridHeadConfig(channels=64, points=24)


def test_a_score_that_nothing_learns_is_refused() -> None:
    with pytest.raises(InputError, match=r"inference\.classification_power=0 where loss\.classification is 0"):
        parse_config({"loss": {"classification": 0}, "inference": {"classification_power": 1}}, where="test")


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_is_a_number_that_generators_take(seed: int) -> None:
    with pytest.raises(InputError, match=r"training\.seed"):
        parse_config({"training": {"seed": seed}}, where="test")
