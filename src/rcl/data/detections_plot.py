"""Detections of one video as a picture of its timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

ROW_INCHES, LARGEST_INCHES = 0.45, 20.0
FAINTEST = 0.15  # opacity of the lowest score


def plot_timeline(
    segments_seconds: np.ndarray,
    labels: Sequence[str],
    scores: np.ndarray,
    *,
    truth_seconds: np.ndarray | None = None,
    truth_labels: Sequence[str] = (),
    title: str = "",
    axes: Any = None,
) -> Any:
    """Draw a row of bars for each label: detections above, the more opaque the higher their score, ground truth below.

    Args:
        segments_seconds: ``(K, 2)``.
        labels: ``K`` names.
        scores: ``(K,)``.
        truth_seconds: ``(N, 2)``; without ground truth, ``None``.
        truth_labels: ``N`` names.
        title: of the picture.
        axes: matplotlib's ``Axes`` to draw on; by default those of a new figure.

    Returns:
        The ``Axes``.
    """
    from matplotlib import pyplot
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    rows = sorted({*labels, *truth_labels})
    if axes is None:
        height = min(1.2 + ROW_INCHES * max(len(rows), 1), LARGEST_INCHES)
        _, axes = pyplot.subplots(figsize=(10, height), layout="constrained")
    with_truth = truth_seconds is not None
    for row, label in enumerate(rows):
        own = np.flatnonzero([name == label for name in labels])
        own = own[np.argsort(scores[own], kind="stable")]  # the best are drawn last, over the others
        colours = [(*to_rgb(f"C{row % 10}"), opacity) for opacity in _opacities(scores)[own].tolist()]
        axes.broken_barh(_bars(segments_seconds[own]), (row - 0.4, 0.4 if with_truth else 0.8), facecolors=colours)
        if truth_seconds is not None:
            real = truth_seconds[np.flatnonzero([name == label for name in truth_labels])]
            axes.broken_barh(_bars(real), (row + 0.05, 0.3), facecolors="0.25")
    axes.set_yticks(range(len(rows)), [label or "(no label)" for label in rows])
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)  # the first label on top
    axes.set_xlim(left=0)
    axes.set(xlabel="seconds", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    if with_truth:
        keys = [Patch(color="C0", label="detections"), Patch(color="0.25", label="ground truth")]
        axes.legend(handles=keys, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    return axes


def _bars(segments_seconds: np.ndarray) -> list[tuple[float, float]]:
    """Start and length of each segment."""
    return [(start, end - start) for start, end in segments_seconds.tolist()]


def _opacities(scores: np.ndarray) -> np.ndarray:
    """From ``FAINTEST`` to 1, in proportion to scores from 0 to 1, or else to the largest: ``(K,) → (K,)``."""
    largest = max(float(scores.max(initial=0.0)), 1.0)
    return FAINTEST + (1 - FAINTEST) * np.clip(scores / largest, 0, 1)
