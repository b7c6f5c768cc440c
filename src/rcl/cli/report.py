"""``rcl report``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcl.cli.console import warn
from rcl.cli.options import DEFAULT_THRESHOLDS, Location, Subset, Thresholds, location, parse_thresholds
from rcl.system.errors import InputError, counted

if TYPE_CHECKING:
    from rcl.detector.localizer import Localizer


@dataclass(frozen=True)
class MapOptions:
    """Maps of a detector's confidence."""

    checkpoint: Annotated[Path | None, typer.Option(help="last.ckpt of the run, for maps of its confidence.")] = None
    features: Annotated[
        Path | None,
        typer.Option(help="Pack or feature file for the maps; by default the pack of --annotations, or --videos."),
    ] = None

    def check(self) -> None:
        """Check the options.

        Raises:
            InputError: features without a checkpoint.
        """
        if self.features and not self.checkpoint:
            expected = "a --checkpoint that uses them"
            raise InputError("--features", expected=expected, found="no checkpoint", fix="give both, or neither")

    def load(self, annotations: Path | None, videos: Path | None) -> dict[str, Any]:
        """The detector, and for each video a function that reads its features, as arguments of ``write_report``."""
        from rcl.detector.inputs import jobs_of
        from rcl.detector.localizer import Localizer

        if self.checkpoint is None:
            return {}
        localizer = Localizer.load(self.checkpoint)
        source = self._source(localizer, annotations, videos)
        if source is None:
            warn("no confidence maps without features: give a pack with --features.")
            return {"localizer": localizer}
        jobs = jobs_of(source, localizer, None, localizer.preparation.layout, None)
        return {"localizer": localizer, "features": {job.video: partial(job.read, localizer) for job in jobs}}

    def _source(self, localizer: Localizer, annotations: Path | None, videos: Path | None) -> Path | None:
        from rcl.data.pack import is_pack
        from rcl.system.paths import is_dir

        if self.features is not None:
            return self.features
        if annotations is not None and is_dir(annotations) and is_pack(annotations):
            return annotations
        return videos if localizer.extractor is not None else None


def report(
    detections: Annotated[Location, typer.Argument(help="Results file, .json or .csv.", parser=location)],
    output: Annotated[Path, typer.Option(help="The page, .html.")],
    maps: MapOptions,
    annotations: Annotated[Location | None, typer.Option(help="Annotation file, or a pack.", parser=location)] = None,
    videos: Annotated[Path | None, typer.Option(help="Folder of the videos; by default that of the page.")] = None,
    subset: Subset = "validation",
    tiou: Thresholds = DEFAULT_THRESHOLDS,
    short: Annotated[
        float | None, typer.Option(help="Length in seconds of short instances; by default the shortest third.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title; by default the name of the results file.")] = None,
) -> None:
    """Write one HTML page of results: how good they are, which errors they make, and each detection with its video."""
    from rcl.cli.progress import progress_bar
    from rcl.system.text_files import check_place, extension_of
    from rcl.video.finding import find_videos
    from rcl.web.report.page import write_report

    extension_of(output, (".html", ".htm"))
    maps.check()
    thresholds = parse_thresholds(tiou)
    compared = _compare(detections, annotations, subset)
    check_place(output)
    mapped = maps.load(annotations, videos)
    count = len({*compared["detections"].videos, *getattr(compared.get("annotations"), "videos", ())})
    with progress_bar("Reporting", count) as show:
        warnings = write_report(
            output,
            tiou_thresholds=thresholds,
            short_seconds=short,
            videos=find_videos([videos])[0] if videos else None,
            title=title or detections.stem,
            progress=show,
            **compared,
            **mapped,
        )
    for warning in warnings:
        warn(warning)
    print(f"{output}: {counted(len(compared['detections']), 'detection')} in {counted(count, 'video')}")


def _compare(detections: Path, annotations: Path | None, subset: str) -> dict[str, Any]:
    """Detections, their ground truth and its buckets, as arguments of ``write_report``."""
    from rcl.cli.ground_truth import GroundTruth
    from rcl.data.formats.results import load_detections
    from rcl.evaluation.characteristics import read_characteristics, recognized_scheme

    found = load_detections(detections)
    if annotations is None:
        return {"detections": found}
    truth = GroundTruth.load(annotations, subset)
    return {
        "detections": truth.without_other_subsets(found),
        "annotations": truth.chosen,
        "buckets": recognized_scheme(truth.everything),
        "fields": read_characteristics(truth.path),
    }
