"""From videos and a table of labels to a trained and evaluated detector."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.results import save_detections
from rcl.data.segments import Timeline
from rcl.detector.localizer import Localizer
from rcl.evaluation.bootstrap import Comparison
from rcl.evaluation.metrics import Evaluation, evaluate
from rcl.system.device import best_device
from rcl.system.errors import InputError
from rcl.system.paths import PathLike, to_path
from rcl.system.ray_cluster import Cluster
from rcl.system.text_files import write_json
from rcl.training.choices import Choice
from rcl.training.earlier_run import EarlierRun
from rcl.training.held_out import detect_held_out
from rcl.training.labels import checked_labels, with_known_durations
from rcl.training.plan import LabelledVideos, choose_features, configure
from rcl.training.run import train
from rcl.video.backbones.options import BackboneOptions
from rcl.video.extract_many import extract_many
from rcl.video.finding import find_videos
from rcl.video.packs import Outcome, PackWriter
from rcl.video.records import names_in_pack
from rcl.video.settings import read_settings

log = logging.getLogger("rcl")

TIOU_THRESHOLDS = np.linspace(0.3, 0.7, 5)


@dataclass(frozen=True)
class FitResult:
    """A fitted detector, and how well it does on the held-out videos.

    Args:
        checkpoint: ``last.ckpt`` in the folder of the run.
        localizer: the detector.
        choices: the settings chosen from the data.
        labelled: the videos and their labels.
        problems: name to error of the videos that could not be used.
        annotations: ground truth of the held-out videos; ``None`` if no video was held out, like the next two.
        detections: the detections in them.
        evaluation: the detections compared with the ground truth.
        features: name to a function that reads features ``(C, T)`` and timeline of a held-out video.
        comparison: of the detector of the earlier run and this one on these videos, if there is an earlier run.
    """

    checkpoint: Path
    localizer: Localizer
    choices: tuple[Choice, ...]
    labelled: LabelledVideos
    problems: Mapping[str, InputError]
    annotations: Annotations | None = None
    detections: Detections | None = None
    evaluation: Evaluation | None = None
    features: Mapping[str, Callable[[], tuple[Tensor, Timeline]]] = field(default_factory=dict)
    comparison: Comparison | None = None


class FitObserver:
    """Follows a fit. This one logs warnings; a subclass can show progress."""

    def matched(self, labelled: LabelledVideos) -> None:
        """Labels and videos were matched."""
        for sentence in labelled.doubts():
            log.warning("%s", sentence)

    @contextmanager
    def extraction(self, videos: Mapping[str, Path]) -> Iterator[Callable[[str, float], None]]:
        """Around the extraction. Yields a function that takes the name of a video and its finished seconds."""
        yield lambda video, seconds: None

    def extracted(self, outcome: Outcome) -> None:
        """A video is finished."""
        if outcome.error:
            log.warning("%s", outcome.error)

    def split(self, annotations: Annotations, held_out: str | None) -> None:
        """It is known which videos are held out: the labels of all videos, and the subset that is held out, if any."""

    @contextmanager
    def evaluation(self, videos: int) -> Iterator[Callable[[], None]]:
        """Around the search of so many held-out videos. Yields a function to call after each."""
        yield lambda: None

    def chosen(self, choice: Choice) -> None:
        """A setting was chosen from the data."""


def fit(
    videos: PathLike | Sequence[PathLike],
    labels: PathLike | Annotations,
    output: PathLike,
    *,
    reading: ReadOptions | None = None,
    after: PathLike | None = None,
    backbone: str | None = None,
    options: BackboneOptions | None = None,
    rate: float | None = None,
    window: int | None = None,
    stride: int | None = None,
    video_fps: float | None = None,
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    workers: int = 1,
    cluster: Cluster | None = None,
    device: torch.device | str | None = None,
    observer: FitObserver | None = None,
) -> FitResult:
    """Extract features, choose settings, train a detector, and evaluate it on held-out videos.

    >>> import rcl
    >>> result = rcl.fit("videos", "labels.csv", "run")  # doctest: +SKIP
    >>> print(f"average mAP {result.evaluation.average_map:.1%}")  # doctest: +SKIP
    >>> detections = result.localizer.detect("new.mp4")  # doctest: +SKIP

    Args:
        videos: folder of videos, or several files and folders.
        labels: table ``video,start,end,label[,subset]`` in seconds, another file that ``load_annotations`` reads, or
            annotations. Without subsets, a fifth of the videos is held out for the evaluation.
        output: folder for ``pack`` (features), ``config.yaml``, ``last.ckpt``, ``best.ckpt``, ``metrics.csv``,
            ``detections.json`` and ``evaluation.json``.
        reading: how to read what the file of labels does not say.
        after: folder of an earlier fit. Its features and settings are used again, its held-out videos stay held out,
            and both detectors are compared on them (``comparison.json``). It stays as it is.
        backbone: ``motion`` (the default), ``hf:NAME_OR_FOLDER``, ``i3d:CHECKPOINT``, ``onnx:FILE`` or
            ``torchscript:FILE``.
        options: options of the backbone.
        rate: frames per second; by default the backbone's usual rate.
        window: frames in a snippet (L); by default the backbone's usual number.
        stride: frames from one snippet to the next (σ); by default chosen from the lengths of the actions.
        video_fps: frames per second of videos without a container, such as ``.h264``; by default what they state.
        seed: seed of the split and of the training.
        resume: continue a training that was stopped.
        overwrite: train anew if ``output`` holds a run. Features are kept.
        workers: processes that extract features. With more than one, a script needs ``if __name__ == "__main__":``.
        cluster: extracts the features with Ray instead.
        device: device of the backbone; by default the GPU, if there is one.
        observer: follows the fit; by default warnings are logged.

    Raises:
        InputError: the labels cannot be read or match no video, their times cannot be seconds or have no length, the
            backbone cannot be loaded, ``output`` holds another run or features of other settings, ``after`` is not a
            finished fit, or no training video could be used.
    """
    observer = observer or FitObserver()
    output = to_path(output)
    found = _find(videos, output / "pack")
    earlier = EarlierRun.open(after, output=output) if after is not None else None
    resumes = _check_output(output, resume=resume, overwrite=overwrite)
    labelled, extents = checked_labels(labels, found, reading)
    given = {"rate": rate, "window": window, "stride": stride, "video_fps": video_fps}
    writer, choices = _open_pack(output, labelled, backbone, options, given, device, resumes=resumes, earlier=earlier)
    observer.matched(labelled)
    subsets = earlier.take_over(writer, labelled.videos, labelled.annotations) if earlier else {}
    problems, seconds = _extract(writer, labelled.videos, observer, workers=workers, cluster=cluster)
    annotations = with_known_durations(labelled.annotations, seconds, extents, reading)
    config, more = configure(annotations, writer, seed=seed, run=output if resumes else None, subsets=subsets)
    _announce(choices := (*choices, *more), writer.root, config.data.validation_subset, observer)
    # A single process, because Lightning would start the others with the command line of this one.
    checkpoint = train(config, output, resume=resumes, overwrite=overwrite, devices=1)
    result = FitResult(checkpoint, Localizer.load(checkpoint), choices, labelled, problems)
    return _evaluate(result, writer, config.data.validation_subset, earlier, observer)


def _find(videos: PathLike | Sequence[PathLike], pack: Path) -> dict[str, Path]:
    """Name to file of the videos, under the names that they have in the pack."""
    found, _ = find_videos(videos if isinstance(videos, list | tuple) else [cast(PathLike, videos)])
    return names_in_pack(pack, found)


def _check_output(output: Path, *, resume: bool, overwrite: bool) -> bool:
    """Whether there is a training to resume.

    Raises:
        InputError: there is one, and neither ``resume`` nor ``overwrite`` is set.
    """
    exists = (output / "last.ckpt").exists()
    if exists and not (resume or overwrite):
        fix = (
            "add --resume to continue it or --overwrite to train anew, or choose another folder "
            f"(with --after {output}, to train on corrected labels with the same features and held-out videos)"
        )
        raise InputError(output, expected="a new folder", found="an earlier run", fix=fix)
    return exists and resume


def _open_pack(
    output: Path,
    labelled: LabelledVideos,
    backbone: str | None,
    options: BackboneOptions | None,
    given: Mapping[str, Any],
    device: torch.device | str | None,
    *,
    resumes: bool,
    earlier: EarlierRun | None,
) -> tuple[PackWriter, tuple[Choice, ...]]:
    """The pack of the features. Its settings are given, those of an earlier run, or chosen from the data."""
    root = output / "pack"
    if resumes and (kept := read_settings(root)):  # the new features have to be like the old ones
        given = {name: value or getattr(kept, name) for name, value in given.items()}
    device = device or best_device()
    network, settings, choices = choose_features(
        backbone, options, given, labelled.lengths_seconds, device=device, earlier=earlier
    )
    return PackWriter(root, settings, backbone=network, device=device), choices


def _announce(choices: Sequence[Choice], pack: Path, held_out: str | None, observer: FitObserver) -> None:
    observer.split(load_annotations(pack / "annotations.json", clip=False), held_out)
    for choice in choices:
        observer.chosen(choice)


def _extract(
    writer: PackWriter,
    videos: Mapping[str, Path],
    observer: FitObserver,
    *,
    workers: int,
    cluster: Cluster | None,
) -> tuple[dict[str, InputError], dict[str, float]]:
    """Extract the features that the pack lacks.

    Returns:
        The errors of the videos that could not be used, and the lengths in seconds of the others.
    """
    problems, seconds = dict[str, InputError](), dict[str, float]()
    with observer.extraction(videos) as progress:
        for outcome in extract_many(writer, videos, workers=workers, cluster=cluster, progress=progress):
            observer.extracted(outcome)
            if outcome.error:
                problems[outcome.video] = outcome.error
            if outcome.record:
                seconds[outcome.video] = outcome.record.duration_seconds
    return problems, seconds


def _evaluate(
    result: FitResult, writer: PackWriter, subset: str | None, earlier: EarlierRun | None, observer: FitObserver
) -> FitResult:
    """Detect in the held-out videos, compare with their labels, and write both to the folder of the run."""
    if subset is None:
        return result
    truth = load_annotations(writer.root / "annotations.json").subset(subset)
    output = result.checkpoint.parent
    with observer.evaluation(len(truth.videos)) as advance:
        detections, videos = detect_held_out(result.localizer, truth, writer.root, progress=advance)
    save_detections(detections, output / "detections.json")
    evaluation = evaluate(
        detections, truth, tiou_thresholds=TIOU_THRESHOLDS, short_seconds=result.labelled.short_seconds
    )
    write_json(output / "evaluation.json", evaluation.to_json(), indent=1)
    comparison = earlier.compare(detections, truth, writer.root, TIOU_THRESHOLDS) if earlier else None
    if earlier and comparison:
        write_json(output / "comparison.json", {"after": str(earlier.root), **comparison.to_json()}, indent=1)
    features = {video.name: partial(videos.read, index) for index, video in enumerate(videos.videos)}
    return replace(
        result,
        annotations=truth,
        detections=detections,
        evaluation=evaluation,
        features=features,
        comparison=comparison,
    )
