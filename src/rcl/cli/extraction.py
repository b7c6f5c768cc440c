"""``rcl extract``, and the options of backbones that other commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rcl.cli.console import Location, location, notes
from rcl.cli.engines import Address, Engine, EngineName, chosen_cluster, messages_aside
from rcl.data.formats.load import load_annotations
from rcl.system.device import best_device, usable_cores
from rcl.system.errors import InputError, listed
from rcl.system.paths import is_remote
from rcl.video.backbones.options import parse_options

if TYPE_CHECKING:
    from rcl.video.packs import Outcome

Told: TypeAlias = Callable[[str, float], None]

Backbone = Annotated[
    str, typer.Option(help="motion, hf:NAME_OR_FOLDER, i3d:CHECKPOINT, onnx:FILE or torchscript:FILE.")
]
Rate = Annotated[float | None, typer.Option(help="Frames per second; the backbone's usual rate by default.")]
Window = Annotated[
    int | None, typer.Option(min=1, max=1024, help="L, frames that a snippet sees; the backbone's by default.")
]
Stride = Annotated[int | None, typer.Option(min=1, max=10_000, help="σ, frames from one snippet to the next.")]
Size = Annotated[
    int | None, typer.Option(min=8, max=2048, help="Side of the frames that the backbone sees, in pixels.")
]
Mean = Annotated[str | None, typer.Option(help="onnx, torchscript: R,G,B taken from values in 0 to 1.")]
Std = Annotated[str | None, typer.Option(help="onnx, torchscript: R,G,B by which they are divided.")]
Pooling = Annotated[str | None, typer.Option(help="hf: mean of all tokens, or cls.")]
Flow = Annotated[Path | None, typer.Option(help="i3d: checkpoint of the flow stream, for two-stream features.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core, or one for a network.")]


def extract(
    inputs: Annotated[
        list[Location], typer.Argument(metavar="VIDEO...", help="Video files, or folders of them.", parser=location)
    ],
    output: Annotated[
        Location, typer.Option(help="The pack: features, their times, annotations.json.", parser=location)
    ],
    backbone: Backbone = "motion",
    labels: Annotated[
        Location | None,
        typer.Option(help="Table or JSON of labelled segments to put into the pack.", parser=location),
    ] = None,
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
) -> None:
    """Turn videos into a pack of snippet features. What is done already and unchanged is not done again."""
    from rcl.video.extract_many import extract_many
    from rcl.video.extraction import choose_extraction
    from rcl.video.finding import find_videos, match_videos
    from rcl.video.packs import PackWriter

    check_rate(rate)
    cluster = chosen_cluster(engine, address, workers=workers, network=backbone != "motion")
    videos, others = find_videos(inputs)
    if others:
        notes.print(f"rcl: not videos by their names: {listed([path.name for path in others])}.", markup=False)
    annotations = match_videos(load_annotations(labels, clip=False), videos) if labels else None
    if annotations:
        tell_unmatched(set(annotations.videos) - set(videos), set(videos) - set(annotations.videos))
    options = parse_options(size=size, mean=mean, std=std, pooling=pooling, flow=flow)
    device = best_device()
    made, settings = choose_extraction(backbone, options, rate=rate, window=window, stride=stride, device=device)
    writer = PackWriter(output, settings, backbone=made, device=device)
    with extraction_progress(videos) as told, messages_aside(cluster):
        outcomes = extract_many(
            writer, videos, workers=workers or usual_workers(backbone), cluster=cluster, progress=told
        )
        done, new, failed = tally(outcomes, videos, told)
    writer.annotate(annotations)
    before = f" ({done - new} were done before)" if done > new else ""
    each = f"{settings.snippets_per_second:g} snippets per second, backbone {backbone}"
    print(f"{done} of {len(videos)} videos{before}: {output} ({each})")
    end_with(failed, len(videos))


def check_rate(rate: float | None) -> None:
    """Refuse a rate of frames that is none."""
    if rate is not None and not 0.01 <= rate <= 1000:
        raise InputError("--rate", expected="frames per second, 0.01 to 1000", found=str(rate), fix="correct it")


def tell_unmatched(missing: Collection[str], unlabelled: Collection[str]) -> None:
    """Say which names of the labels are no videos, and which videos the labels do not name."""
    if missing:
        names = listed([repr(name) for name in sorted(missing)])
        notes.print(f"rcl: the labels name videos that are not here: {names}.", markup=False)
    if unlabelled:
        names = listed([repr(name) for name in sorted(unlabelled)])
        notes.print(f"rcl: the labels do not name these videos: {names}.", markup=False)


def usual_workers(backbone: str) -> int:
    """A process per core for the descriptor, which runs on one; networks use all cores, or the one GPU, themselves."""
    return usable_cores() if backbone == "motion" else 1


@contextmanager
def extraction_progress(videos: Mapping[str, Path]) -> Iterator[Told]:
    """A bar on a terminal with the time left, by the size of the files; by their number where an object store would
    have to be asked. Nothing in a pipe.

    Yields what is told of a video and the seconds of it that are done, or −1 when it is done.
    """
    remote = any(is_remote(path) for path in videos.values())
    sizes = {name: 1 if remote else path.stat().st_size if path.exists() else 0 for name, path in videos.items()}
    columns = (
        TextColumn("Extracting"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[videos]}"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=notes, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("", total=max(sum(sizes.values()), 1), videos=f"0/{len(videos)}")
        count = 0

        def told(name: str, seconds: float) -> None:
            nonlocal count
            if seconds >= 0:
                bar.update(task, description=f"{name} {seconds:.0f} s")
                return
            count += 1
            bar.update(task, advance=sizes[name], videos=f"{count}/{len(videos)}", description="")

        yield told


def tally(outcomes: Iterable[Outcome], videos: Mapping[str, Path], told: Told) -> tuple[int, int, int]:
    """Take the outcomes as they come and say what was wrong: how many are done, of them now, and how many failed."""
    done = new = failed = 0
    for outcome in outcomes:
        told(outcome.video, -1)
        if outcome.error:
            failed += 1
            notes.print(f"rcl: {outcome.error}", markup=False)
        if outcome.record:
            done += 1
            new += outcome.new
            for problem in outcome.record.problems:
                notes.print(f"rcl: {videos[outcome.video]}: {problem}; what could be read is kept.", markup=False)
    return done, new, failed


def end_with(failed: int, count: int) -> None:
    """End with status 2 where videos could not be used."""
    if failed:
        notes.print(f"rcl: {failed} of {count} videos could not be used; see above.")
        sys.exit(2)
