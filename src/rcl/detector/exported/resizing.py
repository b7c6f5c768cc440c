"""Features at another length, in NumPy: the methods of :mod:`rcl.data.resizing`, which says what they do.

Features are ``(C, T)`` float32, NaN where a stream is not there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LEAST_SHARE = 0.5 - 1e-4  # of a new snippet that has to be there, as in rcl.data.resizing


def resize(features: np.ndarray, snippets: int) -> np.ndarray:
    """Linear between the centres of the snippets: ``(C, T) → (C, snippets)``.

    >>> resize(np.array([[0.0, 4.0]], dtype=np.float32), 4)
    array([[0., 1., 3., 4.]], dtype=float32)
    """
    given = features.shape[1]
    place = ((np.arange(snippets) + 0.5) * given / snippets - 0.5).clip(0, given - 1)
    return _of_present(lambda values: _between(values, place), features)


def resize_mean3(features: np.ndarray, snippets: int) -> np.ndarray:
    """The mean of the start, middle and end of each of so many parts; see :func:`rcl.data.resizing.resize_mean3`."""
    given = features.shape[1]
    if given == 1:
        return features.repeat(snippets, axis=1)
    inner = (np.arange(snippets + 1) * given / snippets).clip(0.5, given - 0.5)
    place = np.stack((inner[:-1], (inner[:-1] + inner[1:]) / 2, inner[1:]), axis=1) - 0.5  # (snippets, 3)
    part = np.arange(snippets)
    outside = (2 * given * (part + 1) < snippets) | (2 * given * part > (2 * given - 1) * snippets)
    resized = _of_present(lambda values: _between(values, place).mean(axis=-1), features)
    return np.where(outside, np.float32(0), resized)


def downsample(features: np.ndarray, factor: int) -> np.ndarray:
    """Means of so many snippets in a row; the last mean may be over fewer: ``(C, T) → (C, ⌈T / factor⌉)``.

    >>> downsample(np.array([[1.0, 3.0, 8.0]], dtype=np.float32), 2)
    array([[2., 8.]], dtype=float32)
    """
    if factor == 1:
        return features
    first = np.arange(0, features.shape[1], factor)
    counts = np.diff(np.append(first, features.shape[1]))

    def means(values: np.ndarray) -> np.ndarray:
        return (np.add.reduceat(values, first, axis=1, dtype=np.float64) / counts).astype(np.float32)

    return _of_present(means, features)


def resample(features: np.ndarray, snippets: int) -> np.ndarray:
    """Means over exact intervals if there are to be fewer snippets, else linear: ``(C, T) → (C, snippets)``.

    >>> resample(np.array([[0.0, 3.0, 6.0]], dtype=np.float32), 2)
    array([[1., 5.]], dtype=float32)
    """
    given = features.shape[1]
    if snippets == given:
        return features
    if snippets > given:
        return resize(features, snippets)
    edges = np.arange(snippets + 1) * given / snippets

    def means(values: np.ndarray) -> np.ndarray:
        sums = np.cumsum(values, axis=1, dtype=np.float64)
        at_edges = _between(np.concatenate((np.zeros((len(sums), 1)), sums), axis=1), edges)
        return (np.diff(at_edges, axis=1) * snippets / given).astype(np.float32)

    return _of_present(means, features)


def _between(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """``values (C, T)`` at ``place (...)``, linear between whole places: ``(C, ...)``."""
    lower = np.minimum(np.floor(place).astype(np.int64), values.shape[1] - 1)
    upper = np.minimum(lower + 1, values.shape[1] - 1)
    weight = (place - lower).astype(values.dtype)
    return values[:, lower] + weight * (values[:, upper] - values[:, lower])


def _of_present(method: Callable[[np.ndarray], np.ndarray], features: np.ndarray) -> np.ndarray:
    """A method of weighted means ``(C, T) → (C, T')``, applied to what is not NaN."""
    absent = np.isnan(features)
    if not absent.any():
        return method(features)
    share = method((~absent).astype(features.dtype))  # of the weights, per new snippet
    present = method(np.where(absent, np.float32(0), features)) / share.clip(LEAST_SHARE)
    return np.where(share < LEAST_SHARE, np.float32(np.nan), present)


METHODS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "linear": resize,
    "mean": resample,
    "mean3": resize_mean3,
}
"""The methods by their name in a configuration, as in :mod:`rcl.data.resizing`."""
