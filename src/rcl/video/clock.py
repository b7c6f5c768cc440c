"""Frame times: the time stamps of a file, corrected so that they never go back and never jump."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TypeGuard, TypeVar

LONGEST_STILL_SECONDS = Fraction(3600)  # a frame that stays on the screen for longer has a damaged time stamp
LONG_STILL_SECONDS = Fraction(60)  # the same after the stated end of the video
SHORT_STEP_BACK_SECONDS = 1  # after a smaller step back, the following time stamps are right again

Item = TypeVar("Item")


def longest_step(time: Fraction, stated_end: Fraction | None) -> Fraction:
    """The largest plausible distance of a time stamp from the one before it, in seconds."""
    if stated_end is None or time <= stated_end:
        return LONGEST_STILL_SECONDS
    return min(LONGEST_STILL_SECONDS, max(LONG_STILL_SECONDS, stated_end))


def steady(
    stamped: Iterable[tuple[Fraction | None, Item]],
    *,
    step: Fraction,
    stated_end: Fraction | None,
    on_jump: Callable[[Fraction], None],
    begin: Fraction = Fraction(0),
) -> Iterator[tuple[Fraction, Item]]:
    """Yield frames with times that never go back and never jump.

    A missing time stamp is taken as ``step`` after the one before. One that contradicts both neighbours is put midway
    between them. After a small step back, the time stands still until the stamps have caught up. After a jump (two
    recordings in one file, a clock that was set), the time continues as if there were none.

    Args:
        stamped: frames in the order of presentation, each with its time stamp in seconds.
        step: the usual length of a frame in seconds.
        stated_end: of the video, in seconds, if known.
        on_jump: called with the time, in seconds, at which a stamp is far from its neighbours.
        begin: about the time of the first frame, in seconds.
    """
    time, shift = begin - step, Fraction(0)
    for (stamp, frame), following in with_next(stamped):
        if stamp is None:
            time += step
        else:
            now = stamp + shift
            after = following[0] + shift if following and following[0] is not None else None
            back = 0 <= time - now < SHORT_STEP_BACK_SECONDS
            if not back and not _follows(now, time, stated_end):
                on_jump(max(time, Fraction(0)))
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
    """Each item with the one that follows it, ``None`` after the last."""
    iterator = iter(items)
    item = next(iterator, None)
    while item is not None:
        following = next(iterator, None)
        yield item, following
        item = following
