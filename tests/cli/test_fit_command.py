"""``rcl fit`` on a pack, and its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

import rcl.training.fit
from quick import quick_fit
from rcl.cli.durations import parse_duration
from rcl.system.errors import InputError
from tiny_pack import tiny_annotations, tiny_pack, write_features
from typed import Rcl


@pytest.fixture
def run(rcl_: Rcl, monkeypatch: pytest.MonkeyPatch) -> Rcl:
    """``rcl`` with short trainings."""
    quick_fit(monkeypatch)
    return rcl_


def test_a_pack_is_fitted(tmp_path: Path, run: Rcl) -> None:
    pack = tiny_pack(tmp_path / "pack", tiny_annotations(6, groups=["anna", "ben", "cleo"] * 2))
    out = tmp_path / "run"
    status, said, notes = run("fit", pack, "--output", out)
    assert status == 0, notes
    assert f"features    {pack}\n" in said
    assert "held out for validation: 2 videos of group " in notes
    assert "training steps: 3, with 2 videos each, because there are 4 training videos" in notes
    assert (out / "report.html").is_file()
    status, _, notes = run("fit", pack, "--output", out)
    assert status == 2
    assert "add --resume to continue it" in notes
    assert run("fit", pack, "--output", out, "--overwrite")[0] == 0


def test_annotations_of_another_origin_are_not_replaced(tmp_path: Path, run: Rcl) -> None:
    pack, out = tiny_pack(tmp_path / "pack"), tmp_path / "run"
    out.mkdir()
    (out / "annotations.json").write_text('{"database": {}}')
    status, _, notes = run("fit", pack, "--output", out)
    assert status == 2
    assert "expected a new file, or the annotations of a fit that rcl wrote, found annotations" in notes
    (out / "annotations.json").write_text('{"version": "RCL", "made_by": "rcl fit", "database": {}}')
    assert run("fit", pack, "--output", out)[0] == 0


def test_missing_features_are_said(tmp_path: Path, run: Rcl) -> None:
    pack = tiny_pack(tmp_path / "pack")
    (pack / "features" / "v4.npy").unlink()
    status, said, notes = run("fit", pack, "--output", tmp_path / "run")
    assert status == 2
    assert "the labels name videos that were not found: 'v4'." in notes
    assert "1 of 5 videos could not be used" in notes
    assert "checkpoint" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--stride", 3, "--workers", 1), "found --stride, --workers; leave out"),
        (("--backbone", "motion", "--pooling", "cls"), "found --backbone, --pooling; leave out"),
        (("--engine", "ray"), "found --engine; leave out"),
        (("--budget", "soon"), "--budget: expected a length of time above 0, found soon; write e.g. 90s"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path: Path, run: Rcl, options: tuple[object, ...], words: str) -> None:
    status, said, notes = run("fit", tiny_pack(tmp_path / "pack"), "--output", tmp_path / "run", *options)
    assert (status, said) == (2, "")
    assert words in notes
    assert notes.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_missing_labels_are_one_sentence(tmp_path: Path, run: Rcl) -> None:
    features = write_features(tmp_path / "features-alone")
    (tmp_path / "films").mkdir()
    (tmp_path / "labels.csv").touch()
    for source, words in (
        (features, "found features alone; add it, or give a file of labels after the pack."),
        (tmp_path / "films", "add the file of labels (rcl fit VIDEOS LABELS)"),
        (tmp_path / "labels.csv", "found only the labels"),
    ):
        status, _, notes = run("fit", source, "--output", tmp_path / "run")
        assert status == 2
        assert words in notes
        assert notes.count("\n") == 1


def test_the_budget_arrives(tmp_path: Path, run: Rcl, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}

    def fit(*arguments: object, **options: object) -> None:
        given.update(options)
        raise InputError("here", expected="no more", found="this", fix="stop")

    monkeypatch.setattr(rcl.training.fit, "fit", fit)
    arguments = ("fit", tiny_pack(tmp_path / "pack"), "--output", tmp_path / "run")
    run(*arguments, "--budget", "1.5h")
    assert given["budget_seconds"] == 5400
    assert given["workers"] is None
    run(*arguments)
    assert given["budget_seconds"] is None


# -- lengths of time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("10 min", 600), ("1.5h", 5400), ("600", 600), (" .5M ", 30), ("2.", 2)],
)
def test_lengths_of_time_are_parsed(text: str, seconds: float) -> None:
    assert parse_duration(text, option="--budget") == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "-5s", "1e3", "nan", "inf", "1h30m", "10d", "9999999h", "1,5h"])
def test_other_lengths_of_time_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--budget: expected a length of time above 0"):
        parse_duration(text, option="--budget")
