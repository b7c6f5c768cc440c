"""tIoU of NumPy segments against plain arithmetic, and against the one of PyTorch."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data import segments
from rcl.data.overlap import tiou

eighths = st.integers(-80, 80).map(lambda value: value / 8)  # exact in binary: touching and empty segments are common
times = st.one_of(eighths, st.floats(1e-290, 1e4))  # lengths that are not too small to divide by
rows = st.lists(st.tuples(times, times).map(sorted), max_size=6)


def array(rows):
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def naive_tiou(a, b, undefined):
    common = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - common
    return common / union if union else undefined


@settings(deadline=None)
@given(a=rows, b=rows, undefined=st.sampled_from([0.0, np.inf]))
def test_equals_plain_arithmetic(a, b, undefined):
    expected = [[naive_tiou(x, y, undefined) for y in b] for x in a]
    np.testing.assert_array_equal(
        tiou(array(a)[:, None], array(b)[None], undefined=undefined), np.reshape(expected, (len(a), len(b)))
    )


@settings(deadline=None)
@given(a=rows, b=rows)
def test_equals_the_one_for_training(a, b):
    found = tiou(array(a)[:, None], array(b)[None])
    expected = segments.tiou(torch.from_numpy(array(a)), torch.from_numpy(array(b)))
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-12)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_array_equal(found, tiou(array(b)[None], array(a)[:, None]))


def test_keeps_single_precision():
    half = np.array([0, 1], dtype=np.float32), np.array([0, 2], dtype=np.float32)
    assert tiou(*half) == np.float32(0.5)
    assert tiou(*half).dtype == np.float32
