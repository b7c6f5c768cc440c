"""A detector sees features at the rate of its training, whatever rate they come in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rcl.data.resizing import resample
from rcl.detector.localizer import Localizer
from untrained import FACTS, save_untrained


def make_features(snippets: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(snippets, FACTS.in_channels)).astype(np.float32)


@pytest.mark.parametrize("times", [2, 3, 4])
@pytest.mark.parametrize("downsample", [1, 2])
def test_features_that_come_several_times_as_fast_give_the_same_answer(
    tmp_path: Path, times: int, downsample: int
) -> None:
    localizer = Localizer.load(save_untrained(tmp_path / "a.ckpt", data={"downsample": downsample}))
    features = make_features(240)
    expected = localizer.detect(features, 5.0)
    found = localizer.detect(np.repeat(features, times, axis=0), 5.0 * times)
    np.testing.assert_allclose(found.segments_seconds, expected.segments_seconds, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9, 1.3, 2.5])
@pytest.mark.parametrize("downsample", [1, 3])
def test_the_network_gets_about_as_many_snippets_per_second_as_in_training(
    tmp_path: Path, share: float, downsample: int
) -> None:
    localizer = Localizer.load(save_untrained(tmp_path / "a.ckpt", data={"downsample": downsample}))
    features, timeline = localizer.prepare(make_features(round(600 * share)), 5.0 * share)
    assert features.shape[1] == pytest.approx(600 / downsample, abs=2)
    assert timeline.snippets_per_second == pytest.approx(5.0 / downsample, rel=0.01)
    assert features.shape[1] / timeline.snippets_per_second == pytest.approx(120, rel=0.01)  # seconds


def test_nearly_the_same_rate_unknown_rates_and_resized_videos_are_left_alone(tmp_path: Path) -> None:
    features = make_features(101)
    known = Localizer.load(save_untrained(tmp_path / "a.ckpt"))
    unknown = Localizer.load(save_untrained(tmp_path / "b.ckpt", replace(FACTS, snippets_per_second=None)))
    resized = Localizer.load(save_untrained(tmp_path / "c.ckpt", data={"resize": 50}))
    assert torch.equal(known.prepare(features, 5.05)[0], torch.from_numpy(features).T)
    assert torch.equal(unknown.prepare(features, 20.0)[0], torch.from_numpy(features).T)
    assert resized.prepare(features, 20.0)[0].shape[1] == 50


def test_long_stored_features_are_resampled_slice_by_slice(tmp_path: Path) -> None:
    localizer = Localizer.load(save_untrained(tmp_path / "a.ckpt"))
    features = make_features(12_000)
    np.save(tmp_path / "long.npy", features)
    sequence, timeline = localizer.prepare(tmp_path / "long.npy", 12.0)
    assert not isinstance(sequence, torch.Tensor)
    expected = resample(torch.from_numpy(features).T[:, :12_000], 6000)  # pairs become one, then 6 per second become 5
    assert sequence.shape == (FACTS.in_channels, 5000)
    torch.testing.assert_close(sequence[:, 100:200], resample(expected, 5000)[:, 100:200], atol=1e-4, rtol=0)
    assert timeline.snippets_per_second == pytest.approx(5.0)


def test_a_video_much_longer_than_any_in_training_keeps_its_resolution(tmp_path: Path) -> None:
    facts = replace(FACTS, longest_seconds=100.0)
    localizer = Localizer.load(save_untrained(tmp_path / "a.ckpt", facts, data={"resize": 60}))
    for seconds, snippets in ((30, 60), (200, 60), (201, 121), (1000, 600)):
        features, timeline = localizer.prepare(make_features(5 * seconds), 5.0)
        assert features.shape[1] == snippets
        assert timeline.snippets_per_second == pytest.approx(snippets / seconds)
    earlier = Localizer.load(save_untrained(tmp_path / "b.ckpt", data={"resize": 60}))
    assert earlier.prepare(make_features(5000), 5.0)[0].shape[1] == 60
