"""What ``rcl.fit`` trains on if it is given videos: their features, extracted into a pack in the folder of the run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from rcl.data.annotations import Annotations
from rcl.data.formats.load import load_annotations
from rcl.data.stores import open_store
from rcl.detector.config import Config
from rcl.detector.load_config import load_config
from rcl.system.device import best_device
from rcl.system.errors import InputError, listed
from rcl.system.paths import PathLike
from rcl.training.choices import Choice, choose_stride
from rcl.training.default_backbone import choose_backbone
from rcl.training.earlier_run import EarlierRun
from rcl.training.extraction import Extraction
from rcl.training.fit_result import FitObserver
from rcl.training.fit_signals import find_labelled, open_signal_pack, reading_of
from rcl.training.labels import checked_labels, with_known_durations
from rcl.training.plan import (
    FitPlan,
    FitRun,
    LabelledVideos,
    check_unchanged,
    choose_held_out,
    configure,
)
from rcl.video.backbones.options import BackboneOptions
from rcl.video.choosing import choose_again, choose_extractors
from rcl.video.extract_many import extract_many
from rcl.video.extraction import VideoExtractor
from rcl.video.finding import find_videos
from rcl.video.packs import PackWriter
from rcl.video.records import extracted_streams, names_in_pack, records_of_pack
from rcl.video.settings import ExtractionSettings, read_settings, streams_in
from rcl.video.signals.finding import are_signals

SEEING_ALL = ("cuts", "lite0", "lite0-change")
"""Backbones whose stride stays: they compare frames, and snippets that stand for more would skip some."""

log = logging.getLogger("rcl")


def plan_videos(
    videos: PathLike | Sequence[PathLike],
    labels: PathLike | Annotations,
    run: FitRun,
    extraction: Extraction,
    observer: FitObserver,
) -> FitPlan:
    """Extract the features of videos with labels, and choose the settings of the training.

    Raises:
        InputError: see :func:`rcl.training.fit.fit`.
    """
    output, signals = run.output, None
    places = [*videos] if isinstance(videos, list | tuple) else [cast(PathLike, videos)]
    if are_signals(places, reading_of(extraction)):
        signals = find_labelled(places, labels, run, extraction)
        found, labels = signals.recordings, signals.annotations
    else:
        found = _find(places, output / "pack")
    earlier = EarlierRun.open(run.after, output=output) if run.after is not None else None
    resumes = run.resumes()
    labelled, extents = checked_labels(labels, found, run.reading)
    if signals:
        writers, choices = open_signal_pack(output, labelled, signals, extraction, earlier=earlier)
    else:
        writers, choices = _open_pack(output, labelled, extraction, resumes=resumes, earlier=earlier)
    observer.matched(labelled)
    subsets = earlier.take_over(writers, labelled.videos, labelled.annotations) if earlier else {}
    problems, seconds = _extract(writers, labelled.videos, observer, extraction)
    annotations = with_known_durations(labelled.annotations, seconds, extents, run.reading)
    config, more = _configure(annotations, writers[0], seed=run.seed, run=output if resumes else None, subsets=subsets)
    choices = (*choices, *more)
    return FitPlan(config, labelled, choices, resumes, problems, files=labelled.videos, earlier=earlier)


def _find(videos: Sequence[PathLike], pack: Path) -> dict[str, Path]:
    """Name to file of the videos, under the names that they have in the pack."""
    found, _ = find_videos(videos)
    return names_in_pack(pack, found, extracted_streams(pack)[0])


def _open_pack(
    output: Path, labelled: LabelledVideos, extraction: Extraction, *, resumes: bool, earlier: EarlierRun | None
) -> tuple[list[PackWriter], tuple[Choice, ...]]:
    """The pack of the features, stream by stream. Its settings are those of the training to resume or of an earlier
    run, or given, or chosen from the data."""
    root, device = output / "pack", extraction.device or best_device()
    given = extraction.backbone, extraction.options, extraction.settings
    choices: tuple[Choice, ...] = ()
    if earlier and not resumes:
        extractors = choose_again(earlier.streams, *given, where=earlier.root, device=device)
    elif resumes:
        if not (kept := read_settings(root)):
            fix = "give the pack of features that it began with, or choose another output folder"
            raise InputError(output, expected="a run on videos, with their features", found="none in pack", fix=fix)
        extractors = choose_again(streams_in(kept), *given, where=root, device=device)
    else:
        extractors, choices = _choose_extractors(labelled, extraction, device, root)
    writers = [
        PackWriter(root, extractor.settings, stream=stream, extractor=extractor, device=device)
        for stream, extractor in extractors.items()
    ]
    return writers, choices


def _choose_extractors(
    labelled: LabelledVideos, extraction: Extraction, device: torch.device | str, root: Path
) -> tuple[dict[str | None, VideoExtractor], tuple[Choice, ...]]:
    """The backbones that are given, else those of the features that are there, else those that suit the videos. Who
    gives settings of a backbone means ``motion``, whose settings they are."""
    backbone, chosen = extraction.backbone or "motion", list[Choice]()
    if extraction.is_open and (kept := read_settings(root)):
        backbone = "+".join(own.backbone for own in streams_in(kept).values() if isinstance(own, ExtractionSettings))
    elif extraction.is_open:
        training = labelled.annotations.subset("training")
        files = [labelled.videos[name] for name in sorted(training.videos)]
        backbone, chosen = choose_backbone(files, len(training.labels))
    given = backbone, extraction.options, extraction.settings
    extractors, choices = choose_features(*given, labelled.lengths_seconds, device=device)
    return extractors, (*chosen, *choices)


def choose_features(
    name: str,
    options: BackboneOptions | None,
    given: Mapping[str, Any],
    lengths_seconds: np.ndarray,
    *,
    device: torch.device | str,
) -> tuple[dict[str | None, VideoExtractor], tuple[Choice, ...]]:
    """The backbones and their settings; if no stride is given, one chosen from the lengths of the actions."""
    extractors = choose_extractors(name, options, **given, device=device)
    if given["stride"] is not None:
        return extractors, ()
    short = f"one action in ten is shorter than {float(np.quantile(lengths_seconds, 0.1)):.2g} s"
    choices = list[Choice]()
    for stream, extractor in extractors.items():
        settings = _with_stride(extractor.settings, lengths_seconds, keep_window=given["window"] is not None)
        extractor.settings = settings
        reason = "it compares frames, and skips none" if settings.backbone in SEEING_ALL else short
        what = f"snippets per second of {stream}" if stream else "snippets per second"
        choices.append(Choice(what, f"{settings.snippets_per_second:.3g}", reason))
    return extractors, (*choices,)


def _with_stride(settings: ExtractionSettings, lengths_seconds: np.ndarray, *, keep_window: bool) -> ExtractionSettings:
    """The settings with a stride for actions of these lengths."""
    if settings.backbone in SEEING_ALL:
        return settings
    stride, window = choose_stride(lengths_seconds, settings.rate), settings.window
    if settings.backbone != "motion":
        stride = max(stride, settings.stride)  # networks are too expensive to run more often than usual
    elif not keep_window:
        window = stride + 1  # up to the first frame of the next snippet
    return settings.model_copy(update={"stride": stride, "window": window})


def _extract(
    writers: Sequence[PackWriter], videos: Mapping[str, Path], observer: FitObserver, extraction: Extraction
) -> tuple[dict[str, InputError], dict[str, float]]:
    """Extract the features that the pack lacks, stream after stream.

    Returns:
        The errors of the videos that are in no stream, and the lengths in seconds of the others.
    """
    problems, seconds = dict[str, InputError](), dict[str, float]()
    workers, cluster = extraction.workers or 1, extraction.cluster
    for writer in writers:
        with observer.extraction(videos) as progress:
            for outcome in extract_many(writer, videos, workers=workers, cluster=cluster, progress=progress):
                observer.extracted(outcome)
                if outcome.error:
                    problems[outcome.video] = outcome.error
                if outcome.record:
                    length = outcome.record.duration_seconds
                    seconds[outcome.video] = max(length, seconds.get(outcome.video, length))
    return {name: error for name, error in problems.items() if name not in seconds}, seconds


def _configure(
    annotations: Annotations, writer: PackWriter, *, seed: int, run: Path | None, subsets: Mapping[str, str]
) -> tuple[Config, list[Choice]]:
    """Put the annotations into the pack, and choose the configuration of the training.

    Args:
        annotations: of all videos, with their durations as far as they are known; those without features are left out.
        writer: of the pack.
        seed: seed of the split and of the training.
        run: folder of a training to resume, which keeps its annotations and configuration.
        subsets: name to subset of videos that keep theirs, as an earlier run used them.

    Raises:
        InputError: no training video has labels, or the labels have changed since the training began.
    """
    path = writer.root / "annotations.json"
    if run:
        check_unchanged(annotations, load_annotations(path, clip=False))
        return load_config(run / "config.yaml"), []
    records = records_of_pack(writer.root)
    extracted = {name: annotations.videos[name] for name in records if name in annotations.videos}
    split, choices = choose_held_out(replace(annotations, videos=extracted), seed=seed, kept=subsets)
    writer.annotate(split)
    kept = replace(load_annotations(path), source=annotations.source)
    _warn_of_others(kept.subset("training"), annotations, path)
    store, rate = open_store(writer.root, kept), max(record.snippets_per_second for record in records.values())
    config, chosen = configure(kept, store, rate, seed=seed, data={"root": str(writer.root)})
    return config, [*choices, *chosen]


def _warn_of_others(training: Annotations, given: Annotations, path: Path) -> None:
    """Warn of labels that were given earlier: a pack keeps them."""
    others = [name for name, video in training.videos.items() if video.labels and name not in given.videos]
    if others:
        message = "%s has labels of videos that are not in %s, and they are trained on, too: %s"
        log.warning(message, path, given.source, listed([repr(name) for name in others]))
