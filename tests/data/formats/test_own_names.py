"""Names and labels of one file: a video has one name there, a label one spelling, whatever the format."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rcl.data.formats.exported import Exported
from rcl.data.formats.load import import_annotations, load_annotations, load_content
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.results import load_detections
from rcl.system.errors import InputError

Write = Callable[[Sequence[tuple[str, str]]], str]


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "video,start,end,label\n" + "".join(f"{name},1,2,{label}\n" for name, label in rows)


def _json(rows: Sequence[tuple[str, str]], outer: str, entry: Callable[[list], object], **times: object) -> str:
    videos: dict[str, list] = {}
    for name, label in rows:
        videos.setdefault(name, []).append({**times, "label": label})
    content = {name: entry(items) for name, items in videos.items()}
    return json.dumps({outer: content} if outer else content)


FORMATS: dict[str, Write] = {
    "table.csv": _table,
    "rows.json": lambda rows: json.dumps(
        [{"video": name, "start": 1, "end": 2, "label": label} for name, label in rows]
    ),
    "activitynet.json": lambda rows: _json(
        rows, "database", lambda items: {"subset": "training", "annotations": items}, segment=[1, 2]
    ),
    "mmaction2.json": lambda rows: _json(
        rows, "", lambda items: {"duration_second": 9, "subset": "training", "annotations": items}, segment=[1, 2]
    ),
    "fiftyone.json": lambda rows: _json(rows, "labels", list, timestamps=[1, 2]),
}
NFD = unicodedata.normalize("NFD", "gäh")


@pytest.fixture(params=FORMATS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: tuple[str, str]) -> Path:
        path = tmp_path / request.param
        path.write_text(FORMATS[request.param](rows), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("read", [load_annotations, import_annotations, load_content])
@pytest.mark.parametrize(
    ("first", "second"), [("a", "a.mp4"), ("cam1\\001.mp4", "cam1/001"), ("gäh.mov", NFD), ("b\\c", "b/c")]
)
def test_a_video_under_two_names_is_refused(written: Callable[..., Path], read: Callable, first: str, second: str):
    with pytest.raises(InputError, match="expected one name for the video") as caught:
        read(written((first, "walk"), ("other", "walk"), (second, "run")))
    assert repr(first) in caught.value.found
    assert repr(second) in caught.value.found


def test_files_and_folders_are_told_apart(written: Callable[..., Path]) -> None:
    names = ["clip.mp4", "clip.avi", "001", "cam1/001", "A", "a"]
    assert [*load_annotations(written(*((name, "walk") for name in names))).videos] == names


def test_labels_are_composed(written: Callable[..., Path]) -> None:
    assert load_annotations(written(("a", "gäh"), ("b", NFD))).labels == ("gäh",)


@pytest.mark.parametrize("name", ["d.csv", "d.json"])
def test_labels_of_detections_are_composed(tmp_path: Path, name: str) -> None:
    rows = [("a", "gäh"), ("a", "run"), ("b", NFD)]
    table = "video,start,end,label,score\n" + "".join(f"{video},1,2,{label},0.5\n" for video, label in rows)
    results = _json(rows, "results", list, segment=[1, 2], score=0.5)
    (tmp_path / name).write_text(table if name == "d.csv" else results, encoding="utf-8")
    found = load_detections(tmp_path / name)
    assert found.labels == ("gäh", "run")
    assert sorted(item.label for item in found) == ["gäh", "gäh", "run"]


def test_a_pack_may_have_a_file_next_to_a_name(tmp_path: Path) -> None:
    """A video that was added later is told apart by its extension."""
    text = FORMATS["activitynet.json"]([("clip", "walk"), ("clip.avi", "walk")])
    (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(InputError, match="give both their extensions"):
        load_annotations(tmp_path / "annotations.json")
    (tmp_path / "features").mkdir()
    assert [*load_annotations(tmp_path / "annotations.json").videos] == ["clip", "clip.avi"]


@pytest.mark.parametrize(("names", "refused"), [("a a.mp4", True), ("a a.avi", False), ("x/a a", False)])
def test_detections_of_one_file_are_not_exported_twice(tmp_path: Path, names: str, refused: bool) -> None:
    rows = "".join(f"{name},1,2,walk,0.5\n" for name in names.split())
    (tmp_path / "d.csv").write_text(f"video,start,end,label,score\n{rows}")
    content = load_content(tmp_path / "d.csv")
    if refused:
        with pytest.raises(InputError, match=r"'a' and 'a\.mp4'"):
            Exported.of(content)
    else:
        assert len(Exported.of(content).instances) == 2


# -- scores under other names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["score", "confidence", "Confidence", "conf", "probability", "prob"])
def test_scores_under_other_names(tmp_path: Path, column: str) -> None:
    (tmp_path / "d.csv").write_text(f"video,start,end,label,{column}\na,1,2,walk,0.75\n")
    assert [*load_detections(tmp_path / "d.csv")] == [*load_content(tmp_path / "d.csv")] == [("a", 1, 2, "walk", 0.75)]


def test_the_column_of_scores_comes_first(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("video,start,end,label,confidence,score\na,1,2,walk,0.1,0.75\n")
    assert load_detections(tmp_path / "d.csv").scores.tolist() == [0.75]


def test_annotators_who_are_sure_give_labels(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("video,start,end,label,confidence\na,1,2,walk,sure\n")
    assert load_content(tmp_path / "l.csv").labels == ("walk",)


@pytest.mark.parametrize(("columns", "cells"), [("certainty", "0.75"), ("conf,prob", "0.75,0.5")])
def test_advice_on_scores_is_of_commands_that_take_it(tmp_path: Path, columns: str, cells: str) -> None:
    (tmp_path / "d.csv").write_text(f"video,start,end,label,{columns}\na,1,2,walk,{cells}\n")
    with pytest.raises(InputError, match=r"\(rcl export; elsewhere, call it 'score'\)"):
        load_detections(tmp_path / "d.csv")


# -- lengths of events -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "expected"), [(9.9, (9.4, 10.0)), (0.25, (0.0, 0.75)), (5.0, (4.5, 5.5)), (12.0, (12.0, 12.0))]
)
def test_events_get_a_length_inside_their_video(tmp_path: Path, time: float, expected: tuple[float, float]) -> None:
    (tmp_path / "t.csv").write_text(f"video,time,label,video duration\na,{time},jump,10\n")
    (tmp_path / "j.json").write_text(
        json.dumps({"a": {"duration_second": 10, "annotations": [{"segment": [time, time], "label": "jump"}]}})
    )
    for name in ("t.csv", "j.json"):
        options = ReadOptions(point_length=1.0, subset="training")
        found = import_annotations(tmp_path / name, options=options).videos["a"]
        assert found.segments_seconds.tolist() == [pytest.approx(expected)]


def test_a_column_may_name_individuals(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("video,start,end,label,animal\ns1.h5,1,2,rear,m1\ns1.h5,3,4,rear,m2\ns2,1,2,rear,\n")
    assert [*load_annotations(path).videos] == ["s1.h5", "s2"]
    videos = load_annotations(path, options=ReadOptions(columns={"individual": "animal"})).videos
    assert [*videos] == ["s1/m1", "s1/m2", "s2"]
