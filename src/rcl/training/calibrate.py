"""Choose the operating points of a detector on labelled videos that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from rcl.data.annotations import Annotations, to_subset
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.pack import find_annotations
from rcl.detector.checkpoint import Checkpoint, find_checkpoint, read_checkpoint, save_operating_points
from rcl.detector.detect_many import Found, detect_here
from rcl.detector.inputs import jobs_of
from rcl.detector.localizer import Localizer
from rcl.detector.operating_points import OperatingPoints, choose_operating_points, without_duplicates
from rcl.evaluation.events import EVENT_TIOU, Events, evaluate_events
from rcl.evaluation.ground_truths import ground_truths
from rcl.system.errors import InputError, counted, listed
from rcl.system.paths import PathLike, is_file, to_path
from rcl.training.folds import videos_together

MOST_PARTS = 10  # in which the videos are divided to say how good the operating points are on other videos


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Operating points, and how good the list is that they choose.

    Args:
        points: chosen on all videos.
        ranking: the event scores of all detections, before anything is chosen.
        same: those of the list that ``points`` choose, on the videos on which they were chosen.
        other: those of the list in which every video is decided by points that were chosen on the others; ``None`` for
            a single video. This is what to expect of new videos.
        calibration_error: of all detections without duplicates, with their own scores, and with those that ``points``
            of other videos (of the same ones, for a single video) give them.
    """

    points: OperatingPoints
    ranking: Events
    same: Events
    other: Events | None
    calibration_error: tuple[float | None, float | None]

    def to_json(self) -> dict[str, Any]:
        """All numbers in plain Python types."""
        before, after = self.calibration_error
        return {
            "operating_points": self.points.to_json(),
            "same_videos": self.same.to_json(),
            "other_videos": self.other and self.other.to_json(),
            "calibration_error": {"before": before, "after": after},
        }


def calibrate(
    checkpoint: PathLike,
    pack: PathLike,
    output: PathLike | None = None,
    *,
    annotations: PathLike | None = None,
    subset: str = "validation",
    tiou: float = EVENT_TIOU,
    precision: float | None = None,
    detected: Callable[[Found], None] = lambda outcome: None,
) -> Calibrated:
    """Choose the operating points of a checkpoint, and write a checkpoint that has them.

    >>> import rcl
    >>> from rcl.training.calibrate import calibrate
    >>> calibrate("run/last.ckpt", "pack", "run/decided.ckpt")  # doctest: +SKIP
    >>> rcl.Localizer.load("run/decided.ckpt").detect("new.mp4", decide=True)  # doctest: +SKIP

    Args:
        checkpoint: of the detector, or the folder of its run.
        pack: features and annotations.
        output: the new checkpoint; by default the old one is replaced, whole or not at all.
        annotations: in place of the pack's own.
        subset: of the labelled videos.
        tiou, precision: see :func:`~rcl.detector.operating_points.choose_operating_points`.
        detected: called with the detections of every video, or the error that prevented them. Such a video is left out.

    Raises:
        InputError: a file cannot be read or written, the detector was trained on one of the videos, there are no
            labelled videos in the subset, none of them could be used, or a number is out of range.
    """
    path = find_checkpoint(to_path(checkpoint))
    kept = read_checkpoint(path)
    localizer = Localizer.from_checkpoint(kept)
    source = find_annotations(to_path(pack)) if annotations is None else to_path(annotations)
    truth = load_annotations(source).subset(subset)
    check_held_out(kept, truth)
    ground_truths(truth)  # where there is none, say so before the work
    everything = jobs_of(to_path(pack), localizer, None, localizer.preparation.layout, None)
    jobs = [job for job in everything if job.video in truth.videos]
    found = dict[str, Detections]()
    for outcome in detect_here(localizer, jobs):
        detected(outcome)
        if outcome.detections is not None:
            found[outcome.video] = outcome.detections
    if not found:
        expected = f"features of its {counted(len(truth.videos), f'{subset} video')}"
        raise InputError(pack, expected=expected, found="none that can be used", fix="correct the pack")
    truth = replace(truth, videos={name: video for name, video in truth.videos.items() if name in found})
    chosen_on = f"{counted(len(found), 'video')} of the subset {subset} of {source}"
    result = choose(localizer, Detections.concatenate([*found.values()]), truth, chosen_on, tiou, precision)
    save_operating_points(result.points, path, None if output is None else to_path(output))
    return result


def choose(
    localizer: Localizer,
    detections: Detections,
    truth: Annotations,
    chosen_on: str,
    tiou: float = EVENT_TIOU,
    precision: float | None = None,
) -> Calibrated:
    """Choose operating points for a detector by its detections in the videos of ``truth``, and judge them.

    Args:
        localizer: the detector.
        detections: all that it found.
        truth: labelled videos, on which it was not trained.
        chosen_on: the videos, in words.
        tiou, precision: see :func:`~rcl.detector.operating_points.choose_operating_points`.

    Raises:
        InputError: there is no detection or no ground truth, or a number is out of range.
    """
    truth = truth if localizer.labels else truth.unlabelled()
    labels = localizer.labels or ("",)

    def points_for(found: Detections, instances: Annotations) -> OperatingPoints:
        options: dict[str, Any] = {"labels": labels, "tiou": tiou, "precision": precision, "chosen_on": chosen_on}
        return choose_operating_points(found, instances, **options)

    points = points_for(detections, truth)
    parts = [*_other_points(detections, truth, points_for)]
    ranking = evaluate_events(without_duplicates(detections), truth, tiou=tiou)
    calibrated = [_calibrated(own, found) for own, found in parts or [(points, detections)]]
    after = evaluate_events(Detections.concatenate(calibrated), truth, tiou=tiou).calibration_error
    other = Detections.concatenate([own.decide(found) for own, found in parts])
    return Calibrated(
        points,
        ranking,
        same=evaluate_events(points.decide(detections), truth, tiou=tiou),
        other=evaluate_events(other, truth, tiou=tiou) if parts else None,
        calibration_error=(ranking.calibration_error, after),
    )


def _calibrated(points: OperatingPoints, detections: Detections) -> Detections:
    found = without_duplicates(detections)
    return replace(found, scores=points.calibration(found.scores))


def _other_points(
    detections: Detections, truth: Annotations, points_for: Callable[[Detections, Annotations], OperatingPoints]
) -> Iterator[tuple[OperatingPoints, Detections]]:
    """For each part of the videos, the points that the others choose, and its detections.

    There are no parts if some of them leave no instance or no detection in the others. Groups stay together.
    """
    units = videos_together(truth)
    number = min(MOST_PARTS, len(units))
    parts = [{name for unit in units[first::number] for name in unit} for first in range(number)]
    others = [
        (detections.without(part), replace(truth, videos={n: v for n, v in truth.videos.items() if n not in part}))
        for part in parts
    ]
    if all(len(found) and instances.labels for found, instances in others):
        for part, (found, instances) in zip(parts, others, strict=True):
            yield points_for(found, instances), detections.without(truth.videos.keys() - part)


def check_held_out(checkpoint: Checkpoint, truth: Annotations) -> None:
    """Check that a detector was not trained on the videos, as far as its annotations are still where they were.

    Raises:
        InputError: it was trained on one of them.
    """
    data = checkpoint.config.data
    known = to_path(data.annotations) if data.annotations else find_annotations(to_path(data.root))
    if not is_file(known):
        return
    subset = to_subset(data.training_subset)
    training = {name for name, video in load_annotations(known).videos.items() if video.subset == subset}
    if trained := training & truth.videos.keys():
        expected = "videos that the detector was not trained on, since it is too sure of those that it was"
        found = f"{counted(len(trained), 'video')} of its training ({listed(sorted(trained), 3)})"
        raise InputError(truth.source, expected=expected, found=found, fix="choose another subset, or other videos")
