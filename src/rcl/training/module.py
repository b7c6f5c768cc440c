"""A detector in training: the loss of a batch, the optimizer, and the validation. Lightning runs the loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from rcl.data.annotations import Annotations
from rcl.data.batches import Batch, seeded
from rcl.data.datasets import Sample
from rcl.data.detections import Detections
from rcl.detector.checkpoint import KEY
from rcl.detector.config import TrainingConfig
from rcl.detector.localizer import Localizer
from rcl.evaluation.metrics import evaluate
from rcl.models.detector import Detector
from rcl.models.losses import Criterion
from rcl.models.set_losses import SetCriterion
from rcl.system.distributed import gathered

MONITORED_TIOU = np.linspace(0.3, 0.7, 5)


class DetectorTraining(lightning.LightningModule):
    """A detector in training.

    Args:
        model: the network.
        criterion: its losses.
        config: section ``training`` of the configuration.
        detector: ``(model, device) → Localizer``, which detects in the validation videos.
        annotations: ground truth of the validation; ``None`` to train without.
        kept: plain values that every checkpoint keeps in addition to the weights.
    """

    def __init__(
        self,
        model: Detector,
        criterion: Criterion | SetCriterion,
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
        """Seed dropout by the step, so that a resumed run draws the same numbers as an uninterrupted one."""
        seed = self.config.seed + 1_000_003 * (self.global_rank + 1)
        torch.manual_seed(seeded(seed, self.global_step).initial_seed())

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The loss of one batch (eq. 8)."""
        predictions = self.model(batch.features, batch.mask, batch.anchors)
        losses = self.criterion(
            predictions,
            batch.segments,
            batch.labels,
            mask=batch.mask,
            anchor_mask=batch.anchor_mask,
            reviewed=batch.reviewed,
        )
        size = len(batch.features)
        total = torch.stack(tuple(losses.values())).sum()
        parts = {f"loss_{name}": value.detach() for name, value in losses.items()}
        for name, value in {"loss": total.detach(), **parts}.items():
            shown = name == "loss"
            self.log(name, value, prog_bar=shown, on_epoch=True, on_step=False, batch_size=size, sync_dist=True)
        return total

    def on_validation_epoch_start(self) -> None:
        """Build the detector from the current weights: the averaged ones, if the training averages."""
        self.localizer = self.detector(self.model, self.device)
        self.found = []

    def validation_step(self, sample: Sample, _: int) -> None:
        """Detect in one of the videos of this process."""
        self.found.append(self.localizer.detect_prepared(sample.features, sample.timeline, video=sample.video))

    def on_validation_epoch_end(self) -> None:
        """Log the average mAP at tIoU 0.3 to 0.7, which ``best.ckpt`` is chosen by."""
        assert self.annotations is not None  # there are validation videos only with annotations
        found = in_turn(gathered(self.found))[: len(self.annotations.videos)]
        evaluation = evaluate(Detections.concatenate(found), self.annotations, tiou_thresholds=MONITORED_TIOU)
        self.log("validation_mAP", evaluation.average_map, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW or Adam with the schedule of :func:`learning_rate_factor`."""
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
        """Clip each group of the detector's parameters by its own norm."""
        if gradient_clip_val is not None:
            for group in self.model.gradient_groups():
                torch.nn.utils.clip_grad_norm_(group, gradient_clip_val)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what it takes to use the model without its configuration file and its data."""
        checkpoint[KEY] = self.kept


def in_turn(shares: Sequence[Sequence[Detections]]) -> list[Detections]:
    """The detections of all processes in the order of the videos, which are dealt out to the processes one by one."""
    return [each for turn in zip_longest(*shares) for each in turn if each is not None]


def learning_rate_factor(step: int, total: int, config: TrainingConfig) -> float:
    """Share of the learning rate at ``step`` of ``total``: linear warm-up, then cosine, steps or constant."""
    warmup = min(1.0, (step + 1) / max(1.0, config.warmup * total))
    if config.schedule == "cosine":
        return warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))
    if config.schedule == "step":
        return warmup * 0.1 ** (step * config.epochs // total // config.step_epochs)
    return warmup
