"""The command line.

Exit status: 0 done; 2 the user's input was wrong, one sentence on stderr; 1 a bug or a lost process.

The modules of the commands import the rest of the package inside their functions, so that ``rcl --help`` and the
commands that need no network start without torch.
"""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from rcl.cli import (
    agreement,
    backbones,
    calibrate,
    clips,
    compare,
    convert,
    crossval,
    demo,
    detect,
    diagnose,
    ethogram,
    evaluate,
    export,
    export_model,
    extract,
    fit,
    import_,
    learning_curve,
    report,
    segment,
    serve,
    train,
    watch,
)
from rcl.cli.command import as_command
from rcl.cli.console import warn
from rcl.system.errors import InputError

app = typer.Typer(
    help="Temporal action localization: find when each action starts and ends in untrimmed videos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for function in (
    fit.fit,
    extract.extract,
    backbones.backbones,
    train.train,
    detect.detect,
    segment.segment,
    serve.serve,
    watch.watch,
    evaluate.evaluate,
    calibrate.calibrate,
    compare.compare,
    diagnose.diagnose,
    report.report,
    ethogram.ethogram,
    clips.clips,
    agreement.agreement,
    crossval.crossval,
    learning_curve.learning_curve,
    convert.convert,
    export.export,
    export_model.export_model,
    import_.import_,
    demo.demo,
):
    app.command(function.__name__.rstrip("_").replace("_", "-"))(as_command(function))


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"rcl {version('rcl-tad')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Handle the options of ``rcl`` itself."""


def main() -> None:
    """Entry point of ``rcl``."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        app()
    except InputError as error:
        warn(error)
        sys.exit(2)
