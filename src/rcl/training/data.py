"""The data of a training run: annotations, features and batches, checked before any work starts."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rcl.data.annotations import Annotations, check_labels
from rcl.data.datasets import VideoDataset, WindowDataset
from rcl.data.features import propose_transposing
from rcl.data.formats.load import load_both
from rcl.data.formats.thumos14 import AMBIGUOUS
from rcl.data.names import similar_labels
from rcl.data.pack import find_annotations
from rcl.data.standardization import ChannelScale, measure_channels
from rcl.data.stores import Store, open_store
from rcl.data.streams import Stream
from rcl.data.time_units import Extent, TimeCheck
from rcl.detector.checkpoint import Facts
from rcl.detector.config import Config, DataConfig
from rcl.detector.prepare import build_preparation
from rcl.system.errors import InputError, counted, listed
from rcl.system.paths import exists
from rcl.training.reviewed import where_reviewed
from rcl.video.settings import StreamSettings, read_settings

log = logging.getLogger("rcl")

SCALE_VIDEOS = 200  # training videos that the scale of the channels is measured on, at most


class TrainingData(NamedTuple):
    """What a run reads.

    Args:
        training: the training videos, or windows of them.
        validation: the validation videos; ``None`` to train without, like the next one.
        annotations: their ground truth as it is written, which the evaluation compares with.
        facts: what the model has to know about the data.
    """

    training: VideoDataset | WindowDataset
    validation: VideoDataset | None
    annotations: Annotations | None
    facts: Facts


def load_training_data(config: Config) -> TrainingData:
    """Read the annotations, find every feature file, and collect what the model has to know about the data.

    Raises:
        InputError: annotations or features are missing or damaged; a subset has no labels; a validation label has no
            training instance, unless ``data.unseen_labels`` is ``missed`` and another label has one.
    """
    data = config.data
    path = data.annotations or find_annotations(data.root)
    _check_pack(data, path)
    everything, written = load_both(path)
    subsets = _subsets(everything, config)
    store = open_store(data.root, everything, features=data.features, streams=data.streams, layout=data.layout)
    channels = store.check([name for subset in subsets for name in subset.videos])
    _check_one_rate(store, data)
    labels = _labels(subsets, config)
    scale = _channel_scale(subsets[0], store) if data.standardize else None
    datasets = [VideoDataset(subset, store, labels, build_preparation(data, scale)) for subset in subsets]
    _check_units(written.subset(data.training_subset), datasets[0])
    _check_labelled(subsets, data, path)
    facts = replace(_facts(datasets[0], config, labels, channels), channels=scale, streams=store.streams)
    _check_times(datasets[0], str(path))
    _warn_of_ambiguous(subsets[0])
    videos = where_reviewed(datasets[0], str(path))
    training = _windows(videos, data, str(path)) if data.window else videos
    if len(datasets) == 1:
        return TrainingData(training, None, None, facts)
    truth = written.subset(str(data.validation_subset))
    return TrainingData(training, datasets[1], truth if config.model.labels == "joint" else truth.unlabelled(), facts)


def without_validation(config: Config) -> Config:
    """The same configuration, which reads nothing of the validation videos."""
    return config.model_copy(update={"data": config.data.model_copy(update={"validation_subset": None})})


def _check_pack(data: DataConfig, path: Path) -> None:
    if data.annotations is None and not exists(path):
        given = "root" in data.model_fields_set
        found = f"no {path.name} in {data.root}" if given else f"no such setting, and no {path.name} in this folder"
        fix = "give the folder of a pack: data.root=PACK" if given else "add data.root=PACK to the command"
        raise InputError("data.root", expected="the folder of a pack", found=found, fix=fix)


def _subsets(annotations: Annotations, config: Config) -> list[Annotations]:
    """The training subset and, if the configuration has one, the validation subset."""
    subsets = [annotations.subset(config.data.training_subset)]
    if config.data.validation_subset is not None:
        subsets.append(_validation_subset(annotations, config.data.validation_subset))
        if config.model.labels == "joint":
            subsets[1] = _learnable(*subsets, missed=config.data.unseen_labels == "missed")
    return subsets


def _learnable(training: Annotations, validation: Annotations, *, missed: bool) -> Annotations:
    """The validation instances whose labels can be learned. The evaluation has all, so the others count as missed.

    Raises:
        InputError: a label does not occur in training, and ``missed`` is not set; or none occurs there.
    """
    unseen = set(validation.labels) - set(training.labels)
    if not unseen:
        return validation
    if not missed or unseen == set(validation.labels):
        check_labels(training, validation)
    left = validation.without_labels(unseen)
    lost = sum(len(v.labels) for v in validation.videos.values()) - sum(len(v.labels) for v in left.videos.values())
    log.warning(
        "%s: %s of validation with a label that does not occur in training cannot be found and %s as missed: %s",
        validation.source,
        counted(lost, "instance"),
        "counts" if lost == 1 else "count",
        listed([_proposed(label, training.labels) for label in sorted(unseen)]),
    )
    return left


def _proposed(label: str, labels: Sequence[str]) -> str:
    other = next((name for name in labels if similar_labels([label, name])), None)
    return f"{label!r} (did you mean {other!r}?)" if other else repr(label)


def _channel_scale(training: Annotations, store: Store) -> ChannelScale:
    """The scale of the channels in the training videos, or in some of them, taken evenly, where they are many."""
    names = list(training.videos)
    every = -(-len(names) // SCALE_VIDEOS)
    return measure_channels(store.read(name) for name in names[::every])


def _check_labelled(subsets: list[Annotations], config: DataConfig, path: object) -> None:
    for name, subset in zip((config.training_subset, config.validation_subset), subsets, strict=False):
        if not subset.labels:
            where = f"{path}, subset {name!r}"
            fix = "annotate its videos (or train without validation: data.validation_subset=null)"
            raise InputError(where, expected="labelled segments", found="none", fix=fix)


def _labels(subsets: list[Annotations], config: Config) -> tuple[str, ...]:
    """The labels that the datasets number. A model of proposals ignores them, so they may differ between subsets."""
    labelled = subsets[:1] if config.model.labels == "joint" else subsets
    return tuple(sorted({label for subset in labelled for label in subset.labels}))


def _facts(videos: VideoDataset, config: Config, labels: tuple[str, ...], channels: int) -> Facts:
    """What the model has to know about the training videos."""
    data = config.data
    longest = float(videos.longest().max(initial=0.0))
    rates = np.array([videos.timeline(index).snippets_per_second for index in range(len(videos))])  # (V,)
    known = len(set(rates.tolist())) == 1 and not data.resize
    streams = videos.store.streams
    return Facts(
        labels=labels,
        in_channels=channels,
        longest=min(longest, data.window) if data.window else longest,
        # The rate of the files. Resized features have none in common.
        snippets_per_second=_usual_rate(streams, data)
        if streams
        else float(rates[0]) * data.downsample
        if known
        else None,
        extraction=_extraction(config, [stream.name for stream in streams]),
        longest_seconds=float((videos.lengths() / rates).max()),
    )


def _check_one_rate(store: Store, data: DataConfig) -> None:
    if store.streams and data.snippets_per_second:
        found, fix = f"{data.snippets_per_second:g}, for several streams", "leave it out: streams.json states the rates"
        raise InputError("data.snippets_per_second", expected="none", found=found, fix=fix)


def _usual_rate(streams: Sequence[Stream], data: DataConfig) -> float | None:
    """The rate of the timeline of all streams, ``None`` if it differs from video to video."""
    rates = [stream.snippets_per_second or math.nan for stream in streams]
    return None if data.resize or math.isnan(sum(rates)) else max(rates)


def _extraction(config: Config, streams: Sequence[str]) -> dict[str, Any] | None:
    """How the features of the pack were extracted, so that the detector can extract them from videos itself."""
    if config.data.features is not None:  # not those of the pack
        return None
    settings = read_settings(config.data.root)
    if streams:  # those that the pack knows the settings of
        kept = settings.streams if isinstance(settings, StreamSettings) else {}
        known = {name: kept[name] for name in streams if name in kept}
        settings = StreamSettings(known) if known else None
    return settings.model_dump(mode="json") if settings else None


def _validation_subset(annotations: Annotations, name: str) -> Annotations:
    try:
        return annotations.subset(name)
    except InputError as error:
        fix = f"{error.fix}; or train without validation: data.validation_subset=null"
        raise InputError(error.where, expected=error.expected, found=error.found, fix=fix) from None


def _check_units(written: Annotations, videos: VideoDataset) -> None:
    """Check against the lengths of the features that times can be seconds.

    Raises:
        InputError: nothing lies inside its video.
    """
    timelines = [videos.timeline(index) for index in range(len(videos))]
    extents = {
        video.name: Extent(snippets / timeline.snippets_per_second)
        for video, snippets, timeline in zip(videos.videos, videos.lengths(), timelines, strict=True)
    }
    check = TimeCheck.of(written, extents)
    if not check.doubts:
        return
    fix = f"{check.question} rcl import with --times converts them; else correct 'fps', the rate of the features"
    if hint := _if_transposed(videos):
        fix = f"{hint}; or {fix}"
    if check.all_outside:
        expected = "times of instances in seconds, inside their videos"
        raise InputError(written.source, expected=expected, found=check.found, fix=fix)
    log.warning("%s: %s; %s", written.source, check.found, fix)


def _check_times(videos: VideoDataset, where: str) -> None:
    """Warn of instances that the features do not cover."""
    clipped, lost, total = videos.uncovered()
    if lost == total:
        expected, found = "instances inside their videos, with a length", f"none of {total}"
        fix = "give times in seconds and the snippet rate of the features (rcl import --point-length adds a length)"
        raise InputError(where, expected=expected, found=found, fix=fix)
    if clipped or lost:
        log.warning(
            "%s: of %s, clipped %d that end after the features of their video, "
            "and left out %d outside the video or without a length%s",
            where,
            counted(total, "training instance"),
            clipped,
            lost,
            f"; {hint}" if (hint := _if_transposed(videos)) else "",
        )


def _if_transposed(videos: VideoDataset) -> str:
    """A question, if the features may be transposed: all have one length, instances end after it, and none would if
    channels were snippets."""
    shapes = [videos.store.shape(video.name) for video in videos.videos]
    if len(shapes) < 2 or len({*shapes}) > 1 or videos.preparation.resize:
        return ""
    snippets, channels = shapes[0]
    rates = [videos.timeline(index).snippets_per_second for index in range(len(videos))]
    ends = [float(video.segments_seconds.max(initial=0.0)) for video in videos.videos]
    latest = max(end * rate for end, rate in zip(ends, rates, strict=True))
    is_likely = snippets + 1 < latest <= channels + 1
    return f"are the features transposed? Then {propose_transposing(videos.store.layout)}" if is_likely else ""


def _warn_of_ambiguous(training: Annotations) -> None:
    """Warn of instances that annotators could not decide on. Only THUMOS14's own files mark them in another way."""
    labels = [label for video in training.videos.values() for label in video.labels]
    if count := sum(label.casefold() == AMBIGUOUS.casefold() for label in labels):
        message = "%s: trains on %s labelled %r as an action of its own; remove them from the annotations if it is none"
        log.warning(message, training.source, counted(count, "instance"), AMBIGUOUS)


def _windows(videos: VideoDataset, config: DataConfig, where: str) -> WindowDataset:
    """The training windows.

    Raises:
        InputError: no instance fits in a window.
    """
    assert config.window is not None
    windows = WindowDataset(videos, config.window, stride=config.window_stride, minimum_share=config.window_share)
    if not len(windows):
        expected = f"instances that fit in a window of {config.window} snippets"
        found = f"none of {windows.instances}"
        raise InputError(where, expected=expected, found=found, fix="enlarge data.window, or lower data.window_share")
    if windows.left_out:
        log.warning(
            "%s: left out %d of %s that do not fit in a window of %d snippets",
            where,
            windows.left_out,
            counted(windows.instances, "training instance"),
            config.window,
        )
    return windows
