"""The commands that compare detections with annotations or files agree on which names belong together."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest

from rcl.data.formats.load import load_annotations
from rcl.evaluation import figures
from typed import Rcl
from untrained import save_untrained

NFD = unicodedata.normalize("NFD", "Übung é")
NFC = unicodedata.normalize("NFC", "Übung é")

COMMANDS = ("evaluate", "diagnose", "report", "export")

# Names in the detections, names in the annotations, how many of the first belong to none.
JOINED = {
    "the same": (["a", "b"], ["a", "b"], 0),
    "extensions": (["a", "b.MP4"], ["a.mp4", "b"], 0),
    "other extensions": (["a.mov", "b 1"], ["a.mp4", "b 1.avi"], 0),
    "folders": (["/data/films/a.mp4", "b"], ["a", "day 1/b"], 0),
    "backslashes": (["day 1\\a", ".\\b.mp4"], ["day 1/a.mp4", "b"], 0),
    "a Mac's letters": ([f"{NFD}.mp4", "b"], [NFC, "b"], 0),
    "partial": (["a", "b", "c"], ["a", "d.mp4", "c.mp4"], 1),
    "letter case": (["a", "Take 1"], ["a", "take 1"], 1),
}
REFUSED = {
    "nothing in common": (["a", "b"], ["c", "d"], "'a', 'b'"),
    "letter case": (["Take 1", "TAKE 2"], ["take 1", "take_2"], "did you mean 'take 1'"),
    "ambiguous stems": (["001"], ["cam1/001", "cam2/001"], "001"),
    "two names of one video": (["a", "a.mp4", "b"], ["a", "b"], "'a' and 'a.mp4'"),
}


def write_table(path: Path, names: Sequence[str], *, label: str = "walk", scored: bool = False) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["video", "start", "end", "label", *(["score"] if scored else ["subset"])])
        for name in names:
            table.writerow([name, 1, 3, label, *([0.9] if scored else ["validation"])])
    return path


@pytest.fixture
def compare(rcl_: Rcl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command on detections of some names; returns its result and the detections without a partner."""
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: None)

    def run(command: str, detected: Sequence[str], annotated: Sequence[str]):
        found = write_table(tmp_path / "found.csv", detected, scored=True)
        truth = write_table(tmp_path / "truth.csv", annotated)
        if command == "export":  # with the files of the annotated videos
            for name in annotated:
                file = tmp_path / "videos" / (name if "." in name else f"{name}.mp4")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
            options = ["--format", "elan", "--output", tmp_path / "elan", "--videos", tmp_path / "videos"]
            result = rcl_("export", found, *options)
            counts = re.search(r"(\d+) of (\d+) videos? (?:has|have) a file", result.err)
            return result, int(counts[2]) - int(counts[1]) if counts else 0
        if command == "report":
            options = ["--annotations", truth, "--output", tmp_path / "report.html"]
            result = rcl_("report", found, *options)
            counts = re.search(r"(\d+) detections? in \d+ videos? without annotations", result.err)
            return result, int(counts[1]) if counts else 0
        name, options = {
            "evaluate": ("evaluation.json", ["--json", tmp_path / "evaluation.json"]),
            "diagnose": ("detad.json", ["--output", tmp_path]),
        }[command]
        result = rcl_(command, found, truth, *options)
        written = json.loads((tmp_path / name).read_text()) if result.status == 0 else None
        return result, written and written["counts"]["in_other_videos"]

    return run


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("detected", "annotated", "missing"), JOINED.values(), ids=JOINED)
def test_commands_agree_on_what_matches(compare, command, detected, annotated, missing):
    result, without = compare(command, detected, annotated)
    assert (result.status, without) == (0, missing), result.err
    assert ("without" in result.err) == bool(missing)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("detected", "annotated", "named"), REFUSED.values(), ids=REFUSED)
def test_commands_agree_on_what_they_refuse(compare, command, detected, annotated, named):
    result, _ = compare(command, detected, annotated)
    assert result.status == 2
    assert result.err.count("\n") == 1
    assert named in result.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_partial_join_is_said_once_with_proposals(compare, command):
    result, _ = compare(command, ["a", "Take 1"], ["a", "take 1", "c"])
    assert result.err.count("'Take 1' (did you mean 'take 1'?)") == 1
    if command != "export":
        assert result.err.count("1 of 3 videos has detections; without: 'take 1', 'c'") == 1


@pytest.mark.parametrize("command", ["evaluate", "diagnose", "report"])
def test_detections_of_nothing_are_refused(rcl_: Rcl, tmp_path: Path, command: str) -> None:
    found, truth = write_table(tmp_path / "f.csv", [], scored=True), write_table(tmp_path / "t.csv", ["a"])
    options = {
        "evaluate": [truth],
        "diagnose": [truth, "--output", tmp_path / "o"],
        "report": ["--annotations", truth, "--output", tmp_path / "o.html"],
    }[command]
    result = rcl_(command, found, *options)
    assert (result.status, result.out) == (2, "")
    assert "f.csv: expected detections, found none; " in result.err


@pytest.mark.parametrize("extension", ["", ".mp4"])
def test_confidence_maps_and_videos_of_a_report_are_joined(
    rcl_: Rcl, tmp_path: Path, pack: Path, extension: str
) -> None:
    names = [f"{name}{extension}" for name in load_annotations(pack / "annotations.json").subset("validation").videos]
    found = write_table(tmp_path / "found.csv", [names[0], f"sub/{names[1]}", "elsewhere"], scored=True)
    (tmp_path / "videos" / "sub").mkdir(parents=True)
    (tmp_path / "videos" / "sub" / f"{Path(names[0]).stem}.webm").touch()
    checkpoint, page = save_untrained(tmp_path / "last.ckpt"), tmp_path / "report.html"
    options = ("--checkpoint", checkpoint, "--features", pack, "--videos", tmp_path / "videos", "--output", page)
    result = rcl_("report", found, *options)
    assert result.status == 0, result.err
    text = page.read_text(encoding="utf-8")
    assert [number for number in range(3) if f'id="map-{number}"' in text] == [0, 1]
    assert f"videos/sub/{Path(names[0]).stem}.webm" in text
    assert f"2 of 3 videos have a feature sequence in {pack}; without: 'elsewhere'." in result.err
    assert f"1 of 3 videos has a file in {tmp_path / 'videos'}; without: 'sub/{names[1]}', 'elsewhere'." in result.err
    write_table(found, ["elsewhere"], scored=True)
    result = rcl_("report", found, *options)
    assert (result.status, "expected feature sequences of the videos in" in result.err) == (2, True)


# -- labels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["walk ", unicodedata.normalize("NFD", "gehen für"), "gehen für"])
def test_labels_may_differ_in_normalization_and_blanks(rcl_: Rcl, tmp_path: Path, label: str) -> None:
    truth = write_table(tmp_path / "t.csv", ["a"], label=unicodedata.normalize("NFC", label.strip()))
    content = {"results": {"a": [{"segment": [1, 3], "label": label, "score": 0.9}]}}
    (tmp_path / "f.json").write_text(json.dumps(content))
    result = rcl_("evaluate", tmp_path / "f.json", truth)
    assert (result.status, result.err) == (0, "")
    assert "100.0" in result.out


@pytest.mark.parametrize(("label", "truth"), [("Walk", "walk"), ("wlak", "walk"), ("long jump", "LongJump")])
def test_labels_of_another_case_or_letter_are_proposed(rcl_: Rcl, tmp_path: Path, label: str, truth: str) -> None:
    found = write_table(tmp_path / "f.csv", ["a"], label=label, scored=True)
    annotated = write_table(tmp_path / "t.csv", ["a"], label=truth)
    result = rcl_("evaluate", found, annotated)
    assert result.status == 2
    assert f"{label!r} (did you mean {truth!r}?)" in result.err
    with found.open("a") as file:
        file.write(f"a,1,3,{truth},0.9\n")
    result = rcl_("evaluate", found, annotated)
    assert result.status == 0
    assert (
        f"1 detection with labels that no ground truth has: not part of any AP. They say {label!r} (did" in result.err
    )


# -- doubtful ground truths --------------------------------------------------------------------------------------


@pytest.fixture
def doubtful(tmp_path: Path) -> tuple[Path, Path]:
    """Detections and annotations with an instance twice, one without a length and one that is ambiguous."""
    rows = ["a,1,3,walk,validation", "a,1,3,walk,validation", "a,4,4,run,validation", "a,5,9,run,validation"]
    rows.append("a,10,12,Ambiguous,validation")
    (tmp_path / "truth.csv").write_text("\n".join(["video,start,end,label,subset", *rows]))
    (tmp_path / "found.csv").write_text("video,start,end,label,score\na,1,3,walk,0.9\na,5,9,run,0.8\n")
    return tmp_path / "found.csv", tmp_path / "truth.csv"


@pytest.mark.parametrize("command", ["evaluate", "diagnose", "report"])
def test_doubtful_instances_count_aloud_or_are_left_out(
    rcl_: Rcl, doubtful: tuple[Path, Path], tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: None)
    found, truth = doubtful
    arguments = {
        "evaluate": [found, truth],
        "diagnose": [found, truth, "--output", tmp_path],
        "report": [found, "--annotations", truth, "--output", tmp_path / "r.html"],
    }[command]
    result = rcl_(command, *arguments)
    assert result.status == 0
    assert "1 instance given twice" in result.err
    assert "--policy deduplicated leaves them out" in result.err
    assert "1 instance labelled 'Ambiguous': counted as an action. --leave-out Ambiguous leaves them out." in result.err
    result = rcl_(command, *arguments, "--policy", "deduplicated", "--leave-out", "Ambiguous")
    assert result.status == 0
    assert "counted" not in result.err
    if command == "evaluate":
        assert "2 instances of 2 actions" in result.out
        assert "100.0" in result.out
    result = rcl_(command, *arguments, "--policy", "strict")
    assert (result.status, "official or deduplicated, found strict" in result.err) == (2, True)
    result = rcl_(command, *arguments, "--leave-out", "ambiguous")
    assert (result.status, "--leave-out: expected a label of" in result.err) == (2, True)


def test_fields_of_instances_that_are_left_out_go_with_them(rcl_: Rcl, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: None)
    instances = [
        {"segment": [1, 3], "label": "walk", "context-size": 1},
        {"segment": [1, 3], "label": "walk", "context-size": 2},
        {"segment": [4, 6], "label": "Ambiguous", "context-size": 3},
        {"segment": [7, 9], "label": "run", "context-size": 4},
    ]
    entry = {"subset": "validation", "duration": 20, "annotations": instances}
    (tmp_path / "t.json").write_text(json.dumps({"database": {"a": entry}}))
    found = write_table(tmp_path / "f.csv", ["a"], scored=True)
    options = ("--policy", "deduplicated", "--leave-out", "Ambiguous", "--output", tmp_path)
    assert rcl_("diagnose", found, tmp_path / "t.json", *options).status == 0
    buckets = json.loads((tmp_path / "detad.json").read_text())["characteristics"]["context-size"]
    assert dict(zip(buckets["buckets"], buckets["ground_truths"], strict=True)) == {
        **dict.fromkeys("0123456", 0),
        **dict.fromkeys("14", 1),
    }
