"""What has been said of the last part of each source: what a restart needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field

from rcl.detector.live.events.messages import Event, Message

MOST_EVENTS = 50_000  # of a part: older ones are final, and a look of the last minutes does not find them again
_MOST_PARTS = 1_000  # whose beginning is remembered, for what is said of their events later, such as clips


@dataclass
class KnownPart:
    """A part of a source.

    Args:
        number: of the part.
        started_at: Unix time of its second 0, if it is known.
        events: by id: those that count, the one last spoken of last; of a very long part only the last.
        next_number: larger than that of any event that was announced.
    """

    number: int
    started_at: float | None = None
    events: dict[str, Event] = field(default_factory=dict)
    next_number: int = 1


class KnownParts:
    """The last part of each source after some messages. Its memory does not grow with their number."""

    def __init__(self) -> None:
        self.last = dict[str, KnownPart]()
        self._started = dict[tuple[str, int], float | None]()

    def started_at(self, source: str, part: int) -> float | None:
        """Unix time of second 0 of a part, if it is known."""
        return self._started.get((source, part))

    def take(self, message: Message) -> None:
        """Take account of a message."""
        event = message.event
        number = event.part if event else message.details.get("part")
        if not isinstance(number, int):
            return
        if message.kind == "part":
            self._started[message.source, number] = message.details.get("started_at")
            if len(self._started) > _MOST_PARTS:
                del self._started[next(iter(self._started))]
        part = self.last.get(message.source)
        if part is None or number > part.number:
            part = self.last[message.source] = KnownPart(number)
        if number < part.number:
            return
        part.started_at = self.started_at(message.source, number)
        if event and message.kind != "clip":
            _take_event(part, message.kind, event)


def _take_event(part: KnownPart, kind: str, event: Event) -> None:
    part.events.pop(event.id, None)
    if kind != "withdrawn":
        part.events[event.id] = event
        if len(part.events) > MOST_EVENTS:
            del part.events[next(iter(part.events))]
    last = event.id.rpartition("-")[2]
    if last.isdecimal():
        part.next_number = max(part.next_number, int(last) + 1)
