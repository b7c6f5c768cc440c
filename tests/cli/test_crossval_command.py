"""``rcl crossval``: what it prints, and its arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import rcl.training.fold_run as fold_run
from quick import quick_fit
from rcl.system.errors import InputError
from rcl.training.fold_run import FoldRun, train_fold
from tiny_pack import tiny_annotations, tiny_pack
from typed import Rcl

CONFIG = {
    "model": {
        "encoder": {"name": "temporal", "channels": 8, "layers": 1},
        "head": {"channels": 8, "points": 4, "steps": 1},
    },
    "training": {"epochs": 1, "epoch_steps": 1},
}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return tiny_pack(tmp_path / "pack", tiny_annotations(4, subsets={3: "testing"}))


def test_a_cross_validation_of_fits(pack: Path, tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_fit(monkeypatch)
    out = tmp_path / "runs"
    status, said, notes = rcl_("crossval", "fit", pack, "--group", r"v\d", "--folds", 2, "--seeds", 1, "--output", out)
    assert status == 0, notes
    assert "4 labelled videos, whatever their subset, in 2 folds: 2 trainings.\n" in notes
    assert "fold 2, seed 0: average mAP " in notes
    assert "(2 of 2 trainings)." in notes
    assert "mean of folds: the numbers of the folds, averaged." in said
    assert "all folds pooled: one ranking of the detections in all 4 videos" in said
    assert "One seed: how much the numbers change with the seed is unknown." in said
    result = json.loads((out / "crossval.json").read_text())
    assert result["folds"][0]["groups"] == ["v0", "v2"]
    assert "v0, v2" in said
    status, said, notes = rcl_(
        "evaluate", out / "detections-seed-0.json", out / "annotations.json", "--json", out / "e"
    )
    assert status == 0, notes
    assert json.loads((out / "e").read_text())["average_mAP"] == pytest.approx(result["pooled"]["average_mAP"])


def test_a_configuration_with_values_and_a_training_that_fails(
    pack: Path, tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(run: FoldRun) -> None:
        if run.fold == 1:
            raise InputError("here", expected="this", found="that", fix="change it")
        train_fold(run)

    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    command = ("crossval", tmp_path / "config.yaml", f"data.root={pack}", "--folds", 2, "--output", tmp_path / "runs")
    with monkeypatch.context() as patch:
        patch.setattr(fold_run, "train_fold", train)
        status, said, notes = rcl_(*command, "training.batch_size=2", "--seeds", 2)
    assert (status, said) == (1, "")
    assert "rcl: fold 1, seed 0: here: expected this, found that; change it.\n" in notes
    assert "rcl: 2 of 4 trainings failed: fold 1, seed 0; fold 1, seed 1. The same command repeats these" in notes
    status, _, notes = rcl_(*command, "--seeds", 2)
    assert status == 2
    assert "settings that it began with (training.batch_size=2), found training.batch_size=1" in notes
    status, said, notes = rcl_(*command, "training.batch_size=2", "--seeds", 2)
    assert status == 0, notes
    assert "4 trainings, 2 of which are finished." in notes
    assert "±: half the distance from the lowest to the highest of 2 seeds." in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("PACK",),
            "expected fit, a configuration (.yaml) or a recipe first, found PACK; write rcl crossval fit PACK.",
        ),
        (("fit",), "expected a pack of features, found none; add the pack behind it."),
        (("fit", "PACK", "training.epochs=2"), "found training.epochs=2; give a configuration in place of fit"),
        (
            ("fit", "PACK", "a.csv", "b.csv"),
            "expected a pack, and at most one file of labels, found PACK, a.csv, b.csv",
        ),
        (("fit", "PACK", "--budget", "soon"), "--budget: expected a length of time above 0, found soon"),
        (("fit", "PACK"), "PACK: expected a pack: a folder of annotations and features, found no such file"),
    ],
)
def test_wrong_arguments_are_one_sentence(
    tmp_path: Path, rcl_: Rcl, arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, said, notes = rcl_("crossval", *arguments, "--output", "runs")
    assert (status, said) == (2, "")
    assert words in notes
    assert notes.count("\n") == 1
    assert not (tmp_path / "runs").exists()
