"""From answers for many segments to one label per moment: the best set of segments that do not overlap.

Detection keeps everything that may be an action. A segmentation chooses: it maximizes the sum of ``score - price`` over
segments that do not overlap. Time outside them is background, which costs nothing and brings nothing, so a segment has
to be worth its price. This is weighted interval scheduling (Kleinberg and Tardos, *Algorithm Design*, 6.1), solved
exactly by dynamic programming.

Why this objective: if a score is the probability that a segment is right, the sum of the scores is the expected number
of right segments. F1 is twice that number divided by the number of predicted and true segments. So one more segment
raises F1 if its score is more than half of what F1 is (Lipton et al., *Optimal Thresholding of Classifiers to Maximize
F1 Measure*, ECML 2014). The price is that half for an F1 of 90 %. A sum over time, ``length times score``, would leave
out short actions next to long ones.

All segments that the model scores take part, not those that soft-NMS left: the sum itself decides between overlapping
ones. Their ends are estimates, and those of neighbours overlap a little where the truth has one boundary. So
neighbours may share up to ``tolerance`` of the length of each, and the shorter one keeps what they share.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch

from rcl.models.decoding import Decoded, Decoder

PRICE = 0.45
"""The lowest score of a segment."""
TOLERANCE = 0.2
"""The share of a segment, at either end, that a neighbour may overlap."""
_ALL = 2**31
"""More candidates than a video has: the best 3,000 may leave out a whole action of a long one."""


@dataclass(frozen=True)
class SegmentationDecoder(Decoder):
    """A decoder whose result is a segmentation: segments that do not overlap, in order of time.

    Args:
        tolerance: see :data:`TOLERANCE`.

    The price of a segment is ``min_score``.
    """

    tolerance: float = TOLERANCE

    @classmethod
    def of(cls, decoder: Decoder, *, min_score: float = PRICE) -> SegmentationDecoder:
        """The segmentation with the scores of another decoder."""
        return cls(**{**asdict(decoder), "candidates": _ALL, "min_score": min_score})

    def suppress(self, candidates: Decoded) -> Decoded:
        """The best segmentation, in order of time."""
        segments = candidates.segments.double().numpy()
        gains = candidates.scores.double().numpy() - self.min_score
        chosen = best_segments(shrunk(segments, self.tolerance), gains)
        cut = torch.as_tensor(without_overlap(segments[chosen]), dtype=candidates.segments.dtype)
        return Decoded(cut, candidates.labels[chosen], candidates.scores[chosen])


def best_segments(segments: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """The segments with the largest sum of gains of which no two overlap: positions, in order of time.

    >>> best_segments(np.array([[0.0, 4.0], [3.0, 9.0], [8.0, 12.0]]), np.array([2.0, 3.0, 2.0]))
    array([0, 2])

    Args:
        segments: ``(K, 2)``; one may start where another ends.
        gains: ``(K,)``. Segments without a gain above 0 or without a length are not chosen.

    Returns:
        ``(Q,)`` int64. Of equal sums, any.
    """
    worth = np.flatnonzero((gains > 0) & (segments[:, 1] > segments[:, 0]))
    order = worth[np.argsort(segments[worth, 1], kind="stable")]  # (W,), by their ends
    starts, ends = segments[order].T
    before = np.searchsorted(ends, starts, side="right")  # (W,), how many end before each begins
    # Each sum needs the one before it, so this is a loop: a tenth of a second for 500,000 segments.
    sums, taken, best = [0.0], [], 0.0
    for gain, place in zip(gains[order].tolist(), before.tolist(), strict=True):
        sum_with = sums[place] + gain
        taken.append(sum_with > best)
        best = max(best, sum_with)
        sums.append(best)
    chosen, place = [], len(order)
    while place:
        if taken[place - 1]:
            chosen.append(place - 1)
            place = int(before[place - 1])
        else:
            place -= 1
    return order[chosen[::-1]]


def shrunk(segments: np.ndarray, share: float) -> np.ndarray:
    """Segments ``(K, 2)`` without a share of their length at either end, below a half."""
    return segments + share * (segments[:, 1:] - segments[:, :1]) * np.array([1.0, -1.0])


def without_overlap(segments: np.ndarray) -> np.ndarray:
    """Segments ``(Q, 2)`` in order of time, cut so that none overlaps: the shorter of two neighbours keeps its end.

    >>> without_overlap(np.array([[0.0, 10.0], [9.0, 12.0]]))
    array([[ 0.,  9.],
           [ 9., 12.]])

    If no two overlap when shrunk by a fifth, each keeps a fifth of its length: a neighbour reaches at most two fifths
    into a longer one.
    """
    lengths = segments[:, 1] - segments[:, 0]
    limits = np.where(lengths[:-1] <= lengths[1:], segments[:-1, 1], segments[1:, 0])  # (Q - 1,)
    cut = segments.copy()
    cut[:-1, 1] = np.minimum(cut[:-1, 1], limits)
    cut[1:, 0] = np.maximum(cut[1:, 0], limits)
    return cut
