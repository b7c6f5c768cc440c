"""What is said of a watched source: events, by an id under which they are corrected or withdrawn, and its parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["announced", "corrected", "withdrawn", "part", "gap", "clip"]


@dataclass(frozen=True)
class Event:
    """An action that a detector found.

    Args:
        id: of this event, for ever; a correction or a withdrawal names it.
        source: name of the source.
        part: number of the part of the source that it lies in.
        label: of the action; empty for a proposal.
        start_seconds: from second 0 of the part.
        end_seconds: likewise.
        score: between 0 and 1.
    """

    id: str
    source: str
    part: int
    label: str
    start_seconds: float
    end_seconds: float
    score: float


@dataclass(frozen=True)
class Message:
    """Something that is said about a source, once.

    Args:
        kind: ``announced``, ``corrected`` and ``withdrawn`` are about an event; ``part`` says that a part of the source
            begins, ``gap`` that nothing was seen for some time, ``clip`` that the file of an event is written.
        source: name of the source.
        event: as it is known now; of ``clip`` too.
        details: what else is said: plain values that JSON holds.
    """

    kind: Kind
    source: str
    event: Event | None = None
    details: dict[str, Any] = field(default_factory=dict)


def about_part(kind: Literal["part", "gap"], source: str, part: int, started_at: float, why: str = "") -> Message:
    """The message that a part begins, or that it has ended in a gap.

    Args:
        kind: which.
        source: name of the source.
        part: its number.
        started_at: the Unix time of its second 0.
        why: in words.
    """
    return Message(kind, source, details={"part": part, "started_at": started_at, "why": why})


def events_after(messages: Iterable[Message]) -> dict[str, Event]:
    """The events that count after some messages, by id: as they were corrected last, without those withdrawn."""
    known = dict[str, Event]()
    for message in messages:
        if message.event is None or message.kind == "clip":
            continue
        if message.kind == "withdrawn":
            known.pop(message.event.id, None)
        else:
            known[message.event.id] = message.event
    return known
