"""What the commands share in talking to the user: results on stdout, everything else on stderr."""

from __future__ import annotations

import logging
import warnings

from rich.console import Console
from rich.table import Table

notes = Console(stderr=True, highlight=False, soft_wrap=True)


def print_table(table: Table) -> None:
    """As wide as the terminal; as wide as the table in a pipe, where numbers would be cut off otherwise."""
    console = Console()
    (console if console.is_terminal else Console(width=1000)).print(table)


def quiet_lightning() -> None:
    """Its hints are for those who write training loops; ours is written."""
    for chatty in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
