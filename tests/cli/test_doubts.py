"""What can hardly be meant is said by every command that compares or writes labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcl.evaluation import figures
from typed import Rcl

COMMANDS = ("evaluate", "diagnose", "report")
TRUTH = "a,1,3,walk,validation,10"
FOUND = "a,1,3,walk,0.5"
LATE = "after the end of the video, the last at 3000 s in video 'a' of 10 s: are the times in another unit?"
SAID = {
    "detections in milliseconds": ([TRUTH], [FOUND, "a,1000,3000,walk,0.5"], f"1 of 2 detections ends {LATE}"),
    "annotations in frames": (
        [TRUTH, "a,25,75,walk,validation,10"],
        [FOUND],
        "1 of 2 segments ends after the end of the video, the last at 75 s in video 'a' of 10 s: are the times",
    ),
    "annotations before the video": (
        [TRUTH, "a,-8.5,-6.75,walk,validation,10"],
        [FOUND],
        "1 of 2 segments begins before the start of the video, the first at -8.5 s in video 'a' of 10 s: do they",
    ),
    "detections before the video": (
        [TRUTH],
        [FOUND, "a,-5,1,walk,0.5"],
        "1 of 2 detections begins before the start of the video, the first at -5 s",
    ),
    "labels": (
        [TRUTH, "a,5,6,Walk,validation,10"],
        [FOUND],
        "labels that may be meant to be one: 'Walk' (1) and 'walk' (1).",
    ),
    "two names": (["a.mp4,5,6,walk,training,10", TRUTH], [FOUND], "expected one name for the video 'a'"),
}
FINE = {
    "published overhang": ([TRUTH, "a,8,10.9,walk,validation,10"], [FOUND, "a,-1,11,walk,0.5"]),
    "other labels": ([TRUTH, "a,5,6,wall,validation,10"], [FOUND]),
    "other subsets": ([TRUTH, "b,500,600,walk,training,10"], [FOUND]),
    "unknown lengths": (["a,1,3,walk,validation,"], [FOUND, "a,1000,3000,walk,0.5"]),
}


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take longer than all the rest."""
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: None)


def _written(folder: Path, truth: list[str], found: list[str]) -> tuple[Path, Path]:
    (folder / "g.csv").write_text("\n".join(["video,start,end,label,subset,duration", *truth, ""]))
    (folder / "d.csv").write_text("\n".join(["video,start,end,label,score", *found, ""]))
    return folder / "d.csv", folder / "g.csv"


def _arguments(command: str, folder: Path, truth: list[str], found: list[str]) -> list[object]:
    detections, annotations = _written(folder, truth, found)
    return {
        "evaluate": [detections, annotations],
        "diagnose": [detections, annotations, "--output", folder / "out"],
        "report": [detections, "--annotations", annotations, "--output", folder / "out.html"],
    }[command]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", SAID)
def test_commands_say_the_same(rcl_: Rcl, tmp_path: Path, command: str, case: str) -> None:
    *content, said = SAID[case]
    result = rcl_(command, *_arguments(command, tmp_path, *content))
    assert result.status == (2 if case == "two names" else 0), result.err
    assert result.err.count(said) == 1, result.err


@pytest.mark.parametrize("case", FINE)
def test_what_is_usual_is_not_doubted(rcl_: Rcl, tmp_path: Path, case: str) -> None:
    result = rcl_("evaluate", *_arguments("evaluate", tmp_path, *FINE[case]))
    assert (result.status, result.err) == (0, "")


def test_labels_of_two_spellings_are_one_class(rcl_: Rcl, tmp_path: Path) -> None:
    truth = ["a,1,3,g\u00e4h,validation,10", "a,5,6,ga\u0308h,validation,10"]
    result = rcl_("evaluate", *_arguments("evaluate", tmp_path, truth, ["a,1,3,ga\u0308h,0.5", "a,5,6,g\u00e4h,0.4"]))
    assert (result.status, result.err) == (0, "")
    assert "1 action" in result.out
    assert "100.0" in result.out


def test_a_length_of_short_instances_that_is_none(rcl_: Rcl, tmp_path: Path) -> None:
    result = rcl_("evaluate", *_arguments("evaluate", tmp_path, [TRUTH], [FOUND]), "--short", 0)
    assert (result.status, "--short: expected a length in seconds above 0, found 0" in result.err) == (2, True)


def test_export_says_that_nothing_is_left(rcl_: Rcl, tmp_path: Path) -> None:
    detections, _ = _written(tmp_path, [], [FOUND])
    given = ("export", detections, "--format", "elan", "--output", tmp_path / "elan")
    assert "no detection has a score of at least 0.95." in rcl_(*given, "--min-score", 0.95).err


@pytest.mark.parametrize("format_", ["boris", "elan", "audacity", "via"])
def test_export_says_what_lies_before_the_video(rcl_: Rcl, tmp_path: Path, format_: str) -> None:
    _, annotations = _written(tmp_path, [TRUTH, "a,-8.5,-6.75,run,validation,10"], [])
    output = tmp_path / {"boris": "o.boris", "via": "o.json"}.get(format_, "o")
    result = rcl_("export", annotations, "--format", format_, "--output", output)
    assert result.status == 0, result.err
    assert "1 of 2 segments begins before the start of the video" in result.err
    assert "not kept: times before 0; the lengths of 1 segment before the start of the video" in result.err


@pytest.mark.parametrize("format_", ["audacity", "elan"])
def test_a_file_in_place_of_a_folder_is_named(rcl_: Rcl, tmp_path: Path, format_: str) -> None:
    _, annotations = _written(tmp_path, [TRUTH], [])
    (tmp_path / "d.json").write_text("{}")
    result = rcl_("export", annotations, "--format", format_, "--output", tmp_path / "d.json")
    assert result.status == 2
    assert "d.json: expected a folder, found a file; choose another name.\n" in result.err
    assert (tmp_path / "d.json").read_text() == "{}"
