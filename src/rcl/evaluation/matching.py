"""Which detection gets which ground truth: the greedy rule of the official evaluators, without its loops.

The official rule lets the detections choose in order of score, each the best ground truth that is still free.
That is a serial dictatorship, and its result is the one stable matching between detections that prefer a
larger tIoU and ground truths that prefer a higher score. Deferred acceptance (Gale and Shapley 1962) finds it
with a few array operations per round, for all thresholds at once. Everything is float64 and in the order of
operations of the official program, so that a tIoU on a threshold falls on the same side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rcl.data.overlap import tiou

_PAIRS_AT_ONCE = 1 << 17  # a few MB, which stay in the cache, however many pairs one video has


class GroupedSegments(NamedTuple):
    """Segments, and the group inside which each may match.

    Args:
        segments: ``(K, 2)`` float64, start and end, in any unit.
        groups: ``(K,)`` int64, usually one number per video and class; a negative one matches nothing.
    """

    segments: np.ndarray
    groups: np.ndarray

    def take(self, rows: np.ndarray) -> GroupedSegments:
        """Some of the segments: ``rows`` is an index or a mask ``(K,)``."""
        return GroupedSegments(self.segments[rows], self.groups[rows])


class Pairs(NamedTuple):
    """Detections and the ground truths that they may take, sorted by detection, then by falling tIoU.

    Args:
        detection: ``(P,)`` int64.
        ground_truth: ``(P,)`` int64; of equal tIoUs the first in input order comes first.
        tiou: ``(P,)`` float64; ``inf`` where the official 0/0 is NaN, which passes every threshold there.
    """

    detection: np.ndarray
    ground_truth: np.ndarray
    tiou: np.ndarray


def by_score(scores: np.ndarray) -> np.ndarray:
    """Order of evaluation, ``(K,) → (K,)``: higher score first, then input order."""
    return np.argsort(-scores, kind="stable")


def match(
    detections: GroupedSegments,
    scores: np.ndarray,
    ground_truths: GroupedSegments,
    tiou_thresholds: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """Give every ground truth to at most one detection, as ``eval_detection.py`` of ActivityNet does.

    By falling score, each detection takes the free ground truth of its group with the largest tIoU, if that
    is at least the threshold. A detection without length has tIoU 0/0 with a ground truth without length,
    wherever the two lie, and takes it at every threshold.

    Args:
        detections: ``K`` of them.
        scores: ``(K,)`` float64; ties go to the earlier detection.
        ground_truths: ``N`` of them, in the unit of the detections, no group negative.
        tiou_thresholds: ``T ≥ 1`` numbers above 0.

    Returns:
        ``(T, K)`` int64, the index of the ground truth that each detection took, −1 where it took none.
    """
    thresholds = np.asarray(tiou_thresholds, dtype=np.float64)  # (T,)
    order = by_score(scores)  # (K,)
    pairs = candidate_pairs(detections.take(order), ground_truths, float(thresholds.min()))
    ranked = _deferred_acceptance(pairs, len(order), len(ground_truths.groups), thresholds)  # (T, K)
    matched = np.empty_like(ranked)
    matched[:, order] = ranked
    return matched


def best_tiou(detections: GroupedSegments, ground_truths: GroupedSegments, minimum_tiou: float) -> np.ndarray:
    """Largest tIoU of each detection with a ground truth of its group, taken or not.

    Args:
        detections: ``K`` of them.
        ground_truths: as for :func:`match`.
        minimum_tiou: smaller values are returned as 0.

    Returns:
        ``(K,)`` float64, ``inf`` as in :class:`Pairs`.
    """
    pairs = candidate_pairs(detections, ground_truths, minimum_tiou)
    best = np.zeros(len(detections.groups))
    detection, first = np.unique(pairs.detection, return_index=True)
    best[detection] = pairs.tiou[first]
    return best


def candidate_pairs(detections: GroupedSegments, ground_truths: GroupedSegments, minimum_tiou: float) -> Pairs:
    """All pairs of one group whose tIoU is at least ``minimum_tiou``, arguments as for :func:`match`."""
    order = np.argsort(ground_truths.groups, kind="stable")  # (N,)
    sorted_truths = ground_truths.take(order)
    first = np.searchsorted(sorted_truths.groups, detections.groups, side="left")  # (K,)
    count = np.searchsorted(sorted_truths.groups, detections.groups, side="right") - first  # (K,)
    parts = []
    for part in _slices(count, _PAIRS_AT_ONCE):
        owner, position = _ranges(first[part], count[part])  # (P,), (P,)
        owner += part.start
        overlap = tiou(detections.segments[owner], sorted_truths.segments[position], undefined=np.inf)  # (P,)
        kept = overlap >= minimum_tiou
        parts.append((owner[kept], order[position[kept]], overlap[kept]))
    found = Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    best_first = np.lexsort((-found.tiou, found.detection))  # stable: equal tIoUs stay in input order
    return Pairs(*(column[best_first] for column in found))


def _slices(count: np.ndarray, limit: int) -> Iterator[slice]:
    """Cut the detections where their pairs add up to about ``limit``: at least one slice, also of nothing."""
    total = np.cumsum(count)
    cuts = np.searchsorted(total, np.arange(limit, count.sum(), limit))
    edges = np.unique([0, *cuts, len(count)])
    yield from map(slice, edges[:-1], edges[1:]) if len(edges) > 1 else [slice(0, 0)]


def _ranges(first: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All ``i``, each ``count[i]`` times, and next to them ``first[i], first[i] + 1, …``: two ``(P,)``."""
    owner = np.repeat(np.arange(len(count)), count)
    offset = np.repeat(first - (np.cumsum(count) - count), count)
    return owner, np.arange(len(owner)) + offset


def _deferred_acceptance(pairs: Pairs, detections: int, ground_truths: int, thresholds: np.ndarray) -> np.ndarray:
    """The stable matching at each threshold, for detections that are sorted by score.

    Detections ask their ground truths from the best down; each ground truth holds on to the best-scored one
    that ever asked; whoever is turned down or pushed out asks the next. Every pair is tried at most once per
    threshold.

    Returns:
        ``(T, K)`` int64, ground truth or −1.
    """
    allowed = [np.bincount(pairs.detection[pairs.tiou >= t], minlength=detections) for t in thresholds]
    first = np.searchsorted(pairs.detection, np.arange(detections))  # (K,)
    asking = np.tile(first, len(thresholds))  # (T·K,) position in pairs
    end = asking + np.concatenate(allowed)  # (T·K,)
    nobody = detections
    holder = np.full(len(thresholds) * ground_truths, nobody)  # (T·N,) rank of a detection

    active = np.flatnonzero(asking < end)  # threshold · K + rank
    while active.size:
        threshold, rank = np.divmod(active, detections)
        target = threshold * ground_truths + pairs.ground_truth[asking[active]]
        before = holder[target]
        np.minimum.at(holder, target, rank)
        won = holder[target] == rank
        pushed_out = (active - rank + before)[won & (before != nobody)]
        refused = np.concatenate((active[~won], pushed_out))
        asking[refused] += 1
        active = refused[asking[refused] < end[refused]]

    matched = np.full((len(thresholds), detections), -1)
    taken = np.flatnonzero(holder != nobody)  # threshold · N + ground truth
    threshold, ground_truth = np.divmod(taken, ground_truths)
    matched[threshold, holder[taken]] = ground_truth
    return matched
