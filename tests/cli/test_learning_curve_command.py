"""``rcl learning-curve``: what it prints and writes, and its arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rcl.training.fold_run as fold_run
from rcl.training.fold_run import FoldRun
from tiny_pack import tiny_annotations, tiny_pack
from typed import Rcl


def test_a_learning_curve_in_words_numbers_and_pictures(
    tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(run: FoldRun) -> None:
        run.folder.mkdir(parents=True)
        run.evaluation.write_text(json.dumps({"average_mAP": 0.8 - 0.04 / (run.fold / 1000) ** 0.8}))

    monkeypatch.setattr(fold_run, "train_fold", train)
    pack = tiny_pack(tmp_path / "pack", tiny_annotations(8, subsets={6: "validation", 7: "validation"}))
    out, numbers = tmp_path / "curve", tmp_path / "curve.json"
    options = ("--seeds", 1, "--more", 1, "--json", numbers)
    status, said, notes = rcl_("learning-curve", pack, "--output", out, *options)
    assert status == 0, notes
    assert "minutes: 4 trainings.\n" in notes
    assert "12.5 % of the labels, seed 0: average mAP 58.9% (1 of 4 trainings).\n" in notes
    result = json.loads(numbers.read_text())
    assert result == json.loads((out / "learning_curve.json").read_text())
    assert result["forecasts"][0]["sentence"] in said
    assert "1 more labelled minute: about +" in said
    assert "One seed: more of them make the forecast surer (--seeds 3)." in said
    assert {path.name for path in out.glob("learning_curve.*")} == {
        f"learning_curve.{x}" for x in ("json", "svg", "png")
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--shares", "half,1"), "--shares: expected shares above 0, up to 1, separated by commas, found half,1"),
        (("--shares", "1/2,2"), "--shares: expected shares above 0"),
        (("--more", "-3"), "--more: expected a number of minutes above 0, found -3"),
        ((), "PACK: expected a folder of videos or a pack of features, found no such file"),
    ],
)
def test_wrong_arguments_of_a_curve_are_one_sentence(
    tmp_path: Path, rcl_: Rcl, arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, said, notes = rcl_("learning-curve", "PACK", *arguments, "--output", "curve")
    assert (status, said) == (2, "")
    assert words in notes
    assert notes.count("\n") == 1
    assert not (tmp_path / "curve").exists()
