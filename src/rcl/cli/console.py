"""What the commands share in talking to the user: results on stdout, everything else on stderr."""

from __future__ import annotations

import errno
import functools
import logging
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import typer
from rich.console import Console
from rich.table import Table

from rcl.system.errors import InputError
from rcl.system.paths import to_path

HOW_TO_GO_ON = {
    "detect": "; the same command goes on",
    "extract": "; the same command goes on",
    "train": "; the same command with --resume goes on from the last epoch",
    "fit": "; the same command goes on, with --resume if a training had begun",
}
# Of arguments that may be an address of an object store: typer would make a Path of it, in which s3:// is s3:/.
if TYPE_CHECKING:
    Location: TypeAlias = Path
else:

    class Location(str):
        """What help texts call it."""


notes = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def location(text: str) -> Path:
    """What parses a ``Location``."""
    try:
        return to_path(text)
    except InputError as error:  # which typer would wrap, as it is a ValueError
        notes.print(f"rcl: {error}", markup=False)
        raise typer.Exit(2) from None


def print_table(table: Table) -> None:
    """As wide as the terminal; as wide as the table in a pipe, where numbers would be cut off otherwise."""
    console = Console()
    (console if console.is_terminal else Console(width=1000)).print(table)


def interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """The command, which an interruption ends with a word on how to go on, and a full disk with one that says so."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        for name, value in options.items():
            for part in value if isinstance(value, list) else [value]:
                _refuse_address(name, part)
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


def _refuse_address(name: str, value: object) -> None:
    """Refuse an address where only a path is taken; it would be a folder called ``s3:``."""
    if isinstance(value, Path) and (address := re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/", str(value))):
        fix = "give a path, and copy what is in an object store"
        raise InputError(name, expected="a path on this machine", found=f"an address ({address[1]}://)", fix=fix)


def quiet_lightning() -> None:
    """Its hints are for those who write training loops; ours is written."""
    for chatty in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
