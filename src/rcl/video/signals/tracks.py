"""Pose tracks of a recording in the order of the settings, and the sizes of the bodies in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rcl.data.signals.signal import Block, Recording
from rcl.system.errors import Defect, listed
from rcl.video.signals.pose import body_sizes

_SIZES = np.geomspace(1e-4, 1e6, 4096)  # half a percent apart


class Tracks(NamedTuple):
    """Whose points a recording has.

    Args:
        owners: one name per track; the only one may be empty. They are individuals if the recording says so.
        parts: the body parts that all of them have.
    """

    owners: tuple[str, ...]
    parts: tuple[str, ...]

    @classmethod
    def of(cls, recording: Recording) -> Tracks:
        """The tracks of a recording, in its order.

        >>> from types import SimpleNamespace
        >>> columns = ("a/nose/x", "a/nose/y", "a/tail/x", "a/tail/y", "b/nose/x", "b/nose/y", "corner/x", "corner/y")
        >>> Tracks.of(SimpleNamespace(columns=columns, individuals=("a", "b")))
        Tracks(owners=('a', 'b'), parts=('nose',))
        """
        points = [column.removesuffix("/x") for column in recording.columns if column.endswith("/x")]
        owners = recording.individuals
        if not owners and points and all("/" in point for point in points):  # persons without identity
            owners = tuple(dict.fromkeys(point.partition("/")[0] for point in points))
        if not owners:
            return cls(("",), tuple(points))
        own = [[point[len(owner) + 1 :] for point in points if point.startswith(f"{owner}/")] for owner in owners]
        return cls(owners, tuple(part for part in own[0] if all(part in parts for parts in own)))


def track_blocks(
    recording: Recording, parts: Sequence[str], owners: Sequence[str | None], min_likelihood: float
) -> Iterator[Block]:
    """Yield the blocks of a recording with x, y and likelihood of each part of each track, ``(n, I · B · 3)``.

    All three are NaN where a point was not seen. Points without likelihoods have 1.

    Args:
        recording: of pose tracks.
        parts: B body parts.
        owners: of I tracks, see :class:`Tracks`; ``None`` for one that the recording lacks.
        min_likelihood: points below are taken as not seen.

    Raises:
        Defect: the recording lacks a body part.
    """
    numbers = {name: number for number, name in enumerate(recording.columns)}
    points = [None if owner is None else f"{owner}/{part}".lstrip("/") for owner in owners for part in parts]
    if lost := [point for point in points if point is not None and f"{point}/x" not in numbers]:
        raise Defect(
            expected=f"the body parts {listed(parts)}",
            found=f"no {listed(lost)} (it has {listed(Tracks.of(recording).parts)})",
            fix="use recordings with the body parts of the training",
        )
    places = [[numbers.get(f"{point}/{axis}", -1) for axis in ("x", "y", "likelihood")] for point in points]
    for times, values in recording.blocks():
        with_unseen = np.concatenate((values, np.full((len(values), 1), np.nan, np.float32)), axis=1)
        found = with_unseen[:, places]  # (n, I * B, 3)
        found[..., 2] = np.where(np.isnan(found[..., 2]), 1.0, found[..., 2])
        seen = np.isfinite(found[..., :2]).all(axis=-1) & (found[..., 2] >= min_likelihood)
        found[~seen] = np.nan
        yield Block(times, found.reshape(len(times), -1))


def typical_sizes(blocks: Iterable[Block], tracks: int) -> np.ndarray:
    """The median size of each body ``(I,)`` over a recording, to half a percent; 1 where it is never seen.

    Args:
        blocks: of :func:`track_blocks`.
        tracks: I.
    """
    counts = np.zeros((tracks, len(_SIZES)), np.int64)
    for _, values in blocks:
        sizes = body_sizes(values.reshape(len(values), tracks, -1, 3))  # (n, I)
        places = np.searchsorted(_SIZES, sizes).clip(0, len(_SIZES) - 1)
        for own in range(tracks):
            counts[own] += np.bincount(places[np.isfinite(sizes[:, own]), own], minlength=len(_SIZES))
    half = np.cumsum(counts, axis=1) * 2 >= np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.where(counts.any(axis=1), _SIZES[half.argmax(axis=1)], 1.0)
