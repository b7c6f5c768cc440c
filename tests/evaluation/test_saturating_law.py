"""The laws of a learning curve: they find a law that is there, and are as sure as they should be."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rcl.evaluation.learning_curve import CurvePoint, LearningCurve
from rcl.evaluation.saturating_law import SaturatingLaws
from rcl.system.errors import InputError

SHARES = np.array([0.125, 0.25, 0.5, 1.0])


def law(relative: np.ndarray | float, *, last: float, gap: float, exponent: float) -> np.ndarray:
    """Scores with so many times the labels of now."""
    return np.maximum(last + gap * (1 - np.asarray(relative, dtype=np.float64) ** -exponent), 0.0)


def laws_of(scores: np.ndarray, minutes: float = 40.0) -> SaturatingLaws:
    return SaturatingLaws(minutes * SHARES, scores)


@pytest.mark.parametrize("exponent", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("gap", [0.03, 0.1])
def test_a_law_that_is_there_is_found(gap: float, exponent: float) -> None:
    found = laws_of(law(SHARES, last=0.6, gap=gap, exponent=exponent))
    for times in (1.25, 1.5, 2.0):
        true = float(law(times, last=0.6, gap=gap, exponent=exponent)) - 0.6
        assert found.gain(40 * (times - 1)).mean == pytest.approx(true, abs=0.013)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    random, inside, count = np.random.default_rng(0), 0, 40
    for _ in range(count):
        true = {"last": random.uniform(0.3, 0.7), "gap": random.uniform(0.0, 0.3), "exponent": random.uniform(0.2, 1.2)}
        scores = law(SHARES, **true) + random.normal(0, 0.015, size=4)
        gain = laws_of(scores).gain(40)
        inside += gain.low <= float(law(2.0, **true)) - true["last"] <= gain.high
    assert 0.6 * count <= inside <= 0.97 * count  # 80 % are meant


def test_gains_grow_with_the_labels_and_shrink_from_one_doubling_to_the_next() -> None:
    found = laws_of(np.array([0.3, 0.42, 0.52, 0.6]))
    gains = [found.gain(minutes).mean for minutes in (10, 40, 120, 280)]
    assert np.all(np.diff([0.0, *gains]) > 0)
    doublings = np.diff([0.0, *gains[1:]])  # to twice, four and eight times the labels
    assert np.all(np.diff(doublings) < 0)
    assert gains[-1] <= 0.4


def test_noise_makes_forecasts_uncertain() -> None:
    smooth = laws_of(np.array([0.40, 0.50, 0.57, 0.62])).gain(40)
    noisy = laws_of(np.array([0.50, 0.38, 0.66, 0.58])).gain(40)
    assert noisy.high - noisy.low > 1.3 * (smooth.high - smooth.low)


def test_the_unit_of_time_does_not_matter() -> None:
    scores = np.array([0.3, 0.42, 0.52, 0.6])
    assert laws_of(scores, 40.0).gain(20) == pytest.approx(laws_of(scores, 2400.0).gain(1200))


@pytest.mark.parametrize("scores", [np.ones(4), np.full(4, 0.6), np.array([0.62, 0.6, 0.59, 0.58])])
def test_a_curve_that_does_not_grow_forecasts_nothing(scores: np.ndarray) -> None:
    gain = laws_of(scores).gain(20)
    assert 0 <= gain.low <= gain.mean < 0.01


# -- in words ----------------------------------------------------------------------------------------------------


def curve_of(*scores: tuple[float, ...], minutes: float = 40.0) -> LearningCurve:
    return LearningCurve(
        tuple(CurvePoint(share, share * minutes, 1, 1, own) for share, own in zip(SHARES.tolist(), scores, strict=True))
    )


def test_a_forecast_in_words() -> None:
    curve = curve_of((0.3, 0.3), (0.42, 0.42), (0.52, 0.52), (0.6, 0.6))
    told = curve.forecast(20)
    number = r"\d+(\.\d)?"
    assert re.fullmatch(rf"20 more labelled minutes: about \+{number} points ± {number}\.", told.sentence)
    assert told.average_map == pytest.approx(0.6 + told.gain)
    assert [each.more_minutes for each in curve.forecasts()] == [10, 20, 50]
    assert curve.summary()[0] == "With 40 minutes of labels: average mAP 60.0% (± 0.0 over seeds)."
    assert curve.summary()[-1].startswith("Beyond twice the labels of now")
    result = curve.to_json([20])
    assert result["forecasts"] == [told.to_json()]
    assert result["forecasts"][0]["average_mAP"] - result["points"][-1]["average_mAP"] == pytest.approx(told.gain)


def test_a_flat_and_a_noisy_curve_promise_nothing() -> None:
    assert curve_of((0.6,), (0.6,), (0.6,), (0.6,)).forecast(5).sentence.endswith("the curve is flat here.")
    noisy = curve_of((0.46, 0.3), (0.44, 0.52), (0.33, 0.52), (0.40, 0.52))
    assert "which is within the noise" in noisy.forecast(40).sentence


def test_more_seeds_make_a_forecast_surer() -> None:
    one, four = (curve_of(*((score,) * seeds for score in (0.3, 0.45, 0.5, 0.6))) for seeds in (1, 4))
    assert four.forecast(40).plus_minus < one.forecast(40).plus_minus
    assert four.forecast(10).plus_minus < four.forecast(40).plus_minus


def test_too_few_points_and_no_more_minutes_are_refused() -> None:
    curve = LearningCurve(curve_of((0.1,), (0.2,), (0.3,), (0.4,)).points[2:])
    assert curve.to_json()["forecasts"] == []
    with pytest.raises(InputError, match="at least 3 different amounts of labels, found 2"):
        curve.forecast(10)
    with pytest.raises(InputError, match="a number above 0, found 0"):
        curve_of((0.1,), (0.2,), (0.3,), (0.4,)).forecast(0)
