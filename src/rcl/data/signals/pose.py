"""What the readers of pose tracks share: names of columns, and frames as samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rcl.data.signals.cleaning import Repairs, Rows, clean
from rcl.data.signals.recording import OpenRecording
from rcl.data.signals.signal import Block, RecordingOptions
from rcl.system.errors import InputError

COORDINATES = ("x", "y", "likelihood")
"""What is read of a body part: its place in the picture, and how sure that is."""


def pose_columns(owners: Sequence[str], parts: Sequence[str], coordinates: Sequence[str]) -> tuple[str, ...]:
    """The names of columns ``OWNER/PART/COORDINATE``; of an owner without a name, ``PART/COORDINATE``.

    >>> pose_columns(["mouse1", ""], ["nose"], ["x", "y"])
    ('mouse1/nose/x', 'mouse1/nose/y', 'nose/x', 'nose/y')
    """
    return tuple(
        "/".join(filter(None, (owner, part, coordinate)))
        for owner in owners
        for part in parts
        for coordinate in coordinates
    )


def pose_recording(
    where: str,
    columns: tuple[str, ...],
    frames: Callable[[float], Iterator[Rows]],
    options: RecordingOptions,
    *,
    individuals: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    timed: bool = False,
) -> OpenRecording:
    """A recording of poses, whose frame 0 is at second 0. Without a rate, it can be opened but not read.

    Args:
        where: the file, for messages.
        columns: names of the columns.
        frames: called with the frames per second, gives the rows.
        options: with the frames per second, and the columns that are read.
        individuals: whose tracks these are, if they have identities.
        notes: what was left out or assumed.
        timed: whether the file has the times of its frames.
    """

    def read(repairs: Repairs) -> Iterator[Block]:
        if options.rate is None and not timed:
            expected, fix = "the frames per second of the video", "give them with --rate"
            raise InputError(where, expected=expected, found="pose tracks without them", fix=fix)
        return clean(frames(options.rate or 1.0), where, repairs, counted_by="frame")

    rate = None if timed else options.rate
    opened = OpenRecording(where, columns, read, "pose", rate, individuals, notes)
    return opened.selected(options.columns)
