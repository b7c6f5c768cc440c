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
    """The score of every training by its labelled minutes, the fitted law with its 80 % band, and the forecast, dashed.

    Args:
        curve: with at least three points.
        more_minutes: of the forecasts, see :meth:`LearningCurve.forecasts`.
    """
    forecasts = curve.forecasts(more_minutes)
    end = curve.minutes + max(forecast.more_minutes for forecast in forecasts)
    known = np.linspace(curve.points[0].minutes, curve.minutes, 80)  # (K,)
    ahead = np.linspace(curve.minutes, end, 80)  # (K,)
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    for minutes, colour, style in ((known, BLUE, "-"), (ahead, ORANGE, "--")):
        low, high = 100 * curve.laws.band(minutes).T
        axes.fill_between(minutes, low, high, color=colour, alpha=0.18, lw=0)
        axes.plot(minutes, 100 * curve.laws.mean(minutes), style, color=colour, lw=2)
    for point in curve.points:
        scores = 100 * np.array(point.scores)
        axes.plot([point.minutes] * len(scores), scores, "o", color=BLUE, mfc="white", ms=5)
    for forecast in forecasts:
        minutes = curve.minutes + forecast.more_minutes
        score = 100 * curve.laws.mean(np.array([minutes]))[0]
        axes.plot([minutes], [score], "D", color=ORANGE, ms=5)
        text = f"{100 * forecast.gain:+.1f} ± {100 * forecast.plus_minus:.1f}"
        axes.annotate(text, (minutes, score), (0, -16), textcoords="offset points", ha="center", fontsize=9)
    axes.axvline(curve.minutes, color="0.5", linestyle=":", linewidth=1)
    axes.annotate("now", (curve.minutes, 1), (3, -10), ("data", "axes fraction"), "offset points", fontsize=9)
    axes.grid(visible=True, axis="y", linestyle=":", color="0.8")
    axes.set(xlabel="labelled minutes", ylabel="average mAP (%)")
    axes.set_xlim(0, end * 1.06)
    return figure
