"""A training run: the folder that it leaves behind, and how it goes on after an interruption."""

from __future__ import annotations

import csv
import errno
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar, WeightAveraging
from torch import Tensor
from torch.utils.data import DataLoader

from rcl.assembly import build_augmentation, build_criterion, build_model, regular_anchors, training_segments
from rcl.checkpoints import describe, read_checkpoint
from rcl.config import Config, TrainingConfig
from rcl.datasets import EpochBatches, TrainingDataset, collate
from rcl.errors import InputError
from rcl.files import write_text
from rcl.localizer import Localizer
from rcl.training import DetectorTraining, TrainingData, load_training_data

NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)  # what the user can mend


def train(
    config: Config,
    output: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    devices: int | str = "auto",
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train a detector.

    Args:
        config: everything that the run depends on.
        output: folder for ``config.yaml``, ``metrics.csv``, ``last.ckpt`` (averaged weights of the last epoch) and
            ``best.ckpt`` (of the epoch with the best validation mAP).
        resume: go on from ``last.ckpt`` in ``output``; the result is that of an uninterrupted run.
        overwrite: start anew where ``output`` holds an earlier run.
        devices: how many of the machine's accelerators, ``auto`` for all; the CPU where there is none.
        callbacks: Lightning callbacks of the caller's own.

    Returns:
        ``output/last.ckpt``.

    Raises:
        InputError: before any work starts, if the data, the configuration or the output folder will not do.
    """
    output = Path(output)
    last = output / "last.ckpt"
    data = load_training_data(config)
    lightning.seed_everything(config.training.seed, verbose=False)
    module = DetectorTraining(
        build_model(config.model, in_channels=data.facts.in_channels, num_labels=len(data.facts.labels)),
        build_criterion(config.loss, points=config.model.head == "points"),
        config.training,
        detector=lambda model, device: Localizer.from_model(model, config, data.facts, device=device),
        annotations=data.annotations,
        kept=describe(config, data.facts),
    )
    resumes = _claim(output, config, resume=resume, overwrite=overwrite)
    trainer = _trainer(config.training, output, data, devices=devices, callbacks=callbacks)
    training, validation = _loaders(config, data, trainer)
    try:
        trainer.fit(module, training, validation, ckpt_path=str(last) if resumes else None, weights_only=True)
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # which Lightning answers with status 1
            raise KeyboardInterrupt from None
        raise
    except OSError as error:
        if error.errno not in NO_PLACE:
            raise
        found = error.strerror or str(error)
        fix = "make room, and go on with --resume"
        raise InputError(error.filename or output, expected="a place to write to", found=found, fix=fix) from None
    return last


def _claim(output: Path, config: Config, *, resume: bool, overwrite: bool) -> bool:
    """Whether there is a checkpoint to go on from; the folder is ours from here on."""
    last = output / "last.ckpt"
    if overwrite:
        for name in ("last.ckpt", "best.ckpt", "metrics.csv"):
            (output / name).unlink(missing_ok=True)
    if last.exists() and not resume:
        fix = "add --resume to go on with it, or choose another folder"
        raise InputError(output, expected="a new folder for the run", found="the run of an earlier command", fix=fix)
    if last.exists():
        kept = read_checkpoint(last)
        if not kept.resumable:
            fix = "start a run in another folder"
            raise InputError(last, expected="the state of a training", found="weights alone", fix=fix)
        _check_same(config, kept.config, where=str(last))
    write_text(output / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    return last.exists()


def _check_same(config: Config, kept: Config, *, where: str) -> None:
    now, then = _flat(config.model_dump(mode="json")), _flat(kept.model_dump(mode="json"))
    # A longer training has another schedule; a moved pack or another number of loading processes changes nothing.
    free = {"data.root", "data.annotations", "data.features", "training.workers"}
    changed = [key for key in now if now[key] != then.get(key) and key not in free]
    if changed:
        key = changed[0]
        raise InputError(
            where,
            expected=f"the configuration that the run was started with ({key}={then.get(key)!r})",
            found=f"{key}={now[key]!r}",
            fix="resume with the old values, or start a run in another folder",
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def training_dataset(config: Config, data: TrainingData) -> TrainingDataset:
    """The training samples with the segments that they are trained on."""
    anchors = regular_anchors(config.model, config.inference, longest=data.facts.longest)
    return TrainingDataset(
        data.training,
        build_augmentation(config.augmentation),
        training_segments(config.sampling, anchors),
        seed=config.training.seed,
    )


def _loaders(config: Config, data: TrainingData, trainer: lightning.Trainer) -> tuple[DataLoader, DataLoader | None]:
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
    return training, DataLoader(data.validation, batch_size=None, num_workers=workers)


def _trainer(
    config: TrainingConfig, output: Path, data: TrainingData, *, devices: int | str, callbacks: Sequence[Callback]
) -> lightning.Trainer:
    own: list[Callback] = [EpochTable(output / "metrics.csv")]
    if config.ema is not None:
        own.append(AveragedWeights(config.ema))
    if data.validation is not None:
        own.append(_checkpoint(output, "best", monitor="validation_mAP", mode="max"))
    own.append(_checkpoint(output, "last"))  # after "best", whose record it keeps
    interactive = sys.stderr.isatty()
    if interactive:
        own.append(RichProgressBar())
    if devices == "auto":
        devices = max(torch.cuda.device_count(), 1)
    return lightning.Trainer(
        max_epochs=config.epochs,
        devices=devices,
        # A loss that is switched off leaves its layer without a gradient, for which the processes would wait.
        strategy="auto" if devices == 1 else "ddp_find_unused_parameters_true",
        precision=_precision(config.precision),
        gradient_clip_val=config.clip_norm,
        check_val_every_n_epoch=config.validate_every,
        callbacks=[*own, *callbacks],
        logger=False,
        enable_progress_bar=interactive,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=output,
    )


def _checkpoint(output: Path, name: str, **options: Any) -> ModelCheckpoint:
    return ModelCheckpoint(output, filename=name, save_on_train_epoch_end=True, enable_version_counter=False, **options)


def _precision(name: str) -> Any:
    if name != "auto":
        return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[name]
    if not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


def averaging_decay(ema: float | str, steps: int) -> float:
    """Decay of the weight average for a run of so many steps.

    ``auto`` averages over about the last tenth of the run. A fixed 0.999 looks back over a thousand steps, which in a
    run of eight hundred is mostly the time before the model had learned anything.
    """
    return max(0.0, 1 - 10 / steps) if ema == "auto" else float(ema)


class AveragedWeights(WeightAveraging):
    """Exponential moving average of the weights, which validation and checkpoints use.

    The decay rises as ``(1 + n) / (10 + n)`` over the first ``n`` steps, so that the initial weights are forgotten.

    Args:
        ema: share of the average that a step keeps, or ``auto``; see :func:`averaging_decay`.
    """

    def __init__(self, ema: float | str) -> None:
        super().__init__(multi_avg_fn=self._average)
        self.ema = ema
        self.decay = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Fit the horizon to the steps of this run, which are fewer on several devices."""
        self.decay = averaging_decay(self.ema, int(trainer.estimated_stepping_batches))

    def _average(self, means: Sequence[Tensor], currents: Sequence[Tensor], count: Tensor | int) -> None:
        keep = min(self.decay, (1 + int(count)) / (10 + int(count)))
        for mean, current in zip(means, currents, strict=True):
            mean.lerp_(current, 1 - keep)


class EpochTable(Callback):
    """``metrics.csv``: a row per epoch, rewritten whole, so that it is never cut short and a resumed run goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Add the epoch's losses, learning rate and validation mAP."""
        validated = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
        metrics = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            # Lightning keeps the last value where an epoch was not validated.
            if name.startswith("loss") or validated
        }
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, "learning_rate": rate, **metrics}
        self.rows.append(row)
        if trainer.is_global_zero:
            write_text(self.path, self._text())

    def _text(self) -> str:
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        table = io.StringIO()
        writer = csv.DictWriter(table, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return table.getvalue()

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows up from a checkpoint."""
        self.rows = state_dict["rows"]
