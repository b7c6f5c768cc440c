"""Resize feature sequences, by linear interpolation or in the way of the public ActivityNet features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def resize(features: Tensor, snippets: int) -> Tensor:
    """Resize features over time by linear interpolation between the centres of the snippets.

    >>> resize(torch.tensor([[0.0, 4.0]]), 4)
    tensor([[0., 1., 3., 4.]])

    Args:
        features: ``(C, T)``, T at least 1.
        snippets: new T, at least 1.

    Returns:
        ``(C, snippets)``; beyond the first and the last centre the values stay constant.
    """
    return torch.nn.functional.interpolate(features[None], size=snippets, mode="linear", align_corners=False)[0]


def resize_mean3(features: Tensor, snippets: int) -> Tensor:
    """Resize features over time as BSN, BMN and G-TAD did for ActivityNet (Lin et al., ECCV 2018: ``csv_mean_100``).

    The sequence is divided into ``snippets`` equal parts. Each part becomes the mean of three points, its start, middle
    and end. A point is interpolated linearly between the centres of the snippets and clamped to the first and the last
    centre. Parts wholly before the first or after the last centre are **zero**, as in the public features: these are
    the outermost parts of a sequence of fewer than ``snippets / 2``.

    The original moves the outermost centres inwards by 0.1 ms; this function does not. :func:`resize` takes only the
    middle point and repeats the outermost centres. MMAction2 samples three points of ``[0, T − 1]`` without the end of
    each part.

    >>> resize_mean3(torch.ones(1, 3), 12)
    tensor([[0., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 0.]])

    Args:
        features: ``(C, T)``, T at least 1.
        snippets: new T, at least 1; 100 in the publications.

    Returns:
        ``(C, snippets)``.
    """
    given = features.shape[1]
    if given == 1:
        return features.expand(-1, snippets).clone()
    edge = torch.arange(snippets + 1, dtype=torch.float64, device=features.device) * given / snippets
    inner = edge.clamp(0.5, given - 0.5)
    share = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64, device=features.device)
    place = torch.lerp(inner[:-1, None], inner[1:, None], share) - 0.5  # (snippets, 3), 0 at the first centre
    lower = place.floor().long().clamp(max=given - 2)
    weight = (place - lower).to(features.dtype)
    pooled = torch.lerp(features[:, lower], features[:, lower + 1], weight).mean(dim=-1)  # (C, snippets)
    part = torch.arange(snippets, device=features.device)
    # In integers, so that an edge on a centre does not depend on rounding.
    outside = (2 * given * (part + 1) < snippets) | (2 * given * part > (2 * given - 1) * snippets)
    return pooled.masked_fill(outside, 0.0)


def downsample(features: Tensor, factor: int) -> Tensor:
    """Means of so many snippets in a row; the last mean may be over fewer.

    >>> downsample(torch.tensor([[1.0, 3.0, 8.0]]), 2)
    tensor([[2., 8.]])

    Args:
        features: ``(C, T)``.
        factor: snippets that become one.

    Returns:
        ``(C, ⌈T / factor⌉)``.
    """
    if factor == 1 or not features.shape[1]:
        return features
    return torch.nn.functional.avg_pool1d(features[None], factor, ceil_mode=True)[0]


METHODS: dict[str, Callable[[Tensor, int], Tensor]] = {"linear": resize, "mean3": resize_mean3}
"""Methods ``(features (C, T), snippets) → (C, snippets)`` by their name in a configuration."""
