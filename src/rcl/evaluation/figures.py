"""Figures of a diagnosis after those of DETAD (Alwassel et al., ECCV 2018): the same input gives the same file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rcl.evaluation.diagnosis import BANDS, KINDS, Rates
from rcl.evaluation.figure_bars import (
    Diagnoses,
    Layout,
    bars,
    bucket_bars,
    colour_of,
    hatch_of,
    relative_ranges,
    write_above,
)
from rcl.system.paths import PathLike
from rcl.system.text_files import write_file

P = ParamSpec("P")

_KIND_COLOURS = dict(zip(KINDS, ("#009E73", "#56B4E9", "#CC79A7", "#E69F00", "#D55E00", "#BBBBBB"), strict=True))
_KIND_HATCHES = dict(zip(KINDS, ("", "///", "...", "\\\\\\", "xx", ""), strict=True))
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid.axis": "y",
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "text.usetex": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "rcl",
    "savefig.dpi": 120,
}


def _styled(function: Callable[P, Any]) -> Callable[P, Any]:
    """With our style, whatever the user's own is, and without changing that."""

    @wraps(function)
    def run(*arguments: P.args, **options: P.kwargs) -> Any:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_STYLE)
            return function(*arguments, **options)

    return run


@_styled
def save_figure(figure: Figure, path: PathLike) -> None:
    """Write SVG or PNG by extension, without the date or the version of the program.

    Raises:
        InputError: the place cannot be written to.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[kind]
    write_file(path, lambda file: figure.savefig(file, format=kind, metadata=metadata))


@_styled
def sensitivity_figure(diagnoses: Diagnoses) -> Figure:
    """Average mAP_N by bucket of each characteristic; below, the worst and best bucket relative to all ground truths.

    Args:
        diagnoses: by the name of the detector, of the same ground truth; at least one.
    """
    layout = Layout.of(diagnoses)
    figure = Figure(figsize=(layout.width, 6.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 2))
    bucket_bars(
        above,
        layout,
        [{name: one.average_mAP_N for name, one in diagnosis.sensitivity.items()} for diagnosis in diagnoses.values()],
        [diagnosis.average_mAP_N for diagnosis in diagnoses.values()],
    )
    above.set_ylabel("average mAP$_N$ (%)")
    relative_ranges(below, diagnoses)
    _legend(figure, diagnoses)
    return figure


@_styled
def false_negative_figure(diagnoses: Diagnoses) -> Figure:
    """The share of missed ground truths by bucket of each characteristic, arguments as :func:`sensitivity_figure`."""
    layout = Layout.of(diagnoses)
    figure = Figure(figsize=(layout.width, 4.2), layout="constrained")
    axes = figure.subplots()
    negatives = [diagnosis.false_negatives for diagnosis in diagnoses.values()]
    characteristics = next(iter(diagnoses.values())).characteristics
    bucket_bars(
        axes,
        layout,
        [{one.name: negative.rates(one) for one in characteristics} for negative in negatives],
        [float(negative.missed.mean()) for negative in negatives],
    )
    axes.set_ylabel("missed ground truths (%)")
    _legend(figure, diagnoses)
    return figure


@_styled
def false_positive_figure(diagnoses: Diagnoses) -> Figure:
    """What the detections in each band of ranks are, and what errors cost, arguments as :func:`sensitivity_figure`."""
    figure = Figure(figsize=(4.4 * len(diagnoses) + 5.4, 4.8), layout="constrained")
    *profiles, gains = figure.subplots(1, len(diagnoses) + 1, width_ratios=[1] * len(diagnoses) + [1.2])
    for axes, (name, diagnosis) in zip(profiles, diagnoses.items(), strict=True):
        _profile(axes, diagnosis.false_positives.band_fractions)
        axes.set_title(name if len(diagnoses) > 1 else "best detections of every class")
    profiles[0].set_ylabel("share of detections (%)")
    _gain_bars(gains, diagnoses)
    handles, labels = profiles[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(KINDS), 3 * len(diagnoses)))
    return figure


# -- bars by bucket ----------------------------------------------------------------------------------------------


# -- false positives ---------------------------------------------------------------------------------------------


def _profile(axes: Axes, bands: Sequence[Rates]) -> None:
    """Stacked shares of the kinds, a bar per band; an empty band has none."""
    shares = np.array([[100 * (band[kind] or 0) for kind in KINDS] for band in bands])  # (10, 6)
    below = np.cumsum(shares, axis=1) - shares
    for column, kind in enumerate(KINDS):
        axes.bar(
            np.arange(BANDS),
            shares[:, column],
            0.86,
            bottom=below[:, column],
            label=kind.replace("_", " "),
            color=_KIND_COLOURS[kind],
            hatch=_KIND_HATCHES[kind],
            edgecolor="white",
            lw=0.5,
        )
    for band, rates in enumerate(bands):
        if rates[KINDS[0]] is None:
            axes.annotate("none", (band, 2), ha="center", rotation=90, fontsize=9, color="0.4")
    axes.set(xlim=(-0.7, BANDS - 0.3), ylim=(0, 100), xlabel="ranks of each class up to (G: its ground truths)")
    axes.set_xticks(range(BANDS), [f"{band + 1}G" for band in range(BANDS)])
    axes.tick_params(axis="x", length=0)


def _gain_bars(axes: Axes, diagnoses: Diagnoses) -> None:
    """What the average mAP_N gains without each kind of error: by kind for one detector, else by detector."""
    kinds = KINDS[1:]
    width = 0.84 / len(diagnoses)
    for place, diagnosis in enumerate(diagnoses.values()):
        heights = [100 * diagnosis.false_positives.gains[kind] for kind in kinds]
        centres = np.arange(len(kinds)) - 0.42 + width * (place + 0.5)
        bars(axes, centres, heights, width, place)
    if len(diagnoses) == 1:
        for bar, kind in zip(axes.patches, kinds, strict=True):
            bar.set(facecolor=_KIND_COLOURS[kind], hatch=_KIND_HATCHES[kind])
    else:
        handles = [axes.patches[len(kinds) * i] for i in range(len(diagnoses))]
        axes.legend(handles, [*diagnoses], loc="upper right", ncols=2, fontsize=9)
    write_above(axes, rotation=0 if len(diagnoses) == 1 else 90)
    axes.margins(y=0.16 if len(diagnoses) == 1 else 0.3 + 0.09 * ((len(diagnoses) + 1) // 2))  # of several, a legend
    axes.set_xticks(range(len(kinds)), [kind.replace("_", "\n") for kind in kinds], rotation=0, fontsize=9)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=True, axis="y", linestyle=":", color="0.8")
    axes.set_title("what each kind of error costs")
    axes.set_ylabel("average mAP$_N$ gained without (%)")


# -- detectors ---------------------------------------------------------------------------------------------------


def _legend(figure: Figure, diagnoses: Diagnoses) -> None:
    """Which bars are of which detector, where there are several."""
    if len(diagnoses) > 1:
        handles = [
            Patch(facecolor=colour_of(place), hatch=hatch_of(place), edgecolor="white")
            for place in range(len(diagnoses))
        ]
        figure.legend(handles, [*diagnoses], loc="outside upper center", ncols=min(len(diagnoses), 4))
