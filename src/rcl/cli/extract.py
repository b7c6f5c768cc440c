"""``rcl extract``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.arguments import check_no_labels
from rcl.cli.console import exit_if_failed, warn
from rcl.cli.options import EngineOptions, ExtractionOptions, Location, location, stdout_kept_for_results
from rcl.cli.read_options import LabelFileOptions, ToolFileOptions
from rcl.system.errors import counted, listed

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations
    from rcl.data.formats.options import ReadOptions
    from rcl.system.ray_cluster import Cluster
    from rcl.video.packs import PackWriter


StreamName = Annotated[
    str | None,
    typer.Option(
        "--stream",
        metavar="NAME",
        help="Write one stream of a pack of several, beside those that it has. It may come from other recordings of "
        "the same names, such as those of a second camera.",
    ),
]


def extract(
    inputs: Annotated[
        list[Location], typer.Argument(metavar="VIDEO...", help="Video files, or folders of them.", parser=location)
    ],
    output: Annotated[
        Location, typer.Option(help="The pack: features, their times, annotations.json.", parser=location)
    ],
    extraction: ExtractionOptions,
    engine: EngineOptions,
    reading: LabelFileOptions,
    tools: ToolFileOptions,
    labels: Annotated[
        Location | None,
        typer.Option(help="Table or JSON of labelled segments to put into the pack.", parser=location),
    ] = None,
    stream: StreamName = None,
) -> None:
    """Turn videos into a pack of snippet features. Unchanged videos that are already in the pack are skipped."""
    from rcl.system.device import best_device
    from rcl.video.choosing import choose_extractors, stream_names
    from rcl.video.packs import PackWriter

    check_no_labels(inputs, labels)
    settings, cluster = extraction.settings(), engine.cluster(workers=extraction.workers, network=extraction.network)
    backbone, device = extraction.backbone or "motion", best_device()
    first = stream_names(backbone, stream)[0]
    videos, annotations = _find(inputs, output, first, labels, reading.read_options(tools))
    extractors = choose_extractors(backbone, **settings, stream=stream, device=device)
    writers = [
        PackWriter(output, extractor.settings, stream=name, extractor=extractor, device=device)
        for name, extractor in extractors.items()
    ]
    failed = sum(_extract(writer, videos, extraction.processes(), cluster) for writer in writers)
    writers[0].annotate(annotations)
    exit_if_failed(failed, len(videos) * len(writers))


def _extract(writer: PackWriter, videos: Mapping[str, Path], processes: int, cluster: Cluster | None) -> int:
    """Extract one stream, and print how much of it there is now.

    Returns:
        The number of videos that failed.
    """
    from rcl.cli.progress import ExtractionProgress
    from rcl.video.extract_many import extract_many

    with ExtractionProgress(videos) as progress, stdout_kept_for_results(cluster):
        for outcome in extract_many(writer, videos, workers=processes, cluster=cluster, progress=progress.show):
            progress.finish(outcome)
    before = progress.done - progress.new
    count = f"{progress.done} of {counted(len(videos), 'video')}{f' ({before} done before)' if before else ''}"
    print(f"{count}: {writer.root} ({_described(writer)})")
    return progress.failed


def _described(writer: PackWriter) -> str:
    from rcl.video.settings import ExtractionSettings

    settings = writer.settings
    backbone = f", backbone {settings.backbone}" if isinstance(settings, ExtractionSettings) else ""
    stream = f", stream {writer.stream}" if writer.stream else ""
    return f"{settings.snippets_per_second:g} snippets per second{backbone}{stream}"


def _find(
    inputs: Sequence[Path], output: Path, stream: str | None, labels: Path | None, options: ReadOptions
) -> tuple[dict[str, Path], Annotations | None]:
    """Videos by their names in the pack, and their labels, with a warning of everything that is left out.

    Raises:
        InputError: the labels are of other videos.
    """
    from rcl.data.formats.load import load_annotations
    from rcl.data.matching import describe_match, describe_similar_labels, match_annotations, no_video_has_labels
    from rcl.video.finding import find_videos
    from rcl.video.label_times import check_times, stated_extents
    from rcl.video.records import names_in_pack

    videos, others = find_videos(inputs)
    if others:
        warn(f"not videos by their names: {listed([path.name for path in others])}.")
    videos = names_in_pack(output, videos, stream)
    if labels is None:
        return videos, None
    annotations, match = match_annotations(load_annotations(labels, clip=False, options=options), videos)
    if not match.pairs:
        raise no_video_has_labels(annotations, match)
    check_times(annotations, stated_extents(annotations, videos), options)
    for sentence in (*describe_match(match), describe_similar_labels(annotations)):
        if sentence:
            warn(f"{sentence}.")
    return videos, annotations
