"""The selections of soft-NMS on NumPy arrays, so that detection needs no PyTorch; see :mod:`rcl.models.soft_nms`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from rcl.data.overlap import tiou

SoftNMSMethod = Literal["linear", "gaussian", "hard"]
Exponential = Callable[[np.ndarray], np.ndarray]

BLOCK = 64  # neighbouring segments of a label, whose highest score and extent are kept together


def select(
    segments: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    method: SoftNMSMethod,
    sigma: float = 0.5,
    threshold: np.ndarray | float = 0.0,
    min_score: float = 0.0,
    top: int,
    exp: Exponential = np.exp,
) -> tuple[np.ndarray, np.ndarray]:
    """The selections of soft-NMS; arguments as in :func:`rcl.models.soft_nms.soft_nms`.

    Args:
        segments: ``(K, 2)``.
        scores: ``(K,)``.
        labels: ``(K,)``.
        method: how an overlap lowers a score.
        sigma: width of the gaussian.
        threshold: a number, or ``(K,)``.
        min_score: only lowered scores above it are returned.
        top: how many segments to return at most.
        exp: of the gaussian; that of PyTorch differs from that of NumPy in the last bit.

    Returns:
        Positions ``(Q,)`` and lowered scores ``(Q,)``, highest first, then in the order of the input.
    """
    free = np.broadcast_to(np.asarray(threshold, dtype=segments.dtype), scores.shape)
    decay = partial(_decay, method=method, sigma=sigma, exp=exp)
    positions, lowered = _select(_blocks(segments, scores, labels, free), decay, min_score, top)
    order = np.lexsort((positions, -lowered))[:top]
    return positions[order], lowered[order]


class _Blocks(NamedTuple):
    """Segments of L labels in N blocks of S neighbours, so that few blocks overlap a segment.

    Args:
        places: start, end and the tIoU up to which an overlap is free, ``(3, N, S)``.
        left: ``(N, S)`` scores of what is not selected yet.
        positions: ``(N, S)`` in the input.
        label: ``(N,)``, ascending.
        start: ``(L,)``, the first block of every label.
    """

    places: np.ndarray
    left: np.ndarray
    positions: np.ndarray
    label: np.ndarray
    start: np.ndarray


def _blocks(segments: np.ndarray, scores: np.ndarray, labels: np.ndarray, free: np.ndarray) -> _Blocks:
    """Blocks of ``segments (K, 2)``. Free places in the last block of a label overlap nothing."""
    order = np.lexsort((segments[:, 0], labels))  # (K,)
    _, group, sizes = np.unique(labels[order], return_inverse=True, return_counts=True)
    number = -(-sizes // BLOCK)  # (L,), of blocks
    start = number.cumsum() - number
    slot = np.arange(len(order)) + (start * BLOCK - (sizes.cumsum() - sizes))[group]  # (K,)
    shape = int(number.sum()), BLOCK
    places = np.empty((3, *shape), dtype=segments.dtype)
    places[:] = np.array([np.inf, -np.inf, 0])[:, None, None]
    places.reshape(3, -1)[:, slot] = np.stack((*segments.T, free))[:, order]
    left, positions = np.full(shape, -np.inf, dtype=scores.dtype), np.full(shape, -1)
    left.reshape(-1)[slot], positions.reshape(-1)[slot] = scores[order], order
    return _Blocks(places, left, positions, np.arange(len(number)).repeat(number), start)


def _select(
    blocks: _Blocks, decay: Callable[[np.ndarray], np.ndarray], min_score: float, top: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and scores of all selections that may be among the ``top``, unordered. Modifies ``blocks.left``."""
    places, left, label = blocks.places, blocks.left, blocks.label
    peak = np.fmax.reduce(left, axis=1)  # (N,)
    first, last = np.fmin.reduce(places[0], axis=1), np.fmax.reduce(places[1], axis=1)  # (N,), extent of each block
    positions, lowered = blocks.positions.ravel()[:0], left.ravel()[:0]
    # Labels are independent, so each makes its next selection in the same step. These are a hundred small steps, in
    # which calls of PyTorch take several times as long as their computation: hence NumPy.
    while len(label) and top > 0:
        best = np.fmax.reduceat(peak, blocks.start)  # (L,)
        least = np.partition(lowered, -top)[-top] if len(lowered) >= top else -np.inf
        active = (best > min_score) & (best >= least)  # lower scores cannot be among the top
        if not active.any():
            break
        block, column = _first_of_each(blocks, peak, best, active)  # (A,), for as many labels
        positions = np.concatenate((positions, blocks.positions[block, column]))
        lowered = np.concatenate((lowered, left[block, column]))
        selected = np.full((3, len(best), 1), np.nan, dtype=places.dtype)  # overlaps nothing, for the others
        selected[:, label[block], 0] = places[:, block, column]
        left[block, column] = -np.inf
        start, end = selected[:2, label, 0]  # (N,)
        near = (first < end) & (last > start)  # (N,)
        near[block] = True
        part = slice(None) if near.all() else near  # avoids a copy
        chosen = selected[:, label[part]]  # (3, n, 1)
        overlap = tiou(np.moveaxis(places[:2, part], 0, -1), np.moveaxis(chosen[:2], 0, -1))  # (n, S)
        scores = left[part]
        factor = np.where(overlap > chosen[2], decay(overlap), 1).astype(left.dtype, copy=False)
        np.multiply(scores, factor, out=scores, where=scores > min_score)  # 0 · −∞ is not a number
        left[part], peak[part] = scores, np.fmax.reduce(scores, axis=1)
    return positions, lowered


def _first_of_each(
    blocks: _Blocks, peak: np.ndarray, best: np.ndarray, active: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Block and column of the best segment of each active label ``(A,)``; of equal ones, the first in the input."""
    highest = np.where(active, best, np.nan)[blocks.label]  # (N,)
    rows = (peak == highest).nonzero()[0]
    row, column = (blocks.left[rows] == highest[rows, None]).nonzero()
    block = rows[row]
    if len(block) > active.sum():
        order = np.lexsort((blocks.positions[block, column], blocks.label[block]))
        block, column = block[order], column[order]
        block, column = (field[np.unique(blocks.label[block], return_index=True)[1]] for field in (block, column))
    return block, column


def _decay(overlap: np.ndarray, method: SoftNMSMethod, sigma: float, exp: Exponential) -> np.ndarray:
    """The factor by which an overlap lowers a score."""
    if method == "linear":
        return 1 - overlap
    if method == "gaussian":
        return exp(-(overlap**2) / sigma)
    return np.zeros_like(overlap)
