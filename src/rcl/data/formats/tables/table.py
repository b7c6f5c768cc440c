"""Annotations as a table, for spreadsheets."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rcl.data.annotations import Annotations, is_subset, to_subset
from rcl.data.formats.options import WITH_OPTION, ReadOptions
from rcl.data.formats.tables.columns import INDIVIDUAL
from rcl.data.formats.tables.intervals import intervals_text, is_intervals, to_intervals
from rcl.data.formats.tables.layout import MISSING, Layout
from rcl.data.formats.tables.sheet import Sheet, parse_sheet
from rcl.data.formats.values import VideoDraft, reviewed_pairs, to_group, to_label
from rcl.system.errors import Defect, Problems, listed, shown
from rcl.system.paths import PathLike
from rcl.system.text_files import extension_of, write_text
from rcl.system.text_formats import csv_text, garbage_collection_paused

log = logging.getLogger("rcl")

_FORMULA_ERRORS = ("#NAME?", "#VALUE!", "#REF!", "#DIV/0!", "#ERROR!")
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+\d+")  # a long number, as spreadsheets show it
_REQUIRED, _OPTIONAL = ("video", "start", "end", "label"), ("subset", "duration", "fps")
_GROUP, _REVIEWED = "group", "reviewed"  # written where a video has one


def write(annotations: Annotations, path: PathLike) -> list[str]:
    """Write ``video,start,end,label,subset,duration,fps`` at full precision; a video without instances has one row.

    There is a column ``group`` if a video has one, and ``reviewed`` if one is reviewed in part.

    Returns:
        What is lost, in words for the user.

    Raises:
        InputError: the path does not end in ``.csv`` or cannot be written.
    """
    extension_of(Path(path), (".csv",))
    videos = annotations.videos.values()
    grouped = any(video.group is not None for video in videos)
    partly = any(video.reviewed_seconds is not None for video in videos)
    more = [*([_GROUP] if grouped else []), *([_REVIEWED] if partly else [])]
    rows: list[tuple[object, ...]] = [(*_REQUIRED, *_OPTIONAL, *more)]
    for video in videos:
        pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
        instances = [(*segment, label) for segment, label in pairs] or [("", "", "")]
        rest = video.subset, video.duration_seconds, video.snippets_per_second
        known = {_GROUP: video.group, _REVIEWED: intervals_text(reviewed_pairs(video))}
        rows += [(video.name, *instance, *rest, *(known[name] for name in more)) for instance in instances]
    write_text(path, csv_text(rows, line_end="\r\n"))
    words = [word for video in videos for word in (video.name, *video.labels)]
    return ["blanks around names and labels"] if any(word != word.strip() for word in words) else []


def parse(text: str, source: str, options: ReadOptions | None = None) -> Annotations:
    """Annotations of a table ``video,start,end,label[,subset][,duration][,fps][,group][,reviewed]`` as text.

    Args:
        text: the content of the file.
        source: the file, for messages.
        options: what the table does not say.

    Raises:
        InputError: it is damaged or of another kind, or a value is wrong.
    """
    options = options or ReadOptions()
    return annotations_of(parse_sheet(text, source, options.columns.values()), options)


@garbage_collection_paused()
def annotations_of(sheet: Sheet, options: ReadOptions) -> Annotations:
    """Annotations of a table, one row per instance; a row without start, end and label only names its video.

    Args:
        sheet: the table.
        options: what it does not say.

    Raises:
        InputError: it is of another kind, or a value is wrong.
    """
    layout = _layout_of(sheet, options)
    layout.warn_of_doubts(sheet)
    if layout.times.is_clock and _are_whole_minutes(sheet, layout):
        words = "%s: all times are whole minutes, such as %s; a spreadsheet takes 1:05 for an hour and five minutes"
        log.warning(words, sheet.source, layout.times.example)
    drafts, problems = dict[str, VideoDraft](), Problems()
    for number, row in sheet.rows:
        name = layout.video(row).strip()
        try:  # in a loop over a million rows, `problems.located` would take as long as all the rest
            _add_row(drafts.setdefault(name, VideoDraft()), name, row, layout)
        except Defect as defect:
            problems.errors.append(defect.at(f"{sheet.source}, {sheet.counted} {number}, video {name!r}"))
    problems.raise_first()
    if rounded := [name for name in drafts if _ROUNDED.fullmatch(name)]:
        words = "%s: a spreadsheet may have rounded the %s %s: format the column as text before you fill it"
        log.warning(words, sheet.source, "name" if len(rounded) == 1 else "names", listed([*map(repr, rounded)]))
    return Annotations({name: draft.finish(name) for name, draft in drafts.items()}, source=sheet.source)


def is_plain(text: str, source: str) -> bool:
    """Whether a table is one of ours, with commas, our names of columns, and seconds, so that rows can be changed.

    Args:
        text: the content of the file.
        source: the file, for messages.

    Raises:
        InputError: it is damaged or of another kind.
    """
    sheet = parse_sheet(text, source)
    layout = _layout_of(sheet, ReadOptions())
    names = {name.lower() for name in sheet.header}
    return sheet.separator == "," and not sheet.has_preamble and {*_REQUIRED} <= names and layout.plain is not None


def _layout_of(sheet: Sheet, options: ReadOptions) -> Layout:
    layout = Layout.of(
        sheet, options, required=("video", "label"), optional=(*_OPTIONAL, _GROUP, _REVIEWED, INDIVIDUAL)
    )
    ours = {*_OPTIONAL} <= layout.columns.keys()
    if (
        "duration" in layout.columns
        and not ours
        and "duration" not in options.columns
        and _holds_lengths(sheet, layout)
    ):
        name = layout.columns.pop("duration").name
        log.warning("%s: the column %r holds lengths of instances, not of videos", sheet.source, name)
    subset = layout.columns.get("subset")
    if subset and "subset" not in (subset.name.lower(), *options.columns) and not _holds_subsets(sheet, subset.place):
        del layout.columns["subset"]
    given = layout.columns.get(_REVIEWED)
    if given and _REVIEWED not in options.columns and not any(map(is_intervals, sheet.column(given.place))):
        del layout.columns[_REVIEWED]  # it may also say yes or no
    if _GROUP in layout.columns and _GROUP not in options.columns:
        _drop_groups_of_instances(sheet, layout)
    return layout


def _drop_groups_of_instances(sheet: Sheet, layout: Layout) -> None:
    """Leave out a column ``group`` in which the rows of a video differ: it groups something else, such as labels."""
    place, known = layout.columns[_GROUP].place, dict[str, str]()
    for _, row in sheet.rows:
        name, group = layout.video(row).strip(), row[place].strip()
        if group not in ("", *MISSING) and known.setdefault(name, group) != group:
            message = (
                "%s: the column 'group' is not read: video %r has the groups %r and %r, and a group is of whole videos"
            )
            log.warning(message, sheet.source, name, known[name], group)
            del layout.columns[_GROUP]
            return


def _holds_subsets(sheet: Sheet, place: int) -> bool:
    """Whether a cell of a column is a subset: a ``split`` may also be the number of a fold."""
    return any(is_subset(cell) for cell in {*sheet.column(place)})


def _holds_lengths(sheet: Sheet, layout: Layout) -> bool:
    """Whether the durations of a table are those of its instances: all are, and one instance ends after its own."""
    later = False
    for _, row in sheet.rows:
        try:
            start, end = layout.segment(row)
            duration = layout.durations.seconds(layout.cell(row, "duration"), "duration", layout.rate(row))
        except Defect:
            continue
        if abs(end - start - duration) > 0.01 * duration:
            return False
        later = later or end > 1.01 * duration
    return later


def _are_whole_minutes(sheet: Sheet, layout: Layout) -> bool:
    """Whether clock times all have hours and no seconds, as where somebody typed minutes and seconds."""
    cells = [layout.cell(row, role) for _, row in sheet.rows for role in ("start", "end")]
    shapes = [cell.partition(".")[0].split(":") for cell in cells if cell and cell != "0"]
    return all(len(shape) == 3 and shape[2] == "00" for shape in shapes) and any(
        shape[0].strip("0") for shape in shapes
    )


def _add_row(draft: VideoDraft, name: str, row: Sequence[str], layout: Layout) -> None:
    if not name:
        raise Defect(expected="the name of a video", found="none", fix="add it")
    if name in _FORMULA_ERRORS:
        fix = "write it again in a column formatted as text: a spreadsheet takes a name such as -abc for a formula"
        raise Defect(expected="the name of a video", found=f"the error {name}", fix=fix)
    cell = layout.cell
    subset = cell(row, "subset") if "subset" in layout.columns else "training"
    draft.subset = _agreed("subset", draft.subset or None, to_subset(subset))
    if duration := cell(row, "duration"):
        seconds = layout.durations.seconds(duration, "duration", layout.rate(row))
        draft.duration = _agreed("duration", draft.duration, _positive(seconds, duration, "duration"))
    if fps := cell(row, "fps"):
        draft.fps = _agreed("fps", draft.fps, _positive(layout.number(fps, "fps"), fps, "fps"))
    if (group := to_group(cell(row, _GROUP))) and group not in MISSING:
        draft.group = _agreed("group", draft.group, group)
    if intervals := cell(row, _REVIEWED):
        draft.reviewed.update(to_intervals(intervals, layout.times, layout.rate(row)))
    label = cell(row, "label")
    times = cell(row, "start") or cell(row, "end")
    if times or (label and label not in MISSING):  # otherwise the row only names its video
        draft.add(layout.segment(row), to_label(label))


def _positive(value: float, cell: str, what: str) -> float:
    if value <= 0:
        raise Defect(expected=f"a positive {what}", found=shown(cell), fix=f"correct or remove the {what}")
    return value


def _agreed(what: str, known: Any, stated: Any) -> Any:
    """The value of a column that all rows of a video share; either of the two may be ``None``."""
    if known is not None and stated is not None and known != stated:
        fix = f"give all rows of the video the same {what}"
        if what == "duration":
            fix += f", or name a column of the lengths of instances with --columns length=NAME {WITH_OPTION}"
        raise Defect(expected=f"the {what} {known} of its earlier rows", found=str(stated), fix=fix)
    return stated if known is None else known
