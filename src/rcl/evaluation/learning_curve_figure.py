"""The figure of a learning curve. The same input gives the same file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from rcl.data.colours import BLUE, ORANGE
from rcl.evaluation.figures import styled
from rcl.evaluation.learning_curve import LearningCurve


@styled
def learning_curve_figure(curve: LearningCurve, more_minutes: Sequence[float] = ()) -> Figure:
    """The score of every training by its labelled minutes, the laws with their 80 % band, and the forecast, dashed.

    Args:
        curve: with at least three points.
        more_minutes: of the forecasts, see :meth:`LearningCurve.forecasts`.
    """
    forecasts = curve.forecasts(more_minutes)
    end = curve.minutes + max(forecast.more_minutes for forecast in forecasts)
    known = np.linspace(curve.points[0].minutes, curve.minutes, 80)  # (K,)
    ahead = np.linspace(curve.minutes, end, 81)[1:]  # (K,)
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    low, high = 100 * curve.laws.band(known).T
    axes.fill_between(known, low, high, color=BLUE, alpha=0.18, lw=0)
    axes.plot(known, 100 * curve.laws.mean(known), color=BLUE, lw=2)
    expected = [curve.forecast(minutes - curve.minutes) for minutes in ahead]
    score = 100 * np.array([each.average_map for each in expected])  # (K,)
    width = 100 * np.array([each.plus_minus for each in expected])
    axes.fill_between(ahead, score - width, np.minimum(score + width, 100), color=ORANGE, alpha=0.18, lw=0)
    axes.plot(ahead, score, "--", color=ORANGE, lw=2)
    for point in curve.points:
        scores = 100 * np.array(point.scores)
        axes.plot([point.minutes] * len(scores), scores, "o", color=BLUE, mfc="white", ms=5)
    for forecast in forecasts:
        place = curve.minutes + forecast.more_minutes, 100 * forecast.average_map
        axes.plot(*place, "D", color=ORANGE, ms=5)
        text = f"{100 * forecast.gain:+.1f} ± {100 * forecast.plus_minus:.1f}"
        axes.annotate(text, place, (0, -16), textcoords="offset points", ha="center", fontsize=9)
    axes.axvline(curve.minutes, color="0.5", linestyle=":", linewidth=1)
    axes.annotate("now", (curve.minutes, 1), (3, -10), ("data", "axes fraction"), "offset points", fontsize=9)
    axes.grid(visible=True, axis="y", linestyle=":", color="0.8")
    axes.set(xlabel="labelled minutes", ylabel="average mAP (%)")
    axes.set_xlim(0, end * 1.06)
    return figure
