"""Annotation tools: what goes there and comes back, and what they wrote themselves."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from named import video_key
from places import SHARED
from rcl.cli import app
from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.formats import fiftyone
from rcl.data.formats.boris import writing as boris_project
from rcl.data.formats.elan import writing as elan
from rcl.data.formats.exported import UNLABELLED, Exported, file_names
from rcl.data.formats.label_studio import writing as label_studio
from rcl.data.formats.label_studio.frames import to_frames, to_seconds
from rcl.data.formats.load import format_of, import_annotations, load_annotations, save_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.results import save_detections
from rcl.data.formats.tables import table
from rcl.data.formats.values import composed
from rcl.data.formats.via import project as via
from rcl.system.errors import InputError
from rcl.web.serve.annotation_file import AnnotationFile

VIDEOS = SHARED / "videos"

# -- what is random ----------------------------------------------------------------------------------------------

characters = st.characters(
    exclude_categories=["Cs", "Cc"], include_characters="\n\t\r\"'<>&,/\\", max_codepoint=0x1FFFF
)
# Not in XML, so no ELAN file can hold them.
characters = characters.filter(lambda character: character not in "\ufffe\uffff" and ord(character) & 0xFFFE != 0xFFFE)
names = st.text(characters, min_size=1, max_size=12).filter(str.strip).map(composed) | st.sampled_from(
    ["../a", "a/../b", "C:\\x", ".a"]
)
labels = st.sampled_from(["jump", "jump (2)", "<b>", 'say "hi"', "größe", "1"]) | names
times = st.floats(0, 5000) | st.integers(0, 20).map(float) | st.floats(0, 0.1)
subsets = st.sampled_from(["training", "validation", "testing"])
positive = st.none() | st.floats(1e-3, 1e5)


@st.composite
def videos(draw: st.DrawFn) -> VideoAnnotation:
    pairs = draw(st.lists(st.tuples(times, times).map(sorted), max_size=6))
    segments = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    own = tuple(draw(labels) for _ in pairs)
    group = draw(st.none() | st.sampled_from(["anna", "camera 1", "größe"]))
    return VideoAnnotation(draw(names), draw(subsets), draw(positive), draw(positive), segments, own, group)


annotations = st.lists(videos(), min_size=1, max_size=4, unique_by=lambda video: video_key(video.name)).map(
    lambda items: Annotations({video.name: video for video in items})
)
found_items = st.tuples(names, st.floats(-5, 500), st.floats(0, 50), labels | st.just(""), st.floats(0, 1))


def detections_of(items: list[tuple[str, float, float, str, float]], idle: list[str] = ()) -> Detections:  # type: ignore[assignment]
    known = list(dict.fromkeys([item[0] for item in items] + [*idle]))
    own = sorted({item[3] for item in items})
    return Detections(
        tuple(known),
        np.array([known.index(item[0]) for item in items], dtype=np.int64),
        np.array([(item[1], item[1] + item[2]) for item in items], dtype=np.float64).reshape(-1, 2),
        tuple(own),
        np.array([own.index(item[3]) for item in items], dtype=np.int64),
        np.array([item[4] for item in items], dtype=np.float64),
    )


detections = st.builds(
    detections_of, st.lists(found_items, max_size=8), st.lists(names, min_size=1, max_size=2)
).filter(lambda content: len({video_key(name) for name in content.videos}) == len(content.videos))

# -- there and back ----------------------------------------------------------------------------------------------

FORMATS = ["label-studio", "via", "elan", "boris", "fiftyone"]
FPS = 29.97


def there_and_back(exported: Exported, kind: str, folder: Path) -> tuple[Annotations, list[str]]:
    if kind == "label-studio":
        lost = label_studio.write(exported, folder / "a.json", fps=dict.fromkeys(exported.videos, FPS))
        return import_annotations(folder / "a.json"), lost
    if kind == "via":
        lost = via.write(exported, folder / "a.json")
        return import_annotations(folder / "a.json"), lost
    if kind in ("boris", "fiftyone"):
        path = folder / {"boris": "a.boris", "fiftyone": "a.json"}[kind]
        lost = {"boris": boris_project, "fiftyone": fiftyone}[kind].write(exported, path)
        return import_annotations(path), lost
    lost = elan.write(exported, folder / "eaf")
    files = sorted((folder / "eaf").iterdir())
    assert {file.parent for file in folder.rglob("*.eaf")} == {folder / "eaf"}
    return Annotations.merge([import_annotations(file) for file in files]), lost


def step_of(kind: str, lost: list[str]) -> float:
    """How far times may be off, by what the writer says."""
    if any("finer than a frame" in what for what in lost):
        return 1.5 / FPS + 1e-9
    finer = any("finer than a millisecond" in what or "lengths" in what for what in lost)
    return 0.0015 + 1e-9 if finer else 0 if kind in ("via", "fiftyone") else 2e-6


def assert_same(video: VideoAnnotation, exported: Exported, step: float) -> None:
    """The same instances in any order, times up to a step."""
    expected = exported.instances[video.name]
    assert Counter(video.labels) == Counter(instance.label for instance in expected)
    for label in set(video.labels):
        own = [
            pair for pair, other in zip(video.segments_seconds.tolist(), video.labels, strict=True) if other == label
        ]
        real = [[i.start_seconds, i.end_seconds] for i in expected if i.label == label]
        for column in (0, 1):  # sorted times are no further from each other than those of the pairs
            difference = np.sort([p[column] for p in own]) - np.sort([p[column] for p in real])
            assert np.abs(difference).max(initial=0) <= step


relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("kind", FORMATS)
@relaxed
@given(content=annotations)
def test_annotations_come_back(kind: str, content: Annotations, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, exported = tmp_path_factory.mktemp("x"), Exported.of(content)
    try:
        file_names([*content.videos], ".eaf")
    except InputError:
        if kind == "elan":
            with pytest.raises(InputError, match="names that differ as file names"):
                elan.write(exported, folder / "eaf")
            return
    back, lost = there_and_back(exported, kind, folder)
    assert set(back.videos) == set(content.videos)
    for name, video in content.videos.items():
        own = back.videos[name]
        assert (own.subset, own.group, own.duration_seconds) == (video.subset, video.group, video.duration_seconds)
        assert own.snippets_per_second == video.snippets_per_second
        assert_same(own, exported, step_of(kind, lost))
    blanks = any(label != label.strip() for video in content.videos.values() for label in video.labels)
    assert ("blanks around labels" in lost) == blanks
    assert "scores" not in lost


@pytest.mark.parametrize("kind", FORMATS)
@relaxed
@given(content=detections)
def test_detections_come_back(kind: str, content: Detections, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, exported = tmp_path_factory.mktemp("x"), Exported.of(content)
    try:
        file_names(content.videos, ".eaf")
    except InputError:
        return
    back, lost = there_and_back(exported, kind, folder)
    assert set(back.videos) == set(content.videos)  # also those without a detection
    for video in back.videos.values():
        assert video.subset == "training"
        assert_same(video, exported, step_of(kind, lost))
    assert ("scores" in lost) == (kind == "elan" and len(content) > 0)
    assert ("times before 0" in lost) == bool((content.segments_seconds[:, 0] < 0).any())
    assert any("proposals" in what for what in lost) == ("" in content.labels)
    if kind == "via":
        project = json.loads((folder / "a.json").read_text())
        scores = [float(item["av"]["2"]) for item in project["metadata"].values()]
        assert Counter(scores) == Counter(content.scores.tolist())
    if kind == "label-studio":
        tasks = json.loads((folder / "a.json").read_text())
        results = [result for task in tasks for result in task["predictions"][0]["result"]]
        assert Counter(result["score"] for result in results) == Counter(content.scores.tolist())


@relaxed
@given(content=annotations)
def test_tables_come_back(content: Annotations, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("x") / "a.csv"
    lost = table.write(content, path)
    back = load_annotations(path, clip=False)
    for name, video in content.videos.items():
        own = back.videos[name.strip()]
        assert own.segments_seconds.tolist() == video.segments_seconds.tolist()
        assert own.labels == tuple(label.strip() for label in video.labels)
        assert (own.subset, own.group, own.duration_seconds) == (video.subset, video.group, video.duration_seconds)
        assert own.snippets_per_second == video.snippets_per_second
    words = [word for video in content.videos.values() for word in (video.name, *video.labels)]
    assert bool(lost) == any(word != word.strip() for word in words)


# -- times and frames --------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(times, times).map(sorted), min_size=1), st.sampled_from([10.0, 24.0, 25.0, 29.97, 60.0]))
def test_frames_are_the_nearest_and_stay_when_written_again(pairs: list[list[float]], fps: float) -> None:
    segments = np.array(pairs)
    frames = to_frames(segments, fps)
    assert frames.min() >= 1
    assert (frames[:, 0] <= frames[:, 1]).all()
    inside = segments[:, 0] * fps >= 2
    back = to_seconds(frames, fps)
    longer = frames[:, 1] > frames[:, 0]
    assert np.abs(back - segments)[inside & longer].max(initial=0) <= 0.5 / fps + 1e-9
    assert (back[:, 1] > back[:, 0]).all()
    assert np.array_equal(to_frames(back, fps)[longer], frames[longer])


def test_elan_has_no_overlaps_within_a_tier_and_tiers_for_all_labels(tmp_path: Path) -> None:
    items = [("v", start, 2.0, "jump", 0.5) for start in (0.0, 1.0, 1.5, 2.0)] + [("w", 0.0, 1.0, "jump (2)", 0.5)]
    elan.write(Exported.of(detections_of(items)), tmp_path)
    root = ElementTree.parse(tmp_path / "v.eaf").getroot()
    order = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE", "")) for slot in root.iter("TIME_SLOT")}
    assert [*order.values()] == sorted(set(order.values()))
    assert [tier.get("TIER_ID") for tier in root.iter("TIER")] == ["jump", "jump (2)", "jump (3)", "jump (4)"]
    for tier in root.iter("TIER"):
        spans = [
            (order[item.get("TIME_SLOT_REF1")], order[item.get("TIME_SLOT_REF2")])
            for item in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    kinds = [element.tag for element in root]
    assert kinds == [
        "HEADER",
        "TIME_ORDER",
        *["TIER"] * 4,
        "LINGUISTIC_TYPE",
        *["CONSTRAINT"] * 4,
    ]  # the schema's order
    ids = [item.get("ANNOTATION_ID") for item in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(set(ids)) == len(ids) == 4


# -- what the tools write ----------------------------------------------------------------------------------------

LABEL_STUDIO = [
    {
        "id": 1,
        "data": {"video": "/data/upload/3/0a1b2c3d-figure-001.mp4", "fps": 25},
        "file_upload": "0a1b2c3d-figure-001.mp4",
        "annotations": [
            {
                "id": 7,
                "completed_by": 1,
                "was_cancelled": False,
                "ground_truth": False,
                "updated_at": "2025-05-01T10:00:00.000000Z",
                "result": [],
            },
            {
                "id": 8,
                "completed_by": 2,
                "was_cancelled": False,
                "ground_truth": False,
                "updated_at": "2025-05-02T10:00:00.000000Z",
                "result": [
                    {
                        "id": "x1",
                        "type": "timelinelabels",
                        "origin": "manual",
                        "from_name": "videoLabels",
                        "to_name": "video",
                        "value": {"ranges": [{"start": 26, "end": 50}], "timelinelabels": ["kick"]},
                    },
                    {
                        "id": "x2",
                        "type": "timelinelabels",
                        "origin": "manual",
                        "from_name": "videoLabels",
                        "to_name": "video",
                        "value": {"ranges": [{"start": 1, "end": 100}], "timelinelabels": ["walk", "outside"]},
                    },
                    {"type": "choices", "from_name": "c", "to_name": "video", "value": {"choices": ["good"]}},
                ],
            },
            {"id": 9, "was_cancelled": True, "updated_at": "2025-05-03T10:00:00.000000Z", "result": []},
        ],
        "predictions": [],
    },
    {
        "id": 2,
        "data": {"video_url": "/data/local-files/?d=set/my%20video.v2.mp4"},
        "annotations": [
            {
                "result": [
                    {
                        "type": "labels",
                        "from_name": "tricks",
                        "to_name": "audio",
                        "original_length": 98.7,
                        "value": {"start": 3.1, "end": 8.2, "channel": 0, "labels": ["Kickflip"]},
                    }
                ]
            }
        ],
    },
    {"id": 3, "data": {"video": "https://a.example/new.mp4?token=1"}, "annotations": [], "predictions": []},
]


def write(path: Path, data: object) -> Path:
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def test_label_studio_json(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.json", LABEL_STUDIO)
    first, second = import_annotations(path).videos.values()
    assert (first.name, second.name) == ("figure-001", "my video.v2")
    assert first.labels == ("kick", "walk", "outside")
    assert first.segments_seconds.tolist() == [[1.04, 2.0], [0.0, 4.0], [0.0, 4.0]]
    assert second.segments_seconds.tolist() == [[3.1, 8.2]]
    assert "left out 1 result without a segment of time" in caplog.text
    assert import_annotations(path, options=ReadOptions(fps=50)).videos["figure-001"].segments_seconds[0].tolist() == [
        0.52,
        1.0,
    ]
    assert [*import_annotations(write(tmp_path / "one.json", LABEL_STUDIO[0])).videos] == ["figure-001"]


def test_label_studio_ground_truth_and_predictions(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def result(label: str) -> dict:
        return {"result": [{"value": {"start": 1, "end": 2, "labels": [label]}, "type": "labels"}]}

    marked = [{**result("a"), "ground_truth": True, "updated_at": "2024"}, {**result("b"), "updated_at": "2025"}]
    judged = {"data": {"audio": "a.mp4"}, "annotations": marked}
    guessed = {"data": {"audio": "b.mp4"}, "annotations": [], "predictions": [result("c")]}
    assert import_annotations(write(tmp_path / "a.json", [judged, guessed])).videos["a"].labels == ("a",)
    assert "left out 1 video without annotations" in caplog.text
    assert import_annotations(write(tmp_path / "a.json", [guessed])).videos["b"].labels == ("c",)
    assert "their predictions are read" in caplog.text


def test_label_studio_json_min(tmp_path: Path) -> None:
    rows = [
        {
            "video": "/data/upload/1/00000000-clip.mp4",
            "id": 5,
            "videoLabels": [{"ranges": [{"start": 2, "end": 3}], "timelinelabels": ["x"]}],
            "annotator": 1,
            "annotation_id": 2,
        }
    ]
    video = import_annotations(write(tmp_path / "min.json", rows), options=ReadOptions(fps=10)).videos["clip"]
    assert (video.labels, video.segments_seconds.tolist()) == (("x",), [[0.2, 0.3]])


VIA = {
    "project": {
        "pid": "__VIA_PROJECT_ID__",
        "rev": "__VIA_PROJECT_REV_ID__",
        "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
        "pname": "VIA3 Sample",
        "creator": "VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)",
        "created": 1554740134034,
        "data_format_version": "3.1.1",
        "vid_list": ["1", "2"],
    },
    "config": {"file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}}, "ui": {"file_content_align": "center"}},
    "attribute": {
        "1": {
            "aname": "Activity",
            "anchor_id": "FILE1_Z2_XY0",
            "type": 4,
            "desc": "Activity",
            "options": {"0": "Break Egg", "1": "Pour Liquid"},
            "default_option_id": "",
        },
        "2": {"aname": "Object", "anchor_id": "FILE1_Z1_XY1", "type": 1, "desc": "", "options": {}},
    },
    "file": {
        "1": {"fid": 1, "fname": "Alioli.ogv", "type": 4, "loc": 2, "src": "https://a.example/Alioli.ogv"},
        "2": {"fid": "2", "fname": "b.mp4", "type": 4, "loc": 1, "src": ""},
    },
    "view": {"1": {"fid_list": [1]}, "2": {"fid_list": ["2"]}},
    "metadata": {
        "1_mR8ks-Aa": {"vid": "1", "flg": 0, "z": [7.2, 11.6], "xy": [], "av": {"1": "0"}},
        "1_a": {"vid": "1", "flg": 0, "z": [12.0, 12.5], "xy": [], "av": {"1": "Stir"}},
        "1_b": {"vid": "1", "flg": 0, "z": [8.3], "xy": [2, 10, 20, 40, 50], "av": {"2": "cat"}},
    },
}


def test_via_project(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.json", VIA)
    first, second = import_annotations(path).videos.values()
    assert (first.name, first.labels, second.name, second.labels) == ("Alioli", ("Break Egg", "Stir"), "b", ())
    assert first.segments_seconds.tolist() == [[7.2, 11.6], [12.0, 12.5]]
    assert "left out 1 item other than temporal segments" in caplog.text


def test_via_checkboxes(tmp_path: Path) -> None:
    data = json.loads(json.dumps(VIA))
    data["attribute"]["1"]["type"] = 2
    data["metadata"]["1_a"]["av"]["1"] = "0,1"
    assert import_annotations(write(tmp_path / "a.json", data)).videos["Alioli"].labels == (
        "Break Egg",
        "Break Egg",
        "Pour Liquid",
    )


ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-03-05T10:00:00+01:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///home/me/dinner%20party.mp4" MIME_TYPE="video/mp4"
            RELATIVE_MEDIA_URL="./dinner%20party.mp4" TIME_ORIGIN="500"/>
        <PROPERTY NAME="URN">urn:nl-mpi-tools-elan-eaf:1</PROPERTY>
        <PROPERTY NAME="lastUsedAnnotationId">5</PROPERTY>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2500"/>
        <TIME_SLOT TIME_SLOT_ID="ts3"/>
        <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="4000"/>
    </TIME_ORDER>
    <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="gesture">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts4">
                <ANNOTATION_VALUE>wave </ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
                <ANNOTATION_VALUE/>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
                <ANNOTATION_VALUE>half</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="note" PARENT_REF="gesture" TIER_ID="note">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a1">
                <ANNOTATION_VALUE>left hand</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="gesture (2)">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a5" TIME_SLOT_REF1="ts4" TIME_SLOT_REF2="ts4">
                <ANNOTATION_VALUE></ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""


def test_elan_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (video,) = import_annotations(write(tmp_path / "x.eaf", ELAN)).videos.values()
    assert (video.name, video.subset) == ("dinner party", "training")
    assert video.labels == ("gesture", "half", "wave", "gesture")  # without a value, the tier
    assert video.segments_seconds.tolist() == [[1.5, 3.0], [3.0, 3.75], [3.0, 4.5], [4.5, 4.5]]
    assert "left out 1 annotation without times of their own" in caplog.text
    unlinked = ELAN.replace("MEDIA_DESCRIPTOR", "LINKED_FILE_DESCRIPTOR")
    assert [*import_annotations(write(tmp_path / "y.eaf", unlinked)).videos] == ["y"]


# -- what is wrong -----------------------------------------------------------------------------------------------

LS_RESULT = {"type": "timelinelabels", "value": {"ranges": [{"start": 5, "end": 2}], "timelinelabels": ["x"]}}


def changed_via(key: str, **changes: object) -> dict:
    data = json.loads(json.dumps(VIA))
    data["metadata"][key].update(changes)
    return data


def task(result: object, **data: object) -> list[dict]:
    return [{"data": {"video": "a.mp4", "fps": 25, **data}, "annotations": [{"result": result}]}]


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.json", [3], "task 1: expected a task"),
        ("a.json", "[{", "line 1, column 3"),
        ("a.json", [], "annotated videos"),
        ("a.json", "[" * 100_000, "ordinary JSON"),
        ("a.json", task([LS_RESULT]), "task 1: expected an end that is not before the start"),
        ("a.json", task(3), '"result": [labels]'),
        ("a.json", task([{"value": {"ranges": 3, "timelinelabels": ["x"]}}]), "in result 1"),
        ("a.json", task([{"value": {"ranges": [4], "timelinelabels": ["x"]}}]), "a range"),
        ("a.json", task([{"value": {"ranges": [{"start": 1, "end": 2}]}}]), "the name of an action as label"),
        ("a.json", task([{"value": {"start": 1, "end": None, "labels": ["x"]}}]), "a finite number as end"),
        ("a.json", task([{"value": {"ranges": [{"start": 1, "end": 2}]}}], fps=0), "above 0"),
        ("a.json", task([{"value": {"ranges": [{"start": 1, "end": 2}]}}], fps=None), "--fps"),
        ("a.json", task([], video="http://[x"), "address of a video"),
        ("a.json", task([], video=""), "file name of its video"),
        ("a.json", task([], rcl={"video": "a", "subset": "some"}), "the subset training"),
        ("a.json", task([], rcl={"video": "a", "duration": -1}), "positive duration"),
        ("a.json", task([]) + task([]), "'a' twice"),
        ("a.json", changed_via("1_a", z=[3, 1]), "metadata '1_a': expected an end"),
        ("a.json", changed_via("1_a", z=["x", 1]), "metadata '1_a': expected a finite number"),
        ("a.json", changed_via("1_a", vid="9"), "metadata of one of the views"),
        ("a.json", changed_via("1_a", av={}), "name of an action"),
        ("a.json", {**VIA, "attribute": {}}, "an attribute of temporal segments"),
        ("a.json", {**VIA, "file": {}}, "view '1': expected a view of one file"),
        ("a.json", {**VIA, "metadata": {}, "view": {}}, "annotated videos"),
        ("a.json", {"nothing": 1}, '"database"'),
        ("a.json", {"results": {}}, "a results file"),
        ("a.eaf", "", "complete XML"),
        ("a.eaf", ELAN[:900], "complete XML"),
        ("a.eaf", "<html/>", "found <html>"),
        ("a.eaf", ELAN.replace('TIME_VALUE="1000"', 'TIME_VALUE="x"'), "TIME_VALUE of time slot 'ts1'"),
        ("a.eaf", ELAN.replace('REF2="ts2"', 'REF2="ts9"'), "tier 'gesture', annotation 'a2': expected a time slot"),
        ("a.eaf", ELAN.replace('"1000"', '"9000"'), "annotation 'a2': expected an end"),
        ("a.eaf", ELAN.replace('TIME_UNITS="milliseconds"', 'TIME_UNITS="PAL-frames"'), "times in milliseconds"),
        ("a.eaf", ELAN.replace('NAME="URN"', 'NAME="rcl"'), "property 'rcl'"),
        ("a.ods", "", "a file that ends in"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, name: str, content: object, found: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(InputError) as caught:
        import_annotations(path)
    assert str(path) in str(caught.value)
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    ["data", "annotations", "result", "value", "ranges", "labels", "start", "end", "rcl", "video"]
                ),
                x,
            )
        ),
        max_leaves=20,
    )
)
def test_any_list_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: object) -> None:
    path = write(tmp_path_factory.mktemp("x") / "a.json", [data])
    try:
        import_annotations(path)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017


def test_bombs_are_refused(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{i + 1} "{"".join([f"&e{i};"] * 10)}">' for i in range(12))
    types = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "a">{entities}]>'
    bomb = f"{types}<ANNOTATION_DOCUMENT>&e12;</ANNOTATION_DOCUMENT>"
    secret = write(tmp_path / "secret", "s3cret")
    outside = f'<!DOCTYPE x [<!ENTITY f SYSTEM "{secret.as_uri()}">]><ANNOTATION_DOCUMENT>&f;</ANNOTATION_DOCUMENT>'
    for text in (bomb, outside, '<!DOCTYPE x SYSTEM "x.dtd"><ANNOTATION_DOCUMENT/>'):
        with pytest.raises(InputError, match="XML without a document type"):
            import_annotations(write(tmp_path / "a.eaf", text))
    with pytest.raises(InputError, match="complete XML, found undefined entity"):
        import_annotations(write(tmp_path / "a.eaf", "<ANNOTATION_DOCUMENT>&e;</ANNOTATION_DOCUMENT>"))


# -- names -------------------------------------------------------------------------------------------------------


@given(st.text(min_size=1))
def test_file_names_stay_in_their_folder(name: str) -> None:
    (file,) = file_names([name], ".eaf").values()
    assert Path("folder", file).parts == ("folder", file)
    assert not file.startswith(".")
    assert not set('<>:"/\\|?*\0') & set(file)


@pytest.mark.parametrize("pair", [("a/b", "a_b"), ("A", "a"), ("é", "e\u0301"), ("../x", "_./x")])
def test_names_that_become_one_are_told(tmp_path: Path, pair: tuple[str, str]) -> None:
    content = detections_of([], [*pair])
    with pytest.raises(InputError, match=r"names that differ as file names|expected one name for the video"):
        elan.write(Exported.of(content), tmp_path)
    assert not [*tmp_path.iterdir()]


def test_corrections_are_not_overwritten(tmp_path: Path) -> None:
    content = Exported.of(detections_of([], ["a"]))
    elan.write(content, tmp_path)
    with pytest.raises(InputError, match="one that may hold corrections"):
        elan.write(content, tmp_path)


def test_names_that_are_too_long_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a file that can be written"):
        elan.write(Exported.of(detections_of([], ["a" * 300])), tmp_path)


def test_labels_that_xml_cannot_hold_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a control character"):
        elan.write(Exported.of(detections_of([("a", 0, 1, "x\x07", 1)])), tmp_path)
    with pytest.raises(InputError, match="a name for each"):
        Exported.of(detections_of([], [" "]))


# -- commands ----------------------------------------------------------------------------------------------------


def rcl(*arguments: object) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_commands(tmp_path: Path) -> None:
    found = [("a", 0.0, 1.0, "jump", 0.9), ("a", 2.0, 1.0, "jump", 0.3), ("b", 1.0001, 1.0, "walk", 0.5)]
    save_detections(detections_of(found, ["c"]), tmp_path / "d.csv")
    out, err = rcl("export", tmp_path / "d.csv", "--format", "elan", "--output", tmp_path / "eaf", "--min-score", 0.4)
    assert out.startswith("2 detections in 3 videos")
    assert "not kept: scores; times finer than a millisecond." in err
    assert "guessed the file names of the videos: a.mp4, b.mp4 and 1 more" in err
    files = sorted((tmp_path / "eaf").iterdir())
    assert rcl("import", *files, "--output", tmp_path / "l.csv", "--subset", "val")[0].startswith(
        "2 instances in 3 videos"
    )
    labels = load_annotations(tmp_path / "l.csv")
    assert {video.subset for video in labels.videos.values()} == {"validation"}
    for kind, file in (("via", "v.json"), ("label-studio", "t.json"), ("csv", "t.csv")):
        rcl("export", tmp_path / "l.csv", "--format", kind, "--output", tmp_path / file, "--fps", 25)
        rcl("import", tmp_path / file, "--output", tmp_path / "back.json")
        back = load_annotations(tmp_path / "back.json")
        assert {name: video.labels for name, video in back.videos.items()} == {"a": ("jump",), "b": ("walk",), "c": ()}
        assert {video.subset for video in back.videos.values()} == {"validation"}
    interface = ElementTree.parse(tmp_path / "t.xml")
    assert [label.get("value") for label in interface.iter("Label")] == ["jump", "walk"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--format", "x"], "--format"),
        (["--format", "via", "--top", "3"], "--top: expected detections"),
        (["--format", "label-studio"], "video 'a': expected its frames per second"),
        (["--format", "via", "--fps", "0"], "--fps"),
        (["--format", "csv"], "ends in .csv"),
    ],
)
def test_wrong_options(tmp_path: Path, options: list[str], found: str) -> None:
    video = VideoAnnotation("a", "training", None, 2.5, np.zeros((0, 2)), ())
    save_annotations(Annotations({"a": video}), tmp_path / "annotations.json")
    with pytest.raises(InputError, match=found):
        rcl("export", tmp_path, "--output", tmp_path / "o.json", *options)


def test_the_same_video_in_two_files(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, ELAN) for name in ("x.eaf", "y.eaf")]
    with pytest.raises(InputError, match=r"video 'dinner party': expected each video in one file"):
        rcl("import", *paths, "--output", tmp_path / "o.json")


@pytest.mark.skipif(not VIDEOS.is_dir(), reason=f"the real videos are not at {VIDEOS}")
def test_videos_are_linked_and_their_rate_is_known(tmp_path: Path) -> None:
    file = sorted(path for path in VIDEOS.rglob("*.mp4"))[0]
    folder = tmp_path / "my videos"
    folder.mkdir()
    (folder / file.name).symlink_to(file)
    save_detections(detections_of([(file.stem, 0.5, 1.0, "x", 1.0)]), tmp_path / "d.json")
    common = ("export", tmp_path / "d.json", "--videos", folder, "--format")
    rcl(*common, "label-studio", "--output", tmp_path / "t.json")
    (one,) = json.loads((tmp_path / "t.json").read_text())
    assert one["data"]["video"] == f"/data/local-files/?d=my%20videos/{file.name}"
    assert 1 < one["data"]["fps"] < 1000
    rcl(*common, "elan", "--output", tmp_path / "eaf")
    linked = ElementTree.parse(tmp_path / "eaf" / f"{file.stem}.eaf").getroot().find("HEADER/MEDIA_DESCRIPTOR")
    assert linked is not None
    assert (tmp_path / "eaf" / linked.get("RELATIVE_MEDIA_URL", "")).resolve() == file.resolve()
    rcl(*common, "via", "--output", tmp_path / "v.json")
    assert json.loads((tmp_path / "v.json").read_text())["file"]["1"]["src"] == file.resolve().as_uri()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (VIA, "via"),
        (LABEL_STUDIO, "label-studio"),
        (LABEL_STUDIO[0], "label-studio"),
        ({"database": {}}, "activitynet"),
    ],
)
def test_serve_does_not_write_what_it_could_only_read(tmp_path: Path, content: object, kind: str) -> None:
    path = write(tmp_path / "a.json", content)
    assert format_of(path) == kind
    if kind != "activitynet":
        with pytest.raises(InputError, match="a format that RCL only reads"):
            AnnotationFile(path, [])


def test_unlabelled_proposals_have_a_name() -> None:
    assert Exported.of(detections_of([("a", 0, 1, "", 1)])).labels() == [UNLABELLED]
