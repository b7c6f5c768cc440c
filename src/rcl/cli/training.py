"""``rcl train``, ``rcl fit`` and ``rcl demo``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from rcl.cli.console import Location, location, notes, print_table, quiet_lightning
from rcl.cli.engines import Address, Engine, EngineName, chosen_cluster, messages_aside
from rcl.cli.extraction import (
    Backbone,
    Flow,
    Mean,
    Pooling,
    Rate,
    Size,
    Std,
    Stride,
    Window,
    Workers,
    check_rate,
    end_with,
    extraction_progress,
    tally,
    tell_unmatched,
    usual_workers,
)
from rcl.cli.tables import evaluation_table
from rcl.cli.threads import Threads
from rcl.data.formats.results import load_detections
from rcl.data.formats.subtitles import MIN_SCORE, save_subtitles
from rcl.detector.load_config import load_config
from rcl.system.device import best_device
from rcl.system.errors import InputError

if TYPE_CHECKING:
    from rcl.system.ray_cluster import Cluster
    from rcl.training.fit import Fit, HeldOut

DEMO_VIDEOS, DEMO_HELD_OUT = 32, 8


def train(
    config: Annotated[Path, typer.Argument(help="Configuration, YAML; see configs/.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    output: Annotated[Path, typer.Option(help="Folder for checkpoints and metrics.")] = ...,  # type: ignore[assignment]
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the output folder.")] = False,
    devices: Annotated[
        str, typer.Option(help="Accelerators per node (processes, on a CPU), or auto for all of this machine.")
    ] = "auto",
    nodes: Annotated[
        int, typer.Option(min=1, help="Machines; the command runs on each (torchrun, srun, or NODE_RANK=0, 1, …).")
    ] = 1,
    threads: Threads = None,
) -> None:
    """Train a detector on a pack of features and annotations."""
    from lightning.pytorch.utilities import rank_zero_only
    from torch import distributed

    from rcl.training.process_group import ProcessLost
    from rcl.training.run import (
        train as run,  # Lightning takes a second to import, which the other commands need not wait for
    )

    quiet_lightning()
    try:
        parsed = load_config(config, overrides)
        last = run(parsed, output, resume=resume, devices=_devices(devices), nodes=nodes)
    except InputError:
        # Before they meet, all processes of a machine find the same, and the first of them says it.
        if _local_rank() > 0 and not distributed.is_initialized():
            time.sleep(10)  # torchrun ends all as soon as one has ended, also the one that speaks
            raise typer.Exit(2) from None
        raise
    except ProcessLost as lost:
        notes.print(f"rcl: {lost}", markup=False)
        raise typer.Exit(1) from None
    rank_zero_only(print)(f"Trained {parsed.training.epochs} epochs: {last} (metrics in {output / 'metrics.csv'}).")


def _local_rank() -> int:
    """Which of the processes that torchrun, srun or a first process has started on this machine."""
    return int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")))


def _devices(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdigit() or text == "0":
        raise InputError("--devices", expected="a positive number or auto", found=text, fix="correct it")
    return int(text)


def fit(
    videos: Annotated[Location, typer.Argument(metavar="VIDEOS_DIR", help="Folder of videos.", parser=location)],
    labels: Annotated[
        Location,
        typer.Argument(metavar="LABELS.csv", help="video,start,end,label[,subset]; seconds.", parser=location),
    ],
    output: Annotated[Path, typer.Option(help="Folder for features, checkpoints and results.")],
    backbone: Backbone = "motion",
    rate: Rate = None,
    window: Window = None,
    stride: Stride = None,
    size: Size = None,
    mean: Mean = None,
    std: Std = None,
    pooling: Pooling = None,
    flow: Flow = None,
    workers: Workers = None,
    engine: Engine = EngineName.local,
    address: Address = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the split and of the training.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was stopped.")] = False,
    threads: Threads = None,
) -> None:
    """From a folder of videos and a table of labels to a trained, evaluated detector.

    With --engine ray the features are extracted there; the training is on this machine.
    """
    import rcl.training.run  # noqa: F401, before its messages can be silenced
    from rcl.training.fit import Fit
    from rcl.video.backbones.options import parse_options
    from rcl.video.finding import find_videos

    quiet_lightning()
    check_rate(rate)
    cluster = chosen_cluster(engine, address, workers=workers, network=backbone != "motion")
    found, _ = find_videos([videos])
    chain = Fit(
        found,
        labels,
        output,
        backbone=backbone,
        options=parse_options(size=size, mean=mean, std=std, pooling=pooling, flow=flow),
        rate=rate,
        window=window,
        stride=stride,
        seed=seed,
        resume=resume,
        device=best_device(),
    )
    failed = run_fit(chain, workers=workers or usual_workers(backbone), cluster=cluster)
    end_with(failed, len(chain.videos) + len(chain.missing))


def run_fit(chain: Fit, *, workers: int, cluster: Cluster | None = None) -> int:
    """Take the steps of a fit and say what comes of them; how many videos could not be used."""
    tell_unmatched(chain.missing, chain.unlabelled)
    with extraction_progress(chain.videos) as told, messages_aside(cluster):
        outcomes = chain.extract(workers=workers, cluster=cluster, progress=told)
        done, new, failed = tally(outcomes, chain.videos, told)
    notes.print(f"Features of {done} videos{f', {done - new} of them from before' if done > new else ''}.")
    config = chain.configure()
    for choice in chain.choices:
        notes.print(f"{choice.name}: {choice.value}, as {choice.reason}.", markup=False)
    checkpoint = chain.train(config)
    held_out = chain.evaluate(checkpoint, config)
    if held_out:
        _write_report(chain, held_out)
        print_table(evaluation_table(held_out.evaluation))
        print(f"detections  {chain.output / 'detections.json'}")
        print(f"evaluation  {chain.output / 'evaluation.json'}")
        print(f"report      {chain.output / 'report.html'} (open it in a browser)")
    else:
        notes.print("No video was held out, so nothing was evaluated.")
    print(f"features    {chain.output / 'pack'}")
    print(f"checkpoint  {checkpoint}")
    return failed + len(chain.missing)


def _write_report(chain: Fit, held_out: HeldOut) -> None:
    from rcl.web.report.page import write_report  # its charts take a while to import

    write_report(
        chain.output / "report.html",
        detections=held_out.detections,
        annotations=held_out.annotations,
        short_seconds=chain.short_seconds,
        videos=chain.videos,
        localizer=held_out.localizer,
        features=held_out.features,
        title="Held-out videos",
    )


def demo(
    output: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed gives the same result.")] = 0,
) -> None:
    """The whole chain on rendered videos, from rendering to evaluation; a minute and a half on two cores."""
    import rcl.training.run  # noqa: F401, before its messages can be silenced
    from rcl.training.choices import hold_out
    from rcl.training.fit import Fit
    from rcl.video.finding import find_videos
    from rcl.video.synthetic.rendering import render_videos, write_labels

    quiet_lightning()
    folder, run = output / "videos", output / "run"
    notes.print(f"Rendering {DEMO_VIDEOS} videos of a drawn figure, of which {DEMO_HELD_OUT} are held out ...")
    with Progress(console=notes, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("Rendering", total=DEMO_VIDEOS)
        rendered = render_videos(folder, count=DEMO_VIDEOS, seed=seed, progress=lambda: bar.advance(task))
    held_out = list(rendered.videos)[-DEMO_HELD_OUT:]
    labels = output / "labels.csv"
    write_labels(hold_out(rendered, held_out), labels)
    chain = Fit(find_videos([folder])[0], labels, run, seed=seed, overwrite=True)
    failed = run_fit(chain, workers=usual_workers("motion"))
    print(f"labels      {labels}")
    detections = load_detections(run / "detections.json")
    for name in held_out:  # beside the video, where players look for them
        others = set(detections.videos) - {name}
        save_subtitles(detections.without(others), folder / f"{name}.srt", min_score=MIN_SCORE)
    print(f"watch       {folder / held_out[0]}.mp4 (players show the detections, which are in the .srt beside it)")
    end_with(failed, DEMO_VIDEOS)
