"""Everything that is known of the moments of all videos in which somebody may look next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations
from rcl.detector.moments import Answer, Candidate, Moments, answer_in, divide, mean_features
from rcl.system.errors import InputError

MOST_MOMENTS = 20_000  # of all videos: bounds memory and time


class Survey(NamedTuple):
    """``N`` moments of several videos, those of a video in order.

    Args:
        videos: names.
        labels: ``L`` names.
        moment_seconds: the usual length of a moment.
        video: ``(N,)`` int64, position in ``videos``.
        part: ``(N,)`` int64, rising: the number of the part of a video, over all videos.
        seconds: ``(N, 2)``.
        is_open: ``(N,)`` bool, whether it has to be reviewed.
        features: ``(N, C)``, NaN where there are none.
        likely: ``(N, L + 1)``, how likely each label is, and no action; the mean of the answers.
        uncertainty: ``(N,)`` in [0, 1]; 1 where there is no answer.
        is_answered: ``(N,)`` bool, whether there is an answer.
        instances: ``(N, L)``, the expected number of those whose centre is there.
        overhang: ``(N, 2)`` seconds; see :class:`rcl.detector.moments.Answer`.
    """

    videos: tuple[str, ...]
    labels: tuple[str, ...]
    moment_seconds: float
    video: np.ndarray
    part: np.ndarray
    seconds: np.ndarray
    is_open: np.ndarray
    features: np.ndarray
    likely: np.ndarray
    uncertainty: np.ndarray
    is_answered: np.ndarray
    instances: np.ndarray
    overhang: np.ndarray

    @property
    def is_nothing(self) -> np.ndarray:
        """Where no action is likeliest, though features would tell it from what was reviewed: ``(N,)`` bool."""
        known = np.isfinite(self.features).all(axis=1) & (self.features.shape[1] > 0)
        return np.asarray(known & (self.likely.argmax(axis=1) == len(self.labels)))

    @property
    def weights(self) -> np.ndarray:
        """How much covering a moment is worth, ``(N,)`` in [0, 1]: its uncertainty.

        It is 1 where no action is likeliest: that is what a detector says of every label that it has not learned.
        """
        return np.where(self.is_nothing, 1.0, self.uncertainty)

    def interval(self, first: int, last: int) -> tuple[str, float, float]:
        """Video, start and end in seconds of the moments from ``first`` to before ``last``."""
        start, end = float(self.seconds[first, 0]), float(self.seconds[last - 1, 1])
        return self.videos[self.video[first]], start, end

    def sums(self, values: np.ndarray, stretches: np.ndarray) -> np.ndarray:
        """Sums of ``values (N, K)`` over stretches ``(S, 2)``: ``(S, K)``."""
        sums = np.concatenate((np.zeros((1, values.shape[1])), values.cumsum(axis=0)))
        return np.asarray(sums[stretches[:, 1]] - sums[stretches[:, 0]])

    def seconds_to_label(self, stretches: np.ndarray, *, most: float) -> np.ndarray:
        """The length of each of ``(S, 2)`` stretches, with what instances probably add beyond its ends: ``(S,)``.

        What was reviewed ends where its instances do. At most ``most`` seconds are added at each end.
        """
        first, last = stretches.T
        begins = np.concatenate(([True], np.diff(self.part) > 0))  # (N,)
        ends = np.concatenate((begins[1:], [True]))
        before = np.where(begins[first], 0.0, self.overhang[first, 0])
        after = np.where(ends[last - 1], 0.0, self.overhang[last - 1, 1])
        own = self.seconds[last - 1, 1] - self.seconds[first, 0]
        return np.asarray(own + np.minimum(before, most) + np.minimum(after, most))


def survey(videos: Iterable[Candidate], labelled: Annotations, moment_seconds: float) -> Survey:
    """Read the features of all videos, and what detectors found in them.

    Args:
        videos: in which somebody may look.
        labelled: what is labelled so far.
        moment_seconds: the wanted length of a moment; they are longer where there would be too many.

    Raises:
        InputError: features cannot be read, or have different widths.
    """
    candidates = [each for each in videos if each.duration_seconds > 0]
    total = sum(each.duration_seconds for each in candidates)
    moment_seconds = max(moment_seconds, total / MOST_MOMENTS)
    labels = sorted({*labelled.labels, *(name for each in candidates for own in each.answers for name in own.labels)})
    channels = _channels(candidates)
    divided = [divide(each.duration_seconds, _reviewed(each, labelled), moment_seconds) for each in candidates]
    answers = [_answered(each, own, labels) for each, own in zip(candidates, divided, strict=True)]
    features = [_features(each, own, channels) for each, own in zip(candidates, divided, strict=True)]
    counts = [len(own.part) for own in divided]
    parts = [int(own.part.max(initial=-1)) + 1 for own in divided]
    return Survey(
        videos=tuple(each.video for each in candidates),
        labels=tuple(labels),
        moment_seconds=moment_seconds,
        video=np.repeat(np.arange(len(candidates)), counts),
        part=_joined([own.part for own in divided], np.int64) + np.repeat(np.cumsum(parts) - parts, counts).astype(int),
        seconds=_joined([own.seconds for own in divided], np.float64, 2),
        is_open=_joined([own.is_open for own in divided], np.bool_),
        features=_joined(features, np.float32, channels),
        likely=_joined([own[0] for own in answers], np.float32, len(labels) + 1),
        uncertainty=_joined([own[1] for own in answers], np.float64),
        is_answered=np.repeat([bool(each.answers) for each in candidates], counts).astype(bool),
        instances=_joined([own[2].instances for own in answers], np.float64, len(labels)),
        overhang=_joined([own[2].overhang for own in answers], np.float64, 2),
    )


def _channels(candidates: list[Candidate]) -> int:
    """C of all features; 0 without any.

    Raises:
        InputError: they differ.
    """
    widths = {each.video: each.features.shape[1] for each in candidates if each.features is not None}
    first = next(iter(widths), "")
    for video, width in widths.items():
        if width != widths[first]:
            expected, fix = f"{widths[first]} channels, as in video {first!r}", "use features of one backbone"
            raise InputError(f"video {video!r}", expected=expected, found=str(width), fix=fix)
    return widths.get(first, 0)


def _joined(parts: list[np.ndarray], kind: type, *width: int) -> np.ndarray:
    return np.concatenate([np.zeros((0, *width), kind), *parts])


def _reviewed(candidate: Candidate, labelled: Annotations) -> np.ndarray:
    """What was reviewed of a video, ``(R, 2)`` seconds."""
    known = labelled.videos.get(candidate.video)
    if known is None:
        return np.zeros((0, 2))
    if known.reviewed_seconds is None:
        return np.array([[0.0, candidate.duration_seconds]])
    return known.reviewed_seconds


def _features(candidate: Candidate, moments: Moments, channels: int) -> np.ndarray:
    if candidate.features is None or not len(candidate.features):
        return np.full((len(moments.part), channels), np.nan, np.float32)
    return mean_features(candidate.features, moments, candidate.duration_seconds)


def _answered(candidate: Candidate, moments: Moments, labels: list[str]) -> tuple[np.ndarray, np.ndarray, Answer]:
    """How likely each label is in each moment, how uncertain that is, and the first answer."""
    answers = [answer_in(moments, found, candidate.video, labels) for found in candidate.answers]
    if not answers:
        number = len(moments.part)
        nothing = Answer(np.zeros((number, len(labels))), np.zeros((number, len(labels))), np.zeros((number, 2)))
        return np.zeros((number, len(labels) + 1), np.float32), np.ones(number), nothing
    every = np.stack([with_background(own.scores) for own in answers])  # (A, N, L + 1)
    return every.mean(axis=0), uncertainty(every), answers[0]


def with_background(scores: np.ndarray) -> np.ndarray:
    """Scores ``(N, L)`` in [0, 1] as shares of labels and, last, no action: ``(N, L + 1)``, each row with a sum of 1.

    >>> with_background(np.array([[0.2, 0.0], [0.8, 0.8]])).round(2).tolist()
    [[0.2, 0.0, 0.8], [0.5, 0.5, 0.0]]
    """
    total = scores.sum(axis=1, keepdims=True)
    return np.concatenate((scores, np.maximum(1 - total, 0)), axis=1) / np.maximum(total, 1)


def uncertainty(likely: np.ndarray) -> np.ndarray:
    """How uncertain ``A`` answers ``(A, N, L + 1)`` are: ``(N,)`` in [0, 1].

    It is large where the two likeliest labels are about as likely (*best versus second best*; Joshi et al., CVPR 2009),
    or where the answers differ.

    >>> uncertainty(np.array([[[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]])).tolist()
    [1.0, 0.0]
    """
    mean = likely.mean(axis=0)  # (N, L + 1)
    best = -np.sort(-mean, axis=1)  # (N, L + 1)
    second = best[:, 1] if best.shape[1] > 1 else 0.0
    differing = np.abs(likely - mean).sum(axis=2).mean(axis=0) / 2  # (N,)
    return np.asarray(1 - (best[:, 0] - second) * (1 - differing), dtype=float).clip(0.0, 1.0)
