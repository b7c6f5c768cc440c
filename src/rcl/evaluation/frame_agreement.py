"""Two annotations of the same videos frame by frame: tables of counts, and Cohen's kappa of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.frames import number_of_frames
from rcl.data.reviewed import contains


class FrameTables(NamedTuple):
    """Counts of frames in each of ``V`` videos.

    Args:
        frames: ``(V,)`` int64, all of them.
        agreed: ``(V,)`` int64, those with the same label in both annotations, or with none in both.
        first: ``(V, L + 1)`` int64, those of each label in the first annotation; last, those of none.
        second: ``(V, L + 1)`` int64, in the second.
        having: frames that have a label, next to others or not, in both annotations, in the first, and in the second:
            three ``(V, L)`` int64.
        double_frames: frames that have several labels in one annotation.
    """

    frames: np.ndarray
    agreed: np.ndarray
    first: np.ndarray
    second: np.ndarray
    having: tuple[np.ndarray, np.ndarray, np.ndarray]
    double_frames: int


def frame_tables(
    first: Annotations, second: Annotations, labels: Sequence[str], *, fps: float, extent: Annotations
) -> FrameTables:
    """Count the frames of annotations of the same videos.

    A frame has the labels of the instances that contain its centre. Where a frame has one label (``agreed``, ``first``
    and ``second``), it is that of the instance that starts first.

    Args:
        first: of one annotator.
        second: of the other, of the same videos.
        labels: ``L`` names, all that occur.
        fps: frames per second.
        extent: what both reviewed of each video, and its length; frames whose centre lies elsewhere do not count.
    """
    counted = [
        _count(video, second.videos[name], extent.videos[name], labels, fps) for name, video in first.videos.items()
    ]
    frames, agreed, one, other, rows, doubled = zip(*counted, strict=True)
    both, in_first, in_second = (np.array(column) for column in zip(*rows, strict=True))
    having = both, in_first, in_second
    return FrameTables(
        np.array(frames), np.array(agreed), np.array(one), np.array(other), having, double_frames=int(sum(doubled))
    )


def _count(
    one: VideoAnnotation, other: VideoAnnotation, extent: VideoAnnotation, labels: Sequence[str], fps: float
) -> tuple:
    """The row of a video in each column of :class:`FrameTables`."""
    size, count = len(labels) + 1, number_of_frames(extent.duration_seconds or 0.0, fps)
    judged = np.ones(count, dtype=bool)  # (T,)
    if extent.reviewed_seconds is not None:
        judged = contains(extent.reviewed_seconds, (np.arange(count) + 0.5) / fps)
    tracks = [_Track.of(video, labels, count, fps) for video in (one, other)]
    classes = [track.classes()[judged] for track in tracks]
    having = np.zeros((3, len(labels)), dtype=np.int64)
    several = np.zeros((2, np.count_nonzero(judged)), dtype=np.int32)
    for label in np.unique(np.concatenate([track.label_index for track in tracks])).tolist():
        masks = np.array([track.mask(label)[judged] for track in tracks])  # (2, judged frames)
        several += masks
        having[:, label] = np.count_nonzero(masks.all(axis=0)), *np.count_nonzero(masks, axis=1)
    marginals = (np.bincount(track, minlength=size) for track in classes)
    agreed = np.count_nonzero(classes[0] == classes[1])
    return np.count_nonzero(judged), agreed, *marginals, having, np.count_nonzero((several > 1).any(axis=0))


class _Track(NamedTuple):
    """The instances of a video in frames.

    Args:
        limits: ``(N, 2)`` int64, the first frame of each instance, and the one after its last.
        label_index: ``(N,)`` int64.
        frames: T, their number.
        none: L, in the place of a label.
    """

    limits: np.ndarray
    label_index: np.ndarray
    frames: int
    none: int

    @classmethod
    def of(cls, video: VideoAnnotation, labels: Sequence[str], count: int, fps: float) -> _Track:
        """The instances in the order of their starts."""
        position = {label: index for index, label in enumerate(labels)}
        segments = video.segments_seconds.reshape(-1, 2)
        order = np.lexsort(segments.T[::-1])
        limits = np.clip(np.ceil(segments[order] * fps - 0.5), 0, count).astype(np.int64)
        index = np.array([position[label] for label in video.labels], dtype=np.int64)[order]
        return cls(limits, index, count, len(labels))

    def classes(self) -> np.ndarray:
        """The label of every frame: ``(T,)``."""
        found = np.full(self.frames, self.none)
        for (first, last), label in zip(self.limits[::-1].tolist(), self.label_index[::-1].tolist(), strict=True):
            found[first:last] = label
        return found

    def mask(self, label: int) -> np.ndarray:
        """Which frames have a label: ``(T,)`` bool."""
        starts, ends = self.limits[self.label_index == label].T
        size = self.frames + 1
        changes = np.bincount(starts, minlength=size) - np.bincount(ends, minlength=size)
        return changes[:-1].cumsum() > 0


# -- kappa -------------------------------------------------------------------------------------------------------


def kappa(agreed: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cohen's kappa of classes; NaN where both annotators always say the same one thing.

    >>> kappa(np.array([35.0]), np.array([[25.0, 25.0]]), np.array([[30.0, 20.0]]))
    array([0.4])

    Args:
        agreed: ``(D,)``, frames in which the two say the same.
        first: ``(D, K)``, frames of each class in one annotation.
        second: ``(D, K)``, in the other.

    Returns:
        ``(D,)``, up to 1.
    """
    total = first.sum(axis=1)
    return _kappa(agreed * total, (first * second).sum(axis=1), total * total)


def binary_kappa(both: np.ndarray, first: np.ndarray, second: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Cohen's kappa of having a label or not; NaN where no frame, or every frame, has it in both annotations.

    Args:
        both: ``(D, L)``, frames with the label in both annotations.
        first: ``(D, L)``, in the first.
        second: ``(D, L)``, in the second.
        frames: ``(D,)``, all frames.

    Returns:
        ``(D, L)``.
    """
    total = np.broadcast_to(frames[:, None], both.shape)
    neither = total - first - second + both
    by_chance = first * second + (total - first) * (total - second)
    return _kappa((both + neither) * total, by_chance, total * total)


def _kappa(agreed: np.ndarray, by_chance: np.ndarray, most: np.ndarray) -> np.ndarray:
    """(observed − expected) / (1 − expected), of numbers that are multiplied by the square of the number of frames."""
    beyond = np.asarray(most - by_chance, dtype=np.float64)
    return np.divide(agreed - by_chance, beyond, out=np.full(beyond.shape, np.nan), where=beyond > 0)
