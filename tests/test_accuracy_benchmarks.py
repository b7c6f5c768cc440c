"""The benchmarks of accuracy run the commands of a user once each, and show what is finished."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from places import ROOT
from quick import quick_fit
from rcl.data.feature_store import FeatureStore
from rcl.data.formats.load import load_annotations
from rcl.detector.load_config import load_config
from rcl.training.recipes import recipe_file
from tiny_pack import RATE, SNIPPETS, tiny_annotations, tiny_pack
from typed import Rcl

NAME = "gtea-fold1"
IDEAS = f"<!-- ideas, {NAME} -->"


class Commands:
    """``rcl`` in this process, and the commands that it got."""

    def __init__(self, rcl_: Rcl) -> None:
        self.rcl_, self.ran = rcl_, list[str]()

    def __call__(self, *arguments: object, threads: int | None = None, log: Path | None = None) -> None:
        assert self.rcl_(*arguments).status == 0
        self.ran.append(str(arguments[0]))


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, rcl_: Rcl) -> Commands:
    """The commands of both benchmarks."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    quick_fit(monkeypatch)
    commands = Commands(rcl_)
    for name in ("accuracy", "fit", "ideas"):
        monkeypatch.setattr(importlib.import_module(name), "rcl", commands)
    return commands


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    tiny_pack(tmp_path / "packs" / NAME, tiny_annotations(subsets={3: "validation", 4: "validation"}))
    return tmp_path / "packs"


def run(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["benchmark", *map(str, arguments)])
    module.main()


def test_fits_are_made_measured_and_shown_once(
    commands: Commands, packs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, page = importlib.import_module("fit"), tmp_path / "page.md"
    markers = ("rcl fit", "rcl fit, ways", "rcl fit, rates")
    page.write_text("".join(f"<!-- {name} -->\n<!-- end -->\n" for name in markers))
    arguments = (packs, "--output", tmp_path / "runs", "--only", NAME, "--seeds", 0, 1, "--budget", "30s", "--jobs", 1)
    monkeypatch.setattr("rcl.training.budget.MOST_MEMBERS", 1)
    monkeypatch.setattr("rcl.training.budget.SHARE_OF_TRIALS", 0.0)
    run(fit, monkeypatch, *arguments, "--resampled", "--write", page)
    assert commands.ran.count("fit") == 2
    assert commands.ran.count("detect") == 2 * (len(fit.WAYS) + len(fit.FACTORS))
    assert commands.ran.count("evaluate") == 2 * 2 * (1 + len(fit.WAYS) + len(fit.FACTORS))
    text = page.read_text()
    assert text.count(NAME) == len(markers)
    assert "±" in text
    assert "1/4" in text

    commands.ran.clear()
    run(fit, monkeypatch, *arguments, "--resampled", "--write", page)
    assert commands.ran == []
    assert page.read_text() == text
    with pytest.raises(SystemExit, match="expected a run of 1h, found one of 30s"):
        run(fit, monkeypatch, *arguments, "--budget", "1h")


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize("factor", [0.25, 3.0])
def test_a_resampled_pack_keeps_seconds(packs: Path, tmp_path: Path, factor: float) -> None:
    copy = importlib.import_module("fit").resampled_pack(packs / NAME, tmp_path / "copy", factor)
    before, after = load_annotations(packs / NAME / "annotations.json"), load_annotations(copy / "annotations.json")
    features = FeatureStore(copy / "features")
    assert [*after.videos] == ["v3", "v4"] == features.names()
    for name, video in after.videos.items():
        assert features.shape(name)[0] == round(factor * SNIPPETS)
        assert video.snippets_per_second == pytest.approx(factor * RATE)
        assert np.array_equal(video.segments_seconds, before.videos[name].segments_seconds)


def test_every_idea_changes_the_recipe_and_is_trained_once(
    commands: Commands, packs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ideas, page = importlib.import_module("ideas"), tmp_path / "page.md"
    page.write_text(f"{IDEAS}\n<!-- end -->\n")
    monkeypatch.setattr(ideas, "_steps", lambda config, steps: (f"training.epoch_steps={steps // 125}",))
    arguments = (packs, "--output", tmp_path / "runs", "--only", NAME, "--seeds", 0, "--jobs", 1, "--write", page)
    run(ideas, monkeypatch, *arguments, "--json", tmp_path / "numbers.json")
    rows = json.loads((tmp_path / "numbers.json").read_text())[NAME]
    names = [row["idea"] for row in rows]
    assert names[:2] == [ideas.RECIPE, "M = 1"]
    assert len(set(names)) == len(names)
    assert commands.ran.count("train") == len(names) - 1  # one row is a checkpoint of another
    assert commands.ran.count("detect") == len(names)
    assert all(f"| {name} |" in page.read_text() for name in names)

    commands.ran.clear()
    run(ideas, monkeypatch, *arguments)
    assert commands.ran == []


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize("data", [("data.resize=30", "data.resize_method=mean"), ("data.downsample=2",), ()])
def test_the_keys_of_every_idea_are_a_configuration_of_their_own(data: tuple[str, ...]) -> None:
    ideas = importlib.import_module("ideas")
    recipe = (*data, "data.standardize=true", "model.head.ends=2", "training.epoch_steps=50", "training.epochs=10")
    config = load_config(recipe_file("small"), [*recipe])
    rows = ideas.ideas(config, ideas.Recordings(np.array([60, 80]), 2.0))
    changed = [load_config(recipe_file("small"), [*recipe, *row.keys]) for row in rows if row.keys]
    assert all(one != config for one in changed)
    assert all(one != other for place, one in enumerate(changed) for other in changed[:place])
    assert len({row.folder for row in rows}) == len(changed) + 1


def test_a_command_that_fails_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    accuracy, log = importlib.import_module("accuracy"), tmp_path / "runs" / "seed-0.log"
    accuracy.rcl("--version", threads=1, log=log)
    with pytest.raises(SystemExit, match=r"rcl detonate ended with status 2; .*seed-0\.log"):
        accuracy.rcl("detonate", log=log)
    assert "detonate" in log.read_text(encoding="utf-8")


@pytest.mark.usefixtures("commands")
def test_the_pages_have_a_place_for_every_table() -> None:
    accuracy, fit = importlib.import_module("accuracy"), importlib.import_module("fit")
    results = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    notebook = (ROOT / "docs/notebook/results.md").read_text(encoding="utf-8")
    assert all(f"<!-- {name} -->" in results for name in fit.blocks({}, {}))
    assert all(f"<!-- ideas, {pack.name} -->" in notebook for pack in accuracy.PACKS)
