"""``rcl fit``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from rcl.cli.arguments import check_videos_first
from rcl.cli.console import quiet_lightning
from rcl.cli.durations import parse_duration
from rcl.cli.extraction_options import ExtractionOptions
from rcl.cli.options import EngineOptions, Location, Loggers, Overwrite, Threads, location
from rcl.cli.read_options import LabelFileOptions, ToolFileOptions
from rcl.cli.signal_options import SignalFileOptions

Source = Annotated[
    Location,
    typer.Argument(
        metavar="RECORDINGS|PACK",
        help="Folder of videos, of tables of sensors or of pose tracks; or of annotations and features.",
        parser=location,
    ),
]
Labels = Annotated[
    Location | None,
    typer.Argument(
        metavar="LABELS.csv",
        help="video,start,end,label[,subset][,group]; in seconds. For a pack: in place of its annotations.",
        parser=location,
    ),
]


@dataclass(frozen=True)
class RunOptions:
    """What a training begins with."""

    after: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Folder of an earlier fit, for corrected labels: its features are used again, what it held out stays "
            "held out, and both detectors are compared. For a pack, a fit of the same pack.",
        ),
    ] = None
    streams: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Of a pack with several streams, those to use: motion,imu. By default all."),
    ] = None
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the split and of the training.")] = 0
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Time for all of this: 90s, 10m, 1.5h. What one training leaves is spent on trials of other settings, "
            "on folds of the training videos, and on further networks.",
        ),
    ] = None
    ensemble: Annotated[
        int | None,
        typer.Option(min=1, max=20, help="So many networks, whose answers are averaged; detection takes as often."),
    ] = None
    resume: Annotated[bool, typer.Option("--resume", help="Continue a training that was stopped.")] = False

    def arguments(self) -> dict[str, Any]:
        """These, as ``rcl.fit`` takes them.

        Raises:
            InputError: it is no length of time.
        """
        seconds = None if self.budget is None else parse_duration(self.budget, option="--budget")
        names = ("after", "seed", "ensemble", "resume")
        streams = None if self.streams is None else [name.strip() for name in self.streams.split(",")]
        return {"budget_seconds": seconds, "streams": streams, **{name: getattr(self, name) for name in names}}


def fit(
    source: Source,
    output: Annotated[Path, typer.Option(help="Folder for features, checkpoints and results.")],
    extraction: ExtractionOptions,
    engine: EngineOptions,
    reading: LabelFileOptions,
    tools: ToolFileOptions,
    run: RunOptions,
    signals: SignalFileOptions,
    labels: Labels = None,
    threads: Threads = None,
    logger: Loggers = None,
    overwrite: Overwrite = False,
) -> None:
    """Train and evaluate a detector from recordings and a table of labels, or from a pack of features.

    Recordings are a folder of videos, or of tables of sensors or pose tracks.

    With --engine ray the features are extracted by Ray; the training runs on this machine.
    """
    from rcl.cli.fit_output import FitPrinter, exit_if_unused, print_fit
    from rcl.cli.outputs import check_fit
    from rcl.training import fit as training
    from rcl.training.fit_pack import pack_in

    check_videos_first(source, labels)
    check_fit(output, resume=run.resume, overwrite=overwrite, annotations=pack_in(source, labels) is not None)
    quiet_lightning()
    cluster = engine.cluster(workers=extraction.workers, network=extraction.network)
    result = training.fit(
        source,
        labels,
        output,
        reading=reading.read_options(tools),
        backbone=extraction.backbone,
        **_settings(source, labels, extraction, signals),
        **run.arguments(),
        overwrite=overwrite,
        cluster=cluster,
        signals=signals.options(),
        loggers=logger or (),
        observer=FitPrinter(cluster),
    )
    print_fit(result)
    exit_if_unused(result)


def _settings(
    source: Path, labels: Path | None, extraction: ExtractionOptions, signals: SignalFileOptions
) -> dict[str, Any]:
    """What is given about the features of recordings, as ``rcl.fit`` takes it; of a pack, what it refuses."""
    from rcl.training.fit_pack import pack_in
    from rcl.video.signals.finding import are_signals

    if pack_in(source, labels):
        return {**extraction.settings(), "workers": extraction.workers}
    of_signals = are_signals([source], signals.reading(extraction.rate))
    settings = extraction.of_signals() if of_signals else extraction.settings()
    return {**settings, "workers": extraction.processes()}
