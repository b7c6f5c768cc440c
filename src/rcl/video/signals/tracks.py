"""Pose tracks of a recording in the order of the settings, and the sizes of the bodies in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rcl.data.signals.signal import Block, Recording
from rcl.system.errors import Defect, listed
from rcl.video.signals.pose import body_sizes

_SIZES = np.geomspace(1e-4, 1e6, 4096)  # half a percent apart


def body_parts(recording: Recording) -> tuple[str, ...]:
    """The body parts of a recording, in its order.

    >>> from types import SimpleNamespace
    >>> columns = ("a/nose/x", "a/nose/y", "a/nose/likelihood", "b/nose/x", "b/nose/y", "b/nose/likelihood")
    >>> body_parts(SimpleNamespace(columns=columns, individuals=("a", "b")))
    ('nose',)
    """
    prefixes = [f"{individual}/" for individual in recording.individuals]
    names = [column.removesuffix("/x") for column in recording.columns if column.endswith("/x")]
    for position, name in enumerate(names):
        names[position] = next((name.removeprefix(prefix) for prefix in prefixes if name.startswith(prefix)), name)
    return tuple(dict.fromkeys(names))


def track_blocks(
    recording: Recording, parts: Sequence[str], individuals: Sequence[str | None], min_likelihood: float
) -> Iterator[Block]:
    """Yield the blocks of a recording with x, y and likelihood of each part of each individual, ``(n, I · B · 3)``.

    All three are NaN where a point was not seen. Points without likelihoods have 1.

    Args:
        recording: of pose tracks.
        parts: B body parts.
        individuals: I names; ``None`` for tracks without identity, or for one that the recording lacks.
        min_likelihood: points below are taken as not seen.

    Raises:
        Defect: the recording lacks a body part.
    """
    numbers = {name: number for number, name in enumerate(recording.columns)}
    names = [_name(individual, part, recording) for individual in individuals for part in parts]
    if lost := [name for name in names if name and f"{name}/x" not in numbers]:
        raise Defect(
            expected=f"the body parts {listed(parts)}",
            found=f"no {listed(lost)} among {listed(body_parts(recording))}",
            fix="use recordings with the body parts of the training",
        )
    for times, values in recording.blocks():
        extended = np.concatenate((values, np.full((len(values), 1), np.nan, np.float32)), axis=1)  # the last: unseen
        axes = [[numbers.get(f"{name}/{axis}", -1) for axis in ("x", "y", "likelihood")] for name in names]
        points = extended[:, axes]  # (n, I * B, 3)
        likelihood = np.where(np.isnan(points[..., 2]), 1.0, points[..., 2])
        seen = np.isfinite(points[..., :2]).all(axis=-1) & (likelihood >= min_likelihood)
        points[..., 2] = likelihood
        points[~seen] = np.nan
        yield Block(times, points.reshape(len(times), -1))


def _name(individual: str | None, part: str, recording: Recording) -> str:
    if not recording.individuals:
        return part
    return "" if individual is None else f"{individual}/{part}"


def typical_sizes(blocks: Iterable[Block], individuals: int) -> np.ndarray:
    """The median size of each body ``(I,)`` over a recording, to half a percent; 1 where it is never seen.

    Args:
        blocks: of :func:`track_blocks`.
        individuals: I.
    """
    counts = np.zeros((individuals, len(_SIZES)), np.int64)
    for _, values in blocks:
        sizes = body_sizes(values.reshape(len(values), individuals, -1, 3))  # (n, I)
        places = np.searchsorted(_SIZES, sizes).clip(0, len(_SIZES) - 1)
        for own in range(individuals):
            counts[own] += np.bincount(places[np.isfinite(sizes[:, own]), own], minlength=len(_SIZES))
    half = np.cumsum(counts, axis=1) * 2 >= np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.where(counts.any(axis=1), _SIZES[half.argmax(axis=1)], 1.0)
