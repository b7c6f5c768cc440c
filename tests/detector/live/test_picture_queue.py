"""The queue between reading and work: what waits, what is dropped, and that no time is lost."""

from __future__ import annotations

import threading
from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watched import FakeClock

from rcl.detector.live.sources.parts import Idle, Item, PartBegins, PartEnds, Picture
from rcl.detector.live.sources.picture_queue import PictureQueue, bytes_of

FRAME = av.VideoFrame(16, 16, "gray")
BEGINS = PartBegins(1, 0.0)


def picture(k: int) -> Picture:
    """The k-th of ten pictures a second."""
    return Picture(FRAME, Fraction(k + 1, 10))


def taken(queue: PictureQueue) -> list[Item]:
    """What waits."""
    items = list[Item]()
    while not isinstance(item := queue.get(0), Idle):
        items.append(item)
    return items


@given(st.lists(st.booleans(), max_size=200))
def test_a_slow_consumer_loses_pictures_but_no_time(consumes: list[bool]) -> None:
    """Pictures come in time; the consumer takes one after some of them."""
    clock = FakeClock(0)
    queue = PictureQueue[None](clock, drops=True, late_seconds=-0.01)
    given = list[Item]()
    added = 0
    for k, takes in enumerate(consumes):
        clock.seconds = k / 10
        added += queue.put(picture(k))
        if takes:
            given.append(queue.get(0))
    given += taken(queue)
    pictures = [item for item in given if isinstance(item, Picture)]
    assert len(pictures) == added
    assert sum(1 + item.dropped for item in pictures) == len(consumes)
    ends = [item.until for item in pictures]
    assert ends == sorted(set(ends))
    if consumes:
        assert ends[-1] == Fraction(len(consumes), 10)


def test_what_waits_is_bounded_in_seconds_and_bytes() -> None:
    clock = FakeClock(0)
    queue = PictureQueue[None](clock, drops=True, late_seconds=-0.01)
    for k in range(100):
        clock.seconds = k / 10
        queue.put(picture(k))
        assert len(queue._items) <= 12
    assert queue.seconds == pytest.approx(9.9 - 0.0, abs=0.11)  # the last one stays on the screen for all the others
    small = PictureQueue[None](FakeClock(0), drops=True, late_seconds=-1, most_bytes=3 * bytes_of(FRAME))
    for k in range(10):
        small.put(picture(k))
    assert len(small._items) == 4
    tiny = PictureQueue[None](FakeClock(0), drops=True, late_seconds=-1, most_bytes=0)
    for k in range(10):
        tiny.put(picture(k))
    assert len(tiny._items) == 2


def test_pictures_that_come_ahead_of_time_wait_instead() -> None:
    """A stream that begins with what was buffered: the clock stands still while all of it comes."""
    queue = PictureQueue[None](FakeClock(0), drops=True)
    thread = threading.Thread(target=lambda: [queue.put(picture(k)) for k in range(100)] and queue.finish())
    thread.start()
    found = list[Picture]()
    while (item := queue.get(10)) is not None:
        assert isinstance(item, Picture)
        assert queue.seconds <= 1.11
        found.append(item)
    thread.join()
    assert [item.dropped for item in found] == [0] * 100


def test_a_new_part_is_not_late_because_the_one_before_was() -> None:
    clock = FakeClock(0)
    queue = PictureQueue[None](clock, drops=True, late_seconds=-0.01)
    for k in range(30):
        clock.seconds = k / 10
        queue.put(picture(k))
    clock.seconds = 100.0
    assert queue.put(PartEnds("gap"))
    assert queue.put(BEGINS)
    while queue.get(0) != BEGINS:
        pass
    for k in range(10):
        clock.seconds = 100 + k / 10
        assert queue.put(picture(k))
    assert taken(queue) == [picture(k) for k in range(10)]


def test_the_end_and_errors_come_last() -> None:
    queue = PictureQueue[None](FakeClock(0), drops=False)
    assert queue.get(0) == Idle()
    queue.put(BEGINS)
    queue.finish(ValueError("read"))
    assert queue.get(0) == BEGINS
    with pytest.raises(ValueError, match="read"):
        queue.get(0)
    assert queue.get(0) is None


def test_closing_lets_everybody_go() -> None:
    queue = PictureQueue[None](FakeClock(0), drops=False)
    written, read = list[bool](), list[Item | None]()
    writer = threading.Thread(target=lambda: written.extend(queue.put(picture(k)) for k in range(100)))
    reader = threading.Thread(target=lambda: read.append(queue.get(60)))
    writer.start()
    writer.join(0.05)  # it waits now, or will
    queue.close()
    reader.start()
    for thread in (writer, reader):
        thread.join(60)
        assert not thread.is_alive()
    assert not written[-1]
    assert read == [None]
    assert not queue.put(picture(0))
    assert queue.get(0) is None
