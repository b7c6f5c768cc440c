"""Time budgets: how often, how long and when each action happens, per video and per group of videos.

The measures are those of behavioural observation (Martin and Bateson, *Measuring Behaviour*): frequency, duration,
latency, and the transitions from one action to the next. They are computed over the reviewed time alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.reviewed import clipped, contains
from rcl.system.errors import InputError

_OVERLAPPING = 1.25  # lengths of the instances of a label, in units of the time in which it happens


class Spread(NamedTuple):
    """A mean over videos and its standard deviation (n − 1), each ``(L,)``; NaN where too few videos have the value."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def over_videos(cls, values: np.ndarray) -> Spread:
        """Of ``values (V, L)``, in which NaN is no value."""
        known = np.isfinite(values)
        number = known.sum(axis=0)  # (L,)
        none = np.full(values.shape[1], np.nan)
        mean = np.divide(np.where(known, values, 0).sum(axis=0), number, out=none.copy(), where=number > 0)
        squares = np.where(known, (values - mean) ** 2, 0).sum(axis=0)
        return cls(mean, np.sqrt(np.divide(squares, number - 1, out=none, where=number > 1)))


class Transitions(NamedTuple):
    """How often one action starts next after another, as columns; only pairs that occur.

    Args:
        group_index: ``(P,)`` int64, position in the groups of the budget.
        from_index: ``(P,)`` int64, position in its labels.
        to_index: ``(P,)`` int64, likewise.
        number: ``(P,)`` int64.
        probability: ``(P,)``, the number as a share of all transitions from that label in the group.
    """

    group_index: np.ndarray
    from_index: np.ndarray
    to_index: np.ndarray
    number: np.ndarray
    probability: np.ndarray

    def matrix(self, group: int, labels: int) -> np.ndarray:
        """The probabilities in one group: ``(L, L)``, from the row to the column; NaN in a row without any."""
        own = self.group_index == group
        table = np.zeros((labels, labels))
        table[self.from_index[own], self.to_index[own]] = self.probability[own]
        table[~table.any(axis=1)] = np.nan
        return table


@dataclass(frozen=True, eq=False)
class TimeBudget:
    """The result of :func:`time_budget`: every column per video and label, also for labels that a video does not have.

    Args:
        videos: ``V`` names.
        groups: the ``G`` distinct groups, sorted; the empty one is that of videos without a group.
        group_index: ``(V,)`` int64, position in ``groups``.
        labels: ``L`` names, sorted.
        durations_seconds: ``(V,)``, NaN if unknown.
        reviewed_seconds: ``(V,)``, how much of each video was reviewed; NaN if it was all of it and its duration is
            unknown.
        count: ``(V, L)`` int64, instances; one without a length is an event, and counts.
        total_seconds: ``(V, L)``, the time in which the action happens: instances of one label that overlap do not
            count twice.
        mean_seconds: ``(V, L)``, mean length of an instance; NaN without one that has a length.
        median_seconds: ``(V, L)``, likewise.
        latency_seconds: ``(V, L)``, from the start of the video to the first instance; NaN if there is none, or if not
            everything before it was reviewed, since there may be an earlier one.
        points: instances without a length.
        overlap: lengths of all instances as a multiple of ``total_seconds``; 1 if those of a label never overlap.
        transitions: from one start to the next, where everything between the two was reviewed.
    """

    videos: tuple[str, ...]
    groups: tuple[str, ...]
    group_index: np.ndarray
    labels: tuple[str, ...]
    durations_seconds: np.ndarray
    reviewed_seconds: np.ndarray
    count: np.ndarray
    total_seconds: np.ndarray
    mean_seconds: np.ndarray
    median_seconds: np.ndarray
    latency_seconds: np.ndarray
    points: int
    overlap: float
    transitions: Transitions

    @property
    def share(self) -> np.ndarray:
        """``(V, L)``, the time of the action as a share of the reviewed time; NaN where that is unknown or 0."""
        return self._per_second(self.total_seconds)

    @property
    def rate_per_minute(self) -> np.ndarray:
        """``(V, L)``, instances per reviewed minute; NaN where the reviewed time is unknown or 0."""
        return 60 * self._per_second(self.count)

    def _per_second(self, values: np.ndarray) -> np.ndarray:
        seconds = np.where(self.reviewed_seconds > 0, self.reviewed_seconds, np.nan)  # (V,)
        return values / seconds[:, None]

    @cached_property
    def measures(self) -> Mapping[str, np.ndarray]:
        """The columns by their names, each ``(V, L)``."""
        return {
            "count": self.count,
            "total_seconds": self.total_seconds,
            "share": self.share,
            "mean_seconds": self.mean_seconds,
            "median_seconds": self.median_seconds,
            "latency_seconds": self.latency_seconds,
            "rate_per_minute": self.rate_per_minute,
        }

    @property
    def looks_like_a_ranking(self) -> bool:
        """Whether instances of one label overlap so much that they are guesses of a detector, not what happened."""
        return self.overlap > _OVERLAPPING

    def of_group(self, group: int) -> dict[str, Spread]:
        """Mean and standard deviation of every measure over the videos of a group.

        In ``count``, ``total_seconds``, ``share`` and ``rate_per_minute``, a video without the action counts as 0; in
        the others it does not count.
        """
        own = self.group_index == group
        return {name: Spread.over_videos(values[own]) for name, values in self.measures.items()}


def time_budget(annotations: Annotations) -> TimeBudget:
    """Count, duration, latency and transitions of every action in every video of which anything was reviewed.

    Transitions go from each instance to the one that starts next in the same video, whether or not the first has ended;
    of equal starts, the earlier end comes first, then the label by the alphabet. Between starts of different reviewed
    intervals there is no transition, since what happened between them is unknown.

    >>> from rcl.data.annotations import VideoAnnotation
    >>> times = np.array([[1.0, 3.0], [2.0, 4.0], [6.0, 6.0]])
    >>> budget = time_budget(Annotations({"v": VideoAnnotation("v", "training", 10.0, None, times, ("a", "a", "b"))}))
    >>> budget.count.tolist(), budget.total_seconds.tolist(), budget.mean_seconds.tolist()
    ([[2, 1]], [[3.0, 0.0]], [[2.0, nan]])

    Args:
        annotations: inside their videos, see :func:`rcl.data.annotations.clip`; the group of each video is its own.

    Raises:
        InputError: there is no instance.
    """
    videos, labels = [video for video in annotations.videos.values() if _was_reviewed(video)], annotations.labels
    if not labels:
        where, fix = annotations.source, "give a file with some, or a lower --min-score"
        raise InputError(where, expected="labelled segments", found="none", fix=fix)
    groups = tuple(sorted({video.group or "" for video in videos}))
    group_index = np.array([groups.index(video.group or "") for video in videos])
    position = {label: index for index, label in enumerate(labels)}
    video = np.repeat(np.arange(len(videos)), [len(one.labels) for one in videos])  # (N,)
    label = np.array([position[name] for one in videos for name in one.labels], dtype=np.int64)  # (N,)
    segments = np.concatenate([one.segments_seconds.reshape(-1, 2) for one in videos])  # (N, 2)
    cells, shape = video * len(labels) + label, (len(videos), len(labels))
    lengths, interval = segments[:, 1] - segments[:, 0], np.concatenate([_intervals(one) for one in videos])
    total = np.bincount(cells, _gained(segments, cells), minlength=np.prod(shape)).reshape(shape)
    mean, median = (column.reshape(shape) for column in _middle(lengths, cells, int(np.prod(shape))))
    first = np.full(np.prod(shape), np.inf)
    np.minimum.at(first, cells, segments[:, 0])
    return TimeBudget(
        videos=tuple(one.name for one in videos),
        groups=groups,
        group_index=group_index,
        labels=labels,
        durations_seconds=np.array([one.duration_seconds or np.nan for one in videos]),
        reviewed_seconds=np.array([_reviewed_seconds(one) for one in videos]),
        count=np.bincount(cells, minlength=np.prod(shape)).reshape(shape),
        total_seconds=total,
        mean_seconds=mean,
        median_seconds=median,
        latency_seconds=_latency(first.reshape(shape), videos),
        points=int((lengths == 0).sum()),
        overlap=float(lengths.sum() / total.sum()) if total.any() else 1.0,
        transitions=_transitions(segments, video, interval, label, group_index, len(labels)),
    )


# -- what was reviewed ---------------------------------------------------------------------------------------------


def _was_reviewed(video: VideoAnnotation) -> bool:
    """Whether anything of a video is known."""
    return video.reviewed_seconds is None or len(video.reviewed_seconds) > 0 or len(video.labels) > 0


def _reviewed_seconds(video: VideoAnnotation) -> float:
    length = np.nan if video.duration_seconds is None else video.duration_seconds
    if video.reviewed_seconds is None:
        return length
    return float(np.diff(clipped(video.reviewed_seconds, 0.0, np.nan_to_num(length, nan=np.inf)), axis=1).sum())


def _latency(first: np.ndarray, videos: Sequence[VideoAnnotation]) -> np.ndarray:
    """The first starts ``(V, L)``, infinite without an instance; NaN unless everything before them was reviewed."""
    until = np.full(len(videos), np.inf)  # the first time that was not reviewed
    for row, video in enumerate(videos):
        if (known := video.reviewed_seconds) is not None:
            until[row] = known[0, 1] if len(known) and known[0, 0] <= 0 else -np.inf
    return np.where(np.isfinite(first) & (first <= until[:, None]), first, np.nan)


def _intervals(video: VideoAnnotation) -> np.ndarray:
    """The number of the reviewed interval in which each instance starts ``(N,)``; −1 outside of all."""
    starts, known = video.segments_seconds.reshape(-1, 2)[:, 0], video.reviewed_seconds
    if known is None:
        return np.zeros(len(starts), dtype=np.int64)
    return np.where(contains(known, starts), np.searchsorted(known[:, 0], starts, side="right") - 1, -1)


# -- sums over cells of a video and a label ------------------------------------------------------------------------


def _gained(segments: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """What each segment adds to the time that earlier ones of its cell cover: ``(N, 2)``, ``(N,)`` → ``(N,)``."""
    order = np.lexsort((segments[:, 0], cells))
    starts, ends = segments[order].T
    # The latest end so far, in ranks: these, unlike times, can be moved by a multiple of the cell without rounding.
    values, ranks = np.unique(ends, return_inverse=True)
    moved = ranks + cells[order] * len(values)
    before = np.concatenate(([-1], np.maximum.accumulate(moved)[:-1])) - cells[order] * len(values)
    covered = np.where(before >= 0, values[np.maximum(before, 0)] if len(values) else ends, -np.inf)
    gained = np.empty(len(order))
    gained[order] = np.maximum(ends - np.maximum(starts, covered), 0)
    return gained


def _middle(lengths: np.ndarray, cells: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and median of the lengths above 0 in each of a ``number`` of cells; NaN without any: two ``(number,)``."""
    kept = lengths > 0
    own, values = cells[kept], lengths[kept]
    count = np.bincount(own, minlength=number)
    mean, median = np.full(number, np.nan), np.full(number, np.nan)
    np.divide(np.bincount(own, values, minlength=number), count, out=mean, where=count > 0)
    ordered = values[np.lexsort((values, own))]
    first, some = np.cumsum(count) - count, count > 0
    lower, upper = (first + (count - 1) // 2)[some], (first + count // 2)[some]
    median[some] = (ordered[lower] + ordered[upper]) / 2
    return mean, median


def _transitions(
    segments: np.ndarray,
    video: np.ndarray,
    interval: np.ndarray,
    label: np.ndarray,
    group_index: np.ndarray,
    labels: int,
) -> Transitions:
    order = np.lexsort((label, segments[:, 1], segments[:, 0], video))
    video, label, interval = video[order], label[order], interval[order]
    follows = (video[1:] == video[:-1]) & (interval[1:] == interval[:-1]) & (interval[1:] >= 0)
    start, end, group = label[:-1][follows], label[1:][follows], group_index[video[1:][follows]]
    codes, count = np.unique((group * labels + start) * labels + end, return_counts=True)
    rows = codes // labels  # a group and a label from which
    _, row = np.unique(rows, return_inverse=True)
    probability = count / np.bincount(row, count)[row] if len(row) else np.zeros(0)
    return Transitions(rows // labels, rows % labels, codes % labels, count, probability)
