"""Files of labels: each is opened once, recognized, and handed to the module of its format."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rcl.data.annotations import Annotations, with_point_length
from rcl.data.detections import Detections
from rcl.data.formats import activitynet, audacity, bmn, recognition, results, thumos14, unreadable
from rcl.data.formats.elan import reading as elan_read
from rcl.data.formats.label_studio import rows as label_studio_rows
from rcl.data.formats.label_studio import tasks as label_studio_tasks
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.tables import sheet, table
from rcl.data.formats.tables.sheet_files import read_sheet
from rcl.data.formats.via import project as via
from rcl.data.formats.watch_events import with_events_as_rows
from rcl.data.names import check_named_once
from rcl.data.pack import is_pack
from rcl.system.errors import InputError
from rcl.system.paths import is_file
from rcl.system.text_files import extension_of, read_text
from rcl.system.text_formats import check_object, csv_text, parse_json


class LabelFile(NamedTuple):
    """An opened file.

    ``parse`` returns its annotations, or raises an ``InputError`` if it has none. ``parse_detections`` returns its
    detections, if they are what it holds. If ``named_by_file``, its name is that of its video.
    ``point_length`` is that of events without a length, whatever the format. If ``in_pack``, names of videos are those
    of feature files, where ``clip`` and ``clip.avi`` may be two.
    """

    format: str
    parse: Callable[..., Annotations]
    parse_detections: Callable[[], Detections] | None = None
    named_by_file: bool = False
    point_length: float | None = None
    in_pack: bool = False

    def annotations(self, *, extent: bmn.Extent = "video") -> Annotations:
        """The annotations of at least one video, each under one name; only in BMN's files there is a choice of extents.

        Raises:
            InputError: the file has no video, or one under two names, or its parser raised it.
        """
        annotations = filled(self.parse(extent=extent) if self.format == "bmn" else self.parse())
        if not self.in_pack:
            check_named_once(annotations.videos, annotations.source)
        return with_point_length(annotations, self.point_length)


def open_file(path: Path, *, options: ReadOptions | None = None) -> LabelFile:
    """Read a file and recognize its format by its extension and content.

    Raises:
        InputError: the file cannot be read, is damaged, or has another extension.
    """
    fix = _CONVERSIONS.get(path.suffix.lower(), "rename or convert it")
    file = _OPENERS[extension_of(path, READABLE, fix=fix)](path, options or ReadOptions())
    file = file._replace(in_pack=path.name == "annotations.json" and is_pack(path.parent))
    if options is None:
        return file
    options.warn_of_unused(path, file.format)
    return file._replace(point_length=options.point_length)


def _open_elan(path: Path, options: ReadOptions) -> LabelFile:
    return LabelFile("elan", partial(elan_read.parse, read_text(path), str(path), file_name=path.name, options=options))


def _open_table(path: Path, options: ReadOptions) -> LabelFile:
    text, source = read_text(path), str(path)
    if label_studio_rows.is_rows(text):
        return LabelFile("label-studio", partial(label_studio_rows.parse, text, source, options=options))
    if found := recognition.table(text, source, options):
        return LabelFile(found.format, found.parse)
    if thumos14.is_thumos14(text):
        scored = _scored(sheet.parse_sheet(text, source), options)
        return LabelFile("thumos14", partial(thumos14.parse, (text, source)), scored)
    unreadable.check_text(text, source)
    return _file_of_sheet(sheet.parse_sheet(text, source, options.columns.values()), options)


def _file_of_sheet(rows: sheet.Sheet, options: ReadOptions) -> LabelFile:
    return LabelFile("table", partial(table.annotations_of, rows, options), _scored(rows, options))


def _scored(rows: sheet.Sheet, options: ReadOptions) -> Callable[[], Detections] | None:
    return partial(results.detections_of, rows, options) if results.has_scores(rows, options) else None


def _open_json(path: Path, options: ReadOptions) -> LabelFile:
    source = str(path)
    data = parse_json(read_text(path), source)
    if rows := sheet.sheet_of_json(data, source, options.columns.values()):
        return _file_of_sheet(rows, options)
    if isinstance(data, list):
        return LabelFile("label-studio", partial(label_studio_tasks.parse, data, source, options=options))
    data = check_object(data, source)
    if via.is_via(data):
        return LabelFile("via", partial(via.parse, data, source, options=options))
    if found := recognition.json_object(data, source, options):
        return LabelFile(found.format, found.parse)
    if label_studio_tasks.is_task(data):
        return LabelFile("label-studio", partial(label_studio_tasks.parse, [data], source, options=options))
    scored = partial(results.parse, data, source) if isinstance(data.get("results"), dict) else None
    if bmn.is_bmn(data):
        parse = partial(bmn.parse, data, source, info=video_info_for(path), subset=options.subset)
        return LabelFile("bmn", parse, scored)
    if scored is None:
        unreadable.check(data, source)
    return LabelFile("activitynet", partial(activitynet.parse, data, source, subset=options.subset), scored)


def _open_json_lines(path: Path, options: ReadOptions) -> LabelFile:
    source = str(path)
    lines = sheet.json_lines(read_text(path), source)
    if label_studio_tasks.are_tasks(lines):
        return LabelFile("label-studio", partial(label_studio_tasks.parse, lines, source, options=options))
    return _file_of_sheet(sheet.sheet_of_rows(with_events_as_rows(lines, source), source), options)


def _open_sheet(path: Path, options: ReadOptions) -> LabelFile:
    rows = read_sheet(path, options)
    # BORIS, too, writes spreadsheets.
    text = csv_text([rows.header, *(row for _, row in rows.rows)])
    if found := recognition.table(text, str(path), options):
        return LabelFile(found.format, found.parse)
    return _file_of_sheet(rows, options)


def _open_other(path: Path, options: ReadOptions) -> LabelFile:
    text, extension = read_text(path), path.suffix.lower()
    if extension == ".txt" and not audacity.is_audacity(text):
        return _open_table(path, options)
    found = recognition.other(text, str(path), extension, options)
    return LabelFile(found.format, found.parse, named_by_file=found.named_by_file)


_OPENERS: dict[str, Callable[[Path, ReadOptions], LabelFile]] = {
    **dict.fromkeys((".json", ".boris"), _open_json),
    **dict.fromkeys((".csv", ".tsv"), _open_table),
    ".xlsx": _open_sheet,
    ".jsonl": _open_json_lines,
    ".eaf": _open_elan,
    **dict.fromkeys(recognition.EXTENSIONS, _open_other),
}
"""By extension: what reads a file of it, and recognizes the format by the content."""
READABLE = (*_OPENERS,)
"""Extensions of the files that are read."""
_CONVERSIONS = {
    **dict.fromkeys((".xls", ".xlsm", ".xlsb", ".ods", ".numbers"), "save it as .xlsx or as CSV (UTF-8)"),
    **dict.fromkeys((".mat", ".pkl", ".pickle", ".rds"), "write what it holds as a table video,start,end,label"),
    ".textgrid": "open it in ELAN, and save it as .eaf",
}


def video_info_for(path: Path) -> dict[str, bmn.VideoInfo]:
    info = path.with_name(bmn.INFO_NAME)
    return bmn.parse_video_info(read_text(info), str(info)) if is_file(info) else {}


def filled(annotations: Annotations) -> Annotations:
    """The annotations, if they have a video; otherwise an ``InputError`` is raised."""
    if not annotations.videos:
        where, fix = annotations.source or "annotations", "give a file with some"
        raise InputError(where, expected="annotated videos", found="none", fix=fix)
    return annotations
