"""Samples at equal distances: what descriptors need, from recordings with any times and any gaps."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from rcl.data.signals.signal import BLOCK_BYTES, Block
from rcl.system.errors import Defect

LONGEST_PAUSE_SECONDS = 86_400.0  # a longer one is a damaged time stamp, and would be hours of nothing


def on_grid(blocks: Iterable[Block], *, rate: float, gap_seconds: float) -> Iterator[np.ndarray]:
    """Yield the samples at the times ``k / rate`` seconds, from 0 to the last sample of the recording.

    Several samples around one such time are averaged; between samples, values are interpolated linearly. Where a column
    has no value for more than ``gap_seconds``, nothing is invented: it is NaN there. The result does not depend on the
    division into blocks, and only a block and ``gap_seconds`` are in memory.

    Args:
        blocks: of a recording.
        rate: samples per second.
        gap_seconds: the longest time between two values of a column that is bridged.

    Yields:
        ``(n, C)`` float32.

    Raises:
        Defect: a pause is longer than a day.
    """
    times, values, done = np.zeros(0), np.zeros((0, 0), np.float32), 0
    reach = math.ceil(gap_seconds * rate) + 1  # steps of the grid from a place to the values that it depends on
    for block in blocks:
        before = times[0] if len(times) else 0.0
        times, values = (np.concatenate((times, block.times_seconds)), _appended(values, block.values))
        _check_pauses(times, before)
        ready = math.floor(times[-1] * rate) - reach
        yield from _parts(times, values, done, ready, rate, gap_seconds)
        done = max(done, ready)
        kept = np.searchsorted(_steps(times, rate), done - reach)
        times, values = times[kept:], values[kept:]
    if len(times):
        yield from _parts(times, values, done, math.floor(times[-1] * rate + 1e-6) + 1, rate, gap_seconds)


def _appended(values: np.ndarray, more: np.ndarray) -> np.ndarray:
    return np.concatenate((values, more)) if len(values) else more


def _check_pauses(times: np.ndarray, before: float) -> None:
    pauses = np.diff(times, prepend=before)  # (n,)
    place = int(pauses.argmax())
    if pauses[place] > LONGEST_PAUSE_SECONDS:
        raise Defect(
            expected="pauses of at most a day",
            found=f"{pauses[place]:,.0f} s without samples before {times[place]:,.0f} s",
            fix="correct the time stamps, or make a file of each part",
        )


def _parts(
    times: np.ndarray, values: np.ndarray, first: int, end: int, rate: float, gap_seconds: float
) -> Iterator[np.ndarray]:
    """The samples ``first`` to ``end`` of the grid, in blocks of bounded size, from samples in any places."""
    steps, reach = _steps(times, rate), math.ceil(gap_seconds * rate) + 1
    size = max(1, BLOCK_BYTES // (4 * max(values.shape[1], 1)))
    for begin in range(first, end, size):
        stop = min(begin + size, end)
        near = slice(np.searchsorted(steps, begin - reach), np.searchsorted(steps, stop + reach))
        grid = np.arange(begin, stop) / rate
        yield _sampled(times[near], values[near], steps[near], grid, 0.5 / rate, gap_seconds)


def _steps(times: np.ndarray, rate: float) -> np.ndarray:
    """The place of the grid next to each sample ``(n,)``."""
    return np.floor(times * rate + 0.5)


def _sampled(
    times: np.ndarray, values: np.ndarray, steps: np.ndarray, grid: np.ndarray, half: float, gap_seconds: float
) -> np.ndarray:
    """Values ``(G, C)`` at the times ``grid (G,)``. Columns that were measured at the same times go together."""
    result = np.full((len(grid), values.shape[1]), np.nan, np.float32)
    for measured, columns in _patterns(np.isfinite(values)):
        if measured.any():
            own, mean = _averaged(times[measured], values[np.ix_(measured, columns)], steps[measured])
            result[:, columns] = _between(own, mean, grid, half, gap_seconds)
    return result


def _patterns(measured: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The different columns ``(n,)`` of ``measured (n, C)``, each with the numbers of the columns that are alike."""
    if measured.all():
        return [(np.ones(len(measured), bool), np.arange(measured.shape[1]))]
    found = defaultdict[bytes, list[int]](list)
    for column, pattern in enumerate(np.packbits(measured, axis=0).T):
        found[pattern.tobytes()].append(column)
    return [(measured[:, columns[0]], np.array(columns)) for columns in found.values()]


def _averaged(times: np.ndarray, values: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times ``(n,)`` and values ``(n, c)`` with one sample, the mean, next to each place of the grid."""
    first = np.flatnonzero(np.diff(steps, prepend=-np.inf))
    if len(first) == len(steps):
        return times, values
    counts = np.diff(first, append=len(steps))
    mean = np.add.reduceat(values, first, axis=0) / counts[:, None].astype(np.float32)
    return np.add.reduceat(times, first) / counts, mean


def _between(times: np.ndarray, values: np.ndarray, grid: np.ndarray, half: float, gap_seconds: float) -> np.ndarray:
    """Linear interpolation ``(G, c)``; NaN in gaps, but not within half a step of the grid around a sample."""
    after = np.searchsorted(times, grid)
    left, right = np.maximum(after - 1, 0), np.minimum(after, len(times) - 1)
    span = times[right] - times[left]
    weight = np.clip((grid - times[left]) / np.where(span > 0, span, 1.0), 0.0, 1.0)  # (G,)
    bridged = (left < right) & (span <= gap_seconds * (1 + 1e-9))
    weight = np.where(bridged, weight, np.round(weight)).astype(np.float32)[:, None]
    result = values[left] * (1 - weight) + values[right] * weight
    nearest = np.minimum(np.abs(grid - times[left]), np.abs(grid - times[right]))
    result[~bridged & (nearest > half * (1 + 1e-6))] = np.nan
    return result
