"""``rcl crossval``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcl.cli.console import quiet_lightning, warn
from rcl.cli.durations import parse_duration
from rcl.cli.options import DEFAULT_THRESHOLDS, Overwrite, Threads, Thresholds, parse_thresholds
from rcl.cli.read_options import LabelFileOptions, ToolFileOptions
from rcl.cli.recipes import configuration_file
from rcl.system.errors import InputError
from rcl.system.paths import exists
from rcl.training.recipes import recipe_names

if TYPE_CHECKING:
    from rcl.detector.config import Config


Recipe = Annotated[
    str,
    typer.Argument(
        metavar="fit|CONFIG", help="What to train: as rcl fit chooses, or a configuration, or a recipe: see rcl train."
    ),
]
Arguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PACK] [LABELS] [KEY=VALUE]...",
        help="Annotations and features; labels in their place; values that replace those of the configuration.",
    ),
]


@dataclass(frozen=True)
class FoldOptions:
    """Which videos are held out together, and how often is trained."""

    folds: Annotated[
        int | None, typer.Option(help="Number of folds; videos of a group stay together. By default, one per group.")
    ] = None
    group: Annotated[
        str | None,
        typer.Option(
            help="Which videos belong together: group (the column or key of the labels), video (each alone), or a "
            "regular expression that finds the group in a video's name, e.g. 'S\\d'. By default group."
        ),
    ] = None
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Trainings of every fold, with seeds of their own.")] = 3
    subset: Annotated[
        str | None, typer.Option(help="The videos of this subset alone; by default all labelled videos.")
    ] = None

    def arguments(self) -> dict[str, Any]:
        """These, as the function takes them."""
        return asdict(self)


@dataclass(frozen=True)
class FitOptions:
    """Options of ``rcl fit`` for each training."""

    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="fit: time for each training, e.g. 10m; see rcl fit.")
    ] = None
    ensemble: Annotated[int | None, typer.Option(min=1, max=20, help="fit: networks in each training.")] = None

    def arguments(self) -> dict[str, Any]:
        """These, as ``rcl.fit`` takes them.

        Raises:
            InputError: the budget is no length of time.
        """
        seconds = None if self.budget is None else parse_duration(self.budget, option="--budget")
        return {"budget_seconds": seconds, "ensemble": self.ensemble}


def crossval(
    recipe: Recipe,
    output: Annotated[Path, typer.Option(help="Folder for the runs and their results.")],
    given: FoldOptions,
    fitting: FitOptions,
    reading: LabelFileOptions,
    tools: ToolFileOptions,
    arguments: Arguments = None,
    tiou: Thresholds = DEFAULT_THRESHOLDS,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time, each in a process of its own.")] = 1,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Cross-validate: train on all folds of a pack but one, detect in that one, for every fold and seed.

    All labelled videos take part, whatever their subset. Stopped at any time, the same command continues.
    """
    from rcl.cli.crossval_output import CrossvalPrinter, print_crossval
    from rcl.training import crossval as training
    from rcl.training.trainings import TrainingsFailed

    pack, labels, config = _inputs(recipe, arguments or [])
    thresholds = parse_thresholds(tiou)
    quiet_lightning()
    try:
        result = training.crossval(
            pack,
            labels,
            output,
            config=config,
            reading=reading.read_options(tools),
            tiou_thresholds=thresholds,
            jobs=jobs,
            overwrite=overwrite,
            observer=CrossvalPrinter(given.subset),
            **given.arguments(),
            **fitting.arguments(),
        )
    except TrainingsFailed as error:
        warn(error)
        raise typer.Exit(1) from None
    print_crossval(result, output)


def _inputs(recipe: str, arguments: Sequence[str]) -> tuple[Path | None, Path | None, Config | None]:
    """The pack, the labels and the configuration.

    Raises:
        InputError: the first argument is no recipe, there are more paths, or values without a configuration.
    """
    overrides = [text for text in arguments if re.match(r"[\w.]+=", text) and not exists(Path(text))]
    paths = [Path(text) for text in arguments if text not in overrides]
    if len(paths) > 2:
        expected, found = "a pack, and at most one file of labels", ", ".join(map(str, paths))
        raise InputError("rcl crossval", expected=expected, found=found, fix="leave out the others")
    pack, labels = [*paths, None, None][:2]
    if recipe == "fit":
        if overrides:
            fix = "give a configuration in place of fit, such as config.yaml of a fit"
            raise InputError("rcl crossval fit", expected="a pack", found=overrides[0], fix=fix)
        return pack, labels, None
    if recipe not in recipe_names() and Path(recipe).suffix.lower() not in (".yaml", ".yml"):
        expected, fix = "fit, a configuration (.yaml) or a recipe first", f"write rcl crossval fit {recipe}"
        raise InputError("rcl crossval", expected=expected, found=recipe, fix=fix)
    from rcl.detector.load_config import load_config

    return pack, labels, load_config(configuration_file(Path(recipe)), overrides)
