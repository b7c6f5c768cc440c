"""The tables of EPIC-Kitchens (Damen et al., ECCV 2018 and IJCV 2022) and its kin: one row for each action."""

from __future__ import annotations

import logging
import re

from rcl.data.annotations import Annotations
from rcl.data.formats.media_names import subset_of
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import VideoDraft, to_label, to_number, to_segment
from rcl.system.errors import Defect, InputError, Problems, located, shown
from rcl.system.text_formats import columns_of, parse_csv

log = logging.getLogger("rcl")

_TIMES = ("video_id", "start_timestamp", "stop_timestamp")
_LABELS = ("verb", "class")
"""Columns of labels: of actions, and of sounds (EPIC-Sounds)."""


def is_epic(text: str) -> bool:
    """Whether a table is one of EPIC-Kitchens, judged by its header."""
    return {*_TIMES} <= {*columns_of(text)}


def parse(text: str, source: str, *, options: ReadOptions | None = None) -> Annotations:
    """Annotations of a table ``narration_id,participant_id,video_id,…,start_timestamp,stop_timestamp,…``.

    Args:
        text: the content of the file.
        source: the file, for messages.
        options: ``columns["label"]``: the column of the labels, such as ``noun``; by default ``verb``. ``subset`` of
            all videos; by default what the name of the file says.

    Raises:
        InputError: the table is damaged, has no such column, or a value is wrong.
    """
    header = {*columns_of(text)}
    wanted = options.columns.get("label", "").lower() if options else ""
    label = wanted or next((name for name in _LABELS if name in header), "")
    if label not in header:
        known = ", ".join(name for name in ("verb", "noun", "narration", "class") if name in header) or "none of them"
        expected = f"a column {label!r} of labels" if label else f"a column of labels ({' or '.join(_LABELS)})"
        fix = "name the column with --columns label=COLUMN (the tables of test videos have no labels)"
        raise InputError(source, expected=expected, found=known, fix=fix)
    others = tuple(header - {*_TIMES, label})
    drafts, problems = dict[str, VideoDraft](), Problems()
    with located(source):
        subset = subset_of(source, options.subset if options else None)
    for line, row in parse_csv(text, source, (*_TIMES, label), others):
        name = row["video_id"].strip()
        with problems.located(f"{source}, line {line}, video {name!r}"):
            if not name:
                raise Defect(expected="the id of a video", found="none", fix="add it")
            segment = to_segment(_seconds(row["start_timestamp"]), _seconds(row["stop_timestamp"]))
            drafts.setdefault(name, VideoDraft(subset)).add(segment, to_label(row[label].strip()))
    problems.raise_first()
    if not wanted:
        log.warning("%s: the labels are those of the column %r; --columns label=noun takes others", source, label)
    return Annotations({name: draft.finish(name) for name, draft in drafts.items()}, source=source)


def _seconds(text: str) -> float:
    clock = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text.strip())
    if clock:
        return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])
    if ":" in text:
        raise Defect(expected="a time hh:mm:ss.fff", found=shown(text), fix="correct the time")
    return to_number(text, "time")
