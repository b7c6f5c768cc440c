"""Formats that are read only, or written by tools: which one a table, a JSON object or another file has.

Each is one line here: what recognizes it, and what parses it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import PurePath
from typing import Any, NamedTuple, TypeAlias

from rcl.data.annotations import Annotations
from rcl.data.formats import audacity, charades, cvat, epic, fiftyone, subtitles
from rcl.data.formats.boris import reading as boris
from rcl.data.formats.boris import tables as boris_tables
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.via import table as via_csv

Parse: TypeAlias = Callable[[], Annotations]


class Recognized(NamedTuple):
    """The name of a format, what parses the file, and whether the file name is the name of its video."""

    format: str
    parse: Parse
    named_by_file: bool = False


_Parser: TypeAlias = Callable[..., Annotations]
_TABLES: tuple[tuple[str, Callable[[str], bool], _Parser], ...] = (
    ("boris", boris_tables.is_boris, boris_tables.parse),
    ("via", via_csv.is_via_csv, via_csv.parse),
    ("charades", charades.is_charades, charades.parse),
    ("epic-kitchens", epic.is_epic, epic.parse),
)
_OBJECTS: tuple[tuple[str, Callable[[dict[str, Any]], bool], _Parser], ...] = (
    ("boris", boris.is_boris, boris.parse),
    ("fiftyone", fiftyone.is_fiftyone, fiftyone.parse),
)
_FILES: dict[str, tuple[str, _Parser, bool]] = {
    ".txt": ("audacity", audacity.parse, True),
    ".srt": ("subtitles", subtitles.parse, True),
    ".vtt": ("subtitles", subtitles.parse, True),
    ".xml": ("cvat", cvat.parse, False),
}
EXTENSIONS = (*_FILES,)
"""Of files that have one format only."""


def table(text: str, source: str, options: ReadOptions) -> Recognized | None:
    """The format of a table; ``None`` for one of videos, starts, ends and labels."""
    for name, recognizes, parse in _TABLES:
        if recognizes(text):
            return Recognized(name, partial(parse, text, source, options=options))
    return None


def json_object(data: dict[str, Any], source: str, options: ReadOptions) -> Recognized | None:
    """The format of a JSON object, if it is one of these."""
    for name, recognizes, parse in _OBJECTS:
        if recognizes(data):
            return Recognized(name, partial(parse, data, source, options=options))
    return None


def other(text: str, source: str, extension: str, options: ReadOptions) -> Recognized:
    """The format of a file with one of ``EXTENSIONS``."""
    name, parse, named_by_file = _FILES[extension]
    return Recognized(
        name, partial(parse, text, source, file_name=PurePath(source).name, options=options), named_by_file
    )
