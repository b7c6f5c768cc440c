"""Windows of signals: those of frames, whatever the blocks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.video.signals.windows import Windows
from rcl.video.snippets import snippets


def in_blocks(values, cuts):
    return [part for part in np.split(values, sorted({min(cut, len(values)) for cut in cuts})) if len(part)]


@given(
    count=st.integers(1, 40),
    window=st.integers(1, 12),
    stride=st.integers(1, 12),
    cuts=st.lists(st.integers(0, 40), max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_windows_are_those_of_frames(count, window, stride, cuts):
    samples = np.arange(count, dtype=np.float32)[:, None] * [1, 10]
    found = Windows(in_blocks(samples.astype(np.float32), cuts), window, stride)
    windows = np.concatenate([*found])
    frames = [torch.tensor(sample).reshape(2, 1, 1) for sample in samples]
    expected = torch.stack([*snippets(frames, window, stride)])[:, :, :, 0, 0]  # (T, 2, L)
    np.testing.assert_array_equal(windows, expected.numpy().transpose(0, 2, 1))
    assert found.samples == count


def test_no_samples_have_no_windows():
    assert [*Windows([], 3, 2)] == []


@pytest.mark.parametrize("window", [1, 50])
def test_batches_are_bounded(window):
    samples = [np.zeros((2000, 40), np.float32)] * 20
    sizes = [batch.nbytes for batch in Windows(samples, window, 1)]
    assert max(sizes) <= 2**23
