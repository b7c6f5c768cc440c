"""ActivityNet's JSON with one video replaced or taken out, or a label renamed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rcl.data.annotations import VideoAnnotation
from rcl.data.formats.values import composed
from rcl.system.errors import located
from rcl.web.serve.file_content import (
    COMMENT,
    OF_VIDEO,
    REVIEWED,
    Entry,
    Naming,
    Remarks,
    Segment,
    facts_of,
    grouped,
    subset_with,
    take,
)
from rcl.web.serve.intervals import Intervals, to_intervals


class Database:
    """ActivityNet's JSON.

    Args:
        data: the object in the file; ``None`` for a new one.
        names_of: see :data:`Naming`.
    """

    def __init__(self, data: dict[str, Any] | None, names_of: Naming) -> None:
        new: dict[str, Any] = {"version": "RCL", "taxonomy": [], "database": {}}
        self._data = new if data is None else data
        self._entries: dict[str, Any] = self._data.get("database", {})
        self._names_of = names_of

    @property
    def is_empty(self) -> bool:
        return self._data.get("database") == {}

    def entry_of(self, name: str) -> Entry | None:
        key = self._key_of(name)
        return None if key is None else {"name": key, "entry": self._entries[key]}

    def without(self, name: str) -> str:
        gone = self._key_of(name)
        return self._text({key: entry for key, entry in self._entries.items() if key != gone})

    def remarks(self) -> dict[str, Remarks]:
        names = self._names_of(self._entries)
        return {names[key]: _remarks_of(entry, key) for key, entry in self._entries.items() if key in names}

    def renamed(self, old: str, new: str) -> tuple[str, int]:
        items = [item for entry in self._entries.values() for item in entry.get("annotations") or []]
        found = [item for item in items if composed(str(item["label"])) == old]
        for item in found:  # they are read for this text alone
            item["label"] = new
        return self._text(self._entries), len(found)

    def replaced(
        self,
        name: str,
        segments: Sequence[Segment],
        video: VideoAnnotation | None,
        entry: Entry | None,
        reviewed: Intervals | None = None,
    ) -> str:
        key = self._key_of(name) or (entry or {}).get("name", name)
        facts = {title: fact for title, fact in zip(OF_VIDEO, facts_of(video), strict=True) if fact is not None}
        before: dict[str, Any] = self._entries.get(key) or (entry or {}).get("entry") or facts
        items = grouped((_segment_of(item), item) for item in before.get("annotations") or [])
        new = [_item(take(items, segment.plain), segment) for segment in segments]
        changed = {**before, "subset": subset_with(segments, video), "annotations": new}
        changed |= {REVIEWED: [[*pair] for pair in reviewed]} if reviewed else {}
        if not reviewed:
            changed.pop(REVIEWED, None)
        return self._text({**self._entries, key: changed})

    def _key_of(self, name: str) -> str | None:
        return next((key for key, video in self._names_of(self._entries).items() if video == name), None)

    def _text(self, database: dict[str, Any]) -> str:
        data = {**self._data, "database": database}
        return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _segment_of(item: Mapping[str, Any]) -> Segment:
    start, end = item["segment"]
    return Segment(float(start), float(end), composed(str(item["label"])))


def _item(held: dict[str, Any] | None, segment: Segment) -> dict[str, Any]:
    item = dict(held or {"segment": [segment.start, segment.end], "label": segment.label})
    item.pop(COMMENT, None)
    return {**item, COMMENT: segment.comment} if segment.comment else item


def _remarks_of(entry: Mapping[str, Any], key: str) -> Remarks:
    comments = defaultdict[Segment, list[str]](list)
    for item in entry.get("annotations") or []:
        comments[_segment_of(item)].append(str(item.get(COMMENT) or ""))
    with located(f"video {key!r}"):
        return Remarks(comments, to_intervals(entry.get(REVIEWED) or []) or None)
