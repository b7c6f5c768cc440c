"""Several detectors on the same videos: how good each is, and what of their differences the videos can show.

All intervals come from one bootstrap over videos (:mod:`rcl.evaluation.bootstrap`), with the same draws for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.evaluation.bootstrap import Interval, centred, class_precisions, draw_videos, interval_of, mean_over_classes
from rcl.evaluation.ground_truths import Policy, ground_truths, reviewed_detections
from rcl.evaluation.joining import check_common_videos, labelled_alike
from rcl.evaluation.metrics import Evaluation, evaluate
from rcl.system.errors import InputError, counted, listed

FEW_VIDEOS = 20
"""With fewer videos, intervals of differences are too narrow: in place of 95 of 100, about 86 contain the true
difference with 10 videos, 94 with 20 (docs/comparing.md)."""
_MANY_CLASSES = 10  # among so many, some interval that does not contain 0 is no surprise


@dataclass(frozen=True, eq=False)
class Measured:
    """What is measured of one detector, or of the difference of two.

    Args:
        average_map: averaged over classes and tIoU thresholds.
        ap: for each of the ``L`` classes, averaged over the thresholds.
    """

    average_map: Interval
    ap: tuple[Interval, ...]

    @classmethod
    def of(cls, precisions: np.ndarray, average: np.ndarray, videos: int) -> Measured:
        """From ``precisions (1 + D, L)`` and their ``average (1 + D,)``: the videos as they are, then the draws."""
        return cls(interval_of(average, videos), tuple(interval_of(column, videos) for column in precisions.T))

    def to_json(self, labels: Sequence[str]) -> dict[str, Any]:
        """All numbers in plain Python types."""
        per_class = {label: one.to_json("AP") for label, one in zip(labels, self.ap, strict=True)}
        return {**self.average_map.to_json(), "per_class": per_class}


@dataclass(frozen=True, eq=False)
class Entry:
    """One detector.

    Args:
        evaluation: as :func:`rcl.evaluation.evaluate` returns it.
        measured: with 95 % intervals.
        difference: this detector minus the one that all are compared with; ``None`` for that one.
    """

    evaluation: Evaluation
    measured: Measured
    difference: Measured | None


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """The result of :func:`leaderboard`.

    Args:
        entries: by the name of the detector, in the given order.
        against: the name of the detector that the others are compared with.
        labels: the ``L`` classes of the ground truth.
        positives: ``(L,)`` int64, ground truths of each class.
        videos: number of annotated videos.
        draws: of the bootstrap.
        seed: of the draws.
    """

    entries: dict[str, Entry]
    against: str
    labels: tuple[str, ...]
    positives: np.ndarray
    videos: int
    draws: int
    seed: int

    @property
    def differences(self) -> dict[str, Measured]:
        """By name, of all detectors but the one that they are compared with."""
        return {name: entry.difference for name, entry in self.entries.items() if entry.difference is not None}

    @property
    def order(self) -> list[int]:
        """The classes, the one whose AP changed most first, in any detector."""
        changes = [[abs(one.value) for one in difference.ap] for difference in self.differences.values()]
        return np.argsort(-np.max(changes, axis=0), kind="stable").tolist()

    @property
    def thresholds(self) -> np.ndarray:
        """``(T,)``, over which the mAP is averaged."""
        return self.entries[self.against].evaluation.tiou_thresholds

    def verdict(self, name: str) -> str:
        """What the videos show of a detector and the one that it is compared with, in a sentence.

        Raises:
            InputError: it has no difference from itself.
        """
        if name not in self.differences:
            expected = listed([*self.differences])
            raise InputError("name", expected=expected, found=name, fix="name another detector")
        change = self.differences[name].average_map
        number = counted(self.videos, "video")
        points = f"average mAP {_signed(change.value)} points"
        if change.low is None or change.high is None:
            return f"{name}: {points} from {self.against}; {number} cannot show whether that is chance."
        numbers = f"{points}, 95 % interval {_signed(change.low)} to {_signed(change.high)}"
        if not change.sign:
            these = "this video" if self.videos == 1 else f"these {number}"
            return f"{name}: no difference from {self.against} that {these} can show ({numbers})."
        return f"{name}: {'better' if change.sign > 0 else 'worse'} than {self.against} ({numbers})."

    def notes(self) -> list[str]:
        """A sentence for each reason to be careful with the intervals."""
        notes = []
        if 1 < self.videos < FEW_VIDEOS:
            notes.append(
                f"only {counted(self.videos, 'video')}: intervals from a bootstrap over so few are too narrow. Compare "
                "on more, for instance on the videos of all folds."
            )
        shown = sum(one.sign != 0 for difference in self.differences.values() for one in difference.ap)
        tested = len(self.labels) * len(self.differences)
        if shown and tested >= _MANY_CLASSES:
            notes.append(
                f"{shown} of {counted(tested, 'interval')} of single classes do not contain 0; of equal detectors, "
                f"about {max(round(0.05 * tested), 1)} would not either, by chance."
            )
        return notes

    def to_json(self) -> dict[str, Any]:
        """All numbers in plain Python types: the content of ``rcl compare --json``."""
        return {
            "against": self.against,
            "tiou_thresholds": self.thresholds.tolist(),
            "draws": self.draws,
            "seed": self.seed,
            "counts": {"videos": self.videos, "ground_truths": int(self.positives.sum())},
            "per_class_ground_truths": dict(zip(self.labels, self.positives.tolist(), strict=True)),
            "detectors": {
                name: {
                    **entry.measured.to_json(self.labels),
                    "evaluation": entry.evaluation.to_json(),
                    "difference": entry.difference.to_json(self.labels) if entry.difference else None,
                }
                for name, entry in self.entries.items()
            },
        }


def leaderboard(
    detectors: Mapping[str, Detections],
    annotations: Annotations,
    *,
    tiou_thresholds: Sequence[float] | np.ndarray,
    against: str | None = None,
    short_seconds: float | None = None,
    draws: int = 1000,
    seed: int = 0,
    policy: Policy = "official",
) -> Leaderboard:
    """Compare detectors by their mAP and by the AP of each class, with 95 % intervals.

    Videos are drawn with replacement, the same ones for all detectors, so that videos that are hard for all do not
    widen the intervals of differences. The limits are percentiles of the draws (Efron and Tibshirani, *An Introduction
    to the Bootstrap*, 1993, chapter 13), for a single detector moved so that the mean of the draws is the value: see
    :func:`rcl.evaluation.bootstrap.centred`. The AP of a class is measured on the draws that have an instance of it.

    >>> from rcl.data.annotations import VideoAnnotation
    >>> segments = np.array([[0.0, 4.0], [10.0, 12.0]])
    >>> videos = {name: VideoAnnotation(name, "validation", 20.0, None, segments, ("jump", "clap")) for name in "abc"}
    >>> index, ends = np.repeat([0, 1, 2], 2), np.tile(segments, (3, 1))
    >>> found = Detections(("a", "b", "c"), index, ends, ("clap", "jump"), np.tile([1, 0], 3), np.linspace(1, 0.5, 6))
    >>> board = leaderboard({"all": found, "jumps": found[::2]}, Annotations(videos), tiou_thresholds=[0.5])
    >>> board.verdict("jumps")
    'jumps: worse than all (average mAP −50.0 points, 95 % interval −50.0 to −50.0).'

    Args:
        detectors: the detections of each, by its name; at least two. All with labels, or none: then labels are ignored.
        annotations: ground truth of the videos, not clipped.
        tiou_thresholds: ``T`` numbers in (0, 1].
        against: the name of the detector that the others are compared with; by default the first one.
        short_seconds: also measure the mAP on instances of at most this length, without an interval.
        draws: number of draws of as many videos as there are.
        seed: of the draws.
        policy: see :func:`~rcl.evaluation.ground_truths.ground_truths`.

    Raises:
        InputError: there are fewer than two detectors, they have no annotated video in common or only some have labels,
            there is no ground truth, or an argument is outside its range.
    """
    against = _checked(detectors, against, draws)
    check_common_videos(detectors, annotations)
    annotations = labelled_alike(detectors, annotations)
    evaluations = {
        name: evaluate(found, annotations, tiou_thresholds=tiou_thresholds, short_seconds=short_seconds, policy=policy)
        for name, found in detectors.items()
    }
    thresholds = evaluations[against].tiou_thresholds
    truth = ground_truths(annotations, policy=policy)
    videos = len(truth.videos)
    weights = draw_videos(videos, draws=draws, seed=seed)
    judged = {name: reviewed_detections(found, annotations) for name, found in detectors.items()}
    precisions = {name: class_precisions(found, truth, thresholds, weights) for name, found in judged.items()}
    averages = {name: mean_over_classes(values) for name, values in precisions.items()}
    entries = {
        name: Entry(
            evaluations[name],
            Measured.of(centred(precisions[name]), centred(averages[name]), videos),
            None
            if name == against
            else Measured.of(precisions[name] - precisions[against], averages[name] - averages[against], videos),
        )
        for name in detectors
    }
    positives = np.bincount(truth.label_index, minlength=len(truth.labels))
    return Leaderboard(entries, against, truth.labels, positives, videos, draws, seed)


def _checked(detectors: Mapping[str, Detections], against: str | None, draws: int) -> str:
    """The name of the detector that the others are compared with."""
    if len(detectors) < 2:
        found = listed([*detectors]) or "none"
        raise InputError("detectors", expected="two detectors or more", found=found, fix="add another one")
    if draws < 1:
        raise InputError("draws", expected="1 or more", found=str(draws), fix="use e.g. 1000")
    if against is not None and against not in detectors:
        raise InputError("against", expected=f"one of {listed([*detectors])}", found=against, fix="name one of them")
    return next(iter(detectors)) if against is None else against


def _signed(fraction: float) -> str:
    """A difference in points, with a sign."""
    return f"{100 * fraction:+.1f}".replace("-", "−")
