"""What ``rcl.fit`` decides from the data before it trains: videos, features, held-out videos and configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from rcl.data.annotations import Annotations, inside_videos
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import reviewed_pairs
from rcl.data.matching import describe_match, describe_similar_labels, match_annotations, no_video_has_labels
from rcl.data.names import NameMatch
from rcl.data.pack import find_annotations
from rcl.data.stores import Store
from rcl.detector.config import Config
from rcl.detector.load_config import parse_config
from rcl.evaluation.bootstrap import Comparison
from rcl.system.errors import InputError, counted, listed
from rcl.system.paths import PathLike, to_path
from rcl.training.choices import (
    LEAST_GROUPS,
    Choice,
    action_lengths,
    has_groups,
    split_videos,
    with_subsets,
)
from rcl.training.folds import groups_of
from rcl.training.recipe import Recordings, choose_recipe
from rcl.video.records import share_files
from rcl.video.settings import read_settings, streams_in


@dataclass(frozen=True)
class LabelledVideos:
    """Videos and their labels.

    Args:
        videos: name to file; to the file of the features, where a fit begins with a pack.
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


class Earlier(Protocol):
    """A run that a fit comes after."""

    @property
    def root(self) -> Path:
        """Its folder."""

    def compare(self, detections: Detections, truth: Annotations, pack: Path, thresholds: Any) -> Comparison:
        """Compare the detector of this run with later detections in the videos of ``truth``."""


class FitRun(NamedTuple):
    """The run that a fit makes, with the arguments of :func:`rcl.training.fit.fit`."""

    output: Path
    reading: ReadOptions | None = None
    after: PathLike | None = None
    seed: int = 0
    resume: bool = False
    overwrite: bool = False
    streams: Sequence[str] | None = None

    def resumes(self) -> bool:
        """Whether to continue a training, with the settings in its ``config.yaml``.

        Raises:
            InputError: there is a training, and neither ``resume`` nor ``overwrite`` is set.
        """
        exists = (self.output / "last.ckpt").exists()
        if exists and not (self.resume or self.overwrite):
            fix = (
                "add --resume to continue it or --overwrite to train anew, or choose another folder "
                f"(with --after {self.output}, to train on corrected labels with the same features and held-out videos)"
            )
            raise InputError(self.output, expected="a new folder", found="an earlier run", fix=fix)
        return self.resume and (exists or (self.output / "config.yaml").exists())


@dataclass(frozen=True)
class FitPlan:
    """What a fit has decided before it trains.

    Args:
        config: of the training; ``data`` says where features and annotations are.
        labelled: the videos and their labels.
        choices: the settings chosen from the data.
        resumes: whether there is a training to continue.
        problems: name to error of the videos that could not be used.
        files: name to file of the videos, as far as they are known.
        earlier: the run whose detector is compared, if any.
    """

    config: Config
    labelled: LabelledVideos
    choices: tuple[Choice, ...]
    resumes: bool
    problems: Mapping[str, InputError] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    earlier: Earlier | None = None

    @property
    def pack(self) -> Path:
        """The folder of the features."""
        return self.config.data.root

    @property
    def annotations(self) -> Path:
        """The file with the labels and subsets of the training."""
        return self.config.data.annotations or find_annotations(self.pack)


def configure(
    annotations: Annotations, store: Store, rate: float, *, seed: int, data: Mapping[str, Any]
) -> tuple[Config, list[Choice]]:
    """Choose the configuration of the training.

    Args:
        annotations: of all videos, in their subsets, inside the videos.
        store: their features.
        rate: of the features, in snippets per second.
        seed: of the training.
        data: where the features and the annotations are, as in section ``data``.

    Raises:
        InputError: no training video has labels.
    """
    training = annotations.subset("training")
    if not training.labels:
        expected = "segments inside the training videos, in seconds"
        fix = "correct the times (--times says that they are frames, minutes or milliseconds)"
        raise InputError(annotations.source, expected=expected, found="none", fix=fix)
    root = to_path(data["root"])
    one_file = share_files(root, [stream.name for stream in store.streams])
    recordings = Recordings.of(training, store, rate, one_file=one_file, own_lengths=_are_signals(root))
    sections, choices = choose_recipe(recordings)
    sections["training"]["seed"] = seed
    sections["data"] |= {**data, "validation_subset": held_out_subset(annotations), "unseen_labels": "missed"}
    return parse_config(sections, where="rcl fit"), choices


def _are_signals(pack: Path) -> bool:
    """Whether the features of a pack describe signals, whose course has a speed that must stay."""
    settings = read_settings(pack)
    return settings is not None and all(own.kind == "signal" for own in streams_in(settings).values())


def held_out_subset(annotations: Annotations) -> str | None:
    """The subset to evaluate on: ``validation`` if it has labels, else ``testing`` if that has, else none."""
    labelled = {video.subset for video in annotations.videos.values() if video.labels}
    return next((name for name in ("validation", "testing") if name in labelled), None)


def check_unchanged(annotations: Annotations, before: Annotations) -> None:
    """Check that the labels of a training that is resumed are those that it began with.

    Raises:
        InputError: those of a video are others.
    """
    for name, video in before.videos.items():
        now = annotations.videos.get(name)
        if now and (
            now.labels != video.labels
            or not np.array_equal(now.segments_seconds, video.segments_seconds)
            or reviewed_pairs(now) != reviewed_pairs(video)
        ):
            raise InputError(
                f"{annotations.source}, video {name!r}",
                expected="the labels that the training began with",
                found="others",
                fix="choose another output folder",
            )


def choose_held_out(
    annotations: Annotations, *, seed: int, kept: Mapping[str, str], why: str = "the table names no subset"
) -> tuple[Annotations, list[Choice]]:
    """Hold out some videos, unless the labels name subsets; videos of an earlier run keep theirs.

    Only what lies inside the videos counts, so that the held-out videos have labels that can be found.

    Args:
        annotations: of all videos.
        seed: of the split.
        kept: name to subset of the videos of the earlier run.
        why: the reason to choose, for the user.
    """
    if any(video.subset != "training" for video in annotations.videos.values()):
        return with_subsets(annotations, kept), []
    split = split_videos(inside_videos(annotations), seed=seed, kept=kept)
    subsets = {name: video.subset for name, video in split.videos.items()}
    annotations = with_subsets(annotations, subsets)
    return annotations, [_describe_held_out(annotations, kept, why)]


def _describe_held_out(annotations: Annotations, kept: Mapping[str, str], why: str) -> Choice:
    name, videos = "held out for validation", [v for v in annotations.videos.values() if v.subset != "training"]
    if not videos:
        return Choice(name, "no video", "every label needs a training video")
    reason = "what was held out stays held out" if any(video.name in kept for video in videos) else why
    value = listed([video.name for video in videos], 4)
    groups = sorted(groups_of(replace(annotations, videos={video.name: video for video in videos})))
    if groups and has_groups(annotations):
        others = [video.name for video in videos if video.group is None]
        value = f"{counted(len(videos), 'video')} of {'groups' if len(groups) > 1 else 'group'} {listed(groups)}"
        value += f", with {listed(others, 4)}" if others else ""
        reason += ", and the videos of a group stay together"
    elif groups:
        reason += f"; fewer than {LEAST_GROUPS} groups are not held out as a whole"
    return Choice(name, value, reason)
