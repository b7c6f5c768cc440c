"""The scale of feature channels: what is measured, and that a detector keeps it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.standardization import ChannelScale, measure_channels
from rcl.detector.checkpoint import read_checkpoint
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError
from untrained import FACTS, content, save_untrained, tiny_config


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    offset=st.sampled_from([0.0, -3.0, 1e2]),
    size=st.sampled_from([1e-2, 1.0, 1e3]),
    seed=st.integers(0, 99),
)
def test_the_scale_is_that_of_all_snippets_together(lengths, offset, size, seed):
    random = np.random.default_rng(seed)
    videos = [random.normal(offset, size, (length, 4)) for length in lengths]
    scale, together = measure_channels(videos), np.concatenate(videos)
    np.testing.assert_allclose(scale.mean, together.mean(axis=0), rtol=1e-5, atol=1e-6 * size)
    if len(together) > 1:
        np.testing.assert_allclose(scale.deviation, together.std(axis=0), rtol=1e-4)


def test_a_constant_channel_stays_finite():
    scale = measure_channels([np.tile(np.float16([0.1, 5.0]), (7, 1))])
    assert scale.deviation == (1.0, 1.0)
    assert torch.equal(scale.apply(torch.tensor([[0.1, 5.0]]).half().float()), torch.zeros(1, 2))


def test_a_checkpoint_keeps_the_scale_and_detects_with_it(tmp_path: Path):
    random = np.random.default_rng(0)
    scale = ChannelScale(tuple(random.normal(size=32).tolist()), tuple(random.uniform(1, 9, 32).tolist()))
    standardized = save_untrained(tmp_path / "a.ckpt", replace(FACTS, channels=scale))
    plain = save_untrained(tmp_path / "b.ckpt")
    assert read_checkpoint(standardized).facts.channels == scale
    features = random.normal(size=(200, 32)).astype(np.float32)
    expected = Localizer.load(plain).detect((features - np.float32(scale.mean)) / np.float32(scale.deviation))
    found = Localizer.load(standardized).detect(features)
    np.testing.assert_allclose(found.segments_seconds, expected.segments_seconds, atol=1e-4)
    np.save(tmp_path / "long.npy", np.tile(features, (30, 1)))  # longer than a chunk, read slice by slice
    localizer = Localizer.load(standardized)
    sequence, _ = localizer.prepare(tmp_path / "long.npy", 5.0)
    assert torch.equal(sequence[:, 200:400], scale.apply(torch.from_numpy(features)).T)


@pytest.mark.parametrize(
    "wrong", [{"mean": [0.0]}, {"deviation": [0.0] * 32}, {"deviation": ["a"] * 32}, {"more": [1]}]
)
def test_a_checkpoint_with_a_damaged_scale_is_refused(tmp_path: Path, wrong: dict[str, list]):
    kept = content(tiny_config(), replace(FACTS, channels=ChannelScale((0.0,) * 32, (1.0,) * 32)))
    kept["rcl"]["facts"]["channels"] |= wrong
    torch.save(kept, tmp_path / "a.ckpt")
    with pytest.raises(InputError, match="a part missing or damaged"):
        read_checkpoint(tmp_path / "a.ckpt")
