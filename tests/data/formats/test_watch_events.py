"""The file of ``rcl watch`` is read as detections: the events that count in the end, one video per part."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.formats.load import load_content
from rcl.data.formats.results import load_detections
from rcl.data.formats.tables.sheet import json_lines
from rcl.data.formats.watch_events import with_events_as_rows
from rcl.detector.live.events.journal_lines import Entry, line_of
from rcl.detector.live.events.messages import Event, Message, about_part, events_after
from rcl.system.errors import InputError

STARTED = 1_700_000_000.25
SECONDS = st.integers(0, 4000).map(lambda eighths: eighths / 8)
STEPS = st.tuples(
    st.sampled_from(["door", "door-2"]),
    st.integers(1, 3),  # the part
    st.integers(1, 3),  # the event
    st.sampled_from(["corrected", "withdrawn", "clip"]),
    SECONDS,
    SECONDS,
)


def messages_of(steps: list[tuple[str, int, int, str, float, float]]) -> list[Message]:
    """Each step is about an event, which is announced the first time."""
    messages, known = list[Message](), set[str]()
    for source, part, number, kind, start, length in steps:
        id_ = f"{source}-{part}-{number}"
        event = Event(id_, source, part, "kick" if number == 1 else "walk", start, start + length, length / 500)
        if id_ not in known:
            messages += [about_part("part", source, part, STARTED), Message("announced", source, event)]
        else:
            messages.append(Message(kind, source, event, {"note": "clips and corrections say more"}))  # type: ignore[arg-type]
        known.add(id_)
    return messages


def text_of(messages: list[Message]) -> str:
    entries = [Entry(number, STARTED, message) for number, message in enumerate(messages, 1)]
    return b"".join(line_of(entry, STARTED) for entry in entries).decode()


@given(st.lists(STEPS, min_size=1, max_size=20))
def test_rows_are_the_events_that_count_and_all_parts(steps: list[tuple[str, int, int, str, float, float]]) -> None:
    messages = messages_of(steps)
    rows = with_events_as_rows(json_lines(text_of(messages), "events.jsonl"), "events.jsonl")
    found = [tuple(row.values()) for row in rows if row["label"] is not None]
    assert sorted(found) == sorted(
        (video_of(event), event.start_seconds, event.end_seconds, event.label, event.score)
        for event in events_after(messages).values()
    )
    empty = [row["video"] for row in rows if row["label"] is None]
    assert sorted(empty) == sorted({source if part == 1 else f"{source}/{part}" for source, part, *_ in steps})


def video_of(event: Event) -> str:
    return event.source if event.part == 1 else f"{event.source}/{event.part}"


def test_detections_are_read_from_the_file_of_a_watch(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(text_of(messages_of([("door", 2, 1, "", 1.5, 2.0), ("yard", 1, 1, "", 3.0, 1.0)])))
    for found in (load_detections(path), load_content(path)):
        assert [tuple(each)[:4] for each in found] == [("door/2", 1.5, 3.5, "kick"), ("yard", 3.0, 4.0, "kick")]


def test_a_watch_without_an_event_has_its_videos(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(text_of([about_part("part", "door", 1, STARTED)]))
    found = load_detections(path)
    assert (len(found), found.videos) == (0, ("door",))


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(text_of([about_part("part", "door", 1, STARTED)]) + '{"seq": 2, "kind": "announced"}\n')
    with pytest.raises(InputError, match="row 2: expected a message of rcl watch"):
        load_detections(path)
