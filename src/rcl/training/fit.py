"""From videos or features and their labels to a trained and evaluated detector."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rcl.data.annotations import Annotations
from rcl.data.datasets import VideoDataset
from rcl.data.detections import Detections
from rcl.data.features import Features
from rcl.data.formats.load import load_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.results import save_detections
from rcl.data.segments import Timeline
from rcl.detector.checkpoint import save_operating_points
from rcl.detector.localizer import Localizer
from rcl.evaluation.metrics import evaluate
from rcl.system.errors import counted
from rcl.system.paths import PathLike, to_path
from rcl.system.ray_cluster import Cluster
from rcl.system.text_files import write_json
from rcl.training.budget import Budget, complete
from rcl.training.calibrate import Calibrated, choose
from rcl.training.callbacks import TrainingShare
from rcl.training.extraction import Extraction
from rcl.training.fit_pack import pack_in, plan_pack
from rcl.training.fit_result import FitObserver, FitResult
from rcl.training.fit_videos import plan_videos
from rcl.training.held_out import detect_held_out
from rcl.training.loggers import check_loggers
from rcl.training.plan import FitPlan, FitRun
from rcl.training.run import train
from rcl.video.backbones.options import BackboneOptions
from rcl.video.signals.choosing import SignalOptions

TIOU_THRESHOLDS = np.linspace(0.3, 0.7, 5)


def fit(
    source: PathLike | Sequence[PathLike],
    labels: PathLike | Annotations | None = None,
    output: PathLike = "run",
    *,
    reading: ReadOptions | None = None,
    after: PathLike | None = None,
    backbone: str | None = None,
    options: BackboneOptions | None = None,
    rate: float | None = None,
    window: int | None = None,
    stride: int | None = None,
    video_fps: float | None = None,
    streams: Sequence[str] | None = None,
    seed: int = 0,
    budget_seconds: float | None = None,
    ensemble: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    cluster: Cluster | None = None,
    device: torch.device | str | None = None,
    signals: SignalOptions | None = None,
    loggers: Sequence[str] = (),
    observer: FitObserver | None = None,
) -> FitResult:
    """Choose settings, train a detector on videos, recordings of signals or a pack of features, and evaluate it on what
    is held out.

    >>> import rcl
    >>> result = rcl.fit("videos", "labels.csv", "run")  # doctest: +SKIP
    >>> print(f"average mAP {result.evaluation.average_map:.1%}")  # doctest: +SKIP
    >>> detections = result.localizer.detect("new.mp4")  # doctest: +SKIP
    >>> result = rcl.fit("pack", output="run-on-features")  # doctest: +SKIP

    Args:
        source: folder of videos or of recordings of signals (sensors, pose tracks), or several files and folders; or a
            pack: a folder of annotations and features. The pack stays as it is.
        labels: table ``video,start,end,label[,subset][,group]`` in seconds, another file that ``load_annotations``
            reads, or annotations; for a pack, in place of its own. Without subsets, a fifth of the videos is held out
            for the evaluation, or of the groups, if there are at least three.
        output: folder for ``config.yaml``, ``last.ckpt``, ``best.ckpt``, ``metrics.csv``, ``detections.json``,
            ``evaluation.json``, and ``pack`` (features of videos) or ``annotations.json`` (of a pack, if they differ
            from its own).
        reading: how to read what the file of labels does not say.
        after: folder of an earlier fit. Its features and settings are used again, its held-out videos stay held out,
            and both detectors are compared on them (``comparison.json``). It stays as it is. For a pack, a fit of the
            same pack.
        backbone: ``motion``, ``hf:NAME_OR_FOLDER`` …, see ``build_backbone``, or several, joined by ``+``. By default
            chosen from the videos, see :func:`rcl.training.default_backbone.choose_backbone`. This and all that
            concerns the extraction of features is for videos only.
        options: options of the backbone.
        rate: frames per second; by default the backbone's usual rate. Of signals, samples per second, also of
            recordings without times.
        window: frames or samples in a snippet (L); by default the backbone's usual number, or two strides.
        stride: frames or samples from one snippet to the next (σ); by default chosen from the lengths of the actions.
        video_fps: frames per second of videos without a container, such as ``.h264``; by default what they state.
        streams: those to use, of a pack with several; by default all.
        seed: seed of the split and of the training.
        budget_seconds: time for all of this. What one training leaves of it is spent on trials of other settings, on
            folds of the training videos, and on further networks, whose answers are averaged. By default there are
            neither.
        ensemble: so many networks, whatever the budget leaves.
        resume: continue a training that was stopped.
        overwrite: train anew if ``output`` holds a run. Features are kept.
        workers: processes that extract features, by default one. With more, a script needs
            ``if __name__ == "__main__":``.
        cluster: extracts the features with Ray instead.
        device: device of the backbone; by default the GPU, if there is one.
        signals: how recordings of sensors and pose tracks are read.
        loggers: of the training, ``tensorboard`` or ``wandb``, in addition to ``metrics.csv``.
        observer: follows the fit; by default warnings are logged.

    Raises:
        InputError: the labels cannot be read or match no video, their times cannot be seconds or have no length, the
            backbone cannot be loaded, ``output`` holds another run or features of other settings, ``after`` is not a
            finished fit, no training video could be used, videos come without labels, or a pack with options for
            videos.
    """
    observer = observer or FitObserver()
    check_loggers(loggers)
    budget = None if budget_seconds is None else Budget(time.monotonic(), budget_seconds)
    run = FitRun(to_path(output), reading, after, seed, resume, overwrite, streams)
    extraction = Extraction(backbone, options, rate, window, stride, video_fps, workers, cluster, device, signals)
    plan = _plan(source, labels, run, extraction, observer)
    _announce(plan, observer)
    if not plan.resumes:
        plan = complete(plan, run.output, ensemble, budget, observer)
    # A single process, because Lightning would start the others with the command line of this one.
    how: dict[str, Any] = {"resume": plan.resumes, "overwrite": overwrite, "loggers": loggers}
    checkpoint = train(plan.config, run.output, devices=1, callbacks=[TrainingShare(observer.trained)], **how)
    return _evaluate(_result(checkpoint, plan), plan, observer)


def _result(checkpoint: Path, plan: FitPlan) -> FitResult:
    localizer = Localizer.load(checkpoint)
    return FitResult(checkpoint, localizer, plan.choices, plan.labelled, plan.problems, plan.pack, plan.files)


def _plan(
    source: PathLike | Sequence[PathLike],
    labels: PathLike | Annotations | None,
    run: FitRun,
    extraction: Extraction,
    observer: FitObserver,
) -> FitPlan:
    pack = pack_in(source, labels, run.streams)
    plan_source = partial(plan_pack, pack) if pack else partial(plan_videos, source)
    return plan_source(labels, run, extraction, observer)


def _announce(plan: FitPlan, observer: FitObserver) -> None:
    observer.split(load_annotations(plan.annotations, clip=False), plan.config.data.validation_subset)
    for choice in plan.choices:
        observer.chosen(choice)


def _evaluate(result: FitResult, plan: FitPlan, observer: FitObserver) -> FitResult:
    """Detect in the held-out videos, compare with their labels, and write both to the folder of the run."""
    subset, earlier = plan.config.data.validation_subset, plan.earlier
    if subset is None:
        return result
    truth = load_annotations(plan.annotations).subset(subset)
    output = result.checkpoint.parent
    with observer.evaluation(len(truth.videos)) as advance:
        detections, videos = detect_held_out(result.localizer, truth, plan.pack, progress=advance)
    save_detections(detections, output / "detections.json")
    evaluation = evaluate(
        detections, truth, tiou_thresholds=TIOU_THRESHOLDS, short_seconds=result.labelled.short_seconds
    )
    calibrated = _choose_points(result, detections, truth)
    points = {"operating_points": calibrated.to_json()} if calibrated else {}
    write_json(output / "evaluation.json", evaluation.to_json() | points, indent=1)
    comparison = earlier.compare(detections, truth, plan.pack, TIOU_THRESHOLDS) if earlier else None
    if earlier and comparison:
        write_json(output / "comparison.json", {"after": str(earlier.root), **comparison.to_json()}, indent=1)
    features = {
        video.name: partial(_read, result.localizer, videos, index) for index, video in enumerate(videos.videos)
    }
    return replace(
        result,
        annotations=truth,
        detections=detections,
        evaluation=evaluation,
        features=features,
        comparison=comparison,
        calibrated=calibrated,
    )


def _choose_points(result: FitResult, detections: Detections, truth: Annotations) -> Calibrated | None:
    """Choose the operating points of the detector on the held-out videos, and keep them in its checkpoint."""
    if not len(detections):
        return None
    chosen_on = f"{counted(len(truth.videos), 'held-out video')} of rcl fit"
    calibrated = choose(result.localizer, detections, truth, chosen_on)
    save_operating_points(calibrated.points, result.checkpoint)
    result.localizer.operating_points = calibrated.points
    return calibrated


def _read(localizer: Localizer, videos: VideoDataset, index: int) -> tuple[Features, Timeline]:
    """Features and timeline of a held-out video, as the detector saw them."""
    return localizer.open(*videos.open(index))
