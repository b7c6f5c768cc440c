"""Time budgets as rows of tables, for spreadsheets and statistics. What is unknown or undefined is an empty cell."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from rcl.evaluation.time_budget import TimeBudget

Row = tuple[object, ...]

_MEASURES = ("count", "total_seconds", "share", "mean_seconds", "median_seconds", "latency_seconds", "rate_per_minute")
_OF_GROUPS = tuple(name for name in _MEASURES if name != "median_seconds")


def video_rows(budget: TimeBudget) -> Iterator[Row]:
    """A header, then a row for each video and label, also for labels that the video does not have."""
    yield ("video", "group", "label", *_MEASURES, "video_seconds", "reviewed_seconds")
    columns = [budget.measures[name].ravel().tolist() for name in _MEASURES]
    size = len(budget.labels)
    for cell, values in enumerate(zip(*columns, strict=True)):
        video, label = divmod(cell, size)
        group = budget.groups[budget.group_index[video]]
        seconds = float(budget.durations_seconds[video]), float(budget.reviewed_seconds[video])
        yield (budget.videos[video], group, budget.labels[label], *map(_cell, (*values, *seconds)))


def group_rows(budget: TimeBudget) -> Iterator[Row]:
    """A header, then a row for each group and label: mean and standard deviation of each measure over its videos."""
    names = [name for measure in _OF_GROUPS for name in (f"mean_{measure}", f"sd_{measure}")]
    yield ("group", "label", "videos", "videos_with_it", "instances", *names)
    for group, title in enumerate(budget.groups):
        own = budget.group_index == group
        spreads, count = budget.of_group(group), budget.count[own]
        columns = [column.tolist() for name in _OF_GROUPS for column in spreads[name]]
        totals = zip((count > 0).sum(axis=0).tolist(), count.sum(axis=0).tolist(), strict=True)
        for label, total, *values in zip(budget.labels, totals, *columns, strict=True):
            yield (title, label, int(own.sum()), *total, *map(_cell, values))


def transition_rows(budget: TimeBudget) -> Iterator[Row]:
    """A header, then a row for each pair of labels that follow each other in a group."""
    yield ("group", "from", "to", "count", "probability")
    found = budget.transitions
    for group, start, end, count, probability in zip(*(np.asarray(column).tolist() for column in found), strict=True):
        yield (budget.groups[group], budget.labels[start], budget.labels[end], count, probability)


def _cell(value: float) -> object:
    return "" if math.isnan(value) else value
