"""A training run: the folder that it leaves behind, and how it goes on after an interruption."""

from __future__ import annotations

import csv
import errno
import io
import os
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

from rcl.data.datasets import EpochBatches, TrainingDataset, collate
from rcl.detector.build import build_augmentation, build_criterion, build_model, regular_anchors, training_segments
from rcl.detector.checkpoint import describe, read_checkpoint
from rcl.detector.config import Config
from rcl.detector.localizer import Localizer
from rcl.system.distributed import gathered
from rcl.system.errors import InputError
from rcl.system.text_files import write_text
from rcl.training.module import DetectorTraining, TrainingData, load_training_data
from rcl.training.process_group import EndsAtOnce, EndsTogether, Processes, is_launched

NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)  # what the user can mend


def train(
    config: Config,
    output: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    devices: int | str = "auto",
    nodes: int = 1,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train a detector.

    With several devices or nodes there is a process for each device, which trains on its share of every batch and
    detects in its share of the validation videos. Lightning starts the others of a machine with the same command line,
    or torchrun and srun start all.

    Args:
        config: everything that the run depends on.
        output: folder for ``config.yaml``, ``metrics.csv``, ``last.ckpt`` (averaged weights of the last epoch) and
            ``best.ckpt`` (of the epoch with the best validation mAP).
        resume: go on from ``last.ckpt`` in ``output``; the result is that of an uninterrupted run.
        overwrite: start anew where ``output`` holds an earlier run.
        devices: how many of the machine's accelerators, ``auto`` for all; processes on the CPU where there is none.
        nodes: how many machines, each with so many devices.
        callbacks: Lightning callbacks of the caller's own.

    Returns:
        ``output/last.ckpt``.

    Raises:
        InputError: before any work starts, if the data, the configuration or the output folder will not do.
        ProcessLost: another process of this training has ended.
    """
    output = Path(output)
    trainer = _trainer(config, output, devices=devices, nodes=nodes, callbacks=callbacks)
    with EndsTogether(trainer):
        if is_launched(trainer):
            trainer.strategy.setup_environment()  # all meet before the data are read, whose errors only one then says
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
        if trainer.is_global_zero:
            _claim(output, config, resume=resume, overwrite=overwrite)
        _fit(trainer, module, *_loaders(config, data, trainer), output, resume=resume and not overwrite)
    return output / "last.ckpt"


def _fit(
    trainer: lightning.Trainer,
    module: DetectorTraining,
    training: DataLoader,
    validation: DataLoader | None,
    output: Path,
    *,
    resume: bool,
) -> None:
    last = output / "last.ckpt"
    resumes = resume and last.exists()
    trainer.callbacks.insert(0, SameStart(resumes, output))  # type: ignore[attr-defined]
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


def _claim(output: Path, config: Config, *, resume: bool, overwrite: bool) -> None:
    """Check that the folder may be used; it is ours from here on."""
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
    own = range(trainer.global_rank, len(data.validation), trainer.world_size)
    # A process without a video of its own detects in the first one, which counts once; see ``in_turn``.
    return training, DataLoader(data.validation, batch_size=None, sampler=own or [0], num_workers=workers)


def _trainer(
    config: Config, output: Path, *, devices: int | str, nodes: int, callbacks: Sequence[Callback]
) -> lightning.Trainer:
    options = config.training
    own: list[Callback] = [EpochTable(output / "metrics.csv"), EndsAtOnce()]
    if options.ema is not None:
        own.append(AveragedWeights(options.ema))
    if config.data.validation_subset is not None:
        own.append(_checkpoint(output, "best", monitor="validation_mAP", mode="max"))
    own.append(_checkpoint(output, "last"))  # after "best", whose record it keeps
    interactive = sys.stderr.isatty()
    if interactive:
        own.append(RichProgressBar())
    if devices == "auto":
        devices = max(torch.cuda.device_count(), 1)
    _check_devices(int(devices), nodes)
    return lightning.Trainer(
        max_epochs=options.epochs,
        devices=devices,
        num_nodes=nodes,
        strategy="auto" if int(devices) * nodes == 1 else Processes(find_unused_parameters=_leaves_out(config)),
        precision=_precision(options.precision),
        gradient_clip_val=options.clip_norm,
        check_val_every_n_epoch=options.validate_every,
        callbacks=[*own, *callbacks],
        logger=False,
        enable_progress_bar=interactive,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=output,
    )


def _leaves_out(config: Config) -> bool:
    """Whether a layer may be without a gradient, for which the processes would wait: one that no loss looks at."""
    loss = config.loss
    weights = (loss.classification, loss.regression, loss.offsets, loss.labels, loss.boundaries)
    return not all(weights) or config.model.labels == "none"


def _check_devices(devices: int, nodes: int) -> None:
    gpus = torch.cuda.device_count()
    if gpus and devices > gpus:
        expected, fix = f"at most the {gpus} of this machine", "lower it, and see --nodes for several machines"
        raise InputError("--devices", expected=expected, found=str(devices), fix=fix)
    wanted, started = devices * nodes, _started()
    if started not in (None, wanted):
        raise InputError(
            "--devices, --nodes",
            expected=f"as many devices as processes were started, {started}",
            found=f"{devices} on each of {nodes} nodes" if nodes > 1 else str(devices),
            fix="give --devices and --nodes as torchrun or srun has them",
        )
    needed = [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if name not in os.environ]
    if nodes > 1 and started is None and needed:
        fix = "set them, or start the command with torchrun or srun"
        expected = "MASTER_ADDR, MASTER_PORT and NODE_RANK in the environment"
        raise InputError("--nodes", expected=expected, found=f"no {', '.join(needed)}", fix=fix)
    rank = os.environ.get("NODE_RANK", "0")
    if nodes > 1 and started is None and not (rank.isdigit() and int(rank) < nodes):
        fix = "number the nodes from 0"
        raise InputError("NODE_RANK", expected=f"a number from 0 to {nodes - 1}", found=rank, fix=fix)


def _started() -> int | None:
    """How many processes torchrun or srun has started; ``None`` where it was neither."""
    name = "WORLD_SIZE" if "TORCHELASTIC_RUN_ID" in os.environ else "SLURM_STEP_NUM_TASKS"
    return int(os.environ[name]) if name in os.environ else None


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


class SameStart(Callback):
    """All processes go on from the last checkpoint, or none."""

    def __init__(self, resumes: bool, output: Path) -> None:
        self.resumes, self.output = resumes, output

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Ask the others.

        Raises:
            InputError: some see the checkpoint and some do not.
        """
        found = gathered(self.resumes)
        if any(found) and not all(found):
            fix = "choose a folder that all nodes share"
            expected = "the checkpoint on every node"
            raise InputError(self.output, expected=expected, found="it on some of them", fix=fix)


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
