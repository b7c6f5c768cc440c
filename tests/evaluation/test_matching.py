"""The vectorised matching against the official loop."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.evaluation import matching
from rcl.evaluation.matching import GroupedSegments, best_tiou, candidate_pairs, match

THRESHOLDS = [0.1, 0.5, 2 / 3, 1.0]


def naive_tiou(a, b):
    common = max(min(a[1], b[1]) - max(a[0], b[0]), 0.0)
    union = (b[1] - b[0]) + (a[1] - a[0]) - common
    return common / union if union != 0 else np.inf


def naive_match(detections, scores, truths, thresholds):
    """One detection after the other, the official way."""
    matched = np.full((len(thresholds), len(scores)), -1)
    for row, threshold in zip(matched, thresholds, strict=True):
        taken = set()
        for k in sorted(range(len(scores)), key=lambda k: -scores[k]):
            same = [n for n in range(len(truths.groups)) if truths.groups[n] == detections.groups[k]]
            overlap = {n: naive_tiou(detections.segments[k], truths.segments[n]) for n in same}
            free = [n for n in same if n not in taken and overlap[n] >= threshold]
            if free:
                row[k] = max(free, key=lambda n: (overlap[n], -n))
                taken.add(row[k])
    return matched


def grouped(rows):
    """Rows of ``(group, start, length)``."""
    columns = np.array(rows, dtype=np.float64).reshape(-1, 3)
    segments = np.stack((columns[:, 1], columns[:, 1] + columns[:, 2]), axis=1)
    return GroupedSegments(segments, columns[:, 0].astype(np.int64))


def rows(first_group, size):
    # Few distinct values on purpose: equal segments, equal tIoUs and segments without length are common.
    return st.lists(st.tuples(st.integers(first_group, 2), st.integers(0, 6), st.integers(0, 5)), max_size=size)


@settings(deadline=None, max_examples=300)
@given(detections=rows(-1, 25), truths=rows(0, 12), data=st.data(), pairs_at_once=st.sampled_from([1, 7, 99]))
def test_equals_the_official_loop(detections, truths, data, pairs_at_once):
    scores = np.array(
        data.draw(st.lists(st.sampled_from([0.1, 0.2, 0.9]), min_size=len(detections), max_size=len(detections)))
    )
    detections, truths = grouped(detections), grouped(truths)
    with mock.patch.object(matching, "PAIRS_AT_ONCE", pairs_at_once):
        matched = match(detections, scores, truths, THRESHOLDS)
    assert matched.dtype == np.int64
    np.testing.assert_array_equal(matched, naive_match(detections, scores, truths, THRESHOLDS))


def test_crowded_video():
    random = np.random.default_rng(0)
    truths = grouped(np.stack((np.zeros(60), random.uniform(0, 20, 60), random.uniform(1, 6, 60)), axis=1))
    detections = grouped(np.stack((np.zeros(400), random.uniform(0, 20, 400), random.uniform(1, 6, 400)), axis=1))
    scores = random.uniform(size=400)
    np.testing.assert_array_equal(
        match(detections, scores, truths, THRESHOLDS), naive_match(detections, scores, truths, THRESHOLDS)
    )


def test_longest_chain_of_refusals():
    # All want ground truth 0, then 1, …: each round settles one detection only.
    count = 300
    truths = grouped([(0, 0, 1000 + n) for n in range(count)])
    detections = grouped([(0, 0, 1000)] * count)
    matched = match(detections, np.linspace(1, 0, count), truths, [0.5])
    np.testing.assert_array_equal(matched[0], np.arange(count))


@pytest.mark.parametrize(("detections", "truths"), [(0, 0), (0, 3), (3, 0)])
def test_empty(detections, truths):
    matched = match(grouped([(0, 0, 1)] * detections), np.zeros(detections), grouped([(0, 0, 1)] * truths), [0.5, 0.7])
    np.testing.assert_array_equal(matched, np.full((2, detections), -1))


def test_equal_scores_go_to_the_earlier_detection():
    matched = match(grouped([(0, 0, 9), (0, 0, 10)]), np.array([0.5, 0.5]), grouped([(0, 0, 10)]), [0.5, 0.95])
    np.testing.assert_array_equal(matched, [[0, -1], [-1, 0]])


def test_a_tiou_on_the_threshold_is_enough():
    matched = match(grouped([(0, 0, 5)]), np.ones(1), grouped([(0, 0, 10)]), [0.5, np.nextafter(0.5, 1)])
    np.testing.assert_array_equal(matched, [[0], [-1]])


@settings(deadline=None)
@given(detections=rows(-1, 25), truths=rows(0, 12), minimum=st.sampled_from([0.2, 0.5]))
def test_best_tiou_and_pairs(detections, truths, minimum):
    detections, truths = grouped(detections), grouped(truths)
    overlap = np.array(
        [
            [naive_tiou(a, b) if g == h else 0.0 for b, h in zip(*truths, strict=True)]
            for a, g in zip(*detections, strict=True)
        ]
    ).reshape(len(detections.groups), len(truths.groups))
    overlap[overlap < minimum] = 0
    np.testing.assert_array_equal(best_tiou(detections, truths, minimum), overlap.max(axis=1, initial=0))
    pairs = candidate_pairs(detections, truths, minimum)
    dense = np.zeros_like(overlap)
    dense[pairs.detection, pairs.ground_truth] = pairs.tiou
    np.testing.assert_array_equal(dense, overlap)
    assert len(pairs.tiou) == (overlap > 0).sum()
