"""The Lightning trainer of a configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar

from rcl.detector.config import Config
from rcl.system.errors import InputError, counted
from rcl.training.callbacks import AveragedWeights, EpochTable, TrainingLines
from rcl.training.loggers import build_loggers
from rcl.training.process_group import DefaultSigterm, Processes


def build_trainer(
    config: Config,
    output: Path,
    *,
    devices: int | str,
    nodes: int,
    callbacks: Sequence[Callback],
    loggers: Sequence[str] = (),
) -> lightning.Trainer:
    """The trainer of a configuration.

    Args:
        config: the configuration.
        output: folder for checkpoints and ``metrics.csv``.
        devices: accelerators per node, or processes on a CPU; ``auto`` for all accelerators.
        nodes: machines.
        callbacks: the caller's own callbacks.
        loggers: names, see :func:`~rcl.training.loggers.build_loggers`.

    Raises:
        InputError: there are fewer devices, the processes that were started do not match devices and nodes, or the
            package of a logger is missing.
    """
    options = config.training
    own: list[Callback] = [EpochTable(output / "metrics.csv"), DefaultSigterm()]
    if options.ema is not None:
        own.append(AveragedWeights(options.ema))
    if config.data.validation_subset is not None:
        own.append(_checkpoint(output, "best", monitor="validation_mAP", mode="max"))
    own.append(_checkpoint(output, "last"))  # after "best", whose record it keeps
    interactive = sys.stderr.isatty()
    own.append(RichProgressBar() if interactive else TrainingLines())
    if devices == "auto":
        devices = max(torch.cuda.device_count(), 1)
    _check_devices(int(devices), nodes)
    return lightning.Trainer(
        max_epochs=options.epochs,
        devices=devices,
        num_nodes=nodes,
        strategy="auto" if int(devices) * nodes == 1 else Processes(find_unused_parameters=_may_be_unused(config)),
        precision=_precision(options.precision),
        gradient_clip_val=options.clip_norm,
        check_val_every_n_epoch=options.validate_every,
        callbacks=[*own, *callbacks],
        logger=build_loggers(loggers, output) or False,
        enable_progress_bar=interactive,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=output,
    )


def _may_be_unused(config: Config) -> bool:
    """Whether no loss depends on some layer. The processes would wait for its gradient."""
    loss = config.loss
    weights = (loss.classification, loss.regression, loss.offsets, loss.labels, loss.boundaries)
    return not all(weights) or config.model.labels == "none"


def _check_devices(devices: int, nodes: int) -> None:
    gpus = torch.cuda.device_count()
    if gpus and devices > gpus:
        expected, fix = f"at most {counted(gpus, 'GPU')}", "lower it, or use several machines with --nodes"
        raise InputError("--devices", expected=expected, found=str(devices), fix=fix)
    wanted, started = devices * nodes, _started()
    if started not in (None, wanted):
        raise InputError(
            "--devices, --nodes",
            expected=f"{started} devices in total, one per started process",
            found=f"{devices} on each of {nodes} nodes" if nodes > 1 else str(devices),
            fix="use the numbers that torchrun or srun was given",
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
    """The number of processes that torchrun or srun has started; ``None`` without them."""
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
