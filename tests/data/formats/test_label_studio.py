"""Exports of Label Studio of all sorts: which results are labels, whose annotation counts, which file is the video."""

from __future__ import annotations

import contextlib
import csv
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.annotations import Annotations
from rcl.data.formats.exported import names_of, stem_of
from rcl.data.formats.label_studio.media import media_file
from rcl.data.formats.label_studio.tasks import parse
from rcl.data.formats.load import import_annotations, load_annotations
from rcl.data.formats.options import ReadOptions
from rcl.system.errors import Defect, InputError
from replaced import odd_values, replaced

FRAMES = {"ranges": [{"start": 30, "end": 60}]}
SECONDS = {"start": 3.0, "end": 6.0, "channel": 0}


def result(kind: str, value: dict[str, Any], region: str | None = "r", control: str = "c", **more: Any) -> dict:
    return {"id": region, "type": kind, "from_name": control, "to_name": "v", "value": value, **more}


def labelled(label: str = "dig", value: dict[str, Any] = FRAMES, region: str | None = "r", control: str = "c") -> dict:
    kind = "timelinelabels" if "ranges" in value else "labels"
    return result(kind, {**value, kind: [label]}, region, control)


def task(*results: Any, data: dict[str, Any] | None = None, **more: Any) -> dict:
    return {
        "data": {"video": "/data/dog.mp4", "fps": 10, **(data or {})},
        "annotations": [{"result": [*results]}],
        **more,
    }


def instances(annotations: Annotations) -> list[tuple[str, float, float, str]]:
    return [
        (name, start, end, label)
        for name, video in annotations.videos.items()
        for (start, end), label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
    ]


def read(*tasks: Any, **options: Any) -> list[tuple[str, float, float, str]]:
    return instances(parse([*tasks], "e.json", options=ReadOptions(**options)))


# -- types of results --------------------------------------------------------------------------------------------

REMARKS = {
    "textarea": {"text": ["near the fence"]},
    "choices": {"choices": ["sure"]},
    "rating": {"rating": 3},
    "number": {"number": 2},
    "taxonomy": {"taxonomy": [["animal", "dog"]]},
    "datetime": {"datetime": "2025-01-01"},
}


@pytest.mark.parametrize("times", [FRAMES, SECONDS], ids=["frames", "seconds"])
@pytest.mark.parametrize("kind", REMARKS)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("region", ["r", None])
def test_remarks_are_no_labels(
    kind: str, times: dict, first: bool, region: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    both = [result(kind, {**times, **REMARKS[kind]}, region, "remark"), labelled(value=times, region=region)]
    assert read(task(*both[:: 1 if first else -1])) == [("dog", 3.0, 6.0, "dig")]
    assert f"left out 1 remark about segments ({kind})" in caplog.text
    assert "without a label" not in caplog.text


@pytest.mark.parametrize(("kind", "value"), [("choices", ["dig"]), ("taxonomy", [["dig"]])])
def test_choices_label_where_nothing_else_does(kind: str, value: list, caplog: pytest.LogCaptureFixture) -> None:
    assert read(task(result(kind, {**SECONDS, kind: value}))) == [("dog", 3.0, 6.0, "dig")]
    assert "the choices are read as labels" in caplog.text


def test_segments_without_a_label_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    text = result("textarea", {**SECONDS, "text": ["dig"]}, "other", "words")
    assert read(task(text, labelled(value=SECONDS))) == [("dog", 3.0, 6.0, "dig")]
    assert "left out 1 segment without a label; --tier names the control that labels" in caplog.text
    assert read(task(text)) == []
    assert read(task(text), tiers=("words",)) == [("dog", 3.0, 6.0, "dig")]


def test_controls_can_be_chosen(caplog: pytest.LogCaptureFixture) -> None:
    one = task(labelled("dig", region="a", control="action"), labelled("left", region="b", control="paw"))
    assert [row[3] for row in read(one)] == ["dig", "left"]
    assert "labels of 2 controls are read as those of one: 'action', 'paw'; --tier chooses" in caplog.text
    assert [row[3] for row in read(one, tiers=("paw",))] == ["left"]
    with pytest.raises(InputError, match="a control 'pawn', found 'action', 'paw'; correct --tier"):
        read(one, tiers=("pawn",))


def test_time_series_and_the_key_of_the_value(caplog: pytest.LogCaptureFixture) -> None:
    series = result("timeserieslabels", {"start": 3, "end": 6, "instant": False, "timeserieslabels": ["dig"]})
    other_key = result("timeserieslabels", {**FRAMES, "timelinelabels": ["dig"]})
    assert read(task(series)) == read(task(other_key)) == [("dog", 3.0, 6.0, "dig")]
    assert caplog.text == ""


BOX = {
    "framesCount": 100,
    "duration": 10.0,
    "sequence": [
        {"frame": 30, "enabled": True, "x": 1, "y": 1, "width": 5, "height": 5, "time": 3.0},
        {"frame": 40, "enabled": True, "x": 2, "y": 1, "width": 5, "height": 5, "time": 4.0},
        {"frame": 60, "enabled": False, "x": 3, "y": 1, "width": 5, "height": 5, "time": 6.0},
        {"frame": 80, "enabled": True, "x": 3, "y": 1, "width": 5, "height": 5, "time": 8.0},
    ],
}


def test_tracks_of_boxes_label_where_no_segment_does(caplog: pytest.LogCaptureFixture) -> None:
    box = result("videorectangle", {**BOX, "labels": ["dog"]}, "b", "box")
    shown = [("dog", 3.0, 6.0, "dog"), ("dog", 8.0, 10.0, "dog")]
    assert read(task(box)) == shown
    assert read(task(box, data={"fps": None})) == shown  # the track says how long its frames are
    assert "the tracks of boxes are read as labels" in caplog.text
    caplog.clear()
    assert read(task(box, labelled())) == [("dog", 3.0, 6.0, "dig")]
    assert "videorectangle" in caplog.text
    # Label Studio writes each box again as a label of the timeline, without ranges.
    phantom = result("timelinelabels", {**BOX, "timelinelabels": ["dig"]}, "b")
    assert read(task(box, phantom, labelled())) == [("dog", 3.0, 6.0, "dig")]


def test_positions_in_texts_are_no_times(caplog: pytest.LogCaptureFixture) -> None:
    text = result("labels", {"start": 3, "end": 9, "text": "some words", "labels": ["noun"]})
    paragraph = result("paragraphlabels", {"start": "1", "end": "2", "startOffset": 0, "paragraphlabels": ["x"]})
    whole = result("choices", {"choices": ["outdoors"]})
    assert read(task(text, paragraph, whole, labelled())) == [("dog", 3.0, 6.0, "dig")]
    assert "left out 3 results without a segment of time (choices, labels, paragraphlabels)" in caplog.text


@pytest.mark.parametrize(
    ("times", "length", "late"),
    [(SECONDS, 5.0, True), (SECONDS, 6.0, False), (FRAMES, 5.0, True), (FRAMES, 60, False), (FRAMES, 0.5, True)],
)
def test_times_after_the_end_are_said(times: dict, length: float, late: bool, caplog: pytest.LogCaptureFixture) -> None:
    assert len(read(task({**labelled(value=times), "original_length": length}))) == 1
    assert ("1 segment ends after the end of the media" in caplog.text) == late


# -- annotations -------------------------------------------------------------------------------------------------


def saved(label: str | None, when: str, person: Any = None, **more: Any) -> dict:
    results = [] if label is None else [labelled(label)]
    return {"completed_by": person, "updated_at": when, "result": results, **more}


EMAIL = {"id": 7, "email": "Anna@lab.org", "first_name": "Anna"}
JUDGED = {
    "the latest": ([saved("a", "2024", 1), saved("b", "2025", 2)], "b", "1 other annotation was left out (by 1)"),
    "an empty one is no replacement": (
        [saved("a", "2024", 1), saved(None, "2025", 2)],
        "a",
        "a later annotation is empty",
    ),
    "an earlier empty one is no news": ([saved(None, "2023", 1), saved("b", "2025", 1)], "b", ""),
    "ground truth": ([saved("a", "2024", 1, ground_truth=True), saved("b", "2025", EMAIL)], "a", "(by Anna@lab.org)"),
    "a skipped one": ([saved("a", "2024"), saved("b", "2025", was_cancelled=True)], "a", ""),
    "only empty ones": ([saved(None, "2024"), saved(None, "2025")], None, ""),
}


@pytest.mark.parametrize("case", JUDGED)
@pytest.mark.parametrize("key", ["annotations", "completions"])
def test_which_annotation_counts(case: str, key: str, caplog: pytest.LogCaptureFixture) -> None:
    annotations, label, said = JUDGED[case]
    for order in (1, -1):
        rows = read({"data": {"video": "dog.mp4", "fps": 10}, key: annotations[::order]})
        assert [row[3] for row in rows] == ([] if label is None else [label])
    assert said in caplog.text
    assert (said == "") == (caplog.text == "")


@pytest.mark.parametrize(("wanted", "label"), [("1", "a"), ("7", "b"), ("anna@LAB.org", "b")])
def test_annotators_can_be_chosen(wanted: str, label: str, caplog: pytest.LogCaptureFixture) -> None:
    both = {**task(), "annotations": [saved("a", "2025", 1), saved("b", "2024", EMAIL)]}
    other = {**task(data={"video": "cat.mp4"}), "annotations": [saved("c", "2024", 3)]}
    predicted = {"data": {"video": "cow.mp4"}, "predictions": [{"result": [labelled("p")]}]}
    assert [row[3] for row in read(both, other, predicted, annotator=wanted)] == [label]
    assert f"left out 2 videos without annotations of {wanted!r}" in caplog.text
    with pytest.raises(InputError, match=r"annotations of 'bob', found '1', 'Anna@lab.org', '3'; correct --annotator"):
        read(both, other, annotator="bob")


def test_rows_of_json_min_are_annotations_of_their_task(caplog: pytest.LogCaptureFixture) -> None:
    def row(person: Any, label: str, when: str) -> dict:
        labels = [{**FRAMES, "timelinelabels": [label]}] if label else []
        remark = [{**FRAMES, "text": ["hm"]}]
        return {
            "id": 5,
            "video": "/data/dog.mp4",
            "fps": 10,
            "what": labels,
            "why": remark,
            "annotator": person,
            "updated_at": when,
        }

    rows = [row(1, "dig", "2024"), row("anna@lab.org", "rest", "2025"), row(2, "", "2026")]
    assert read(*rows) == [("dog", 3.0, 6.0, "rest")]
    assert read(*rows, annotator="1") == [("dog", 3.0, 6.0, "dig")]
    assert "left out 1 remark about segments (text)" in caplog.text


@pytest.mark.parametrize(("separator", "name"), [(",", "e.csv"), ("\t", "t.csv")])
def test_tables_are_rows_of_json_min(separator: str, name: str, tmp_path: Path) -> None:
    rows = [
        ["video", "id", "fps", "what", "why", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"],
        ["/d/dog.mp4", 1, 10, json.dumps([{**FRAMES, "timelinelabels": ["dig"]}]), "no [idea", 1, 5, "", "2024", 1.5],
        ["/d/dog.mp4", 1, 10, "[not json", "", 2, 6, "", "2025", 1.5],
        ["/d/cat.mp4", 2, 10, "", "", 2, 7, "", "2025", 1.5],
    ]
    with (tmp_path / name).open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows(rows)
    annotations = load_annotations(tmp_path / name)
    assert instances(annotations) == [("dog", 3.0, 6.0, "dig")]
    assert [*annotations.videos] == ["dog", "cat"]
    (tmp_path / name).write_text(separator.join(map(str, rows[0])) + '\n"' + "x" * 200_000)
    with pytest.raises(InputError, match="field larger"):
        load_annotations(tmp_path / name)


# -- the video ---------------------------------------------------------------------------------------------------

UPLOAD = "/data/upload/3/0a1b2c3d-big%20dog.mp4"
NAMES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a key of one's own": ({"recording": UPLOAD, "site": "north"}, {}, "big dog"),
    "not the first key": ({"site": "a/b", "camera": "s3://bucket/x/dog.mkv"}, {}, "dog"),
    "HTML": ({"video": f'<video controls src="{UPLOAD}" width="100%"/><img src=x.png>'}, {}, "big dog"),
    "HTML without an extension": ({"video": "<video src=/files/dog></video>"}, {}, "dog"),
    "the video, not its sound": ({"audio": "a/sound.wav", "clip": "a/dog.mp4"}, {}, "dog"),
    "what labels refer to": ({"front": "f.mp4", "v": "dog.mp4"}, {}, "dog"),
    "a usual key": ({"reference": "r.mp4", "video_url": "dog.mp4"}, {}, "dog"),
    "sound only": ({"sound": "dog.wav"}, {}, "dog"),
    "the upload": ({"row": "17"}, {"file_upload": "0a1b2c3d-dog.mp4"}, "dog"),
    "a link with a signature": ({"x": "https://h.org/d/dog.mp4?X-Amz=1#t"}, {}, "dog"),
    "local files": ({"x": "/data/local-files/?d=set%20a/dog.v2.mp4"}, {}, "dog.v2"),
    "a Windows path": ({"x": "C:\\clips\\dog.MP4"}, {}, "dog"),
    "a usual key without an extension": ({"video": "https://h.org/v/dog", "n": "a.txt"}, {}, "dog"),
    "the same twice": ({"left": "a/dog.mp4", "right": "b/dog.mov"}, {}, "dog"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names(case: str) -> None:
    data, more, name = NAMES[case]
    one = {"data": {"fps": 10, **data}, "annotations": [{"result": [labelled()]}], **more}
    assert read(one) == [(name, 3.0, 6.0, "dig")]


def test_a_key_can_be_chosen() -> None:
    data = {"left": "l.mp4", "right": "r.mp4", "fps": 10}
    one = {"data": data, "annotations": [{"result": [labelled()]}]}
    with pytest.raises(
        InputError, match=r"task 1: expected one video, found the media files 'left', 'right'.*--data-key"
    ):
        read(one)
    assert read(one, data_key="right")[0][0] == "r"
    with pytest.raises(
        InputError, match="the video as 'up', found the keys 'left', 'right', 'fps'; correct --data-key"
    ):
        read(one, data_key="up")
    with pytest.raises(InputError, match=r"the file name of its video, found the keys 'n'; say with --data-key"):
        read({"data": {"n": "1"}, "file_upload": "0a1b2c3d-tasks.json", "annotations": [{"result": []}]})


def test_folders_tell_equal_names_apart() -> None:
    tasks = [task(labelled(), data={"video": f"/data/local-files/?d=set/cam{n}/001.mp4"}) for n in (1, 2)]
    assert [row[0] for row in read(*tasks)] == ["cam1/001", "cam2/001"]
    assert [row[0] for row in read(tasks[0])] == ["001"]
    with pytest.raises(InputError, match="'001' twice"):
        read(tasks[0], tasks[0])


def test_sound_only_is_said(caplog: pytest.LogCaptureFixture) -> None:
    read({"data": {"audio": "dog.wav"}, "annotations": [{"result": [labelled(value=SECONDS)]}]})
    assert "1 video is known by a file of sound only" in caplog.text


@given(st.lists(st.lists(st.sampled_from(["a", "b", "é"]), min_size=1, max_size=4), min_size=1, unique_by=tuple))
def test_names_tell_files_apart(paths: list[list[str]]) -> None:
    files = ["/".join(path) + ".mp4" for path in paths]
    names = names_of(files)
    assert len(set(names)) == len(files)
    assert all(file.removesuffix(".mp4").endswith(name) for file, name in zip(files, names, strict=True))
    alone = [stem_of(file) for file in files]
    assert all(
        "/" in name or alone.count(name) == 1 or name == path
        for name, path in zip(names, map("/".join, paths), strict=True)
    )


@given(
    st.dictionaries(st.text(max_size=4), st.none() | st.integers() | st.text(max_size=12)),
    st.none() | st.text(max_size=9),
)
def test_any_data_has_a_video_or_a_defect(data: dict, upload: str | None) -> None:
    with contextlib.suppress(Defect):
        assert isinstance(media_file(data, upload, ["video"], None), str)


# -- what is wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tasks", "found"),
    [
        ([{"image": "a.png"}], "task 1: expected a task"),
        ([task(labelled()), {"video": "b.mp4"}], "task 2: expected a task"),
        ([task(result("videorectangle", {"sequence": 3, "labels": ["x"]}))], '"sequence"'),
        ([task(result("videorectangle", {"sequence": [3], "labels": ["x"]}))], "a key frame"),
        ([task(result("videorectangle", {"sequence": [{}], "labels": ["x"]}))], "a finite number as start"),
        ([task(result("timelinelabels", FRAMES))], "the name of an action as label"),
        ([task(result("labels", {**SECONDS, "labels": [[["x"]]], "start": "noon"}))], "a finite number as start"),
        ([{"data": {"video": "a.mp4"}, "annotations": [{"result": [labelled()]}]}], "--fps"),
        ([{"data": {"video": "a.mp4"}, "annotations": {"result": []}}], "a list of annotations"),
    ],
)
def test_defects_are_named(tasks: list, found: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(tasks, "e.json")
    assert found in str(caught.value)


@pytest.mark.parametrize(
    ("times", "fps", "step"),
    [("seconds", None, 1), ("milliseconds", None, 0.001), ("minutes", None, 60), ("frames", 4, 0.25)],
)
def test_other_units(times: str, fps: float | None, step: float) -> None:
    assert read(task(labelled(value=SECONDS)), times=times, fps=fps) == [("dog", 3 * step, 6 * step, "dig")]
    assert read(task(labelled()), times=times, fps=10) == [("dog", 3.0, 6.0, "dig")]  # frames, whatever the rest is


@pytest.mark.parametrize("load", [load_annotations, import_annotations])
def test_annotations_are_read_wherever_labels_are(load: Callable[..., Annotations], tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.write_text(json.dumps([task(labelled(value=SECONDS))]))
    assert instances(load(path)) == [("dog", 3.0, 6.0, "dig")]


def test_absurd_times_are_said_where_labels_are_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    path = tmp_path / "e.json"
    path.write_text(json.dumps([task(labelled(value={"start": 3000, "end": 600_000, "channel": 0}))]))
    load_annotations(path)
    assert "ends at 600000 s (167 hours): are these milliseconds?" in caplog.text
    path.write_text(json.dumps([task(labelled(value={"start": 1.7e9, "end": 1.7e9 + 5}))]))
    with pytest.raises(InputError, match=r"video 'dog': expected times of up to 1e\+09 s"):
        load_annotations(path)


# -- anything ----------------------------------------------------------------------------------------------------

WHOLE = [
    {**task(labelled(), result("videorectangle", {**BOX, "labels": ["dog"]}, "b"))},
    {"id": 5, "video": "cat.mp4", "what": [{**SECONDS, "labels": ["nap"]}], "annotator": 1, "updated_at": "2024"},
]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9), odd_values)
def test_a_wrong_value_anywhere_is_read_or_refused(path: list[int], new: Any) -> None:
    tasks = replaced(WHOLE, path, new)
    with contextlib.suppress(InputError):
        parse(tasks if isinstance(tasks, list) else [tasks], "e.json")


# -- several videos, predictions, rows ---------------------------------------------------------------------------

TWO = {"video": "", "video1": "a.mp4", "video2": "b.mp4"}


def about(tag: str, label: str, control: str = "c") -> dict:
    return {**labelled(label, control=control), "to_name": tag}


def test_labels_of_another_video_of_a_task_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    named = task(about("video1", "dig"), about("video2", "eat"), data=TWO)
    assert read(named, data_key="video1") == [("a", 3, 6, "dig")]
    assert read(named, data_key="video2") == [("b", 3, 6, "eat")]
    assert "left out 1 result about other videos" in caplog.text
    assert read(task(about("video2", "eat"), data=TWO), data_key="video1") == []
    assert read(task(about("v", "dig"), data=TWO), data_key="video1") == [("a", 3, 6, "dig")]


def test_labels_of_several_videos_that_cannot_be_told_apart_are_refused() -> None:
    both = task(about("v1", "dig", "c1"), about("v2", "eat", "c2"), data=TWO)
    with pytest.raises(InputError, match="labels of 'v1', 'v2', and several videos; say with --tier"):
        read(both, data_key="video1")
    assert read(both, data_key="video2", tiers=("c2",)) == [("b", 3, 6, "eat")]


def test_labels_of_a_video_and_its_sound_are_read_together() -> None:
    sound = {"video": "/data/dog.mp4", "audio": "/data/dog.wav"}
    assert len(read(task(about("video", "dig"), about("audio", "eat"), data=sound))) == 2


def test_predictions_that_are_not_read_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    predictions = [{"model_version": name, "result": [labelled(name)]} for name in ("m1", "m2", "m3")]
    one = {"data": {"video": "a.mp4", "fps": 10}, "predictions": predictions}
    assert read(one) == [("a", 3, 6, "m1")]
    assert "2 other predictions left out (of 'm2', 'm3')" in caplog.text
    caplog.clear()
    assert read({**one, "predictions": predictions[:1]}) == [("a", 3, 6, "m1")]
    assert "left out" not in caplog.text


def test_tables_and_lines_are_recognized_by_their_segments(tmp_path: Path) -> None:
    cell = json.dumps([{**FRAMES, "timelinelabels": ["dig"]}])
    table = tmp_path / "e.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "video", "videoLabels", "annotator"), (1, "a.mp4", cell, 1)])
    lines = tmp_path / "e.jsonl"
    lines.write_text("\n".join(json.dumps(task(labelled(), data={"video": name})) for name in ("a.mp4", "b.mp4")))
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"id": 1, "video": "a.mp4", "videoLabels": json.loads(cell)}))
    options = ReadOptions(fps=10)
    assert instances(import_annotations(table, options=options)) == [("a", 3, 6, "dig")]
    assert instances(import_annotations(lines)) == [("a", 3, 6, "dig"), ("b", 3, 6, "dig")]
    assert instances(import_annotations(rows, options=options)) == [("a", 3, 6, "dig")]


def test_drafts_and_predictions_that_are_left_out_are_said(caplog: pytest.LogCaptureFixture) -> None:
    draft, guess = {"result": [labelled("bark")]}, {"result": [labelled("run")], "score": 0.5}
    other = {"data": {"video": "cat.mp4", "fps": 10}, "annotations": [], "predictions": [guess], "drafts": [draft]}
    assert {row[3] for row in read(task(labelled(), drafts=[draft]), other)} == {"dig"}
    assert "left out 2 drafts, which nobody submitted" in caplog.text
    assert "left out 1 video without annotations, 1 of them with predictions" in caplog.text
