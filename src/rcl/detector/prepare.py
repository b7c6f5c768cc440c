"""Read what a detector is given: an array, a feature file or a video file."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from rcl.data.feature_files import EXTENSIONS
from rcl.data.features import Features, ReadableFeatures, StoredFeatures, open_features
from rcl.data.preparation import Preparation
from rcl.data.resampled import ResampledFeatures
from rcl.data.standardization import ChannelScale
from rcl.data.streams import AlignedFeatures, Stream, TimedFeatures
from rcl.data.timeline import Timeline
from rcl.detector.config import DataConfig
from rcl.detector.feature_checks import check_shape, damaged
from rcl.detector.given_rates import checked_rate, rate_of_video
from rcl.detector.progress import Progress, part_of
from rcl.detector.training_rate import at_training_rate
from rcl.system.errors import Defect, InputError, listed, located
from rcl.system.paths import PathLike, is_remote, to_path
from rcl.video.composed import extract_recordings
from rcl.video.extractor import Extractor, VideoFeatures, build_extractor, takes_recording
from rcl.video.inside import local_recording
from rcl.video.settings import parse_settings
from rcl.video.stream import with_consequence

log = logging.getLogger("rcl")

EXTRACTION_SHARE = 0.9  # rough share of the time for a video file that feature extraction takes


GivenInput: TypeAlias = np.ndarray | Tensor | Path | str | Sequence[Path | str] | Mapping[str, TimedFeatures]
"""Features ``(T, C)``, a feature file, a video file, recordings of several streams, or streams by name."""


class Taker(Protocol):
    """What a detector knows about the features that it takes; see ``Localizer``."""

    preparation: Preparation
    in_channels: int
    snippets_per_second: float | None
    streams: tuple[Stream, ...]
    extractor: Extractor | None


class GivenFeatures(NamedTuple):
    """Features ``(T, C)`` before preparation, their rate, and the end of the video. What is NaN in features of several
    streams is not there."""

    features: Tensor | ReadableFeatures
    snippets_per_second: float
    end_seconds: float


def build_preparation(config: DataConfig, channels: ChannelScale | None = None) -> Preparation:
    """The preparation of section ``data``, with the ``channels`` of the training videos if it standardizes."""
    return Preparation(
        layout=config.layout,
        snippets_per_second=config.snippets_per_second,
        resize=config.resize,
        resize_method=config.resize_method,
        downsample=config.downsample,
        scale=config.scale,
        channels=channels,
    )


class MovedFiles(NamedTuple):
    """Files of backbones that are no longer where they were in training; see ``build_extractor``."""

    backbone: str | None = None
    flow: str | None = None
    video_fps: float | None = None


def extractor_of(
    extraction: dict[str, Any] | None,
    streams: Sequence[Stream],
    moved: MovedFiles,
    *,
    source: str,
    device: torch.device,
) -> Extractor | None:
    """The extractor of features like those of training; ``None`` if there are no settings of them.

    Args:
        extraction: the settings that a checkpoint keeps.
        streams: what the features consist of.
        moved: files of backbones.
        source: the checkpoint, for messages.
        device: where networks run.

    Raises:
        InputError: the settings are damaged.
    """
    if extraction is None:
        return None
    settings = parse_settings(extraction, where=source)
    return build_extractor(settings, streams=streams, **moved._asdict(), device=device)


def files_in(features: object) -> list[Path]:
    """The files that features are given as: one, or the recordings of one video; none if they are an array."""
    given = features if isinstance(features, list | tuple) else [features]
    are_files = all(isinstance(file, str | Path) or is_remote(file) for file in given)
    return [to_path(cast(PathLike, file)) for file in given] if are_files else []


def read_given(
    features: GivenInput | ReadableFeatures,
    snippets_per_second: float | None,
    taker: Taker,
    *,
    video: str,
    progress: Progress | None,
) -> GivenFeatures:
    """Open a feature file, extract the features of a video file, align streams, or wrap an array ``(T, C)``.

    Args:
        features: the file, the array, or the streams.
        snippets_per_second: of features; without one, they have the usual rate.
        taker: the detector that takes them.
        video: for messages.
        progress: of the extraction, up to ``EXTRACTION_SHARE``.

    Raises:
        InputError: the features cannot be read, do not fit the detector, or their rate is unknown or not possible; or a
            rate is given for a video file or for streams.
    """
    opened, rate, end_seconds = _opened(features, snippets_per_second, taker, video, progress)
    with located(f"video {video!r}"):
        check_features(opened, taker.in_channels, taker.streams)
        return GivenFeatures(opened, checked_rate(taker.snippets_per_second if rate is None else rate), end_seconds)


def _opened(
    features: GivenInput | ReadableFeatures,
    snippets_per_second: float | None,
    taker: Taker,
    video: str,
    progress: Progress | None,
) -> tuple[Tensor | ReadableFeatures, float | None, float]:
    end_seconds = math.inf
    if isinstance(features, Mapping):
        aligned = _aligned(features, snippets_per_second, video=video, streams=taker.streams)
        return aligned, aligned.snippets_per_second, end_seconds
    if files := files_in(features):
        is_stored = files[0].suffix.lower() in EXTENSIONS and not takes_recording(taker.extractor, files[0])
        if is_stored and len(files) == 1:
            features = open_features(files[0], layout=taker.preparation.layout, video=video)
        elif snippets_per_second is not None:
            raise rate_of_video("snippets_per_second", files[0])
        else:
            features, _, end_seconds, snippets_per_second, _ = extract_given(files, taker.extractor, progress)
    if isinstance(features, np.memmap) and not taker.streams:  # which may be NaN
        features = StoredFeatures(Path(video), (features.shape, features.dtype), array=features)
    if not isinstance(features, StoredFeatures | AlignedFeatures):
        features = torch.as_tensor(features).float()
    return features, snippets_per_second, end_seconds


def _aligned(
    features: Mapping[str, TimedFeatures], snippets_per_second: float | None, *, video: str, streams: Sequence[Stream]
) -> AlignedFeatures:
    with located(f"video {video!r}"):
        if not streams:
            fix = "give an array or a file"
            raise Defect(expected="the features of a single stream", found=f"streams {listed([*features])}", fix=fix)
        if snippets_per_second is not None:
            found, fix = f"{snippets_per_second:g} for all", "leave it out"
            raise Defect(expected="rates in the streams alone", found=found, fix=fix)
        return AlignedFeatures(features, streams, where=f"video {video!r}")


def extract_given(files: Sequence[Path], extractor: Extractor | None, progress: Progress | None) -> VideoFeatures:
    """The features of the recordings of one video, and a warning of what could not be read.

    Raises:
        InputError: there is no extractor, or a file cannot be read.
    """
    if extractor is None:
        raise InputError(
            files[0],
            expected=f"a feature file ({', '.join(EXTENSIONS)}), since the checkpoint has no extraction settings",
            found="another file",
            fix="extract the features of training and of this video with rcl extract",
        )
    with ExitStack() as stack:
        copies = [stack.enter_context(local_recording(file)) for file in files]
        part = part_of(progress, 0.0, EXTRACTION_SHARE) if progress else None
        extracted = extract_recordings(extractor, copies, progress=part)
    for problem in extracted.problems:
        log.warning("%s: %s", files[0], with_consequence(problem, "the readable part is used"))
    return extracted


def prepared(
    features: Tensor | ReadableFeatures,
    timeline: Timeline,
    preparation: Preparation,
    training_rate: float | None,
    longest_seconds: float | None,
    *,
    at_once: int,
) -> tuple[Features, Timeline]:
    """Features ``(T, C)`` at the rate of training; arguments as in :func:`rcl.detector.training_rate.at_training_rate`.

    Stored features of more snippets than ``at_once`` are read later, slice by slice.

    Raises:
        InputError: see :meth:`rcl.data.features.StoredFeatures.read`.
    """

    def opened(own: Preparation) -> Features:
        return own.apply(features) if isinstance(features, Tensor) else own.open(features, at_once=at_once)

    return at_training_rate(opened, _resampled, timeline, preparation, training_rate, longest_seconds)


def _resampled(features: Features, snippets: int) -> Features:
    later = ResampledFeatures(features, snippets)  # is indexed like any features
    return later[:, :] if isinstance(features, Tensor) else cast(Features, later)


def check_features(features: Tensor | ReadableFeatures, channels: int, streams: Sequence[Stream] = ()) -> None:
    """Check the shape ``(T, channels)`` of features, and that those in memory are finite. A snippet of a stream may be
    NaN as a whole.

    Raises:
        Defect: the features do not fit the detector, or are damaged.
    """
    check_shape(features.shape, channels)
    if not isinstance(features, Tensor):  # it checks the values that it reads
        return
    parts = features.split([stream.channels for stream in streams] or [channels], dim=1)
    wrong = torch.stack([~_is_whole(part, may_be_missing=bool(streams)) for part in parts]).any(dim=0)  # (T,)
    if wrong.any():
        raise damaged(int(wrong.nonzero()[0]))


def _is_whole(features: Tensor, *, may_be_missing: bool) -> Tensor:
    """Which snippets of a stream ``(T, c)`` are all finite or, if it may be missing, all NaN: ``(T,)``."""
    finite = torch.isfinite(features).all(dim=1)
    return finite | features.isnan().all(dim=1) if may_be_missing else finite
