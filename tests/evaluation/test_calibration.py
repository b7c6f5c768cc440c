"""Calibrated scores are probabilities in the order of the scores; the error against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.evaluation.calibration import Calibration, fit_calibration, reliability

PAIRS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40)


def columns(pairs):
    scores, right = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array(scores, dtype=np.float64), np.array(right, dtype=bool)


@settings(max_examples=200, deadline=None)
@given(PAIRS, st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_a_calibration_keeps_the_order_and_gives_probabilities(pairs, scores):
    calibration = fit_calibration(*columns(pairs))
    assert calibration.slope > 0
    result = calibration(np.sort(scores))
    assert ((result >= 0) & (result <= 1)).all()
    assert (np.diff(result) >= 0).all()


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_no_other_slope_and_offset_are_more_likely(pairs):
    scores, right = columns(pairs)
    fitted = fit_calibration(scores, right)
    hits = right.sum()
    target = np.where(right, (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2))
    odds = np.log(np.clip(scores, 1e-6, 1 - 1e-6) / (1 - np.clip(scores, 1e-6, 1 - 1e-6)))

    def loss(slope, offset):
        value = slope * odds + offset
        return (np.logaddexp(0, value) - target * value).sum() + ((slope - 1) ** 2 + offset**2) / 2

    least = loss(fitted.slope, fitted.offset)
    for slope, offset in [(0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1), (0.1, -0.1), (1, 1)]:
        if fitted.slope + slope > 0.05:
            assert least <= loss(fitted.slope + slope, fitted.offset + offset) + 1e-6


def test_without_detections_scores_stay():
    assert fit_calibration(np.zeros(0), np.zeros(0, dtype=bool)) == Calibration(1.0, 0.0)


def test_scores_that_are_too_low_everywhere_become_right():
    random = np.random.default_rng(0)
    probability = random.uniform(size=4000)
    right = random.uniform(size=4000) < probability
    scores = 1 / (1 + np.exp(-(np.log(probability / (1 - probability)) - 1) / 2))
    fitted = fit_calibration(scores, right)
    assert (fitted.slope, fitted.offset) == (pytest.approx(2, abs=0.2), pytest.approx(1, abs=0.2))
    before, after = (reliability(s, right).error for s in (scores, fitted(scores)))
    assert after < 0.03 < before


@settings(max_examples=100, deadline=None)
@given(PAIRS.filter(len), st.sampled_from([1, 4, 15]))
def test_the_error_is_that_of_plain_loops(pairs, bins):
    total = 0.0
    for number in range(bins):
        own = [(score, hit) for score, hit in pairs if min(int(score * bins), bins - 1) == number]
        if own:
            confidence, accuracy = (sum(column) / len(own) for column in zip(*own, strict=True))
            total += len(own) / len(pairs) * abs(confidence - accuracy)
    assert reliability(*columns(pairs), bins=bins).error == pytest.approx(total, abs=1e-12)


def test_numbers_that_are_no_probabilities_have_no_error():
    assert reliability(np.zeros(0), np.zeros(0, dtype=bool)).error is None
    assert reliability(np.array([1.5, 0.2]), np.array([True, False])).error is None
