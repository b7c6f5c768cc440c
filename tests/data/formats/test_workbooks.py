"""Spreadsheets: their cells as people see them, and refused where these mislead."""

from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.formats.load import import_annotations, load_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.results import load_detections
from rcl.data.names import plain_name
from rcl.system.errors import InputError

HEADER = ["Video", "Start", "End", "Label"]


def book(tmp_path: Path, **sheets: list[list[Any]]) -> Path:
    """A workbook with these sheets; a cell may be a value, or a pair of a value and its format."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for number, row in enumerate(rows, 1):
            for place, value in enumerate(row, 1):
                cell = sheet.cell(number, place)
                cell.value, shape = value if isinstance(value, tuple) else (value, None)
                if shape:
                    cell.number_format = shape
    path = tmp_path / "labels.xlsx"
    workbook.save(path)
    return path


def read(path: Path, **options: Any) -> list[tuple[str, float, float, str]]:
    found = load_annotations(path, clip=False, options=ReadOptions(**options))
    return [
        (video.name, *segment, label)
        for video in found.videos.values()
        for segment, label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
    ]


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_annotations(path)
    return str(caught.value)


names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8).filter(
    lambda text: text[0] != "=" and plain_name(text) == text
)
times = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)).map(sorted)  # milliseconds


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(names, times, names), min_size=1, max_size=3),
    form=st.sampled_from(["number", "text", "clock"]),
)
def test_any_labels_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list, form: str) -> None:
    def cell(ms: int) -> Any:
        if form == "clock":
            return datetime.timedelta(milliseconds=ms), "[h]:mm:ss.000"
        return ms / 1000 if form == "number" else f"{ms // 60_000}:{ms // 1000 % 60:02}.{ms % 1000:03}"

    cells = [[video, cell(start), cell(end), label] for video, (start, end), label in rows]
    path = book(tmp_path_factory.getbasetemp(), labels=[HEADER, *cells])
    expected = [(video, start / 1000, end / 1000, label) for video, (start, end), label in rows]
    assert sorted(read(path)) == sorted(expected)


def test_cells_are_read_as_people_see_them(tmp_path: Path) -> None:
    start = (datetime.time(0, 1, 5), "h:mm:ss")
    rows = [HEADER, [1, start, (datetime.timedelta(minutes=2), "[mm]:ss"), 3.0], [None] * 4, ["empty"]]
    path = book(tmp_path, labels=rows)
    assert read(path) == [("1", 65, 120, "3")]
    assert [*import_annotations(path).videos] == ["1", "empty"]


def test_the_sheet_with_labels_is_found_below_its_title(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [["Annotations of 2024"], [], HEADER, ["v", 1, 2, "run"]]
    assert read(book(tmp_path, notes=[["by", "me"]], labels=rows)) == [("v", 1, 2, "run")]
    assert "only the sheet 'labels' is read from row 3 on, not 'notes'" in caplog.text
    own = book(tmp_path, a=[["Plik", "Od", "Do", "Co"], ["v", 1, 2, "run"]], b=[["x"]])
    assert "without video" in refusal(own)
    assert read(own, columns={"video": "Plik", "start": "Od", "end": "Do", "label": "Co"}) == [("v", 1, 2, "run")]


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ((datetime.time(1, 5), "h:mm"), ["column 2", "hours and minutes", "0:01:05"]),
        ((datetime.datetime(2024, 1, 1, 10), "yyyy-mm-dd hh:mm:ss"), ["row 2", "start", "time of day"]),
        ("=1+1", ["row 2, column 2", "without a result", "save it again"]),
        ("#REF!", ["row 2, column 2", "the error #REF!"]),
        (True, ["row 2", "start", "True"]),
        ("soon", ["row 2, video 'v'", "start", "'soon'"]),
    ],
)
def test_cells_that_mislead_are_refused(tmp_path: Path, cell: Any, parts: list[str]) -> None:
    message = refusal(book(tmp_path, labels=[HEADER, ["v", cell, cell, "run"]]))
    assert [part for part in parts if part not in message] == []


def test_two_sheets_of_labels_are_refused(tmp_path: Path) -> None:
    rows = [HEADER, ["v", 1, 2, "run"]]
    assert "the sheets 'a', 'b'" in refusal(book(tmp_path, a=rows, b=rows))
    assert "an empty file" in refusal(book(tmp_path, a=[]))


def test_detections(tmp_path: Path) -> None:
    path = book(tmp_path, found=[["video", "start", "end", "label", "score"], ["v", 1, 2.5, "run", 0.75]])
    assert [*load_detections(path)] == [("v", 1.0, 2.5, "run", 0.75)]


def test_what_is_no_workbook(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    assert "password" in refusal(path)
    path.write_text("video,start,end,label\n")
    assert "a workbook .xlsx" in refusal(path)
    whole = book(tmp_path, a=[HEADER, ["v", 1, 2, "run"]]).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "a workbook .xlsx" in refusal(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "x")
    assert "a workbook .xlsx" in refusal(path)


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rcl.data.formats.tables.workbook.LARGEST_TEXT", 10_000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", " " * 20_000)
    path = tmp_path / "a.xlsx"
    path.write_bytes(packed.getvalue())
    assert "at most 10,000 bytes" in refusal(path)
