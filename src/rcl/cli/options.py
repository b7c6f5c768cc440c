"""Options that several commands share."""

from __future__ import annotations

import math
import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from rcl.cli.console import warn
from rcl.system.errors import InputError
from rcl.system.paths import to_path

if TYPE_CHECKING:
    import numpy as np

    from rcl.system.ray_cluster import Cluster

    Location: TypeAlias = Path
else:

    class Location(str):
        """The name that help texts show for a path or an address."""


def location(text: str) -> Path:
    """Parse a ``Location``, which may be an address in an object store: typer's ``Path`` would make s3:/ of s3://."""
    try:
        return to_path(text)
    except InputError as error:  # a ValueError, which typer would wrap
        warn(error)
        raise typer.Exit(2) from None


# -- outputs -----------------------------------------------------------------------------------------------------

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files, whatever they are.")]


# -- evaluation --------------------------------------------------------------------------------------------------

Thresholds = Annotated[
    str, typer.Option("--tiou", help="tIoU thresholds: START:STOP:STEP, or numbers separated by commas.")
]
DEFAULT_THRESHOLDS = "0.3:0.7:0.1"


def parse_thresholds(text: str) -> np.ndarray:
    """The thresholds of ``0.3:0.7:0.1``, ``0.5,0.75`` or ``0.5``: ``(I,)``.

    Raises:
        InputError: the text has another form, or a number is not in (0, 1].
    """
    import numpy as np

    try:
        numbers = [float(part) for part in text.replace(":", ",").split(",")]
        if ":" in text:
            start, stop, step = numbers
            steps = round((stop - start) / step)
            reaches_stop = 0 <= steps < 1000 and math.isclose(start + steps * step, stop)
            numbers = np.linspace(start, stop, steps + 1).tolist() if reaches_stop else []
    except (ValueError, ArithmeticError):
        numbers = []
    if not numbers or not all(0 < number <= 1 for number in numbers):
        expected = "START:STOP:STEP, or numbers separated by commas, in (0, 1]"
        raise InputError("--tiou", expected=expected, found=text, fix="write e.g. 0.3:0.7:0.1 or 0.5,0.75,0.95")
    return np.array(numbers)


# -- where many videos are processed -----------------------------------------------------------------------------


class EngineName(str, Enum):
    """The engines."""

    local = "local"
    ray = "ray"


@dataclass(frozen=True)
class EngineOptions:
    """Where many videos are processed."""

    engine: Annotated[
        EngineName,
        typer.Option(help="local: processes of this machine. ray: Ray's workers, on this machine or a cluster."),
    ] = EngineName.local
    address: Annotated[
        str | None,
        typer.Option(
            help="ray: address of a running Ray, e.g. auto or HOST:6379; by default, start Ray on this machine."
        ),
    ] = None

    def cluster(self, *, workers: int | None, network: bool) -> Cluster | None:
        """The cluster that the options choose, or ``None`` for this machine without Ray.

        Raises:
            InputError: ``--address`` without ``--engine ray``.
        """
        if self.engine is EngineName.ray:
            from rcl.system.ray_cluster import Cluster

            return Cluster(self.address, workers=workers, network=network)
        if self.address is not None:
            found = f"--engine {self.engine.value}"
            raise InputError("--address", expected="--engine ray", found=found, fix="add it")
        return None


def stdout_kept_for_results(cluster: Cluster | None) -> AbstractContextManager[Any]:
    """Redirect what Ray prints, such as the deaths of workers, to stderr."""
    return redirect_stdout(sys.stderr) if cluster else nullcontext()


# -- training ----------------------------------------------------------------------------------------------------

Loggers = Annotated[
    list[str] | None,
    typer.Option(
        "--logger",
        metavar="NAME",
        help="Also log the training to tensorboard or wandb; may be repeated. csv is metrics.csv, always written.",
    ),
]


# -- threads -----------------------------------------------------------------------------------------------------


def _set_threads(count: int | None) -> None:
    if count is not None:
        from rcl.system.device import set_threads

        set_threads(count)


Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        callback=_set_threads,
        help="CPU threads of networks; by default OMP_NUM_THREADS, else 1 for small networks and all cores for others.",
    ),
]
