"""One detector in training: its data, what it learns from a batch, how it is evaluated (Lightning runs the loop)."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from rcl.data.annotations import Annotations, check_labels, load_both
from rcl.data.datasets import Batch, Sample, VideoDataset, WindowDataset, find_annotations, find_features, seeded
from rcl.data.detections import Detections
from rcl.data.features import FeatureStore
from rcl.detector.build import Detector
from rcl.detector.checkpoint import KEY, Facts
from rcl.detector.config import Config, DataConfig, TrainingConfig
from rcl.detector.localizer import Localizer
from rcl.evaluation.metrics import evaluate
from rcl.models.losses import Criterion
from rcl.system.distributed import gathered
from rcl.system.errors import InputError
from rcl.video.settings import read_settings

MONITORED_TIOU = np.linspace(0.3, 0.7, 5)


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
    datasets = [
        VideoDataset(
            subset,
            store,
            labels,
            snippets_per_second=data.snippets_per_second,
            resize=data.resize,
            resize_method=data.resize_method,
            scale=data.scale,
        )
        for subset in subsets
    ]
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


class DetectorTraining(lightning.LightningModule):
    """One detector in training.

    Args:
        model: the network.
        criterion: its losses.
        config: section ``training``.
        detector: ``(model, device) → Localizer``, with which validation detects.
        annotations: the ground truth of validation, ``None`` to train without.
        kept: plain values that every checkpoint keeps beside the weights.
    """

    def __init__(
        self,
        model: Detector,
        criterion: Criterion,
        config: TrainingConfig,
        *,
        detector: Callable[[Detector, torch.device], Localizer],
        annotations: Annotations | None,
        kept: dict[str, Any],
    ) -> None:
        super().__init__()
        self.model = model
        self.criterion = criterion
        self.config = config
        self.detector = detector
        self.annotations = annotations
        self.kept = kept
        self.found: list[Detections] = []

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Dropout depends on the step alone, so that a resumed run draws what an uninterrupted one would."""
        seed = self.config.seed + 1_000_003 * (self.global_rank + 1)
        torch.manual_seed(seeded(seed, self.global_step).initial_seed())

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Eq. 8 for one batch."""
        predictions = self.model(batch.features, batch.mask, batch.anchors)
        losses = self.criterion(
            predictions, batch.segments, batch.labels, mask=batch.mask, anchor_mask=batch.anchor_mask
        )
        size = len(batch.features)
        total = torch.stack(tuple(losses.values())).sum()
        parts = {f"loss_{name}": value.detach() for name, value in losses.items()}
        for name, value in {"loss": total.detach(), **parts}.items():
            shown = name == "loss"
            self.log(name, value, prog_bar=shown, on_epoch=True, on_step=False, batch_size=size, sync_dist=True)
        return total

    def on_validation_epoch_start(self) -> None:
        """Detect with the weights of this moment (the averaged ones, where training averages)."""
        self.localizer = self.detector(self.model, self.device)
        self.found = []

    def validation_step(self, sample: Sample, _: int) -> None:
        """Detect in one video of this process's share."""
        self.found.append(self.localizer.detect_prepared(sample.features, sample.timeline, video=sample.video))

    def on_validation_epoch_end(self) -> None:
        """Average mAP of tIoU 0.3 to 0.7, the measure that ``best.ckpt`` is chosen by."""
        assert self.annotations is not None  # validation has a dataset only where it has annotations
        found = in_turn(gathered(self.found))[: len(self.annotations.videos)]
        evaluation = evaluate(Detections.concatenate(found), self.annotations, tiou_thresholds=MONITORED_TIOU)
        self.log("validation_mAP", evaluation.average_map, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW or Adam, its learning rate warmed up and then lowered."""
        config = self.config
        kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: learning_rate_factor(step, total, config))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the refinement apart: it learns from look-ups that it takes as given, so its errors are its own."""
        if gradient_clip_val is not None:
            refinement = list(self.model.refinement.parameters()) if self.model.refinement else []
            apart = {id(parameter) for parameter in refinement}
            torch.nn.utils.clip_grad_norm_(refinement, gradient_clip_val)
            rest = [parameter for parameter in self.model.parameters() if id(parameter) not in apart]
            torch.nn.utils.clip_grad_norm_(rest, gradient_clip_val)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is needed to use the model without its configuration file and its data."""
        checkpoint[KEY] = self.kept


def in_turn(shares: Sequence[Sequence[Detections]]) -> list[Detections]:
    """What the processes found, in the order of the videos, which they took in turn."""
    return [each for turn in zip_longest(*shares) for each in turn if each is not None]


def learning_rate_factor(step: int, total: int, config: TrainingConfig) -> float:
    """Share of the learning rate at ``step`` of ``total``: linear warm-up, then cosine, steps or constant."""
    warmup = min(1.0, (step + 1) / max(1.0, config.warmup * total))
    if config.schedule == "cosine":
        return warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))
    if config.schedule == "step":
        return warmup * 0.1 ** (step * config.epochs // total // config.step_epochs)
    return warmup
