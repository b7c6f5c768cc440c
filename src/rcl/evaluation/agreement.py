"""Agreement of two annotators: the instances that both have, and Cohen's kappa of their labels per frame.

Neither of the two is right, so every measure but the two shares is symmetric. Kappa is that of Cohen (*A Coefficient of
Agreement for Nominal Scales*, 1960): the agreement of frames beyond what the frequencies of the labels give by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.frames import BACKGROUND
from rcl.data.reviewed_time import describe_reviewed, reviewed_seconds
from rcl.evaluation.bootstrap import Interval, draw_videos, interval_of
from rcl.evaluation.both_reviewed import BothReviewed
from rcl.evaluation.frame_agreement import FrameTables, binary_kappa, frame_tables, kappa
from rcl.evaluation.ground_truths import GroundTruths, checked_thresholds
from rcl.evaluation.leaderboard import FEW_VIDEOS
from rcl.evaluation.one_to_one import OneToOne, match_one_to_one
from rcl.system.errors import InputError, counted

NOTHING = ""
"""In a confusion, what stands for no instance of the other annotator."""


class Differences(NamedTuple):
    """How well matched instances fit, each a mean; NaN without any. Positive: the second annotator is later."""

    tiou: float
    start_seconds: float
    end_seconds: float
    absolute_start_seconds: float
    absolute_end_seconds: float

    @classmethod
    def of(cls, pairs: OneToOne, first: np.ndarray, second: np.ndarray) -> Differences:
        """Those of matched segments ``(N, 2)`` and ``(M, 2)``."""
        if not len(pairs.tiou):
            return cls(*[float("nan")] * 5)
        change = second[pairs.second] - first[pairs.first]  # (P, 2)
        return cls(float(pairs.tiou.mean()), *change.mean(axis=0).tolist(), *np.abs(change).mean(axis=0).tolist())


class LabelAgreement(NamedTuple):
    """Agreement on one label, or on all together.

    Args:
        matched: number of pairs.
        first: instances of the first annotator.
        second: of the second one.
        f1: 2 · matched / (first + second), with its 95 % interval.
        kappa: per frame, likewise; NaN where nothing can be said, as no frame or every frame has the label.
        differences: of the matched pairs.
    """

    matched: int
    first: int
    second: int
    f1: Interval
    kappa: Interval
    differences: Differences

    def to_json(self) -> dict[str, Any]:
        """All numbers in plain Python types; what is undefined is ``None``."""
        return {
            "matched": self.matched,
            "first": self.first,
            "second": self.second,
            "share_of_first": _number(self.matched / self.first if self.first else np.nan),
            "share_of_second": _number(self.matched / self.second if self.second else np.nan),
            "f1": _interval(self.f1),
            "kappa": _interval(self.kappa),
            **{f"mean_{name}": _number(value) for name, value in self.differences._asdict().items()},
        }


@dataclass(frozen=True, eq=False)
class Agreement:
    """The result of :func:`agreement`.

    Args:
        tiou: from which on two instances match.
        fps: frames per second of kappa.
        extent: the videos that both have annotated, with what both reviewed of them; without instances.
        labels: the ``L`` labels of either annotator, sorted.
        total: all labels together; its kappa is that of all labels and the background as classes.
        per_label: of each label; its kappa is that of having the label or not.
        confusion: ``(L + 1, L + 1)`` int64: instances of the first annotator (rows) and of the second (columns) that
            match in time, first those of the same label, then the others; last, those that match none.
        frames: number of frames.
        double_frames: frames in which one annotator has several labels at once; the one that started first counts.
        unknown_durations: videos whose duration neither annotation has.
    """

    tiou: float
    fps: float
    extent: Annotations
    labels: tuple[str, ...]
    total: LabelAgreement
    per_label: tuple[LabelAgreement, ...]
    confusion: np.ndarray
    frames: int
    double_frames: int
    unknown_durations: int

    @property
    def videos(self) -> tuple[str, ...]:
        """Those that count."""
        return tuple(self.extent.videos)

    def notes(self) -> list[str]:
        """Sentences on what limits the numbers."""
        said = []
        if reviewed := describe_reviewed(self.extent, "Reviewed by both annotators"):
            said.append(f"{reviewed}. The rest does not count.")
        if self.double_frames:
            share = 100 * self.double_frames / self.frames
            said.append(
                f"In {share:.1f} % of the frames an annotator has several labels: for the kappa of all labels, the one "
                "that started first counts. The kappa of each label needs no such choice."
            )
        if self.unknown_durations:
            said.append(
                f"The annotations do not say how long {counted(self.unknown_durations, 'video')} last: the background "
                "after the last instance is not in kappa."
            )
        if 1 < len(self.videos) < FEW_VIDEOS:
            said.append(f"With {len(self.videos)} videos, the intervals are too narrow (docs/comparing.md).")
        return said

    def to_json(self) -> dict[str, Any]:
        """All numbers in plain Python types; what is undefined is ``None``."""
        names = [*self.labels, NOTHING]
        confusion = {
            name: {other: count for other, count in zip(names, row, strict=True) if count}
            for name, row in zip(names, self.confusion.tolist(), strict=True)
        }
        return {
            "tiou": self.tiou,
            "frames_per_second": self.fps,
            "counts": {"videos": len(self.videos), "frames": self.frames, "double_frames": self.double_frames},
            "reviewed_seconds": reviewed_seconds(self.extent),
            "total": self.total.to_json(),
            "per_label": {label: one.to_json() for label, one in zip(self.labels, self.per_label, strict=True)},
            "confusion": {name: row for name, row in confusion.items() if row},
        }


def agreement(
    first: Annotations,
    second: Annotations,
    *,
    tiou: float = 0.5,
    fps: float = 25.0,
    background: str = BACKGROUND,
    draws: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Compare two annotations of the same videos; videos that only one of them has do not count.

    What only one annotator reviewed does not count either: neither frames there, nor instances of which more than half
    lies there.

    Instances of a label in a video match one to one: as many pairs as possible with a tIoU of at least ``tiou``, and of
    all ways to choose them the one with the largest sum of tIoUs (Hungarian method). Detections are matched by score
    instead (:func:`rcl.evaluation.matching.match`), which annotators do not give.

    Frame ``i`` has the labels of the instances that contain its centre. A video lasts as long as the annotations say,
    or else until the last instance of either annotator.

    Args:
        first: of one annotator.
        second: of the other, under the names of ``first``, see :func:`rcl.evaluation.joining.join_annotations`.
        tiou: in (0, 1].
        fps: frames per second.
        background: the label of frames in no instance; instances of this label count as none.
        draws: of videos, from which the 95 % intervals come.
        seed: of the draws.

    Raises:
        InputError: there is no common video, none has an instance in what both reviewed, or ``tiou`` or ``fps`` is out
            of range.

    >>> from rcl.data.annotations import VideoAnnotation
    >>> def said(*times):
    ...     video = VideoAnnotation("v", "training", 10.0, None, np.array(times), ("run",) * len(times))
    ...     return Annotations({"v": video})
    >>> found = agreement(said([0.0, 2.0], [4.0, 6.0]), said([0.0, 2.0]), fps=10)
    >>> round(found.total.f1.value, 3), found.confusion.tolist(), round(found.total.kappa.value, 3)
    (0.667, [[1, 1], [0, 0]], 0.545)
    """
    threshold = float(checked_thresholds([tiou])[0])
    if not 0 < fps <= 1000:
        raise InputError("fps", expected="frames per second, up to 1000", found=str(fps), fix="correct it")
    both = BothReviewed.of(first.without_labels([background]), second.without_labels([background]))
    one, other, extent = both
    labels = tuple(sorted({*one.labels, *other.labels}))
    if not labels:
        found, fix = f"none in what both reviewed of {counted(len(one.videos), 'video')}", "give files with some"
        raise InputError("annotations", expected="labelled segments", found=found, fix=fix)
    a, b = (_columns(annotations, labels) for annotations in both.instances())
    pairs = match_one_to_one(a.grouped, b.grouped, threshold)
    weights = draw_videos(len(a.videos), draws=draws, seed=seed)  # (1 + D, V)
    tables = frame_tables(one, other, labels, fps=fps, extent=extent)
    total, per_label = _measures(a, b, pairs, tables, weights)
    return Agreement(
        tiou=threshold,
        fps=fps,
        extent=extent,
        labels=labels,
        total=total,
        per_label=per_label,
        confusion=_confusion(a, b, pairs, threshold),
        frames=int(tables.frames.sum()),
        double_frames=tables.double_frames,
        unknown_durations=sum(
            video.reviewed_seconds is None
            and not (one.videos[name].duration_seconds or other.videos[name].duration_seconds)
            for name, video in extent.videos.items()
        ),
    )


def _columns(annotations: Annotations, labels: Sequence[str]) -> GroundTruths:
    """The instances as columns; unlike those of a ground truth, there may be none."""
    videos, position = [*annotations.videos.values()], {label: index for index, label in enumerate(labels)}
    return GroundTruths(
        videos=tuple(annotations.videos),
        video_index=np.repeat(np.arange(len(videos)), [len(video.labels) for video in videos]),
        segments_seconds=np.concatenate([video.segments_seconds.reshape(-1, 2) for video in videos]),
        labels=tuple(labels),
        label_index=np.array([position[label] for video in videos for label in video.labels], dtype=np.int64),
    )


def _measures(
    a: GroundTruths, b: GroundTruths, pairs: OneToOne, tables: FrameTables, weights: np.ndarray
) -> tuple[LabelAgreement, tuple[LabelAgreement, ...]]:
    """The measures of all labels together, and of each."""
    videos, size = len(a.videos), len(a.labels)

    def per_video(video: np.ndarray, label: np.ndarray) -> np.ndarray:  # (V, L)
        return np.bincount(video * size + label, minlength=videos * size).reshape(videos, size)

    matched = per_video(a.video_index[pairs.first], a.label_index[pairs.first])
    first, second = (per_video(one.video_index, one.label_index) for one in (a, b))
    f1 = _f1(weights @ matched, weights @ (first + second))  # (1 + D, L)
    of_all = _f1(weights @ matched.sum(axis=1), weights @ (first + second).sum(axis=1))  # (1 + D,)
    both, in_first, in_second = (weights @ column for column in tables.having)  # each (1 + D, L)
    kappas = binary_kappa(both, in_first, in_second, weights @ tables.frames)  # (1 + D, L)
    of_classes = kappa(weights @ tables.agreed, weights @ tables.first, weights @ tables.second)  # (1 + D,)
    differences = Differences.of(pairs, a.segments_seconds, b.segments_seconds)
    intervals = interval_of(of_all, videos), interval_of(of_classes, videos)
    total = LabelAgreement(len(pairs.tiou), len(a), len(b), *intervals, differences)
    own = a.label_index[pairs.first]
    per_label = tuple(
        LabelAgreement(
            int(matched[:, label].sum()),
            int(first[:, label].sum()),
            int(second[:, label].sum()),
            interval_of(f1[:, label], videos),
            interval_of(kappas[:, label], videos),
            Differences.of(pairs.take(own == label), a.segments_seconds, b.segments_seconds),
        )
        for label in range(size)
    )
    return total, per_label


def _f1(matched: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """NaN in a draw without an instance of either annotator."""
    return np.divide(2 * matched, instances, out=np.full(instances.shape, np.nan), where=instances > 0)


def _confusion(a: GroundTruths, b: GroundTruths, pairs: OneToOne, tiou: float) -> np.ndarray:
    """Instances of the first annotator by those of the second: ``(L + 1, L + 1)``."""
    size = len(a.labels) + 1
    left, right = (np.setdiff1d(np.arange(len(one)), used) for one, used in ((a, pairs.first), (b, pairs.second)))
    others = match_one_to_one(a.by_video.take(left), b.by_video.take(right), tiou)
    partner, label = np.full(len(a), size - 1), np.full(len(b), size - 1)
    partner[pairs.first], label[pairs.second] = b.label_index[pairs.second], a.label_index[pairs.first]
    partner[left[others.first]] = b.label_index[right[others.second]]
    label[right[others.second]] = a.label_index[left[others.first]]
    table = np.bincount(a.label_index * size + partner, minlength=size**2).reshape(size, size)
    alone = label == size - 1
    table[-1, :] = np.bincount(b.label_index[alone], minlength=size)
    return table


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _interval(interval: Interval) -> dict[str, Any]:
    limits = [interval.low, interval.high]
    return {"value": _number(interval.value), "interval_95": None if None in limits else limits}
