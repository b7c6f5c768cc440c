"""Time budgets and agreements as tables for a terminal."""

from __future__ import annotations

import math

from rich.markup import escape
from rich.table import Table

from rcl.evaluation.agreement import Agreement, LabelAgreement
from rcl.evaluation.bootstrap import Interval
from rcl.evaluation.time_budget import TimeBudget
from rcl.system.errors import counted

_MOST_ROWS = 60


def budget_table(budget: TimeBudget) -> Table:
    """Count, time, share and latency of each label in each group: means over its videos, with standard deviations."""
    grouped, total = budget.groups != ("",), int(budget.count.sum())
    videos = counted(len(budget.videos), "video")
    table = Table(title=f"{counted(total, 'instance')} in {videos}: mean ± SD over videos")
    if grouped:
        table.add_column("group")
    table.add_column("label")
    for name in ("instances", "per video", "seconds in a video", "share %", "seconds each", "latency s"):
        table.add_column(name, justify="right")
    rows = 0
    for group, title in enumerate(budget.groups):
        spreads, count = budget.of_group(group), budget.count[budget.group_index == group].sum(axis=0)
        for place, label in enumerate(budget.labels[: _MOST_ROWS - rows]):
            measures = ("count", "total_seconds", "share", "mean_seconds", "latency_seconds")
            values = [(float(spreads[name].mean[place]), float(spreads[name].deviation[place])) for name in measures]
            values[2] = (100 * values[2][0], 100 * values[2][1])
            named = [escape(title) or "(no group)"] if grouped and not place else [""] * grouped
            cells = [*named, escape(label), str(count[place]), *(_spread(*each) for each in values)]
            table.add_row(*cells, end_section=place == len(budget.labels) - 1)
            rows += 1
    if rows < len(budget.groups) * len(budget.labels):
        table.caption = f"the first {rows} of {len(budget.groups) * len(budget.labels)} rows; group_budget.csv has all"
    return table


def _spread(mean: float, deviation: float) -> str:
    if math.isnan(mean):
        return "–"
    return f"{mean:.1f}" if math.isnan(deviation) else f"{mean:.1f} ± {deviation:.1f}"


# -- agreement ---------------------------------------------------------------------------------------------------


def agreement_table(found: Agreement) -> Table:
    """Matched instances, F1, tIoU, differences of the ends and kappa of each label, and of all together."""
    table = Table(title=f"{counted(len(found.videos), 'video')}, instances match from tIoU {found.tiou:g} on")
    table.add_column("label")
    for name in ("A", "B", "both", "F1 %", "95 %", "tIoU", "|Δ start| s", "|Δ end| s", "kappa", "95 %"):
        table.add_column(name, justify="right")
    for label, one in zip(found.labels, found.per_label, strict=True):
        table.add_row(escape(label), *_agreement_cells(one))
    table.add_section()
    table.add_row("all together", *_agreement_cells(found.total), style="bold")
    table.caption = f"kappa: of {found.frames:,} frames, {found.fps:g} per second; all together with the background"
    return table


def _agreement_cells(one: LabelAgreement) -> list[str]:
    ends = one.differences
    numbers = (ends.tiou, ends.absolute_start_seconds, ends.absolute_end_seconds)
    counts = map(str, (one.first, one.second, one.matched))
    means = (_decimal(number, 2) for number in numbers)
    return [*counts, *_limited(one.f1, 100, 1), *means, *_limited(one.kappa, 1, 2)]


def _limited(interval: Interval, scale: float, digits: int) -> tuple[str, str]:
    """A measure and the limits of its interval."""
    limits = [_decimal(scale * limit, digits) for limit in (interval.low, interval.high) if limit is not None]
    return _decimal(scale * interval.value, digits), " to ".join(limits) or "–"


def _decimal(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def confusion_table(found: Agreement, *, most: int = 10) -> Table | None:
    """The pairs of labels that annotators confuse most: instances that match in time but not in their label."""
    names, size = found.labels, len(found.labels)
    pairs = [
        (count, names[row], names[column])
        for row, counts in enumerate(found.confusion[:size, :size].tolist())
        for column, count in enumerate(counts)
        if count and row != column
    ]
    if not pairs:
        return None
    table = Table(title="the same time, another label")
    table.add_column("A says")
    table.add_column("B says")
    table.add_column("instances", justify="right")
    for count, one, other in sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:most]:
        table.add_row(escape(one), escape(other), str(count))
    if len(pairs) > most:
        table.caption = f"the first {most} of {len(pairs)} pairs; --output has all"
    return table
