"""Groups of bars, the colours and hatches that tell detectors apart, and the numbers above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rcl.evaluation.characteristics import CHARACTERISTICS
from rcl.evaluation.diagnosis import Diagnosis, Rates

Diagnoses = Mapping[str, Diagnosis]
# Okabe and Ito's colours, which people with any colour vision tell apart, in an order of alternating lightness.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442")
_HATCHES = ("", "///", "...", "\\\\\\", "xx", "--", "++", "oo")
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}  # of a number that a line may cross


class Layout(NamedTuple):
    """Where the groups of bars stand: a place per bucket, and one free between two characteristics."""

    starts: dict[str, int]
    ticks: dict[str, tuple[str, ...]]
    detectors: int

    @classmethod
    def of(cls, diagnoses: Diagnoses) -> Layout:
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


def bucket_bars(axes: Axes, layout: Layout, values: Sequence[Mapping[str, Rates]], everything: Sequence[float]) -> None:
    """A bar per bucket and detector with its value above, in percent, and a dashed line for all ground truths."""
    width = 0.84 / layout.detectors
    highest = 0.0
    for place, rates in enumerate(values):
        for name, start in layout.starts.items():
            heights = [np.nan if value is None else 100 * value for value in rates[name].values()]
            centres = start + np.arange(len(heights)) - 0.42 + width * (place + 0.5)
            bars(axes, centres, heights, width, place)
            highest = max([highest, *(h for h in heights if np.isfinite(h))])
    for place, value in enumerate(everything):
        # One line stands before its bars; of several, each shows its colour between the groups.
        colour, order = ("black", 2.0) if len(everything) == 1 else (colour_of(place), 0.5)
        axes.axhline(100 * value, linestyle="--", linewidth=1.2, color=colour, zorder=order)
    if len(everything) == 1:
        end = (1, 100 * everything[0])
        text = f"all: {end[1]:.1f}"
        axes.annotate(text, end, (3, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=9)
    write_above(axes, rotation=0 if layout.detectors == 1 else 90)
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


def bars(axes: Axes, centres: np.ndarray, heights: Sequence[float], width: float, place: int) -> None:
    axes.bar(centres, heights, width, color=colour_of(place), hatch=hatch_of(place), edgecolor="white", lw=0.5)


def write_above(axes: Axes, rotation: int) -> None:
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
            bbox=BEHIND,
        )


def relative_ranges(axes: Axes, diagnoses: Diagnoses) -> None:
    """A line from the worst to the best bucket of each characteristic, in multiples of the base."""
    names = [one.name for one in next(iter(diagnoses.values())).characteristics]
    step = 0.7 / len(diagnoses)
    for place, diagnosis in enumerate(diagnoses.values()):
        for x, name in enumerate(names):
            relative = diagnosis.sensitivity[name].relative
            if relative is None:
                continue
            centre = x - 0.35 + step * (place + 0.5)
            axes.plot([centre, centre], relative, marker="_", markersize=14, mew=2.5, lw=3, color=colour_of(place))
            for value, above in zip(relative, (False, True), strict=True):
                axes.annotate(
                    f"{value:.2f}",
                    (centre, value),
                    (0, 4 if above else -4),
                    textcoords="offset points",
                    ha="center",
                    va="bottom" if above else "top",
                    fontsize=9,
                    bbox=BEHIND,
                )
    axes.axhline(1, color="black", linestyle="--", linewidth=1.2, zorder=0)
    axes.margins(y=0.25)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_xticks(range(len(names)), [CHARACTERISTICS[name] for name in names])
    axes.set_ylabel("worst and best,\nrelative to all")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(visible=True, axis="y", linestyle=":", color="0.8")


def colour_of(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def hatch_of(place: int) -> str:
    return _HATCHES[place % len(_HATCHES)]
