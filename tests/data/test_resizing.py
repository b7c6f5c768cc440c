from __future__ import annotations

import numpy as np
import pytest
import torch

from rcl.data.resizing import resize, resize_mean3


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
