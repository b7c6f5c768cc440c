"""Where many videos are worked on: the options ``--engine`` and ``--address``."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from enum import Enum
from typing import Annotated, Any

import typer

from rcl.system.errors import InputError
from rcl.system.ray_cluster import Cluster


class EngineName(str, Enum):
    """The engines there are."""

    local = "local"
    ray = "ray"


Engine = Annotated[
    EngineName, typer.Option(help="local: processes of this machine. ray: workers of Ray, here or on a cluster.")
]
Address = Annotated[
    str | None,
    typer.Option(help="ray: of a running Ray, e.g. auto, or HOST:6379; by default one is started on this machine."),
]


def chosen_cluster(engine: EngineName, address: str | None, *, workers: int | None, network: bool) -> Cluster | None:
    """The cluster that the options ask for; ``None``: this machine, without Ray.

    Raises:
        InputError: an address without the engine that it is of.
    """
    if engine is EngineName.ray:
        return Cluster(address, workers=workers, network=network)
    if address is not None:
        raise InputError("--address", expected="--engine ray", found=f"--engine {engine.value}", fix="add it")
    return None


def messages_aside(cluster: Cluster | None) -> AbstractContextManager[Any]:
    """What Ray prints, for instance of workers that died, goes where messages belong: results alone are on stdout."""
    return redirect_stdout(sys.stderr) if cluster else nullcontext()
