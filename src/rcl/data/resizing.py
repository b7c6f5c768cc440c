"""Resize feature sequences: linearly, by exact means, or in the way of the public ActivityNet features.

A channel that is NaN is not there (see :mod:`rcl.data.streams`). A new snippet is then computed from what is there, and
is itself there if that is at least half of what it depends on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

LEAST_SHARE = 0.5 - 1e-4  # of a new snippet that has to be there: a half, whatever rounding says


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

    def between(values: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(values[None], size=snippets, mode="linear", align_corners=False)[0]

    return _of_present(between, features)


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

    def pool(values: Tensor) -> Tensor:
        return torch.lerp(values[:, lower], values[:, lower + 1], weight).mean(dim=-1)  # (C, snippets)

    part = torch.arange(snippets, device=features.device)
    # In integers, so that an edge on a centre does not depend on rounding.
    outside = (2 * given * (part + 1) < snippets) | (2 * given * part > (2 * given - 1) * snippets)
    return _of_present(pool, features).masked_fill(outside, 0.0)


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

    def means(values: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool1d(values[None], factor, ceil_mode=True)[0]

    return _of_present(means, features)


def resample(features: Tensor, snippets: int) -> Tensor:
    """Features at another rate: means over exact intervals if there are to be fewer snippets, else linear.

    >>> resample(torch.tensor([[0.0, 3.0, 6.0]]), 2)
    tensor([[1., 5.]])

    Args:
        features: ``(C, T)``, T at least 1.
        snippets: new T, at least 1.

    Returns:
        ``(C, snippets)``, of the type of ``features``. Fewer snippets: each is the mean over ``T / snippets`` of the
        given ones, of which it may hold parts. More: as :func:`resize`.
    """
    return Resampling(features.shape[1], snippets).part(features, 0, snippets)


@dataclass(frozen=True)
class Resampling:
    """:func:`resample` from ``given`` snippets to another number, also of a part of the sequence."""

    given: int
    snippets: int

    def source(self, first: int, last: int) -> tuple[int, int]:
        """The given snippets that the new ones from ``first`` to before ``last`` depend on, as first and end."""
        reach = 0.5 if self.snippets > self.given else 0.0  # the next centre on either side
        start, end = first * self.given / self.snippets - reach, last * self.given / self.snippets + reach
        return max(math.floor(start), 0), min(math.ceil(end), self.given)

    def part(self, features: Tensor, first: int, last: int) -> Tensor:
        """The new snippets from ``first`` to before ``last``, ``(C, last − first)``, from those of :meth:`source`."""
        if self.snippets == self.given:
            return features
        offset, _ = self.source(first, last)
        method = self._means if self.snippets < self.given else self._between
        return _of_present(lambda values: method(values, first, last, offset), features)

    def _means(self, features: Tensor, first: int, last: int, offset: int) -> Tensor:
        edges = torch.arange(first, last + 1, dtype=torch.float64) * self.given / self.snippets - offset
        lower = edges.floor().long().clamp(max=features.shape[1] - 1)
        sums = torch.nn.functional.pad(features.cpu().double().cumsum(dim=1), (1, 0))  # (C, n + 1)
        at_edges = torch.lerp(sums[:, lower], sums[:, lower + 1], edges - lower)  # (C, last − first + 1)
        return (at_edges.diff(dim=1) * self.snippets / self.given).to(features)

    def _between(self, features: Tensor, first: int, last: int, offset: int) -> Tensor:
        centres = (torch.arange(first, last, dtype=torch.float64) + 0.5) * self.given / self.snippets - 0.5
        place = centres.clamp(0, self.given - 1) - offset
        lower = place.floor().long()
        upper = (lower + 1).clamp(max=features.shape[1] - 1)
        return torch.lerp(features[:, lower], features[:, upper], (place - lower).to(features))


def _of_present(method: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    """A method of weighted means ``(C, T) → (C, T')``, applied to what is not NaN."""
    absent = features.isnan()
    if not absent.any():
        return method(features)
    share = method((~absent).to(features))  # of the weights, per new snippet
    present = method(features.masked_fill(absent, 0.0)) / share.clamp(min=LEAST_SHARE)
    return present.masked_fill(share < LEAST_SHARE, torch.nan)


METHODS: dict[str, Callable[[Tensor, int], Tensor]] = {"linear": resize, "mean": resample, "mean3": resize_mean3}
"""Methods ``(features (C, T), snippets) → (C, snippets)`` by their name in a configuration."""
