"""What tests draw as names of videos and labels."""

from __future__ import annotations

from rcl.data.names import plain_name, without_extension


def video_key(name: str) -> str:
    """What names of different videos differ in, on every system; for ``unique_by``."""
    return without_extension(plain_name(name)).casefold()
