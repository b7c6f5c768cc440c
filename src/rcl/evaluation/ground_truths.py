"""Ground truth and detections as columns that number videos and labels alike: the input of every measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.evaluation.matching import GroupedSegments
from rcl.system.errors import InputError, counted, listed

Policy = Literal["official", "deduplicated"]

_DUPLICATE_SECONDS = 1e-3


@dataclass(frozen=True, eq=False)
class GroundTruths:
    """The instances of a set of videos, as columns.

    Args:
        videos: every annotated video, with or without instances.
        video_index: ``(N,)`` int64, position in ``videos``.
        segments_seconds: ``(N, 2)`` float64.
        labels: the ``L`` labels of the instances, in the order of their first one.
        label_index: ``(N,)`` int64, position in ``labels``.
    """

    videos: tuple[str, ...]
    video_index: np.ndarray
    segments_seconds: np.ndarray
    labels: tuple[str, ...]
    label_index: np.ndarray

    def __len__(self) -> int:
        return len(self.video_index)

    @property
    def lengths(self) -> np.ndarray:
        """``(N,)`` float64, seconds."""
        return self.segments_seconds[:, 1] - self.segments_seconds[:, 0]

    @property
    def grouped(self) -> GroupedSegments:
        """The segments, one group per video and label."""
        return GroupedSegments(self.segments_seconds, self.video_index * len(self.labels) + self.label_index)

    @property
    def by_video(self) -> GroupedSegments:
        """The segments, one group per video."""
        return GroupedSegments(self.segments_seconds, self.video_index)


class IndexedDetections(NamedTuple):
    """Detections in the numbering of a :class:`GroundTruths`.

    Args:
        grouped: ``K`` segments in seconds, in the groups of ``GroundTruths.grouped``; −1 if the video or label has no
            ground truth.
        scores: ``(K,)`` float64.
        video_index: ``(K,)`` int64, −1 for a video that is not annotated.
        label_index: ``(K,)`` int64, −1 for a label that no ground truth has.
    """

    grouped: GroupedSegments
    scores: np.ndarray
    video_index: np.ndarray
    label_index: np.ndarray


def ground_truths(annotations: Annotations, *, policy: Policy = "official") -> GroundTruths:
    """Collect the instances of all videos, in file order.

    Args:
        annotations: at least one instance.
        policy: ``official`` takes every instance. ``deduplicated`` drops, as ActionFormer and OpenTAD do, an instance
            shorter than 1 ms, and one whose start and end are both within 1 ms of those of an earlier instance with the
            same label in the same video.

    Raises:
        InputError: the policy is unknown or no instance is left.
    """
    if policy not in get_args(Policy):
        raise InputError("policy", expected=" or ".join(get_args(Policy)), found=repr(policy), fix="use one of them")
    rows = [
        (index, segment, label)
        for index, video in enumerate(annotations.videos.values())
        for segment, label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
    ]
    if policy == "deduplicated":
        rows = _without_duplicates(rows)
    if not rows:
        raise InputError(
            annotations.source,
            expected="at least one ground truth instance",
            found=f"none in {counted(len(annotations.videos), 'video')}",
            fix="choose a subset whose videos are annotated",
        )
    position = {label: i for i, label in enumerate(dict.fromkeys(label for _, _, label in rows))}
    return GroundTruths(
        videos=tuple(annotations.videos),
        video_index=np.array([index for index, _, _ in rows], dtype=np.int64),
        segments_seconds=np.array([segment for _, segment, _ in rows], dtype=np.float64),
        labels=tuple(position),
        label_index=np.array([position[label] for _, _, label in rows], dtype=np.int64),
    )


def _without_duplicates(rows: list[tuple[int, list[float], str]]) -> list[tuple[int, list[float], str]]:
    """The rows that the policy ``deduplicated`` keeps. As in its source, a row is compared with kept rows only."""
    kept: dict[tuple[int, str], list[list[float]]] = {}
    result = []
    for index, (start, end), label in rows:
        earlier = kept.setdefault((index, label), [])
        repeated = any(abs(start - s) <= _DUPLICATE_SECONDS and abs(end - e) <= _DUPLICATE_SECONDS for s, e in earlier)
        if end - start >= _DUPLICATE_SECONDS and not repeated:
            earlier.append([start, end])
            result.append((index, [start, end], label))
    return result


def check_comparable(detections: Detections, annotations: Annotations, *, where: object = "detections") -> None:
    """Check that some detections are in annotated videos, and that some have labels of the ground truth.

    Evaluation itself counts other detections as wrong. If none can be right, the files do not belong together.

    Args:
        detections: without labels if their only label is empty.
        annotations: the ground truth, with at least one instance if labels are to be checked.
        where: the place that the error names, for instance the file of the detections.

    Raises:
        InputError: no detection is in an annotated video, or none has a label of the ground truth.
    """
    videos = {detections.videos[index] for index in np.unique(detections.video_index)}
    if not videos & annotations.videos.keys():
        subsets = {video.subset for video in annotations.videos.values()}
        raise InputError(
            where,
            expected=f"detections in the {' and '.join(sorted(subsets))} videos of {annotations.source}",
            found=f"detections only in {listed([repr(name) for name in sorted(videos)], 3)}" if videos else "none",
            fix="give the annotations of the same videos, or choose another subset",
        )
    labels = {detections.labels[index] for index in np.unique(detections.label_index)}
    if labels != {""} and annotations.labels and not labels & set(annotations.labels):
        raise InputError(
            where,
            expected=f"labels of {annotations.source} ({listed(annotations.labels)})",
            found=listed(sorted(labels)),
            fix="give annotations with the same labels",
        )


def index_detections(detections: Detections, truth: GroundTruths) -> IndexedDetections:
    """Number the videos and labels of detections like those of the ground truth, in input order."""
    video = _positions(detections.videos, truth.videos)[detections.video_index]
    label = _positions(detections.labels, truth.labels)[detections.label_index]
    groups = np.where((video >= 0) & (label >= 0), video * len(truth.labels) + label, -1)
    return IndexedDetections(GroupedSegments(detections.segments_seconds, groups), detections.scores, video, label)


def _positions(names: Sequence[str], reference: Sequence[str]) -> np.ndarray:
    """Position of each name in ``reference``, −1 if it is missing: ``(len(names),)`` int64."""
    position = {name: i for i, name in enumerate(reference)}
    return np.array([position.get(name, -1) for name in names], dtype=np.int64)


def checked_thresholds(tiou_thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    """The thresholds as ``(T,)`` float64.

    Raises:
        InputError: the list is empty, or a threshold is not in (0, 1].
    """
    thresholds = np.asarray(tiou_thresholds, dtype=np.float64).reshape(-1)
    if not thresholds.size or not ((thresholds > 0) & (thresholds <= 1)).all():
        raise InputError(
            "tIoU thresholds",
            expected="one or more numbers above 0 and at most 1",
            found=str(thresholds.tolist()),
            fix="use for example 0.3, 0.4, 0.5, 0.6, 0.7",
        )
    return thresholds
