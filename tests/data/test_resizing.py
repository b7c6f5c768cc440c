from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.resampled import ResampledFeatures
from rcl.data.resizing import resample, resize, resize_mean3


def pooled_by_loop(features: np.ndarray, parts: int, margin: float) -> np.ndarray:
    """The description in words: equal parts, three points each, between the centres; ``(T, C) → (parts, C)``."""
    given = len(features)
    if given == 1:
        return np.repeat(features, parts, axis=0)
    centres = np.arange(given) + 0.5
    rows = []
    for part in range(parts):
        first = max(centres[0] + margin, part * given / parts)
        last = min(centres[-1] - margin, (part + 1) * given / parts)
        if last < centres[0] or first > centres[-1]:
            rows.append(np.zeros(features.shape[1]))
            continue
        points = [first, (first + last) / 2, last]
        rows.append(np.mean([[np.interp(x, centres, column) for column in features.T] for x in points], axis=0))
    return np.stack(rows)


@pytest.mark.parametrize("given", [1, 2, 3, 7, 25, 49, 51, 64, 99, 100, 101, 150, 430])
def test_parts_are_means_of_three_points(given: int) -> None:
    features = np.random.default_rng(given).normal(size=(given, 3))
    found = resize_mean3(torch.from_numpy(features.T), 100).T.numpy()
    np.testing.assert_allclose(found, pooled_by_loop(features, 100, 0.0), atol=1e-9)
    # 0.1 ms of the original, at 30 frames per second and 16 frames per snippet
    np.testing.assert_allclose(found, pooled_by_loop(features, 100, 1e-4 * 30 / 16), atol=2e-3)


def test_the_ends_of_short_sequences_are_zero() -> None:
    assert resize_mean3(torch.ones(1, 25), 100)[0, [0, 1, 98, 99]].tolist() == [0, 1, 1, 0]
    assert resize_mean3(torch.ones(1, 2), 100)[0].sum() == 52  # parts that touch 0.5 to 1.5 of 2
    assert resize_mean3(torch.ones(1, 50), 100).all()


def test_type_and_shape_are_kept() -> None:
    found = resize_mean3(torch.randn(4, 33, dtype=torch.float32), 100)
    assert (found.shape, found.dtype) == ((4, 100), torch.float32)
    assert torch.equal(resize_mean3(torch.tensor([[3.0]]), 4), torch.full((1, 4), 3.0))


def test_a_straight_line_is_resized_as_linear_interpolation_does_inside() -> None:
    line = torch.arange(400.0)[None]
    assert torch.allclose(resize_mean3(line, 100)[:, 1:-1], resize(line, 100)[:, 1:-1], atol=1e-4)


# -- another rate ------------------------------------------------------------------------------------------------

LENGTHS = st.integers(1, 60)


def random_features(snippets: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(3, snippets, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(given_=LENGTHS, snippets=LENGTHS)
@settings(max_examples=60)
def test_fewer_snippets_are_means_of_exact_intervals(given_: int, snippets: int) -> None:
    snippets = min(snippets, given_)
    features = random_features(given_)
    # Every snippet repeated so that both numbers divide the length: the means are then those of whole groups.
    expected = features.repeat_interleave(snippets, dim=1).unflatten(1, (snippets, given_)).mean(dim=2)
    found = resample(features, snippets)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.mean(dim=1), features.mean(dim=1))


@given(given_=LENGTHS, snippets=LENGTHS)
@settings(max_examples=60)
def test_more_snippets_are_linear_between_the_centres(given_: int, snippets: int) -> None:
    features, snippets = random_features(given_), given_ + snippets
    torch.testing.assert_close(resample(features, snippets), resize(features, snippets))


@given(given_=LENGTHS, snippets=LENGTHS, value=st.floats(-9, 9, width=32))
@settings(max_examples=60)
def test_what_does_not_change_stays_what_it_is_at_any_rate(given_: int, snippets: int, value: float) -> None:
    torch.testing.assert_close(resample(torch.full((2, given_), value), snippets), torch.full((2, snippets), value))


def test_the_same_number_of_snippets_changes_nothing() -> None:
    features = torch.randn(4, 33)
    assert torch.equal(resample(features, 33), features)
    assert resample(features.half(), 20).dtype == torch.float16


@given(given_=LENGTHS, snippets=LENGTHS, ends=st.tuples(LENGTHS, LENGTHS))
@settings(max_examples=100)
def test_a_slice_at_another_rate_is_that_of_the_whole(given_: int, snippets: int, ends: tuple[int, int]) -> None:
    features = random_features(given_)
    view, whole = ResampledFeatures(features, snippets), resample(features, snippets)
    assert view.shape == whole.shape
    first, last = sorted(ends)
    torch.testing.assert_close(view[:, first:last], whole[:, first:last])
    torch.testing.assert_close(view[1:, :], whole[1:])
    with pytest.raises(ValueError, match="step of a slice"):
        view[:, ::2]
