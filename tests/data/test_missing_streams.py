"""What is NaN is not there: resizing and measuring of features do with the rest."""

import numpy as np
import pytest
import torch

from rcl.data.resampled import ResampledFeatures
from rcl.data.resizing import METHODS, downsample, resample
from rcl.data.standardization import measure_channels

NAN = torch.nan


def covered(first: int, last: int, snippets: int = 40) -> torch.Tensor:
    """One stream that is there always, and one from ``first`` to ``last``: ``(2, T)``."""
    features = torch.randn(2, snippets, generator=torch.Generator().manual_seed(2))
    features[1, :first] = NAN
    features[1, last:] = NAN
    return features


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("snippets", [10, 16, 40, 77])
def test_resizing_keeps_what_is_missing_where_it_is(method: str, snippets: int):
    found = METHODS[method](covered(8, 30), snippets)
    places = (torch.arange(snippets) + 0.5) * 40 / snippets
    margin = max(40 / snippets, 1)
    assert torch.isfinite(found[0]).all()
    assert torch.isfinite(found[1, (places > 8 + margin) & (places < 30 - margin)]).all()
    assert found[1, (places < 8 - margin) | (places > 30 + margin)].isnan().all()


def test_a_mean_is_over_what_is_there():
    features = torch.tensor([[NAN, 2.0, 4.0, 6.0, NAN, NAN, NAN, 9.0]])
    torch.testing.assert_close(downsample(features, 4), torch.tensor([[4.0, NAN]]), equal_nan=True)
    torch.testing.assert_close(resample(features, 4), torch.tensor([[2.0, 5.0, NAN, 9.0]]), equal_nan=True)


@pytest.mark.parametrize("snippets", [13, 40, 61])
def test_a_slice_at_another_rate_equals_that_of_the_whole(snippets: int):
    features = covered(7, 31)
    whole = resample(features, snippets)
    sequence = ResampledFeatures(features, snippets)
    for first, last in ((0, 5), (2, 13), (8, snippets)):
        part = sequence[:, first:last]
        torch.testing.assert_close(part, whole[:, first:last], equal_nan=True, rtol=1e-5, atol=1e-6)


def test_the_scale_of_a_channel_is_that_of_what_is_there():
    random = np.random.default_rng(0)
    videos = [random.normal(5, 3, size=(length, 3)).astype(np.float32) for length in (30, 50)]
    full = np.concatenate(videos)
    videos[0][:, 1] = np.nan  # the first video lacks the stream
    videos[1][:20, 2] = np.nan
    scale = measure_channels(videos)
    np.testing.assert_allclose(scale.mean[0], full[:, 0].mean(), rtol=1e-5)
    np.testing.assert_allclose(scale.mean[1], videos[1][:, 1].mean(), rtol=1e-5)
    np.testing.assert_allclose(scale.deviation[2], np.nanstd(np.concatenate(videos)[:, 2]), rtol=1e-5)


def test_a_channel_that_is_nowhere_has_a_scale():
    scale = measure_channels([np.array([[1.0, np.nan], [3.0, np.nan]])])
    assert scale.mean == (2.0, 0.0)
    assert scale.deviation == (1.0, 1.0)
