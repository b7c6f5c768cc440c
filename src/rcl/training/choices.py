"""Settings that ``rcl.fit`` chooses from the data, each with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from rcl.data.annotations import Annotations
from rcl.training.folds import groups_of, videos_together

VALIDATION_SHARE = 0.2  # of the videos, if the table names no subset
LEAST_GROUPS = 3  # whole groups are held out from here on
SNIPPETS_PER_ACTION = 4  # in a short action


class Choice(NamedTuple):
    """A setting chosen from the data, and the reason."""

    name: str
    value: str
    reason: str


def action_lengths(annotations: Annotations) -> np.ndarray:
    """Length in seconds of every instance, sorted: ``(N,)``."""
    lengths = [np.diff(video.segments_seconds, axis=1).ravel() for video in annotations.videos.values()]
    return np.sort(np.concatenate([*lengths, np.zeros(0)]))


def choose_stride(lengths_seconds: np.ndarray, rate: float, *, snippets: int = SNIPPETS_PER_ACTION) -> int:
    """Frames per snippet (σ): a short action (the tenth percentile) spans some snippets, a snippet at most a second.

    Args:
        lengths_seconds: ``(N,)``, at least one.
        rate: frames per second.
        snippets: of a short action.

    >>> choose_stride(np.array([0.8, 0.8, 60.0]), rate=15)
    3
    """
    short = float(np.quantile(lengths_seconds, 0.1))
    return int(np.clip(round(rate * short / snippets), 1, max(1, round(rate))))


def has_groups(annotations: Annotations) -> bool:
    """Whether there are enough groups to hold out whole ones."""
    return len(groups_of(annotations)) >= LEAST_GROUPS


def split_videos(annotations: Annotations, *, seed: int = 0, kept: Mapping[str, str] | None = None) -> Annotations:
    """The same videos in the subsets training and validation.

    A fifth of the videos is held out for validation, but only videos whose labels all keep a training video. Where
    there are at least three groups, a fifth of the groups is held out, each as a whole; a video without a group then
    counts as a group.

    Args:
        annotations: the videos, whatever their subset.
        seed: chooses the videos.
        kept: name to subset of videos that are not split again; those not in training count as held out. Others of
            their group follow them.
    """
    videos = annotations.videos
    units = videos_together(annotations) if has_groups(annotations) else [(name,) for name in sorted(videos)]
    kept = _with_their_groups(units, kept or {})
    order = torch.randperm(len(units), generator=torch.Generator().manual_seed(seed)).tolist()
    held_out = {name for name in videos if kept.get(name, "training") != "training"}
    left = Counter(label for name in videos.keys() - held_out for label in set(videos[name].labels))
    missing = max(1, round(VALIDATION_SHARE * len(units))) - sum(not held_out.isdisjoint(unit) for unit in units)
    for unit in (units[index] for index in order if kept.keys().isdisjoint(units[index])):
        own = Counter(label for name in unit for label in set(videos[name].labels))
        if missing > 0 and own and all(left[label] > count for label, count in own.items()):
            held_out.update(unit)
            left.subtract(own)
            missing -= 1
    return with_subsets(hold_out(annotations, held_out), kept)


def _with_their_groups(units: Sequence[Sequence[str]], kept: Mapping[str, str]) -> dict[str, str]:
    """Name to subset of the videos that keep theirs, and of the others of their groups: a new video of a person that
    was held out is held out, too. Where an earlier split divided a group, its new videos are trained on."""
    subsets = dict(kept)
    for unit in units:
        known = {kept[name] for name in unit if name in kept}
        if known:
            follow = known.pop() if len(known) == 1 else "training"
            subsets |= {name: kept.get(name, follow) for name in unit}
    return subsets


def hold_out(annotations: Annotations, names: Collection[str]) -> Annotations:
    """The same videos, the named ones in the subset validation and the others in training."""
    return with_subsets(
        annotations, {name: "validation" if name in names else "training" for name in annotations.videos}
    )


def with_subsets(annotations: Annotations, subsets: Mapping[str, str]) -> Annotations:
    """The same videos, those that ``subsets`` names in another subset."""
    videos = {
        name: replace(video, subset=subsets.get(name, video.subset)) for name, video in annotations.videos.items()
    }
    return replace(annotations, videos=videos)
