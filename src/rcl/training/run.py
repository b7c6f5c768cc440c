"""A training run: the folder that it leaves behind, and how it goes on after an interruption."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import yaml
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

from rcl.detector.build import build_criterion, build_model
from rcl.detector.checkpoint import describe, read_checkpoint
from rcl.detector.config import Config
from rcl.detector.localizer import Localizer
from rcl.system.device import threads_for
from rcl.system.errors import InputError
from rcl.system.text_files import write_text
from rcl.training.callbacks import SameStart
from rcl.training.data import data_loaders, load_training_data
from rcl.training.module import DetectorTraining
from rcl.training.process_group import PeerMonitor, is_launched
from rcl.training.trainer import build_trainer

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
    trainer = build_trainer(config, output, devices=devices, nodes=nodes, callbacks=callbacks)
    with PeerMonitor(trainer):
        if is_launched(trainer):
            trainer.strategy.setup_environment()  # all meet before the data are read, whose errors only one then says
        data = load_training_data(config)
        lightning.seed_everything(config.training.seed, verbose=False)
        module = DetectorTraining(
            build_model(config.model, in_channels=data.facts.in_channels, num_labels=len(data.facts.labels)),
            build_criterion(config.loss, points=config.model.head.name == "points"),
            config.training,
            detector=lambda model, device: Localizer.from_model(model, config, data.facts, device=device),
            annotations=data.annotations,
            kept=describe(config, data.facts),
        )
        if trainer.is_global_zero:
            _claim(output, config, resume=resume, overwrite=overwrite)
        _fit(trainer, module, *data_loaders(config, data, trainer), output, resume=resume and not overwrite)
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
        with threads_for(module):
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
