"""Features as the network knows them from training, in NumPy: see :mod:`rcl.detector.training_rate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rcl.data.features import ReadableFeatures
from rcl.data.preparation import Preparation
from rcl.data.streams import Stream
from rcl.data.timeline import Timeline
from rcl.detector.exported.resizing import METHODS, downsample, resample
from rcl.system.errors import Defect

SAME_RATE = 0.02  # share by which a rate may differ and still be that of training
LONGER = 2.0  # a video so many times as long as any in training gets more snippets


def prepared(
    features: np.ndarray,
    timeline: Timeline,
    preparation: Preparation,
    training_rate: float | None,
    longest_seconds: float | None,
) -> tuple[np.ndarray, Timeline]:
    """Prepare features at the rate of training; as :func:`rcl.detector.training_rate.prepared` does.

    Args:
        features: ``(T, C)`` float32.
        timeline: of them after the preparation.
        preparation: of training.
        training_rate: of the files in training, in snippets per second; ``None`` leaves features at their rate.
        longest_seconds: length of the longest training video; ``None`` leaves the number of snippets.

    Returns:
        ``(C, T')`` and their timeline.
    """
    if preparation.resize:
        return _resized(features, timeline, preparation, preparation.resize, longest_seconds)
    rate = timeline.snippets_per_second * preparation.downsample  # of the file
    if training_rate is None or abs(rate / training_rate - 1) <= SAME_RATE:
        return _apply(preparation, features), timeline
    wanted = training_rate / preparation.downsample  # snippets per second of the network
    own = replace(preparation, downsample=max(int(rate / wanted + SAME_RATE), 1))
    opened = _apply(own, features)
    snippets = max(round(opened.shape[1] * own.downsample * wanted / rate), 1)
    exact = rate / own.downsample * snippets / opened.shape[1]
    return resample(opened, snippets), timeline._replace(snippets_per_second=exact)


def _resized(
    features: np.ndarray, timeline: Timeline, preparation: Preparation, snippets: int, longest_seconds: float | None
) -> tuple[np.ndarray, Timeline]:
    seconds = snippets / timeline.snippets_per_second
    if longest_seconds is None or seconds <= LONGER * longest_seconds:
        return _apply(preparation, features), timeline
    more = math.ceil(snippets * seconds / longest_seconds)
    timeline = timeline._replace(snippets_per_second=more / seconds)
    return _apply(replace(preparation, resize=more), features), timeline


def _apply(preparation: Preparation, features: np.ndarray) -> np.ndarray:
    """Stored features ``(T, C)``, scaled and resized or downsampled: ``(C, T)``."""
    if channels := preparation.channels:
        mean, deviation = (np.array(values, dtype=np.float32) for values in (channels.mean, channels.deviation))
        scaled = ((features - mean) / deviation).T
    else:
        scaled = (features / np.float32(preparation.scale)).T
    if preparation.resize:
        return METHODS[preparation.resize_method](scaled, preparation.resize)
    return downsample(scaled, preparation.downsample)


def checked(features: np.ndarray | ReadableFeatures, channels: int, streams: Sequence[Stream]) -> np.ndarray:
    """Features ``(T, channels)`` as float32, whole. A snippet of a stream may be NaN as a whole.

    Raises:
        Defect: they do not fit the detector, or are damaged.
        InputError: they cannot be read.
    """
    shape = tuple(features.shape)
    if len(shape) != 2 or shape[1] != channels or not shape[0]:
        transposed = len(shape) == 2 and shape[0] == channels
        fix = "transpose them (in detect: --layout CT, or TC if the training had CT)"
        other = "use the features that the detector was trained on"
        raise Defect(
            expected=f"features (snippets, {channels})", found=f"shape {shape}", fix=fix if transposed else other
        )
    values = np.asarray(features if isinstance(features, np.ndarray) else features.read(), dtype=np.float32)
    widths = [stream.channels for stream in streams] or [channels]
    parts = np.split(values, np.cumsum(widths)[:-1], axis=1)
    wrong = np.stack([~_is_whole(part, may_be_missing=bool(streams)) for part in parts]).any(axis=0)  # (T,)
    if wrong.any():
        found = f"NaN or infinite values, the first in snippet {int(np.flatnonzero(wrong)[0])}"
        raise Defect(expected="finite numbers", found=found, fix="extract the features of this video again")
    return values


def _is_whole(features: np.ndarray, *, may_be_missing: bool) -> np.ndarray:
    """Which snippets of a stream ``(T, c)`` are all finite or, if it may be missing, all NaN: ``(T,)``."""
    finite = np.isfinite(features).all(axis=1)
    return finite | np.isnan(features).all(axis=1) if may_be_missing else finite
