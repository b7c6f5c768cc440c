"""Features of a high rate become features of a lower one: in training and detection, whole and slice by slice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.features import FeatureSequence, open_features
from rcl.data.preparation import Preparation
from rcl.data.resizing import downsample
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError
from untrained import FACTS, save_untrained


@given(snippets=st.integers(1, 40), factor=st.integers(1, 45))
def test_each_snippet_is_the_mean_of_so_many(snippets: int, factor: int) -> None:
    features = torch.randn(3, snippets, dtype=torch.float64)
    expected = torch.stack([part.mean(dim=1) for part in features.split(factor, dim=1)], dim=1)
    torch.testing.assert_close(downsample(features, factor), expected)


@pytest.mark.parametrize("factor", [1, 3, 7, 60])
def test_slices_of_stored_features_are_those_of_the_whole(tmp_path: Path, factor: int) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32))
    stored, preparation = open_features(tmp_path / "a.npy"), Preparation(downsample=factor, scale=2.0)
    whole = preparation.read(stored)
    assert whole.shape == (4, preparation.snippets(50)) == (4, -(-50 // factor))
    sequence = preparation.open(stored, at_once=0)
    assert isinstance(sequence, FeatureSequence)
    assert sequence.shape == whole.shape
    for first, last in ((0, 99), (0, 1), (2, 5), (4, 4), (6, 8)):
        torch.testing.assert_close(sequence[:, first:last], whole[:, first:last])
        if first < whole.shape[1]:
            torch.testing.assert_close(preparation.read(stored, first, last), whole[:, first:last])


def test_times_stay_what_they_are(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(100, 32)).astype(np.float32)
    plain = Localizer.load(save_untrained(tmp_path / "a.ckpt"))
    facts = replace(FACTS, snippets_per_second=20.0)
    downsampling = Localizer.load(save_untrained(tmp_path / "b.ckpt", facts, data={"downsample": 4}))
    expected = plain.detect(features, 5.0)
    found = downsampling.detect(np.repeat(features, 4, axis=0), 20.0)
    np.testing.assert_allclose(found.segments_seconds, expected.segments_seconds, atol=1e-4)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)


def test_the_rate_of_annotated_features_is_checked_before_downsampling() -> None:
    timeline = Preparation(downsample=4).annotated_timeline(100, rate=10.0, duration_seconds=10.0)
    assert (timeline.snippets_per_second, timeline.end_seconds) == (2.5, 10.0)


@pytest.mark.parametrize("stored", [40, 41, 42])
def test_nothing_is_found_after_the_end_of_the_features(tmp_path: Path, stored: int) -> None:
    preparation = Preparation(downsample=3)
    for timeline in (preparation.timeline(stored, 2.0), preparation.annotated_timeline(stored, rate=2.0)):
        assert timeline.end_seconds == stored / 2
    assert preparation.timeline(stored, 2.0, end_seconds=19.0).end_seconds == 19.0
    assert Preparation().timeline(stored, 2.0).end_seconds == np.inf
    localizer = Localizer.load(save_untrained(tmp_path / "a.ckpt", data={"downsample": 3}))
    features = np.random.default_rng(0).normal(size=(stored, 32)).astype(np.float32)
    assert localizer.detect(features, 2.0).segments_seconds.max() <= stored / 2 + 1e-6


def test_a_video_has_one_length_only() -> None:
    with pytest.raises(InputError, match="either downsample or resize"):
        parse_config({"data": {"downsample": 2, "resize": 100}}, where="test")
