"""Descriptors of windows of sensor signals."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from scipy.fft import rfft

SensorDescriptor = Literal["points", "mean", "spread", "change", "bands"]
SENSOR_DESCRIPTORS: tuple[SensorDescriptor, ...] = get_args(SensorDescriptor)
POINTS = 8  # of the course of a window

_AXIS = re.compile(r"(?P<before>.*?)(?P<axis>[xyz])(?P<after>\d*|\W.*)", re.IGNORECASE)


def describe_sensors(
    windows: np.ndarray, columns: Sequence[str], descriptors: Sequence[SensorDescriptor] = SENSOR_DESCRIPTORS
) -> np.ndarray:
    """Describe windows by numbers, for each column and for the magnitude of each sensor with three axes.

    What was not measured takes the mean of what was measured in the window, or 0 where nothing was. One number per
    sensor says which share was measured.

    - ``points``: the course, as the means of 8 equal parts; fewer where the window has fewer samples.
    - ``mean``: the mean.
    - ``spread``: the standard deviation.
    - ``change``: the mean absolute difference of consecutive samples.
    - ``bands``: the root mean square in octaves of the spectrum (Hann window), from one cycle per window to half the
      sampling rate.

    Args:
        windows: ``(n, L, C)``, NaN where nothing was measured.
        columns: the names of the C columns. Three of them that differ in x, y and z alone are the axes of a sensor.
        descriptors: which ones.

    Returns:
        ``(n, F)`` float32.
    """
    sensors = sensors_of(columns)
    measured = np.isfinite(windows).mean(axis=1, dtype=np.float32)  # (n, C)
    shares = [measured[:, list(sensor)].mean(axis=1, keepdims=True) for sensor in sensors]  # each (n, 1)
    magnitudes = [np.linalg.norm(windows[..., list(sensor)], axis=-1) for sensor in sensors if len(sensor) == 3]
    filled = fill(np.concatenate((windows, *(each[..., None] for each in magnitudes)), axis=-1))  # (n, L, C')
    found = [_DESCRIBE[name](filled) for name in SENSOR_DESCRIPTORS if name in descriptors]
    return np.concatenate((*found, *shares), axis=1).astype(np.float32)


def sensors_of(columns: Sequence[str]) -> list[tuple[int, ...]]:
    """The columns of each sensor: three axes, or one column.

    >>> sensors_of(["acc_x", "acc_y", "acc_z", "temperature", "gx"])
    [(0, 1, 2), (3,), (4,)]
    """
    axes = defaultdict[tuple[str, str], dict[str, int]](dict)
    for number, column in enumerate(columns):
        if match := _AXIS.fullmatch(column):
            axes[match["before"].lower(), match["after"].lower()][match["axis"].lower()] = number
    triples = [tuple(found[axis] for axis in "xyz") for found in axes.values() if len(found) == 3]
    taken = {number for triple in triples for number in triple}
    return sorted([*triples, *((number,) for number in range(len(columns)) if number not in taken)])


def fill(windows: np.ndarray) -> np.ndarray:
    """Windows ``(n, L, C)`` with the mean of the measured samples in place of NaN; 0 where nothing was measured."""
    missing = np.isnan(windows)
    if not missing.any():
        return windows
    count = np.maximum((~missing).sum(axis=1, keepdims=True), 1)
    mean = np.where(missing, 0.0, windows).sum(axis=1, keepdims=True, dtype=np.float64) / count  # (n, 1, C)
    return np.where(missing, mean.astype(np.float32), windows)


# -- each (n, L, C) -> (n, F) --------------------------------------------------------------------------------------


def _points(windows: np.ndarray) -> np.ndarray:
    samples = windows.shape[1]
    edges = np.round(np.linspace(0, samples, min(POINTS, samples) + 1)).astype(int)
    sums = np.add.reduceat(windows, edges[:-1], axis=1)  # (n, P, C)
    return (sums / np.diff(edges)[:, None]).reshape(len(windows), -1)


def _mean(windows: np.ndarray) -> np.ndarray:
    return windows.mean(axis=1)


def _spread(windows: np.ndarray) -> np.ndarray:
    return windows.std(axis=1)


def _change(windows: np.ndarray) -> np.ndarray:
    if windows.shape[1] < 2:
        return np.zeros_like(windows[:, 0])
    return np.abs(np.diff(windows, axis=1)).mean(axis=1)


def _bands(windows: np.ndarray) -> np.ndarray:
    samples = windows.shape[1]
    if samples < 2:
        return np.zeros_like(windows[:, 0])
    taper = np.hanning(samples + 1)[:-1].astype(np.float32)[:, None]
    spectrum = rfft((windows - windows.mean(axis=1, keepdims=True)) * taper, axis=1)  # (n, K, C)
    power = np.square(np.abs(spectrum)) * 2 / (samples * np.square(taper).sum())
    power[:, samples // 2 :] /= 1 if samples % 2 else 2  # half the sampling rate has no mirror image
    octaves = 2 ** np.arange(int(np.log2(samples // 2)) + 1)  # the first frequency of each: 1, 2, 4, ...
    return np.sqrt(np.add.reduceat(power, octaves, axis=1)).reshape(len(windows), -1)


_DESCRIBE = {"points": _points, "mean": _mean, "spread": _spread, "change": _change, "bands": _bands}
