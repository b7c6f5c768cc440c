"""Loggers of Lightning, in addition to the table that every training writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from rcl.system.errors import InputError

LOGGERS = {"csv": (), "tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""The loggers, and the packages of which each needs one. ``csv`` is ``metrics.csv``, which is always written."""


def check_loggers(names: Sequence[str]) -> None:
    """Check before the work that there are loggers of these names.

    Raises:
        InputError: a name is unknown, or its package is not installed.
    """
    for name in names:
        if name not in LOGGERS:
            raise InputError("--logger", expected=" or ".join(LOGGERS), found=name, fix="use one of them")
        packages = LOGGERS[name]
        if packages and not any(map(find_spec, packages)):
            expected, found = f"the package {' or '.join(packages)}", "no such package"
            raise InputError(f"--logger {name}", expected=expected, found=found, fix=f"run pip install {packages[0]}")


def build_loggers(names: Sequence[str], output: Path) -> list[Logger]:
    """The loggers of a run.

    TensorBoard's events are in ``output/tensorboard``. A run of Weights & Biases has the name of the folder and is in
    the project ``rcl``, or in that of ``WANDB_PROJECT``; with ``WANDB_MODE=offline`` it stays in ``output/wandb``.

    Args:
        names: keys of ``LOGGERS``.
        output: the folder of the run.

    Raises:
        InputError: a name is unknown, or its package is not installed.
    """
    check_loggers(names)
    found = list[Logger]()
    if "tensorboard" in names:
        found.append(TensorBoardLogger(output, name="", version="tensorboard"))
    if "wandb" in names:
        project = os.environ.get("WANDB_PROJECT", "rcl")
        found.append(WandbLogger(name=output.name, project=project, save_dir=output))
    return found
