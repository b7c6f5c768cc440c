"""``rcl report``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcl.cli.console import warn
from rcl.cli.ground_truth import GroundTruth, TruthOptions
from rcl.cli.options import DEFAULT_THRESHOLDS, Location, Overwrite, Thresholds, location, parse_thresholds
from rcl.cli.video_files import files_of, joined
from rcl.system.errors import InputError, counted

if TYPE_CHECKING:
    from rcl.detector.localizer import Localizer


@dataclass(frozen=True)
class MapOptions:
    """Maps of a detector's confidence."""

    checkpoint: Annotated[
        Path | None, typer.Option(help="last.ckpt of the run, or its folder, for maps of its confidence.")
    ] = None
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

    def load(self, names: Collection[str], annotations: Path | None, videos: Path | None) -> dict[str, Any]:
        """The detector, and for each video a function that reads its features, as arguments of ``write_report``.

        Args:
            names: of the videos in the report.
            annotations: of the report, where they may be a pack.
            videos: their folder.
        """
        from rcl.detector.inputs import jobs_of
        from rcl.detector.localizer import Localizer

        if self.checkpoint is None:
            return {}
        localizer = Localizer.load(self.checkpoint)
        source = self._source(localizer, annotations, videos)
        if source is None:
            warn("no confidence maps without features: give a pack with --features.")
            return {"localizer": localizer}
        jobs = {job.video: job for job in jobs_of(source, localizer, None, localizer.preparation.layout, None)}
        pairs = joined(names, jobs, where=source, what="the report", noun="feature sequence")
        features = {name: partial(jobs[other].read, localizer) for name, other in pairs.items()}
        return {"localizer": localizer, "features": features}

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
    chosen: TruthOptions,
    annotations: Annotated[Location | None, typer.Option(help="Annotation file, or a pack.", parser=location)] = None,
    videos: Annotated[Path | None, typer.Option(help="Folder of the videos; by default that of the page.")] = None,
    tiou: Thresholds = DEFAULT_THRESHOLDS,
    short: Annotated[
        float | None, typer.Option(help="Length in seconds of short instances; by default the shortest third.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title; by default the name of the results file.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write one HTML page of results: how good they are, which errors they make, and each detection with its video."""
    from rcl.cli.progress import progress_bar
    from rcl.web.report.page import write_report

    _check_output(output, [detections, annotations], overwrite=overwrite)
    maps.check()
    thresholds = parse_thresholds(tiou)
    compared = _compare(detections, annotations, chosen)
    names = [*dict.fromkeys([*compared["detections"].videos, *getattr(compared.get("annotations"), "videos", ())])]
    mapped = maps.load(names, annotations, videos)
    with progress_bar("Reporting", len(names)) as show:
        warnings = write_report(
            output,
            tiou_thresholds=thresholds,
            short_seconds=short,
            videos=files_of(names, videos, what=detections) if videos else None,
            title=title or detections.stem,
            progress=show,
            **compared,
            **mapped,
        )
    for warning in warnings:
        warn(warning)
    print(f"{output}: {counted(len(compared['detections']), 'detection')} in {counted(len(names), 'video')}")


def _check_output(output: Path, inputs: list[Path | None], *, overwrite: bool) -> None:
    from rcl.cli.output_kinds import REPORT
    from rcl.cli.outputs import check_replaceable
    from rcl.system.text_files import check_place, extension_of

    extension_of(output, (".html", ".htm"))
    check_replaceable(output, REPORT, overwrite=overwrite, inputs=inputs)
    check_place(output)


def _compare(detections: Path, annotations: Path | None, chosen: TruthOptions) -> dict[str, Any]:
    """Detections, their ground truth and its buckets, as arguments of ``write_report``."""
    from rcl.data.formats.results import load_detections
    from rcl.evaluation.characteristics import recognized_scheme

    found = load_detections(detections)
    chosen.check()
    if annotations is None:
        return {"detections": found}
    truth = GroundTruth.load(annotations, chosen)
    return {
        "detections": truth.join(found, where=detections),
        "annotations": truth.chosen,
        "buckets": recognized_scheme(truth.everything),
        "fields": truth.fields(),
        "policy": truth.policy,
    }
