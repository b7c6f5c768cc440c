from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from rcl.video.snippets import Windows, snippet_begin, snippet_count, snippet_times, snippets

numbers = st.integers(1, 40)


def video(frames: int) -> Tensor:
    """Every frame is its number."""
    return torch.arange(frames, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 4)  # (N, 3, H, W)


def begins(count: int, window: int, stride: int) -> np.ndarray:
    return np.arange(count) * stride - (window - stride) // 2


@given(frames=st.integers(0, 100), window=numbers, stride=numbers)
@example(frames=1, window=64, stride=8)
@example(frames=17, window=1, stride=16)
def test_windows_are_centred_and_repeat_the_frames_at_both_ends(frames: int, window: int, stride: int) -> None:
    x = video(frames)
    found = list(snippets(iter(x), window, stride))
    count = -(-frames // stride)
    assert len(found) == snippet_count(frames, stride) == count
    for snippet, begin in zip(found, begins(count, window, stride), strict=True):
        places = (begin + np.arange(window)).clip(0, frames - 1)
        assert snippet.dtype == torch.uint8
        assert torch.equal(snippet, x[places].movedim(0, 1))


@given(frames=st.integers(1, 100), window=numbers, stride=numbers)
def test_the_middle_of_a_window_is_the_middle_of_its_cell(frames: int, window: int, stride: int) -> None:
    count = snippet_count(frames, stride)
    middle = begins(count, window, stride) + window / 2
    assert np.abs(middle - (np.arange(count) + 0.5) * stride).max() <= 0.5


@given(frames=st.integers(1, 100), window=numbers, stride=numbers, rate=st.floats(0.1, 240))
def test_times_are_those_of_the_frames_of_a_window(frames: int, window: int, stride: int, rate: float) -> None:
    count = snippet_count(frames, stride)
    times = snippet_times(count, frames=frames, rate=rate, window=window, stride=stride)
    assert times.shape == (count, 2)
    assert times.dtype == np.float64
    for (start, end), begin in zip(times * rate, begins(count, window, stride), strict=True):
        inside = np.intersect1d(np.arange(frames), begin + np.arange(window))
        assert 0 <= start <= end <= frames + 1e-6
        if len(inside):
            assert np.allclose((start, end), (inside[0], inside[-1] + 1))
        else:
            assert start == end
    assert (np.diff(times, axis=0) >= 0).all()


def test_no_frames_have_no_snippets() -> None:
    assert list(snippets(iter(()), 16, 8)) == []
    assert snippet_count(0, 8) == 0
    assert snippet_times(0, frames=0, rate=15, window=16, stride=8).shape == (0, 2)


def test_a_snippet_is_yielded_as_soon_as_its_frames_are_read() -> None:
    read = 0

    def counted() -> Iterator[Tensor]:
        nonlocal read
        for frame in video(100):
            read += 1
            yield frame

    for number, _ in enumerate(snippets(counted(), 16, 4)):
        assert read == min(4 * number - 6 + 16, 100)


@given(frames=st.integers(1, 100), window=numbers, stride=numbers, known=st.integers(0, 100))
def test_known_snippets_are_counted_and_not_made(frames: int, window: int, stride: int, known: int) -> None:
    windows = Windows(window, stride, known=known)
    pushed = [snippet for frame in video(frames) if (snippet := windows.push(frame)) is not None]
    found = [*pushed, *windows.finish()]
    expected = list(snippets(video(frames), window, stride))[known:]
    assert windows.count == snippet_count(frames, stride)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    if known < windows.count:  # and need no frame before
        first = snippet_begin(known, window, stride)
        assert found[0][0, 0, 0, 0] == min(max(first, 0), frames - 1)
