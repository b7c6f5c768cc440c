"""Ground truth and detections as columns that number videos and labels alike: the input of every measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.thumos14 import AMBIGUOUS
from rcl.data.reviewed import unreviewed_share
from rcl.evaluation.matching import GroupedSegments
from rcl.system.errors import InputError, counted

Policy = Literal["official", "deduplicated"]

_DUPLICATE_SECONDS = 1e-3
MOST_UNREVIEWED = 0.5
"""The share of a detection that nobody looked at, up to which it is right or wrong."""


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
    kept = kept_instances(annotations, policy=policy).tolist()
    rows = [row for row, keep in zip(_rows(annotations), kept, strict=True) if keep]
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


def kept_instances(annotations: Annotations, *, policy: Policy = "official") -> np.ndarray:
    """Which instances a policy keeps, in file order: ``(N,)`` bool.

    Raises:
        InputError: the policy is unknown.
    """
    if policy not in get_args(Policy):
        raise InputError("policy", expected=" or ".join(get_args(Policy)), found=repr(policy), fix="use one of them")
    rows = _rows(annotations)
    if policy == "official":
        return np.ones(len(rows), dtype=bool)
    # As in its source, a row is compared with kept rows only.
    kept: dict[tuple[int, str], list[list[float]]] = {}
    result = np.zeros(len(rows), dtype=bool)
    for row, (index, (start, end), label) in enumerate(rows):
        earlier = kept.setdefault((index, label), [])
        repeated = any(abs(start - s) <= _DUPLICATE_SECONDS and abs(end - e) <= _DUPLICATE_SECONDS for s, e in earlier)
        if end - start >= _DUPLICATE_SECONDS and not repeated:
            earlier.append([start, end])
            result[row] = True
    return result


def _rows(annotations: Annotations) -> list[tuple[int, list[float], str]]:
    """Position of the video, segment in seconds and label of every instance, in file order."""
    return [
        (index, segment, label)
        for index, video in enumerate(annotations.videos.values())
        for segment, label in zip(video.segments_seconds.tolist(), video.labels, strict=True)
    ]


def doubtful_instances(annotations: Annotations, *, policy: Policy = "official", lengthless: bool = True) -> list[str]:
    """One sentence for each kind of instance that counts here and that other toolboxes leave out.

    They are repeated instances, those without a length, and those that annotators could not decide on, which THUMOS14
    labels ``Ambiguous``.

    Args:
        annotations: the ground truth.
        policy: which of its instances count.
        lengthless: whether those without a length count; DETAD leaves them out anyway.
    """
    sentences = []
    if policy == "official" and (dropped := ~kept_instances(annotations, policy="deduplicated")).any():  # (N,)
        segments = [video.segments_seconds for video in annotations.videos.values()]
        short = int((np.diff(np.concatenate(segments), axis=1).ravel() < _DUPLICATE_SECONDS).sum())
        repeated = int(dropped.sum()) - short
        counts = [f"{counted(repeated, 'instance')} given twice"] if repeated else []
        counts += [f"{counted(short, 'instance')} with no length"] if short and lengthless else []
        if counts:
            number = " and ".join(counts)
            fix = "--policy deduplicated leaves them out"
            sentences.append(f"{number}: counted, as in the official evaluation. {fix}.")
    labels = [label for video in annotations.videos.values() for label in video.labels]
    for label in sorted({label for label in labels if label.casefold() == AMBIGUOUS.casefold()}):
        number = counted(labels.count(label), "instance")
        sentences.append(f"{number} labelled {label!r}: counted as an action. --leave-out {label} leaves them out.")
    return sentences


def reviewed_detections(detections: Detections, annotations: Annotations) -> Detections:
    """The detections that can be judged: all but those of which more than half lies where nobody looked.

    Those are neither right nor wrong. Every measure begins with this; where all videos were reviewed as a whole, it
    changes nothing. What lies outside the video counts as reviewed.

    Args:
        detections: of any videos and labels, under the names of the annotations.
        annotations: say what was reviewed.
    """
    partly = {
        index: annotations.videos[name]
        for index, name in enumerate(detections.videos)
        if name in annotations.videos and annotations.videos[name].reviewed_seconds is not None
    }
    if not partly:
        return detections
    order = np.argsort(detections.video_index, kind="stable")  # (K,)
    edges = np.searchsorted(detections.video_index[order], np.arange(len(detections.videos) + 1))
    kept = np.ones(len(detections), dtype=bool)
    for index, video in partly.items():
        rows = order[edges[index] : edges[index + 1]]
        assert video.reviewed_seconds is not None  # as chosen above
        end = np.inf if video.duration_seconds is None else video.duration_seconds
        share = unreviewed_share(detections.segments_seconds[rows], video.reviewed_seconds, end)
        kept[rows] = share <= MOST_UNREVIEWED
    return detections[kept]


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
