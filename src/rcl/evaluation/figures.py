"""Figures of a diagnosis after those of DETAD (Alwassel et al., ECCV 2018): the same input gives the same file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from rcl.evaluation.characteristics import CHARACTERISTICS
from rcl.evaluation.diagnosis import BANDS, KINDS, Diagnosis, Rates
from rcl.system.text_files import PathLike, write_file

P = ParamSpec("P")
Diagnoses = Mapping[str, Diagnosis]

# Okabe and Ito's colours, which people with any colour vision tell apart, in an order of alternating lightness.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442")
_HATCHES = ("", "///", "...", "\\\\\\", "xx", "--", "++", "oo")
_KIND_COLOURS = dict(zip(KINDS, ("#009E73", "#56B4E9", "#CC79A7", "#E69F00", "#D55E00", "#BBBBBB"), strict=True))
_KIND_HATCHES = dict(zip(KINDS, ("", "///", "...", "\\\\\\", "xx", ""), strict=True))
_BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}  # of a number that a line may cross
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
    layout = _Layout.of(diagnoses)
    figure = Figure(figsize=(layout.width, 6.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(3, 2))
    _bucket_bars(
        above,
        layout,
        [{name: one.average_mAP_N for name, one in diagnosis.sensitivity.items()} for diagnosis in diagnoses.values()],
        [diagnosis.average_mAP_N for diagnosis in diagnoses.values()],
    )
    above.set_ylabel("average mAP$_N$ (%)")
    _relative_ranges(below, diagnoses)
    _legend(figure, diagnoses)
    return figure


@_styled
def false_negative_figure(diagnoses: Diagnoses) -> Figure:
    """The share of missed ground truths by bucket of each characteristic, arguments as :func:`sensitivity_figure`."""
    layout = _Layout.of(diagnoses)
    figure = Figure(figsize=(layout.width, 4.2), layout="constrained")
    axes = figure.subplots()
    negatives = [diagnosis.false_negatives for diagnosis in diagnoses.values()]
    characteristics = next(iter(diagnoses.values())).characteristics
    _bucket_bars(
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


class _Layout(NamedTuple):
    """Where the groups of bars stand: a place per bucket, and one free between two characteristics."""

    starts: dict[str, int]
    ticks: dict[str, tuple[str, ...]]
    detectors: int

    @classmethod
    def of(cls, diagnoses: Diagnoses) -> _Layout:
        first = next(iter(diagnoses.values()))
        starts, ticks, place = {}, {}, 0
        for one in first.characteristics:
            plain = one.name.startswith("context")  # the names are the values
            lines = [one.buckets, one.limits] if not plain else [one.buckets]
            starts[one.name], ticks[one.name] = place, tuple("\n".join(texts) for texts in zip(*lines, strict=True))
            place += len(one.buckets) + 1
        return cls(starts, ticks, len(diagnoses))

    @property
    def places(self) -> int:
        return max(self.starts[name] + len(ticks) for name, ticks in self.ticks.items())

    @property
    def width(self) -> float:
        """Inches."""
        return max(7.0, 1.4 + self.places * max(0.6, 0.26 * self.detectors + 0.1))


def _bucket_bars(
    axes: Axes, layout: _Layout, values: Sequence[Mapping[str, Rates]], everything: Sequence[float]
) -> None:
    """A bar per bucket and detector with its value above, in percent, and a dashed line for all ground truths."""
    width = 0.84 / layout.detectors
    highest = 0.0
    for place, rates in enumerate(values):
        for name, start in layout.starts.items():
            heights = [np.nan if value is None else 100 * value for value in rates[name].values()]
            centres = start + np.arange(len(heights)) - 0.42 + width * (place + 0.5)
            _bars(axes, centres, heights, width, place)
            highest = max([highest, *(h for h in heights if np.isfinite(h))])
    for place, value in enumerate(everything):
        # One line stands before its bars; of several, each shows its colour between the groups.
        colour, order = ("black", 2.0) if len(everything) == 1 else (_colour(place), 0.5)
        axes.axhline(100 * value, linestyle="--", linewidth=1.2, color=colour, zorder=order)
    if len(everything) == 1:
        end = (1, 100 * everything[0])
        text = f"all: {end[1]:.1f}"
        axes.annotate(text, end, (3, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=9)
    _write_above(axes, rotation=0 if layout.detectors == 1 else 90)
    top = min(highest, 100) * (1.28 if layout.detectors > 1 else 1.16) or 1
    axes.set(xlim=(-0.8, layout.places - 0.2), ylim=(0, top))
    for name, start in layout.starts.items():
        count = len(layout.ticks[name])
        axes.text(start + (count - 1) / 2, top, CHARACTERISTICS[name], ha="center", va="bottom", fontsize=12)
        if start:
            axes.axvline(start - 1, color="0.5", linestyle=":", linewidth=1)
    axes.set_xticks(
        [start + i for name, start in layout.starts.items() for i in range(len(layout.ticks[name]))],
        [tick for ticks in layout.ticks.values() for tick in ticks],
        fontsize=9,
    )
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=True, axis="y", linestyle=":", color="0.8")


def _bars(axes: Axes, centres: np.ndarray, heights: Sequence[float], width: float, place: int) -> None:
    axes.bar(centres, heights, width, color=_colour(place), hatch=_hatch(place), edgecolor="white", lw=0.5)


def _write_above(axes: Axes, rotation: int) -> None:
    """The value of each bar of the axes, and a dash where there is none."""
    for bar in axes.patches:
        height = bar.get_height()  # type: ignore[attr-defined]
        known = bool(np.isfinite(height))
        axes.annotate(
            f"{height:.1f}" if known else "–",
            (bar.get_x() + bar.get_width() / 2, height if known else 0),  # type: ignore[attr-defined]
            (0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=rotation,
            fontsize=9,
            bbox=_BEHIND,
        )


def _relative_ranges(axes: Axes, diagnoses: Diagnoses) -> None:
    """A line from the worst to the best bucket of each characteristic, in multiples of the base."""
    names = [one.name for one in next(iter(diagnoses.values())).characteristics]
    step = 0.7 / len(diagnoses)
    for place, diagnosis in enumerate(diagnoses.values()):
        for x, name in enumerate(names):
            relative = diagnosis.sensitivity[name].relative
            if relative is None:
                continue
            centre = x - 0.35 + step * (place + 0.5)
            axes.plot([centre, centre], relative, marker="_", markersize=14, mew=2.5, lw=3, color=_colour(place))
            for value, above in zip(relative, (False, True), strict=True):
                axes.annotate(
                    f"{value:.2f}",
                    (centre, value),
                    (0, 4 if above else -4),
                    textcoords="offset points",
                    ha="center",
                    va="bottom" if above else "top",
                    fontsize=9,
                    bbox=_BEHIND,
                )
    axes.axhline(1, color="black", linestyle="--", linewidth=1.2, zorder=0)
    axes.margins(y=0.25)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_xticks(range(len(names)), [CHARACTERISTICS[name] for name in names])
    axes.set_ylabel("worst and best,\nrelative to all")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(visible=True, axis="y", linestyle=":", color="0.8")


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
        _bars(axes, centres, heights, width, place)
    if len(diagnoses) == 1:
        for bar, kind in zip(axes.patches, kinds, strict=True):
            bar.set(facecolor=_KIND_COLOURS[kind], hatch=_KIND_HATCHES[kind])
    else:
        handles = [axes.patches[len(kinds) * i] for i in range(len(diagnoses))]
        axes.legend(handles, [*diagnoses], loc="upper right", ncols=2, fontsize=9)
    _write_above(axes, rotation=0 if len(diagnoses) == 1 else 90)
    axes.margins(y=0.16 if len(diagnoses) == 1 else 0.3 + 0.09 * ((len(diagnoses) + 1) // 2))  # of several, a legend
    axes.set_xticks(range(len(kinds)), [kind.replace("_", "\n") for kind in kinds], rotation=0, fontsize=9)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=True, axis="y", linestyle=":", color="0.8")
    axes.set_title("what each kind of error costs")
    axes.set_ylabel("average mAP$_N$ gained without (%)")


# -- detectors ---------------------------------------------------------------------------------------------------


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def _hatch(place: int) -> str:
    return _HATCHES[place % len(_HATCHES)]


def _legend(figure: Figure, diagnoses: Diagnoses) -> None:
    """Which bars are of which detector, where there are several."""
    if len(diagnoses) > 1:
        handles = [
            Patch(facecolor=_colour(place), hatch=_hatch(place), edgecolor="white") for place in range(len(diagnoses))
        ]
        figure.legend(handles, [*diagnoses], loc="outside upper center", ncols=min(len(diagnoses), 4))
