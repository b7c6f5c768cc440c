"""Windows of samples around equally spaced places of a recording, as :mod:`rcl.video.snippets` has them of frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rcl.video.snippets import snippet_count

BATCH_BYTES = 2**23  # of the windows that are described together


class Windows:
    """The windows of a recording. ``samples`` is the number N of the samples that were read.

    Window i has L samples from ``iσ − floor((L − σ) / 2)``; beyond the ends, the first and the last one are repeated.
    Only a block of samples, a window and a batch of windows are in memory.

    Args:
        blocks: ``(n, C)``, consecutive samples.
        window: L.
        stride: σ.
    """

    def __init__(self, blocks: Iterable[np.ndarray], window: int, stride: int) -> None:
        self.blocks, self.window, self.stride, self.samples = blocks, window, stride, 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield ``ceil(N / σ)`` windows, in batches ``(n, L, C)``."""
        lead = (self.window - self.stride) // 2
        begin, end, start = -max(lead, 0), 0, -lead  # places of the held samples and of the next window
        held = last = np.zeros((0, 0), np.float32)
        for block in self.blocks:
            if not end:
                held = np.repeat(block[:1], -begin, axis=0)
            end += len(block)
            held, last = np.concatenate((held, block)), block[-1:]
            count = max((end - start - self.window) // self.stride + 1, 0)
            yield from self._batches(held[start - begin :], count) if count else ()
            start += count * self.stride
            held, begin = held[max(start - begin, 0) :], min(max(start, begin), end)
        self.samples = end
        left = snippet_count(end, self.stride) - (start + lead) // self.stride
        if left > 0:
            beyond = start + (left - 1) * self.stride + self.window - end
            held = np.concatenate((held, np.repeat(last, max(beyond, 0), axis=0)))
            yield from self._batches(held[start - begin :], left)

    def _batches(self, samples: np.ndarray, count: int) -> Iterator[np.ndarray]:
        """The first windows of ``samples``; one begins at each stride."""
        views = sliding_window_view(samples, self.window, axis=0)[:: self.stride][:count]  # (count, C, L)
        size = max(1, BATCH_BYTES // (4 * self.window * max(samples.shape[1], 1)))
        for first in range(0, count, size):
            yield np.ascontiguousarray(views[first : first + size].transpose(0, 2, 1))
