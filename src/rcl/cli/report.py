"""``rcl report``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from rcl.cli.console import Location, location, notes
from rcl.cli.evaluation import leave_aside, parse_thresholds
from rcl.data.annotations import Annotations
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.data.pack import find_annotations, is_pack
from rcl.detector.inputs import jobs_of
from rcl.detector.localizer import Localizer
from rcl.evaluation.characteristics import BucketScheme, Fields, read_characteristics, recognized_scheme
from rcl.system.errors import InputError
from rcl.system.paths import is_dir
from rcl.system.text_files import check_place
from rcl.video.finding import find_videos
from rcl.web.report.page import FeatureReader, write_report


def report(
    detections: Annotated[Location, typer.Argument(help="Results file, .json or .csv.", parser=location)],
    output: Annotated[Path, typer.Option(help="The page, .html.")],
    annotations: Annotated[Location | None, typer.Option(help="Annotation file, or a pack.", parser=location)] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the videos; those beside the page are found anyway.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="RUN/last.ckpt, for maps of its confidence.")] = None,
    features: Annotated[
        Path | None,
        typer.Option(help="Pack or feature file for the maps; by default the pack of --annotations, or --videos."),
    ] = None,
    subset: Annotated[str, typer.Option(help="The annotated videos to report on.")] = "validation",
    tiou: Annotated[str, typer.Option(help="Thresholds: START:STOP:STEP, or numbers with commas.")] = "0.3:0.7:0.1",
    short: Annotated[
        float | None, typer.Option(help="Length in seconds of short instances; by default the shortest third.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page; by default the name of the results file.")] = None,
) -> None:
    """One HTML page of results: how good, which errors, and each detection beside its video."""
    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(output, expected="a file name in .html", found=output.name, fix="rename the output")
    if features and not checkpoint:
        expected = "a --checkpoint that uses them"
        raise InputError("--features", expected=expected, found="none", fix="give both, or none")
    thresholds = parse_thresholds(tiou)
    found = load_detections(detections)
    truth: Annotations | None = None
    scheme: BucketScheme = "data"
    fields: Fields | None = None
    if annotations:
        path = find_annotations(annotations) if is_dir(annotations) else annotations
        everything = load_annotations(path, clip=False)
        truth, scheme, fields = everything.subset(subset), recognized_scheme(everything), read_characteristics(path)
        found = leave_aside(found, set(everything.videos) - set(truth.videos), subset)
    check_place(output)
    localizer = Localizer.load(checkpoint) if checkpoint else None
    readers = _readers(localizer, features, annotations, videos)
    count = len({*found.videos, *(truth.videos if truth else ())})
    with Progress(console=notes, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("Reporting", total=count)
        said = write_report(
            output,
            detections=found,
            annotations=truth,
            tiou_thresholds=thresholds,
            short_seconds=short,
            buckets=scheme,
            fields=fields,
            videos=find_videos([videos])[0] if videos else None,
            localizer=localizer,
            features=readers,
            title=title or detections.stem,
            progress=lambda: bar.advance(task),
        )
    for note in said:
        notes.print(f"rcl: {note}", markup=False)
    print(f"{output}: {len(found)} detections in {count} videos")


def _readers(
    localizer: Localizer | None, features: Path | None, annotations: Path | None, videos: Path | None
) -> dict[str, FeatureReader]:
    """What reads the features of each video, from the first source that there is."""
    if localizer is None:
        return {}
    source = features
    if source is None and annotations is not None and is_dir(annotations) and is_pack(annotations):
        source = annotations
    if source is None and localizer.extractor is not None:
        source = videos
    if source is None:
        notes.print("rcl: no confidence maps, since there are no features: give a pack with --features.")
        return {}
    jobs = jobs_of(source, localizer, None, localizer.preparation.layout, None)
    return {job.video: partial(job.read, localizer) for job in jobs}
