"""Settings that ``rcl.fit`` chooses from the data, each with its reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from rcl.data.annotations import Annotations
from rcl.system.errors import counted

VALIDATION_SHARE = 0.2  # of the videos, if the table names no subset
SNIPPETS_PER_ACTION = 4  # in a short action
PASSES = 800  # training videos seen in all epochs: enough for a few dozen videos, in a minute or two on a CPU
MANY_INSTANCES = 500  # a wider model pays from here on


class Choice(NamedTuple):
    """A setting chosen from the data, and the reason."""

    name: str
    value: str
    reason: str


def action_lengths(annotations: Annotations) -> np.ndarray:
    """Length in seconds of every instance, sorted: ``(N,)``."""
    lengths = [np.diff(video.segments_seconds, axis=1).ravel() for video in annotations.videos.values()]
    return np.sort(np.concatenate([*lengths, np.zeros(0)]))


def choose_stride(lengths_seconds: np.ndarray, rate: float) -> int:
    """Frames per snippet (σ): a short action (the tenth percentile) spans four snippets, a snippet at most a second.

    Args:
        lengths_seconds: ``(N,)``, at least one.
        rate: frames per second.

    >>> choose_stride(np.array([0.8, 0.8, 60.0]), rate=15)
    3
    """
    short = float(np.quantile(lengths_seconds, 0.1))
    return int(np.clip(round(rate * short / SNIPPETS_PER_ACTION), 1, max(1, round(rate))))


def choose_layers(longest: float) -> int:
    """Layers of the temporal encoder, which then sees ``2^(layers + 1) − 1`` snippets: twice the longest action."""
    return int(np.clip(math.ceil(math.log2(2 * longest + 1)) - 1, 5, 10))


def choose_epochs(videos: int) -> int:
    """Epochs: few videos are seen often, many at least ten times."""
    return int(np.clip(math.ceil(PASSES / videos), 10, 100))


def choose_model(training: Annotations, snippets_per_second: float) -> tuple[dict[str, Any], list[Choice]]:
    """Sections ``model``, ``sampling`` and ``training`` of the configuration, without a seed, and what was chosen.

    Args:
        training: the training videos, with at least one instance.
        snippets_per_second: rate of their features.
    """
    lengths = action_lengths(training)
    longest = float(lengths[-1]) * snippets_per_second
    layers = choose_layers(longest)
    channels = 128 if len(lengths) >= MANY_INSTANCES else 64
    epochs = choose_epochs(len(training.videos))
    sections = {
        "model": {"encoder": {"name": "temporal", "channels": channels, "layers": layers}, "channels": channels},
        "sampling": {"regular": 500},
        "training": {
            "epochs": epochs,
            "batch_size": 2,
            "learning_rate": 2e-3,
            "validate_every": max(1, epochs // 5),
        },
    }
    return sections, [
        Choice("encoder layers", str(layers), f"the longest action lasts {longest / snippets_per_second:.3g} s"),
        Choice("channels of the model", str(channels), f"there are {counted(len(lengths), 'training instance')}"),
        Choice("epochs", str(epochs), f"there are {counted(len(training.videos), 'training video')}"),
    ]


def split_videos(annotations: Annotations, *, seed: int = 0, kept: Mapping[str, str] | None = None) -> Annotations:
    """The same videos in the subsets training and validation.

    A fifth of the videos is held out for validation, but only videos whose labels all keep a training video.

    Args:
        annotations: the videos, whatever their subset.
        seed: chooses the videos.
        kept: name to subset of videos that are not split again; those not in training count as held out.
    """
    kept = kept or {}
    names = sorted(annotations.videos)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    wanted = max(1, round(VALIDATION_SHARE * len(names)))
    held_out = {name for name in names if kept.get(name, "training") != "training"}
    learned = [video for name, video in annotations.videos.items() if name not in held_out]
    left = Counter(label for video in learned for label in set(video.labels))
    for name in (names[index] for index in order if names[index] not in kept):
        labels = set(annotations.videos[name].labels)
        if len(held_out) < wanted and labels and all(left[label] > 1 for label in labels):
            held_out.add(name)
            left.subtract(labels)
    return with_subsets(hold_out(annotations, held_out), kept)


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
