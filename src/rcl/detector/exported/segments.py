"""The segments that a detector scores, in NumPy: those of :mod:`rcl.models.sampling`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rcl.system.errors import Defect, listed


def lattice(snippets: int, *, shortest: float, longest: float, ratio: float, stride: float) -> np.ndarray:
    """Segments of geometrically growing length, at a stride in proportion to it: ``(K, 2)``.

    >>> lattice(4, shortest=2.0, longest=4.0, ratio=2.0, stride=0.5)
    array([[0., 2.],
           [1., 3.],
           [2., 4.],
           [0., 4.]], dtype=float32)
    """
    longest = min(max(longest, shortest), snippets)
    last = max(0, math.ceil(math.log(longest / shortest) / math.log(ratio) - 1e-9))
    rows = []
    for length in sorted({min(shortest * ratio**power, float(snippets)) for power in range(last + 1)}):
        room = snippets - length
        starts = np.linspace(0, room, 1 + math.ceil(room / (length * stride) - 1e-9))
        rows.append(np.stack((starts, starts + length), axis=1))
    return np.concatenate(rows).astype(np.float32)


def grid(snippets: int, *, longest: float | None, finer: int = 1) -> np.ndarray:
    """All segments of up to ``longest`` whole snippets, or of steps of a ``finer``-th snippet: ``(K, 2)``."""
    start, last = np.triu_indices(snippets * finer)
    kept = slice(None) if longest is None else last - start < longest * finer
    return (np.stack((start, last + 1), axis=1)[kept] / finer).astype(np.float32)


def pairs(snippets: int, *, longest: float | None) -> np.ndarray:
    """The segments of up to ``longest`` from the centre of a snippet to that of a later one: ``(K, 2)``."""
    start, end = np.triu_indices(snippets, 1)
    kept = slice(None) if longest is None else end - start <= longest
    found = (np.stack((start, end), axis=1)[kept] + 0.5).astype(np.float32)
    return found if len(found) else grid(snippets, longest=None)


def centred(snippets: int, *, lengths: Sequence[float]) -> np.ndarray:
    """Segments of all ``lengths`` around the centre of every snippet: ``(K, 2)``."""
    half = np.array(lengths)[:, None] / 2 * np.array([-1, 1])  # (S, 2)
    return (np.arange(snippets)[:, None, None] + 0.5 + half).reshape(-1, 2).astype(np.float32)


def slots(snippets: int, *, count: int) -> np.ndarray:
    """The ``count`` equal parts of a video: ``(count, 2)``."""
    edges = (np.arange(count + 1) * (snippets / count)).astype(np.float32)
    return np.stack((edges[:-1], edges[1:]), axis=1)


KINDS: dict[str, Callable[..., np.ndarray]] = {
    "lattice": lattice,
    "grid": grid,
    "pairs": pairs,
    "centred": centred,
    "slots": slots,
}


def anchors(snippets: int, described: Mapping[str, Any]) -> np.ndarray:
    """The anchors ``(K, 2)`` of a video of so many snippets; ``described``: their ``kind`` and its options.

    Raises:
        Defect: there is no such kind.
    """
    options = dict(described)
    kind = options.pop("kind", None)
    if kind not in KINDS:
        raise Defect(expected=f"anchors of a kind in {listed([*KINDS])}", found=repr(kind), fix="export it again")
    return KINDS[kind](snippets, **options)


def clip(segments: np.ndarray, end: float, *, minimum_length: float) -> np.ndarray:
    """Segments ``(K, 2)`` inside ``[0, end]``, none shorter; see :func:`rcl.data.segments.clip`."""
    limit = np.float32(end)
    start, stop = segments.clip(0, limit).T
    wanted = np.minimum(np.maximum(stop - start, np.float32(minimum_length)), limit)
    grown = np.minimum(((start + stop) / 2 - wanted / 2).clip(0), limit - wanted)
    short = stop - start < wanted
    return np.stack((np.where(short, grown, start), np.where(short, grown + wanted, stop)), axis=1)
