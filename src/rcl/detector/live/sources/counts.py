"""How a feed fares, in numbers; written by its thread and read by others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class FeedCounts:
    """Numbers since the start of the feed, and how it is now.

    Args:
        frames_read: pictures that were decoded.
        frames_dropped: of these, not given because the work fell behind.
        packets: of video and sound that came.
        bytes: in these packets.
        reconnections: connections after the first.
        gaps: after which a new part began, or will begin.
        is_connected: whether the source is open now.
        is_frozen: whether the picture has not changed for some time although pictures come.
        last_picture_at: on the monotonic clock of the feed; of its start before the first.
        problem: why the source is away, in words; empty if it is not.
    """

    frames_read: int = 0
    frames_dropped: int = 0
    packets: int = 0
    bytes: int = 0
    reconnections: int = 0
    gaps: int = 0
    is_connected: bool = False
    is_frozen: bool = False
    last_picture_at: float = 0.0
    problem: str = ""
