"""What the annotation file said of a video that was taken out of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rcl.data.formats.values import Pair, composed
from rcl.web.serve.file_content import Entry, Renaming, Segment, video_in


def checked_entry(entry: Any) -> Entry | None:
    """What the annotation file said; an error of Python's if it is something else."""
    if entry is None:
        return None
    try:
        video_in(entry, "video")
    except ValueError:
        raise TypeError from None
    if not all(isinstance(row, dict) for row in entry.get("rows", ())) or not isinstance(entry.get("entry", {}), dict):
        raise TypeError
    return dict(entry)


def times_in(entry: Entry, label: str) -> set[Pair]:
    """The segments of an entry that have a label."""
    pairs = zip(entry["segments"], entry["labels"], strict=True)
    return {(float(start), float(end)) for (start, end), own in pairs if own == label}


def entry_renamed(entry: Entry, name: str, renaming: Renaming) -> Entry:
    """An entry with another name of a label; ``name`` is that of the video."""

    def named(start: Any, end: Any, label: Any) -> Any:
        try:
            segment = Segment(float(start), float(end), composed(str(label).strip()))
        except ValueError:  # a row of a table that only names its video
            return label
        return renaming.new if renaming.concerns(name, segment) else label

    copy: Entry = json.loads(json.dumps(entry))
    pairs = zip(copy["segments"], copy["labels"], strict=True)
    copy["labels"] = [named(start, end, label) for (start, end), label in pairs]
    for row in copy.get("rows", ()):
        titles = _titles(row)
        if {"start", "end", "label"} <= titles.keys():
            start, end, label = (row[titles[title]] for title in ("start", "end", "label"))
            row[titles["label"]] = named(start, end, label)
    for held in copy.get("entry", {}).get("annotations") or ():
        held["label"] = named(held["segment"][0], held["segment"][1], held["label"])
    return copy


def _titles(row: Mapping[str, Any]) -> dict[str, str]:
    """How the header of a table writes its titles."""
    return {title.strip().lower(): title for title in row}
