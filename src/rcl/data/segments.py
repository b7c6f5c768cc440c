"""Geometry of segments as tensors.

Segments are float tensors ``(..., 2)`` of ``(start, end)``. Snippet ``i`` covers ``[i, i + 1)`` in snippet time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rcl.data.timeline import Timeline

__all__ = ["Timeline", "clip", "coverage", "intersection", "length", "tiou", "tiou_pairs"]


def length(segments: Tensor) -> Tensor:
    """Length of each segment: ``(..., 2) → (...)``, in the unit of the input.

    >>> length(torch.tensor([[0.0, 4.0], [3.0, 3.5]]))
    tensor([4.0000, 0.5000])
    """
    return segments[..., 1] - segments[..., 0]


def intersection(a: Tensor, b: Tensor) -> Tensor:
    """Common length of every segment of ``a`` with every segment of ``b``.

    Args:
        a: ``(..., K, 2)``.
        b: ``(..., N, 2)``, in the unit of ``a``.

    Returns:
        ``(..., K, N)``, 0 for segments that do not overlap.
    """
    start = torch.maximum(a[..., :, None, 0], b[..., None, :, 0])  # (..., K, N)
    end = torch.minimum(a[..., :, None, 1], b[..., None, :, 1])  # (..., K, N)
    return (end - start).clamp(min=0)


def tiou(a: Tensor, b: Tensor) -> Tensor:
    """Temporal intersection over union of every segment of ``a`` with every segment of ``b`` (paper, eq. 5).

    >>> tiou(torch.tensor([[0.0, 4.0]]), torch.tensor([[2.0, 4.0], [5.0, 6.0]]))
    tensor([[0.5000, 0.0000]])

    Args:
        a: ``(..., K, 2)``.
        b: ``(..., N, 2)``, in the unit of ``a``.

    Returns:
        ``(..., K, N)`` in [0, 1]; 0 for two segments without length, or with a subnormal one.

    >>> tiou(torch.tensor([[0.0, 4.0], [2.0, 6.0]]), torch.tensor([[2.0, 6.0]]))
    tensor([[0.3333],
            [1.0000]])
    """
    common = intersection(a, b)  # (..., K, N)
    union = length(a)[..., :, None] + length(b)[..., None, :] - common  # (..., K, N)
    tiny = torch.finfo(common.dtype).tiny
    return torch.where(union >= tiny, common / union.clamp(min=tiny), 0.0)


def tiou_pairs(a: Tensor, b: Tensor) -> Tensor:
    """Temporal intersection over union of each segment of ``a`` with its counterpart: two ``(..., 2)`` → ``(...)``."""
    return tiou(a[..., None, :], b[..., None, :])[..., 0, 0]


def coverage(a: Tensor, b: Tensor) -> Tensor:
    """Fraction of every segment of ``a`` that lies inside each segment of ``b``: intersection over ``a``.

    >>> coverage(torch.tensor([[0.0, 4.0]]), torch.tensor([[3.0, 9.0]]))
    tensor([[0.2500]])

    Args:
        a: ``(..., K, 2)``.
        b: ``(..., N, 2)``, in the unit of ``a``.

    Returns:
        ``(..., K, N)`` in [0, 1]; 0 for a segment without length, or with a subnormal one.

    >>> coverage(torch.tensor([[0.0, 4.0]]), torch.tensor([[3.0, 9.0], [0.0, 4.0]]))
    tensor([[0.2500, 1.0000]])
    """
    own = length(a)[..., :, None]  # (..., K, 1)
    tiny = torch.finfo(a.dtype).tiny
    return torch.where(own >= tiny, intersection(a, b) / own.clamp(min=tiny), 0.0)


def clip(segments: Tensor, end: Tensor | float, *, minimum_length: float = 0.0) -> Tensor:
    """Clip segments to ``[0, end]`` and keep each at least ``minimum_length`` long (paper 3.3, SPF).

    A segment that is too short grows about its centre, then moves inside ``[0, end]``. If ``end`` is less than
    ``minimum_length``, the result is ``[0, end]``.

    >>> clip(torch.tensor([[-1.0, 5.0], [8.0, 8.0]]), 10.0, minimum_length=1.0)
    tensor([[0.0000, 5.0000],
            [7.5000, 8.5000]])

    Args:
        segments: ``(..., 2)``.
        end: end of the video, a number or a tensor that broadcasts against ``(...)``.
        minimum_length: in the unit of the segments.

    Returns:
        ``(..., 2)`` with ``0 ≤ start ≤ end``.

    >>> clip(torch.tensor([[-3.0, 4.0], [5.0, 5.0], [9.5, 30.0]]), 10, minimum_length=2)
    tensor([[ 0.,  4.],
            [ 4.,  6.],
            [ 8., 10.]])
    """
    limit = torch.as_tensor(end, dtype=segments.dtype, device=segments.device)
    start = torch.minimum(segments[..., 0].clamp(min=0), limit)
    stop = torch.minimum(segments[..., 1].clamp(min=0), limit)
    wanted = torch.minimum(torch.maximum(stop - start, torch.full_like(start, minimum_length)), limit)
    centre = (start + stop) / 2
    grown = torch.minimum((centre - wanted / 2).clamp(min=0), limit - wanted)
    short = (stop - start) < wanted
    return torch.stack((torch.where(short, grown, start), torch.where(short, grown + wanted, stop)), dim=-1)
