"""What a feed gives of a source: pictures, in parts without a gap."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple, TypeAlias

from av.video.frame import VideoFrame


class PartBegins(NamedTuple):
    """A part of a source: pictures that follow each other without a gap. Its times count from its second 0.

    ``number``: ascending, also over restarts; ``started_at``: the Unix time of second 0, as far as it is known;
    ``why``: in words, such as ``the source was away for 12.3 s``; empty for the first.
    """

    number: int
    started_at: float
    why: str = ""


class Picture(NamedTuple):
    """A decoded picture, and the second of the part at which it leaves the screen. The first one appears at 0.

    ``dropped``: so many pictures were dropped after it because the work fell behind; it stays on the screen for them.
    """

    frame: VideoFrame
    until: Fraction
    dropped: int = 0


class PartEnds(NamedTuple):
    """No more pictures of this part will come. ``why``: in words; ``problems``: the defects that were found."""

    why: str
    problems: tuple[str, ...] = ()


class Idle(NamedTuple):
    """Nothing has come for a moment; the time for what waits."""


Item: TypeAlias = PartBegins | Picture | PartEnds | Idle
