"""Recipes are found by their names from any folder; a file of the same name comes first, and a line says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcl.cli.crossval import _inputs as crossval_inputs
from rcl.cli.recipes import configuration_file
from rcl.detector.load_config import load_config
from rcl.system.errors import InputError
from rcl.training.recipes import find_configuration, recipe_file, recipe_names
from tiny_pack import tiny_annotations, tiny_pack
from typed import Rcl


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_found_by_its_name(name: str) -> None:
    assert load_config(find_configuration(Path(name))) == load_config(recipe_file(name))


def test_a_path_is_never_a_recipe() -> None:
    for path in ("./small/", "folder/small", "small.yaml", "Small"):
        if str(Path(path)) != "small":
            with pytest.raises(InputError, match=r"a recipe of RCL \(small, "):
                find_configuration(Path(path))
    with pytest.raises(InputError, match=r"found no such file; name the recipe without \.yaml: small"):
        find_configuration(Path("small.yaml"))
    Path("runs").mkdir()
    with pytest.raises(InputError, match="found a folder"):
        find_configuration(Path("runs"))


def test_a_file_of_the_same_name_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    Path("small.yaml").write_text("training: {epochs: 7}")
    assert configuration_file(Path("small")) == recipe_file("small")
    assert "not small.yaml in this folder" in capsys.readouterr().err
    assert configuration_file(Path("small.yaml")) == Path("small.yaml")
    assert capsys.readouterr().err == ""
    Path("small").write_text("training: {epochs: 8}")
    assert configuration_file(Path("small")) == Path("small")
    assert "not the recipe small of RCL" in capsys.readouterr().err


def test_cross_validation_takes_a_recipe_by_its_name() -> None:
    assert crossval_inputs("gtea", ["pack", "training.epochs=3"])[2] == load_config(
        recipe_file("gtea"), ["training.epochs=3"]
    )
    with pytest.raises(InputError, match="or a recipe first"):
        crossval_inputs("pack", [])


def test_the_help_names_the_recipes(rcl_: Rcl) -> None:
    told = "".join(rcl_("train", "--help").out.split())  # in a box, with line breaks in names
    assert all(name in told.replace("│", "") for name in recipe_names())


def test_a_recipe_is_trained_by_its_name(tmp_path: Path, rcl_: Rcl) -> None:
    pack = tiny_pack(tmp_path / "pack", tiny_annotations(subsets={4: "validation"}))
    quick = ["training.epochs=1", "training.epoch_steps=1", "training.validate_every=1", "inference.candidates=50"]
    result = rcl_("train", "small", f"data.root={pack}", *quick, "--output", "run")
    assert result.status == 0, result.err
    assert "the recipe small of RCL" in result.err
    assert Path("run/last.ckpt").is_file()
