"""Charts of a report, as Plotly figures in plain dictionaries. The page adds the colours of its theme."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from rcl.data.colours import BLUE, ORANGE
from rcl.evaluation import Evaluation, chart_data
from rcl.evaluation.calibration import Reliability
from rcl.evaluation.chart_data import BucketChart, Fill
from rcl.evaluation.diagnosis import BANDS, Diagnosis
from rcl.evaluation.events import EVENT_TIOU
from rcl.system.errors import counted
from rcl.web.report.summary import Summary

_TEXT_ABOVE = {"textposition": "outside", "cliponaxis": False}


class Chart(NamedTuple):
    """A figure and its texts.

    Args:
        key: id of the figure in the page.
        title: heading above the figure.
        text: explanation below the figure, with its main numbers.
        figure: ``data`` and ``layout`` of Plotly.
    """

    key: str
    title: str
    text: str
    figure: dict[str, Any]


def summary_charts(summary: Summary) -> list[Chart]:
    """The charts of the first section."""
    if summary.evaluation is None or summary.reliability is None:
        return [_histogram(summary)]
    return [_map(summary.evaluation), _recall(summary.evaluation), _reliability(summary.reliability)]


def error_charts(diagnosis: Diagnosis) -> list[Chart]:
    """The charts of DETAD: false positives and their cost, sensitivity, false negatives."""
    good = "Average normalized mAP on the ground truths of each bucket alone; the dashed line is that of all."
    missed = (
        "Share of the ground truths of each bucket that no detection finds at a normalized precision above 5 %; the "
        "dashed line is that of all."
    )
    return [
        _profile(diagnosis),
        _gains(diagnosis),
        _buckets("sensitivity", "Which actions are found well", good, chart_data.sensitivity(diagnosis)),
        _buckets("false-negatives", "Which actions are missed", missed, chart_data.false_negatives(diagnosis)),
    ]


def _map(evaluation: Evaluation) -> Chart:
    ticks = [f"{threshold:g}" for threshold in evaluation.tiou_thresholds.round(3).tolist()]
    data = [bar_trace(ticks, percent(evaluation.map_per_tiou), "all", Fill(BLUE))]
    text = f"Average {100 * evaluation.average_map:.1f} %."
    if evaluation.short_map_per_tiou is not None and evaluation.short_map is not None:
        name = f"up to {evaluation.short_seconds:g} s"
        data.append(bar_trace(ticks, percent(evaluation.short_map_per_tiou), name, Fill(ORANGE, "/")))
        count = evaluation.counts["short_ground_truths"]
        text += f" On the {counted(count, 'action')} of {name}: {100 * evaluation.short_map:.1f} %."
    layout = {"xaxis": categories("tIoU"), "yaxis": from_zero("mAP (%)")}
    return Chart("map", "Mean average precision", text, {"data": data, "layout": layout})


def _recall(evaluation: Evaluation) -> Chart:
    curve = evaluation.recall_at
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": curve.numbers.round(2).tolist(),
        "y": percent(curve.average),
        "line": {"color": BLUE, "width": 2.5},
        "hovertemplate": "%{x:.0f} per video: %{y:.1f} %<extra></extra>",
    }
    layout = {"xaxis": {"title": {"text": "detections per video (AN)"}}, "yaxis": from_zero("AR (%)")}
    text = (
        "Average recall over tIoU 0.5 to 0.95 against the average number of detections per video, whatever their "
        f"label. AR@{curve.numbers[-1]:.0f} {100 * curve.average[-1]:.1f} %, AUC {100 * curve.auc:.1f} %."
    )
    return Chart("recall", "Average recall", text, {"data": [line], "layout": layout})


def _reliability(reliability: Reliability) -> Chart:
    edges, counts = reliability.edges, reliability.counts.tolist()
    bars = {
        **_histogram_bars(edges, percent(reliability.precision), 0.92),
        "customdata": [[*pair] for pair in zip(reliability.right.tolist(), counts, strict=True)],
        "text": [f"{count}" if count else "" for count in counts],
        **_TEXT_ABOVE,
        "hovertemplate": "%{customdata[0]} of %{customdata[1]} right: %{y:.1f} %<extra></extra>",
        "showlegend": False,
    }
    data: list[dict[str, Any]] = [bars]
    text = f"Share of right detections at tIoU {EVENT_TIOU:g}, by score; above each bar, their number."
    if reliability.error is not None:
        line = {"color": ORANGE, "width": 2, "dash": "dash"}
        ideal = {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 100], "line": line, "hoverinfo": "skip"}
        data.append({**ideal, "name": "score = precision", "showlegend": False})
        off = f"{100 * reliability.error:.1f} %"
        text += f" On the dashed line a score is the probability to be right; scores are {off} off on average."
    layout = {
        "xaxis": {"title": {"text": "score"}, "range": [float(edges[0]), float(edges[-1])]},
        "yaxis": {**from_zero("right (%)"), "range": [0, 112], "tickvals": [0, 25, 50, 75, 100]},
    }
    return Chart("calibration", "What scores mean", text, {"data": data, "layout": layout})


def _histogram(summary: Summary) -> Chart:
    edges, counts = summary.histogram
    bars = {**_histogram_bars(edges, counts.tolist(), 1), "hovertemplate": "around %{x:.3f}: %{y}<extra></extra>"}
    layout = {
        "xaxis": {"title": {"text": "score"}, "range": [float(edges[0]), float(edges[-1])]},
        "yaxis": from_zero("detections"),
    }
    text = "Number of detections by score. With annotations, this page shows how many of them are right."
    return Chart("scores", "Scores", text, {"data": [bars], "layout": layout})


def _profile(diagnosis: Diagnosis) -> Chart:
    ranks = [f"{band + 1}G" for band in range(BANDS)]
    layout = {
        "barmode": "stack",
        "xaxis": categories("rank within the class (G: its ground truths)"),
        "yaxis": {**from_zero("share (%)"), "range": [0, 100]},
        "legend": {"traceorder": "normal"},
    }
    text = (
        "The best G detections of each class by kind, the next G, and so on. Double detection: a detection with a "
        "higher score has the same ground truth. Wrong label: the segment fits, the label does not. Localization: the "
        "label is right, the segment does not fit well enough. Confusion: neither fits. Background: far from any "
        "ground truth."
    )
    data = [
        bar_trace(ranks, percent(shares, 1), chart_data.KIND_TITLES[kind], chart_data.KIND_FILLS[kind])
        for kind, shares in chart_data.kinds(diagnosis).items()
    ]
    return Chart("false-positives", "What wrong detections are", text, {"data": data, "layout": layout})


def _gains(diagnosis: Diagnosis) -> Chart:
    above = {"texttemplate": "%{y:.1f}", **_TEXT_ABOVE}
    data = [
        {**bar_trace([title], percent([gain], 1), title, chart_data.KIND_FILLS[kind]), **above}
        for kind, gain in chart_data.gains(diagnosis).items()
        for title in [chart_data.KIND_TITLES[kind]]
    ]
    layout = {
        "barmode": "overlay",
        "showlegend": False,
        "xaxis": categories(),
        "yaxis": {"title": {"text": _subscript("average mAP_N gained (%)")}},
    }
    text = "Growth of the average normalized mAP without the errors of each kind."
    return Chart("gains", "What each kind of error costs", text, {"data": data, "layout": layout})


def _buckets(key: str, title: str, text: str, chart: BucketChart) -> Chart:
    """Bars of the buckets of all characteristics, side by side, and a line for all ground truths."""
    bars = {
        "type": "bar",
        "x": [[bar.characteristic for bar in chart.bars], [bar.bucket for bar in chart.bars]],
        "y": percent([bar.percent for bar in chart.bars], 1),
        "marker": {"color": BLUE},
        "customdata": [
            f"{bar.characteristic} {bar.limit or bar.bucket}: {counted(bar.ground_truths, 'ground truth')}"
            for bar in chart.bars
        ],
        "texttemplate": "%{y:.0f}",
        **_TEXT_ABOVE,
        "hovertemplate": "%{customdata}: %{y:.1f} %<extra></extra>",
    }
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": chart.total_percent, "y1": chart.total_percent}
    layout = {
        "xaxis": {"type": "multicategory", "showgrid": False, "dividerwidth": 0},
        "yaxis": from_zero(_subscript(chart.axis)),
        "shapes": [{**line, "line": {"color": ORANGE, "width": 2, "dash": "dash"}}],
        "margin": {"b": 70},
    }
    limits = [
        f"{name.capitalize()}: {', '.join(f'{bar.bucket} {bar.limit}' for bar in group)}."
        for name, group in groupby((bar for bar in chart.bars if bar.limit), key=lambda bar: bar.characteristic)
    ]
    text = " ".join((text, f"All: {chart.total_percent:.1f} %.", *limits))
    return Chart(key, title, text, {"data": [bars], "layout": layout})


def bar_trace(x: Sequence[str], y: Sequence[float | None], name: str, fill: Fill) -> dict[str, Any]:
    hatch = {"shape": fill.hatch, "fillmode": "overlay", "fgcolor": "rgba(0, 0, 0, 0.55)", "size": 7, "solidity": 0.2}
    marker = {"color": fill.colour, "pattern": hatch}
    hover = f"{name}: %{{y:.1f}} %<extra></extra>"
    return {"type": "bar", "x": [*x], "y": [*y], "name": name, "marker": marker, "hovertemplate": hover}


def _histogram_bars(edges: np.ndarray, heights: Sequence[float | None], width: float) -> dict[str, Any]:
    """Bars between ``edges (B + 1,)``, which take a fraction ``width`` of the room."""
    centres, widths = (edges[:-1] + edges[1:]) / 2, width * np.diff(edges)
    return {"type": "bar", "x": centres.tolist(), "y": [*heights], "width": widths.tolist(), "marker": {"color": BLUE}}


def categories(title: str = "") -> dict[str, Any]:
    return {"title": {"text": title}, "type": "category", "showgrid": False}


def from_zero(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "rangemode": "tozero"}


def percent(values: np.ndarray | Sequence[float | None], factor: float = 100) -> list[float | None]:
    """Values for the page, with two decimals; a factor of 1 for values that are percentages already."""
    return [None if value is None else round(factor * float(value), 2) for value in values]


def _subscript(text: str) -> str:
    return text.replace("_N", "<sub>N</sub>")
