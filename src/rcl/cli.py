"""The command line. Exit status: 0 done; 2 the user's input was wrong, one sentence on stderr; 1 a fault of ours."""

from __future__ import annotations

import logging
import math
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from rcl.annotations import load_annotations
from rcl.config import load_config
from rcl.datasets import VideoDataset, find_annotations, find_features
from rcl.detections import Detections
from rcl.errors import InputError
from rcl.evaluation.metrics import evaluate
from rcl.features import FeatureStore, read_features
from rcl.files import write_json
from rcl.localizer import Localizer
from rcl.segments import Timeline
from rcl.tables import evaluation_table

app = typer.Typer(
    help="Temporal action localization: find when each action starts and ends in untrimmed videos.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
notes = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> None:
    """Entry point of ``rcl``."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        app()
    except InputError as error:
        notes.print(f"rcl: {error}", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        notes.print("rcl: interrupted.")
        sys.exit(130)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="Configuration, YAML; see configs/.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    output: Annotated[Path, typer.Option(help="Folder for checkpoints and metrics.")] = ...,  # type: ignore[assignment]
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the output folder.")] = False,
    devices: Annotated[str, typer.Option(help="Number of accelerators, or auto for all.")] = "auto",
) -> None:
    """Train a detector on a pack of features and annotations."""
    from lightning.pytorch.utilities import rank_zero_only

    from rcl.runs import train as run  # Lightning takes a second to import, which the other commands need not wait for

    _quiet_lightning()
    parsed = load_config(config, overrides)
    last = run(parsed, output, resume=resume, devices=_devices(devices))
    rank_zero_only(print)(f"Trained {parsed.training.epochs} epochs: {last} (metrics in {output / 'metrics.csv'}).")


def _quiet_lightning() -> None:
    """Its hints are for those who write training loops; ours is written."""
    for chatty in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")


def _devices(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdigit() or text == "0":
        raise InputError("--devices", expected="a positive number or auto", found=text, fix="correct it")
    return int(text)


@app.command()
def detect(
    checkpoint: Annotated[Path, typer.Argument(help="RUN/last.ckpt of a training run.")],
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Packs or feature files.")],
    output: Annotated[Path, typer.Option(help="Results file, .json or .csv.")] = ...,  # type: ignore[assignment]
    subset: Annotated[str | None, typer.Option(help="Only this subset of the packs.")] = None,
    snippets_per_second: Annotated[
        float | None, typer.Option(help="Rate of the features; by default that of the pack, or of the training data.")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="TC, or CT for features that are stored transposed; as in training by default.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Refinement steps, at most those of the training; all by default.")
    ] = None,
) -> None:
    """Detect actions and write them as ActivityNet results JSON, or as CSV."""
    if output.suffix.lower() not in (".json", ".csv"):
        raise InputError(output, expected="a file name in .json or .csv", found=output.name, fix="rename the output")
    if snippets_per_second is not None and not 0 < snippets_per_second < math.inf:
        given = str(snippets_per_second)
        raise InputError("--snippets-per-second", expected="a number above 0", found=given, fix="correct it")
    if layout not in ("TC", "CT", None):
        raise InputError("--layout", expected="TC or CT", found=layout, fix="correct it")
    localizer = Localizer.load(checkpoint)
    layout = layout or localizer.layout
    if steps and steps > localizer.model.steps:
        expected = f"at most the {localizer.model.steps} of the training"
        raise InputError("--steps", expected=expected, found=str(steps), fix="ask for fewer")
    jobs = [job for path in inputs for job in _jobs(path, localizer, subset, layout, snippets_per_second)]
    repeated = [video for video, count in Counter(video for video, _ in jobs).items() if count > 1]
    if repeated:  # their detections would be mixed up
        found_twice = f"{repeated[0]!r} more than once"
        raise InputError("INPUT", expected="every video once", found=found_twice, fix="rename or remove one of them")
    found, failures = [], 0
    for video, read in track(jobs, "Detecting", console=notes, disable=not sys.stderr.isatty(), transient=True):
        try:
            features, timeline = read()
            found.append(localizer.detect_prepared(features, timeline, video=video, steps=steps))
        except InputError as error:  # a bad video is named, and the others go on
            failures += 1
            notes.print(f"rcl: {error}", markup=False)
    if found:
        detections = Detections.concatenate(found)
        detections.save(output)
        print(f"{len(detections)} detections in {len(found)} videos: {output}")
    if failures:
        notes.print(f"rcl: {failures} of {len(jobs)} videos could not be used; see above.")
        sys.exit(2)


def _jobs(
    path: Path, localizer: Localizer, subset: str | None, layout: str, rate: float | None
) -> list[tuple[str, Callable[[], tuple[Tensor, Timeline]]]]:
    """Name and reader of every video of an input: a pack, a feature file of one video, or one of many."""
    if path.suffix.lower() in (".h5", ".hdf5", ".npz"):
        store = FeatureStore(path, layout=layout)
        return [
            (name, partial(_prepare, localizer, path, layout, rate, name if len(store) > 1 else path.stem))
            for name in (store.names() if len(store) > 1 else [path.stem])
        ]
    if not path.is_dir():
        return [(path.stem, partial(_prepare, localizer, path, layout, rate, path.stem))]
    annotations = load_annotations(find_annotations(path))
    videos = VideoDataset(
        annotations.subset(subset) if subset else annotations,
        FeatureStore(find_features(path), layout=layout, channels=localizer.in_channels),
        labels=(),
        snippets_per_second=rate or localizer.declared_rate,
        resize=localizer.resize,
        scale=localizer.scale,
    )
    return [(video.name, partial(videos.read, index)) for index, video in enumerate(videos.videos)]


def _prepare(localizer: Localizer, path: Path, layout: str, rate: float | None, video: str) -> tuple[Tensor, Timeline]:
    return localizer.prepare(read_features(path, layout=layout, video=video), rate, video=video)


@app.command("evaluate")
def evaluate_command(
    detections: Annotated[Path, typer.Argument(help="Results file, .json or .csv.")],
    annotations: Annotated[Path, typer.Argument(help="Annotation file, or a pack.")],
    subset: Annotated[str, typer.Option(help="The videos to evaluate on.")] = "validation",
    tiou: Annotated[str, typer.Option(help="Thresholds: START:STOP:STEP, or numbers with commas.")] = "0.3:0.7:0.1",
    short: Annotated[float | None, typer.Option(help="Also evaluate instances of at most so many seconds.")] = None,
    output: Annotated[Path | None, typer.Option("--json", help="Write every number here.")] = None,
) -> None:
    """Mean average precision and average recall, equal to the official ActivityNet evaluation."""
    thresholds = parse_thresholds(tiou)
    path = find_annotations(annotations) if annotations.is_dir() else annotations
    everything = load_annotations(path, clip=False)
    truth = everything.subset(subset)
    found = _leave_aside(Detections.load(detections), set(everything.videos) - set(truth.videos), subset)
    if found.labels == ("",):
        notes.print("rcl: the detections have no labels, so the labels of the annotations do not count either.")
        truth = truth.unlabelled()
    evaluation = evaluate(found, truth, tiou_thresholds=thresholds, short_seconds=short)
    _print_table(evaluation_table(evaluation))
    if output:
        write_json(output, evaluation.to_json(), indent=1)


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed gives the same result.")] = 0,
) -> None:
    """The whole chain on a small pack of made-up videos: train, detect, evaluate."""
    import rcl.runs  # noqa: F401, before its messages can be silenced
    from rcl.demo import run_demo

    _quiet_lightning()
    notes.print("Making a pack of 32 videos and training on 24 of them; well under a minute ...")
    evaluation = run_demo(output, seed=seed)
    _print_table(evaluation_table(evaluation))
    print(f"pack        {output / 'pack'}")
    print(f"checkpoint  {output / 'run' / 'last.ckpt'}")
    print(f"detections  {output / 'detections.json'}")
    print(f"evaluation  {output / 'evaluation.json'}")


def _print_table(table: Table) -> None:
    """As wide as the terminal; as wide as the table in a pipe, where numbers would be cut off otherwise."""
    console = Console()
    (console if console.is_terminal else Console(width=1000)).print(table)


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


def _leave_aside(detections: Detections, others: set[str], subset: str) -> Detections:
    """Without the videos of other subsets, which nobody asked about; an unknown video stays, and counts as wrong."""
    aside = [name for name in detections.videos if name in others]
    if not aside:
        return detections
    notes.print(f"rcl: left aside {len(aside)} videos that are not in the {subset} subset.")
    return detections.without(others)


if __name__ == "__main__":
    main()
