"""Looks of a detector, made for tests, and what must hold for the messages about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from rcl.data.detections import Detections
from rcl.detector.live.events.messages import Event, Message

LABELS = ("run", "jump")
Row = tuple[str, float, float, float]

times = st.integers(0, 160).map(lambda value: value / 8)  # exact in binary: equal and empty segments are common
scores = st.integers(0, 8).map(lambda value: value / 8)
rows = st.tuples(st.sampled_from(LABELS), times, times, scores).map(lambda r: (r[0], *sorted(r[1:3]), r[3]))
looks = st.lists(rows, max_size=5)


def found(rows: Sequence[Row]) -> Detections:
    segments = np.array([row[1:3] for row in rows], dtype=np.float64).reshape(-1, 2)
    index = [LABELS.index(row[0]) for row in rows]
    return Detections(
        ("cam",), np.zeros(len(rows), int), segments, LABELS, np.array(index, int), [row[3] for row in rows]
    )


def plain(events: Sequence[Event]) -> list[Row]:
    return sorted((each.label, each.start_seconds, each.end_seconds, each.score) for each in events)


def check_ids(messages: Sequence[Message]) -> None:
    """Every id is announced once, then corrected at will, then withdrawn at most once."""
    alive, ever = set[str](), set[str]()
    for message in messages:
        assert message.event is not None
        id_ = message.event.id
        if message.kind == "announced":
            assert id_ not in ever
            alive.add(id_)
            ever.add(id_)
        else:
            assert id_ in alive
            alive -= {id_} if message.kind == "withdrawn" else set()
