"""Files of other kinds, which people take for annotations: refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from rcl.data.formats.tables.columns import meaning_of
from rcl.data.formats.tables.sheet import Sheet
from rcl.system.errors import InputError, listed

READABLE = (
    'annotations {"database": …} of ActivityNet, {video: {"duration_second", "annotations"}} of BMN or MMAction2, '
    "or what Label Studio (JSON, JSON-MIN) or VIA 3 saved"
)
"""What a JSON file may hold."""

_KINDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("_via_settings", "_via_img_metadata"), "a project of VIA 2, for images", "label segments of the videos in VIA 3"),
    (("images", "annotations", "categories"), "COCO annotations, of images", "give labelled segments of videos"),
    (("imagePath", "shapes"), "a file of LabelMe, for images", "give labelled segments of videos"),
    (
        ("samples",),
        "the samples of a FiftyOne dataset",
        "export it as fiftyone.types.FiftyOneTemporalDetectionDataset, and give its labels.json",
    ),
)
_WORD = re.compile(r"[^\s,;:]+")
_RANGE = re.compile(r"\s*\d+-\d+\s+\S+\s*")  # as in Breakfast: "1-225 SIL"
_TIME = re.compile(r"\s*\d[\d:.,]*\s*")
_MANY, _LINES = 10, 1000
_THUMOS14 = re.compile(r"\s*video_(validation|test)_\d+\s+[\d.]+\s+[\d.]+\s*")


def check(data: Mapping[str, Any], source: str) -> None:
    """Check that an object is not of a kind that nothing here reads.

    Raises:
        InputError: it is, or it has no ``"database"``; the message says what can be read.
    """
    if "database" in data:
        return
    for keys, kind, fix in _KINDS:
        if all(key in data for key in keys):
            raise InputError(source, expected=READABLE, found=kind, fix=fix)
    if data and all(isinstance(video, dict) and isinstance(video.get("annotations"), list) for video in data.values()):
        fix = 'add it, or write the videos as {"database": {video: {"subset", "annotations"}}}'
        raise InputError(source, expected=READABLE, found='videos without "duration_second"', fix=fix)
    found = f"the keys {listed([*data]) or '(none)'}"
    raise InputError(source, expected=READABLE, found=found, fix="give the ground truth here")


def check_text(text: str, source: str) -> None:
    """Check that a table is not a list of THUMOS14, which has a file for each action, nor the labels of frames.

    Raises:
        InputError: it is.
    """
    lines = text.strip().splitlines()[:_LINES]
    ranges = bool(lines) and all(map(_RANGE.fullmatch, lines))
    words = len(lines) >= _MANY and all(map(_WORD.fullmatch, lines)) and len({*lines}) <= len(lines) // 2
    if ranges or words:
        raise _of_frames(source, "a label for each range of frames" if ranges else "a label for each frame")
    if _THUMOS14.fullmatch(text.strip().partition("\n")[0]):
        fix = "put them into a table video,type,start,end,startFrame,endFrame or video,start,end,label,subset"
        found = "a list of THUMOS14, whose name is that of the action"
        raise InputError(source, expected="one table for all actions", found=found, fix=fix)


def has_no_header(sheet: Sheet) -> bool:
    """Whether the first line of a table has times in place of names."""
    return sum(bool(_TIME.fullmatch(cell)) for cell in " ".join(sheet.header).split()) >= 2


def check_rows_of_frames(sheet: Sheet) -> None:
    """Check that a table has a row for each instance, not for each frame.

    Raises:
        InputError: it has one for each frame.
    """
    place = next((i for i, name in enumerate(sheet.header) if meaning_of(name) == ("time", "frames")), None)
    if place is None or len(sheet.rows) < 2:
        return
    cells = [row[place].strip() for _, row in sheet.rows if place < len(row)]
    if all(cell.isdecimal() for cell in cells):
        steps = [int(after) - int(before) for before, after in pairwise(cells)]
        if 2 * steps.count(1) > len(steps):
            raise _of_frames(sheet.source, "a row for each frame")


def _of_frames(source: str, found: str) -> InputError:
    fix = "write a row video,start,end,label for each run of frames with the same label"
    return InputError(source, expected="a row for each segment", found=found, fix=fix)
