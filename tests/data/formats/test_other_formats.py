"""Audacity, FiftyOne, Charades, EPIC-Kitchens, CVAT, VIA's tables, and subtitles as labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rcl.cli import app
from rcl.data.annotations import Annotations
from rcl.data.formats import audacity
from rcl.data.formats.exported import Exported
from rcl.data.formats.load import import_annotations
from rcl.data.formats.options import ReadOptions
from rcl.system.errors import InputError


def read(path: Path, content: Any, **options: Any) -> Annotations:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8", newline="")
    return import_annotations(path, options=ReadOptions(**options))


def rows(annotations: Annotations) -> dict[str, list[tuple[float, float, str]]]:
    return {
        name: [
            (start, end, label)
            for (start, end), label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
        ]
        for name, video in annotations.videos.items()
    }


def refused(path: Path, content: Any, found: str, **options: Any) -> None:
    with pytest.raises(InputError) as caught:
        read(path, content, **options)
    assert str(path) in str(caught.value)
    assert found in str(caught.value)


# -- Audacity ----------------------------------------------------------------------------------------------------

TRACK = "0.500000\t2.250000\tbird song\n\\\t1000.0\t4000.0\n3.000000\t3.000000\tclick\n"


@pytest.mark.parametrize("text", [TRACK, TRACK.replace("\n", "\r\n"), TRACK.replace(".", ",")])
def test_a_label_track(tmp_path: Path, text: str) -> None:
    path = tmp_path / "take 1.5.txt"
    assert rows(read(path, text)) == {"take 1.5": [(0.5, 2.25, "bird song"), (3.0, 3.0, "click")]}
    assert rows(read(path, text, point_length=1.0))["take 1.5"][1] == (2.5, 3.5, "click")


def test_an_empty_track_is_a_video_without_labels(tmp_path: Path) -> None:
    assert rows(read(tmp_path / "quiet.txt", "")) == {"quiet": []}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.0\t2.0\n", "line 1: expected the name of an action"),
        ("1.0\t2.0\ta\nhello\n", "line 2: expected start, end and label"),
        ("3.0\t2.0\ta\n", "line 1: expected an end"),
        ("walk 1 2\n", "a header with the columns"),
    ],
)
def test_wrong_label_tracks(tmp_path: Path, text: str, found: str) -> None:
    refused(tmp_path / "a.txt", text, found)


def test_line_ends_of_old_macs(tmp_path: Path) -> None:
    expected = rows(read(tmp_path / "a.txt", TRACK))
    (tmp_path / "a.txt").write_bytes(TRACK.replace("\r", "").replace("\n", "\r").encode())
    assert rows(import_annotations(tmp_path / "a.txt")) == expected


# -- FiftyOne ----------------------------------------------------------------------------------------------------


def test_labels_of_fiftyone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels = {
        "a": [{"label": 1, "timestamps": [0.5, 2.0], "confidence": 0.9}],
        "cam 1/b": [{"label": 0, "support": [1, 50]}, {"label": "fall", "support": [26, 26], "attributes": {}}],
        "c": [],
        "d": None,
    }
    found = read(tmp_path / "labels.json", {"classes": ["fall", "walk"], "labels": labels}, fps=25.0)
    assert rows(found) == {"a": [(0.5, 2.0, "walk")], "cam 1/b": [(0.0, 2.0, "fall"), (1.0, 1.04, "fall")], "c": []}
    assert "left out 1 video without labels: d" in caplog.text
    named = {"classes": None, "labels": {"a": [{"label": "walk", "timestamps": [0, 1]}]}}
    assert rows(read(tmp_path / "labels.json", named)) == {"a": [(0.0, 1.0, "walk")]}


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ({"label": 0, "support": [1, 5]}, "frames without a rate; give the rate with --fps"),
        ({"label": 7, "timestamps": [1, 5]}, "a position in classes, up to 0"),
        ({"label": 0}, '"support" or "timestamps"'),
        (3, '{"label", "support"}'),
    ],
)
def test_wrong_labels_of_fiftyone(tmp_path: Path, item: Any, found: str) -> None:
    refused(tmp_path / "a.json", {"classes": ["x"], "labels": {"v": [item]}}, found)


# -- data sets ---------------------------------------------------------------------------------------------------

CHARADES = """id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length
46GP8,HR43,Kitchen,6,7,Yes,"A person, cooking.",food;stove,"She cooks; he eats.",c092 11.90 21.20;c147 0.00 12.60,24.83
N11GT,0KZ7,Stairs,6,7,Yes,Running.,,Up,,18.33
"""


def test_charades(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = read(tmp_path / "Charades_v1_test.csv", CHARADES)
    assert rows(found) == {"46GP8": [(11.9, 21.2, "c092"), (0.0, 12.6, "c147")], "N11GT": []}
    assert {(video.subset, video.duration_seconds) for video in found.videos.values()} == {
        ("validation", 24.83),
        ("validation", 18.33),
    }
    assert "in the subset validation, by the name of the file" in caplog.text
    assert {v.subset for v in read(tmp_path / "x_test.csv", CHARADES, subset="train").videos.values()} == {"training"}
    refused(tmp_path / "a.csv", CHARADES.replace("c147 0.00", "c147"), "line 2, video '46GP8': expected actions as")


EPIC = """narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,\
stop_frame,narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes
P01_01_0,P01,P01_01,00:00:01.089,00:00:00.14,00:00:03.37,8,202,open door,open,3,door,3,['door'],[3]
P01_01_1,P01,P01_01,00:00:02.629,01:00:04.37,01:00:06.17,262,370,turn on light,turn-on,6,light,114,['light'],[114]
"""


def test_epic_kitchens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = read(tmp_path / "EPIC_100_validation.csv", EPIC)
    assert rows(found) == {"P01_01": [(0.14, 3.37, "open"), (3604.37, 3606.17, "turn-on")]}
    assert found.videos["P01_01"].subset == "validation"
    assert "the labels are those of the column 'verb'" in caplog.text
    assert read(tmp_path / "a.csv", EPIC, columns={"label": "noun"}).labels == ("door", "light")
    refused(tmp_path / "a.csv", EPIC.replace("verb,", "v,"), "a column of labels (verb or class)")
    refused(tmp_path / "a.csv", EPIC, "a column 'x' of labels", columns={"label": "x"})
    refused(tmp_path / "a.csv", EPIC.replace("00:00:00.14", "0:14"), "line 2, video 'P01_01': expected a time")


# -- CVAT --------------------------------------------------------------------------------------------------------


def cvat(body: str, task: str = "<name>my task</name><source>street 1.mp4</source>") -> str:
    meta = f"<meta><task><id>7</id>{task}</task></meta>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}{body}</annotations>'


def boxes(*shown: tuple[int, int], extra: str = "") -> str:
    return "".join(
        f'<box frame="{frame}" outside="{outside}" keyframe="1" xtl="1" ytl="1" xbr="2" ybr="2">{extra}</box>'
        for frame, outside in shown
    )


def test_a_track_is_a_segment_for_each_time_it_is_visible(tmp_path: Path) -> None:
    shown = boxes((10, 0), (11, 0), (12, 1), (30, 0), (45, 0), (46, 0))
    text = cvat(f'<track id="0" label="person">{shown}</track><track id="1" label="dog">{boxes((0, 0))}</track>')
    assert rows(read(tmp_path / "a.xml", text, fps=10.0)) == {
        "street 1": [(0.0, 0.1, "dog"), (1.0, 1.2, "person"), (3.0, 4.7, "person")]
    }


def test_an_attribute_of_a_track_can_be_the_label(tmp_path: Path) -> None:
    walk, run = ('<attribute name="action">walk</attribute>', '<attribute name="action">run</attribute>')
    shown = boxes((0, 0), (10, 0), extra=walk) + boxes((20, 0), extra=run) + boxes((30, 1), extra=run)
    text = cvat(f'<track id="0" label="person">{shown}</track>')
    found = read(tmp_path / "a.xml", text, fps=10.0, columns={"label": "action"})
    assert rows(found) == {"street 1": [(0.0, 2.0, "walk"), (2.0, 3.0, "run")]}


def test_tags_of_frames_in_a_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tags = "".join(f'<tag label="walk" frame="{frame}"/>' for frame in (5, 7, 9, 15))
    task = "<name>clip.mp4</name><frame_filter>step=2</frame_filter>"
    assert rows(read(tmp_path / "a.xml", cvat(tags, task), fps=10.0)) == {
        "clip": [(0.5, 1.1, "walk"), (1.5, 1.7, "walk")]
    }
    images = "".join(f'<image id="{i}" name="f{i}"><tag label="sit"/>{boxes((0, 0))}</image>' for i in (0, 1, 2))
    assert rows(read(tmp_path / "b.xml", cvat(images), fps=1.0)) == {"street 1": [(0.0, 3.0, "sit")]}
    assert "left out the shapes of 3 images" in caplog.text


def tagged(*values: str, name: str = "action") -> str:
    """Images with a tag each, whose attribute has these values, or is missing."""
    given = [f'<attribute name="{name}">{value}</attribute>' if value else "" for value in values]
    return "".join(
        f'<image id="{i}" name="f{i}"><tag label="person">{one}</tag></image>' for i, one in enumerate(given)
    )


def test_an_attribute_of_tags_can_be_the_label(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = cvat(
        tagged("walk", "walk", "run", "") + '<tag label="dog" frame="4"><attribute name="action">run</attribute></tag>'
    )
    found = read(tmp_path / "a.xml", text, fps=1.0, columns={"label": "action"})
    assert rows(found) == {"street 1": [(0.0, 2.0, "walk"), (2.0, 3.0, "run"), (4.0, 5.0, "run")]}
    assert "left out 1 track or tag without a value of the attribute 'action'" in caplog.text


@pytest.mark.parametrize("body", [tagged("walk", "run"), tagged("walk") + '<track id="0" label="person"/>'])
def test_attributes_that_are_not_read_are_named(body: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(tmp_path / "a.xml", cvat(body), fps=1.0)
    assert "attributes are not read: 'action' ('walk'" in caplog.text
    wanted = {"label": "act"}
    refused(
        tmp_path / "a.xml", cvat(body), "an attribute 'act', found the attributes 'action'", fps=1.0, columns=wanted
    )
    refused(tmp_path / "b.xml", cvat(""), "found no attributes", fps=1.0, columns=wanted)


def test_images_of_several_videos_are_not_put_together(tmp_path: Path) -> None:
    text = cvat(tagged("", "").replace('"f0', '"first/f0').replace('"f1', '"second/f1'))
    refused(tmp_path / "a.xml", text, "one video in a task, found the folders 'first', 'second'", fps=1.0)
    assert rows(read(tmp_path / "a.xml", text, fps=1.0, media="both")) == {"both": [(0.0, 2.0, "person")]}
    one = text.replace("second", "first")
    assert rows(read(tmp_path / "b.xml", one, fps=1.0)) == {"street 1": [(0.0, 2.0, "person")]}


@pytest.mark.parametrize(
    ("task", "late"),
    [
        ("<size>20</size>", True),
        ("<size>21</size>", False),
        ("<size>11</size><start_frame>10</start_frame>", False),
        ("<size>11</size><frame_filter>step=2</frame_filter>", False),
        ("<stop_frame>19</stop_frame>", True),
        ("<size>x</size>", False),
    ],
)
def test_times_after_the_task(task: str, late: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = cvat(f'<track id="0" label="person">{boxes((5, 0), (21, 1))}</track>', f"<name>a</name>{task}")
    assert rows(read(tmp_path / "a.xml", text, fps=1.0)) == {"a": [(5.0, 21.0, "person")]}
    assert ("1 segment ends after the last of the 20 frames of task 'a', up to frame 21" in caplog.text) == late


def test_a_project_of_several_tasks(tmp_path: Path) -> None:
    tasks = "".join(f"<task><id>{i}</id><name>video {i}</name></task>" for i in (1, 2))
    track = f'<track id="0" label="x" task_id="2">{boxes((0, 0), (1, 1))}</track>'
    text = f"<annotations><meta><project><tasks>{tasks}</tasks></project></meta>{track}</annotations>"
    assert rows(read(tmp_path / "a.xml", text, fps=2.0)) == {"video 1": [], "video 2": [(0.0, 0.5, "x")]}
    refused(tmp_path / "a.xml", text.replace('task_id="2"', 'task_id="3"'), "a task of the file", fps=2.0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (cvat(""), "frames without a rate; give them with --fps"),
        ("<annotation/>", "an <annotations> of CVAT, found <annotation>"),
        ("<annotations>", "complete XML"),
        ("<!DOCTYPE x><annotations/>", "XML without a document type"),
    ],
)
def test_wrong_files_of_cvat(tmp_path: Path, text: str, found: str) -> None:
    refused(tmp_path / "a.xml", text, found)


# -- tables of VIA -----------------------------------------------------------------------------------------------

VIA = """# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# SHAPE_ID = {"POINT":1,"RECTANGLE":2}
# ATTRIBUTE = {"1":{"aname":"Action","anchor_id":"FILE1_Z2_XY0","type":4,"desc":"","options":{"j":"jump","s":"sit"}}}
# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
"1_a","[""cam 1/x.mp4""]",0,"[1.124,5.31493]","[]","{""1"":""j""}"
"1_b","[""cam 1/x.mp4""]",0,"[2.4]","[2,1,1,5,5]","{}"
"2_c","[""y.mp4""]",0,"[0,1]","[]","{""1"":""crawl""}"
"""


def test_tables_of_via(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert rows(read(tmp_path / "a.csv", VIA)) == {"x": [(1.124, 5.31493, "jump")], "y": [(0.0, 1.0, "crawl")]}
    assert "left out 1 item" in caplog.text
    folders = read(tmp_path / "a.csv", VIA.replace('""y.mp4', '""cam 2/x.mp4'))
    assert [*folders.videos] == ["cam 1/x", "cam 2/x"]


def test_a_table_of_via_with_a_view_of_two_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = VIA.replace('[""y.mp4""]', '[""y.mp4"",""side/y.mp4"",""z.wav""]')
    assert [*rows(read(tmp_path / "a.csv", text))] == ["x", "y"]
    assert "1 view with several videos or with sound only; the first is taken; --media chooses" in caplog.text
    text = VIA.replace('[""cam 1/x.mp4""]', '[""cam 1/x.mp4"",""front.mp4""]')
    assert "front" in rows(read(tmp_path / "b.csv", text.split('"2_c"')[0], media="front"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (VIA.replace('"[0,1]"', '"[0,"'), "line 7: expected JSON"),
        (VIA.replace('0,"[0,1]"', '"[0,1]"'), "line 7: expected 6 fields"),
        (VIA.split('"1_a"')[0], "rows of temporal segments"),
        (VIA.replace("# ATTRIBUTE", "# OTHER"), "an attribute of temporal segments"),
    ],
)
def test_wrong_tables_of_via(tmp_path: Path, text: str, found: str) -> None:
    refused(tmp_path / "a.csv", text, found)


# -- subtitles ---------------------------------------------------------------------------------------------------


def srt(*texts: str) -> str:
    return "\n".join(f"{i}\n00:00:{i:02},000 --> 00:00:{i:02},500\n{text}\n" for i, text in enumerate(texts, 1))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("<i>jump</i>", "jump"),
        ("{\\an8}big\njump", "big jump"),
        ("a < b & c", "a < b & c"),
        ("{x}", "{x}"),
        ("jump 50%", "jump"),
    ],
)
def test_cues_are_labels(tmp_path: Path, text: str, label: str) -> None:
    assert rows(read(tmp_path / "clip 1.srt", srt(text))) == {"clip 1": [(1.0, 1.5, label)]}


def test_only_scores_of_every_cue_are_left_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read(tmp_path / "a.srt", srt("fill 50%", "walk")).labels == ("fill 50%", "walk")
    assert not caplog.text
    assert read(tmp_path / "a.srt", srt("fill 50% 80%", "walk 7%")).labels == ("fill 50%", "walk")
    assert "the scores at the ends of the cues are left off" in caplog.text


def test_web_subtitles(tmp_path: Path) -> None:
    text = "WEBVTT\n\nNOTE hello\n\n01:00:01.500 --> 01:00:02.000 align:left\n<c.red>a &lt; b</c>\n"
    text += "\n00:01.000 --> 00:02.000\nc\n"
    assert rows(read(tmp_path / "a.vtt", text)) == {"a": [(3601.5, 3602.0, "a < b"), (1.0, 2.0, "c")]}


def test_decimal_commas_in_web_subtitles(tmp_path: Path) -> None:
    text = "WEBVTT\n\n1\n00:00:01,500 --> 00:00:03,250 position:10%,start\nwalk, 00:00:01,500\n"
    assert rows(read(tmp_path / "a.vtt", text)) == {"a": [(1.5, 3.25, "walk, 00:00:01,500")]}
    assert rows(read(tmp_path / "b.vtt", text.replace("00:00:0", "00:0"))) == {"b": [(1.5, 3.25, "walk, 00:01,500")]}


def test_cues_without_a_text_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read(tmp_path / "a.srt", srt("walk", "", "run", " ")).labels == ("run", "walk")
    assert "left out 2 cues without a text" in caplog.text


@pytest.mark.parametrize(("name", "said"), [("a.en", True), ("a.pt-BR", True), ("a.v2", False), ("a 1.5", False)])
def test_a_language_in_the_name_is_said(
    name: str, said: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert [*read(tmp_path / f"{name}.srt", srt("walk")).videos] == [name]
    assert ("is a language" in caplog.text) == said


def test_speech_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(srt(*(f"sentence {i}" for i in range(20))), encoding="utf-8")
    command = ["import", str(tmp_path / "a.srt"), "--output", str(tmp_path / "a.csv")]
    assert "are these remarks instead of labels?" in CliRunner().invoke(app, command, catch_exceptions=False).stderr


def test_other_texts_are_no_subtitles(tmp_path: Path) -> None:
    refused(tmp_path / "b.srt", "hello", "cues, e.g.")
    refused(tmp_path / "b.vtt", "WEBVTT\n\n:00:01.500 --> :00:03.250\nwalk\n", "cues, e.g.")


# -- commands ----------------------------------------------------------------------------------------------------


def rcl(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_label_tracks_are_not_replaced_unasked(tmp_path: Path) -> None:
    content = Exported.of(read(tmp_path / "a.txt", TRACK))
    audacity.write(content, tmp_path / "out")
    with pytest.raises(InputError, match="one that may hold corrections"):
        audacity.write(content, tmp_path / "out")
    audacity.write(content, tmp_path / "out", replace=True)


def test_folders_come_back(tmp_path: Path) -> None:
    table = "video,start,end,label\ncam 1/001,1,2,walk\ncam 2/001,3,4.25,größe\ncam 2/001,4.5,5,walk\nquiet,,,\n"
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")
    expected = rows(import_annotations(tmp_path / "t.csv"))
    for kind, name in (("boris", "b.boris"), ("fiftyone", "f.json"), ("audacity", "txt")):
        rcl("export", tmp_path / "t.csv", "--format", kind, "--output", tmp_path / name)
        rcl("import", tmp_path / name, "--output", tmp_path / "back.csv")
        assert rows(import_annotations(tmp_path / "back.csv")) == expected, kind
        (tmp_path / "back.csv").unlink()
    assert (tmp_path / "txt" / "cam 1" / "001.txt").read_text() == "1.000000\t2.000000\twalk\n"
    rcl("import", *sorted((tmp_path / "txt").rglob("*.txt")), "--output", tmp_path / "back.csv")
    assert rows(import_annotations(tmp_path / "back.csv")) == expected


# -- options -----------------------------------------------------------------------------------------------------

CVAT = """<annotations><meta><task><source>a.mp4</source></task></meta><track label="p">
<box frame="0" outside="0"><attribute name="action">walk</attribute></box><box frame="5" outside="1"/></track>
</annotations>"""
SRT = "1\n00:00:01,000 --> 00:00:02,000\nwalk\n"
TABLE = "video,start,end,label\na,1,2,walk\n"


@pytest.mark.parametrize(
    ("name", "content", "options", "said"),
    [
        ("a.csv", TABLE, {"tiers": ("x",), "tier_as_label": True}, "ignored --tier and --tier-as-label"),
        ("a.csv", TABLE, {"fps": 25.0}, "ignored --fps: no time is in frames"),
        ("a.csv", TABLE, {"media": "b"}, "ignored --media: the names are in the column 'video'"),
        ("a.srt", SRT, {"fps": 25.0, "columns": {"label": "x"}}, "ignored --columns and --fps"),
        ("a.xml", CVAT, {"fps": 5.0, "data_key": "video"}, "ignored --data-key"),
        ("a.csv", TABLE, {"times": "milliseconds", "point_length": 1.0, "columns": {"label": "label"}}, ""),
        ("a.csv", TABLE, {"times": "frames", "fps": 25.0}, ""),
        ("a.csv", "start,end,label\n0:00:01:05,0:00:02:00,walk\n", {"fps": 25.0, "media": "a"}, ""),
        ("a.csv", TABLE, {"fps": 25.0, "writes_frames": True}, ""),
    ],
)
def test_options_that_do_not_apply_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: str, options: dict[str, Any], said: str
) -> None:
    read(tmp_path / name, content, **options)
    assert said in caplog.text
    assert ("ignored" in caplog.text) == bool(said)


def test_tables_of_via_without_their_attributes_have_names_in_the_rows(tmp_path: Path) -> None:
    lines = [line for line in VIA.splitlines() if "ATTRIBUTE" not in line]
    text = "\n".join(lines).replace('{""1"":""', '{""Action"":""')
    assert rows(read(tmp_path / "a.csv", text)) == {"x": [(1.124, 5.31493, "j")], "y": [(0.0, 1.0, "crawl")]}
