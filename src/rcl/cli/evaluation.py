"""``rcl evaluate``."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import typer

from rcl.cli.console import Location, location, notes, print_table
from rcl.cli.tables import evaluation_table
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.data.pack import find_annotations
from rcl.evaluation import metrics
from rcl.system.errors import InputError
from rcl.system.paths import is_dir
from rcl.system.text_files import write_json


def evaluate(
    detections: Annotated[Location, typer.Argument(help="Results file, .json or .csv.", parser=location)],
    annotations: Annotated[Location, typer.Argument(help="Annotation file, or a pack.", parser=location)],
    subset: Annotated[str, typer.Option(help="The videos to evaluate on.")] = "validation",
    tiou: Annotated[str, typer.Option(help="Thresholds: START:STOP:STEP, or numbers with commas.")] = "0.3:0.7:0.1",
    short: Annotated[float | None, typer.Option(help="Also evaluate instances of at most so many seconds.")] = None,
    output: Annotated[Location | None, typer.Option("--json", help="Write every number here.", parser=location)] = None,
) -> None:
    """Mean average precision and average recall, equal to the official ActivityNet evaluation."""
    thresholds = parse_thresholds(tiou)
    path = find_annotations(annotations) if is_dir(annotations) else annotations
    everything = load_annotations(path, clip=False)
    truth = everything.subset(subset)
    found = leave_aside(load_detections(detections), set(everything.videos) - set(truth.videos), subset)
    if found.labels == ("",):
        notes.print("rcl: the detections have no labels, so the labels of the annotations do not count either.")
        truth = truth.unlabelled()
    evaluation = metrics.evaluate(found, truth, tiou_thresholds=thresholds, short_seconds=short)
    print_table(evaluation_table(evaluation))
    if output:
        write_json(output, evaluation.to_json(), indent=1)


def parse_thresholds(text: str) -> np.ndarray:
    """``0.3:0.7:0.1``, ``0.5,0.75`` or ``0.5`` → numbers.

    Raises:
        InputError: it is none of these, or a number is not in (0, 1].
    """
    try:
        numbers = [float(part) for part in text.replace(":", ",").split(",")]
        if ":" in text:
            start, stop, step = numbers
            steps = round((stop - start) / step)
            exact = 0 <= steps < 1000 and math.isclose(start + steps * step, stop)  # or STOP would not be reached
            numbers = np.linspace(start, stop, steps + 1).tolist() if exact else []
    except (ValueError, ArithmeticError):
        numbers = []
    if not numbers or not all(0 < number <= 1 for number in numbers):
        expected = "START:STOP:STEP or numbers with commas, in (0, 1]"
        raise InputError("--tiou", expected=expected, found=text, fix="write e.g. 0.3:0.7:0.1 or 0.5,0.75,0.95")
    return np.array(numbers)


def leave_aside(detections: Detections, others: set[str], subset: str) -> Detections:
    """Without the videos of other subsets, which nobody asked about; an unknown video stays, and counts as wrong."""
    aside = [name for name in detections.videos if name in others]
    if not aside:
        return detections
    notes.print(f"rcl: left aside {len(aside)} videos that are not in the {subset} subset.")
    return detections.without(others)
