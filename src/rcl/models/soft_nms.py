"""Soft non-maximum suppression in time that is linear in the number of segments, and not quadratic."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rcl.data.overlap import tiou

SoftNMSMethod = Literal["linear", "gaussian", "hard"]

BLOCK = 64  # neighbouring segments of a label, whose highest score and extent are kept together


@torch.no_grad()
def soft_nms(
    segments: Tensor,
    scores: Tensor,
    labels: Tensor | None,
    *,
    method: SoftNMSMethod,
    sigma: float = 0.5,
    threshold: float | Tensor = 0.0,
    min_score: float = 0.0,
    top: int,
) -> tuple[Tensor, Tensor]:
    """Soft non-maximum suppression: select the best segment, lower the scores of those that overlap it, and repeat.

    A selection lowers the segments of its own label whose tIoU with it is above its threshold, by a factor of
    ``1 − tIoU`` (linear), ``exp(−tIoU² / sigma)`` (gaussian; Bodla et al., 2017) or 0 (hard: classical NMS).
    Of equal scores the first in the input goes first.

    Known differences from public code, given the same factors: BMN's loop never returns the last segment that is left;
    G-TAD rounds what it writes; ActionFormer also returns scores that are exactly ``min_score``.

    Args:
        segments: ``(N, 2)``, in any unit.
        scores: ``(N)``.
        labels: ``(N)`` integers, or None to let every segment compete with every other.
        method: how an overlap lowers a score.
        sigma: width of the gaussian; the others ignore it.
        threshold: tIoU up to which an overlap is free; or one threshold per segment ``(N)``, which holds where that
            segment is the selected one. BMN's is ``t1 + (t2 − t1) · length / duration``.
        min_score: only lowered scores above it are returned.
        top: how many segments to return at most.

    Returns:
        The input positions of the selected segments ``(Q)`` and their lowered scores ``(Q)``, highest first.
    """
    if method not in ("linear", "gaussian", "hard"):
        raise ValueError(f"method must be 'linear', 'gaussian' or 'hard', not {method!r}")
    if method == "gaussian" and sigma <= 0:
        raise ValueError(f"sigma must be positive, not {sigma}")
    free = torch.as_tensor(threshold, dtype=segments.dtype, device=segments.device).expand(len(scores))
    groups = torch.zeros_like(scores, dtype=torch.long) if labels is None else labels
    blocks = _blocks(*(tensor.numpy(force=True) for tensor in (segments, scores, groups, free)))
    decay = partial(_decay, method=method, sigma=sigma)
    positions, lowered = (torch.from_numpy(found).to(scores.device) for found in _select(blocks, decay, min_score, top))
    return _highest(positions, lowered, top)


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


def _decay(overlap: np.ndarray, method: SoftNMSMethod, sigma: float) -> np.ndarray:
    """The factor by which an overlap lowers a score."""
    if method == "linear":
        return 1 - overlap
    if method == "gaussian":
        return torch.from_numpy(-(overlap**2) / sigma).exp().numpy()  # NumPy's exp differs in the last bit
    return np.zeros_like(overlap)


def _highest(positions: Tensor, scores: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """The ``top`` of the selections, highest score first, then input order."""
    positions, order = positions.sort()  # (Q)
    scores, rank = scores[order].sort(descending=True, stable=True)  # (Q)
    return positions[rank[:top]], scores[:top]
