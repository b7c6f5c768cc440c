"""``rcl diagnose``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from rcl.cli.arguments import detections_first
from rcl.cli.console import print_table, warn
from rcl.cli.detectors import annotations_for, detector_names, join_all
from rcl.cli.ground_truth import GroundTruth, TruthOptions
from rcl.cli.options import DEFAULT_THRESHOLDS, Location, Overwrite, Thresholds, location, parse_thresholds
from rcl.system.errors import InputError, counted

if TYPE_CHECKING:
    import numpy as np

    from rcl.data.detections import Detections
    from rcl.detector.contributions import Contributions
    from rcl.evaluation.characteristics import BucketScheme
    from rcl.evaluation.diagnosis import Diagnosis


Paths = Annotated[
    list[Location],
    typer.Argument(
        metavar="DETECTIONS... ANNOTATIONS",
        parser=location,
        help="Results files, .json or .csv, one per detector; then the annotation file, or a pack. With --checkpoint, "
        "the pack alone.",
    ),
]
Checkpoint = Annotated[
    Location | None,
    typer.Option(
        metavar="RUN",
        parser=location,
        help="A detector of several streams, in place of its detections: also shows what each stream contributes.",
    ),
]


def diagnose(
    paths: Paths,
    output: Annotated[Path, typer.Option(help="Folder for detad.json and the figures.")],
    chosen: TruthOptions,
    tiou: Thresholds = DEFAULT_THRESHOLDS,
    buckets: Annotated[
        str,
        typer.Option(help="activitynet, thumos14, data (quantiles), or auto: chosen by the names of the videos."),
    ] = "auto",
    name: Annotated[
        list[str] | None, typer.Option(help="Name of a detector; once per results file, in the same order.")
    ] = None,
    checkpoint: Checkpoint = None,
    overwrite: Overwrite = False,
) -> None:
    """Show which errors the detections make, on which instances, and what the errors cost (DETAD).

    With --checkpoint, also the mAP of a detector of several streams without each of them, and with each alone.
    """
    from rcl.cli.outputs import check_diagnosis
    from rcl.cli.tables import bucket_table, error_table

    if checkpoint:
        _diagnose_streams(checkpoint, paths, output, chosen, tiou, buckets, overwrite=overwrite)
        return
    *files, source = _check_paths(paths)
    names = detector_names(files, name or [])
    _check_buckets(buckets)
    thresholds = parse_thresholds(tiou)
    check_diagnosis(output, overwrite=overwrite)
    with detections_first("diagnose", files[0], source):
        truth = GroundTruth.load(source, chosen)
        detections = _load(dict(zip(names, files, strict=True)), truth)
    truth.print_reviewed()
    scheme = _scheme(buckets, truth)
    diagnoses = _diagnose_all(detections, truth, thresholds, scheme)
    _warn_of_exceptions(diagnoses)
    print_table(bucket_table(diagnoses))
    print_table(error_table(diagnoses))
    _write(output, diagnoses)


def _diagnose_streams(
    checkpoint: Path, paths: list[Path], output: Path, chosen: TruthOptions, tiou: str, buckets: str, *, overwrite: bool
) -> None:
    """Detect in a pack with all streams and without some, and diagnose the detections with all."""
    from rcl.cli.outputs import CONTRIBUTIONS, check_diagnosis
    from rcl.cli.tables import bucket_table, contribution_table, error_table
    from rcl.system.text_files import write_json

    if len(paths) > 1:
        fix = "leave out the detections: the detector makes them"
        raise InputError("rcl diagnose", expected="a pack alone with --checkpoint", found=str(paths[0]), fix=fix)
    _check_buckets(buckets)
    thresholds = parse_thresholds(tiou)
    check_diagnosis(output, overwrite=overwrite)
    truth = GroundTruth.load(paths[0], chosen)
    contributions = _contributions(checkpoint, paths[0], truth, thresholds)
    diagnoses = _diagnose_all({checkpoint.name: contributions.detections}, truth, thresholds, _scheme(buckets, truth))
    _warn_of_exceptions(diagnoses)
    for table in (bucket_table(diagnoses), error_table(diagnoses), contribution_table(contributions)):
        print_table(table)
    _write(output, diagnoses)
    write_json(output / CONTRIBUTIONS, contributions.to_json(), indent=1)
    print(f"{output}: {CONTRIBUTIONS}")


def _contributions(checkpoint: Path, pack: Path, truth: GroundTruth, thresholds: np.ndarray) -> Contributions:
    from rcl.cli.progress import progress_bar
    from rcl.detector.contributions import combinations, measure_contributions
    from rcl.detector.inputs import open_store_for
    from rcl.detector.localizer import Localizer

    localizer = Localizer.load(checkpoint)
    store = open_store_for(localizer, pack, truth.everything)
    for sentence in store.doubts([*truth.chosen.videos]):
        warn(sentence)
    total = len(combinations([stream.name for stream in store.streams])) * len(truth.chosen.videos)
    with progress_bar("Detecting", total) as progress:
        return measure_contributions(
            localizer, store, truth.chosen, tiou_thresholds=thresholds, policy=truth.policy, progress=progress
        )


def _check_paths(paths: list[Path]) -> list[Path]:
    if len(paths) < 2:
        where, found = "rcl diagnose", f"only {paths[0]}"
        raise InputError(where, expected="DETECTIONS and then ANNOTATIONS", found=found, fix="give both")
    return paths


def _check_buckets(buckets: str) -> None:
    from rcl.evaluation.characteristics import BucketScheme

    if buckets not in ("auto", *get_args(BucketScheme)):
        expected = f"auto or {' or '.join(get_args(BucketScheme))}"
        raise InputError("--buckets", expected=expected, found=buckets, fix="correct it")


def _scheme(buckets: str, truth: GroundTruth) -> BucketScheme:
    from rcl.evaluation.characteristics import recognized_scheme

    if buckets != "auto":
        return cast("BucketScheme", buckets)
    scheme = recognized_scheme(truth.everything)
    warn(f"the buckets are {'quantiles of the data' if scheme == 'data' else f'those of {scheme}'}.")
    return scheme


def _load(files: Mapping[str, Path], truth: GroundTruth) -> dict[str, Detections]:
    """The detections of every detector that can be compared."""
    from rcl.data.formats.results import load_detections

    found = {name: load_detections(file) for name, file in files.items()}
    return join_all(found, files, truth, lengthless=False)


def _diagnose_all(
    found: Mapping[str, Detections], truth: GroundTruth, thresholds: np.ndarray, scheme: BucketScheme
) -> dict[str, Diagnosis]:
    """The diagnosis of every detector. Either all of them have labels, or none."""
    from rcl.evaluation import detad

    annotations, fields = annotations_for(found, truth), truth.fields()
    return {
        name: detad.diagnose(
            detections, annotations, tiou_thresholds=thresholds, buckets=scheme, fields=fields, policy=truth.policy
        )
        for name, detections in found.items()
    }


def _warn_of_exceptions(diagnoses: Mapping[str, Diagnosis]) -> None:
    """Say which instances do not count, or are in no bucket, and why."""
    first = next(iter(diagnoses.values()))
    if left_out := first.counts["ground_truths_left_out"]:
        warn(f"left out {counted(left_out, 'instance')} without a length or longer than their video.")
    if "coverage" not in {one.name for one in first.characteristics}:
        warn("no coverage, because the annotations do not give the durations of the videos.")
    for one in first.characteristics:
        if unknown := int((one.bucket_index < 0).sum()):
            warn(f"{counted(unknown, 'instance')} in no bucket of {one.name}: unknown, or outside all of them.")
        empty = [bucket for bucket, count in zip(one.buckets, one.counts, strict=True) if not count]
        if empty:
            warn(f"no instance is in the buckets {', '.join(empty)} of {one.name}.")


def _write(output: Path, diagnoses: Mapping[str, Diagnosis]) -> None:
    """Write ``detad.json`` and three figures, each as SVG and PNG."""
    from rcl.cli.outputs import FIGURES
    from rcl.evaluation import figures
    from rcl.system.text_files import write_json

    content = {name: diagnosis.to_json() for name, diagnosis in diagnoses.items()}
    single = next(iter(content.values()))
    write_json(output / "detad.json", single if len(content) == 1 else {"detectors": content}, indent=1)
    drawn = (
        figures.sensitivity_figure(diagnoses),
        figures.false_positive_figure(diagnoses),
        figures.false_negative_figure(diagnoses),
    )
    for stem, figure in zip(FIGURES, drawn, strict=True):
        for extension in ("svg", "png"):
            figures.save_figure(figure, output / f"{stem}.{extension}")
    print(f"{output}: detad.json, {', '.join(FIGURES)} (.svg, .png)")
