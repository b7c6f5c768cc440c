"""Read what a detector is given: an array, a feature file or a video file."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import NamedTuple, TypeGuard

import numpy as np
import torch
from torch import Tensor

from rcl.data.feature_files import EXTENSIONS
from rcl.data.features import StoredFeatures, open_features
from rcl.data.preparation import Preparation
from rcl.data.standardization import ChannelScale
from rcl.detector.config import DataConfig
from rcl.detector.progress import Progress, part_of
from rcl.system.errors import Defect, InputError, located
from rcl.system.paths import is_remote, to_path
from rcl.video.extractor import Extractor, VideoFeatures
from rcl.video.inside import local_recording
from rcl.video.signals.finding import takes_signal
from rcl.video.stream import with_consequence

log = logging.getLogger("rcl")

EXTRACTION_SHARE = 0.9  # rough share of the time for a video file that feature extraction takes


class GivenFeatures(NamedTuple):
    """Features ``(T, C)`` before preparation, their rate if it is known, and the end of the video."""

    features: Tensor | StoredFeatures
    snippets_per_second: float | None
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


def is_file_name(features: object) -> TypeGuard[Path | str]:
    """Whether features are given as a file and not as an array."""
    return isinstance(features, (str, Path)) or is_remote(features)


def read_given(
    features: np.ndarray | Tensor | StoredFeatures | Path | str,
    snippets_per_second: float | None,
    *,
    video: str,
    layout: str,
    extractor: Extractor | None,
    progress: Progress | None,
) -> GivenFeatures:
    """Open a feature file, extract the features of a video file, or wrap an array ``(T, C)``.

    Extraction reports its progress up to ``EXTRACTION_SHARE``.

    Raises:
        InputError: the file cannot be read, or a rate is given for a video file.
    """
    end_seconds = math.inf
    if is_file_name(features):
        if to_path(features).suffix.lower() in EXTENSIONS and not takes_signal(extractor, to_path(features)):
            features = open_features(features, layout=layout, video=video)
        elif snippets_per_second is not None:
            raise rate_of_video("snippets_per_second", features)
        else:
            features, _, end_seconds, snippets_per_second, _ = _extract(features, extractor, progress)
    if isinstance(features, np.memmap):
        features = StoredFeatures(Path(video), (features.shape, features.dtype), array=features)
    if not isinstance(features, StoredFeatures):
        features = torch.as_tensor(features).float()
    return GivenFeatures(features, snippets_per_second, end_seconds)


def rate_of_video(where: str, path: object) -> InputError:
    """The error for a rate given for a video: the checkpoint determines the rate of its features."""
    return InputError(where, expected="feature files", found=str(path), fix="leave it out for videos")


def _extract(path: Path | str, extractor: Extractor | None, progress: Progress | None) -> VideoFeatures:
    if extractor is None:
        raise InputError(
            path,
            expected=f"a feature file ({', '.join(EXTENSIONS)}), since the checkpoint has no extraction settings",
            found="another file",
            fix="extract the features of training and of this video with rcl extract",
        )
    with local_recording(to_path(path)) as file:
        extracted = extractor(file, progress=part_of(progress, 0.0, EXTRACTION_SHARE) if progress else None)
    for problem in extracted.problems:
        log.warning("%s: %s", path, with_consequence(problem, "the readable part is used"))
    return extracted


def check_features(features: Tensor | StoredFeatures, channels: int) -> None:
    """Check the shape ``(T, channels)`` of features, and that those in memory are finite.

    Raises:
        Defect: the features do not fit the detector, or are damaged.
    """
    if len(features.shape) != 2 or features.shape[1] != channels or len(features) == 0:
        raise Defect(
            expected=f"features (snippets, {channels})",
            found=f"shape {tuple(features.shape)}",
            fix="transpose them (in detect: --layout CT, or TC if the training had CT)"
            if len(features.shape) == 2 and features.shape[0] == channels
            else "use the features that the checkpoint was trained on",
        )
    if isinstance(features, StoredFeatures):  # it checks the values that it reads
        return
    wrong = ~torch.isfinite(features).all(dim=1)  # (T,)
    if wrong.any():
        found = f"NaN or infinite values, the first in snippet {int(wrong.nonzero()[0])}"
        raise Defect(expected="finite numbers", found=found, fix="extract the features of this video again")


def checked_rate_of(given: GivenFeatures, *, channels: int, usual_rate: float | None, video: str) -> float:
    """The rate of features that fit a detector of ``channels``; without one of their own, they have the usual rate.

    Raises:
        InputError: the features do not fit, or their rate is not known or not possible; it names the ``video``.
    """
    with located(f"video {video!r}"):
        check_features(given.features, channels)
        return checked_rate(usual_rate if given.snippets_per_second is None else given.snippets_per_second)


def checked_rate(rate: float | None) -> float:
    """A rate that is known and possible.

    Raises:
        Defect: it is not.
    """
    if rate is None or not 0 < rate < math.inf:
        expected = "a positive number of snippets per second"
        raise Defect(expected=expected, found=repr(rate), fix="pass the rate of the features")
    return rate
