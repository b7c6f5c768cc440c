"""Charts of a report, as Plotly figures in plain dictionaries. The page gives them the colours of its theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rcl.evaluation import Evaluation
from rcl.evaluation.characteristics import CHARACTERISTICS
from rcl.evaluation.diagnosis import BANDS, KINDS, Diagnosis, Rates
from rcl.web.report.summary import CALIBRATION_TIOU, Calibration, Summary

# Okabe and Ito's colours, which people with any colour vision tell apart.
_BLUE, _ORANGE = "#0072B2", "#E69F00"
KIND_COLOURS = dict(zip(KINDS, ("#009E73", "#56B4E9", "#CC79A7", "#E69F00", "#D55E00", "#8A8A8A"), strict=True))
_KIND_SHAPES = dict(zip(KINDS, ("", "/", ".", "\\", "x", "-"), strict=True))


class Chart(NamedTuple):
    """A figure and what is said about it.

    Args:
        key: its id in the page.
        title: above it.
        text: below it, for those who see it and those who do not.
        figure: ``data`` and ``layout`` of Plotly.
    """

    key: str
    title: str
    text: str
    figure: dict[str, Any]


def summary_charts(summary: Summary) -> list[Chart]:
    """The charts of the first section."""
    if summary.evaluation is None or summary.calibration is None:
        return [_histogram(summary)]
    return [_map(summary.evaluation), _recall(summary.evaluation), _calibration(summary.calibration)]


def error_charts(diagnosis: Diagnosis) -> list[Chart]:
    """The charts of DETAD: false positives, what they cost, sensitivity, false negatives."""
    negatives = diagnosis.false_negatives
    missed = float(negatives.missed.mean())
    rates = {one.name: negatives.rates(one) for one in diagnosis.characteristics}
    return [
        _profile(diagnosis),
        _gains(diagnosis),
        _by_bucket(
            "sensitivity",
            "On which actions it is good",
            "Average mAP<sub>N</sub> (%)",
            diagnosis,
            {name: one.average_mAP_N for name, one in diagnosis.sensitivity.items()},
            diagnosis.average_mAP_N,
            "Average normalized mAP on the ground truths of each bucket alone; the dashed line is that of all.",
        ),
        _by_bucket(
            "false-negatives",
            "Which actions are missed",
            "missed (%)",
            diagnosis,
            rates,
            missed,
            "Share of the ground truths of each bucket that no detection finds at a normalized precision above 5 %; "
            "the dashed line is that of all.",
        ),
    ]


def _map(evaluation: Evaluation) -> Chart:
    ticks = [f"{threshold:g}" for threshold in evaluation.tiou_thresholds.round(3).tolist()]
    data = [_bar(ticks, _percent(evaluation.map_per_tiou), "all", _BLUE)]
    text = f"Average {100 * evaluation.average_map:.1f} %."
    if evaluation.short_map_per_tiou is not None and evaluation.short_map is not None:
        name = f"up to {evaluation.short_seconds:g} s"
        data.append(_bar(ticks, _percent(evaluation.short_map_per_tiou), name, _ORANGE, shape="/"))
        count = evaluation.counts["short_ground_truths"]
        text += f" On the {count} actions of {name}: {100 * evaluation.short_map:.1f} %."
    layout = {
        "xaxis": {"title": {"text": "tIoU"}, "type": "category", "showgrid": False},
        "yaxis": _percent_axis("mAP (%)"),
    }
    return Chart("map", "Mean average precision", text, {"data": data, "layout": layout})


def _recall(evaluation: Evaluation) -> Chart:
    curve = evaluation.recall_at
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": curve.numbers.round(2).tolist(),
        "y": _percent(curve.average),
        "line": {"color": _BLUE, "width": 2.5},
        "hovertemplate": "%{x:.0f} per video: %{y:.1f} %<extra></extra>",
    }
    layout = {"xaxis": {"title": {"text": "detections per video (AN)"}}, "yaxis": _percent_axis("AR (%)")}
    text = (
        "Average recall over tIoU 0.5 to 0.95 against the average number of detections per video, whatever their "
        f"label. AR@{curve.numbers[-1]:.0f} {100 * curve.average[-1]:.1f} %, AUC {100 * curve.auc:.1f} %."
    )
    return Chart("recall", "Average recall", text, {"data": [line], "layout": layout})


def _calibration(calibration: Calibration) -> Chart:
    edges = calibration.edges
    centres, widths = ((edges[:-1] + edges[1:]) / 2).tolist(), np.diff(edges).tolist()
    right, counts = calibration.right.tolist(), calibration.counts.tolist()
    bars = {
        "type": "bar",
        "name": "right",
        "x": centres,
        "y": [None if share is None else round(100 * share, 2) for share in calibration.precision],
        "width": [0.92 * width for width in widths],
        "marker": {"color": _BLUE},
        "customdata": [[*pair] for pair in zip(right, counts, strict=True)],
        "text": [f"{count}" if count else "" for count in counts],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{customdata[0]} of %{customdata[1]} right: %{y:.1f} %<extra></extra>",
        "showlegend": False,
    }
    data: list[dict[str, Any]] = [bars]
    text = f"Share of right detections at tIoU {CALIBRATION_TIOU:g}, by score; above each bar how many there are."
    if calibration.error is not None:
        line = {"color": _ORANGE, "width": 2, "dash": "dash"}
        ideal = {"type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 100], "line": line, "hoverinfo": "skip"}
        data.append({**ideal, "name": "score = precision", "showlegend": False})
        off = f"{100 * calibration.error:.1f} %"
        text += f" On the dashed line a score would be a probability; they are {off} off on average."
    layout = {
        "xaxis": {"title": {"text": "score"}, "range": [float(edges[0]), float(edges[-1])]},
        "yaxis": {**_percent_axis("right (%)"), "range": [0, 112], "tickvals": [0, 25, 50, 75, 100]},
    }
    return Chart("calibration", "What scores mean", text, {"data": data, "layout": layout})


def _histogram(summary: Summary) -> Chart:
    edges, counts = summary.histogram
    bars = {
        "type": "bar",
        "x": ((edges[:-1] + edges[1:]) / 2).tolist(),
        "y": counts.tolist(),
        "width": np.diff(edges).tolist(),
        "marker": {"color": _BLUE},
        "hovertemplate": "around %{x:.3f}: %{y}<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "score"}, "range": [float(edges[0]), float(edges[-1])]},
        "yaxis": {"title": {"text": "detections"}, "rangemode": "tozero"},
    }
    text = "How many detections have which score. With annotations, this page would say how many of them are right."
    return Chart("scores", "Scores", text, {"data": [bars], "layout": layout})


def _profile(diagnosis: Diagnosis) -> Chart:
    bands = diagnosis.false_positives.band_fractions
    ranks = [f"{band + 1}G" for band in range(BANDS)]
    data = [
        _bar(ranks, [_percentage(band[kind]) for band in bands], _spelt(kind), KIND_COLOURS[kind], _KIND_SHAPES[kind])
        for kind in KINDS
    ]
    layout = {
        "barmode": "stack",
        "xaxis": {
            "title": {"text": "rank within the class (G: its ground truths)"},
            "type": "category",
            "showgrid": False,
        },
        "yaxis": {**_percent_axis("share (%)"), "range": [0, 100]},
        "legend": {"traceorder": "normal"},
    }
    text = (
        "What the best G detections of each class are, the next G, and so on. Double detection: of a ground truth that "
        "a better-scored one has. Wrong label: the segment fits, the label does not. Localization: right label, but "
        "the segment does not fit well enough. Confusion: neither. Background: no ground truth is near."
    )
    return Chart("false-positives", "What wrong detections are", text, {"data": data, "layout": layout})


def _gains(diagnosis: Diagnosis) -> Chart:
    data = []
    for kind, gain in diagnosis.false_positives.gains.items():
        bar = _bar([_spelt(kind)], [round(100 * gain, 2)], _spelt(kind), KIND_COLOURS[kind], _KIND_SHAPES[kind])
        data.append({**bar, "texttemplate": "%{y:.1f}", "textposition": "outside", "cliponaxis": False})
    layout = {
        "barmode": "overlay",
        "showlegend": False,
        "xaxis": {"type": "category", "showgrid": False},
        "yaxis": {"title": {"text": "average mAP<sub>N</sub> gained (%)"}},
    }
    text = "By how much the average normalized mAP would grow if there were no errors of this kind."
    return Chart("gains", "What each kind of error costs", text, {"data": data, "layout": layout})


def _by_bucket(
    key: str,
    title: str,
    axis: str,
    diagnosis: Diagnosis,
    values: Mapping[str, Rates],
    base: float,
    text: str,
) -> Chart:
    """Bars of the buckets of all characteristics, side by side, and a line for all ground truths."""
    groups, buckets, heights, hover = [], [], [], []
    for one in diagnosis.characteristics:
        for bucket, limit, count in zip(one.buckets, one.limits, one.counts.tolist(), strict=True):
            groups.append(CHARACTERISTICS[one.name])
            buckets.append(bucket)
            heights.append(_percentage(values[one.name][bucket]))
            hover.append(f"{CHARACTERISTICS[one.name]} {limit}: {count} ground truths")
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 100 * base, "y1": 100 * base}
    bars = {
        "type": "bar",
        "x": [groups, buckets],
        "y": heights,
        "marker": {"color": _BLUE},
        "customdata": hover,
        "texttemplate": "%{y:.0f}",
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{customdata}: %{y:.1f} %<extra></extra>",
    }
    layout = {
        "xaxis": {"type": "multicategory", "showgrid": False, "dividerwidth": 0},
        "yaxis": _percent_axis(axis),
        "shapes": [{**line, "line": {"color": _ORANGE, "width": 2, "dash": "dash"}}],
        "margin": {"b": 70},
    }
    text += f" Of all: {100 * base:.1f} %. " + " ".join(
        f"{CHARACTERISTICS[one.name].capitalize()}: "
        + ", ".join(f"{bucket} {limit}" for bucket, limit in zip(one.buckets, one.limits, strict=True))
        + "."
        for one in diagnosis.characteristics
        if not one.name.startswith("context")
    )
    return Chart(key, title, text, {"data": [bars], "layout": layout})


def _bar(x: Sequence[str], y: Sequence[float | None], name: str, colour: str, shape: str = "") -> dict[str, Any]:
    marker = {"color": colour, "pattern": _hatch(shape)}
    hover = f"{name}: %{{y:.1f}} %<extra></extra>"
    return {"type": "bar", "x": [*x], "y": [*y], "name": name, "marker": marker, "hovertemplate": hover}


def _hatch(shape: str) -> dict[str, Any]:
    return {"shape": shape, "fillmode": "overlay", "fgcolor": "rgba(0, 0, 0, 0.55)", "size": 7, "solidity": 0.2}


def _percent_axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "rangemode": "tozero"}


def _percent(values: np.ndarray) -> list[float]:
    return [round(100 * value, 2) for value in values.tolist()]


def _percentage(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 2)


def _spelt(kind: str) -> str:
    return kind.replace("_", " ")
