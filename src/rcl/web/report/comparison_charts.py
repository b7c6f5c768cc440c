"""Charts of a page that compares detectors, as Plotly figures in plain dictionaries."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from rcl.data.colours import BLUE, GREEN, ORANGE, PURPLE, RED, SKY
from rcl.evaluation.bootstrap import Interval
from rcl.evaluation.chart_data import Fill
from rcl.evaluation.leaderboard import Leaderboard
from rcl.web.report.charts import Chart, bar_trace, categories, from_zero, percent

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
_HATCHES = ("", "/", ".", "\\", "x", "-")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_MOST_CLASSES = 30
_ROW, _REST = 17, 110  # pixels of the chart of classes: for each interval, and for the axis and the legend
_LONGEST = 28  # letters of the name of a class


def summary_charts(board: Leaderboard) -> list[Chart]:
    """mAP per tIoU and average recall of all detectors."""
    return [_map(board), _recall(board)]


def class_charts(board: Leaderboard) -> list[Chart]:
    """The differences of AP, of the classes that changed most."""
    rows = board.order[:_MOST_CLASSES][::-1]  # Plotly begins at the bottom
    names = [_shortened(board.labels[row] or "(any action)") for row in rows]
    several = len(board.differences) > 1
    colours = dict(zip(board.entries, cycle(_COLOURS)))  # a detector has the same one in every chart
    data = [
        _points([one.ap[row] for row in rows], name, colours[name], shift=(place + 0.5) / len(board.differences) - 0.5)
        for place, (name, one) in enumerate(board.differences.items())
    ]
    height = _ROW * len(rows) * max(len(data), 1.4) + _REST
    axis = {
        "tickmode": "array",
        "tickvals": [*range(len(rows))],
        "ticktext": names,
        "showgrid": False,
        "zeroline": False,
    }
    layout = {
        "height": round(height),
        "showlegend": several,
        "xaxis": {"title": {"text": f"difference of AP from {board.against} (points)"}, "zerolinewidth": 2},
        "yaxis": {**axis, "range": [-0.7, len(rows) - 0.3]},
    }
    text = "Points are differences of AP, averaged over the tIoU thresholds; lines are 95 % intervals. A filled point: "
    text += "its interval does not contain 0."
    if len(board.labels) > _MOST_CLASSES:
        text += f" The {_MOST_CLASSES} of {len(board.labels)} classes that changed most; the table below has all."
    return [Chart("changes", "What changed most", text, {"data": data, "layout": layout})]


def _points(changes: list[Interval], name: str, colour: str, *, shift: float) -> dict[str, Any]:
    """A detector's differences with their intervals, one above the other, moved by a part of the row."""
    low = [one.value if one.low is None else one.low for one in changes]
    high = [one.value if one.high is None else one.high for one in changes]
    texts = [
        f"{name}: {100 * one.value:+.1f} points"
        + ("" if one.low is None or one.high is None else f" ({100 * one.low:+.1f} to {100 * one.high:+.1f})")
        for one in changes
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": percent([one.value for one in changes]),
        "y": [round(row - 0.7 * shift, 3) for row in range(len(changes))],
        "marker": {
            "size": 9,
            "color": colour,
            "symbol": ["circle" if one.sign else "circle-open" for one in changes],
            "line": {"width": 2, "color": colour},
        },
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": percent([limit - one.value for one, limit in zip(changes, high, strict=True)]),
            "arrayminus": percent([one.value - limit for one, limit in zip(changes, low, strict=True)]),
            "color": colour,
            "thickness": 1.5,
            "width": 3,
        },
        "customdata": texts,
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _map(board: Leaderboard) -> Chart:
    ticks = [f"{threshold:g}" for threshold in board.thresholds.round(3).tolist()]
    data = [
        bar_trace(ticks, percent(entry.evaluation.map_per_tiou), name, Fill(colour, hatch))
        for (name, entry), colour, hatch in zip(board.entries.items(), cycle(_COLOURS), cycle(_HATCHES))
    ]
    averages = [f"{name} {100 * entry.evaluation.average_map:.1f} %" for name, entry in board.entries.items()]
    layout = {"xaxis": categories("tIoU"), "yaxis": from_zero("mAP (%)")}
    text = f"On average: {', '.join(averages)}."
    return Chart("map", "Mean average precision", text, {"data": data, "layout": layout})


def _recall(board: Leaderboard) -> Chart:
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": entry.evaluation.recall_at.numbers.round(2).tolist(),
            "y": percent(entry.evaluation.recall_at.average),
            "line": {"color": colour, "width": 2.5, "dash": dash},
            "hovertemplate": f"{name}, %{{x:.0f}} per video: %{{y:.1f}} %<extra></extra>",
        }
        for (name, entry), colour, dash in zip(board.entries.items(), cycle(_COLOURS), cycle(_DASHES))
    ]
    layout = {"xaxis": {"title": {"text": "detections per video (AN)"}}, "yaxis": from_zero("AR (%)")}
    text = (
        "Average recall over tIoU 0.5 to 0.95 against the average number of detections per video, whatever their label."
    )
    return Chart("recall", "Average recall", text, {"data": data, "layout": layout})


def _shortened(name: str) -> str:
    half = (_LONGEST - 1) // 2
    return name if len(name) <= _LONGEST else f"{name[:half]}…{name[-half:]}"
