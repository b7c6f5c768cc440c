"""What ``rcl watch`` said, as rows of a table: the events that count in the end, and the parts of the sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rcl.system.errors import InputError, shown

_OF_MESSAGES = {"seq", "at", "kind", "source"}
_OF_EVENTS = ("start", "end", "label", "score")
_SAID_OF_EVENTS = ("announced", "corrected", "withdrawn")


def with_events_as_rows(lines: list[Any], source: str) -> list[Any]:
    """Rows ``{"video", "start", "end", "label", "score"}`` from the messages of a journal; other lines as they are.

    An event has its last form, and one that was withdrawn has no row. The video is named as the source; that of a later
    part is ``SOURCE/PART``. Each part also has a row with nothing but its video, so that one without an event is known.

    >>> event = {"seq": 1, "at": "2026-11-30T20:15:07.410Z", "kind": "announced", "source": "door", "id": "door-2-1",
    ...          "part": 2, "label": "kick", "start": 41.2, "end": 42.0, "score": 0.9}
    >>> with_events_as_rows([event, {**event, "seq": 2, "kind": "corrected", "end": 41.9}], "events.jsonl")[1]
    {'video': 'door/2', 'start': 41.2, 'end': 41.9, 'label': 'kick', 'score': 0.9}

    Args:
        lines: the values of a file of JSON lines.
        source: the file, for messages.

    Raises:
        InputError: a line is no message, although the first is one.
    """
    if not _are_messages(lines):
        return lines
    videos, events = dict[str, None](), dict[str, dict[str, Any]]()
    for number, line in enumerate(lines, 1):
        try:
            kind, video = line["kind"], _video(line["source"], line["part"])
            videos.setdefault(video)
            if kind in _SAID_OF_EVENTS:
                events[line["id"]] = {"video": video, **{key: line[key] for key in _OF_EVENTS}}
            if kind == "withdrawn":
                del events[line["id"]]
        except (KeyError, TypeError):
            expected, fix = "a message of rcl watch", "correct or remove it"
            raise InputError(f"{source}, row {number}", expected=expected, found=shown(line), fix=fix) from None
    nothing = dict.fromkeys(_OF_EVENTS)
    return [*({"video": video, **nothing} for video in videos), *events.values()]


def _are_messages(lines: Sequence[Any]) -> bool:
    return bool(lines) and isinstance(lines[0], dict) and lines[0].keys() >= _OF_MESSAGES


def _video(source: str, part: int) -> str:
    """A recording of the source as a file has one part, and its name."""
    return source if part == 1 else f"{source}/{part}"
