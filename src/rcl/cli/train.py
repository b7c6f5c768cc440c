"""``rcl train``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from rcl.cli.console import quiet_lightning, warn
from rcl.cli.options import Loggers, Overwrite, Threads
from rcl.cli.recipes import RECIPES, configuration_file
from rcl.system.errors import InputError, counted

Devices = Annotated[
    str, typer.Option(help="Accelerators per node (processes, on a CPU), or auto for all of this machine.")
]
Nodes = Annotated[
    int, typer.Option(min=1, help="Machines; run the command on each (torchrun, srun, or NODE_RANK=0, 1, …).")
]
Configuration = Annotated[
    Path, typer.Argument(metavar="CONFIG", help=f"Configuration, YAML, or a recipe of RCL by its name: {RECIPES}.")
]


def train(
    config: Configuration,
    output: Annotated[Path, typer.Option(help="Folder for checkpoints and metrics.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Values that replace those of the file.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the output folder.")] = False,
    devices: Devices = "auto",
    nodes: Nodes = 1,
    threads: Threads = None,
    logger: Loggers = None,
    overwrite: Overwrite = False,
) -> None:
    """Train a detector on a pack of features and annotations."""
    from lightning.pytorch.utilities import rank_zero_only
    from torch import distributed

    from rcl.cli.outputs import check_run
    from rcl.detector.load_config import load_config
    from rcl.training import run
    from rcl.training.process_group import ProcessLost

    quiet_lightning()
    try:
        file = configuration_file(config, quiet=_local_rank() > 0)
        parsed = load_config(file, overrides)
        check_run(output, resume=resume, overwrite=overwrite, config=file)
        places: dict[str, Any] = {"devices": _devices(devices), "nodes": nodes}
        last = run.train(parsed, output, resume=resume, overwrite=overwrite, loggers=logger or (), **places)
    except InputError:
        # Until the processes of a machine are connected, they all find the same error. Only the first one prints it.
        if _local_rank() > 0 and not distributed.is_initialized():
            time.sleep(10)  # torchrun ends all processes when one has ended, so let the first one print
            raise typer.Exit(2) from None
        raise
    except ProcessLost as lost:
        warn(lost)
        raise typer.Exit(1) from None
    epochs = counted(parsed.training.epochs, "epoch")
    rank_zero_only(print)(f"Trained {epochs}: {last} (metrics in {output / 'metrics.csv'}).")


def _local_rank() -> int:
    """The number of this process among those of its machine, as torchrun, srun or Lightning counts them."""
    return int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")))


def _devices(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdigit() or text == "0":
        raise InputError("--devices", expected="a positive number or auto", found=text, fix="correct it")
    return int(text)
