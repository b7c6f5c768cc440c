"""Tracker, journal and delivery together, killed at any byte: no event is lost, and none is told twice."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_looks import check_ids, found, looks, plain

from rcl.detector.live.deliveries.delivery import Delivery
from rcl.detector.live.events.journal import Journal
from rcl.detector.live.events.journal_lines import Entry, parse_line
from rcl.detector.live.events.messages import events_after
from rcl.detector.live.events.tracker import EventTracker

steps = st.lists(st.tuples(looks, st.sampled_from(["go on", "go on", "kill", "tear"]), st.floats(0, 1)), max_size=8)


class Receiver:
    """Has every message that it was sent, once per key, as a receiver that knows the key does."""

    name, key = "receiver", "receiver"

    def __init__(self) -> None:
        self.got = dict[str, Entry]()

    def send(self, line: bytes, entry: Entry, key: str) -> None:
        assert self.got.setdefault(key, entry) == entry
        assert json.loads(line)["id"] == entry.message.event.id if entry.message.event else True


@settings(max_examples=30)
@given(steps=steps, last=looks, latency=st.sampled_from([0.0, 1.0, math.inf]), end=st.floats(0, 1))
def test_after_any_kills_the_journal_holds_the_last_detections(
    tmp_path_factory: pytest.TempPathFactory, steps, last, latency: float, end: float
) -> None:
    folder = tmp_path_factory.mktemp("watch")
    path, receiver = folder / "events.jsonl", Receiver()

    def started() -> tuple[Journal, EventTracker, Delivery]:
        journal = Journal(path, write=lambda file, data: file.write(data) and None)
        tracker = EventTracker("cam", latency_seconds=latency)
        if part := journal.last_part("cam"):
            tracker.begin(part.number, part.events.values(), first_number=part.next_number)
        return journal, tracker, Delivery(receiver, journal, folder)

    def killed(journal: Journal, before: int, share: float) -> tuple[Journal, EventTracker, Delivery]:
        """Of what was written last, only a share has reached the disk."""
        journal.close()
        with path.open("r+b") as file:
            file.truncate(before + int(share * (path.stat().st_size - before)))
        return started()

    journal, tracker, delivery = started()
    for now, (look, what, share) in enumerate(steps, 1):
        before = path.stat().st_size
        journal.append(tracker.update(found(look), float(now), -math.inf))
        if what == "go on":
            delivery.step()
        else:
            journal, tracker, delivery = killed(journal, before, 1.0 if what == "kill" else share)
    before = path.stat().st_size
    journal.append(tracker.finish(found(last)))
    journal, tracker, delivery = killed(journal, before, end)
    journal.append(tracker.finish(found(last)))
    while not math.isinf(delivery.step()):
        pass
    journal.close()
    messages = [parse_line(line).message for line in path.read_bytes().splitlines()]
    check_ids(messages)
    kept = plain([*events_after(messages).values()])
    assert [row[0] for row in kept] == [row[0] for row in sorted(last)]
    for row, expected in zip(kept, sorted(last), strict=True):
        assert row[1:] == pytest.approx(expected[1:], abs=2e-4)
    assert [entry.message for entry in receiver.got.values()] == messages
