"""Lines of the journal: messages as JSON, one per line."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any, NamedTuple, get_args

from rcl.detector.live.events.messages import Event, Kind, Message
from rcl.system.errors import InputError, shown

DECIMALS = 6  # of seconds and scores
_OF_EVENTS = ("id", "part", "label", "start", "end", "start_time", "end_time", "score")
_KINDS = frozenset(get_args(Kind))


class Entry(NamedTuple):
    """A message as the journal keeps it: ``seq`` is its number there, ``at`` the Unix time when it was said."""

    seq: int
    at: float
    message: Message


def line_of(entry: Entry, started_at: float | None) -> bytes:
    """The line of a message, with its line feed.

    Its keys, in this order: ``seq``, ``at``, ``kind``, ``source``; about an event ``id``, ``part``, ``label``,
    ``start`` and ``end`` (seconds of the part), ``start_time`` and ``end_time`` (``null`` if that of the part is not
    known), ``score``; about a part ``part`` and ``start_time``; then the details. Times of day are UTC with
    milliseconds.

    Args:
        entry: the message.
        started_at: Unix time of second 0 of the part, if it is known.
    """
    message = entry.message
    values: dict[str, Any] = {
        "seq": entry.seq,
        "at": iso_time(entry.at),
        "kind": message.kind,
        "source": message.source,
    }
    details = dict(message.details)
    if event := message.event:
        start, end = round(event.start_seconds, DECIMALS), round(event.end_seconds, DECIMALS)
        times = (None, None) if started_at is None else (iso_time(started_at + start), iso_time(started_at + end))
        score = round(event.score, DECIMALS)
        found = (event.id, event.part, event.label, start, end, *times, score)
        values |= zip(_OF_EVENTS, found, strict=True)
    elif message.kind in ("part", "gap"):
        started_at = details.pop("started_at", started_at)
        values |= {"part": details.pop("part"), "start_time": None if started_at is None else iso_time(started_at)}
    values = {**values, **{key: value for key, value in details.items() if key not in values}}
    # A label that is no valid Unicode is written as \udcXX: JSON reads it back.
    return json.dumps(values, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace") + b"\n"


def parse_line(line: str | bytes, where: object = "a line of the journal") -> Entry:
    """The message in a line.

    Args:
        line: with or without its line feed.
        where: for messages.

    Raises:
        InputError: it is damaged, or not a line of a journal.
    """
    try:
        values = json.loads(line)
        seq, kind, source = values.pop("seq"), values.pop("kind"), values.pop("source")
        at = unix_time(values.pop("at"))
        if type(seq) is not int or kind not in _KINDS or not isinstance(source, str):
            raise ValueError("not a message")
        event = _event_in(values, source) if "id" in values else None
        if event is None and kind in ("announced", "corrected", "withdrawn"):
            raise ValueError("no event")
        if event is None and kind in ("part", "gap"):
            start_time = values.pop("start_time")
            values["started_at"] = None if start_time is None else unix_time(start_time)
            values["part"] = int(values["part"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        found = shown(line if isinstance(line, str) else bytes(line).decode("utf-8", "replace"))
        fix = "give another file, or correct that line"
        raise InputError(where, expected="a message of rcl watch", found=found, fix=fix) from None
    return Entry(seq, at, Message(kind, source, event, values))


def _event_in(values: dict[str, Any], source: str) -> Event:
    """The event in the values of a line, which are taken out."""
    id_, part, label, start, end, _, _, score = (values.pop(key) for key in _OF_EVENTS)
    if not isinstance(id_, str) or not isinstance(label, str) or type(part) is not int:
        raise TypeError("an event of the wrong type")
    numbers = float(start), float(end), float(score)
    if not all(map(math.isfinite, numbers)):
        raise ValueError("numbers that are not finite")
    return Event(id_, source, part, label, *numbers)


def iso_time(seconds: float) -> str:
    """A Unix time in UTC, with milliseconds.

    >>> iso_time(1_700_000_000.25)
    '2023-11-14T22:13:20.250Z'
    """
    time = datetime.fromtimestamp(round(seconds, 3), timezone.utc)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_time(text: str) -> float:
    """The Unix time that ``iso_time`` wrote.

    Raises:
        ValueError: it is no such text.
    """
    if not text.endswith("Z"):
        raise ValueError(f"{text!r} is not in UTC")
    return datetime.fromisoformat(text[:-1] + "+00:00").timestamp()
