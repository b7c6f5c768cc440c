"""``rcl learning-curve``."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from rcl.cli.console import few_of_each, quiet_lightning, warn
from rcl.cli.options import Location, Overwrite, Threads, location
from rcl.cli.read_options import LabelFileOptions, ToolFileOptions
from rcl.system.errors import InputError

Source = Annotated[
    Location,
    typer.Argument(
        metavar="RUN|PACK",
        help="Folder of a finished rcl fit, whose settings and held-out videos are used, or annotations and features.",
        parser=location,
    ),
]
Labels = Annotated[
    Location | None,
    typer.Argument(metavar="LABELS", help="Of a pack: in place of its annotations.", parser=location),
]
More = Annotated[
    list[float] | None,
    typer.Option(
        metavar="MINUTES",
        help="Forecast what so many more labelled minutes bring; may be repeated. By default about a quarter, a half "
        "and all of what is labelled.",
    ),
]


def learning_curve(
    source: Source,
    output: Annotated[Path, typer.Option(help="Folder for the runs and their results.")],
    reading: LabelFileOptions,
    tools: ToolFileOptions,
    labels: Labels = None,
    shares: Annotated[
        str, typer.Option(help="Shares of the labelled minutes that are trained on; all of them are added.")
    ] = "1/8,1/4,1/2,1",
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Trainings with each share.")] = 2,
    more: More = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results to this file.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time, each in a process of its own.")] = 1,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Forecast what more labels bring: train on parts of the labels, and evaluate on the same held-out videos.

    Stopped at any time, the same command continues.
    """
    from rcl.cli.learning_curve_output import CurvePrinter, print_learning_curve
    from rcl.cli.output_kinds import LEARNING_CURVE
    from rcl.cli.outputs import check_replaceable
    from rcl.evaluation.figures import save_figure
    from rcl.evaluation.learning_curve_figure import learning_curve_figure
    from rcl.system.text_files import read_json, write_json
    from rcl.training import learning_curve as training
    from rcl.training.trainings import TrainingsFailed

    parts, more = parse_shares(shares), more or []
    _check_more(more)
    if json is not None:
        check_replaceable(json, LEARNING_CURVE, overwrite=overwrite)
    quiet_lightning()
    try:
        with few_of_each():
            curve = training.learning_curve(
                source,
                labels,
                output,
                shares=parts,
                seeds=seeds,
                more_minutes=more,
                reading=reading.read_options(tools),
                jobs=jobs,
                overwrite=overwrite,
                observer=CurvePrinter(),
            )
    except TrainingsFailed as error:
        warn(error)
        raise typer.Exit(1) from None
    figure = learning_curve_figure(curve, more)
    for extension in ("svg", "png"):
        save_figure(figure, output / f"learning_curve.{extension}")
    if json is not None:
        write_json(json, read_json(output / training.RESULT), indent=1)
    print_learning_curve(curve, more, output)


def parse_shares(text: str) -> list[float]:
    """The shares of ``1/8,1/4,1/2,1`` or ``0.125,0.25,0.5``.

    Raises:
        InputError: the text has another form, or a number is not in (0, 1].
    """
    try:
        shares = [float(Fraction(part.strip())) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        shares = []
    if not shares or not all(0 < share <= 1 for share in shares):
        expected, fix = "shares above 0, up to 1, separated by commas", "write e.g. 1/8,1/4,1/2,1"
        raise InputError("--shares", expected=expected, found=text, fix=fix)
    return shares


def _check_more(minutes: list[float]) -> None:
    if wrong := [each for each in minutes if not each > 0]:
        fix = "give the minutes that you would label in addition"
        raise InputError("--more", expected="a number of minutes above 0", found=f"{wrong[0]:g}", fix=fix)
