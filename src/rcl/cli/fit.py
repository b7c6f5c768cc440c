"""``rcl fit``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from rcl.cli.arguments import check_videos_first
from rcl.cli.console import quiet_lightning
from rcl.cli.options import EngineOptions, ExtractionOptions, Location, Overwrite, Threads, location
from rcl.cli.read_options import LabelFileOptions, ToolFileOptions


@dataclass(frozen=True)
class RunOptions:
    """What a training begins with."""

    after: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Folder of an earlier fit, for corrected labels: its features are used again, what it held out stays "
            "held out, and both detectors are compared.",
        ),
    ] = None
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the split and of the training.")] = 0
    resume: Annotated[bool, typer.Option("--resume", help="Continue a training that was stopped.")] = False


def fit(
    videos: Annotated[Location, typer.Argument(metavar="VIDEOS_DIR", help="Folder of videos.", parser=location)],
    labels: Annotated[
        Location,
        typer.Argument(metavar="LABELS.csv", help="video,start,end,label[,subset]; in seconds.", parser=location),
    ],
    output: Annotated[Path, typer.Option(help="Folder for features, checkpoints and results.")],
    extraction: ExtractionOptions,
    engine: EngineOptions,
    reading: LabelFileOptions,
    tools: ToolFileOptions,
    run: RunOptions,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Train and evaluate a detector from a folder of videos and a table of labels.

    With --engine ray the features are extracted by Ray; the training runs on this machine.
    """
    from rcl.cli.fit_output import FitPrinter, exit_if_unused, print_fit
    from rcl.cli.outputs import check_fit
    from rcl.training import fit as training

    check_videos_first(videos, labels)
    check_fit(output, resume=run.resume, overwrite=overwrite)
    quiet_lightning()
    settings, cluster = extraction.settings(), engine.cluster(workers=extraction.workers, network=extraction.network)
    result = training.fit(
        videos,
        labels,
        output,
        reading=reading.read_options(tools),
        after=run.after,
        backbone=extraction.backbone,
        **settings,
        seed=run.seed,
        resume=run.resume,
        overwrite=overwrite,
        workers=extraction.processes(),
        cluster=cluster,
        observer=FitPrinter(cluster),
    )
    print_fit(result)
    exit_if_unused(result)
