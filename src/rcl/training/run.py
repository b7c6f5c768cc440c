"""A training run: its folder, and how it resumes after an interruption."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

from rcl.detector.build import build_criterion, build_model
from rcl.detector.checkpoint import add_members, describe, read_checkpoint
from rcl.detector.config import Config
from rcl.detector.localizer import Localizer
from rcl.system.device import threads_for
from rcl.system.errors import InputError
from rcl.system.text_files import write_text
from rcl.training.callbacks import SameStart
from rcl.training.data import load_training_data, without_validation
from rcl.training.loaders import data_loaders
from rcl.training.module import DetectorTraining
from rcl.training.process_group import PeerMonitor, is_launched
from rcl.training.trainer import build_trainer

NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)  # the user can help
MEMBER_SEEDS = 1000  # from the seed of one network of an ensemble to that of the next


def train(
    config: Config,
    output: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    devices: int | str = "auto",
    nodes: int = 1,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[str] = (),
) -> Path:
    """Train a detector.

    With several devices or nodes, one process per device trains on its share of every batch and detects in its share
    of the validation videos. Lightning starts the other processes of a machine with the same command line, or torchrun
    or srun starts them all.

    Args:
        config: the configuration.
        output: folder for ``config.yaml``, ``metrics.csv``, ``last.ckpt`` (averaged weights of the last epoch) and
            ``best.ckpt`` (of the epoch with the best validation mAP).
        resume: continue from ``last.ckpt`` in ``output``; the result is that of an uninterrupted run.
        overwrite: start anew if ``output`` holds an earlier run.
        devices: accelerators per machine, ``auto`` for all; without accelerators, processes on the CPU.
        nodes: machines, each with that many devices.
        callbacks: the caller's own Lightning callbacks.
        loggers: ``tensorboard``, ``wandb`` or ``csv``, which is always written; with several ``members``, they show the
            first network.

    Returns:
        ``output/last.ckpt``.

    Raises:
        InputError: the data, the configuration or the output folder cannot be used; raised before any work starts.
        ProcessLost: another process of this training has died.
    """
    output = Path(output)
    others = _members(config, output, devices=devices, nodes=nodes)
    options: dict[str, Any] = {"devices": devices, "nodes": nodes, "callbacks": callbacks}
    continues = resume and not overwrite and (output / "last.ckpt").exists()
    _train_one(config, output, resume=resume, overwrite=overwrite, loggers=loggers, **options)
    for own, folder in others:  # networks that an earlier run left are no part of a new one
        _train_one(own, folder, resume=continues, overwrite=not continues, **options)
    if others:
        add_members(output / "last.ckpt", [folder / "last.ckpt" for _, folder in others])
    return output / "last.ckpt"


def _members(config: Config, output: Path, *, devices: int | str, nodes: int) -> list[tuple[Config, Path]]:
    """Configuration and folder of each network after the first; they are not evaluated on their own.

    Raises:
        InputError: several processes would have to train them.
    """
    count = config.training.members
    processes = nodes * (max(torch.cuda.device_count(), 1) if devices == "auto" else int(devices))
    if count > 1 and processes > 1:
        fix = "add --devices 1, or set training.members=1"
        raise InputError("training.members", expected="1, or one process", found=f"{count}, and several", fix=fix)
    found = []
    for number in range(1, count):
        seed = (config.training.seed + number * MEMBER_SEEDS) % 2**32
        training = config.training.model_copy(update={"seed": seed, "members": 1})
        own = without_validation(config).model_copy(update={"training": training})
        found.append((own, output / "members" / str(number)))
    return found


def _train_one(
    config: Config,
    output: Path,
    *,
    resume: bool,
    overwrite: bool,
    devices: int | str,
    nodes: int,
    callbacks: Sequence[Callback],
    loggers: Sequence[str] = (),
) -> None:
    """Train one network."""
    trainer = build_trainer(config, output, devices=devices, nodes=nodes, callbacks=callbacks, loggers=loggers)
    with PeerMonitor(trainer):
        if is_launched(trainer):
            trainer.strategy.setup_environment()  # first, so that only one reports errors in the data
        data = load_training_data(config)
        lightning.seed_everything(config.training.seed, verbose=False)
        module = DetectorTraining(
            build_model(config.model, **data.facts.sizes()),
            build_criterion(config.loss, head=config.model.head.name),
            config.training,
            detector=lambda model, device: Localizer.from_model(model, config, data.facts, device=device),
            annotations=data.annotations,
            kept=describe(config, data.facts),
        )
        if trainer.is_global_zero:
            _claim(output, config, resume=resume, overwrite=overwrite)
            for logger in trainer.loggers:
                logger.log_hyperparams(config.model_dump(mode="json"))
        _fit(trainer, module, *data_loaders(config, data, trainer), output, resume=resume and not overwrite)


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
        with threads_for(module):
            trainer.fit(module, training, validation, ckpt_path=str(last) if resumes else None, weights_only=True)
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # Lightning exits with status 1
            raise KeyboardInterrupt from None
        raise
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        found = error.strerror or str(error)
        fix = "make room, and continue with --resume"
        raise InputError(error.filename or output, expected="a place to write to", found=found, fix=fix) from None


def _claim(output: Path, config: Config, *, resume: bool, overwrite: bool) -> None:
    """Check that the run may use the folder, and write ``config.yaml``."""
    last = output / "last.ckpt"
    if overwrite:
        for name in ("last.ckpt", "best.ckpt", "metrics.csv"):
            (output / name).unlink(missing_ok=True)
    if last.exists() and not resume:
        fix = "add --resume to continue it or --overwrite to train anew, or choose another folder"
        raise InputError(output, expected="a new folder", found="an earlier run", fix=fix)
    if last.exists():
        kept = read_checkpoint(last)
        if not kept.resumable:
            fix = "start a run in another folder"
            raise InputError(last, expected="the state of a training", found="weights only", fix=fix)
        _check_same(config, kept.config, where=str(last))
    write_text(output / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


def _check_same(config: Config, kept: Config, *, where: str) -> None:
    now, then = flattened(config.model_dump(mode="json")), flattened(kept.model_dump(mode="json"))
    # A moved pack and another number of loading processes do not change the result. A longer training does: its
    # learning rate follows another schedule.
    free = {"data.root", "data.annotations", "data.features", "training.workers"}
    changed = [key for key in now if now[key] != then.get(key) and key not in free]
    if changed:
        key = changed[0]
        raise InputError(
            where,
            expected=f"the configuration that the run was started with ({key}={then.get(key)!r})",
            found=f"{key}={now[key]!r}",
            fix="resume with the old value, or start a run in another folder",
        )


def flattened(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested sections under their whole keys.

    >>> flattened({"training": {"seed": 1}})
    {'training.seed': 1}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flattened(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
