"""The settings of a training, chosen from the labels and the lengths of the training videos, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.stores import Store
from rcl.data.streams import Stream
from rcl.detector.config import DataConfig
from rcl.system.errors import counted, listed
from rcl.training.choices import SNIPPETS_PER_ACTION, Choice, action_lengths
from rcl.training.places import information_of_place

Sections = dict[str, dict[str, Any]]
"""Sections of a configuration, as plain values."""

MANY_VIDEOS = 16  # from here on, what happens when in a video can be learned
SIMILAR_LENGTHS = 4.0  # the longest video is at most so many times as long as the shortest
SIMILAR_COURSE = 0.1  # nats: from here on, the place in a video tells something about the label
MANY_INSTANCES = 100  # a wider model pays from here on
LONGEST_CROP = 2048  # snippets: longer videos are cropped in training
STEPS, PASSES = 500, 5  # optimization steps, at least; passes over the videos, at least
BATCH, EPOCHS = 2, 10
LEAST_WIDE = 1000  # channels: the 376 of motion gain nothing from what follows (docs/notebook/surveillance.md)
WIDE = 8.0  # channels for every training instance: from here on, a network finds a chance reason for every label
WIDE_DROPOUT, WIDE_NOISE = 0.5, 0.5  # of input channels, then; of standardized features
STREAM_DROPOUT = 0.5  # a detector then still works without a stream, a little less accurately (docs/results.md)
ONE_LENGTH_RATE, OWN_LENGTHS_RATE = 1e-3, 2e-3  # learning rates: measured, and not explained (docs/design.md)


class Alternative(NamedTuple):
    """Settings that may be better than those of the recipe: a name for the user, and the keys that change."""

    name: str
    changes: Mapping[str, Mapping[str, Any]]


class Recordings(NamedTuple):
    """What the settings depend on.

    Args:
        lengths_seconds: of all training instances, sorted: ``(N,)``.
        snippets: of all training videos: ``(V,)``.
        rate: of their features, in snippets per second.
        place_information: of labels, in nats; see :func:`rcl.training.places.information_of_place`.
        streams: of the features; empty for a single one.
        channels: C, of all streams.
        one_file: whether all streams of a video come from one file.
        own_lengths: whether they must keep their lengths, since the speed of what happens means something.
    """

    lengths_seconds: np.ndarray
    snippets: np.ndarray
    rate: float
    place_information: float = 0.0
    streams: tuple[Stream, ...] = ()
    channels: int = 0
    one_file: bool = False
    own_lengths: bool = False

    @classmethod
    def of(
        cls, training: Annotations, store: Store, rate: float, *, one_file: bool = False, own_lengths: bool = False
    ) -> Recordings:
        """The facts about training videos with at least one instance."""
        videos = list(training.videos.values())
        shapes = np.array([store.shape(video.name) for video in videos])  # (V, 2), T and C
        snippets = shapes[:, 0]
        seconds = snippets / np.array([store.rate(video.name) or video.snippets_per_second or rate for video in videos])
        owner = np.repeat(np.arange(len(videos)), [len(video.labels) for video in videos])  # (N,)
        centres = np.concatenate([video.segments_seconds.mean(axis=1) for video in videos]) / seconds[owner]
        labels = np.unique([label for video in videos for label in video.labels], return_inverse=True)[1]
        places = information_of_place(owner, centres, labels)
        lengths, channels = action_lengths(training), int(shapes[0, 1])
        return cls(lengths, snippets, rate, places, store.streams, channels, one_file, own_lengths)

    @property
    def short_seconds(self) -> float:
        """Length of a short action: one in ten is shorter."""
        return float(np.quantile(self.lengths_seconds, 0.1))

    @property
    def needed_rate(self) -> float:
        """Snippets per second at which a short action spans a few snippets, at most those of the features."""
        return min(self.rate, SNIPPETS_PER_ACTION / max(self.short_seconds, 1e-6))

    @property
    def are_wide(self) -> bool:
        """Whether there are many channels, also for every training instance."""
        return self.channels >= LEAST_WIDE and self.channels > WIDE * len(self.lengths_seconds)

    @property
    def are_alike(self) -> bool:
        """Whether the videos are many, of similar lengths, and take a similar course."""
        many = len(self.snippets) >= MANY_VIDEOS and not self.own_lengths
        return many and have_similar_lengths(self.snippets) and self.place_information > SIMILAR_COURSE


def choose_recipe(recordings: Recordings) -> tuple[Sections, list[Choice]]:
    """All settings that depend on the data, without seed and paths, and what was chosen."""
    data, time = choose_time(recordings)
    typical = float(np.median(recordings.snippets))
    share = data["resize"] / typical if "resize" in data else 1 / data["downsample"]
    model, network = choose_model(recordings, snippets=typical * share)
    training, steps = choose_steps(len(recordings.snippets))
    training["learning_rate"] = ONE_LENGTH_RATE if "resize" in data else OWN_LENGTHS_RATE
    own = "all videos get one length" if "resize" in data else "videos keep their own lengths"
    learning_rate = Choice("learning rate", f"{training['learning_rate']:g}", own)
    longest = float(recordings.snippets.max()) * share
    crop = LONGEST_CROP if longest > LONGEST_CROP else None
    sections = {
        "data": {"standardize": True, **data},
        "augmentation": {"crop": crop},
        "model": model,
        "loss": {"classification": 0.0},  # p1; the label scores contain this information per class
        "training": training,
        "inference": {"shortest": shortest_anchor(recordings, share), "candidates": 4000},
    }
    cropped = Choice("training on", f"{crop} snippets at random", f"the longest video has {longest:.0f}")
    streams = choose_streams(recordings, sections) if recordings.streams else []
    strong = choose_strong(recordings, sections) if recordings.are_wide else []
    found = [*streams, time, *network, *strong, steps, learning_rate, *([cropped] if crop else [])]
    return sections, [*found, *_fixed(recordings)]


def choose_strong(recordings: Recordings, sections: Sections) -> list[Choice]:
    """Complete the sections for features that are wide for so few instances: strong dropout and noise of the input, of
    several streams only of those that are wider than their embedding."""
    instances = counted(len(recordings.lengths_seconds), "training instance")
    reason = f"there are {recordings.channels:,} channels for {instances}"
    value = f"{WIDE_DROPOUT:g} and {WIDE_NOISE:g}"
    if not recordings.streams:
        sections["model"]["encoder"]["input_dropout"] = WIDE_DROPOUT
        sections["augmentation"]["noise"] = WIDE_NOISE
        return [Choice("dropout of input channels, and noise", value, reason)]
    embedding = sections["model"]["streams"]
    wide = [stream.name for stream in recordings.streams if stream.channels > embedding["channels"]]
    if not wide:
        return []
    embedding |= {"input_dropout": WIDE_DROPOUT, "noise": WIDE_NOISE}
    return [Choice(f"dropout of channels of {listed(wide, 10)}, and noise", value, reason)]


def choose_streams(recordings: Recordings, sections: Sections) -> list[Choice]:
    """Complete the sections for several streams: dropout acts on the channels of each, before they are added."""
    encoder, streams = sections["model"]["encoder"], recordings.streams
    dropout = 0.0 if recordings.one_file else STREAM_DROPOUT
    sections["data"]["streams"] = [stream.name for stream in streams]
    sections["model"]["streams"] = {"channels": encoder["channels"], "dropout": dropout}
    encoder["input_dropout"] = 0.0
    value = listed([_described(stream) for stream in streams], 10)
    found = Choice("streams", value, "the pack has them")
    if len(streams) == 1:
        return [found]
    reason = "the detector then still works where a stream is missing"
    if recordings.one_file:
        reason = "all come from one file, so none is missing alone"
    return [found, Choice("dropout of streams", f"{dropout:g}", reason)]


def _described(stream: Stream) -> str:
    rate = f"{stream.snippets_per_second:.4g} per second" if stream.snippets_per_second else "at various rates"
    return f"{stream.name} ({counted(stream.channels, 'channel')}, {rate})"


def choose_time(recordings: Recordings) -> tuple[dict[str, Any], Choice]:
    """How features are sampled in time, as keys of section ``data``.

    Videos that are alike get one number of snippets, so that a place in one means the same as in another. Others keep
    their own, or a whole fraction of it.
    """
    short = f"one action in ten is shorter than {recordings.short_seconds:.2g} s"
    if recordings.are_alike:
        share = recordings.needed_rate / recordings.rate
        snippets = max(round(float(np.median(recordings.snippets)) * share), 16)
        reason = f"{short}, and the {len(recordings.snippets)} videos have similar lengths and a similar course"
        return {"resize": snippets, "resize_method": "mean"}, Choice("snippets per video", str(snippets), reason)
    factor = max(int(recordings.rate / recordings.needed_rate + 1e-6), 1)
    value = f"{recordings.rate / factor:.3g} per second"
    value += f", the mean of {factor} in a row" if factor > 1 else ", as they are"
    return {"downsample": factor}, Choice("snippets in the network", value, short)


def choose_model(recordings: Recordings, *, snippets: float) -> tuple[dict[str, Any], list[Choice]]:
    """Section ``model`` for videos that typically have some ``snippets``."""
    layers = choose_layers(snippets)
    instances = len(recordings.lengths_seconds)
    channels = 128 if instances >= MANY_INSTANCES else 64
    sees = 2 ** (layers + 1) - 1
    model = {
        "encoder": {"name": "temporal", "channels": channels, "layers": layers},
        "head": {"channels": channels, "points": 16, "context": 0.25, "ends": 2, "steps": 3},
    }
    return model, [
        Choice("encoder layers", f"{layers}, which see {sees} snippets", f"a typical video has {snippets:.0f}"),
        Choice("channels of the model", str(channels), f"there are {counted(instances, 'training instance')}"),
    ]


def choose_layers(snippets: float) -> int:
    """Layers of the temporal encoder, which then sees one and a half videos of ``snippets``, but at most 1,023.

    >>> [choose_layers(snippets) for snippets in (20, 300, 5000)]
    [5, 8, 9]
    """
    return int(np.clip(math.ceil(math.log2(1.5 * snippets + 1)) - 1, 5, 9))


def choose_steps(videos: int) -> tuple[dict[str, Any], Choice]:
    """Section ``training``: a number of steps, more only where many videos would hardly be seen."""
    steps = max(STEPS, math.ceil(PASSES * videos / BATCH))
    training = {
        "epochs": EPOCHS,
        "epoch_steps": math.ceil(steps / EPOCHS),
        "batch_size": BATCH,
        "validate_every": min(5, EPOCHS),
    }
    value = f"{EPOCHS * training['epoch_steps']}, with {counted(BATCH, 'video')} each"
    return training, Choice("training steps", value, f"there are {counted(videos, 'training video')}")


def shortest_anchor(recordings: Recordings, share: float) -> float:
    """The first length of the lattice, in snippets: two thirds of the shortest actions, from one to two snippets."""
    shortest = float(np.quantile(recordings.lengths_seconds, 0.01)) * recordings.rate * share
    return round(float(np.clip(shortest / 1.5, 1.0, 2.0)), 2)


def _fixed(recordings: Recordings) -> list[Choice]:
    """What does not depend on the data, and what the model takes from it by itself."""
    longest = float(recordings.lengths_seconds[-1])
    return [
        Choice("longest anchor", f"{longest:.3g} s", "so long is the longest training action"),
        Choice("features", "standardized per channel", "channels may have any scale; the checkpoint keeps it"),
        Choice(
            "look-up",
            "16 points, context 0.25, 2 snippets around the ends",
            "it was best on average on the data of docs/results.md",
        ),
        Choice(
            "dropout",
            "0.1" if recordings.are_wide else "0.1, also of input channels",
            "it was best on average on the data of docs/results.md",
        ),
    ]


def alternatives(data: DataConfig, snippets: np.ndarray) -> list[Alternative]:
    """What may be better than the recipe on some data: the other way to sample time, a wider look-up, more dropout.

    Args:
        data: section ``data`` of the recipe.
        snippets: T of the training videos before they are resized or downsampled ``(V,)``.
    """
    found, typical = list[Alternative](), float(np.median(snippets))
    if data.resize:
        factor = max(round(typical / data.resize), 1)
        own = {"resize": None, "resize_method": "linear", "downsample": factor}
        found.append(Alternative("videos at their own lengths", {"data": own}))
    elif len(snippets) > 1 and have_similar_lengths(snippets):
        one = {"resize": max(round(typical / data.downsample), 16), "resize_method": "mean", "downsample": 1}
        found.append(Alternative("all videos at one length", {"data": one}))
    found.append(Alternative("a wider look-up", {"model": {"head": {"context": 0.5, "points": 24}}}))
    part = "streams" if data.streams else "encoder"
    found.append(Alternative("more dropout of input channels", {"model": {part: {"input_dropout": 0.4}}}))
    return found


def have_similar_lengths(snippets: np.ndarray) -> bool:
    """Whether the longest of some videos ``(V,)`` is at most four times as long as the shortest."""
    return bool(snippets.max() <= SIMILAR_LENGTHS * snippets.min())


def with_changes(sections: Sections, changes: Mapping[str, Mapping[str, Any]]) -> Sections:
    """The sections with some keys changed; nested sections are merged.

    >>> with_changes({"data": {"downsample": 2}}, {"data": {"resize": 9, "downsample": 1}})
    {'data': {'downsample': 1, 'resize': 9}}
    """
    return {name: _merged(sections.get(name, {}), changes.get(name, {})) for name in {**sections, **changes}}


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    nested = {key: _merged(old[key], value) for key, value in new.items() if isinstance(old.get(key), Mapping)}
    return {**old, **new, **nested}
