"""Loaders of training batches and validation videos."""

from __future__ import annotations

import lightning
import numpy as np
from torch.utils.data import DataLoader

from rcl.data.batches import EpochBatches, TrainingDataset, collate
from rcl.detector.build import build_augmentation, regular_anchors, training_segments
from rcl.detector.config import Config
from rcl.training.data import TrainingData


def training_dataset(config: Config, data: TrainingData) -> TrainingDataset:
    """The training samples, each with the segments that the model is trained on."""
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
    """Loaders of the training batches and of the validation videos, for this process of the training."""
    dataset = training_dataset(config, data)
    lengths = data.training.lengths()
    batches = EpochBatches(
        np.minimum(lengths, config.augmentation.crop or lengths.max()),
        config.training.batch_size,
        buckets=config.training.buckets,
        epoch_batches=config.training.epoch_steps,
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
        persistent_workers=workers > 0,  # new ones would delay every epoch; the tickets carry the epoch
    )
    if data.validation is None:
        return training, None
    own = range(trainer.global_rank, len(data.validation), trainer.world_size)
    # A process without a video detects in the first one, and the result is dropped; see ``in_turn``.
    return training, DataLoader(data.validation, batch_size=None, sampler=own or [0], num_workers=workers)
