"""``rcl compare``: files, output and exit status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from test_diagnose import made_detections

from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import save_detections
from rcl.evaluation import leaderboard
from typed import Rcl


@pytest.fixture(scope="module")
def results(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the detections of two detectors."""
    folder = tmp_path_factory.mktemp("results")
    for seed, name in enumerate(("ours", "theirs")):
        save_detections(made_detections(pack, seed=seed), folder / f"{name}.json")
    return folder


def test_tables_json_and_what_the_videos_show(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    command = ("compare", results / "ours.json", results / "theirs.json", pack, "--json", tmp_path / "board.json")
    done = rcl_(*command, "--short", 2, "--tiou", "0.5", "--name", "A", "--name", "B", "--draws", 200)
    assert done.status == 0
    truth = load_annotations(pack / "annotations.json", clip=False).subset("validation")
    detectors = {name: made_detections(pack, seed=seed) for seed, name in enumerate("AB")}
    board = leaderboard(detectors, truth, tiou_thresholds=[0.5], short_seconds=2, draws=200)
    assert json.loads((tmp_path / "board.json").read_text()) == json.loads(json.dumps(board.to_json()))
    assert board.verdict("B") in done.out
    assert f"{100 * board.entries['B'].evaluation.average_map:.1f}" in done.out
    first, last = (done.out.index(f"│ {board.labels[place]} ") for place in (board.order[0], board.order[-1]))
    assert first < last
    assert "only 4 videos" in done.err
    assert rcl_(*command).status == 0  # over an earlier output
    (tmp_path / "board.json").write_text('{"mine": 1}')
    refused = rcl_(*command)
    assert (refused.status, "--overwrite" in refused.err) == (2, True)


def test_the_others_are_compared_with_the_detector_of_the_option(rcl_: Rcl, pack: Path, results: Path) -> None:
    files = (results / "ours.json", results / "theirs.json")
    assert "against theirs" in rcl_("compare", *files, pack, "--against", "theirs").out
    refused = rcl_("compare", *files, pack, "--against", "other")
    assert (refused.status, "expected one of ours, theirs, found other" in refused.err) == (2, True)


def test_equal_files_are_named(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    shutil.copy(results / "ours.json", tmp_path / "copy.json")
    done = rcl_("compare", results / "ours.json", tmp_path / "copy.json", pack)
    assert "ours and copy hold the same detections." in done.err
    assert "no difference from ours that these 4 videos can show" in done.out


def renamed(source: Path, target: Path, *, video: str = "{}", label: str = "{}", keep: slice = slice(None)) -> Path:
    """A results file with other names of videos or labels, or with some of the videos alone."""
    results = json.loads(source.read_text())["results"]
    chosen = {name: results[name] for name in [*results][keep]}
    changed = {
        video.format(name): [{**item, "label": label.format(item["label"])} for item in items]
        for name, items in chosen.items()
    }
    target.write_text(json.dumps({"results": changed}))
    return target


def test_what_cannot_be_compared_is_refused_in_a_sentence(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    ours, theirs = results / "ours.json", results / "theirs.json"
    videos = renamed(ours, tmp_path / "videos.json", video="other {}")
    labels = renamed(ours, tmp_path / "labels.json", label="other {}")
    first, last = (renamed(ours, tmp_path / f"{part}.json", keep=part_) for part, part_ in HALVES.items())
    save_detections(made_detections(pack, seed=0, labelled=False), tmp_path / "proposals.json")
    for arguments, message in (
        ((ours,), "two results files or more, and then the annotations, found only"),
        ((ours, pack), "rcl evaluate measures a single detector"),
        ((ours, ours, pack), "ours.json twice; give each detector's own file"),
        ((ours, results / ".." / results.name / "ours.json", pack), "ours.json twice"),
        ((pack, ours, theirs), "swap"),
        ((ours, videos, pack), f"{videos}: expected detections in the validation videos"),
        ((ours, labels, pack), f"{labels}: expected labels of"),
        ((first, last, pack), "last: expected detections in videos of first ("),
        ((ours, tmp_path / "proposals.json", pack), "no labels in proposals only"),
        ((ours, tmp_path / "missing.json", pack), "no such file"),
    ):
        refused = rcl_("compare", *arguments)
        assert (refused.status, refused.out) == (2, ""), arguments
        assert message in refused.err
        assert "Traceback" not in refused.err


HALVES = {"first": slice(2), "last": slice(2, None)}


def test_videos_that_one_file_lacks_are_said(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    part = renamed(results / "theirs.json", tmp_path / "part.json", keep=slice(3))
    done = rcl_("compare", results / "ours.json", part, pack)
    assert done.status == 0
    assert "part: 3 of 4 videos" in done.err or "part: " in done.err
    assert "All their instances are missed." in done.err


def test_frame_labels_of_another_toolbox_are_compared_too(rcl_: Rcl, pack: Path, results: Path, tmp_path: Path) -> None:
    truth = load_annotations(pack / "annotations.json", clip=False).subset("validation")
    for name, video in truth.videos.items():
        labels = ["background"] * round(10 * (video.duration_seconds or 100))
        for (start, end), label in zip((10 * video.segments_seconds).round().astype(int), video.labels, strict=True):
            labels[start:end] = [label] * (end - start)
        (tmp_path / name).write_text(f"### Frame level recognition: ###\n{' '.join(labels)}")
    command = ("compare", results / "ours.json", tmp_path, pack, "--name", "ours", "--name", "frames")
    done = rcl_(*command, "--fps", 10)
    assert "frames: better than ours" in done.out
    assert "the rate of its frame labels" in rcl_(*command).err
    assert (
        "leave the rate out"
        in rcl_("compare", *[results / f"{n}.json" for n in ("ours", "theirs")], pack, "--fps", 10).err
    )
