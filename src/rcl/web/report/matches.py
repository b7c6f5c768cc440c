"""The ground truths and detections of each video, matched at every tIoU threshold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.subtitles import MIN_SCORE
from rcl.evaluation.detad import error_kinds
from rcl.evaluation.ground_truths import GroundTruths, Policy, ground_truths, index_detections, reviewed_detections
from rcl.evaluation.matching import GroupedSegments, match

_UNKNOWN_COUNT = 10  # detections per video that the page shows at first, without annotations


@dataclass(frozen=True, eq=False)
class VideoMatches:
    """One video. Matching goes from the highest score down, so a score threshold does not change the other matches.

    Args:
        name: of the video.
        annotated: whether it is in the annotations.
        duration_seconds: of the video; if unknown, the latest end of a segment.
        truths_seconds: ``(N, 2)``.
        truth_labels: ``(N,)`` int64, position in ``Matches.labels``.
        segments_seconds: ``(K, 2)``, by decreasing score.
        labels: ``(K,)`` int64, likewise.
        scores: ``(K,)``, rounded to four significant digits as the page shows them.
        taken: ``(T, K)`` int64, the ground truth of this video that each detection matches, −1 for none.
        kinds: ``(T, K)`` int64, position in ``KINDS``; no rows without annotations.
    """

    name: str
    annotated: bool
    duration_seconds: float
    truths_seconds: np.ndarray
    truth_labels: np.ndarray
    segments_seconds: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    taken: np.ndarray
    kinds: np.ndarray

    def errors(self, threshold: float, row: int) -> int:
        """The number of errors: missed ground truths, and wrong detections that score at least ``threshold``."""
        shown = self.scores >= threshold
        right = int((self.taken[row, shown] >= 0).sum())
        return len(self.truths_seconds) - right + int(shown.sum()) - right


@dataclass(frozen=True, eq=False)
class Matches:
    """All videos: the annotated ones in the order of their file, then others with detections.

    Args:
        labels: those of the ground truth in the order of their first instance, then others.
        tiou_thresholds: ``(T,)``.
        videos: one entry each.
        threshold: the score at which the page shows about as many detections as ground truths.
    """

    labels: tuple[str, ...]
    tiou_thresholds: np.ndarray
    videos: tuple[VideoMatches, ...]
    threshold: float


def match_videos(
    detections: Detections,
    annotations: Annotations | None,
    tiou_thresholds: Sequence[float] | np.ndarray,
    *,
    policy: Policy = "official",
) -> Matches:
    """Match detections as :func:`rcl.evaluation.evaluate` does, and sort them by video and score.

    Detections where nobody looked are left out.

    Args:
        detections: of any videos and labels.
        annotations: ground truth, not clipped, if there is any.
        tiou_thresholds: ``T`` numbers in (0, 1].
        policy: which ground truths count, see :func:`~rcl.evaluation.ground_truths.ground_truths`.

    Raises:
        InputError: the annotations have no instance.
    """
    thresholds = np.asarray(tiou_thresholds, dtype=np.float64)
    detections = detections if annotations is None else reviewed_detections(detections, annotations)
    durations: dict[str, float | None] = {}
    truth = None
    taken, kinds = np.full((len(thresholds), len(detections)), -1), np.empty((0, len(detections)), dtype=np.int64)
    if annotations is not None:
        durations = {name: video.duration_seconds for name, video in annotations.videos.items()}
        truth = ground_truths(annotations, policy=policy)
        taken, kinds = _taken_and_kinds(detections, truth, thresholds)
    names, place = _numbered([*durations], detections.videos, detections.video_index)
    labels, label = _numbered(truth.labels if truth else (), detections.labels, detections.label_index)
    order = np.lexsort((-detections.scores, place))  # (K,), stable
    edges = np.searchsorted(place[order], np.arange(len(names) + 1))
    truths = _by_video(truth, len(names))
    videos = []
    for index, name in enumerate(names):
        rows = order[edges[index] : edges[index + 1]]
        videos.append(
            VideoMatches(
                name=name,
                annotated=name in durations,
                duration_seconds=durations.get(name)
                or _latest(truths[index].segments_seconds, detections.segments_seconds[rows]),
                truths_seconds=truths[index].segments_seconds,
                truth_labels=truths[index].labels,
                segments_seconds=detections.segments_seconds[rows],
                labels=label[rows],
                scores=rounded(detections.scores[rows]),
                taken=np.where(taken[:, rows] >= 0, taken[:, rows] - truths[index].first, -1),
                kinds=kinds[:, rows],
            )
        )
    return Matches(labels, thresholds, tuple(videos), _first_threshold(videos))


def _taken_and_kinds(
    detections: Detections, truth: GroundTruths, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The ground truth that each detection takes, and its kind; of all detections, not of the best 10·G as in DETAD."""
    found = index_detections(detections, truth)
    taken = match(found.grouped, found.scores, truth.grouped, thresholds)  # (T, K)
    grouped = GroupedSegments(found.grouped.segments, found.video_index)
    return taken, error_kinds(grouped, found.label_index, taken, truth, thresholds)


class _Truths(NamedTuple):
    """The ground truths of one video, and the position of the first one among all."""

    first: int
    segments_seconds: np.ndarray
    labels: np.ndarray


def _by_video(truth: GroundTruths | None, videos: int) -> list[_Truths]:
    """The ground truths of each of the first videos; they are stored video by video, in the order of their file."""
    if truth is None:
        return [_Truths(0, np.empty((0, 2)), np.empty(0, dtype=np.int64))] * videos
    edges = np.searchsorted(truth.video_index, np.arange(videos + 1))
    return [
        _Truths(start, truth.segments_seconds[start:end], truth.label_index[start:end])
        for start, end in itertools.pairwise(edges.tolist())
    ]


def _latest(*segments_seconds: np.ndarray) -> float:
    """The latest end, at least one second."""
    return max([1.0, *np.concatenate(segments_seconds)[:, 1].tolist()])


def _numbered(known: Sequence[str], own: Sequence[str], index: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """All names, the known ones first, and ``index (K,)``, which counts in ``own``, as positions among all names."""
    names = {name: i for i, name in enumerate(dict.fromkeys([*known, *own]))}
    return tuple(names), np.array([names[name] for name in own], dtype=np.int64)[index]


def rounded(scores: np.ndarray) -> np.ndarray:
    """Scores to four significant digits."""
    return np.array([float(f"{score:.4g}") for score in scores.tolist()], dtype=np.float64)


def _first_threshold(videos: Sequence[VideoMatches]) -> float:
    """The score threshold that the page begins with, so that it shows neither hundreds of detections nor none."""
    annotated = [video for video in videos if video.annotated]
    scores = np.sort(np.concatenate([np.empty(0), *(video.scores for video in annotated or videos)]))[::-1]
    if not len(scores):
        return 0.0
    wanted = sum(len(video.truths_seconds) for video in annotated)
    if not annotated:
        certain = int((scores >= MIN_SCORE).sum())
        if certain >= len(videos) and scores[0] <= 1:
            return MIN_SCORE
        wanted = _UNKNOWN_COUNT * len(videos)
    return float(scores[min(max(wanted, 1), len(scores)) - 1])
