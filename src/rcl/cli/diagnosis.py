"""``rcl diagnose``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast, get_args

import numpy as np
import typer

from rcl.cli.console import Location, location, notes, print_table
from rcl.cli.evaluation import leave_aside, parse_thresholds
from rcl.cli.tables import bucket_table, error_table
from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.data.pack import find_annotations
from rcl.evaluation import detad
from rcl.evaluation.characteristics import BucketScheme, read_characteristics, recognized_scheme
from rcl.evaluation.diagnosis import Diagnosis
from rcl.evaluation.ground_truths import check_comparable
from rcl.system.errors import InputError, listed
from rcl.system.paths import is_dir
from rcl.system.text_files import check_place, write_json


def diagnose(
    paths: Annotated[
        list[Location],
        typer.Argument(
            metavar="DETECTIONS... ANNOTATIONS",
            parser=location,
            help="Results files, .json or .csv, one per detector; then the annotation file, or a pack.",
        ),
    ],
    output: Annotated[Path, typer.Option(help="Folder for detad.json and the figures.")],
    subset: Annotated[str, typer.Option(help="The videos to evaluate on.")] = "validation",
    tiou: Annotated[str, typer.Option(help="Thresholds: START:STOP:STEP, or numbers with commas.")] = "0.3:0.7:0.1",
    buckets: Annotated[
        str, typer.Option(help="activitynet, thumos14, data (quantiles), or auto: by the names of the videos.")
    ] = "auto",
    name: Annotated[
        list[str] | None, typer.Option(help="What to call a detector; once per file, in their order.")
    ] = None,
) -> None:
    """Which errors detections make, on which ground truth, and what they cost (DETAD)."""
    if len(paths) < 2:
        where, found = "rcl diagnose", f"only {paths[0]}"
        raise InputError(where, expected="DETECTIONS and then ANNOTATIONS", found=found, fix="give both")
    *files, source = paths
    names = _names(files, name or [])
    if buckets not in ("auto", *get_args(BucketScheme)):
        expected = f"auto or {' or '.join(get_args(BucketScheme))}"
        raise InputError("--buckets", expected=expected, found=buckets, fix="correct it")
    thresholds = parse_thresholds(tiou)
    check_place(output / "detad.json")
    truth = _GroundTruth.load(source, subset, buckets)
    detections = {label: truth.detections(file) for label, file in zip(names, files, strict=True)}
    diagnoses = truth.diagnose(detections, thresholds)
    _note(diagnoses)
    print_table(bucket_table(diagnoses))
    print_table(error_table(diagnoses))
    _write(output, diagnoses)


def _names(files: list[Path], given: list[str]) -> list[str]:
    """One name per detector: those given, or the stems of the files, or of their folders where the stems are equal."""
    if given and len(given) != len(files):
        expected = f"one name per results file ({len(files)})"
        raise InputError("--name", expected=expected, found=f"{len(given)}", fix="repeat --name for each file")
    stems = [file.stem for file in files]
    folders = [file.resolve().parent.name for file in files]
    names = given or (stems if len(set(stems)) == len(stems) else folders)
    repeated = [one for one, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(
            "--name" if given else listed([str(file) for file in files]),
            expected="a different name for each detector",
            found=f"{repeated[0]!r} twice",
            fix="name them with --name, once per file",
        )
    return names


@dataclass(frozen=True)
class _GroundTruth:
    """The annotation file, and the part of it that was asked for."""

    path: Path
    everything: Annotations
    chosen: Annotations
    subset: str
    scheme: BucketScheme

    @classmethod
    def load(cls, source: Path, subset: str, buckets: str) -> _GroundTruth:
        path = find_annotations(source) if is_dir(source) else source
        everything = load_annotations(path, clip=False)
        scheme = recognized_scheme(everything) if buckets == "auto" else cast(BucketScheme, buckets)
        if buckets == "auto":
            origin = "quantiles of the data" if scheme == "data" else f"those of {scheme}"
            notes.print(f"rcl: the buckets are {origin}.")
        return cls(path, everything, everything.subset(subset), subset, scheme)

    def detections(self, file: Path) -> Detections:
        """Those of the subset.

        Raises:
            InputError: none of them is in an annotated video, or has a known label.
        """
        loaded = load_detections(file)
        others = set(self.everything.videos) - set(self.chosen.videos)
        found = leave_aside(loaded, others, self.subset)
        if len(loaded):
            check_comparable(found, self.chosen, where=file)
        else:
            notes.print(f"rcl: {file} has no detections.", markup=False)
        return found

    def diagnose(self, found: dict[str, Detections], thresholds: np.ndarray) -> dict[str, Diagnosis]:
        """Every detector, all with labels or all without."""
        unlabelled = [name for name, detections in found.items() if detections.labels == ("",)]
        if unlabelled and len(unlabelled) < len(found):
            expected, fix = "all detections with labels, or all without", "diagnose them apart"
            raise InputError("detections", expected=expected, found=f"none in {listed(unlabelled)} only", fix=fix)
        truth = self.chosen
        if unlabelled:
            notes.print("rcl: the detections have no labels, so the labels of the annotations do not count either.")
            truth = truth.unlabelled()
        fields = read_characteristics(self.path)
        return {
            name: detad.diagnose(detections, truth, tiou_thresholds=thresholds, buckets=self.scheme, fields=fields)
            for name, detections in found.items()
        }


def _note(diagnoses: dict[str, Diagnosis]) -> None:
    """What does not count, and why."""
    first = next(iter(diagnoses.values()))
    if first.counts["ground_truths_left_out"]:
        count = first.counts["ground_truths_left_out"]
        notes.print(f"rcl: left out {count} instances that have no length or are longer than their video.")
    known = {one.name for one in first.characteristics}
    if "coverage" not in known:
        notes.print("rcl: no coverage, since the annotations have no durations of the videos.")
    for one in first.characteristics:
        unknown = int((one.bucket_index < 0).sum())
        if unknown:
            notes.print(f"rcl: {unknown} instances are in no bucket of {one.name}: unknown, or outside of all.")
        empty = [bucket for bucket, count in zip(one.buckets, one.counts, strict=True) if not count]
        if empty:
            notes.print(f"rcl: no instance is in the buckets {', '.join(empty)} of {one.name}.")
    for name, diagnosis in diagnoses.items():
        elsewhere, other = diagnosis.counts["in_other_videos"], diagnosis.counts["of_other_labels"]
        if elsewhere:
            text = f"{elsewhere} detections are in videos that are not annotated: they count as background"
            notes.print(f"rcl: {name}: {text}.", markup=False)
        if other:
            text = f"{other} detections have labels that no instance has: they are left out"
            notes.print(f"rcl: {name}: {text}.", markup=False)


def _write(output: Path, diagnoses: dict[str, Diagnosis]) -> None:
    """``detad.json`` and three figures, each as SVG and PNG."""
    from rcl.evaluation import figures  # matplotlib takes its time

    content = {name: diagnosis.to_json() for name, diagnosis in diagnoses.items()}
    single = next(iter(content.values()))
    write_json(output / "detad.json", single if len(content) == 1 else {"detectors": content}, indent=1)
    drawn = {
        "sensitivity": figures.sensitivity_figure(diagnoses),
        "false_positives": figures.false_positive_figure(diagnoses),
        "false_negatives": figures.false_negative_figure(diagnoses),
    }
    for stem, figure in drawn.items():
        for extension in ("svg", "png"):
            figures.save_figure(figure, output / f"{stem}.{extension}")
    print(f"{output}: detad.json, {', '.join(drawn)} (.svg, .png)")
