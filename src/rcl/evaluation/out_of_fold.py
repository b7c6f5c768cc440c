"""The result of a cross-validation: how good detectors are in videos that they were not trained on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.evaluation.bootstrap import Interval, Repeated, mean_of_trainings


@dataclass(frozen=True, eq=False)
class Fold:
    """A fold of a cross-validation.

    Args:
        videos: the names of those that were held out.
        groups: of these videos.
        instances: in these videos.
        score: of the detectors that were trained on the other folds, in this fold alone.
    """

    videos: tuple[str, ...]
    groups: tuple[str, ...]
    instances: int
    score: Repeated

    def to_json(self) -> dict[str, Any]:
        """All of it in plain Python types."""
        names = {"groups": list(self.groups), "videos": list(self.videos)}
        return {**self.score.to_json(), "ground_truths": self.instances, **names}


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Average mAP over the folds of a cross-validation.

    Args:
        folds: each with its own score.
        pooled: score of the detections of all folds, ranked together; its interval is a bootstrap over all videos.
        seeds: of the trainings, in the order of ``values`` in every score.
        tiou_thresholds: ``(T,)``, over which the mAP is averaged.
    """

    folds: tuple[Fold, ...]
    pooled: Repeated
    seeds: tuple[int, ...]
    tiou_thresholds: np.ndarray

    @property
    def mean_of_folds(self) -> Repeated:
        """The mean of the scores of the folds, for each seed. It has no interval: the folds are few."""
        values = np.mean([fold.score.values for fold in self.folds], axis=0)  # (S,)
        return Repeated(tuple(values.tolist()), Interval(float(values.mean()), None, None))

    @property
    def videos(self) -> int:
        """The number of videos."""
        return sum(len(fold.videos) for fold in self.folds)

    @property
    def instances(self) -> int:
        """The number of ground truths."""
        return sum(fold.instances for fold in self.folds)

    def to_json(self) -> dict[str, Any]:
        """All numbers in plain Python types."""
        return {
            "pooled": self.pooled.to_json(),
            "mean_of_folds": self.mean_of_folds.to_json(),
            "folds": [fold.to_json() for fold in self.folds],
            "seeds": list(self.seeds),
            "tiou_thresholds": self.tiou_thresholds.tolist(),
            "counts": {"videos": self.videos, "ground_truths": self.instances},
        }


def cross_validation(
    annotations: Annotations,
    parts: Sequence[Collection[str]],
    found: Sequence[Sequence[Detections]],
    *,
    seeds: Sequence[int],
    tiou_thresholds: Sequence[float] | np.ndarray,
) -> CrossValidation:
    """Evaluate the out-of-fold detections of several seeds, in each fold and in all videos.

    Args:
        annotations: ground truth of all videos, not clipped.
        parts: the names of the videos of each of ``F`` folds, at least one with an instance in each.
        found: ``F`` times ``S``: what the detector of each seed, trained on the other folds, found in the fold.
        seeds: ``S`` numbers.
        tiou_thresholds: ``T`` numbers in (0, 1].

    Raises:
        InputError: a threshold is outside its range, or a fold has no ground truth.
    """
    folds = list[Fold]()
    for part, own in zip(parts, found, strict=True):
        videos = {name: video for name, video in annotations.videos.items() if name in part}
        groups = {video.group for video in videos.values() if video.group is not None}
        score = mean_of_trainings(own, replace(annotations, videos=videos), tiou_thresholds=tiou_thresholds)
        instances = sum(len(video.labels) for video in videos.values())
        folds.append(Fold(tuple(videos), tuple(sorted(groups)), instances, score))
    pooled = [Detections.concatenate(of_seed) for of_seed in zip(*found, strict=True)]
    score = mean_of_trainings(pooled, annotations, tiou_thresholds=tiou_thresholds)
    return CrossValidation(tuple(folds), score, tuple(seeds), np.asarray(tiou_thresholds, dtype=np.float64))
