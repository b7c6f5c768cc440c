"""What the commands share in talking to the user: results on stdout, everything else on stderr."""

from __future__ import annotations

import errno
import functools
import logging
import warnings
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from rcl.errors import InputError

HOW_TO_GO_ON = {
    "detect": "; the same command goes on",
    "extract": "; the same command goes on",
    "train": "; the same command with --resume goes on from the last epoch",
    "fit": "; the same command goes on, with --resume if a training had begun",
}
notes = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def print_table(table: Table) -> None:
    """As wide as the terminal; as wide as the table in a pipe, where numbers would be cut off otherwise."""
    console = Console()
    (console if console.is_terminal else Console(width=1000)).print(table)


def interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """The command, which an interruption ends with a word on how to go on, and a full disk with one that says so."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt:
            notes.print(f"rcl: interrupted{HOW_TO_GO_ON.get(command.__name__, '')}.")
            raise typer.Exit(130) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            where, found = error.filename or "the output", error.strerror or str(error)
            raise InputError(where, expected="a place to write to", found=found, fix="make room") from None

    return run


def quiet_lightning() -> None:
    """Its hints are for those who write training loops; ours is written."""
    for chatty in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
