"""Nested subsets of the labels of some videos: a smaller one is part of every larger one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.reviewed import clipped
from rcl.data.reviewed_time import reviewed_intervals, reviewed_seconds

FEW_VIDEOS = 16  # below it, an eighth is a single video, which decides how good a detector is
_LEAST_PIECES = 32  # of few videos: an eighth then has four


class LabelSubset(NamedTuple):
    """A part of the labels.

    Args:
        share: of the minutes that was asked for.
        annotations: the videos that have labels in it; ``reviewed_seconds`` says which part of each counts.
        minutes: that were labelled, or looked at.
    """

    share: float
    annotations: Annotations
    minutes: float

    @property
    def instances(self) -> int:
        """Number of labelled instances."""
        return sum(len(video.labels) for video in self.annotations.videos.values())


class _Piece(NamedTuple):
    """A stretch of a video between two times that lie inside no instance, and the instances in it."""

    video: str
    intervals: np.ndarray  # (R, 2), reviewed, in seconds
    rows: np.ndarray  # (K,) of the instances


def nested_subsets(training: Annotations, shares: Sequence[float], seed: int) -> list[LabelSubset]:
    """Parts of the labels, each with about a share of the minutes that somebody looked at.

    Whole videos are drawn in a random order, because further labels are usually those of further videos. Of fewer than
    16 videos, stretches are drawn instead, which begin and end between two actions. What one share has does not depend
    on the other shares.

    Args:
        training: the labelled videos.
        shares: in (0, 1]; 1 has all labels.
        seed: of the order.
    """
    looked_at = {name: video for name, video in training.videos.items() if len(reviewed_intervals(video))}
    number = -(-_LEAST_PIECES // len(looked_at)) if 0 < len(looked_at) < FEW_VIDEOS else 1
    pieces = [piece for name in sorted(looked_at) for piece in _pieces(looked_at[name], number)]
    order = np.random.default_rng(seed).permutation(len(pieces))
    seconds = np.array([float(np.diff(pieces[index].intervals, axis=1).sum()) for index in order])  # (P,)
    after = seconds.cumsum()
    found = []
    for share in shares:
        # The number of pieces after which the sum is closest to the share; at least one.
        count = 1 + int(np.abs(after - share * after[-1]).argmin()) if len(after) else 0
        part = training if share == 1 else _part(training, [pieces[index] for index in order[:count]])
        found.append(LabelSubset(share, part, reviewed_seconds(part) / 60))
    return found


def _pieces(video: VideoAnnotation, number: int) -> list[_Piece]:
    """The video in up to so many pieces of similar length."""
    reviewed = reviewed_intervals(video)
    start, end = float(reviewed[0, 0]), float(reviewed[-1, 1])
    cuts = _cuts(video.segments_seconds, start, end, number)
    middle = video.segments_seconds.mean(axis=1)  # (N,)
    owner = np.searchsorted(cuts, middle, side="right")  # (N,)
    pieces = []
    for place, (low, high) in enumerate(pairwise([start, *cuts.tolist(), end])):
        if len(intervals := clipped(reviewed, low, high)):
            pieces.append(_Piece(video.name, intervals, np.flatnonzero(owner == place)))
    return pieces


def _cuts(segments: np.ndarray, start: float, end: float, number: int) -> np.ndarray:
    """Up to ``number − 1`` sorted times inside no instance, close to those that divide the video evenly."""
    even = np.linspace(start, end, number + 1)[1:-1]  # (number − 1,)
    possible = np.unique([*even, *segments.ravel()])
    inside = (segments[:, 0] < possible[:, None]) & (possible[:, None] < segments[:, 1])  # (P, N)
    possible = possible[~inside.any(axis=1) & (possible > start) & (possible < end)]
    if not len(possible):
        return possible
    return np.unique([possible[np.abs(possible - time).argmin()] for time in even])


def _part(training: Annotations, pieces: Sequence[_Piece]) -> Annotations:
    """The annotations of some pieces alone."""
    own = defaultdict[str, list[_Piece]](list)
    for piece in pieces:
        own[piece.video].append(piece)
    videos = {name: _of_pieces(video, own[name]) for name, video in training.videos.items() if name in own}
    return replace(training, videos=videos)


def _of_pieces(video: VideoAnnotation, pieces: Sequence[_Piece]) -> VideoAnnotation:
    rows = np.sort(np.concatenate([piece.rows for piece in pieces]))
    if video.reviewed_seconds is None and len(rows) == len(video.labels) and _covers(video, pieces):
        return video
    return replace(
        video,
        segments_seconds=video.segments_seconds[rows],
        labels=tuple(video.labels[row] for row in rows),
        reviewed_seconds=np.concatenate([piece.intervals for piece in pieces]),
    )


def _covers(video: VideoAnnotation, pieces: Sequence[_Piece]) -> bool:
    """Whether the pieces are all of a video that was looked at as a whole."""
    whole, own = reviewed_intervals(video), sum(float(np.diff(piece.intervals).sum()) for piece in pieces)
    return bool(np.isclose(float(np.diff(whole).sum()), own))
