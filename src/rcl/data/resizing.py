"""Feature sequences stretched to another length, by interpolation or as the public ActivityNet features were."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def resize(features: Tensor, snippets: int) -> Tensor:
    """Stretch features over time by linear interpolation between the centres of the snippets.

    Args:
        features: ``(C, T)``, T at least 1.
        snippets: T wanted, at least 1.

    Returns:
        ``(C, snippets)``; beyond the first and the last centre the values stay constant.
    """
    return torch.nn.functional.interpolate(features[None], size=snippets, mode="linear", align_corners=False)[0]


def resize_mean3(features: Tensor, snippets: int) -> Tensor:
    """Rescale features over time as BSN, BMN and G-TAD did for ActivityNet (Lin et al., ECCV 2018: ``csv_mean_100``).

    The sequence is divided into ``snippets`` equal parts. A part becomes the mean of three points, its start, middle
    and end, each interpolated linearly between the centres of the snippets, within the first and the last centre. Parts
    that lie wholly before the first or after the last centre, as the outermost ones of a sequence of fewer than
    ``snippets / 2``, are **zero**: the public features have that. (The original moves the outermost centres inwards by
    0.1 ms, here they stay. Linear rescaling, :func:`rcl.data.features.resize`, takes the middle alone and repeats the
    outermost centres; MMAction2 samples three points of ``[0, T − 1]`` without the end of each part.)

    Args:
        features: ``(C, T)``, T at least 1.
        snippets: T wanted, at least 1; 100 in the publications.

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
    # In whole numbers: an edge that falls on a centre is no matter of rounding.
    outside = (2 * given * (part + 1) < snippets) | (2 * given * part > (2 * given - 1) * snippets)
    return pooled.masked_fill(outside, 0.0)


METHODS: dict[str, Callable[[Tensor, int], Tensor]] = {"linear": resize, "mean3": resize_mean3}
"""``(features (C, T), snippets) → (C, snippets)``, by the name that configurations have for it."""
