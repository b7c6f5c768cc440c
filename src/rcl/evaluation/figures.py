"""Figures of a diagnosis after those of DETAD (Alwassel et al., ECCV 2018). The same input gives the same file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from rcl.data.colours import BLUE, GREEN, ORANGE, PURPLE, RED, SKY
from rcl.evaluation import chart_data
from rcl.evaluation.characteristics import CHARACTERISTICS
from rcl.evaluation.chart_data import BucketChart, Fill
from rcl.evaluation.diagnosis import BANDS, KINDS, Diagnosis
from rcl.system.paths import PathLike
from rcl.system.text_files import write_file

P = ParamSpec("P")
Diagnoses = Mapping[str, Diagnosis]

_DETECTOR_FILLS = (  # neighbours differ in lightness
    *(Fill(BLUE), Fill(ORANGE, "/"), Fill(GREEN, "."), Fill(PURPLE, "\\")),
    *(Fill(SKY, "x"), Fill(RED, "-"), Fill("#999999", "+"), Fill("#F0E442", "o")),
)
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


def styled(function: Callable[P, Any]) -> Callable[P, Any]:
    """Run a function with the style of these figures, and leave the user's own style as it was."""

    @wraps(function)
    def run(*arguments: P.args, **options: P.kwargs) -> Any:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_STYLE)
            return function(*arguments, **options)

    return run


@styled
def save_figure(figure: Figure, path: PathLike) -> None:
    """Write SVG or PNG by extension, without the date or the version of the program.

    Raises:
        InputError: the file cannot be written.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[kind]
    write_file(path, lambda file: figure.savefig(file, format=kind, metadata=metadata))


@styled
def sensitivity_figure(diagnoses: Diagnoses) -> Figure:
    """Average mAP_N by bucket of each characteristic; below, the worst and best bucket relative to all ground truths.

    Args:
        diagnoses: by the name of the detector, of the same ground truth; at least one.
    """
    charts = [chart_data.sensitivity(diagnosis) for diagnosis in diagnoses.values()]
    figure = Figure(figsize=(_width(charts), 6.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 2))
    _bucket_bars(above, charts)
    _relative_ranges(below, diagnoses)
    _legend(figure, diagnoses)
    return figure


@styled
def false_negative_figure(diagnoses: Diagnoses) -> Figure:
    """Share of missed ground truths by bucket of each characteristic; arguments as :func:`sensitivity_figure`."""
    charts = [chart_data.false_negatives(diagnosis) for diagnosis in diagnoses.values()]
    figure = Figure(figsize=(_width(charts), 4.2), layout="constrained")
    _bucket_bars(figure.subplots(), charts)
    _legend(figure, diagnoses)
    return figure


@styled
def false_positive_figure(diagnoses: Diagnoses) -> Figure:
    """Kinds of detections in each band of ranks, and the cost of errors; arguments as :func:`sensitivity_figure`."""
    figure = Figure(figsize=(4.4 * len(diagnoses) + 5.4, 4.8), layout="constrained")
    *profiles, gains = figure.subplots(1, len(diagnoses) + 1, width_ratios=[1] * len(diagnoses) + [1.2])
    for axes, (name, diagnosis) in zip(profiles, diagnoses.items(), strict=True):
        _profile(axes, chart_data.kinds(diagnosis))
        axes.set_title(name if len(diagnoses) > 1 else "best detections of every class")
    profiles[0].set_ylabel("share of detections (%)")
    _gain_bars(gains, diagnoses)
    handles, labels = profiles[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(KINDS), 3 * len(diagnoses)))
    return figure


# -- bars by bucket ----------------------------------------------------------------------------------------------


def _places(chart: BucketChart) -> np.ndarray:
    """``(B,)`` where the bars of each bucket stand, with a free place between two characteristics."""
    titles = [*dict.fromkeys(bar.characteristic for bar in chart.bars)]
    return np.array([place + titles.index(bar.characteristic) for place, bar in enumerate(chart.bars)])


def _width(charts: Sequence[BucketChart]) -> float:
    """Inches."""
    return max(7.0, 1.4 + (_places(charts[0])[-1] + 1) * max(0.6, 0.26 * len(charts) + 0.1))


def _bucket_bars(axes: Axes, charts: Sequence[BucketChart]) -> None:
    """A bar per bucket and detector, with its value above, and a dashed line for all ground truths."""
    places, bars = _places(charts[0]), charts[0].bars
    width = 0.84 / len(charts)
    for number, chart in enumerate(charts):
        heights = [np.nan if bar.percent is None else bar.percent for bar in chart.bars]
        _draw(axes, places - 0.42 + width * (number + 0.5), heights, width, _fill(number))
        # A single line is in front of its bars. Of several, each shows its colour between the groups.
        colour, order = ("black", 2.0) if len(charts) == 1 else (_fill(number).colour, 0.5)
        axes.axhline(chart.total_percent, linestyle="--", linewidth=1.2, color=colour, zorder=order)
    if len(charts) == 1:
        total = charts[0].total_percent
        where = ("axes fraction", "data")
        axes.annotate(f"all: {total:.1f}", (1, total), (3, 0), where, "offset points", va="center", fontsize=9)
    _write_above(axes, rotation=0 if len(charts) == 1 else 90)
    highest = max([0.0, *(bar.percent for chart in charts for bar in chart.bars if bar.percent is not None)])
    top = min(highest, 100) * (1.28 if len(charts) > 1 else 1.16) or 1
    axes.set(xlim=(-0.8, places[-1] + 0.8), ylim=(0, top), ylabel=_subscript(charts[0].axis))
    for title in dict.fromkeys(bar.characteristic for bar in bars):
        own = [place for place, bar in zip(places.tolist(), bars, strict=True) if bar.characteristic == title]
        axes.text((own[0] + own[-1]) / 2, top, title, ha="center", va="bottom", fontsize=12)
        if own[0]:
            axes.axvline(own[0] - 1, color="0.5", linestyle=":", linewidth=1)
    axes.set_xticks(places, [f"{bar.bucket}\n{bar.limit}".strip() for bar in bars], fontsize=9)
    axes.tick_params(axis="x", length=0)
    _grid(axes)


def _relative_ranges(axes: Axes, diagnoses: Diagnoses) -> None:
    """A line from the worst to the best bucket of each characteristic, in multiples of the base."""
    names = [one.name for one in next(iter(diagnoses.values())).characteristics]
    step = 0.7 / len(diagnoses)
    for number, diagnosis in enumerate(diagnoses.values()):
        for x, name in enumerate(names):
            relative = diagnosis.sensitivity[name].relative
            if relative is None:
                continue
            centre, colour = x - 0.35 + step * (number + 0.5), _fill(number).colour
            axes.plot([centre, centre], relative, marker="_", markersize=14, mew=2.5, lw=3, color=colour)
            for value, offset, va in zip(relative, (-4, 4), ("top", "bottom"), strict=True):
                _write(axes, f"{value:.2f}", centre, value, offset, va=va)
    axes.axhline(1, color="black", linestyle="--", linewidth=1.2, zorder=0)
    axes.margins(y=0.25)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_xticks(range(len(names)), [CHARACTERISTICS[name] for name in names])
    axes.set_ylabel("worst and best,\nrelative to all")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    _grid(axes)


def _legend(figure: Figure, diagnoses: Diagnoses) -> None:
    """The fill of each detector, if there are several."""
    if len(diagnoses) > 1:
        fills = [_fill(number) for number in range(len(diagnoses))]
        handles = [Patch(facecolor=fill.colour, hatch=_hatch(fill), edgecolor="white") for fill in fills]
        figure.legend(handles, [*diagnoses], loc="outside upper center", ncols=min(len(diagnoses), 4))


# -- false positives ---------------------------------------------------------------------------------------------


def _profile(axes: Axes, percentages: Mapping[str, Sequence[float | None]]) -> None:
    """Stacked shares of the kinds, a bar per band; an empty band has none."""
    below = np.zeros(BANDS)
    for kind, values in percentages.items():
        heights = np.array([value or 0 for value in values])
        fill, title = chart_data.KIND_FILLS[kind], chart_data.KIND_TITLES[kind]
        _draw(axes, np.arange(BANDS), heights, 0.86, fill, bottom=below.copy(), label=title)
        below += heights
    for band, value in enumerate(percentages[KINDS[0]]):
        if value is None:
            axes.annotate("none", (band, 2), ha="center", rotation=90, fontsize=9, color="0.4")
    axes.set(xlim=(-0.7, BANDS - 0.3), ylim=(0, 100), xlabel="ranks of each class up to (G: its ground truths)")
    axes.set_xticks(range(BANDS), [f"{band + 1}G" for band in range(BANDS)])
    axes.tick_params(axis="x", length=0)


def _gain_bars(axes: Axes, diagnoses: Diagnoses) -> None:
    """Average mAP_N gained without each kind of error, filled by kind for one detector, else by detector."""
    kinds = KINDS[1:]
    width = 0.84 / len(diagnoses)
    for number, (name, diagnosis) in enumerate(diagnoses.items()):
        centres = np.arange(len(kinds)) - 0.42 + width * (number + 0.5)
        gains = chart_data.gains(diagnosis)
        _draw(axes, centres, [gains[kind] for kind in kinds], width, _fill(number), label=name)
    if len(diagnoses) == 1:
        for bar, kind in zip(axes.patches, kinds, strict=True):
            bar.set(facecolor=chart_data.KIND_FILLS[kind].colour, hatch=_hatch(chart_data.KIND_FILLS[kind]))
    else:
        axes.legend(loc="upper right", ncols=2, fontsize=9)
    _write_above(axes, rotation=0 if len(diagnoses) == 1 else 90)
    axes.margins(y=0.16 if len(diagnoses) == 1 else 0.3 + 0.09 * ((len(diagnoses) + 1) // 2))  # room for the legend
    axes.set_xticks(range(len(kinds)), [kind.replace("_", "\n") for kind in kinds], rotation=0, fontsize=9)
    axes.tick_params(axis="x", length=0)
    _grid(axes)
    axes.set_title("what each kind of error costs")
    axes.set_ylabel(_subscript("average mAP_N gained without (%)"))


# -- bars and texts ----------------------------------------------------------------------------------------------


def _draw(axes: Axes, centres: np.ndarray, heights: Any, width: float, fill: Fill, **options: Any) -> None:
    axes.bar(centres, heights, width, color=fill.colour, hatch=_hatch(fill), edgecolor="white", lw=0.5, **options)


def _write_above(axes: Axes, rotation: int) -> None:
    """The value of each bar of the axes above it; a dash for an empty bucket."""
    for bar in axes.patches:
        height = bar.get_height()  # type: ignore[attr-defined]
        text, y = (f"{height:.1f}", height) if np.isfinite(height) else ("–", 0)
        _write(axes, text, bar.get_x() + bar.get_width() / 2, y, 2, va="bottom", rotation=rotation)  # type: ignore[attr-defined]


def _write(axes: Axes, text: str, x: float, y: float, points_above: float, **options: Any) -> None:
    """A number on a white box, as a line may cross it."""
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
    offset = (0, points_above)
    axes.annotate(text, (x, y), offset, textcoords="offset points", ha="center", fontsize=9, bbox=box, **options)


def _grid(axes: Axes) -> None:
    axes.grid(visible=True, axis="y", linestyle=":", color="0.8")


def _subscript(text: str) -> str:
    return text.replace("_N", "$_N$")


def _fill(number: int) -> Fill:
    return _DETECTOR_FILLS[number % len(_DETECTOR_FILLS)]


def _hatch(fill: Fill) -> str:
    """Repeated, as Matplotlib writes density."""
    return fill.hatch * (3 if fill.hatch in "/.\\" else 2)
