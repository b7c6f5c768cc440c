"""Frames of a stream that is received now, apart wherever its time stamps jump."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, groupby
from operator import itemgetter
from typing import NamedTuple

from av.video.frame import VideoFrame

from rcl.video.clock import SHORT_STEP_BACK_SECONDS, Item, with_next
from rcl.video.stream import FrameStream, Stamped


class Stretch(NamedTuple):
    """A stretch of a stream without a jump.

    Args:
        number: ascending from 0.
        jump_seconds: of the time stamps, from where the stretch before would have gone on.
    """

    number: int
    jump_seconds: Fraction


class LiveSpans(NamedTuple):
    """The frames of a stretch.

    Args:
        begins: the second of the stream that is second 0 of these frames.
        jump_seconds: see :class:`Stretch`.
        spans: each frame with the time, in seconds, at which it leaves the screen; to be read before what follows.
    """

    begins: Fraction
    jump_seconds: Fraction
    spans: Iterator[tuple[VideoFrame, Fraction]]


def live_spans(stream: FrameStream, longest_gap: Fraction) -> Iterator[LiveSpans]:
    """Yield the frames of a stream, stretch by stretch.

    Without a jump, they are those of ``stream.spans()``. A stream that was joined midway begins with its first whole
    picture, where that is more than ``longest_gap`` after the first data.

    Args:
        stream: that is read for the first time.
        longest_gap: seconds without a frame; more are a jump, and not a still.
    """
    frames = in_stretches(stream.stamped(), step=stream.step, longest_gap=longest_gap)
    for stretch, group in groupby(frames, key=itemgetter(0)):
        stamped = map(itemgetter(1), group)
        first = next(stamped)
        begins = first[0] or Fraction(0)
        if stretch.number == 0 and _is_near(begins, Fraction(0), longest_gap):
            begins = Fraction(0)
        moved = _moved(chain([first], stamped), begins)
        spans = ((frame, end) for frame, _, end in stream.spans_of(moved, Fraction(0)))
        yield LiveSpans(begins, stretch.jump_seconds, spans)


def in_stretches(
    stamped: Iterable[tuple[Fraction | None, Item]], *, step: Fraction, longest_gap: Fraction
) -> Iterator[tuple[Stretch, tuple[Fraction | None, Item]]]:
    """Yield each frame with the stretch that it belongs to: a jump of the time stamps begins a new one.

    A step is a jump if it is longer than ``longest_gap`` seconds, or leads back by a second or more, unless the stamp
    after it returns.

    Args:
        stamped: frames in the order of presentation, each with its time stamp in seconds.
        step: the usual length of a frame in seconds.
        longest_gap: in seconds.
    """
    stretch, time = Stretch(0, Fraction(0)), None
    for (stamp, frame), following in with_next(stamped):
        after = following[0] if following else None
        if time is None or stamp is None:
            time = stamp if time is None else time + step
        elif _is_near(stamp, time, longest_gap):
            time = max(stamp if after is None or after <= time else min(stamp, after), time)
        elif after is not None and _is_near(after, time, longest_gap):  # this stamp alone is wrong
            time += step
        else:
            stretch, time = Stretch(stretch.number + 1, stamp - time - step), stamp
        yield stretch, (stamp, frame)


def _is_near(stamp: Fraction, time: Fraction, longest_gap: Fraction) -> bool:
    return -SHORT_STEP_BACK_SECONDS < stamp - time <= longest_gap


def _moved(stamped: Iterable[Stamped], begins: Fraction) -> Iterator[Stamped]:
    return ((None if stamp is None else stamp - begins, frame) for stamp, frame in stamped)
