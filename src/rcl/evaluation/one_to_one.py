"""Matching of two sets of segments without scores: as many pairs as possible, and of these the best.

Detections have scores, which decide who matches first (:mod:`rcl.evaluation.matching`). Where neither side has any, as
in a comparison of two annotators, the assignment with the largest sum decides (Kuhn, *The Hungarian Method*, 1955).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rcl.evaluation.matching import GroupedSegments, Pairs, candidate_pairs


class OneToOne(NamedTuple):
    """Matched pairs.

    Args:
        first: ``(P,)`` int64, position of a segment in the first set.
        second: ``(P,)`` int64, position of its counterpart in the second set.
        tiou: ``(P,)`` float64.
    """

    first: np.ndarray
    second: np.ndarray
    tiou: np.ndarray

    def take(self, rows: np.ndarray) -> OneToOne:
        """The pairs that ``rows`` selects, an index or a mask ``(P,)``."""
        return OneToOne(*(column[rows] for column in self))


def match_one_to_one(first: GroupedSegments, second: GroupedSegments, minimum_tiou: float) -> OneToOne:
    """The most pairs of segments of a group that overlap enough, and of all such choices the largest sum of tIoUs.

    Two segments without a length match where they are equal, with a tIoU of 1.

    >>> first = GroupedSegments(np.array([[0.0, 4.0], [2.0, 6.0]]), np.zeros(2, dtype=np.int64))
    >>> second = GroupedSegments(np.array([[1.0, 5.0]]), np.zeros(1, dtype=np.int64))
    >>> match_one_to_one(first, second, 0.5).tiou
    array([0.6])

    Args:
        first: ``N`` segments.
        second: ``M`` segments, in the same unit.
        minimum_tiou: above 0.
    """
    pairs = _with_points(candidate_pairs(first, second, minimum_tiou), first.segments, second.segments)
    chosen = _unambiguous(pairs)
    parts = [np.flatnonzero(chosen), *_assignments(pairs, ~chosen)]
    rows = np.sort(np.concatenate(parts))
    return OneToOne(pairs.detection[rows], pairs.ground_truth[rows], pairs.tiou[rows])


def _with_points(pairs: Pairs, first: np.ndarray, second: np.ndarray) -> Pairs:
    """The pairs without those of two segments without a length at different times, which have an infinite tIoU."""
    same = (first[pairs.detection] == second[pairs.ground_truth]).all(axis=1)
    kept = np.isfinite(pairs.tiou) | same
    tiou = np.where(np.isfinite(pairs.tiou), pairs.tiou, 1.0)
    return Pairs(pairs.detection[kept], pairs.ground_truth[kept], tiou[kept])


def _unambiguous(pairs: Pairs) -> np.ndarray:
    """Which pairs hold two segments that are in no other pair: ``(P,)`` bool."""
    alone = (np.bincount(index)[index] == 1 for index in (pairs.detection, pairs.ground_truth))
    return np.logical_and(*alone) if len(pairs.tiou) else np.zeros(0, dtype=bool)


def _assignments(pairs: Pairs, open_: np.ndarray) -> list[np.ndarray]:
    """The rows of the best pairs among those that are ``open_ (P,)``, for each set of pairs that share segments."""
    rows = np.flatnonzero(open_)
    if not len(rows):
        return []
    _, left = np.unique(pairs.detection[rows], return_inverse=True)
    _, right = np.unique(pairs.ground_truth[rows], return_inverse=True)
    size = left.max() + right.max() + 2
    graph = coo_array((np.ones(len(rows)), (left, left.max() + 1 + right)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component[left], kind="stable")
    edges = np.flatnonzero(np.diff(component[left][order])) + 1
    return [rows[_assign(pairs, rows[part], part)] for part in np.split(order, edges)]


def _assign(pairs: Pairs, rows: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Those of a ``part (P,)`` of the open pairs that belong to the best assignment of their segments."""
    _, left = np.unique(pairs.detection[rows], return_inverse=True)
    _, right = np.unique(pairs.ground_truth[rows], return_inverse=True)
    shape = left.max() + 1, right.max() + 1
    gain, place = np.zeros(shape), np.full(shape, -1)
    gain[left, right] = 1 + pairs.tiou[rows] / (min(shape) + 1)  # a further pair counts more than all tIoUs together
    place[left, right] = part
    found = place[linear_sum_assignment(gain, maximize=True)]
    return found[found >= 0]
