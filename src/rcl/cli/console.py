"""Output of the commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.console import Console

from rcl.system.errors import counted

if TYPE_CHECKING:
    from rich.table import Table

stderr = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def note(text: object) -> None:
    """Print a line on stderr. Where that cannot be written, on a full disk, the work goes on."""
    with suppress(OSError):
        stderr.print(str(text), markup=False)


def warn(text: object) -> None:
    """Print a line on stderr that begins with ``rcl:``."""
    note(f"rcl: {text}")


def warn_of(doubts: Iterable[str], where: object = None) -> None:
    """Print sentences and questions of the library, the sentences without their stops, each on a line of its own."""
    place = "" if where is None else f"{where}: "
    for doubt in doubts:
        stop = "" if doubt.endswith("?") else "."
        warn(f"{place}{doubt}{stop}")


def print_table(table: Table) -> None:
    """Print a table, as wide as the terminal; in a pipe as wide as it needs, or numbers would be cut off."""
    console = Console()
    (console if console.is_terminal else Console(width=1000)).print(table)


def quiet_lightning() -> None:
    """Silence Lightning's hints, which are for authors of training loops. Import ``lightning`` first."""
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")


@contextmanager
def few_of_each(limit: int = 3) -> Iterator[None]:
    """Let each kind of the library's warnings through a few times, and say how many more there were.

    Two hundred files of one project have the same to say.
    """
    counts, last = Counter[str](), dict[str, str]()

    def keep(record: logging.LogRecord) -> bool:
        counts[record.msg] += 1
        if counts[record.msg] > limit:
            last[record.msg] = record.getMessage()
        return record.msg not in last

    log = logging.getLogger("rcl")
    log.addFilter(keep)
    try:
        yield
    finally:
        log.removeFilter(keep)
    for message, text in last.items():
        warn(f"{counted(counts[message] - limit, 'more warning')} like this one: {text}")


def exit_if_failed(failed: int, count: int) -> None:
    """Exit with status 2 if videos could not be used."""
    if failed:
        warn(f"{failed} of {counted(count, 'video')} could not be used; see above.")
        sys.exit(2)
