"""Figures of what happens in videos: ethogram, time budget and transitions. The same input gives the same file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from rcl.data.annotations import VideoAnnotation
from rcl.data.fonts import fonts_for
from rcl.data.overlap import lanes_of
from rcl.evaluation.figures import styled
from rcl.evaluation.time_budget import TimeBudget
from rcl.system.errors import counted

MOST_MATRICES = 12
"""Groups whose transitions are drawn, the first ones."""
MOST_BARS = 100
"""Groups whose time budget is drawn, the first ones."""
_MOST_NUMBERED = 14  # labels: in a larger matrix, numbers would not fit into the cells
_MOST_IN_LEGEND = 40
_ROW_INCHES = 0.32
_NO_GROUP = "(no group)"


@styled
def ethogram_figure(videos: Sequence[VideoAnnotation], labels: Sequence[str], colours: Mapping[str, str]) -> Figure:
    """A row per video with its instances, coloured by label; those that overlap lie below each other in the row.

    An event without a length is a vertical line. Behind a row lies what was reviewed of its video, if that is known.

    Args:
        videos: in the order of the rows, those of a group one after the other.
        labels: those of the legend.
        colours: of the labels, see :func:`rcl.data.colours.label_colours`.
    """
    _use_fonts([*labels, *(text for video in videos for text in (video.name, video.group or ""))])
    figure = Figure(figsize=(11, 1.3 + _ROW_INCHES * (len(videos) + len(_legend_rows(labels)))), layout="constrained")
    axes = figure.subplots()
    for row, video in enumerate(videos):
        _draw_row(axes, row, video, colours)
    axes.set_yticks(range(len(videos)), [_shortened(video.name) for video in videos])
    axes.set_ylim(len(videos) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds")
    axes.tick_params(axis="y", length=0)
    _name_groups(axes, videos)
    _add_legend(figure, labels, colours)
    return figure


def _draw_row(axes: Axes, row: int, video: VideoAnnotation, colours: Mapping[str, str]) -> None:
    whole = np.array([[0.0, video.duration_seconds or 0.0]])
    reviewed = whole if video.reviewed_seconds is None else video.reviewed_seconds
    spans = [(start, end - start) for start, end in reviewed.tolist() if end > start]
    axes.broken_barh(spans, (row - 0.42, 0.84), facecolors="0.94")
    segments = video.segments_seconds
    lanes = lanes_of(segments)  # (N,)
    height = 0.8 / (lanes.max(initial=0) + 1)
    bottoms = row - 0.4 + lanes * height
    names = np.array(video.labels, dtype=object)
    for label in sorted({*video.labels}):
        own = np.flatnonzero(names == label)
        for lane in np.unique(lanes[own]):
            bars = segments[own[lanes[own] == lane]]
            place = (row - 0.4 + lane * height, height)
            axes.broken_barh([(start, end - start) for start, end in bars.tolist()], place, facecolors=colours[label])
        points = own[segments[own, 0] == segments[own, 1]]
        axes.vlines(segments[points, 0], bottoms[points], bottoms[points] + height, colors=colours[label], lw=1.6)


def _name_groups(axes: Axes, videos: Sequence[VideoAnnotation]) -> None:
    """A line between two groups, and their names at the right side."""
    if not any(video.group for video in videos):
        return
    starts = [row for row in range(len(videos)) if row == 0 or videos[row].group != videos[row - 1].group]
    for start, end in zip(starts, [*starts[1:], len(videos)], strict=True):
        axes.axhline(start - 0.5, color="0.6", lw=0.8)
        place = (1.01, (start + end - 1) / 2)
        name = _shortened(videos[start].group or _NO_GROUP)
        axes.annotate(name, place, xycoords=axes.get_yaxis_transform(), va="center", annotation_clip=False)


@styled
def budget_figure(budget: TimeBudget, colours: Mapping[str, str]) -> Figure:
    """A bar for each of the first groups, stacked of the mean share of each label in its videos; of the mean time,
    where the reviewed time is unknown. Actions that overlap may add up to more than the whole time."""
    shown = min(len(budget.groups), MOST_BARS)
    _use_fonts([*budget.labels, *budget.groups[:shown]])
    known = bool(np.isfinite(budget.reviewed_seconds).all())
    measure = "share" if known else "total_seconds"
    heights = np.array([budget.of_group(group)[measure].mean for group in range(shown)])  # (G, L)
    rows = len(_legend_rows(budget.labels))
    figure = Figure(figsize=(max(6, 2 + 1.1 * shown), 4 + _ROW_INCHES * rows), layout="constrained")
    axes, places = figure.subplots(), np.arange(shown)
    below = np.zeros(shown)
    for label, height in zip(budget.labels, heights.T, strict=True):
        axes.bar(places, height, 0.7, bottom=below, color=colours[label], edgecolor="white", lw=0.5)
        below = below + height
    counts = np.bincount(budget.group_index)
    titles = [f"{_title(budget, group)}\n{counted(int(counts[group]), 'video')}" for group in range(shown)]
    axes.set_xticks(places, titles, rotation=90 if shown > 8 else 0)
    axes.set_xlim(-0.6, len(places) - 0.4)
    axes.tick_params(axis="x", length=0)
    if known:
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylabel(_share_title(budget) if known else "mean seconds in a video")
    _add_legend(figure, budget.labels, colours)
    return figure


@styled
def transition_figure(budget: TimeBudget) -> Figure:
    """A matrix per group: how often (in percent) an action of the row is followed by one of the column."""
    _use_fonts([*budget.labels, *budget.groups])
    count, size = min(len(budget.groups), MOST_MATRICES), len(budget.labels)
    columns = min(count, 3)
    side = 1.8 + 0.42 * min(size, 40)
    shape = -(-count // columns), columns
    figure = Figure(figsize=(side * columns + 0.8, side * shape[0]), layout="constrained")
    grid = figure.subplots(*shape, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.set_axis_off()
    for group, axes in enumerate(grid[:count]):
        image = axes.imshow(100 * budget.transitions.matrix(group, size), vmin=0, vmax=100, cmap="Blues")
        _dress_matrix(axes, budget, group)
    figure.colorbar(image, ax=grid.tolist(), label="% of the starts that come next", shrink=0.8)
    return figure


def _dress_matrix(axes: Axes, budget: TimeBudget, group: int) -> None:
    names = [_shortened(label) for label in budget.labels]
    small = 11 if len(names) <= 30 else 6
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=small)
    axes.set_yticks(range(len(names)), names, fontsize=small)
    axes.set(xlabel="next", ylabel="action", title=_title(budget, group))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if len(names) > _MOST_NUMBERED:
        return
    found = budget.transitions
    for row in np.flatnonzero(found.group_index == group).tolist():
        percent = 100 * found.probability[row]
        ink = "white" if percent > 55 else "black"
        place = found.to_index[row], found.from_index[row]
        axes.annotate(f"{percent:.0f}", place, ha="center", va="center", fontsize=9, color=ink)


# -- texts -------------------------------------------------------------------------------------------------------


def _use_fonts(texts: Iterable[str]) -> None:
    """Inside of :func:`styled`, which restores the fonts."""
    matplotlib.rcParams["font.family"] = [font.family for font in fonts_for(texts).chosen]


def _title(budget: TimeBudget, group: int) -> str:
    if budget.groups == ("",):
        return "all videos"
    return _shortened(budget.groups[group] or _NO_GROUP)


def _shortened(text: str, longest: int = 30) -> str:
    """A name as plain text: in Matplotlib, two dollar signs would begin a formula."""
    short = text if len(text) <= longest else f"…{text[1 - longest :]}"
    return short.replace("$", r"\$")


def _share_title(budget: TimeBudget) -> str:
    partly = budget.reviewed_seconds < budget.durations_seconds
    return f"mean share of {'the reviewed time of ' if partly.any() else ''}a video"


def _legend_rows(labels: Sequence[str]) -> range:
    return range(0, min(len(labels), _MOST_IN_LEGEND), 5)


def _add_legend(figure: Figure, labels: Sequence[str], colours: Mapping[str, str]) -> None:
    shown = labels[:_MOST_IN_LEGEND]
    handles = [Patch(facecolor=colours[label]) for label in shown]
    names = [_shortened(label) for label in shown]
    figure.legend(handles, names, loc="outside upper center", ncols=5, fontsize=9)
