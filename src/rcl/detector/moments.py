"""Videos divided into short moments, and what is known of each: its features and what a detector says about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rcl.data.detections import Detections
from rcl.data.features import ReadableFeatures
from rcl.data.reviewed import between, clipped

MOSTLY = 0.5  # of a moment, or of the segment: with less, a segment is not what the moment shows
SNIPPETS_AT_ONCE = 2048  # bounds the memory: a recording of ten hours has hundreds of thousands


class Candidate(NamedTuple):
    """A video in which somebody may look next.

    Args:
        video: its name in the annotations.
        duration_seconds: its length.
        features: ``(T, C)``, evenly over the whole duration, as they are in their file; ``None`` if there are none. All
            videos with features have the same C. What is NaN counts as 0.
        answers: what a detector found in the video; those of other videos are ignored. With several answers, at other
            rates of the features or of other networks, their disagreement counts. Without one, nothing is known.
    """

    video: str
    duration_seconds: float
    features: ReadableFeatures | np.ndarray | None = None
    answers: tuple[Detections, ...] = ()


class Moments(NamedTuple):
    """Short intervals that tile a video in order. Each lies in one part of it, reviewed or not.

    Args:
        seconds: ``(N, 2)``, start and end.
        part: ``(N,)`` int64, the number of the part.
        is_open: ``(N,)`` bool, whether the part still has to be reviewed.
    """

    seconds: np.ndarray
    part: np.ndarray
    is_open: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """``(N,)``, in seconds."""
        return np.diff(self.seconds, axis=1).ravel()


def divide(duration_seconds: float, reviewed_seconds: np.ndarray, moment_seconds: float) -> Moments:
    """The moments of a video.

    >>> moments = divide(10.0, np.array([[0.0, 4.0]]), 3.0)
    >>> moments.seconds.tolist(), moments.is_open.tolist()
    ([[0.0, 4.0], [4.0, 7.0], [7.0, 10.0]], [False, True, True])

    Args:
        duration_seconds: of the video.
        reviewed_seconds: ``(R, 2)``, sorted and disjoint.
        moment_seconds: the wanted length; those of a part have equal lengths near it.
    """
    reviewed = clipped(reviewed_seconds, 0.0, duration_seconds)
    open_ = between(reviewed, 0.0, duration_seconds)
    parts = np.concatenate((reviewed, open_))  # (P, 2)
    order = np.argsort(parts[:, 0], kind="stable")
    counts = np.maximum(np.round(np.diff(parts[order], axis=1).ravel() / moment_seconds), 1).astype(np.int64)  # (P,)
    owner = np.repeat(np.arange(len(parts)), counts)  # (N,)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)  # (N,)
    start, end = parts[order][owner].T
    step = (end - start) / counts[owner]
    last = place + 1 == counts[owner]  # ends exactly where its part does
    seconds = np.stack((start + place * step, np.where(last, end, start + (place + 1) * step)), axis=1)
    return Moments(seconds, owner, order[owner] >= len(reviewed))


def mean_features(features: ReadableFeatures | np.ndarray, moments: Moments, duration_seconds: float) -> np.ndarray:
    """The mean features of each moment, ``(N, C)`` float32; of a moment within a snippet, that snippet."""
    snippets = len(features)
    place = moments.seconds * (snippets / duration_seconds)
    first = np.clip(np.floor(place[:, 0]).astype(np.int64), 0, snippets - 1)  # (N,)
    last = np.clip(np.floor(place[:, 1]).astype(np.int64), first + 1, snippets)  # (N,)
    found, begin = [np.zeros((0, features.shape[1]), np.float32)], 0
    while begin < len(first):
        end = max(int(np.searchsorted(last, first[begin] + SNIPPETS_AT_ONCE, side="right")), begin + 1)
        low, high = int(first[begin]), int(last[end - 1])
        rows = features[low:high] if isinstance(features, np.ndarray) else features.read(low, high)
        rows = np.nan_to_num(rows.astype(np.float64))  # (n, C)
        sums = np.concatenate((np.zeros((1, rows.shape[1])), rows.cumsum(axis=0)))
        own = slice(begin, end)
        total = sums[last[own] - low] - sums[first[own] - low]
        found.append((total / (last[own] - first[own])[:, None]).astype(np.float32))
        begin = end
    return np.concatenate(found)


class Answer(NamedTuple):
    """What a detector says about ``N`` moments and ``L`` labels.

    Args:
        scores: ``(N, L)`` in [0, 1], the best score of each label among the segments that mostly fill the moment, or
            lie in it.
        instances: ``(N, L)``, the expected number of instances whose centre is there.
        overhang: ``(N, 2)`` seconds, how far an instance that crosses the start, or the end, probably goes on beyond.
    """

    scores: np.ndarray
    instances: np.ndarray
    overhang: np.ndarray


def answer_in(moments: Moments, found: Detections, video: str, labels: Sequence[str]) -> Answer:
    """What detections say about the moments of a video.

    Args:
        moments: of the video.
        found: in this video, or in several.
        video: its name.
        labels: ``L`` names, those of the detections among them.
    """
    number, count = len(moments.part), len(labels)
    answer = Answer(np.zeros((number, count), np.float32), np.zeros((number, count)), np.zeros((number, 2)))
    if video not in found.videos or not number:
        return answer
    own = found.for_video(video)
    place = {label: index for index, label in enumerate(labels)}
    label = np.array([place[name] for name in own.labels], dtype=np.int64)[own.label_index]  # (K,)
    segments, scores = own.segments_seconds, np.clip(own.scores, 0.0, 1.0)
    starts, ends = moments.seconds.T
    first = np.searchsorted(ends, segments[:, 0], side="right")  # (K,), of the moments that a segment overlaps
    last = np.maximum(np.searchsorted(starts, segments[:, 1], side="left"), first)
    row = np.repeat(np.arange(len(own)), last - first)  # (P,), every pair of a segment and a moment
    moment = np.arange(len(row)) - np.repeat(np.cumsum(last - first) - last, last - first)
    low, high = segments[row].T
    common = np.minimum(high, ends[moment]) - np.maximum(low, starts[moment])
    fills = common >= MOSTLY * np.minimum(high - low, moments.lengths[moment])
    np.maximum.at(answer.scores, (moment[fills], label[row[fills]]), scores[row[fills]])
    np.maximum.at(answer.overhang[:, 0], moment, scores[row] * (starts[moment] - low))
    np.maximum.at(answer.overhang[:, 1], moment, scores[row] * (high - ends[moment]))
    centre = np.clip(np.searchsorted(ends, segments.mean(axis=1), side="right"), 0, number - 1)
    np.add.at(answer.instances, (centre, label), scores)
    return answer
