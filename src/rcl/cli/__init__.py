"""The command line. Exit status: 0 done; 2 the user's input was wrong, one sentence on stderr; 1 a fault of ours."""

from __future__ import annotations

import logging
import sys

import typer

from rcl.cli.console import interruptible, notes
from rcl.cli.conversion import convert
from rcl.cli.detection import detect
from rcl.cli.diagnosis import diagnose
from rcl.cli.evaluation import evaluate
from rcl.cli.exchange import export, import_
from rcl.cli.extraction import extract
from rcl.cli.report import report
from rcl.cli.serve import serve
from rcl.cli.training import demo, fit, train
from rcl.system.errors import InputError

app = typer.Typer(
    help="Temporal action localization: find when each action starts and ends in untrimmed videos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (fit, extract, train, detect, serve, evaluate, diagnose, report, convert, export, import_, demo):
    app.command(command.__name__.rstrip("_"))(interruptible(command))  # import is a word of Python


def main() -> None:
    """Entry point of ``rcl``."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        app()
    except InputError as error:
        notes.print(f"rcl: {error}", markup=False)
        sys.exit(2)
