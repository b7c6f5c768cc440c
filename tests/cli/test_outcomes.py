"""``rcl ethogram``, ``rcl clips`` and ``rcl agreement``: their files, what they say, and what they refuse."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import av
import numpy as np
import pytest

from rcl.data.detections import Detections
from rcl.data.formats.results import save_detections
from rcl.video.decoding import VideoReader
from rendered import read_number, render
from typed import Rcl

LABELS = """video,start,end,label,duration,group
one.mp4,0.4,1.2,kick,4,x
one.mp4,1.0,2.0,walk,4,x
one.mp4,3.0,3.0,beep,4,x
cam/two,0.8,1.6,kick,,y
cam/two,0.4,0.8,押す,,y
"""


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(LABELS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "cam").mkdir()
    render(folder / "one.mp4", frames=100, audio_seconds=4.0, options={"g": "20", "threads": "1", "sc_threshold": "0"})
    render(folder / "cam" / "two.mkv", frames=50, options={"threads": "1"})
    return folder


def detected(tmp_path: Path, name: str = "found.json") -> Path:
    """A ranking in ``one``: a kick that is found three times, and a walk."""
    times = [[0.4, 1.2], [0.5, 1.2], [0.4, 1.3], [2.0, 3.0]]
    found = Detections(("one",), [0] * 4, times, ("kick", "walk"), [0, 0, 0, 1], [0.9, 0.6, 0.4, 0.8])  # type: ignore[arg-type]
    save_detections(found, tmp_path / name)
    return tmp_path / name


# -- rcl ethogram --------------------------------------------------------------------------------------------------


def test_an_ethogram_of_labels_has_tables_and_figures(labels: Path, tmp_path: Path, rcl_: Rcl) -> None:
    output = tmp_path / "ethogram"
    result = rcl_("ethogram", labels, "--output", output)
    assert result.status == 0, result.err
    assert "the duration of 'cam/two' is not known" in result.err
    assert "1 event without a length: counted, without a duration." in result.err
    table = rows_of(output / "time_budget.csv")
    assert [(row["video"], row["label"]) for row in table if row["count"] != "0"] == [
        ("one.mp4", "beep"), ("one.mp4", "kick"), ("one.mp4", "walk"), ("cam/two", "kick"), ("cam/two", "押す"),
    ]  # fmt: skip
    assert {row["share"] for row in table if row["video"] == "cam/two"} == {""}
    assert [row["group"] for row in rows_of(output / "group_budget.csv")] == ["x"] * 4 + ["y"] * 4
    assert [tuple(row.values()) for row in rows_of(output / "transitions.csv")] == [
        ("x", "kick", "walk", "1", "1.0"), ("x", "walk", "beep", "1", "1.0"), ("y", "押す", "kick", "1", "1.0"),
    ]  # fmt: skip
    figures = {path.name for path in output.iterdir()} - {"time_budget.csv", "group_budget.csv", "transitions.csv"}
    assert figures == {
        f"{name}.{kind}" for name in ("ethogram", "time_budget", "transitions") for kind in ("png", "svg")
    }


def test_durations_come_from_the_videos_and_groups_from_names(
    labels: Path, videos: Path, tmp_path: Path, rcl_: Rcl
) -> None:
    output = tmp_path / "ethogram"
    result = rcl_("ethogram", labels, "--output", output, "--videos", videos, "--group", "(one|two)", "--label", "kick")
    assert result.status == 0, result.err
    assert result.err == ""
    table = rows_of(output / "time_budget.csv")
    assert [row["group"] for row in table] == ["one", "two"]
    assert [float(row["share"]) for row in table] == pytest.approx([0.2, 0.4], rel=0.01)  # the sound is a little longer
    wrong = rcl_("ethogram", labels, "--output", output, "--group", "three")
    assert (wrong.status, "names of videos that contain 'three'" in wrong.err) == (2, True)


def test_a_ranking_is_named_and_scores_choose(tmp_path: Path, rcl_: Rcl) -> None:
    found = detected(tmp_path)
    ranking = rcl_("ethogram", found, "--output", tmp_path / "chosen")
    assert "segments of one label overlap: together they are 1.8 times as long" in ranking.err
    chosen = rcl_("ethogram", found, "--output", tmp_path / "chosen", "--min-score", 0.7)  # replaces its own output
    assert chosen.status == 0, chosen.err
    assert "overlap" not in chosen.err
    assert [row["count"] for row in rows_of(tmp_path / "chosen" / "time_budget.csv")] == ["1", "1"]
    none = rcl_("ethogram", found, "--output", tmp_path / "none", "--min-score", 0.95)
    assert (none.status, "found none with a score of at least 0.95; lower --min-score" in none.err) == (2, True)


def test_tables_and_figures_of_others_stay(labels: Path, tmp_path: Path, rcl_: Rcl) -> None:
    output = tmp_path / "ethogram"
    output.mkdir()
    for name in ("time_budget.csv", "transitions.csv", "ethogram.png"):
        (output / name).write_text("mine\n")
        refused = rcl_("ethogram", labels, "--output", output)
        assert (refused.status, str(output / name) in refused.err) == (2, True)
        assert {path.name for path in output.iterdir()} == {name}
        (output / name).unlink()


# -- rcl clips -----------------------------------------------------------------------------------------------------


def test_clips_are_named_listed_and_made_once(labels: Path, videos: Path, tmp_path: Path, rcl_: Rcl) -> None:
    output = tmp_path / "clips"
    command = ("clips", labels, "--videos", videos, "--output", output, "--label", "kick", "--contact-sheet")
    result = rcl_(*command, "--pad", 0.2)
    assert result.status == 0, result.err
    assert result.out == f"{output}: 2 clips\n"
    names = ["cam-two_0000.80-0001.60_kick", "one.mp4_0000.40-0001.20_kick"]
    files = {f"{name}.{kind}" for name in names for kind in ("mp4", "jpg")} | {"index.csv", "contact_sheet-01.jpg"}
    assert {path.name for path in output.iterdir()} == files
    first, second = rows_of(output / "index.csv")
    assert (first["video"], first["start"], first["end"], first["score"]) == ("cam/two", "0.8", "1.6", "")
    assert (second["clip_start"], float(second["clip_end"])) == ("0.2", pytest.approx(1.4, abs=0.03))
    assert [read_number(frame) for frame in VideoReader(output / second["file"])] == [*range(5, 35)]
    stamps = {path.name: path.stat().st_mtime_ns for path in output.glob("*.mp4")}
    assert rcl_(*command, "--pad", 0.2).out == f"{output}: 2 clips, 2 of them by an earlier run\n"
    assert {path.name: path.stat().st_mtime_ns for path in output.glob("*.mp4")} == stamps
    assert rcl_(*command, "--pad", 0.3).out == f"{output}: 2 clips\n"  # its own clips, made in another way
    assert rcl_("clips", labels, "--videos", videos, "--output", output, "--label", "walk").status == 0
    assert [row["label"] for row in rows_of(output / "index.csv")] == ["kick", "kick", "walk"]


def test_the_best_detections_come_first_and_events_get_some_time(
    labels: Path, videos: Path, tmp_path: Path, rcl_: Rcl
) -> None:
    output = tmp_path / "clips"
    result = rcl_("clips", detected(tmp_path), "--videos", videos, "--output", output, "--limit", 2)
    assert "2 of 4 segments, those with the highest scores" in result.err
    assert [row["score"] for row in rows_of(output / "index.csv")] == ["0.9", "0.8"]
    assert rcl_("clips", labels, "--videos", videos, "--output", tmp_path / "beeps", "--label", "beep").status == 0
    (beep,) = rows_of(tmp_path / "beeps" / "index.csv")
    assert (beep["start"], beep["clip_start"], float(beep["clip_end"])) == ("3.0", "2.5", pytest.approx(3.5, abs=0.03))


def test_a_damaged_video_is_named_and_the_others_go_on(labels: Path, videos: Path, tmp_path: Path, rcl_: Rcl) -> None:
    folder = tmp_path / "videos"
    (folder / "cam").mkdir(parents=True)
    (folder / "one.mp4").write_bytes(b"damaged" * 99)
    (folder / "cam" / "two.mkv").write_bytes((videos / "cam" / "two.mkv").read_bytes())
    result = rcl_("clips", labels, "--videos", folder, "--output", tmp_path / "clips")
    assert result.status == 2
    assert result.err.count(str(folder / "one.mp4")) == 1
    assert "3 of 5 clips could not be made" in result.err
    assert {row["video"] for row in rows_of(tmp_path / "clips" / "index.csv")} == {"cam/two"}


def test_copies_say_how_far_they_moved(labels: Path, videos: Path, tmp_path: Path, rcl_: Rcl) -> None:
    output = tmp_path / "clips"
    result = rcl_("clips", labels, "--videos", videos, "--output", output, "--label", "walk", "--copy")
    assert result.status == 0, result.err
    assert "copies begin at key frames: 0.20 s early on average, 0.20 s at most" in result.out
    (row,) = rows_of(output / "index.csv")
    assert (row["start"], row["clip_start"]) == ("1.0", "0.8")


def test_whole_videos_have_their_labels_burnt_in(labels: Path, videos: Path, tmp_path: Path, rcl_: Rcl) -> None:
    output = tmp_path / "whole"
    result = rcl_("clips", labels, "--videos", videos, "--output", output, "--whole")
    assert result.status == 0, result.err
    assert {path.name for path in output.iterdir()} == {"cam-two_labelled.mp4", "one.mp4_labelled.mp4", "index.csv"}
    with av.open(str(output / "one.mp4_labelled.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 100
    assert frames[0].shape == (64 + 12, 96, 3)
    green = np.abs(frames[0][72].astype(int) - (0x00, 0x9E, 0x73)).sum(axis=1) < 60  # of walk, the third label
    assert np.flatnonzero(green).min() in range(22, 27)  # at 1 s; 96 columns are 4 s
    burnt = rcl_("clips", labels, "--videos", videos, "--output", output, "--burn-in", "--label", "walk")
    assert burnt.status == 0, burnt.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--copy", "--burn-in"), "--burn-in: expected pictures that are encoded again, found --copy"),
        (("--whole", "--pad", "1"), "--pad: expected clips, found --whole"),
        (("--label", "jump"), "--label: expected a label of"),
        (("--min-score", "0.5"), "--min-score: expected detections, found annotations"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    labels: Path, videos: Path, tmp_path: Path, rcl_: Rcl, options: tuple[str, ...], said: str
) -> None:
    result = rcl_("clips", labels, "--videos", videos, "--output", tmp_path / "clips", *options)
    assert (result.status, said in result.err) == (2, True), result.err
    assert not (tmp_path / "clips").exists() or not [*(tmp_path / "clips").iterdir()]


def test_pictures_and_clips_of_others_stay(labels: Path, videos: Path, tmp_path: Path, rcl_: Rcl) -> None:
    output = tmp_path / "clips"
    output.mkdir()
    command = ("clips", labels, "--videos", videos, "--output", output, "--label", "walk")
    for name in ("one.mp4_0001.00-0002.00_walk.jpg", "one.mp4_0001.00-0002.00_walk.mp4", "index.csv"):
        (output / name).write_text("mine")
        refused = rcl_(*command)
        assert (refused.status, str(output / name) in refused.err) == (2, True)
        assert (output / name).read_text() == "mine"
        (output / name).unlink()
    (output / "one.mp4_0001.00-0002.00_walk.mp4").write_text("mine")
    assert rcl_(*command, "--overwrite").status == 0


# -- rcl agreement -------------------------------------------------------------------------------------------------


def test_an_agreement_is_printed_and_written(labels: Path, tmp_path: Path, rcl_: Rcl) -> None:
    other, output = tmp_path / "other.csv", tmp_path / "agreement.json"
    other.write_text("video,start,end,label\none,0.4,1.2,kick\none,1,2,run\ntwo,0.8,1.6,kick\nthree,1,2,kick\n")
    result = rcl_("agreement", labels, other, "--output", output)
    assert result.status == 0, result.err
    assert f"only {other} has the videos 'three': left out." in result.err
    found = json.loads(output.read_text())
    assert found["agreement_of"] == [str(labels), str(other)]
    assert found["per_label"]["kick"]["f1"]["value"] == 1
    assert found["confusion"]["walk"] == {"run": 1}
    assert found["total"]["first"] == 5
    assert "walk" in result.out
    assert rcl_("agreement", labels, other, "--output", output).status == 0
    assert rcl_("agreement", labels, labels, "--tiou", 1).out.count("100.0") >= 4
    refused = rcl_("agreement", labels, other, "--output", other)
    assert (refused.status, "found the input" in refused.err) == (2, True)


def test_annotations_of_other_videos_are_refused(labels: Path, tmp_path: Path, rcl_: Rcl) -> None:
    other = tmp_path / "other.csv"
    other.write_text("video,start,end,label\nnine,0.4,1.2,kick\n")
    result = rcl_("agreement", labels, other)
    assert (result.status, "expected videos of" in result.err) == (2, True)
    assert rcl_("agreement", labels, labels, "--tiou", 1.5).status == 2
    assert rcl_("agreement", labels, labels, "--subset", "testing").status == 2
    assert rcl_("agreement", labels, labels, "--leave-out", "kick", "--subset", "training").status == 0
