"""Per video: ground truths and detections, and what each detection is at every tIoU threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.subtitles import MIN_SCORE
from rcl.evaluation.detad import error_kinds
from rcl.evaluation.ground_truths import ground_truths, index_detections
from rcl.evaluation.matching import GroupedSegments, match

_UNKNOWN_COUNT = 10  # detections per video that are shown at first where nobody knows how many actions there are


@dataclass(frozen=True, eq=False)
class VideoMatches:
    """One video. Matching goes from the highest score down, so a score threshold hides but never rearranges.

    Args:
        name: of the video.
        annotated: whether the annotations name it.
        duration_seconds: of the video; where nobody says, the end of what was annotated or found last.
        truths_seconds: ``(N, 2)``.
        truth_labels: ``(N,)`` int64, position in ``Matches.labels``.
        segments_seconds: ``(K, 2)``, by falling score.
        labels: ``(K,)`` int64, likewise.
        scores: ``(K,)``, with four significant digits: what the page shows and compares.
        taken: ``(T, K)`` int64, the ground truth of this video that each detection took, −1 for none.
        kinds: ``(T, K)`` int64, position in ``KINDS``; no rows where there are no annotations.
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
        """Missed ground truths and wrong detections among those that score at least ``threshold``."""
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
        threshold: of the score, at which the page shows about as many detections as there are ground truths.
    """

    labels: tuple[str, ...]
    tiou_thresholds: np.ndarray
    videos: tuple[VideoMatches, ...]
    threshold: float


def match_videos(
    detections: Detections, annotations: Annotations | None, tiou_thresholds: Sequence[float] | np.ndarray
) -> Matches:
    """Match detections as :func:`rcl.evaluation.evaluate` does, and sort them by video and score.

    Args:
        detections: of any videos and labels.
        annotations: ground truth, not clipped; ``None`` where there is none.
        tiou_thresholds: ``T`` numbers in (0, 1].

    Raises:
        InputError: the annotations have no instance.
    """
    thresholds = np.asarray(tiou_thresholds, dtype=np.float64)
    count = len(detections)
    known: dict[str, float | None] = {}
    truth = None
    taken = np.full((len(thresholds), count), -1)
    kinds = np.empty((0, count), dtype=np.int64)
    if annotations is not None:
        truth = ground_truths(annotations)
        known = {name: video.duration_seconds for name, video in annotations.videos.items()}
        found = index_detections(detections, truth)
        taken = match(found.grouped, found.scores, truth.grouped, thresholds)
        # Of all detections, where DETAD itself looks at the best 10·G of a class.
        grouped = GroupedSegments(found.grouped.segments, found.video_index)
        kinds = error_kinds(grouped, found.label_index, taken, truth, thresholds)
    names, place = _numbered([*known], detections.videos, detections.video_index)
    labels, label = _numbered(truth.labels if truth else (), detections.labels, detections.label_index)
    order = np.lexsort((-detections.scores, place))  # (K,), stable
    edges = np.searchsorted(place[order], np.arange(len(names) + 1))
    # Ground truths stand video by video, in the order of their file.
    bounds = np.searchsorted(truth.video_index if truth else [], np.arange(len(names) + 1))
    videos = []
    for index, name in enumerate(names):
        rows = order[edges[index] : edges[index + 1]]
        own = slice(bounds[index], bounds[index + 1])
        segments = detections.segments_seconds[rows]
        truths = truth.segments_seconds[own] if truth else np.empty((0, 2))
        latest = max([1.0, *truths[:, 1].tolist(), *segments[:, 1].tolist()])
        videos.append(
            VideoMatches(
                name=name,
                annotated=name in known,
                duration_seconds=known.get(name) or latest,
                truths_seconds=truths,
                truth_labels=truth.label_index[own] if truth else np.empty(0, dtype=np.int64),
                segments_seconds=segments,
                labels=label[rows],
                scores=rounded(detections.scores[rows]),
                taken=np.where(taken[:, rows] >= 0, taken[:, rows] - own.start, -1),
                kinds=kinds[:, rows],
            )
        )
    return Matches(labels, thresholds, tuple(videos), _first_threshold(videos))


def _numbered(known: Sequence[str], own: Sequence[str], index: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """All names, the known ones first, and the positions ``index (K,)`` in ``own`` as positions among all."""
    names = {name: i for i, name in enumerate(dict.fromkeys([*known, *own]))}
    return tuple(names), np.array([names[name] for name in own], dtype=np.int64)[index]


def rounded(scores: np.ndarray) -> np.ndarray:
    """Scores to four significant digits."""
    return np.array([float(f"{score:.4g}") for score in scores.tolist()], dtype=np.float64)


def _first_threshold(videos: Sequence[VideoMatches]) -> float:
    """A score at which a page may begin: neither hundreds of second guesses nor nothing."""
    annotated = [video for video in videos if video.annotated]
    scores = np.sort(np.concatenate([np.empty(0), *(video.scores for video in annotated or videos)]))[::-1]
    if not len(scores):
        return 0.0
    wanted = sum(len(video.truths_seconds) for video in annotated)
    if not annotated:
        sure = int((scores >= MIN_SCORE).sum())
        if sure >= len(videos) and scores[0] <= 1:
            return MIN_SCORE
        wanted = _UNKNOWN_COUNT * len(videos)
    return float(scores[min(max(wanted, 1), len(scores)) - 1])
