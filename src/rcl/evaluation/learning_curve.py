"""How good a detector is with more and more labels, and what further labels are expected to bring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from rcl.evaluation.saturating_law import SaturatingLaws
from rcl.system.errors import InputError

LEAST_POINTS = 3  # a law has three parameters
FAR = 1.0  # times the labels of now: what lies beyond is said to be far
_FLAT = 0.02  # a gain that is known to be smaller is none
_QUANTILE = 1.2816  # standard deviations from the middle of a normal distribution that hold 80 %


class CurvePoint(NamedTuple):
    """Detectors that were trained on one share of the labels.

    Args:
        share: of the labelled minutes, in (0, 1].
        minutes: that were labelled, or looked at; the mean of the subsets of all seeds, like the next two.
        videos: with labels.
        instances: in them.
        scores: average mAP of each seed on the held-out videos, in [0, 1].
    """

    share: float
    minutes: float
    videos: float
    instances: float
    scores: tuple[float, ...]

    @property
    def average_map(self) -> float:
        """The mean of the seeds."""
        return sum(self.scores) / len(self.scores)

    @property
    def spread(self) -> float | None:
        """Half the distance from the lowest to the highest seed; ``None`` with one."""
        return (max(self.scores) - min(self.scores)) / 2 if len(self.scores) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """All numbers in plain Python types."""
        counts = {name: getattr(self, name) for name in ("share", "minutes", "videos", "instances")}
        return {**counts, "average_mAP": self.average_map, "spread": self.spread, "scores": list(self.scores)}


class Forecast(NamedTuple):
    """What more labels are expected to bring.

    Args:
        more_minutes: of labels, in addition to those of now.
        gain: expected difference of the average mAP.
        plus_minus: half the width of its central 80 % interval, with the luck in labels and weights.
        average_map: expected then, on the same held-out videos: what is measured now, and the gain.
        sentence: the gain in words.
    """

    more_minutes: float
    gain: float
    plus_minus: float
    average_map: float
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """All of it in plain Python types, with the names that points have."""
        return {"average_mAP" if name == "average_map" else name: value for name, value in self._asdict().items()}


@dataclass(frozen=True)
class LearningCurve:
    """Scores of detectors by the amount of labels, all on the same held-out videos.

    >>> scores = {10.0: 0.5, 20.0: 0.6, 40.0: 0.66}
    >>> points = [CurvePoint(m / 40, m, 1, 1, (score,)) for m, score in scores.items()]
    >>> round(LearningCurve(tuple(points)).forecast(60).gain, 2)
    0.05

    Args:
        points: at least three, sorted by their minutes; the last has all labels.
    """

    points: tuple[CurvePoint, ...]

    @property
    def minutes(self) -> float:
        """What is labelled now."""
        return self.points[-1].minutes

    @cached_property
    def laws(self) -> SaturatingLaws:
        """The laws that agree with the scores.

        Raises:
            InputError: there are fewer than three points.
        """
        if len(self.points) < LEAST_POINTS:
            expected, fix = f"at least {LEAST_POINTS} different amounts of labels", "add shares, or label more"
            raise InputError("learning curve", expected=expected, found=str(len(self.points)), fix=fix)
        minutes = np.array([point.minutes for point in self.points for _ in point.scores])
        return SaturatingLaws(minutes, np.array([score for point in self.points for score in point.scores]))

    def forecast(self, more_minutes: float) -> Forecast:
        """What some more labelled minutes are expected to bring.

        Raises:
            InputError: the number is not above 0, or there are fewer than three points.
        """
        if not 0 < more_minutes < math.inf:
            fix = "give the minutes that you would label in addition"
            raise InputError("more minutes", expected="a number above 0", found=f"{more_minutes:g}", fix=fix)
        gain, last = self.laws.gain(more_minutes), self.points[-1]
        # The score of now has its luck. What labels have by luck, such as a rare class, a larger set of them keeps, so
        # more luck adds up like the steps of a random walk, here one for every doubling of the labels.
        steps = 1 + math.log2(1 + more_minutes / self.minutes)
        luck = _QUANTILE * self.laws.noise * math.sqrt(steps / len(last.scores))
        half = math.hypot((gain.high - gain.low) / 2, luck)
        then = min(last.average_map + gain.mean, 1.0)
        return Forecast(more_minutes, gain.mean, half, then, _sentence(more_minutes, gain.mean, half))

    def forecasts(self, more_minutes: Sequence[float] = ()) -> list[Forecast]:
        """Those of some numbers of minutes; by default of about a quarter, a half and all of what is labelled now."""
        chosen = more_minutes or [*dict.fromkeys(_rounded(share * self.minutes) for share in (0.25, 0.5, 1.0))]
        return [self.forecast(each) for each in chosen]

    def summary(self, more_minutes: Sequence[float] = ()) -> list[str]:
        """Sentences for the user: where the curve stands, and the forecasts."""
        last, forecasts = self.points[-1], self.forecasts(more_minutes)
        spread = "" if last.spread is None else f" (± {100 * last.spread:.1f} over seeds)"
        found = [f"With {_time(last.minutes)} of labels: average mAP {last.average_map:.1%}{spread}."]
        found += [forecast.sentence for forecast in forecasts]
        if any(forecast.more_minutes > FAR * self.minutes for forecast in forecasts):
            found.append("Beyond twice the labels of now, a forecast is little more than a guess.")
        return found

    def to_json(self, more_minutes: Sequence[float] = ()) -> dict[str, Any]:
        """All of it in plain Python types; forecasts and sentences only with enough points, one of all labels."""
        enough = len(self.points) >= LEAST_POINTS and self.points[-1].share == 1
        return {
            "points": [point.to_json() for point in self.points],
            "noise": self.laws.noise if enough else None,
            "forecasts": [each.to_json() for each in self.forecasts(more_minutes)] if enough else [],
            "summary": self.summary(more_minutes) if enough else [],
        }


# -- words ---------------------------------------------------------------------------------------------------------


def _sentence(more_minutes: float, gain: float, plus_minus: float) -> str:
    begin = f"{_time(more_minutes, more=True)}: "
    if gain + plus_minus < _FLAT:
        return f"{begin}hardly any gain ({_points(gain, plus_minus)}); the curve is flat here."
    if gain <= plus_minus:
        return f"{begin}about {_points(gain, plus_minus)}, which is within the noise."
    return f"{begin}about {_points(gain, plus_minus)}."


def _points(gain: float, plus_minus: float) -> str:
    """Such as ``+3 points ± 2``, with a decimal where whole points would be too coarse."""
    digits = 0 if gain >= 0.015 and plus_minus >= 0.005 else 1
    number = f"{100 * gain:+.{digits}f}"
    return f"{number} {'point' if number in ('+1', '+1.0') else 'points'} ± {100 * plus_minus:.{digits}f}"


def _time(minutes: float, *, more: bool = False) -> str:
    """Such as ``20 minutes``, ``20 more labelled minutes`` or ``40 seconds``."""
    value, unit = (minutes, "minute") if minutes >= 1 else (60 * minutes, "second")
    number = f"{value:.0f}" if value >= 10 else f"{value:.2g}"
    return f"{number} {'more labelled ' if more else ''}{unit}{'' if number == '1' else 's'}"


def _rounded(minutes: float) -> float:
    """The nearest of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(minutes))
    return min((step * power for step in (1, 2, 5, 10)), key=lambda each: abs(math.log(each / minutes)))
