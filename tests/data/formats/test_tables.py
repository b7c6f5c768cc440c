"""Tables as people have them: what they say is read, what they do not say is refused with the option that decides."""

from __future__ import annotations

import codecs
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.load import import_annotations, load_annotations, load_content
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.results import load_detections
from rcl.data.formats.tables import table
from rcl.data.formats.tables.columns import meaning_of
from rcl.data.formats.tables.times import clock_seconds
from rcl.data.names import plain_name
from rcl.system.errors import Defect, InputError
from rcl.system.text_formats import csv_text


def write(tmp_path: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, **options: Any) -> Annotations:
    return load_annotations(path, clip=False, options=ReadOptions(**options))


def rows_of(annotations: Annotations) -> list[tuple[str, float, float, str]]:
    """Every instance as video, start, end and label."""
    return [
        (video.name, *segment, label)
        for video in annotations.videos.values()
        for segment, label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
    ]


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- any dialect comes back --------------------------------------------------------------------------------------

HEADERS = [
    ("video", "start", "end", "label"),
    ("File", "Begin", "Stop", "Behavior"),
    ("media_file", "t_start", "t_end", "action"),
    ("Video ID", "Onset", "Offset", "Class"),
    ("filename", "from", "to", "Category"),
    ("Clip", "Time start", "Time end", "Behaviour"),
]
FORMS = {  # form of a time: how a number of milliseconds is written, and what is added to the names of its columns
    "seconds": (lambda ms: f"{ms / 1000:.3f}", ("", " (s)", " [sec]", "_seconds", " in seconds")),
    "milliseconds": (str, (" (ms)", "_ms", " in milliseconds")),
    "frames": (str, (" (frames)", "_frame", " frame number")),  # at 1000 per second
    "m:ss": (lambda ms: f"{ms // 60_000}:{ms // 1000 % 60:02}.{ms % 1000:03}", ("", " (mm:ss)")),
    "h:mm:ss": (
        lambda ms: f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}",
        ("", " (hh:mm:ss.fff)"),
    ),
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16"]
words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8) | st.sampled_from(
    ["walk, fast", "größe;1", 'say "hi"', "a\tb", "cam1/001.mp4", "1,5"]
)
words = words.filter(lambda word: plain_name(word) == word)  # two others may be one
milliseconds = st.integers(0, 10**7)
instances = st.tuples(words, st.tuples(milliseconds, milliseconds).map(sorted), words)


def quoted(cell: str, separator: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(char in cell for char in (separator, '"')) else cell


def unambiguous(text: str, separator: str) -> str:
    """A number with a decimal comma, which between tabs must not look like a thousand."""
    return text if separator == ";" else text + "0"


@settings(max_examples=200, deadline=None)
@given(data=st.data(), rows=st.lists(instances, min_size=1, max_size=4))
def test_a_table_in_any_dialect_comes_back(tmp_path_factory: pytest.TempPathFactory, data: Any, rows: list) -> None:
    names = data.draw(st.sampled_from(HEADERS))
    separator = data.draw(st.sampled_from(",;\t"))
    form = data.draw(st.sampled_from([*FORMS]))
    time_of, endings = FORMS[form]
    ending = data.draw(st.sampled_from(endings))
    comma = data.draw(st.booleans()) and form not in ("milliseconds", "frames")
    blank = data.draw(st.integers(0, 2))

    def cell(ms: int) -> str:
        text = time_of(ms)
        return unambiguous(text.replace(".", ","), separator if form == "seconds" else ";") if comma else text

    header = (names[0], names[1] + ending, names[2] + ending, names[3])
    lines = [header, *((video, cell(start), cell(end), label) for video, (start, end), label in rows)]
    order = data.draw(st.permutations(range(4)))
    text = "\r\n".join(
        separator.join([*(quoted(line[place], separator) for place in order), *[""] * blank]) for line in lines
    )
    raw = f"{text}\r\n{separator * (3 + blank)}\r\n".encode(data.draw(st.sampled_from(ENCODINGS)))
    path = write(tmp_path_factory.getbasetemp(), raw)
    expected = [(video, start / 1000, end / 1000, label) for video, (start, end), label in rows]
    found = rows_of(read(path, fps=1000.0))
    assert sorted(found) == sorted((video.strip(), start, end, label.strip()) for video, start, end, label in expected)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(words, st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)).map(sorted), words), min_size=1))
def test_rows_of_json_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    data = [{"video": video, "label": label, "start": start, "end": end} for video, (start, end), label in rows]
    folder = tmp_path_factory.getbasetemp()
    expected = sorted((video, start, end, label) for video, (start, end), label in rows)
    assert sorted(rows_of(read(write(folder, json.dumps(data), "r.json")))) == expected
    assert sorted(rows_of(read(write(folder, "\n".join(map(json.dumps, data)), "r.jsonl")))) == expected


# -- columns -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "role", "unit"),
    [
        ("Start (s)", "start", "seconds"),
        ("End [ms]", "end", "milliseconds"),
        ("startFrame", "start", "frames"),
        ("last frame", "end", "frames"),
        ("t_min", "start", None),
        ("Begin Time - msec", "start", "milliseconds"),
        ("Start (h)", "start", "unknown"),
        ("end (hh:mm:ss)", "end", None),
        ("Behavior (English)", "label", None),
        ("frame_rate", "frame_rate", None),
        ("Frame", "time", "frames"),
        ("FPS", "fps", None),
        ("start_min", "start", "minutes"),
        ("End min", "end", "minutes"),
        ("Anfang (s)", "start", "seconds"),
        ("Ende_ms", "end", "milliseconds"),
        ("Datei", "video", None),
        ("Verhalten", "label", None),
        ("Début", "start", None),
        ("De\u0301but [ms]", "start", "milliseconds"),
        ("ÉTIQUETTE", "label", None),
        ("Inicio", "start", None),
        ("fin_frame", "end", "frames"),
        ("Confidence", "score", None),
        ("split", "subset", None),
    ],
)
def test_what_names_of_columns_mean(name: str, role: str, unit: str | None) -> None:
    assert meaning_of(name) == (role, unit)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "note",
        "type",
        "class_id",
        "min",
        "time_min",
        "min_start",
        "max",
        "Modifiers",
        "Time offset",
        "(s)s",
        "index",
    ],
)
def test_other_names_mean_nothing(name: str) -> None:
    assert meaning_of(name) is None


def test_our_names_come_before_synonyms_and_the_rest_is_named(tmp_path: Path, caplog: Any) -> None:
    path = write(tmp_path, "clip,video,start,start (frame),end,class,label\nx,v,1,25,2,3,run\n")
    assert rows_of(read(path)) == [("v", 1, 2, "run")]
    assert "'clip', 'start (frame)', 'class' are not read" in caplog.text


def test_a_column_without_a_name_is_left_out_only_where_it_hides_nothing(tmp_path: Path, caplog: Any) -> None:
    assert rows_of(read(write(tmp_path, ",video,start,end,label\n7,v,1,2,run\n"))) == [("v", 1, 2, "run")]
    assert "1 (without a name)" in caplog.text
    message = refusal(write(tmp_path, "video,start,end,label,\nv,1,2,run,\nv,1,2,jump, high\n"))
    assert "line 3: expected 4 fields" in message


def test_options_name_columns(tmp_path: Path) -> None:
    polish = write(tmp_path, "Plik;Początek;Koniec;Zachowanie\nv;1,5;2;biegnie\n")
    assert "--columns video=NAME" in refusal(polish)
    names = {"video": "plik", "start": "Początek", "end": "Koniec", "label": "Zachowanie"}
    assert rows_of(read(polish, columns=names)) == [("v", 1.5, 2, "biegnie")]
    assert "a column of" in refusal(polish, columns={**names, "end": "Stop"})
    both = write(tmp_path, "video,onset,begin,end,label\nv,1,1.5,2,run\n")
    assert "'onset' and 'begin'; say which with --columns start=onset" in refusal(both)
    assert rows_of(read(both, columns={"start": "begin"})) == [("v", 1.5, 2, "run")]


@pytest.mark.parametrize(
    ("unit", "seconds"), [("min", 60), ("(ms)", 0.001), ("frame", 0.04), ("[min]", 60), ("in seconds", 1), ("x", 1)]
)
def test_units_in_names_that_only_the_options_explain(tmp_path: Path, unit: str, seconds: float) -> None:
    path = write(tmp_path, f"video,Od {unit},Do {unit},label\nv,100,200,run\n")
    rows = rows_of(read(path, columns={"start": f"Od {unit}", "end": f"Do {unit}"}, fps=25))
    assert rows == [("v", pytest.approx(100 * seconds), pytest.approx(200 * seconds), "run")]


def test_a_column_split_is_the_subset_if_it_holds_subsets(tmp_path: Path, caplog: Any) -> None:
    names = ["train", "val", "dev", "valid", "eval", "Test"]
    path = write(tmp_path, "video,start,end,label,Split\n" + "".join(f"{n},1,2,run,{n}\n" for n in names))
    subsets = [video.subset for video in read(path).videos.values()]
    assert subsets == ["training", *["validation"] * 4, "testing"]
    assert not caplog.records
    assert "found 'vall'" in refusal(write(tmp_path, "video,start,end,label,split\na,1,2,x,val\nb,1,2,x,vall\n"))
    folds = read(write(tmp_path, "video,start,end,label,split\na,1,2,x,1\nb,1,2,x,2\n"))
    assert folds.videos["a"].subset == "training"
    assert "the column 'split' is not read" in caplog.text


def test_detections_whose_score_has_another_name(tmp_path: Path, caplog: Any) -> None:
    for name in ("confidence", "conf", "prob", "Probability"):
        path = write(tmp_path, f"video,start,end,label,{name}\nv,1,2,run,0.5\nw,,,,\n")
        assert [*load_detections(path)] == [("v", 1, 2, "run", 0.5)]
        assert isinstance(load_content(path), Detections)
        assert rows_of(import_annotations(path)) == [("v", 1, 2, "run")]
    both = load_detections(write(tmp_path, "video,start,end,label,prob,score\nv,1,2,run,0.5,0.7\n"))
    assert both.scores.tolist() == [0.7]
    sure = write(tmp_path, "video,start,end,label,confidence\nv,1,2,run,high\n")
    assert isinstance(load_content(sure), Annotations)  # what an annotator thought
    several = write(tmp_path, "video,start,end,label,conf,prob\nv,1,2,run,0.5,0.7\n")
    with pytest.raises(InputError, match=r"'conf' and 'prob'; say which with --columns score=conf .*rcl export"):
        load_detections(several)
    chosen = load_content(several, options=ReadOptions(columns={"score": "prob"}))
    assert isinstance(chosen, Detections)
    assert chosen.scores.tolist() == [0.7]
    other = write(tmp_path, "video,start,end,label,sure\nv,1,2,run,0.5\n")
    with pytest.raises(InputError, match=r"--columns score=NAME \(rcl export; elsewhere, call it 'score'\)"):
        load_detections(other)


def test_rows_that_may_be_comments_are_named(tmp_path: Path, caplog: Any) -> None:
    path = write(tmp_path, "# of me\nvideo,start,end,label\na,1,2,run\n#b,1,2,run\n# c,1,2,run\n")
    assert [*read(path).videos] == ["a", "#b", "# c"]
    assert "2 rows that begin with '#' are read as the others (line 4, 5)" in caplog.text
    caplog.clear()
    read(write(tmp_path, "video,start,end,label\n#1,1,2,run\n#2,1,2,run\n"))
    read(write(tmp_path, "label,start,end,video\nrun,1,2,#1\n"))
    assert not caplog.records


def test_a_video_for_all_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "start,end,label\n1,2,run\n")
    assert "without video" in refusal(path)
    assert rows_of(read(path, media="cam1/v")) == [("cam1/v", 1, 2, "run")]


def test_lengths_are_no_durations_of_videos(tmp_path: Path, caplog: Any) -> None:
    lengths = write(tmp_path, "video,start,end,duration,label\nv,1,3,2,run\nv,7,8,1,run\n")
    assert read(lengths).videos["v"].duration_seconds is None
    assert "'duration' holds lengths of instances" in caplog.text
    whole = write(tmp_path, "video,start,end,duration,label\nv,0,3,3,run\n")
    assert read(whole).videos["v"].duration_seconds == 3
    started = write(tmp_path, "video,start,duration,label\nv,1,2,run\n")
    assert "--columns length=NAME" in refusal(started)
    assert rows_of(read(started, columns={"length": "duration"})) == [("v", 1, 3, "run")]
    other = write(tmp_path, "File,Begin (s),Duration (ms),Video duration,Behavior\nv,1,2000,60,run\n")
    found = read(other, columns={"length": "Duration (ms)"})
    assert rows_of(found) == [("v", 1, 3, "run")]
    assert found.videos["v"].duration_seconds == 60


# -- times and numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1:05", 65),
        ("00:01:05", 65),
        ("75:30", 4530),
        ("1:02:03.25", 3723.25),
        ("00:01:07,5", 67.5),
        ("30:00:00", 108_000),
        ("0:00:02:05", 2.2),
    ],
)
def test_clock_times(text: str, seconds: float) -> None:
    assert clock_seconds(text, "start", 25) == seconds


@pytest.mark.parametrize(
    "text", ["1:75", "1:60:00", "-1:05", "1:", ":05", "1:05:10:25", "10:00:05 AM", "2024-01-01 10:00", "1:2:3:4:5"]
)
def test_what_is_no_clock_time(text: str) -> None:
    with pytest.raises(Defect):
        clock_seconds(text, "start", 25)


def test_timecodes_at_2997_count_thirty_frames() -> None:
    assert clock_seconds("0:10:00:00", "start", 30_000 / 1001) == pytest.approx(600.6)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("video;start;end;label\nv;1;2;a\nv;1.234,5;1.240;a\n", ["line 3", "start", "'1.234,5'", "decimal"]),
        (
            'video,start,end,label\nv,"1,000.5","1,002",a\n',
            ["line 2", "start", "'1,000.5'", "thousands", "write 1000.5,"],
        ),
        ("video;start;end;label\nv;1.234.567,25;2;a\n", ["thousands", "write 1234567.25,"]),
        ("video;start;end;label\nv;1.5;2;a\nv;2,5;3;a\n", ["line 2", "start", "'1.5'", "'2,5'"]),
        ("video\tstart\tend\tlabel\nv\t1,234\t2,000\ta\n", ["line 2", "1.234 or 1234"]),
        ("video,start,end,label\nv,0:01,0:02,a\nv,65,0:70,a\n", ["line 3", "'65'", "such as '0:01'", "one form"]),
        ("video,start,end,label\nv,1,2,a\nv,3,0:04,a\nv,5,6,a\n", ["line 3", "end", "'0:04'", "one form"]),
        ("video,Begin,Stop,label\nv,1,2,a\nv,x,2,a\n", ["line 3", "start (column 'Begin')", "'x'"]),
        (
            "video,start,end,label\nv,2024-01-01 10:00,2024-01-01 10:01,a\n",
            ["time of day", "since the start"],
        ),
        ("video,start (ms),end,label\nv,1,2,a\n", ["'start (ms)' and 'end'", "--times"]),
        ("video,start (h),end (h),label\nv,1,2,a\n", ["'start (h)'", "--times"]),
        ("video,first_frame,last_frame,label\nv,1,2,a\n", ["times in frames", "--fps"]),
        ("video,time,label\nv,1,a\n", ["without end", "--point-length"]),
        ("video,start,end,label\nv,1,2,a\nv,3,,a\n", ["line 3", "''", "--point-length"]),
        ("v.mp4,1,2,run\n", ["without video, start, end, label"]),
    ],
)
def test_what_a_table_does_not_say_is_refused(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = refusal(write(tmp_path, text))
    assert [part for part in parts if part not in message] == []


@settings(max_examples=60, deadline=None)
@given(data=st.data(), separator=st.sampled_from(",;\t"))
def test_a_bad_time_is_refused_with_its_row_and_column(
    tmp_path_factory: pytest.TempPathFactory, data: Any, separator: str
) -> None:
    clock = data.draw(st.booleans())
    good = ("0:01", "0:02") if clock else ("1", "2")
    rows = [["v", *good, "a"] for _ in range(data.draw(st.integers(3, 6)))]
    row, place = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.sampled_from([1, 2]))
    rows[row][place] = data.draw(st.sampled_from(["x", "1.2.3", "5s", "nan", "1e999", "0:61", "--", "1/2"]))
    text = "\n".join(separator.join(cells) for cells in [("video", "Begin", "Stop", "label"), *rows])
    message = refusal(write(tmp_path_factory.getbasetemp(), text))
    assert f"line {row + 2}, video 'v'" in message
    assert ("'Begin'", "'Stop'")[place - 1] in message


def test_frames_and_their_rate(tmp_path: Path) -> None:
    bare = write(tmp_path, "video,start,end,label,fps\nv,25,50,a,5\n")
    assert rows_of(read(bare)) == [("v", 25, 50, "a")]
    assert "the column 'fps' is the rate of the features" in refusal(bare, times="frames")
    found = read(bare, times="frames", fps=25.0)
    assert (rows_of(found), found.videos["v"].snippets_per_second) == ([("v", 1, 2, "a")], 5)
    stated = write(tmp_path, "video,start_frame,end_frame,label,fps\nv,25,50,a,25\nw,60,120,a,30\n")
    found = read(stated)
    assert rows_of(found) == [("v", 1, 2, "a"), ("w", 2, 4, "a")]
    assert found.videos["v"].snippets_per_second is None  # the rate of the video is not that of its snippets
    assert rows_of(read(stated, fps=50.0))[0] == ("v", 0.5, 1, "a")
    both = write(tmp_path, "video,start_frame,end_frame,start_s,end_s,label\nv,25,50,7,8,a\n")
    assert rows_of(read(both, times="frames", fps=25.0)) == [("v", 1, 2, "a")]
    assert rows_of(read(both, times="seconds")) == [("v", 7, 8, "a")]


@pytest.mark.parametrize(("times", "factor"), [("seconds", 1), ("milliseconds", 0.001), ("minutes", 60)])
def test_times_of_the_options_hold_for_all_columns(tmp_path: Path, times: Any, factor: float) -> None:
    found = read(write(tmp_path, "video,start,end,label,duration\nv,1,2,a,4\n"), times=times)
    assert rows_of(found) == [("v", factor, 2 * factor, "a")]
    assert found.videos["v"].duration_seconds == 4 * factor


def test_clock_times_contradict_frames(tmp_path: Path) -> None:
    path = write(tmp_path, "video,start,end,label\nv,0:01,0:02,a\n")
    assert "leave out --times frames" in refusal(path, times="frames", fps=25.0)
    assert rows_of(read(path, times="minutes")) == [("v", 1, 2, "a")]


def test_hours_and_minutes_are_doubted(tmp_path: Path, caplog: Any) -> None:
    assert rows_of(read(write(tmp_path, "video,start,end,label\nv,01:05:00,01:10:00,a\n"))) == [("v", 3900, 4200, "a")]
    assert "whole minutes" in caplog.text


def test_events_get_a_length(tmp_path: Path) -> None:
    path = write(tmp_path, "video,time,label\nv,5,a\nv,0.5,b\nw,,\n")
    found = read(path, point_length=2.0)
    assert rows_of(found) == [("v", 4, 6, "a"), ("v", 0, 1.5, "b")]
    assert found.videos["w"].labels == ()
    mixed = write(tmp_path, "video,start,end,label\nv,5,,a\nv,7,7,b\nv,8,9,c\n")
    assert rows_of(read(mixed, point_length=1.0)) == [("v", 4.5, 5.5, "a"), ("v", 6.5, 7.5, "b"), ("v", 8, 9, "c")]


# -- text --------------------------------------------------------------------------------------------------------


def test_encodings(tmp_path: Path) -> None:
    text = "Video\tStart\tEnd\tLabel\r\nv\t1,5\t2\tgrüßen\r\n"
    for raw in (text.encode("utf-16"), codecs.BOM_UTF16_BE + text.encode("utf-16-be"), text.encode("utf-8-sig")):
        assert rows_of(import_annotations(write(tmp_path, raw, "unicode.txt"))) == [("v", 1.5, 2, "grüßen")]
        assert rows_of(read(write(tmp_path, raw, "unicode.tsv"))) == [("v", 1.5, 2, "grüßen")]
    for mark in (b"", codecs.BOM_UTF8):
        message = refusal(write(tmp_path, mark + text.encode("cp1252")))
        assert "the byte 0xfc in line 2" in message
        assert "grüßen" in message
        assert "save the file as UTF-8" in message
    assert "UTF-16" in refusal(write(tmp_path, text.encode("utf-16-le")))
    assert "UTF-16" in refusal(write(tmp_path, codecs.BOM_UTF16_LE + b"a"))


def test_what_stands_above_the_header(tmp_path: Path) -> None:
    assert rows_of(read(write(tmp_path, "sep=;\r\nvideo;start;end;label\r\nv;1;2;a,b\r\n"))) == [("v", 1, 2, "a,b")]
    path = write(tmp_path, "# it's mine\n\nvideo,start,end,label\nv,1,x,a\n")
    assert "line 4" in refusal(path)


def test_a_semicolon_in_a_name_does_not_separate(tmp_path: Path) -> None:
    path = write(tmp_path, 'video,"note;a;b;c;d",start,end,label\nv,,1,2,a;b\n')
    assert rows_of(read(path)) == [("v", 1, 2, "a;b")]


# -- JSON --------------------------------------------------------------------------------------------------------


def test_rows_with_other_keys(tmp_path: Path) -> None:
    rows = [{"File": "a", "startMs": 500, "endMs": 1000, "action": 3, "tags": [1]}, {"File": "b"}]
    found = read(write(tmp_path, json.dumps(rows), "r.json"))
    assert rows_of(found) == [("a", 0.5, 1, "3")]
    assert [*found.videos] == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        ([{"video": "a", "start": 1, "end": 2, "label": ["w"]}], ["row 1", "'label'", "['w']"]),
        ([{"video": "a", "start": 1, "end": 2, "label": "w"}, 7], ["row 2", "found 7"]),
        ([{"video": "a", "start": 1, "end": "x", "label": "w"}], ["row 1, video 'a'", "end", "'x'"]),
        ([{"video": "a", "start": 1, "end": None, "label": "w"}], ["row 1", "--point-length"]),
        ({"video": {"0": "a"}, "start": {"0": 1}, "end": {"0": 2}, "label": {"0": "w"}}, ["by columns", "records"]),
        ({"columns": ["video", "start", "end", "label"], "data": [["a", 1, 2, "w"]]}, ["by columns", "records"]),
    ],
)
def test_defects_of_rows(tmp_path: Path, data: object, parts: list[str]) -> None:
    message = refusal(write(tmp_path, json.dumps(data), "r.json"))
    assert [part for part in parts if part not in message] == []


# -- detections --------------------------------------------------------------------------------------------------


def test_detections_of_a_spreadsheet(tmp_path: Path) -> None:
    text = "Video;Begin;Stop;Behavior;Score\nv;0:01;0:02;a;0,75\nw;;;;\n"
    found = load_detections(write(tmp_path, text))
    assert [*found] == [("v", 1.0, 2.0, "a", 0.75)]
    assert found.videos == ("v", "w")
    named = write(tmp_path, "video,start,end,label,confidence\nv,1,2,a,0.5\n")
    scored = load_content(named, options=ReadOptions(columns={"score": "confidence"}))
    assert [*scored] == [("v", 1.0, 2.0, "a", 0.5)]
    rows = [{"video": "v", "start": 1, "end": 2, "label": "a", "score": 0.5}]
    assert [*load_detections(write(tmp_path, json.dumps(rows), "d.json"))] == [("v", 1.0, 2.0, "a", 0.5)]
    with pytest.raises(InputError, match=r"line 2, video 'v', detection 1: .* as score, found 'x'"):
        load_detections(write(tmp_path, "video,start,end,score\nv,1,2,x\n"))


# -- tables that are written back --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("video,start,end,label\nv,1,2,a\n", True),
        ("Video, Start,end,label,note\nv,1,2,a,b\n", True),
        ("video;start;end;label\nv;1;2;a\n", False),
        ("video,start,end,label\nv,0:01,0:02,a\n", False),
        ("video,begin,end,label\nv,1,2,a\n", False),
        ('video,start,end,label\nv,"1,5",2,a\n', False),
        ("# mine\nvideo,start,end,label\nv,1,2,a\n", False),
        ("video,start,end (ms),label\nv,1,2,a\n", None),
    ],
)
def test_plain_tables(text: str, plain: bool | None) -> None:
    if plain is None:
        with pytest.raises(InputError):
            table.is_plain(text, "t.csv")
    else:
        assert table.is_plain(text, "t.csv") is plain


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(words, st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)).map(sorted), words), min_size=1))
def test_what_we_write_is_plain_and_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    text = csv_text([("video", "start", "end", "label"), *((v, *pair, label) for v, pair, label in rows)])
    first = table.parse(text, "t.csv")
    path = tmp_path_factory.getbasetemp() / "w.csv"
    table.write(first, path)
    assert table.is_plain(path.read_text(encoding="utf-8"), str(path))
    assert rows_of(read(path)) == rows_of(first)


def test_no_word_about_a_table_that_says_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="rcl"):
        read(write(tmp_path, "Video;Start (s);End (s);Behavior;;\nv;1,5;2;a;;\n;;;;;\n"))
    assert not caplog.records


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.mp4,1,3,walk\nb.mp4,4,5,run\n", ["add a first line with the names"]),
        ("00:00:01,500 00:00:02,300 cut\n", ["add a first line with the names"]),
        ("Clip;Von;Bis;Was\na;1;2;x\n", ["--columns start=NAME,end=NAME,label=NAME"]),
        ("clip,frame,label\na,0,walk\na,1,walk\na,2,run\n", ["a row for each frame", "each run of frames"]),
        ("frame,label\n10,walk\n11,walk\n12,walk\n", ["a row for each frame"]),
        ("1-225 SIL\n226-520 take_cup\n", ["a label for each range of frames"]),
        ("cut\n" * 9 + "peel\n" * 9, ["a label for each frame"]),
        ("classname,video,start,end,label\nDiving,a,1,2,1\nDiving,a,4,5,-1\n", ["--columns label=classname"]),
        ("video,start,end,label\na,NA,NA,walk\n", ["line 2", "start", "'NA'"]),
    ],
)
def test_tables_of_another_kind_are_refused_with_what_to_do(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = refusal(write(tmp_path, text, "t.txt"))
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    "header",
    [
        "Dateiname;Startzeit;Endzeit;Aktion",
        "Nom du fichier;Temps de début;Temps de fin;Comportement",
        "Vídeo;Inicio;Fin;Acción",
        "Video;Inizio;Fine;Azione",
        "video;start;xEnd;label",
        "File;Begin Time - ss.msec;End Time - ss.msec;Annotation",
        "File;Begin Time - hh:mm:ss.ms;End Time - hh:mm:ss.ms;Annotation",
    ],
)
def test_headers_of_other_languages_and_programs(tmp_path: Path, header: str) -> None:
    cells = "00:00:01.500;00:00:03.250" if "hh" in header else "1.5;3.25"
    assert rows_of(read(write(tmp_path, f"{header}\na;{cells};x\n"))) == [("a", 1.5, 3.25, "x")]


def test_of_the_forms_in_which_elan_writes_each_time_one_is_read(tmp_path: Path) -> None:
    forms = ["hh:mm:ss.ms", "ss.msec", "msec"]
    header = ["Tier", *(f"{what} Time - {form}" for what in ("Begin", "End") for form in forms), "actions"]
    text = "\t".join([*header, "File"]) + "\nt\t00:00:01.500\t1.5\t1500\t00:00:03.250\t3.25\t3250\twalk\tclip\n"
    path = write(tmp_path, text, "t.txt")
    assert rows_of(read(path)) == rows_of(read(path, times="milliseconds")) == [("clip", 1.5, 3.25, "walk")]


@pytest.mark.parametrize("missing", ["NA", "NaN", "nan", "#N/A"])
def test_what_programs_write_for_a_missing_number_is_none(tmp_path: Path, missing: str) -> None:
    text = f"video,start,end,label,duration,fps\na,1,3,NA,X,X\nb,X,X,{missing},10,X\n".replace("X", missing)
    annotations = read(write(tmp_path, text))
    assert rows_of(annotations) == [("a", 1, 3, "NA")]
    assert [video.duration_seconds for video in annotations.videos.values()] == [None, 10.0]


@pytest.mark.parametrize("error", ["#NAME?", "#REF!"])
def test_errors_of_formulas_are_no_names(tmp_path: Path, error: str) -> None:
    message = refusal(write(tmp_path, f"video,start,end,label\nb,1,2,x\n{error},1,2,x\n"))
    assert [part for part in ("line 3", f"the error {error}", "as text") if part not in message] == []


def test_names_that_a_spreadsheet_rounded_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(write(tmp_path, "video;start;end;label\n1,23E+15;1;2;x\n4E+11;1;2;x\n1E5;1;2;x\n"))
    assert "rounded the names '1,23E+15', '4E+11': format" in caplog.text


@pytest.mark.parametrize(("extension", "said"), [("xls", "as .xlsx"), ("ODS", "as .xlsx"), ("pkl", "video,start,end")])
def test_files_that_must_be_converted_say_how(tmp_path: Path, extension: str, said: str) -> None:
    assert said in refusal(write(tmp_path, "x", f"a.{extension}"))


@pytest.mark.parametrize(
    ("name", "first", "said"), [("", 0, False), ("", 1, False), ("Unnamed: 0", 0, False), ("", 7, True)]
)
def test_a_column_that_counts_the_rows_needs_no_word(
    tmp_path: Path, name: str, first: int, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    rows = "".join(f'"{first + n}","v{n}",1,2,"x"\n' for n in range(12))
    read(write(tmp_path, f'"{name}","video","start","end","label"\n{rows}'))
    assert ("not read" in caplog.text) == said
