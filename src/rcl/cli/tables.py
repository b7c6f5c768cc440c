"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from rcl.evaluation.bootstrap import Comparison, Interval
from rcl.evaluation.characteristics import CHARACTERISTICS
from rcl.evaluation.diagnosis import KINDS, Diagnosis
from rcl.evaluation.frames import FrameEvaluation
from rcl.evaluation.leaderboard import Leaderboard
from rcl.evaluation.metrics import Evaluation
from rcl.system.errors import counted

if TYPE_CHECKING:
    from rcl.detector.contributions import Contributions


def evaluation_table(evaluation: Evaluation) -> Table:
    """mAP per tIoU threshold and its average, in percent, also of short instances if they were evaluated."""
    counts = evaluation.counts
    table = Table(
        title=f"{counted(counts['detections'], 'detection')}, {counted(counts['ground_truths'], 'instance')} "
        f"of {counted(len(evaluation.labels), 'action')} in {counted(counts['videos'], 'video')}"
    )
    table.add_column("mAP %")
    for threshold in evaluation.tiou_thresholds:
        table.add_column(f"tIoU {threshold:.2f}".removesuffix("0"), justify="right")
    table.add_column("average", justify="right", style="bold")
    table.add_row("all", *(f"{100 * value:.1f}" for value in (*evaluation.map_per_tiou, evaluation.average_map)))
    if evaluation.short_seconds is not None:
        name = f"up to {evaluation.short_seconds:g} s ({counts['short_ground_truths']})"
        values = evaluation.short_map_per_tiou
        row = ["–"] * (len(evaluation.tiou_thresholds) + 1) if values is None else [f"{100 * v:.1f}" for v in values]
        table.add_row(name, *row, *([] if values is None else [f"{100 * values.mean():.1f}"]))
    recall = evaluation.recall_at.average
    table.caption = (
        f"AR@{evaluation.recall_at.numbers[-1]:.0f}: {100 * recall[-1]:.1f} %, AUC {100 * evaluation.ar_auc:.1f} %"
    )
    return table


def contribution_table(contributions: Contributions) -> Table:
    """Average mAP of a detector with all its streams, without each, and with each alone, in percent."""
    table = Table(title=f"average mAP with all streams: {_percent(contributions.average_map)} %")
    table.add_column("stream")
    for title in ("without it %", "its part", "alone %"):
        table.add_column(title, justify="right")
    for name, without in contributions.without.items():
        part = 100 * (contributions.average_map - without)
        table.add_row(escape(name), _percent(without), f"{part:+.1f}", _percent(contributions.alone[name]))
    return table


def frame_table(evaluation: FrameEvaluation) -> Table:
    """Accuracy, Edit and F1 of frame labels, in percent, without and with segments of the background."""
    counts = evaluation.counts
    table = Table(
        title=f"{counted(counts['segments'], 'segment')}, {counted(counts['instances'], 'instance')} "
        f"in {counted(counts['frames'], 'frame')} of {counted(counts['videos'], 'video')}"
    )
    table.add_column("background")
    for name in ("accuracy %", "Edit %", *(f"F1@{100 * overlap:g} %" for overlap in evaluation.overlaps)):
        table.add_column(name, justify="right")
    rows = {"not in Edit and F1": evaluation.segments, "as a label": evaluation.all_segments}
    for name, measures in rows.items():
        table.add_row(name, *map(_percent, (evaluation.accuracy, measures.edit, *measures.f1)))
    table.caption = f"accuracy without frames of the background: {_percent(evaluation.action_accuracy)} %"
    return table


def comparison_table(comparison: Comparison) -> Table:
    """Average mAP of an earlier and a later detector on the same videos, and their difference, in percent."""
    videos, instances = counted(comparison.videos, "held-out video"), counted(comparison.instances, "instance")
    table = Table(title=f"the same {videos}, {instances}")
    table.add_column("detector")
    table.add_column("average mAP %", justify="right")
    table.add_column("95 % interval", justify="right")
    rows = {"earlier": comparison.earlier, "this one": comparison.later, "difference": comparison.difference}
    for name, interval in rows.items():
        table.add_row(name, *_interval(interval, "+" if name == "difference" else ""))
    return table


def leaderboard_table(board: Leaderboard) -> Table:
    """Average mAP with its interval, the difference from one detector, mAP per tIoU and AR@AN, in percent."""
    first = board.entries[board.against].evaluation
    videos, instances = counted(board.videos, "video"), counted(int(board.positives.sum()), "instance")
    table = Table(title=f"{videos}, {instances} of {counted(len(board.labels), 'action')}")
    table.add_column("detector")
    for title in ("average mAP %", "95 % interval", f"against {escape(board.against)}", "95 % interval"):
        table.add_column(title, justify="right")
    for threshold in first.tiou_thresholds:
        table.add_column(f"tIoU {threshold:.2f}".removesuffix("0"), justify="right")
    table.add_column(f"AR@{first.recall_at.numbers[-1]:.0f} %", justify="right")
    if first.short_seconds is not None:
        table.add_column(f"up to {first.short_seconds:g} s", justify="right")
    for name, entry in board.entries.items():
        one, short = entry.evaluation, [] if first.short_seconds is None else [entry.evaluation.short_map]
        others = [_percent(value) for value in (*one.map_per_tiou, one.recall_at.average[-1], *short)]
        change = ("", "") if entry.difference is None else _interval(entry.difference.average_map, "+")
        table.add_row(escape(name), *_interval(entry.measured.average_map), *change, *others)
    return table


def class_table(board: Leaderboard, *, most: int = 20) -> Table:
    """AP of each class and its difference from one detector, in percent, those that changed most first."""
    others = board.differences
    table = Table(title="AP per class, those that changed most first")
    table.add_column("class")
    table.add_column("instances", justify="right")
    table.add_column(f"{escape(board.against)}\nAP %", justify="right")
    for name in others:
        table.add_column(f"{escape(name)}\nAP %", justify="right")
        table.add_column("difference", justify="right")
        table.add_column("95 % interval", justify="right")
    for row in board.order[:most]:
        values = [_percent(board.entries[board.against].measured.ap[row].value)]
        for name, difference in others.items():
            values += [_percent(board.entries[name].measured.ap[row].value), *_interval(difference.ap[row], "+")]
        table.add_row(escape(board.labels[row]) or "(any action)", str(board.positives[row]), *values)
    if len(board.labels) > most:
        table.caption = f"the first {most} of {len(board.labels)} classes; --json and --report have all"
    return table


def _interval(interval: Interval, sign: str = "") -> tuple[str, str]:
    """A measure and the limits of its interval, in percent."""
    limits = [f"{100 * limit:{sign}.1f}" for limit in (interval.low, interval.high) if limit is not None]
    return f"{100 * interval.value:{sign}.1f}", " to ".join(limits) or "–"


def bucket_table(diagnoses: Mapping[str, Diagnosis]) -> Table:
    """mAP_N and missed instances per bucket, in percent, of detectors side by side."""
    first = next(iter(diagnoses.values()))
    counts, thresholds = first.counts, first.tiou_thresholds
    table = Table(
        title=f"{counted(counts['ground_truths'], 'instance')} of {counted(len(first.labels), 'action')}, "
        f"tIoU {thresholds[0]:g}" + (f" to {thresholds[-1]:g}" if len(thresholds) > 1 else "")
    )
    table.add_column("characteristic")
    table.add_column("bucket")
    table.add_column("range", justify="right")
    table.add_column("instances", justify="right")
    for name in diagnoses:
        prefix = f"{escape(name)}\n" if len(diagnoses) > 1 else ""
        table.add_column(f"{prefix}mAP_N %", justify="right")
        table.add_column(f"{prefix}missed %", justify="right")
    missed = [diagnosis.false_negatives.missed.mean() for diagnosis in diagnoses.values()]
    base = [diagnosis.average_mAP_N for diagnosis in diagnoses.values()]
    everything = [value for pair in zip(base, missed, strict=True) for value in pair]
    table.add_row("all", "", "", str(counts["ground_truths"]), *map(_percent, everything), end_section=True)
    for one in first.characteristics:
        columns = [
            (diagnosis.sensitivity[one.name].average_mAP_N, diagnosis.false_negatives.rates(one))
            for diagnosis in diagnoses.values()
        ]
        for row, (bucket, limit, count) in enumerate(zip(one.buckets, one.limits, one.counts, strict=True)):
            values = [_percent(rates[bucket]) for pair in columns for rates in pair]
            title = "" if row else CHARACTERISTICS[one.name]
            table.add_row(title, bucket, limit, str(count), *values, end_section=row == len(one.buckets) - 1)
    return table


def error_table(diagnoses: Mapping[str, Diagnosis]) -> Table:
    """Kinds of the best 10·G detections of every class, and the cost of each kind of error, in percent."""
    table = Table(title="best 10·G detections of every class (G: its ground truths)")
    table.add_column("kind")
    for name in diagnoses:
        prefix = f"{escape(name)}\n" if len(diagnoses) > 1 else ""
        table.add_column(f"{prefix}share %", justify="right")
        table.add_column(f"{prefix}mAP_N gained without", justify="right")
    for kind in KINDS:
        values = []
        for diagnosis in diagnoses.values():
            gain = diagnosis.false_positives.gains.get(kind)
            values += [_percent(diagnosis.false_positives.fractions[kind]), "" if gain is None else _percent(gain)]
        table.add_row(kind.replace("_", " "), *values)
    return table


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
