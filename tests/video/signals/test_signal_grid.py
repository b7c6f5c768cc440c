"""Samples at equal distances, from any times."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.signals.signal import Block
from rcl.system.errors import Defect
from rcl.video.signals import grid
from rcl.video.signals.grid import on_grid


def sampled(times, values, *, rate=10.0, gap=0.5, cuts=()):
    times, values = np.asarray(times, float), np.asarray(values, np.float32).reshape(len(times), -1)
    edges = [0, *sorted({min(cut, len(times)) for cut in cuts}), len(times)]
    blocks = [Block(times[a:b], values[a:b]) for a, b in pairwise(edges) if b > a]
    return np.concatenate([*on_grid(blocks, rate=rate, gap_seconds=gap)])


def test_regular_samples_stay():
    values = np.random.default_rng(0).normal(size=(50, 3))
    found = sampled(np.round(np.arange(50) * 0.1, 6), values)
    np.testing.assert_allclose(found, values, atol=1e-6)


def test_a_straight_line_stays_straight_at_any_times():
    times = np.sort(np.random.default_rng(1).uniform(0, 20, 400))
    times[0] = 0
    found = sampled(times, 3 * times + 1)
    np.testing.assert_allclose(found[1:-1, 0], 3 * np.arange(1, len(found) - 1) / 10 + 1, atol=1e-4)


def test_many_samples_are_averaged():
    times = np.arange(1000) / 100
    noise = np.where(np.arange(1000) % 2, 1.0, -1.0)
    assert np.abs(sampled(times, noise)).max() <= 0.2 + 1e-6


def test_short_gaps_are_bridged_and_long_ones_stay():
    times = np.array([0.0, 0.1, 0.2, 0.6, 0.7, 1.4, 1.5])
    found = sampled(times, times)[:, 0]
    np.testing.assert_allclose(found[:8], np.arange(8) / 10, atol=1e-6)
    assert np.isnan(found[8:14]).all()
    np.testing.assert_allclose(found[14:], [1.4, 1.5], atol=1e-6)


def test_columns_of_other_rates_have_their_own_gaps():
    times = np.arange(41) / 10
    values = np.stack([times, np.where(np.arange(41) % 4 == 0, times, np.nan), np.full(41, np.nan)], axis=1)
    values[5:30, 0] = np.nan
    found = sampled(times, values)
    np.testing.assert_allclose(found[:, 1], times, atol=1e-6)
    np.testing.assert_array_equal(np.isnan(found[:, 0]), (np.arange(41) >= 5) & (np.arange(41) < 30))
    assert np.isnan(found[:, 2]).all()


@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(0, 120), max_size=6),
    rate=st.sampled_from([3.0, 10.0, 29.97]),
    gap=st.sampled_from([0.1, 0.4, 2.0]),
)
@settings(max_examples=60, deadline=None)
def test_blocks_do_not_matter(seed, cuts, rate, gap):
    random = np.random.default_rng(seed)
    times = np.cumsum(random.exponential(0.1, 120))
    times -= times[0]
    values = random.normal(size=(120, 4))
    values[random.random((120, 4)) < 0.3] = np.nan
    whole = sampled(times, values, rate=rate, gap=gap)
    np.testing.assert_allclose(sampled(times, values, rate=rate, gap=gap, cuts=cuts), whole, atol=1e-5)
    assert len(whole) == np.floor(times[-1] * rate + 1e-6) + 1


def test_a_long_pause_is_given_in_parts(monkeypatch):
    monkeypatch.setattr(grid, "BLOCK_BYTES", 400)
    times = np.array([0.0, 0.1, 1000.0])
    parts = [*on_grid([Block(times, np.ones((3, 1), np.float32))], rate=10.0, gap_seconds=0.5)]
    assert max(len(part) for part in parts) == 100
    assert np.isnan(np.concatenate(parts)).sum() == 10_001 - 3


def test_a_pause_of_days_is_refused():
    with pytest.raises(Defect, match=r"a day.*200,000 s without samples"):
        sampled([0.0, 1.0, 200_001.0], np.ones(3))
