"""Several series of samples with one clock, as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from rcl.data.signals.signal import Block


def merge(series: Sequence[Iterator[Block]], widths: Sequence[int]) -> Iterator[Block]:
    """Series side by side: a sample at each time of any of them, NaN in the columns of the others.

    Never more than one block of each is held.

    Args:
        series: blocks of each, on the same clock.
        widths: the number of columns of each.
    """
    places = np.cumsum([0, *widths])
    held = [next(each, None) for each in series]
    while any(block is not None for block in held):
        # Up to here, no series has more samples than those that are held.
        horizon = min(block.times_seconds[-1] for block in held if block is not None)
        parts = []
        for number, block in enumerate(held):
            if block is None:
                continue
            ready = int(np.searchsorted(block.times_seconds, horizon, side="right"))
            parts.append((number, Block(*(each[:ready] for each in block))))
            rest = Block(*(each[ready:] for each in block))
            held[number] = rest if len(rest.times_seconds) else next(series[number], None)
        times = np.unique(np.concatenate([block.times_seconds for _, block in parts]))
        values = np.full((len(times), places[-1]), np.nan, dtype=np.float32)
        for number, block in parts:
            rows = np.searchsorted(times, block.times_seconds)
            values[rows, places[number] : places[number + 1]] = block.values
        yield Block(times, values)
