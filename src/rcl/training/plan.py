"""What ``rcl.fit`` decides from the data before it trains: videos, features, held-out videos and configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rcl.data.annotations import Annotations, inside_videos
from rcl.data.feature_store import FeatureStore
from rcl.data.formats.load import load_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.matching import describe_match, describe_similar_labels, match_annotations, no_video_has_labels
from rcl.data.names import NameMatch
from rcl.detector.config import Config
from rcl.detector.load_config import load_config, parse_config
from rcl.system.errors import InputError, listed
from rcl.system.paths import PathLike
from rcl.training.choices import Choice, action_lengths, choose_model, choose_stride, split_videos, with_subsets
from rcl.training.earlier_run import EarlierRun
from rcl.video.backbones.base import Backbone
from rcl.video.backbones.options import BackboneOptions
from rcl.video.extraction import choose_extraction
from rcl.video.packs import PackWriter
from rcl.video.settings import ExtractionSettings

log = logging.getLogger("rcl")

SCALE_VIDEOS = 50  # training videos that the scale of the features is measured on


@dataclass(frozen=True)
class LabelledVideos:
    """Videos and their labels.

    Args:
        videos: name to file.
        annotations: the labels of these videos.
        match: which name in the labels means which video.
    """

    videos: Mapping[str, Path]
    annotations: Annotations
    match: NameMatch

    @property
    def missing(self) -> tuple[str, ...]:
        """Names in the labels without a video."""
        return self.match.missing

    def doubts(self) -> list[str]:
        """Sentences, without their stops, on names that were not found and labels that are almost the same."""
        similar = describe_similar_labels(self.annotations)
        return [*describe_match(self.match), *([similar] if similar else [])]

    @cached_property
    def lengths_seconds(self) -> np.ndarray:
        """Length of every instance, sorted: ``(N,)``."""
        return action_lengths(self.annotations)

    @property
    def short_seconds(self) -> float:
        """Length above 0 that a quarter of the instances does not exceed, in hundredths of a second if it has some."""
        exact = float(np.quantile(self.lengths_seconds[self.lengths_seconds > 0], 0.25))
        return round(exact, 2) or exact


def match_labels(
    labels: PathLike | Annotations, videos: Mapping[str, Path], *, reading: ReadOptions | None = None
) -> LabelledVideos:
    """The videos that have labels.

    Raises:
        InputError: no video has labels.
    """
    annotations = labels if isinstance(labels, Annotations) else load_annotations(labels, clip=False, options=reading)
    annotations, match = match_annotations(annotations, videos)
    found = {name: video for name, video in annotations.videos.items() if name in videos}
    if not any(video.labels for video in found.values()):
        raise no_video_has_labels(annotations, match)
    return LabelledVideos({name: videos[name] for name in found}, replace(annotations, videos=found), match)


def choose_features(
    name: str | None,
    options: BackboneOptions | None,
    given: Mapping[str, Any],
    lengths_seconds: np.ndarray,
    *,
    device: torch.device | str,
    earlier: EarlierRun | None = None,
) -> tuple[Backbone, ExtractionSettings, tuple[Choice, ...]]:
    """The backbone and its settings: those of an earlier run, or else ``motion`` by default, and if no stride is given,
    one chosen from the lengths of the actions."""
    if earlier:
        return *earlier.backbone(name, options, given, device=device), ()
    name = name or "motion"
    backbone, settings = choose_extraction(name, options, **given, device=device)
    if given["stride"] is not None:
        return backbone, settings, ()
    stride = choose_stride(lengths_seconds, settings.rate)
    window = settings.window
    if name != "motion":
        stride = max(stride, settings.stride)  # networks are too expensive to run more often than usual
    elif given["window"] is None:
        window = stride + 1  # up to the first frame of the next snippet
    settings = settings.model_copy(update={"stride": stride, "window": window})
    reason = f"one action in ten is shorter than {float(np.quantile(lengths_seconds, 0.1)):.2g} s"
    return backbone, settings, (Choice("snippets per second", f"{settings.snippets_per_second:.3g}", reason),)


def configure(
    annotations: Annotations,
    writer: PackWriter,
    *,
    seed: int,
    run: Path | None,
    subsets: Mapping[str, str] | None = None,
) -> tuple[Config, list[Choice]]:
    """Put the annotations into the pack, and choose the configuration of the training.

    Args:
        annotations: of all videos, with their durations as far as they are known; those without features are left out.
        writer: the pack.
        seed: seed of the split and of the training.
        run: folder of a training to resume, which keeps its annotations and configuration.
        subsets: name to subset of videos that keep theirs, as an earlier run used them.

    Raises:
        InputError: no training video has labels, or the labels have changed since the training began.
    """
    path = writer.root / "annotations.json"
    if run:
        _check_unchanged(annotations, load_annotations(path, clip=False))
        return load_config(run / "config.yaml"), []
    extracted = {name: annotations.videos[name] for name in writer.names() if name in annotations.videos}
    split, choices = _split(replace(annotations, videos=extracted), seed=seed, kept=subsets or {})
    writer.annotate(split)
    kept = load_annotations(path)
    training = kept.subset("training")
    _warn_of_others(training, annotations)
    if not training.labels:
        expected = "segments inside the training videos, in seconds"
        fix = "correct the times (--times says that they are frames, minutes or milliseconds)"
        raise InputError(annotations.source, expected=expected, found="none", fix=fix)
    sections, chosen = choose_model(training, writer.settings.snippets_per_second)
    sections["training"]["seed"] = seed
    labelled = {video.subset for video in kept.videos.values() if video.labels}
    sections["data"] = {
        "root": str(writer.root),
        "validation_subset": next((name for name in ("validation", "testing") if name in labelled), None),
        "unseen_labels": "missed",
        "scale": _scale(training, writer),
    }
    return parse_config(sections, where="rcl fit"), [*choices, *chosen]


def _warn_of_others(training: Annotations, given: Annotations) -> None:
    """Warn of labels that were given earlier: a pack keeps them."""
    others = [name for name, video in training.videos.items() if video.labels and name not in given.videos]
    if others:
        message = "%s has labels of videos that are not in %s, and they are trained on, too: %s"
        log.warning(message, training.source, given.source, listed([repr(name) for name in others]))


def _check_unchanged(annotations: Annotations, before: Annotations) -> None:
    for name, video in before.videos.items():
        now = annotations.videos.get(name)
        if now and (now.labels != video.labels or not np.array_equal(now.segments_seconds, video.segments_seconds)):
            raise InputError(
                f"{annotations.source}, video {name!r}",
                expected="the labels that the training began with",
                found="others",
                fix="choose another output folder",
            )


def _split(annotations: Annotations, *, seed: int, kept: Mapping[str, str]) -> tuple[Annotations, list[Choice]]:
    """Hold out some videos, unless the labels name subsets; videos of an earlier run keep theirs.

    Only what lies inside the videos counts, so that the held-out videos have labels that can be found.
    """
    if any(video.subset != "training" for video in annotations.videos.values()):
        return with_subsets(annotations, kept), []
    split = split_videos(inside_videos(annotations), seed=seed, kept=kept)
    subsets = {name: video.subset for name, video in split.videos.items()}
    held_out = [name for name, subset in subsets.items() if subset != "training"]
    reason = "the table names no subset" if held_out else "every label needs a training video"
    if any(name in kept for name in held_out):
        reason = "what was held out stays held out"
    choice = Choice("held out for validation", listed(held_out, 4) or "no video", reason)
    return with_subsets(annotations, subsets), [choice]


def _scale(training: Annotations, writer: PackWriter) -> float:
    """Standard deviation of the features of the first training videos, to two digits."""
    store = FeatureStore(writer.root / "features")
    deviations = [store.read(name).std(axis=0).mean() for name in list(training.videos)[:SCALE_VIDEOS]]
    return float(f"{max(float(np.mean(deviations)), 1e-6):.2g}")
