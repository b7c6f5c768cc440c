"""What a training run reads: annotations, features and batches, checked before any work starts."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import lightning
from torch.utils.data import DataLoader

from rcl.data.annotations import Annotations, check_labels
from rcl.data.batches import EpochBatches, TrainingDataset, collate
from rcl.data.datasets import VideoDataset, WindowDataset
from rcl.data.feature_store import FeatureStore
from rcl.data.formats.load import load_both
from rcl.data.pack import find_annotations, find_features
from rcl.detector.build import (
    build_augmentation,
    regular_anchors,
    training_segments,
)
from rcl.detector.checkpoint import Facts
from rcl.detector.config import Config, DataConfig
from rcl.detector.prepare import build_preparation
from rcl.system.errors import InputError
from rcl.video.settings import read_settings


class TrainingData(NamedTuple):
    """Everything that a run reads: checked before any work starts."""

    training: VideoDataset | WindowDataset
    validation: VideoDataset | None
    annotations: Annotations | None
    facts: Facts


def load_training_data(config: Config) -> TrainingData:
    """Read annotations, find every feature file, and learn what the model has to know of them.

    Raises:
        InputError: what ``rcl.data.annotations`` and ``rcl.data.features`` say; a validation label that training never
            saw.
    """
    data = config.data
    path = data.annotations or find_annotations(data.root)
    everything, written = load_both(path)
    subsets = [everything.subset(data.training_subset)]
    if data.validation_subset is not None:
        subsets.append(_validation_subset(everything, data.validation_subset))
        if config.model.labels == "joint":
            check_labels(*subsets)
    store = FeatureStore(data.features or find_features(data.root), layout=data.layout)
    channels = store.check([name for subset in subsets for name in subset.videos])
    for name, subset in zip((data.training_subset, data.validation_subset), subsets, strict=False):
        if not subset.labels:
            where = f"{path}, subset {name!r}"
            fix = "annotate its videos (or train without validation: data.validation_subset=null)"
            raise InputError(where, expected="labelled segments", found="none", fix=fix)
    # Proposals have no labels; what the annotations have is read all the same.
    labelled = subsets[:1] if config.model.labels == "joint" else subsets
    labels = tuple(sorted({label for subset in labelled for label in subset.labels}))
    datasets = [VideoDataset(subset, store, labels, build_preparation(data)) for subset in subsets]
    rates = {datasets[0].timeline(index).snippets_per_second for index in range(len(datasets[0]))}
    longest = float(datasets[0].longest().max(initial=0.0))
    facts = Facts(
        labels=labels,
        in_channels=channels,
        longest=min(longest, data.window) if data.window else longest,
        # Of the files, not of what they are resized to.
        snippets_per_second=rates.pop() if len(rates) == 1 and not data.resize else None,
        extraction=_extraction(config),
    )
    _check_times(datasets[0], str(path))
    training = _windows(datasets[0], data, str(path)) if data.window else datasets[0]
    if len(datasets) == 1:
        return TrainingData(training, None, None, facts)
    truth = written.subset(str(data.validation_subset))
    return TrainingData(training, datasets[1], truth if config.model.labels == "joint" else truth.unlabelled(), facts)


def _extraction(config: Config) -> dict[str, Any] | None:
    """How the features of the pack were extracted, so that the detector can do it itself."""
    if config.data.features is not None:  # they are not the pack's
        return None
    settings = read_settings(config.data.root)
    return settings.model_dump(mode="json") if settings else None


def _validation_subset(annotations: Annotations, name: str) -> Annotations:
    try:
        return annotations.subset(name)
    except InputError as error:
        fix = f"{error.fix}; or train without validation: data.validation_subset=null"
        raise InputError(error.where, expected=error.expected, found=error.found, fix=fix) from None


def _check_times(videos: VideoDataset, where: str) -> None:
    """Count the instances that features do not cover: all that shows a wrong unit where no duration is known."""
    clipped, lost, total = videos.uncovered()
    if lost == total:
        fix = "give times in seconds and the snippet rate of the features"
        raise InputError(where, expected="instances inside their videos", found=f"none of {total}", fix=fix)
    if clipped or lost:
        logging.getLogger("rcl").warning(
            "%s: %d of %d training instances end after the features of their video and are clipped; "
            "%d more lie outside or have no length and are left out",
            where,
            clipped,
            total,
            lost,
        )


def _windows(videos: VideoDataset, config: DataConfig, where: str) -> WindowDataset:
    """The training windows, of which there must be some."""
    assert config.window is not None  # or there is nothing to cut
    windows = WindowDataset(videos, config.window, stride=config.window_stride, minimum_share=config.window_share)
    if not len(windows):
        expected = f"instances that fit in a window of {config.window} snippets"
        found = f"none of {windows.instances}"
        raise InputError(where, expected=expected, found=found, fix="enlarge data.window, or lower data.window_share")
    if windows.left_out:
        logging.getLogger("rcl").warning(
            "%s: %d of %d training instances do not fit in a window of %d snippets and are left out",
            where,
            windows.left_out,
            windows.instances,
            config.window,
        )
    return windows


def training_dataset(config: Config, data: TrainingData) -> TrainingDataset:
    """The training samples with the segments that they are trained on."""
    anchors = regular_anchors(config.model, config.inference, longest=data.facts.longest)
    return TrainingDataset(
        data.training,
        build_augmentation(config.augmentation),
        training_segments(config.sampling, anchors),
        seed=config.training.seed,
    )


def data_loaders(
    config: Config, data: TrainingData, trainer: lightning.Trainer
) -> tuple[DataLoader, DataLoader | None]:
    dataset = training_dataset(config, data)
    batches = EpochBatches(
        data.training.lengths(),
        config.training.batch_size,
        buckets=config.training.buckets,
        seed=config.training.seed,
        rank=trainer.global_rank,
        replicas=trainer.world_size,
    )
    workers = config.training.workers
    training: DataLoader = DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,  # or every epoch would wait for new ones; a ticket says which epoch it is of
    )
    if data.validation is None:
        return training, None
    own = range(trainer.global_rank, len(data.validation), trainer.world_size)
    # A process without a video of its own detects in the first one, which counts once; see ``in_turn``.
    return training, DataLoader(data.validation, batch_size=None, sampler=own or [0], num_workers=workers)
