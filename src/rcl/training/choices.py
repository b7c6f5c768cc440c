"""Settings that ``rcl fit`` chooses from the data, each with its reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from rcl.data.annotations import Annotations

VALIDATION_SHARE = 0.2  # of the videos, where the table names no subset
SNIPPETS_PER_ACTION = 4  # that a short action should span
PASSES = 800  # of training videos: enough for a few dozen of them, and a minute or two on a CPU
MANY_INSTANCES = 500  # from which on a wider model pays


class Choice(NamedTuple):
    """A setting that was chosen from the data, and why."""

    name: str
    value: str
    reason: str


def action_lengths(annotations: Annotations) -> np.ndarray:
    """Length in seconds of every instance, sorted: ``(N,)``."""
    lengths = [np.diff(video.segments_seconds, axis=1).ravel() for video in annotations.videos.values()]
    return np.sort(np.concatenate([*lengths, np.zeros(0)]))


def choose_stride(lengths_seconds: np.ndarray, rate: float) -> int:
    """σ, so that a short action (the tenth percentile) spans four snippets, and a snippet at most a second."""
    short = float(np.quantile(lengths_seconds, 0.1))
    return int(np.clip(round(rate * short / SNIPPETS_PER_ACTION), 1, max(1, round(rate))))


def choose_layers(longest: float) -> int:
    """Layers of the temporal encoder, which sees ``2^(layers + 1) − 1`` snippets: twice the longest action."""
    return int(np.clip(math.ceil(math.log2(2 * longest + 1)) - 1, 5, 10))


def choose_epochs(videos: int) -> int:
    """Epochs, so that a few videos are seen often and many at least ten times."""
    return int(np.clip(math.ceil(PASSES / videos), 10, 100))


def split_videos(annotations: Annotations, *, seed: int = 0) -> Annotations:
    """Hold out every fifth video for validation, so that every label keeps a training video. All are training videos.

    Args:
        annotations: without subsets.
        seed: another one holds out other videos.
    """
    names = sorted(annotations.videos)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    wanted = max(1, round(VALIDATION_SHARE * len(names)))
    left = Counter(label for video in annotations.videos.values() for label in set(video.labels))
    held_out = set[str]()
    for name in (names[index] for index in order):
        labels = set(annotations.videos[name].labels)
        if len(held_out) < wanted and labels and all(left[label] > 1 for label in labels):
            held_out.add(name)
            left.subtract(labels)
    return hold_out(annotations, held_out)


def hold_out(annotations: Annotations, names: Collection[str]) -> Annotations:
    """The same with the named videos in the subset validation, and the others in training."""
    videos = {
        name: replace(video, subset="validation" if name in names else "training")
        for name, video in annotations.videos.items()
    }
    return replace(annotations, videos=videos)
