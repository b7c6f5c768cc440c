"""Matching of detections and ground truths: the greedy rule of the official evaluators, without its loops.

The official rule goes through the detections in order of score and gives each the best ground truth that is still free.
The result is the one stable matching between detections that prefer a larger tIoU and ground truths that prefer a
higher score. Deferred acceptance (Gale and Shapley, 1962) finds it with a few array operations per round, for all
thresholds at once. Everything is float64 and in the order of operations of the official program, so that the same pairs
reach a threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rcl.data.overlap import tiou

PAIRS_AT_ONCE = 1 << 17  # bounds the memory to a few MB, which fit the cache


class GroupedSegments(NamedTuple):
    """Segments and their groups. Only segments of the same group may match.

    Args:
        segments: ``(K, 2)`` float64, start and end, in any unit.
        groups: ``(K,)`` int64, usually one number per video and class. A negative number matches nothing.
    """

    segments: np.ndarray
    groups: np.ndarray

    def take(self, rows: np.ndarray) -> GroupedSegments:
        """The segments that ``rows`` selects, an index or a mask ``(K,)``."""
        return GroupedSegments(self.segments[rows], self.groups[rows])


class Pairs(NamedTuple):
    """Pairs of a detection and a ground truth that may match, sorted by detection, then by falling tIoU.

    Args:
        detection: ``(P,)`` int64, position of the detection.
        ground_truth: ``(P,)`` int64, position of the ground truth. Equal tIoUs keep the input order.
        tiou: ``(P,)`` float64. For two segments of length 0 it is ``inf``: the official program computes NaN there,
            which passes its every threshold.
    """

    detection: np.ndarray
    ground_truth: np.ndarray
    tiou: np.ndarray


def by_score(scores: np.ndarray) -> np.ndarray:
    """Positions in the order of evaluation, ``(K,) → (K,)``: higher score first, then input order."""
    return np.argsort(-scores, kind="stable")


def match(
    detections: GroupedSegments,
    scores: np.ndarray,
    ground_truths: GroupedSegments,
    tiou_thresholds: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """Match every ground truth with at most one detection, as ``eval_detection.py`` of ActivityNet does.

    By falling score, each detection takes the free ground truth of its group with the largest tIoU, if that is at least
    the threshold. A detection of length 0 takes a ground truth of length 0 at every threshold, wherever the two lie:
    their tIoU is 0/0.

    Args:
        detections: ``K`` segments.
        scores: ``(K,)`` float64. Of equal scores the earlier detection goes first.
        ground_truths: ``N`` segments, in the unit of the detections, no group negative.
        tiou_thresholds: ``T ≥ 1`` numbers above 0.

    Returns:
        ``(T, K)`` int64, the position of the ground truth that each detection took, −1 if it took none.

    >>> detections = GroupedSegments(np.array([[0.0, 4.0], [0.0, 3.0], [8.0, 9.0]]), np.array([0, 0, 0]))
    >>> truth = GroupedSegments(np.array([[0.0, 4.0]]), np.array([0]))
    >>> match(detections, np.array([0.7, 0.9, 0.8]), truth, [0.5, 0.8])
    array([[-1,  0, -1],
           [ 0, -1, -1]])
    """
    thresholds = np.asarray(tiou_thresholds, dtype=np.float64)  # (T,)
    order = by_score(scores)  # (K,)
    pairs = candidate_pairs(detections.take(order), ground_truths, float(thresholds.min()))
    ranked = _deferred_acceptance(pairs, len(order), len(ground_truths.groups), thresholds)  # (T, K)
    matched = np.empty_like(ranked)
    matched[:, order] = ranked
    return matched


def best_tiou(detections: GroupedSegments, ground_truths: GroupedSegments, minimum_tiou: float) -> np.ndarray:
    """Largest tIoU of each detection with any ground truth of its group.

    Args:
        detections: ``K`` segments.
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
    """All pairs within a group whose tIoU is at least ``minimum_tiou``; arguments as for :func:`match`."""
    order = np.argsort(ground_truths.groups, kind="stable")  # (N,)
    sorted_truths = ground_truths.take(order)
    first = np.searchsorted(sorted_truths.groups, detections.groups, side="left")  # (K,)
    count = np.searchsorted(sorted_truths.groups, detections.groups, side="right") - first  # (K,)
    parts = []
    for part in _slices(count, PAIRS_AT_ONCE):
        owner, position = _ranges(first[part], count[part])  # (P,), (P,)
        owner += part.start
        overlap = tiou(detections.segments[owner], sorted_truths.segments[position], undefined=np.inf)  # (P,)
        kept = overlap >= minimum_tiou
        parts.append((owner[kept], order[position[kept]], overlap[kept]))
    found = Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    best_first = np.lexsort((-found.tiou, found.detection))  # stable: equal tIoUs stay in input order
    return Pairs(*(column[best_first] for column in found))


def _slices(count: np.ndarray, limit: int) -> Iterator[slice]:
    """Slices of the detections with about ``limit`` pairs each; one empty slice if there are no detections."""
    total = np.cumsum(count)
    cuts = np.searchsorted(total, np.arange(limit, count.sum(), limit))
    edges = np.unique([0, *cuts, len(count)])
    yield from map(slice, edges[:-1], edges[1:]) if len(edges) > 1 else [slice(0, 0)]


def _ranges(first: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every ``i`` repeated ``count[i]`` times, and the positions ``first[i], first[i] + 1, …``: two ``(P,)``."""
    owner = np.repeat(np.arange(len(count)), count)
    offset = np.repeat(first - (np.cumsum(count) - count), count)
    return owner, np.arange(len(owner)) + offset


def _deferred_acceptance(pairs: Pairs, detections: int, ground_truths: int, thresholds: np.ndarray) -> np.ndarray:
    """The stable matching at each threshold, for detections that are sorted by score.

    Every detection proposes to its ground truths, the largest tIoU first. A ground truth keeps the proposal with the
    highest score; a detection that is rejected or displaced proposes to its next one. No pair is tried twice.

    Returns:
        ``(T, K)`` int64, ground truth or −1.
    """
    allowed = [np.bincount(pairs.detection[pairs.tiou >= t], minlength=detections) for t in thresholds]
    first = np.searchsorted(pairs.detection, np.arange(detections))  # (K,)
    proposal = np.tile(first, len(thresholds))  # (T·K,) position in pairs
    end = proposal + np.concatenate(allowed)  # (T·K,)
    unmatched = detections
    holder = np.full(len(thresholds) * ground_truths, unmatched)  # (T·N,) rank of a detection

    active = np.flatnonzero(proposal < end)  # threshold · K + rank
    while active.size:
        threshold, rank = np.divmod(active, detections)
        target = threshold * ground_truths + pairs.ground_truth[proposal[active]]
        previous = holder[target]
        np.minimum.at(holder, target, rank)
        won = holder[target] == rank
        displaced = (active - rank + previous)[won & (previous != unmatched)]
        rejected = np.concatenate((active[~won], displaced))
        proposal[rejected] += 1
        active = rejected[proposal[rejected] < end[rejected]]

    matched = np.full((len(thresholds), detections), -1)
    taken = np.flatnonzero(holder != unmatched)  # threshold · N + ground truth
    threshold, ground_truth = np.divmod(taken, ground_truths)
    matched[threshold, holder[taken]] = ground_truth
    return matched
