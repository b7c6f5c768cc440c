"""The bootstrap over videos equals an evaluation of repeated videos."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import make_annotations, make_detections

from rcl.data.detections import Detections
from rcl.evaluation import evaluate
from rcl.evaluation.bootstrap import average_map, compare, mean_of_trainings
from rcl.evaluation.ground_truths import ground_truths

THRESHOLDS = np.array([0.3, 0.5, 0.7])


def made(seed, videos=4, classes=3, noise=0.5, elsewhere=0):
    """Instances of some videos and detections around them, all with other scores."""
    random = np.random.default_rng(seed)
    truth, found = {}, []
    for video in range(videos):
        starts = random.uniform(0, 50, size=random.integers(0, 4))
        truth[f"v{video}"] = [(s, s + 5, f"c{random.integers(classes)}") for s in starts]
        for start, end, label in truth[f"v{video}"] * 2:
            shift = random.normal(scale=noise * 3)
            label = label if random.random() < 0.8 else f"c{random.integers(classes)}"
            found.append((f"v{video}", start + shift, end + shift, label, random.random()))
    truth["v0"].append((60, 65, "c0"))  # never without any instance
    found += [("elsewhere", 0, 5, "c0", random.random()) for _ in range(elsewhere)]
    return make_annotations(truth), make_detections(found or [("v0", 0, 1, "c0", 0.5)])


def repeated(annotations, detections, weights):
    """Every video as often as its weight says, each time under another name."""
    counts = dict(zip(annotations.videos, weights, strict=True))
    truth = {
        f"{name} {copy}": [
            (*segment, label) for segment, label in zip(video.segments_seconds, video.labels, strict=True)
        ]
        for name, video in annotations.videos.items()
        for copy in range(counts[name])
    }
    rows = [(f"{d.video} {copy}", *d[1:]) for d in detections for copy in range(counts.get(d.video, 1))]
    return make_annotations(truth), make_detections(rows) if rows else Detections.empty()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 3), min_size=4, max_size=4), st.integers(0, 3))
def test_a_draw_is_an_evaluation_of_repeated_videos(seed, weights, elsewhere):
    annotations, detections = made(seed, elsewhere=elsewhere)
    truth = ground_truths(annotations)
    own = average_map(detections, truth, THRESHOLDS, np.array([weights], dtype=np.float64))
    again, found = repeated(annotations, detections, weights)
    if not again.labels:
        assert np.isnan(own).all()
        return
    expected = evaluate(found, again, tiou_thresholds=THRESHOLDS).average_map
    assert own == pytest.approx([expected], abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_values_are_those_of_the_evaluation_and_inside_sorted_limits(seed):
    annotations, detections = made(seed)
    _, other = made(seed, noise=0.1)
    result = compare(detections, other, annotations, tiou_thresholds=THRESHOLDS, draws=200)
    for found, interval in ((detections, result.earlier), (other, result.later)):
        expected = evaluate(found, annotations, tiou_thresholds=THRESHOLDS).average_map
        assert interval.value == pytest.approx(expected, abs=1e-12)
        assert 0 <= interval.low <= interval.high <= 1
    assert result.difference.value == pytest.approx(result.later.value - result.earlier.value)
    assert result.difference.low <= result.difference.high
    counts = (result.videos, result.instances)
    assert counts == (4, sum(len(video.labels) for video in annotations.videos.values()))
    json.dumps(result.to_json(), allow_nan=False)


def test_a_detector_does_not_differ_from_itself():
    annotations, detections = made(1)
    result = compare(detections, detections, annotations, tiou_thresholds=[0.5])
    assert result.difference == (0, 0, 0)
    assert result.earlier == result.later


def test_the_draws_are_paired():
    # Half of the videos are hard: each average mAP varies with the draw, their difference does not.
    truth = make_annotations({f"v{i}": [(0, 10, "a")] for i in range(40)})
    rows = [(f"v{i}", 0, 10, "a", 0.9 - i / 100) for i in range(0, 40, 2)]
    result = compare(make_detections(rows), make_detections(rows), truth, tiou_thresholds=[0.5])
    assert result.earlier.high - result.earlier.low > 0.2
    assert result.difference.high == result.difference.low == 0


def test_intervals_narrow_with_more_videos():
    def width(videos):
        truth = make_annotations({f"v{i}": [(0, 10, "a")] for i in range(videos)})
        found = make_detections([(f"v{i}", 0, 10 if i % 2 else 1, "a", 0.5 + i / 1000) for i in range(videos)])
        interval = compare(found, found, truth, tiou_thresholds=[0.5]).earlier
        return interval.high - interval.low

    assert width(10) > width(40) > width(160)


def test_the_same_seed_gives_the_same_limits_and_one_video_gives_none():
    annotations, detections = made(2, videos=6)
    _, other = made(3, videos=6)
    runs = [compare(detections, other, annotations, tiou_thresholds=[0.5], seed=seed) for seed in (0, 0, 1)]
    assert runs[0].difference == runs[1].difference
    assert runs[0].difference.value == runs[2].difference.value
    alone = make_annotations({"v": [(0, 10, "a")]})
    result = compare(make_detections([("v", 0, 10, "a", 1.0)]), Detections.empty(), alone, tiou_thresholds=[0.5])
    assert result.difference == (-1, None, None)
    assert result.to_json()["later"] == {"average_mAP": 0.0, "interval_95": None}


# -- several trainings -------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_trainings_have_the_values_of_the_evaluation_and_their_mean_an_interval(seed, count):
    annotations, _ = made(seed, videos=6)
    trainings = [made(seed, videos=6, noise=noise)[1] for noise in (0.1, 0.3, 0.6)[:count]]
    result = mean_of_trainings(trainings, annotations, tiou_thresholds=THRESHOLDS, draws=200)
    values = [evaluate(found, annotations, tiou_thresholds=THRESHOLDS).average_map for found in trainings]
    assert result.values == pytest.approx(values)
    assert result.interval.value == pytest.approx(sum(values) / count)
    assert 0 <= result.interval.low <= result.interval.high <= 1
    assert result.spread == (None if count == 1 else pytest.approx((max(values) - min(values)) / 2))
    json.dumps(result.to_json(), allow_nan=False)


def test_one_training_has_the_interval_of_a_comparison_and_equal_ones_too():
    annotations, detections = made(1)
    expected = compare(detections, detections, annotations, tiou_thresholds=[0.5]).earlier
    for count in (1, 2):
        result = mean_of_trainings([detections] * count, annotations, tiou_thresholds=[0.5])
        assert result.interval == pytest.approx(expected)
        assert result.spread == (None if count == 1 else 0)
