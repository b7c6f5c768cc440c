"""Results files of several detectors, one behind the other, with one name for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rcl.cli.console import warn
from rcl.system.errors import InputError, listed

if TYPE_CHECKING:
    from rcl.cli.ground_truth import GroundTruth
    from rcl.data.annotations import Annotations
    from rcl.data.detections import Detections


def detector_names(files: Sequence[Path], given: Sequence[str]) -> Sequence[str]:
    """One name per detector: the given ones, or the files' stems, or their folders if the stems are not distinct."""
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


def join_all(
    found: Mapping[str, Detections], files: Mapping[str, Path], truth: GroundTruth, *, lengthless: bool = True
) -> dict[str, Detections]:
    """The detections of every detector under the names of the annotations; a warning of all that they do not share.

    Args:
        found: the detections by the name of the detector.
        files: their files, likewise.
        truth: what they are compared with.
        lengthless: whether instances without a length count.

    Raises:
        InputError: see :meth:`GroundTruth.join`.
    """
    from rcl.evaluation.joining import differences

    joined = {name: truth.join(detections, where=files[name]) for name, detections in found.items()}
    for name, detections in joined.items():
        for sentence in differences(detections, truth.chosen):
            warn(f"{name}: {sentence}")
    for sentence in truth.doubtful_instances(lengthless=lengthless):
        warn(sentence)
    return joined


def annotations_for(found: Mapping[str, Detections], truth: GroundTruth) -> Annotations:
    """The annotations that count, without labels if the detections have none, which is said.

    Raises:
        InputError: some detectors give labels and others do not.
    """
    from rcl.evaluation.joining import labelled_alike

    annotations = labelled_alike(found, truth.chosen)
    if annotations is not truth.chosen:
        warn("the detections have no labels, so the labels of the annotations are ignored.")
    return annotations
