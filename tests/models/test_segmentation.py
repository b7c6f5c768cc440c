"""The best segments that do not overlap, compared with trying all sets of segments."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from rcl.models.decoding import Decoded, Decoder
from rcl.models.segmentation import SegmentationDecoder, best_segments, shrunk, without_overlap

SEGMENTS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(-3, 9)), min_size=0, max_size=8
)  # start, length, gain: whole numbers, so that sums are exact and segments touch


def arrays(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray]:
    segments = np.array([(start, start + length) for start, length, _ in rows], dtype=np.float64).reshape(-1, 2)
    return segments, np.array([gain for _, _, gain in rows], dtype=np.float64)


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(min(a[1], b[1]) > max(a[0], b[0]))


@given(SEGMENTS)
def test_no_other_set_of_segments_is_better(rows: list[tuple[int, int, int]]) -> None:
    segments, gains = arrays(rows)
    usable = [row for row in range(len(rows)) if segments[row, 1] > segments[row, 0]]
    best = 0.0
    for size in range(1, len(usable) + 1):
        for chosen in combinations(usable, size):
            if not any(overlap(segments[a], segments[b]) for a, b in combinations(chosen, 2)):
                best = max(best, gains[list(chosen)].sum())
    found = best_segments(segments, gains)
    assert gains[found].sum() == best
    assert (gains[found] > 0).all()
    assert not any(overlap(segments[a], segments[b]) for a, b in combinations(found.tolist(), 2))
    assert (np.diff(segments[found, 0]) > 0).all()


FLOATS = st.lists(
    st.tuples(st.floats(0, 40, width=32), st.floats(0.5, 20, width=32), st.floats(0.5, 1, width=32)), max_size=12
)


@given(FLOATS)
def test_a_segmentation_has_no_overlap_and_keeps_a_fifth_of_each_segment(
    rows: list[tuple[float, float, float]],
) -> None:
    segments = np.array([(start, start + length) for start, length, _ in rows]).reshape(-1, 2)
    chosen = best_segments(shrunk(segments, 0.2), np.array([score for _, _, score in rows]) - 0.5)
    cut, whole = without_overlap(segments[chosen]), segments[chosen]
    assert (cut[1:, 0] >= cut[:-1, 1]).all()
    assert (cut[:, 1] - cut[:, 0] >= 0.199 * (whole[:, 1] - whole[:, 0])).all()
    assert (cut[:, 0] >= whole[:, 0]).all()
    assert (cut[:, 1] <= whole[:, 1]).all()


def test_a_short_action_between_two_long_ones_keeps_its_time() -> None:
    segments = torch.tensor([[0.0, 21.0], [20.0, 22.0], [21.5, 40.0], [19.0, 30.0], [50.0, 60.0]])
    scores = torch.tensor([0.9, 0.6, 0.8, 0.7, 0.4])
    decoder = SegmentationDecoder.of(Decoder(candidates=2))
    found = decoder.suppress(Decoded(segments, torch.arange(5), scores))
    assert found.segments.tolist() == [[0.0, 20.0], [20.0, 22.0], [22.0, 40.0]]
    assert found.labels.tolist() == [0, 1, 2]
    assert decoder.candidates > 1e6  # the best few might leave out whole actions


def test_nothing_above_the_price_is_background() -> None:
    decoder = SegmentationDecoder.of(Decoder(), min_score=0.7)
    found = decoder.suppress(Decoded(torch.tensor([[0.0, 2.0]]), torch.tensor([0]), torch.tensor([0.7])))
    assert found.segments.shape == (0, 2)
    assert len(found.scores) == 0
