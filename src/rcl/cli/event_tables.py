"""Event scores and operating points as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from rcl.evaluation.events import Events, Measures
from rcl.system.errors import counted

if TYPE_CHECKING:
    from rcl.training.calibrate import Calibrated


def event_table(events: Events, thresholds: Mapping[str, float | None] | None = None) -> Table:
    """Precision, recall and F1 of every class and their averages, in percent, and the thresholds if they are given."""
    table = Table(title=f"detections as a list, right from tIoU {events.tiou:g} on")
    table.add_column("class")
    if thresholds is not None:
        table.add_column("threshold", justify="right")
    for name in ("instances", "detections", "precision %", "recall %", "F1 %"):
        table.add_column(name, justify="right")
    counts = zip(events.instances.tolist(), events.found.tolist(), strict=True)
    for label, numbers, row in zip(events.labels, counts, zip(*events.per_class, strict=True), strict=True):
        limit = [] if thresholds is None else [_threshold(thresholds.get(label))]
        table.add_row(escape(label), *limit, *map(str, numbers), *_percent(Measures(*row)))
    table.add_section()
    blank = [] if thresholds is None else [""]
    total = str(int(events.instances.sum())), str(int(events.found.sum()) + events.of_other_labels)
    table.add_row("all together (micro)", *blank, *total, *_percent(events.micro), style="bold")
    table.add_row("mean of the classes (macro)", *blank, "", "", *_percent(events.macro))
    if thresholds is None and events.calibration_error is not None:
        table.caption = f"expected calibration error of the scores: {100 * events.calibration_error:.1f} %"
    return table


def ranking_hint(events: Events) -> str:
    """What to do with a ranking, of which there are more detections than things happened."""
    found, instances = int(events.found.sum()) + events.of_other_labels, int(events.instances.sum())
    score, f1 = events.best_single or (0.0, 0.0)
    return (
        f"{counted(found, 'detection')} for {counted(instances, 'instance')} are a ranking. Those with a score of at "
        f"least {score:.2f} would have an F1 (micro) of {100 * f1:.1f} %, the best that one threshold gives here; "
        "rcl detect --decide keeps a list."
    )


def points_summary(calibrated: Calibrated) -> list[str]:
    """What the operating points of a detector are worth, a sentence each."""
    same, other = calibrated.same, calibrated.other
    lines = [f"Event F1 at the thresholds, tIoU {same.tiou:g}: {_f1(same)} on the videos on which they were chosen."]
    if other:
        lines.append(f"Where the other videos choose for each video, as for new videos: {_f1(other)}.")
    before, after = ("unknown" if error is None else f"{100 * error:.1f} %" for error in calibrated.calibration_error)
    return [*lines, f"Expected calibration error of the scores: {before} as they are, {after} calibrated."]


def _f1(events: Events) -> str:
    return f"{100 * events.micro.f1:.1f} % (micro), {100 * events.macro.f1:.1f} % (macro)"


def _threshold(score: float | None) -> str:
    return "none reaches it" if score is None else f"{score:.2f}"


def _percent(measures: Measures) -> list[str]:
    return [f"{100 * value:.1f}" for value in measures]
