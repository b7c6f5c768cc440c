"""``rcl extract``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import typer

from rcl.cli.arguments import check_no_labels
from rcl.cli.console import exit_if_failed, warn
from rcl.cli.extraction_options import ExtractionOptions
from rcl.cli.options import EngineOptions, Location, location, stdout_kept_for_results
from rcl.cli.read_options import LabelFileOptions, ToolFileOptions
from rcl.cli.signal_options import SignalFileOptions
from rcl.system.errors import InputError, counted, listed
from rcl.system.paths import is_file

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations
    from rcl.data.formats.options import ReadOptions
    from rcl.data.signals.signal import RecordingOptions
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
        list[Location],
        typer.Argument(
            metavar="RECORDING...",
            help="Videos, or recordings of sensors or pose tracks; files, or folders of them.",
            parser=location,
        ),
    ],
    output: Annotated[
        Location, typer.Option(help="The pack: features, their times, annotations.json.", parser=location)
    ],
    extraction: ExtractionOptions,
    engine: EngineOptions,
    reading: LabelFileOptions,
    tools: ToolFileOptions,
    signals: SignalFileOptions,
    labels: Annotated[
        Location | None,
        typer.Option(help="Table or JSON of labelled segments to put into the pack.", parser=location),
    ] = None,
    stream: StreamName = None,
) -> None:
    """Turn videos, or recordings of signals, into a pack of snippet features.

    Unchanged recordings that are already in the pack are skipped.
    """
    from rcl.data.signals.opening import is_recording
    from rcl.video.signals.finding import are_signals

    how = signals.reading(extraction.rate)
    check_no_labels(inputs, labels, lambda path: is_recording(path, how))
    cluster = engine.cluster(workers=extraction.workers, network=extraction.network)
    given = _Given(inputs, output, stream, labels, reading.read_options(tools))
    _check_damaged_signals(inputs, how)
    if are_signals(inputs, how):
        writers, recordings, annotations = _of_signals(given, extraction, signals)
    else:
        writers, recordings, annotations = _of_videos(given, extraction, signals)
    failed = sum(_extract(writer, recordings, extraction.processes(), cluster) for writer in writers)
    if annotations:
        _check_lengths(annotations, given)
    writers[0].annotate(annotations)
    exit_if_failed(failed, len(recordings) * len(writers))


def _check_damaged_signals(inputs: Sequence[Path], how: RecordingOptions) -> None:
    """Check that a file which can only be a recording of signals is not taken for a video because it is damaged.

    Raises:
        InputError: one is damaged.
    """
    from rcl.data.signals.opening import HDF5S, PARQUETS, is_recording, open_recording

    for path in inputs:
        if path.suffix.lower() in (*HDF5S, *PARQUETS) and is_file(path) and not is_recording(path, how):
            open_recording(path, how)


class _Given(NamedTuple):
    """What is given: recordings, the pack and its stream, labels and how they are read."""

    inputs: Sequence[Path]
    output: Path
    stream: str | None
    labels: Path | None
    options: ReadOptions


_Extraction: TypeAlias = "tuple[list[PackWriter], dict[str, Path], Annotations | None]"


def _of_videos(given: _Given, extraction: ExtractionOptions, signals: SignalFileOptions) -> _Extraction:
    """What writes each stream of the pack, the videos by their names in it, and their labels."""
    from rcl.system.device import best_device
    from rcl.video.choosing import choose_extractors, stream_names
    from rcl.video.finding import find_videos
    from rcl.video.packs import PackWriter
    from rcl.video.records import names_in_pack

    if names := signals.given():
        raise InputError(listed(names), expected="recordings of signals", found="videos", fix="leave it out")
    settings = extraction.settings()
    backbone, device = extraction.backbone or "motion", best_device()
    first = stream_names(backbone, given.stream)[0]
    videos, others = find_videos(given.inputs)
    if others:
        warn(f"not videos by their names: {listed([path.name for path in others])}.")
    videos = names_in_pack(given.output, videos, first)
    annotations = _matched(_loaded(given), videos, given.options)
    extractors = choose_extractors(backbone, **settings, stream=given.stream, device=device)
    writers = [
        PackWriter(given.output, extractor.settings, stream=name, extractor=extractor, device=device)
        for name, extractor in extractors.items()
    ]
    return writers, videos, annotations


def _of_signals(given: _Given, extraction: ExtractionOptions, signals: SignalFileOptions) -> _Extraction:
    """What writes the pack, the recordings by their names in it, and their labels."""
    from rcl.video.pack_streams import kept_settings
    from rcl.video.packs import PackWriter
    from rcl.video.records import names_in_pack
    from rcl.video.signals.choosing import settings_for
    from rcl.video.signals.finding import each_individual, find_signals

    values = extraction.of_signals()
    recordings, others = find_signals(given.inputs, signals.reading(extraction.rate))
    if others and (names := [path.name for path in others if path != given.labels]):
        warn(f"not recordings of signals by their content: {listed(names)}.")
    annotations = _loaded(given)
    kept = kept_settings(given.output, given.stream)
    labelled = annotations.videos if annotations else ()
    settings = settings_for(recordings, kept, signals.options(), **values, labelled=labelled)
    recordings = names_in_pack(given.output, each_individual(recordings, settings), given.stream)
    annotations = _matched(annotations, recordings, given.options)
    return [PackWriter(given.output, settings, stream=given.stream)], recordings, annotations


def _loaded(given: _Given) -> Annotations | None:
    from rcl.data.formats.load import load_annotations

    return None if given.labels is None else load_annotations(given.labels, clip=False, options=given.options)


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


def _matched(
    annotations: Annotations | None, recordings: Mapping[str, Path], options: ReadOptions
) -> Annotations | None:
    """The labels under the names of the recordings, with a warning of everything that is left out.

    Raises:
        InputError: the labels are of other recordings.
    """
    from rcl.data.matching import describe_match, describe_similar_labels, match_annotations, no_video_has_labels
    from rcl.video.label_times import check_times, stated_extents

    if annotations is None:
        return None
    annotations, match = match_annotations(annotations, recordings)
    if not match.pairs:
        raise no_video_has_labels(annotations, match)
    check_times(annotations, stated_extents(annotations, recordings), options)
    for sentence in (*describe_match(match), describe_similar_labels(annotations)):
        if sentence:
            warn(f"{sentence}.")
    return annotations


def _check_lengths(annotations: Annotations, given: _Given) -> None:
    """Check the times of labels by the lengths that the extraction has found.

    Raises:
        InputError: they cannot be seconds.
    """
    from rcl.data.time_units import Extent
    from rcl.video.label_times import check_times
    from rcl.video.records import records_of_pack

    records = records_of_pack(given.output)
    check_times(annotations, {name: Extent(each.duration_seconds) for name, each in records.items()}, given.options)
