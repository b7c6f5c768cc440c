"""What ``rcl crossval`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from rcl.cli.console import note, print_table
from rcl.cli.trainings_output import TrainingsPrinter
from rcl.data.annotations import Annotations
from rcl.evaluation.bootstrap import Repeated
from rcl.evaluation.out_of_fold import CrossValidation, Fold
from rcl.system.errors import counted, listed
from rcl.training.crossval import CrossvalObserver


class CrossvalPrinter(TrainingsPrinter, CrossvalObserver):
    """Prints how a cross-validation proceeds, on stderr.

    Args:
        subset: of the videos; ``None``: all labelled ones.
    """

    def __init__(self, subset: str | None = None) -> None:
        self.subset = subset

    def divided(self, annotations: Annotations, folds: Sequence[set[str]], left: int, count: int) -> None:
        """Print the numbers of videos, folds and trainings."""
        videos = counted(len(annotations.videos), "labelled video")
        done = f", {count - left} of which are finished" if left < count else ""
        whose = "whatever their subset" if self.subset is None else f"those of the subset {self.subset}"
        note(f"{videos}, {whose}, in {counted(len(folds), 'fold')}: {counted(count, 'training')}{done}.")


def print_crossval(result: CrossValidation, folder: Path) -> None:
    """Print the table of folds, what its last rows mean, and where the files are."""
    print_table(crossval_table(result))
    seeds, videos = len(result.seeds), counted(result.videos, "video")
    print("mean of folds: the numbers of the folds, averaged. Each fold is ranked by itself.")
    print(f"all folds pooled: one ranking of the detections in all {videos}, each by the detector that did not see it.")
    print("95 % interval: what other videos like these would change (bootstrap over the videos of the row).")
    if seeds > 1:
        print(f"±: half the distance from the lowest to the highest of {seeds} seeds.")
    else:
        print("One seed: how much the numbers change with the seed is unknown. Add --seeds 3.")
    print(f"results     {folder / 'crossval.json'}")
    print(f"detections  {folder / f'detections-seed-{result.seeds[0]}.json'}" + (" and others" if seeds > 1 else ""))
    print(f"labels      {folder / 'annotations.json'} (for rcl evaluate, diagnose and report of these detections)")


def crossval_table(result: CrossValidation) -> Table:
    """Average mAP of the folds, their mean, and of all folds pooled, in percent."""
    low, high = result.tiou_thresholds.min(), result.tiou_thresholds.max()
    table = Table(title=f"average mAP at tIoU {low:g} to {high:g}, of {counted(len(result.seeds), 'seed')}")
    for name in ("fold", "held out"):
        table.add_column(name)
    for name in ("videos", "instances", "average mAP %", "± seeds", "95 % interval"):
        table.add_column(name, justify="right")
    for number, fold in enumerate(result.folds, start=1):
        counts = (f"{len(fold.videos):,}", f"{fold.instances:,}")
        last = number == len(result.folds)
        table.add_row(str(number), escape(_held_out(fold)), *counts, *_cells(fold.score), end_section=last)
    table.add_row("mean of folds", "", "", "", *_cells(result.mean_of_folds))
    table.add_row(
        "all folds pooled", "", f"{result.videos:,}", f"{result.instances:,}", *_cells(result.pooled), style="bold"
    )
    return table


def _held_out(fold: Fold) -> str:
    return listed(fold.groups or fold.videos, 3)


def _cells(score: Repeated) -> tuple[str, str, str]:
    """The mean, the spread over seeds and the interval."""
    interval = score.interval
    spread = "–" if score.spread is None else f"{100 * score.spread:.1f}"
    limits = [f"{100 * limit:.1f}" for limit in (interval.low, interval.high) if limit is not None]
    return f"{100 * interval.value:.1f}", spread, " to ".join(limits) or "–"
