"""The option ``--threads``."""

from __future__ import annotations

from typing import Annotated

import typer


def _apply(threads: int | None) -> None:
    if threads is not None:
        from rcl.system.device import set_threads

        set_threads(threads)


Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        callback=_apply,
        help="CPU threads of networks; by default OMP_NUM_THREADS, else 1 for small networks and all cores for others.",
    ),
]
