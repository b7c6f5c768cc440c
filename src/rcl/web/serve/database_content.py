"""ActivityNet's JSON with one video replaced or taken out, or a label renamed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rcl.data.formats.values import composed
from rcl.web.serve import file_content as content
from rcl.web.serve.file_content import (
    ANNOTATOR,
    OF_VIDEO,
    REMARKS,
    REVIEWED,
    Entry,
    Naming,
    Renaming,
    Replacement,
    Segment,
)


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
        """Whether there is no video in the database."""
        return self._data.get("database") == {}

    def entry_of(self, name: str) -> Entry | None:
        """All that the file says of a video, also what RCL does not read; ``None`` if the video is not in it."""
        key = self._key_of(name)
        return None if key is None else {"name": key, "entry": self._entries[key]}

    def without(self, name: str) -> str:
        """The text of the file without a video."""
        gone = self._key_of(name)
        return self._text({key: entry for key, entry in self._entries.items() if key != gone})

    def remarked(self) -> dict[str, list[Segment]]:
        """The segments of each video with their remarks, in the order of the file."""
        return {name: [*map(_segment_of, items)] for _, name, items in self._named()}

    def times_of(self, label: str) -> content.Only:
        """The segments that have a label."""
        videos = {name: [*map(_segment_of, items)] for _, name, items in self._named()}
        return {
            name: times
            for name, segments in videos.items()
            if (times := [(one.start, one.end) for one in segments if one.label == label])
        }

    def renamed(self, renaming: Renaming) -> tuple[str, int]:
        """The text of the file in which a label has another name, and the number of segments that got it."""
        entries, count = dict(self._entries), 0
        for key, name, items in self._named():
            found = [renaming.concerns(name, _segment_of(item)) for item in items]
            named = [{**item, "label": renaming.new} if it else item for item, it in zip(items, found, strict=True)]
            if any(found):
                entries[key] = {**entries[key], "annotations": named}
            count += sum(found)
        return self._text(entries), count

    def _named(self) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
        """Each key with the name of its video and its instances."""
        names = self._names_of(self._entries)
        for key, entry in self._entries.items():
            yield key, names.get(key, key), entry.get("annotations") or []

    def replaced(self, new: Replacement) -> str:
        """The text of the file in which the segments of a video are replaced; keys that RCL does not read stay."""
        key = self._key_of(new.name) or (new.entry or {}).get("name", new.name)
        facts = zip(OF_VIDEO, content.facts_of(new.known), strict=True)
        stated = {title: fact for title, fact in facts if fact is not None}
        before: dict[str, Any] = self._entries.get(key) or (new.entry or {}).get("entry") or stated
        held = content.grouped((_segment_of(item).plain, item) for item in before.get("annotations") or [])
        items = [_item(content.take(held, segment.plain), segment) for segment in new.segments]
        subset = content.subset_with(new.segments, new.known)
        changed = {**before, "subset": subset, "annotations": items}
        _set(changed, REVIEWED, [[*pair] for pair in new.reviewed or ()])
        if new.segments and not before.get("annotations"):
            changed.pop(ANNOTATOR, None)  # of who said that nothing happens
        elif not new.segments and new.annotator:
            changed[ANNOTATOR] = new.annotator
        return self._text({**self._entries, key: changed})

    def _key_of(self, name: str) -> str | None:
        return next((key for key, video in self._names_of(self._entries).items() if video == name), None)

    def _text(self, database: Mapping[str, Any]) -> str:
        data = {**self._data, "database": database}
        return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _segment_of(item: Mapping[str, Any]) -> Segment:
    start, end = item["segment"]
    remarks = (str(item.get(title) or "") for title in REMARKS)
    return Segment(float(start), float(end), composed(str(item["label"])), *remarks)


def _item(held: Mapping[str, Any] | None, segment: Segment) -> dict[str, Any]:
    item = dict(held or {"segment": [segment.start, segment.end], "label": segment.label})
    for title in REMARKS:
        _set(item, title, getattr(segment, title))
    return item


def _set(item: dict[str, Any], title: str, value: object) -> None:
    """Set a key, or remove it if there is nothing to say."""
    if value:
        item[title] = value
    else:
        item.pop(title, None)
