"""Times of frames: time stamps as they stand in files, made to never go back and never leap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TypeGuard, TypeVar

LONGEST_STILL_SECONDS = Fraction(3600)  # a frame that stays longer on the screen has a damaged time stamp
LONG_STILL_SECONDS = Fraction(60)  # the same where the video should be over
SHORT_STEP_BACK_SECONDS = 1  # time stamps that go back by less are put right by those that follow

Item = TypeVar("Item")


def longest_step(time: Fraction, stated_end: Fraction | None) -> Fraction:
    """How far a time stamp may lie after the one before it, in seconds, and still be believed."""
    if stated_end is None or time <= stated_end:
        return LONGEST_STILL_SECONDS
    return min(LONGEST_STILL_SECONDS, max(LONG_STILL_SECONDS, stated_end))


def steady(
    stamped: Iterable[tuple[Fraction | None, Item]],
    *,
    step: Fraction,
    stated_end: Fraction | None,
    on_leap: Callable[[Fraction], None],
) -> Iterator[tuple[Fraction, Item]]:
    """Frames with times that never go back and never leap.

    A missing stamp is ``step`` after the one before. One that its neighbours speak against lies midway between them.
    Where stamps go back a little, they are waited for; where they leap (two recordings in one file, a clock that was
    set), the time goes on as if they did not.

    Args:
        stamped: frames in the order of presentation, each with its time stamp in seconds.
        step: the usual length of a frame in seconds.
        stated_end: of the video, in seconds, if known.
        on_leap: told where a stamp is far from its neighbours, in seconds.
    """
    time, shift = -step, Fraction(0)
    for (stamp, frame), following in with_next(stamped):
        if stamp is None:
            time += step
        else:
            now = stamp + shift
            after = following[0] + shift if following and following[0] is not None else None
            back = 0 <= time - now < SHORT_STEP_BACK_SECONDS
            if not back and not _follows(now, time, stated_end):
                on_leap(max(time, Fraction(0)))
            if _follows(after, time, stated_end) and not time < now <= after:
                time = (time + after) / 2
            elif _follows(now, time, stated_end):
                time = now
            elif not back:
                time += step
                shift += time - now
        yield time, frame


def _follows(stamp: Fraction | None, time: Fraction, stated_end: Fraction | None) -> TypeGuard[Fraction]:
    return stamp is not None and 0 < stamp - time <= longest_step(stamp, stated_end)


def with_next(items: Iterable[Item]) -> Iterator[tuple[Item, Item | None]]:
    """Each item and the one that follows it."""
    iterator = iter(items)
    item = next(iterator, None)
    while item is not None:
        following = next(iterator, None)
        yield item, following
        item = following
