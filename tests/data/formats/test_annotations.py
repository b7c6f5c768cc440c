from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from named import video_key
from places import SHARED
from rcl.data.annotations import Annotations, VideoAnnotation, check_labels
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import composed
from rcl.system.errors import InputError

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real annotations are not at {SHARED}")


def video(subset: object = "training", segment: object = (1, 2), label: object = "run", **more: object) -> dict:
    return {"subset": subset, "annotations": [{"segment": segment, "label": label}], **more}


def write_json(tmp_path: Path, database: object) -> Path:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"database": database}))
    return path


def write_csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "truth.csv"
    path.write_text(text)
    return path


def error_of(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_annotations(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


# -- reading -----------------------------------------------------------------------------------------------------


def test_json_is_read(tmp_path: Path) -> None:
    path = write_json(
        tmp_path,
        {
            "v1": video("train", ["1.5", 2], duration="10", fps=2.5),
            "v2": {"subset": "Testing"},
            "v3": video("VAL", [3, 3], 7, duration=None),
        },
    )
    annotations = load_annotations(path)
    v1, v2, v3 = annotations.videos.values()
    assert (v1.name, v1.subset, v1.duration_seconds, v1.snippets_per_second) == ("v1", "training", 10.0, 2.5)
    assert v1.segments_seconds.dtype == np.float64
    assert v1.segments_seconds.tolist() == [[1.5, 2.0]]
    assert v2.subset == "testing"
    assert v2.segments_seconds.shape == (0, 2)
    assert (v3.subset, v3.segments_seconds.tolist(), v3.labels) == ("validation", [[3.0, 3.0]], ("7",))
    assert annotations.labels == ("7", "run")
    assert annotations.source == str(path)


def test_csv_is_read(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path,
        "\ufeffVideo, Start,end,label,Subset,duration,fps\n"
        'v1,1,2.5,"cut, fine",train,10,2\n'
        "\n"
        "v2,,,,val,,\n"
        "v1,3,4, run ,training,,\n",
    )
    v1, v2 = load_annotations(path).videos.values()
    assert v1.segments_seconds.tolist() == [[1.0, 2.5], [3.0, 4.0]]
    assert v1.labels == ("cut, fine", "run")
    assert (v1.subset, v1.duration_seconds, v1.snippets_per_second) == ("training", 10.0, 2.0)
    assert (v2.subset, v2.labels, v2.duration_seconds) == ("validation", (), None)


def test_csv_without_subsets_is_for_training(tmp_path: Path) -> None:
    annotations = load_annotations(write_csv(tmp_path, "video,start,end,label\nv,1,2,run\n"))
    assert annotations.subset("train").videos.keys() == {"v"}


def test_csv_columns_that_are_not_read_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_annotations(write_csv(tmp_path, "video,start,end,label,fold\nv,1,2,run,3\n"))
    assert "'fold'" in caplog.text


@needs_shared
@pytest.mark.parametrize(
    ("name", "videos", "instances"),
    [
        ("data/50salads-mid-fold1", 50, 898),
        ("data/50salads-mid-fold2", 50, 898),
        ("data/gtea-fold1", 28, 526),
        ("data/thumos14", 410, 6318),
        ("data/activitynet-1.3", 19_228, 22_152),
        ("golden/thumos/thumos_gt_gtad.json", 410, 6318),
        ("golden/thumos/detad_thumos14_test.json", 212, 3358),
        ("golden/anet/anet_val_gt_full_reconstructed.json", 4926, 7654),
    ],
)
def test_real_annotations_load(name: str, videos: int, instances: int, caplog: pytest.LogCaptureFixture) -> None:
    path = SHARED / name if name.endswith(".json") else SHARED / name / "annotations.json"
    raw = load_annotations(path, clip=False)
    assert not caplog.records
    assert len(raw.videos) == videos
    assert sum(len(v.labels) for v in raw.videos.values()) == instances
    clipped = load_annotations(path)
    assert sum(len(v.labels) for v in clipped.videos.values()) >= instances - 4
    assert len(caplog.records) <= 1


# -- clipping ----------------------------------------------------------------------------------------------------


def test_segments_outside_are_clipped_with_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    segments = [[-1, 2], [3, 3], [8, 12], [10, 11], [-2, 0], [10, 10], [12, 12]]
    entry = {"subset": "val", "annotations": [{"segment": s, "label": str(i)} for i, s in enumerate(segments)]}
    path = write_json(tmp_path, {"v": {**entry, "duration": 10}, "w": entry})
    with caplog.at_level(logging.WARNING, logger="rcl"):
        annotations = load_annotations(path)
    v, w = annotations.videos.values()
    assert v.segments_seconds.tolist() == [[0, 2], [3, 3], [8, 10], [10, 10]]
    assert v.labels == ("0", "1", "2", "5")
    assert w.labels == ("0", "1", "2", "3", "5", "6")  # its end is not known, but its start is
    assert annotations.clipped == 3
    (record,) = caplog.records
    message = record.getMessage()
    assert str(path) in message
    assert "clipped 3 segments" in message
    assert "dropped 4 segments wholly outside" in message
    assert "-1.0 to 2.0 s in video 'v' of 10.0 s" in message


def test_ground_truth_can_be_read_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_json(tmp_path, {"v": video(segment=[-1, 12], duration=10)})
    annotations = load_annotations(path, clip=False)
    assert annotations.videos["v"].segments_seconds.tolist() == [[-1, 12]]
    assert annotations.clipped == 0
    assert not caplog.records


# -- subsets and labels ------------------------------------------------------------------------------------------


def test_subset(tmp_path: Path) -> None:
    annotations = load_annotations(write_json(tmp_path, {"a": video("train"), "b": video("val"), "c": video("train")}))
    assert [*annotations.subset("Training").videos] == ["a", "c"]
    assert [*annotations.subset("val").videos] == ["b"]
    with pytest.raises(InputError, match=r"truth.json: expected videos in .* testing, found 2 in training, 1 in valid"):
        annotations.subset("test")
    with pytest.raises(InputError, match="'holdout'"):
        annotations.subset("holdout")


def test_check_labels(tmp_path: Path) -> None:
    annotations = load_annotations(
        write_json(tmp_path, {"a": video(label="running"), "b": video("val"), "c": video("val", label="running")})
    )
    training = annotations.subset("training")
    check_labels(training, training)
    check_labels(annotations, training)
    with pytest.raises(InputError, match=r"truth.json, video 'b': .*\(running\), found 'run'; did you mean 'running'"):
        check_labels(training, annotations.subset("validation"))


# -- writing -----------------------------------------------------------------------------------------------------

positive = st.none() | st.floats(min_value=0, exclude_min=True, allow_infinity=False)
pairs = st.tuples(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300)).map(sorted)
names = st.text(st.characters(), min_size=1).filter(str.strip).map(composed)


@st.composite
def annotated_videos(draw: st.DrawFn) -> Annotations:
    videos = {}
    for name in draw(st.lists(names, unique_by=video_key, min_size=1, max_size=3)):
        instances = draw(st.lists(st.tuples(pairs, names), max_size=3))
        segments = np.array([pair for pair, _ in instances], dtype=np.float64).reshape(-1, 2)
        subset = draw(st.sampled_from(["training", "validation", "testing"]))
        labels = tuple(label for _, label in instances)
        videos[name] = VideoAnnotation(name, subset, draw(positive), draw(positive), segments, labels)
    return Annotations(videos)


@settings(max_examples=40, deadline=None)
@given(annotated_videos())
def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, annotations: Annotations) -> None:
    path = tmp_path_factory.getbasetemp() / "round" / "truth.json"  # the folder is made
    save_annotations(annotations, path)
    again = load_annotations(path, clip=False)
    assert [*again.videos] == [*annotations.videos]
    for name, expected in annotations.videos.items():
        found = again.videos[name]
        assert found.segments_seconds.tolist() == expected.segments_seconds.tolist()
        assert (found.subset, found.labels) == (expected.subset, expected.labels)
        assert found.duration_seconds == expected.duration_seconds
        assert found.snippets_per_second == expected.snippets_per_second
    assert [*path.parent.iterdir()] == [path]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_json(tmp_path, {"v": video()})
    before = path.read_text()
    segments = np.array([[0, np.nan]])
    broken = Annotations({"v": VideoAnnotation("v", "training", None, None, segments, ("run",))})
    with pytest.raises(ValueError, match="JSON compliant"):
        save_annotations(broken, path)
    assert path.read_text() == before
    assert [*tmp_path.iterdir()] == [path]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    annotations = load_annotations(write_json(tmp_path, {"v": video()}))
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match=r"folder.json: expected a file that can be written"):
        save_annotations(annotations, tmp_path / "folder.json")
    with pytest.raises(InputError, match=r"ends in .json"):
        save_annotations(annotations, tmp_path / "truth.txt")


# -- defects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        (video(segment=[5, 4]), ["instance 1 of 1", "start 5.0 and end 4.0", "swap"]),
        (video(segment=["1", "abc"]), ["instance 1 of 1", "finite number as end", "'abc'", "correct"]),
        (video(segment=[1, True]), ["finite number as end", "True"]),
        (video(segment=[float("nan"), 2]), ["finite number as start", "nan"]),
        (video(segment=[1, float("inf")]), ["finite number as end", "inf"]),
        (video(segment=[1, "NaN"]), ["finite number as end", "'NaN'"]),
        (video(segment=[1, 10**400]), ["finite number as end", "1000"]),
        (video(segment=[1]), ['"segment": [start, end]', "[1]", "both numbers"]),
        (video(segment="1 2"), ['"segment": [start, end]', "'1 2'"]),
        (video(segment=None), ['no "segment"']),
        (video(label=None), ["as label", "none", "add the label"]),
        (video(label=" "), ["as label", "' '"]),
        (video(subset="holdout"), ["training, validation or testing", "'holdout'", "correct the subset"]),
        (video(subset=None), ["training, validation or testing", "none"]),
        (video(duration=0), ["positive duration", "found 0", "remove the duration"]),
        (video(duration="long"), ["finite number as duration", "'long'"]),
        (video(fps=-2), ["positive fps", "-2"]),
        ({"subset": "train"}, ['no "annotations"', "[]"]),
        ({"subset": "train", "annotations": {"a": 1}}, ['"annotations": [instances]']),
        ({"subset": "train", "annotations": [3]}, ["instance 1 of 1", "found 3"]),
        ([1], ["a video", "[1]"]),
    ],
)
def test_json_defects_name_the_video_and_the_remedy(tmp_path: Path, entry: object, parts: list[str]) -> None:
    message = error_of(write_json(tmp_path, {"good": video(), "v7": entry}))
    assert "video 'v7'" in message
    assert [part for part in parts if part not in message] == []


def test_further_defects_are_counted(tmp_path: Path) -> None:
    message = error_of(write_json(tmp_path, {"a": video(segment=[2, 1]), "b": video("x"), "c": video(label=None)}))
    assert "video 'a'" in message
    assert "2 more such problems" in message


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("v7,5,4,run,train,9,1", ["start 5.0 and end 4.0", "swap"]),
        ("v7,1,abc,run,train,9,1", ["finite number as end", "'abc'"]),
        ("v7,nan,2,run,train,9,1", ["finite number as start", "'nan'"]),
        ("v7,1,,run,train,9,1", ["finite number as end", "''"]),
        ("v7,1,2,,train,9,1", ["as label", "add the label"]),
        ("v7,1,2,run,,9,1", ["training, validation or testing", "''"]),
        ("v7,1,2,run,val,9,1", ["subset training of its earlier rows", "found validation", "the same subset"]),
        ("v7,1,2,run,train,8,1", ["duration 9.0 of its earlier rows", "found 8.0"]),
        ("v7,1,2,run,train,-9,1", ["positive duration", "-9"]),
        ("v7,1,2,run,train,9,0", ["positive fps", "'0'"]),
    ],
)
def test_csv_defects_name_the_line_and_the_remedy(tmp_path: Path, row: str, parts: list[str]) -> None:
    header = "video,start,end,label,subset,duration,fps"
    message = error_of(write_csv(tmp_path, f"{header}\nv7,1,2,run,train,9,1\n{row}\n"))
    assert "line 3, video 'v7'" in message
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["video,start,end,label", "an empty file"]),
        ("video,start,end,label\n", ["annotated videos", "none"]),
        ("video,start,label\nv,1,run\n", ["without end", "add the missing column"]),
        ("video;start;end\nv;1;2\n", ["video;start;end", "without label", "--columns label="]),
        ("video,start,end,label,end\nv,1,2,run,3\n", ["end twice"]),
        ("video,start,end,label\nv,1,2,cut, fine\n", ["line 2", "4 fields", "found 5", "double quotes"]),
        ("video,start,end,label\n,1,2,run\n", ["line 2", "the name of a video"]),
        ('video,start,end,label\nv,1,2,"' + "x" * 200_000 + '"\n', ["line 2", "field larger"]),
    ],
)
def test_csv_defects_of_the_table(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = error_of(write_csv(tmp_path, text))
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{"database": {"v": {"subset": "tr', ["complete JSON", "line 1, column", "cut short"]),
        ('{\n"database": {,}}', ["line 2, column"]),
        ("", ["an empty file"]),
        ("[1, 2]", ["a JSON object", "list"]),
        ("[" * 100_000, ["ordinary JSON"]),
        ('{"database": {"v": {"subset": "val", "annotations": []}, "v": {}}}', ["'v' twice", "merge"]),
        ('{"database": {}}', ["annotated videos", "none"]),
        ('{"database": []}', ['"database": {video', "the keys database"]),
        ('{"results": {"v": []}}', ["a results file (detections)", "as the detections"]),
        ('{"version": 1}', ['"database"', "the keys version", "give the ground truth"]),
        ('{"database": {" ": {}}}', ["without a name"]),
    ],
)
def test_json_defects_of_the_file(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "truth.json"
    path.write_text(text)
    message = error_of(path)
    assert [part for part in parts if part not in message] == []


def test_files_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    assert "no such file; check the path" in error_of(tmp_path / "none.json")
    assert "'.ods'" in error_of(tmp_path / "truth.ods")
    (tmp_path / "folder.json").mkdir()
    assert "a folder" in error_of(tmp_path / "folder.json")
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"video,start,end,label\nv,1,2,caf\xe9\n")
    message = error_of(latin)
    assert "0xe9 in line 2" in message
    assert "save the file as UTF-8" in message


def test_a_database_without_subsets_takes_that_of_the_options(tmp_path: Path) -> None:
    instance = {"segment": [1, 2], "label": "x"}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"database": {name: {"annotations": [instance]} for name in "ab"}}))
    assert "--subset" in error_of(path)
    read = load_annotations(path, options=ReadOptions(subset="val"))
    assert {video.subset for video in read.videos.values()} == {"validation"}
