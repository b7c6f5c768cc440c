"""``rcl learning-curve``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

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


@dataclass(frozen=True)
class CurveOptions:
    """What is trained on, how often, and what is forecast."""

    shares: Annotated[
        str, typer.Option(help="Shares of the labelled minutes that are trained on; all of them are added.")
    ] = "1/8,1/4,1/2,1"
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Trainings with each share.")] = 2
    more: Annotated[
        list[float] | None,
        typer.Option(
            metavar="MINUTES",
            help="Forecast what so many more labelled minutes bring; may be repeated. By default about a quarter, a "
            "half and all of what is labelled.",
        ),
    ] = None

    def arguments(self) -> dict[str, Any]:
        """These, as the function takes them.

        Raises:
            InputError: shares or minutes are no such numbers.
        """
        more = self.more or []
        if wrong := [minutes for minutes in more if not 0 < minutes < math.inf]:
            fix = "give the minutes that you would label in addition"
            raise InputError("--more", expected="a number of minutes above 0", found=f"{wrong[0]:g}", fix=fix)
        return {"shares": parse_shares(self.shares), "seeds": self.seeds, "more_minutes": more}


def learning_curve(
    source: Source,
    output: Annotated[Path, typer.Option(help="Folder for the runs and their results.")],
    given: CurveOptions,
    reading: LabelFileOptions,
    tools: ToolFileOptions,
    labels: Labels = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results to this file.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time, each in a process of its own.")] = 1,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Forecast what more labels bring: train on parts of the labels, and evaluate on the same held-out videos.

    Stopped at any time, the same command continues.
    """
    from rcl.cli.learning_curve_output import CurvePrinter, print_learning_curve, write_files
    from rcl.cli.output_kinds import LEARNING_CURVE
    from rcl.cli.outputs import check_replaceable
    from rcl.training import learning_curve as training
    from rcl.training.trainings import TrainingsFailed

    options: dict[str, Any] = {**given.arguments(), "reading": reading.read_options(tools)}
    if json is not None:
        check_replaceable(json, LEARNING_CURVE, overwrite=overwrite)
    quiet_lightning()
    try:
        with few_of_each():
            curve = training.learning_curve(
                source, labels, output, jobs=jobs, overwrite=overwrite, observer=CurvePrinter(), **options
            )
    except TrainingsFailed as error:
        warn(error)
        raise typer.Exit(1) from None
    write_files(curve, options["more_minutes"], output, json)
    print_learning_curve(curve, options["more_minutes"], output)


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
