"""BORIS: projects, tabular events, aggregated events, and projects that we write."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats import outcome
from rcl.data.formats.boris import writing as boris_project
from rcl.data.formats.boris.events import Event, pair
from rcl.data.formats.exported import Exported, Instance
from rcl.data.formats.load import import_annotations, load_annotations
from rcl.data.formats.options import ReadOptions
from rcl.system.errors import InputError

ETHOGRAM = {
    "0": {"type": "State event", "key": "g", "code": "groom"},
    "1": {"type": "State event with coding map", "key": "r", "code": "rest"},
    "2": {"type": "Point event", "key": "b", "code": "bite"},
}


def observed(events: list[list[Any]], media: str | list[str] = "D:\\lab\\cage 1.avi", **more: Any) -> dict[str, Any]:
    files = [media] if isinstance(media, str) else media
    return {"file": {"1": files, "2": []}, "type": "MEDIA", "time offset": 0.0, "events": events, **more}


def write(path: Path, **observations: Any) -> Path:
    project = {"project_format_version": "7.0", "observations": observations, "behaviors_conf": ETHOGRAM}
    path.write_text(json.dumps(project), encoding="utf-8")
    return path


def rows(annotations: Annotations) -> dict[str, list[tuple[float, float, str]]]:
    return {
        name: [
            (start, end, label)
            for (start, end), label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
        ]
        for name, video in annotations.videos.items()
    }


# -- projects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lab.boris", "lab.json"])
def test_states_are_paired_by_behaviour_subject_and_modifiers(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    events = [
        [1.0, "ann", "groom", "tail", "", 25],
        [2.0, "bob", "groom", "None", "seen late", 50],
        [3.0, "bob", "groom", "None", "", "NA"],
        [3.5, "", "bite", "", ""],
        [4.0, "ann", "groom", "tail", ""],
        [5.0, "", "rest", "", ""],
        [4.5, "", "rest", "", ""],  # BORIS orders by time
    ]
    path = write(tmp_path / name, morning=observed(events, media_info={"length": {"D:\\lab\\cage 1.avi": 60.5}}))
    annotations = import_annotations(path)
    assert rows(annotations) == {
        "cage 1": [(1.0, 4.0, "groom"), (2.0, 3.0, "groom"), (3.5, 3.5, "bite"), (4.5, 5.0, "rest")]
    }
    assert annotations.videos["cage 1"].duration_seconds == 60.5
    assert "the subjects of 4 events, the modifiers of 2 events" in caplog.text
    assert outcome.lengthless(annotations) == ["1 event without a length; --point-length SECONDS gives them one"]


def test_points_get_a_length(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.boris", one=observed([[0.1, "", "bite", "", ""], [9, "", "bite", "", ""]]))
    found = import_annotations(path, options=ReadOptions(point_length=0.5))
    assert rows(found)["cage 1"] == [(0.0, 0.35, "bite"), (8.75, 9.25, "bite")]
    assert not caplog.text


def test_queued_videos_and_an_offset(tmp_path: Path) -> None:
    """An instance that goes on in the next video is in both; each has the times of its own video."""
    media = {"length": {"a.mp4": 10.0, "b/b.mp4": 20.0}}
    events = [
        [103, "", "groom", "", ""],
        [104.5, "", "groom", "", ""],
        [108, "", "rest", "", ""],
        [115, "", "rest", "", ""],
    ]
    events += [[110, "", "bite", "", ""]]
    path = write(
        tmp_path / "a.boris",
        one=observed(events, ["a.mp4", "b/b.mp4", "c.mp4"], **{"time offset": 100.0}, media_info=media),
    )
    found = import_annotations(path)
    assert rows(found) == {
        "a": [(3.0, 4.5, "groom"), (8.0, 10.0, "rest")],
        "b": [(0.0, 0.0, "bite"), (0.0, 5.0, "rest")],
        "c": [],
    }
    assert [video.duration_seconds for video in found.videos.values()] == [10.0, 20.0, None]


def test_the_date_of_the_video_is_an_offset(tmp_path: Path) -> None:
    info = {"media_creation_time": {"v.mp4": 1.7e9}}
    events = [[1.7e9 + 2, "", "groom", "", ""], [1.7e9 + 3.5, "", "groom", "", ""]]
    one = observed(events, "v.mp4", media_creation_date_as_offset=True, media_info=info)
    assert rows(import_annotations(write(tmp_path / "a.boris", one=one))) == {"v": [(2.0, 3.5, "groom")]}


def test_equal_names_keep_their_folders(tmp_path: Path) -> None:
    one, two = observed([], "C:/cam1/001.mp4"), observed([], "C:\\cam2\\001.mp4")
    assert [*import_annotations(write(tmp_path / "a.boris", one=one, two=two)).videos] == ["cam1/001", "cam2/001"]


def test_observations_of_one_video(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    groom = observed([[1, "", "groom", "", ""], [2, "", "groom", "", ""]])
    rest = observed([[1, "", "rest", "", ""], [2, "", "rest", "", ""]])
    found = import_annotations(write(tmp_path / "a.boris", ann=groom, bob=rest))
    assert rows(found) == {"cage 1": [(1.0, 2.0, "groom"), (1.0, 2.0, "rest")]}
    assert "put several observations of a video together" in caplog.text
    both = write(tmp_path / "b.boris", ann=groom, bob=groom)
    with pytest.raises(
        InputError, match=r"'groom' in 'ann' and in 'bob', around 1 s; choose one, e.g. --annotator 'bob'"
    ):
        import_annotations(both)
    assert rows(import_annotations(both, options=ReadOptions(annotator="bob"))) == {"cage 1": [(1.0, 2.0, "groom")]}
    missed = observed([[0.5, "", "bite", "", ""], [9, "", "bite", "", ""]]), observed([[5, "", "bite", "", ""]])
    with pytest.raises(InputError, match="'bite' in 'ann' and in 'bob', around 5 s"):
        import_annotations(write(tmp_path / "c.boris", ann=missed[0], bob=missed[1]))
    later = observed([[20, "", "bite", "", ""]])
    halves = import_annotations(write(tmp_path / "c.boris", first=missed[0], second=later))
    assert [start for start, _, _ in rows(halves)["cage 1"]] == [0.5, 9.0, 20.0]
    with pytest.raises(InputError, match="expected an observation 'eve', found ann, bob"):
        import_annotations(both, options=ReadOptions(annotator="eve"))


def test_live_observations_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    live = {"file": [], "type": "LIVE", "time offset": 0, "events": [[1, "", "bite", "", ""]]}
    found = import_annotations(write(tmp_path / "a.boris", field=live, film=observed([])))
    assert rows(found) == {"cage 1": []}
    assert "observations without a video (field)" in caplog.text


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([[1, "", "groom", "", ""]], "'groom' at 1 s without a stop"),
        ([[1, "ann", "groom", "", ""], [2, "bob", "groom", "", ""]], "'groom' of 'ann' at 1 s without a stop"),
        ([[1, "", "groom", "a", ""], [2, "", "groom", "b", ""]], "without a stop"),
        ([[1, "", "sleep", "", ""]], "'sleep' in event 1, which is not in it"),
        ([["x", "", "bite", "", ""]], "a finite number as time of event 1"),
        ([7], "an event"),
        ("x", '"events"'),
    ],
)
def test_wrong_events_are_named(tmp_path: Path, events: Any, found: str) -> None:
    path = write(tmp_path / "a.boris", first=observed([]), second=observed(events))
    with pytest.raises(InputError) as caught:
        import_annotations(path)
    assert f"{path}, observation 'second'" in str(caught.value)
    assert found in str(caught.value)


def test_a_queue_of_unknown_lengths_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.boris", one=observed([], ["a.mp4", "b.mp4"]))
    with pytest.raises(InputError, match="the length of each video that others follow"):
        import_annotations(path)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9), st.sampled_from("abc")), max_size=12))
def test_what_does_not_overlap_is_paired_back(items: list[tuple[int, int, str]]) -> None:
    """An oracle of pairing: intervals that do not overlap within a behaviour, as events in any order."""
    clock, intervals = dict.fromkeys("abc", 0), []
    for gap, length, label in items:
        start = clock[label] + gap
        clock[label] = start + length
        intervals.append((float(start), float(start + length), label))
    events = [Event(time, label, "STATE") for start, end, label in intervals for time in (start, end)]
    assert pair(reversed(events)) == sorted(Instance(*interval) for interval in intervals)


# -- tables ------------------------------------------------------------------------------------------------------

EARLY = """Observation id\tday 3\t\t
\t\t\t
Media file(s)\t\t\t
Player #1\tnest.mp4\t\t
Time offset (s)\t0.5\t\t

Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tModifiers\tComment\tStatus
00:00:01.500\tnest.mp4\t30.000\t25.0\t\tfeed\t\t\t\tSTART
00:01:02.250\tnest.mp4\t30.000\t25.0\t\tpeck\t\t\t\tPOINT
00:01:03.000\tnest.mp4\t30.000\t25.0\t\tfeed\t\t\t\tSTOP
"""
LATE = """Observation id,Observation date,Description,Observation duration,Observation type,Source,Time offset (s),\
Media duration (s),FPS,Subject,Behavior,Behavioral category,Modifier #1,Behavior type,Time,Media file name,Image index,\
Image file path,Comment
n1,2024-05-01 10:00:00,"a, b",30,Media file(s),player #1:/lab/nest a.mp4,0,30.000,25.000,No focal subject,feed,,left,\
START,1.5,/lab/nest a.mp4,37,NA,
n1,2024-05-01 10:00:00,"a, b",30,Media file(s),player #1:/lab/nest a.mp4,0,30.000,25.000,No focal subject,feed,,left,\
STOP,4.25,/lab/nest a.mp4,106,NA,
n2,2024-05-01 10:00:00,,30,Media file(s),player #1:/lab/b.mp4;/lab/c.mp4|player #2:/lab/d.mp4,0,10.000;20.000|30.000,\
25.000,ann,peck,,,POINT,12.5,/lab/c.mp4,62,NA,
"""
AGGREGATED_6 = """Observation id,Observation date,Description,Media file,Total length,FPS,Subject,Behavior,\
Behavioral category,Modifiers,Behavior type,Start (s),Stop (s),Duration (s),Comment start,Comment stop
6008,2021-12-06 13:26:24,,T:/Coding Project/6008.mp4,1381.010,29.97,No focal subject,holding,,,STATE,689.000,989.023,\
300.023,,
6008,2021-12-06 13:26:24,,T:/Coding Project/6008.mp4,1381.010,29.97,No focal subject,look,,,POINT,700.5,700.5,NA,,
"""
AGGREGATED_8 = AGGREGATED_6.replace("Media file,Total length", "Observation type,Source,Media duration (s)").replace(
    "T:/Coding Project/6008.mp4", "Media file(s),player #1:T:/Coding Project/6008.mp4"
)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("early.tsv", EARLY, {"nest": [(1.0, 62.5, "feed"), (61.75, 61.75, "peck")]}),
        ("late.csv", LATE, {"nest a": [(1.5, 4.25, "feed")], "b": [], "c": [(2.5, 2.5, "peck")]}),
        ("late.tsv", LATE.replace('"a, b"', "a b").replace(",", "\t"), None),
        ("late.csv", LATE.replace('"a, b"', "a b").replace(",", ";").replace("mp4;/lab", "mp4,/lab"), "refused"),
        ("six.csv", AGGREGATED_6, {"6008": [(689.0, 989.023, "holding"), (700.5, 700.5, "look")]}),
        ("eight.csv", AGGREGATED_8, {"6008": [(689.0, 989.023, "holding"), (700.5, 700.5, "look")]}),
        (
            "eight.csv",
            AGGREGATED_8.replace("\n", "\r\n"),
            {"6008": [(689.0, 989.023, "holding"), (700.5, 700.5, "look")]},
        ),
    ],
)
def test_tables_of_all_versions(tmp_path: Path, name: str, text: str, expected: Any) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    if expected == "refused":  # the list of videos cannot be told from the fields
        with pytest.raises(InputError):
            import_annotations(path)
        return
    expected = expected or {"nest a": [(1.5, 4.25, "feed")], "b": [], "c": [(2.5, 2.5, "peck")]}
    assert rows(import_annotations(path)) == expected


AGGREGATED = {"6008": [(689.0, 989.023, "holding"), (700.5, 700.5, "look")]}


@pytest.mark.parametrize("text", [AGGREGATED_6, AGGREGATED_8])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Start (s),Stop (s)", "Start,Stop"),
        ("Start (s),Stop (s)", "Start (hh:mm:ss),Stop (hh:mm:ss.zzz)"),
        ("Behavior,", "Behaviour,"),
        ("Behavior", "BEHAVIOR"),
        ("Behavior type,", "Typ,"),
        ("Observation id", "Name"),
        ("689.000,989.023", "00:11:29,00:16:29.023"),
    ],
)
def test_headers_that_differ_a_little(tmp_path: Path, text: str, old: str, new: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert rows(import_annotations(path)) == AGGREGATED


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (AGGREGATED_6, AGGREGATED),
        (AGGREGATED_8, AGGREGATED),
        (EARLY, {"nest": [(1.0, 62.5, "feed"), (61.75, 61.75, "peck")]}),
    ],
)
def test_decimal_commas_of_spreadsheets(tmp_path: Path, text: str, separator: str, expected: Any) -> None:
    path = tmp_path / "a.csv"
    changed = text.replace("," if "\t" not in text else "\t", separator)
    path.write_text(re.sub(r"(?<=\d)\.(?=\d)", ",", changed), encoding="utf-8")
    assert rows(import_annotations(path)) == expected


def test_the_offset_and_the_length_may_be_clock_times(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = AGGREGATED_8.replace("Media duration (s)", "Time offset (hh:mm:ss),Media duration (hh:mm:ss)")
    path.write_text(text.replace("1381.010", "00:00:09,00:23:01.010"), encoding="utf-8")
    (video,) = import_annotations(path).videos.values()
    assert video.segments_seconds.tolist() == [[680.0, 980.023], [691.5, 691.5]]
    assert video.duration_seconds == 1381.01


def test_what_only_boris_writes_is_read_by_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(LATE.replace("Behavior type", "Art").replace("Time,", "Moment,"), encoding="utf-8")
    with pytest.raises(InputError, match="events of BORIS with the columns Start and Stop, or Time"):
        import_annotations(path)
    path.write_text("observation id,video,start,stop,behavior\n7,x.mp4,1,2,nap\n", encoding="utf-8")
    assert [*rows(import_annotations(path)).values()] == [[(1.0, 2.0, "nap")]]


def test_a_table_is_read_for_training_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(AGGREGATED_8, encoding="utf-8")
    assert load_annotations(tmp_path / "a.csv").labels == ("holding", "look")


def test_the_video_above_an_early_table(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(EARLY.replace("nest.mp4\t30", "\t30"), encoding="utf-8")
    assert [*import_annotations(path).videos] == ["nest"]


def test_a_table_of_two_people(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(AGGREGATED_8 + AGGREGATED_8.split("\n", 1)[1].replace("6008,2021", "again,2021"), encoding="utf-8")
    with pytest.raises(InputError, match="one observation of a behaviour at a time"):
        import_annotations(path)
    assert [*rows(import_annotations(path, options=ReadOptions(annotator="again")))] == ["6008"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (EARLY.replace("STOP", "START"), "'feed' at 63 s without a stop"),
        (EARLY.replace("START", "STOP"), "'feed' at 1.5 s without a start"),
        (EARLY.replace("POINT", "?"), "observation 'day 3', line 9: expected START, STOP or POINT"),
        (EARLY.replace("00:00:01.500", "1.5 s"), "observation 'day 3', line 8: expected a finite number as time"),
        (EARLY.split("00:00", 1)[0], "a header without rows"),
        (EARLY.replace("nest.mp4", ""), "annotated videos, found none"),
    ],
)
def test_wrong_tables_are_named(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        import_annotations(path)
    assert str(path) in str(caught.value)
    assert found in str(caught.value)


# -- what we write -----------------------------------------------------------------------------------------------


def exported(*items: tuple[float, float, str, float | None], name: str = "v") -> Exported:
    video = VideoAnnotation(name, "training", 30.0, None, np.zeros((0, 2)), ())
    return Exported({name: video}, {name: [Instance(*item) for item in items]}, scored=False)


def test_the_project_has_what_boris_needs(tmp_path: Path) -> None:
    content = exported((1.0, 4.0, "groom", 0.875), (2.0, 3.0, "groom", None), (5.0, 5.0, "bite", None))
    boris_project.write(content, tmp_path / "a.boris")
    project = json.loads((tmp_path / "a.boris").read_text())
    assert project["project_format_version"] == "7.0"
    ethogram = {item["code"]: (item["type"], item["key"]) for item in project["behaviors_conf"].values()}
    assert ethogram == {"bite": ("Point event", "a"), "groom": ("State event", "b")}
    assert [subject["name"] for subject in project["subjects_conf"].values()] == ["track 2"]
    (observation,) = project["observations"].values()
    assert observation["file"]["1"] == ["v.mp4"]
    assert observation["media_info"]["length"] == {"v.mp4": 30.0}
    assert observation["events"] == [
        [1.0, "", "groom", "", "score 0.875", "NA"],
        [2.0, "track 2", "groom", "", "", "NA"],
        [3.0, "track 2", "groom", "", "", "NA"],
        [4.0, "", "groom", "", "", "NA"],
        [5.0, "", "bite", "", "", "NA"],
    ]


def test_known_files_are_linked(tmp_path: Path) -> None:
    file = tmp_path / "my videos" / "v.mkv"
    content = Exported(exported(name="v").videos, {"v": []}, scored=False, files={"v": file})
    boris_project.write(content, tmp_path / "a.boris")
    (observation,) = json.loads((tmp_path / "a.boris").read_text())["observations"].values()
    assert observation["file"]["1"] == [file.as_posix()]


def test_only_a_project_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.boris"):
        boris_project.write(exported(), tmp_path / "a.json")


def test_a_spreadsheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for line in AGGREGATED_8.splitlines():
        sheet.append([float(value) if value.replace(".", "").isdigit() else value for value in line.split(",")])
    book.save(tmp_path / "a.xlsx")
    found = import_annotations(tmp_path / "a.xlsx")
    assert rows(found) == {"6008": [(689.0, 989.023, "holding"), (700.5, 700.5, "look")]}
