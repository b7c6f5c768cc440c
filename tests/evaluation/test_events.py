"""Event precision, recall and F1 against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import make_annotations, make_detections

from rcl.data.detections import Detections
from rcl.evaluation import events
from rcl.evaluation.calibration import reliability
from rcl.evaluation.events import cut_counts, evaluate_events
from rcl.evaluation.ground_truths import ground_truths, index_detections
from rcl.system.errors import InputError

TIMES = st.integers(0, 12)
SEGMENTS = st.tuples(TIMES, st.integers(1, 8)).map(lambda pair: (float(pair[0]), float(pair[0] + pair[1])))
VIDEOS, LABELS = st.sampled_from(["a", "b"]), st.sampled_from(["jump", "run", "walk"])
INSTANCES = st.lists(st.tuples(VIDEOS, SEGMENTS, LABELS), min_size=1, max_size=12)
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "elsewhere"]), SEGMENTS, st.sampled_from(["jump", "run", "walk", "other"]),
              st.integers(0, 8).map(lambda score: score / 8)),
    max_size=20,
)  # fmt: skip


def truth_of(instances):
    return make_annotations(
        {video: [(*segment, label) for name, segment, label in instances if name == video] for video in ("a", "b")}
    )


def found_of(rows):
    return make_detections([(video, *segment, label, score) for video, segment, label, score in rows])


def overlap(a, b):
    common = max(min(a[1], b[1]) - max(a[0], b[0]), 0.0)
    return common / ((b[1] - b[0]) + (a[1] - a[0]) - common)


def naive_hits(rows, instances, tiou):
    """Whether each detection takes an instance: by falling score, the best free one."""
    hits, taken = [False] * len(rows), set()
    for place in sorted(range(len(rows)), key=lambda place: -rows[place][3]):
        video, segment, label, _ = rows[place]
        free = [
            (overlap(segment, other), -number)
            for number, (name, other, kind) in enumerate(instances)
            if number not in taken and (name, kind) == (video, label) and overlap(segment, other) >= tiou
        ]
        if free:
            taken.add(-max(free)[1])
            hits[place] = True
    return hits


def naive_measures(right, found, instances):
    precision = right / found if found else 0.0
    recall = right / instances if instances else 0.0
    return precision, recall, 2 * right / (found + instances) if found + instances else 0.0


@settings(max_examples=200, deadline=None)
@given(ROWS, INSTANCES, st.sampled_from([0.1, 0.5, 0.75, 1.0]))
def test_measures_are_those_of_plain_loops(rows, instances, tiou):
    in_order = sorted(instances, key=lambda row: row[0])  # as the annotations have them
    hits = naive_hits(rows, in_order, tiou)
    result = evaluate_events(found_of(rows), truth_of(instances), tiou=tiou)
    assert sorted(result.labels) == sorted({label for *_, label in instances})
    expected = []
    for label in result.labels:
        own = [hit for hit, row in zip(hits, rows, strict=True) if row[2] == label]
        expected.append(naive_measures(sum(own), len(own), sum(row[2] == label for row in instances)))
    np.testing.assert_allclose(np.stack(result.per_class, axis=1), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.macro, np.mean(expected, axis=0), rtol=0, atol=1e-12)
    micro = naive_measures(sum(hits), len(rows), len(instances))
    np.testing.assert_allclose(result.micro, micro, rtol=0, atol=1e-12)
    assert result.of_other_labels == sum(row[2] not in result.labels for row in rows)


@settings(max_examples=100, deadline=None)
@given(ROWS.filter(len), INSTANCES)
def test_the_best_single_threshold_is_the_best(rows, instances):
    truth = truth_of(instances)
    score, f1 = evaluate_events(found_of(rows), truth).best_single

    def f1_at(threshold):
        kept = [row for row in rows if row[3] >= threshold]
        return evaluate_events(found_of(kept), truth).micro.f1

    assert f1_at(score) == pytest.approx(f1, abs=1e-12)
    assert f1 == pytest.approx(max(f1_at(row[3]) for row in rows), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(ROWS.filter(len), INSTANCES, st.sampled_from([3, 4000]))
def test_counts_at_thresholds_are_those_of_the_kept_detections(rows, instances, most):
    truth = ground_truths(truth_of(instances))
    found = index_detections(found_of(rows), truth)
    hit = np.array(naive_hits(rows, sorted(instances, key=lambda row: row[0]), 0.5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "MOST_CUTS", most)
        counts = cut_counts(found.scores, found.label_index, hit, truth)
    assert (np.diff(counts.thresholds) < 0).all()
    assert counts.thresholds[-1] == found.scores.min()  # the last one keeps all
    for threshold, right, number in zip(counts.thresholds, counts.right, counts.found, strict=True):
        kept = found.scores >= threshold
        for column, label in enumerate([*range(len(truth.labels)), -1]):
            own = kept & (found.label_index == label)
            assert (right[column], number[column]) == ((own & hit).sum(), own.sum())
    assert counts.instances.sum() == len(instances)


def test_neighbouring_numbers_have_a_threshold_between_them():
    scores = np.array([0.5, np.nextafter(0.5, 1)])
    truth = ground_truths(make_annotations({"a": [(0, 1, "jump")]}))
    counts = cut_counts(scores, np.zeros(2, dtype=np.int64), np.array([True, False]), truth)
    assert counts.found[:, 0].tolist() == [1, 2]


def test_without_detections_all_is_missed():
    result = evaluate_events(Detections.empty(), make_annotations({"a": [(0, 1, "jump")]}))
    assert tuple(result.micro) == tuple(result.macro) == (0, 0, 0)
    assert (result.best_single, result.calibration_error, result.is_ranking) == (None, None, False)
    assert result.to_json()["best_single_threshold"] is None


def test_hundreds_of_detections_per_instance_are_a_ranking():
    rows = [("a", 0, 1, "jump", score / 100) for score in range(100)]
    truth = make_annotations({"a": [(0, 1, "jump")]})
    assert evaluate_events(make_detections(rows), truth).is_ranking
    assert not evaluate_events(make_detections(rows[:3]), truth).is_ranking


def test_the_calibration_error_is_that_of_all_detections():
    rows = [("a", (0, 1), "jump", 0.75), ("a", (5, 6), "jump", 0.25), ("elsewhere", (0, 1), "other", 0.5)]
    result = evaluate_events(found_of(rows), truth_of([("a", (0, 1), "jump")]))
    right = np.array([True, False, False])
    assert result.calibration_error == reliability(np.array([0.75, 0.25, 0.5]), right).error


@pytest.mark.parametrize("tiou", [0.0, -0.5, 1.5, float("nan")])
def test_a_tiou_out_of_range_is_refused(tiou):
    with pytest.raises(InputError, match="tIoU thresholds: expected one or more numbers above 0"):
        evaluate_events(Detections.empty(), make_annotations({"a": [(0, 1, "jump")]}), tiou=tiou)
