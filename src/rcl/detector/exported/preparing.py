"""Features become the input of a network, in NumPy: see :class:`rcl.data.preparation.Preparation`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rcl.data.features import ReadableFeatures
from rcl.data.preparation import Preparation
from rcl.data.streams import Stream
from rcl.detector.exported.resizing import METHODS, downsample
from rcl.detector.feature_checks import check_shape, damaged


def apply(features: np.ndarray, preparation: Preparation) -> np.ndarray:
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
    check_shape(features.shape, channels)
    values = np.asarray(features if isinstance(features, np.ndarray) else features.read(), dtype=np.float32)
    widths = [stream.channels for stream in streams] or [channels]
    parts = np.split(values, np.cumsum(widths)[:-1], axis=1)
    wrong = np.stack([~_is_whole(part, may_be_missing=bool(streams)) for part in parts]).any(axis=0)  # (T,)
    if wrong.any():
        raise damaged(int(np.flatnonzero(wrong)[0]))
    return values


def _is_whole(features: np.ndarray, *, may_be_missing: bool) -> np.ndarray:
    """Which snippets of a stream ``(T, c)`` are all finite or, if it may be missing, all NaN: ``(T,)``."""
    finite = np.isfinite(features).all(axis=1)
    return finite | np.isnan(features).all(axis=1) if may_be_missing else finite
