"""What ``rcl learning-curve`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from rcl.cli.console import note, print_table
from rcl.cli.trainings_output import TrainingsPrinter
from rcl.evaluation.figures import save_figure
from rcl.evaluation.learning_curve import LearningCurve
from rcl.evaluation.learning_curve_figure import learning_curve_figure
from rcl.system.errors import counted
from rcl.system.text_files import read_json, write_json
from rcl.training.label_subsets import LabelSubset
from rcl.training.learning_curve import RESULT, CurveObserver


class CurvePrinter(TrainingsPrinter, CurveObserver):
    """Prints how a learning curve proceeds, on stderr."""

    def divided(self, subsets: Sequence[LabelSubset], left: int, count: int) -> None:
        """Print the amounts of labels and the number of trainings."""
        done = f", {count - left} of which are finished" if left < count else ""
        minutes = ", ".join(
            f"{subset.minutes:.2g}" if subset.minutes < 10 else f"{subset.minutes:.0f}" for subset in subsets
        )
        note(f"Labels of {minutes} minutes: {counted(count, 'training')}{done}.")


def write_files(curve: LearningCurve, more_minutes: Sequence[float], folder: Path, numbers: Path | None) -> None:
    """Write the figure to the folder of the runs, and the results also to another file, if one is given."""
    figure = learning_curve_figure(curve, more_minutes)
    for extension in ("svg", "png"):
        save_figure(figure, folder / f"learning_curve.{extension}")
    if numbers is not None:
        write_json(numbers, read_json(folder / RESULT), indent=1)


def print_learning_curve(curve: LearningCurve, more_minutes: Sequence[float], folder: Path) -> None:
    """Print the table of points, the forecasts in words, and where the files are."""
    print_table(curve_table(curve))
    for sentence in curve.summary(more_minutes):
        print(sentence)
    if len(curve.points[-1].scores) == 1:
        print("One seed: more of them make the forecast surer (--seeds 3).")
    print(f"results     {folder / RESULT}")
    print(f"figure      {folder / 'learning_curve.png'} (.svg)")


def curve_table(curve: LearningCurve) -> Table:
    """Amount of labels and average mAP on the held-out videos, in percent."""
    table = Table(title=f"the same held-out videos, {counted(len(curve.points[-1].scores), 'seed')}")
    for name in ("share", "labelled minutes", "videos", "instances", "average mAP %", "± seeds"):
        table.add_column(name, justify="right")
    for point in curve.points:
        counts = (f"{point.minutes:.1f}", f"{point.videos:.0f}", f"{point.instances:,.0f}")
        spread = "–" if point.spread is None else f"{100 * point.spread:.1f}"
        table.add_row(f"{100 * point.share:.3g} %", *counts, f"{100 * point.average_map:.1f}", spread)
    return table
