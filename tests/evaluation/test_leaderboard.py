"""Several detectors on the same videos: values are those of the evaluation, intervals those of one bootstrap."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import make_annotations, make_detections
from test_bootstrap import THRESHOLDS, made, repeated

from rcl.evaluation import evaluate, leaderboard
from rcl.evaluation.bootstrap import Interval, average_map, class_precisions, compare, draw_videos, interval_of
from rcl.evaluation.ground_truths import ground_truths
from rcl.system.errors import InputError


def found_once(seed, videos=60):
    """Instances, and a detector that finds most of them once, and as many others with lower scores."""
    random = np.random.default_rng(seed)
    truth, found = {}, []
    for video in (f"v{number}" for number in range(videos)):
        truth[video] = [(20 * place, 20 * place + 10, f"c{random.integers(3)}") for place in range(5)]
        for start, end, label in truth[video]:
            found.append((video, start + random.normal(), end + random.normal(), label, random.uniform(0.3, 1)))
            found.append((video, start + 10, end + 5, f"c{random.integers(3)}", random.uniform(0, 0.7)))
    return make_annotations(truth), make_detections(found)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_the_precision_of_a_class_in_a_draw_is_that_of_repeated_videos(seed, weights):
    annotations, detections = made(seed, elsewhere=2)
    truth = ground_truths(annotations)
    (own,) = class_precisions(detections, truth, THRESHOLDS, np.array([weights], dtype=np.float64))
    again, found = repeated(annotations, detections, weights)
    expected = {}
    if again.labels:
        evaluation = evaluate(found, again, tiou_thresholds=THRESHOLDS)
        expected = dict(zip(evaluation.labels, evaluation.ap.mean(axis=0), strict=True))
    for label, value in zip(truth.labels, own, strict=True):
        if label in expected:
            assert value == pytest.approx(expected[label], abs=1e-12)
        else:
            assert np.isnan(value)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_values_are_those_of_the_evaluation_and_of_a_comparison_of_two(seed):
    annotations, first = made(seed)
    second, third = (made(seed, noise=noise)[1] for noise in (0.1, 2))
    detectors = {"a": first, "b": second, "c": third}
    board = leaderboard(detectors, annotations, tiou_thresholds=THRESHOLDS, draws=100, against="b")
    assert [*board.entries] == ["a", "b", "c"]
    assert [*board.differences] == ["a", "c"]
    for name, found in detectors.items():
        expected = evaluate(found, annotations, tiou_thresholds=THRESHOLDS)
        measured = board.entries[name].measured
        assert measured.average_map.value == pytest.approx(expected.average_map, abs=1e-12)
        assert [one.value for one in measured.ap] == pytest.approx(expected.ap.mean(axis=0).tolist(), abs=1e-12)
        if name != "b":
            two = compare(second, found, annotations, tiou_thresholds=THRESHOLDS, draws=100)
            assert board.differences[name].average_map == two.difference
        assert 0 <= measured.average_map.low <= measured.average_map.high <= 1
    ordered = [max(abs(one.ap[row].value) for one in board.differences.values()) for row in board.order]
    assert ordered == sorted(ordered, reverse=True)
    json.dumps(board.to_json(), allow_nan=False)


def test_a_detector_is_inside_its_interval_although_repeated_videos_raise_precision():
    random = np.random.default_rng(0)
    truth, found = {}, []  # many classes of few instances
    for video in (f"v{number}" for number in range(100)):
        truth[video] = [(20 * place, 20 * place + 10, f"c{random.integers(60)}") for place in range(3)]
        for start, end, label in truth[video]:
            found += [(video, start + shift, end + shift, label, random.random()) for shift in (0, 10)]
    annotations, detections = make_annotations(truth), make_detections(found)
    grounds = ground_truths(annotations)
    weights = draw_videos(100, draws=1000, seed=0)
    percentiles = interval_of(average_map(detections, grounds, np.array([0.5]), weights), 100)
    assert percentiles.low > percentiles.value
    assert compare(detections, detections, annotations, tiou_thresholds=[0.5]).later.low < percentiles.value
    board = leaderboard({"a": detections, "b": detections}, annotations, tiou_thresholds=[0.5])
    own = board.entries["a"].measured.average_map
    assert own.low < own.value < own.high
    assert own.high - own.low == pytest.approx(percentiles.high - percentiles.low)


def test_the_other_way_round_differences_have_the_other_sign():
    annotations, first = made(3, videos=8)
    _, second = made(3, videos=8, noise=0.1)
    pair = {"a": first, "b": second}
    forth, back = (leaderboard(pair, annotations, tiou_thresholds=[0.5], against=name) for name in pair)
    one, other = forth.differences["b"].average_map, back.differences["a"].average_map
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    assert one.sign == -other.sign


@pytest.mark.parametrize("seed", range(5))
def test_known_cases(seed):
    annotations, detections = found_once(seed)
    by_score = np.argsort(-detections.scores)
    detectors = {
        "all": detections,
        "again": detections,
        "without a tenth": detections[np.random.default_rng(seed).random(len(detections)) >= 0.1],
        "without the best tenth": detections[by_score[len(detections) // 10 :]],
    }
    board = leaderboard(detectors, annotations, tiou_thresholds=THRESHOLDS, seed=seed)
    assert board.differences["again"].average_map == (0, 0, 0)
    assert {one.sign for one in board.differences["again"].ap} == {0}
    assert board.differences["without a tenth"].average_map.sign == -1
    assert board.differences["without the best tenth"].average_map.sign == -1
    assert "no difference from all that these 60 videos can show" in board.verdict("again")
    assert "without a tenth: worse than all" in board.verdict("without a tenth")


def test_the_sign_of_an_interval():
    signs = [Interval(0, *limits).sign for limits in ((-1, 1), (0.1, 1), (-2, -0.1), (0, 1), (None, None))]
    assert signs == [0, 1, -1, 0, 0]


def test_one_video_shows_nothing_and_few_are_too_few():
    alone = make_annotations({"v": [(0, 10, "a")]})
    right, wrong = (make_detections([("v", 0, end, "a", 1.0)]) for end in (10, 2))
    board = leaderboard({"right": right, "wrong": wrong}, alone, tiou_thresholds=[0.5])
    assert "1 video cannot show whether that is chance" in board.verdict("wrong")
    assert board.notes() == []
    annotations, detections = made(1, videos=4)
    notes = leaderboard({"a": detections, "b": detections}, annotations, tiou_thresholds=[0.5]).notes()
    assert [note.split(":")[0] for note in notes] == ["only 4 videos"]


def test_labels_are_ignored_if_no_detector_has_any():
    annotations, detections = made(2)
    proposals = make_detections([(*one[:3], "", one.score) for one in detections])
    board = leaderboard({"a": proposals, "b": proposals}, annotations, tiou_thresholds=[0.5])
    assert board.labels == ("",)


def test_what_cannot_be_compared_is_refused():
    annotations, found = made(2)
    proposals = make_detections([(*one[:3], "", one.score) for one in found])
    first, other = (make_detections([(name, 0, 1, "c0", 0.5)]) for name in ("v0", "v1"))
    for detectors, options, message in (
        ({"a": found}, {}, "expected two detectors or more, found a"),
        ({"a": found, "b": proposals}, {}, "no labels in b only"),
        ({"a": first, "b": other}, {}, r"b: expected detections in videos of a \('v0'\), found 'v1'"),
        ({"a": found, "b": found}, {"against": "c"}, "expected one of a, b, found c"),
        ({"a": found, "b": found}, {"draws": 0}, "expected 1 or more, found 0"),
    ):
        with pytest.raises(InputError, match=message):
            leaderboard(detectors, annotations, tiou_thresholds=[0.5], **options)
    with pytest.raises(InputError, match="name another detector"):
        leaderboard({"a": found, "b": found}, annotations, tiou_thresholds=[0.5], draws=10).verdict("a")
