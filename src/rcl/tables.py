"""Results as tables for a terminal."""

from __future__ import annotations

from rich.table import Table

from rcl.evaluation.metrics import Evaluation


def evaluation_table(evaluation: Evaluation) -> Table:
    """mAP per tIoU threshold and its average, in percent; on short instances too, where they were asked for."""
    counts = evaluation.counts
    table = Table(
        title=f"{counts['detections']} detections, {counts['ground_truths']} instances of {len(evaluation.labels)} "
        f"actions in {counts['videos']} videos"
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
