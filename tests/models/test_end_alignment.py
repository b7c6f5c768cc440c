"""The look-up around both ends: the textbook order, padding, and what a piece of a video needs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rcl.models.end_alignment import EndAlignment

IN, OUT = 3, 4


def sum_at_ends(features: Tensor, weight: Tensor, bias: Tensor, segments: Tensor) -> Tensor:
    """The textbook order of one video, the reference for :class:`EndAlignment`.

    Args:
        features: ``(C, T)``.
        weight: ``(2, O, C, 2·reach + 1)``.
        bias: ``(2, O)``.
        segments: ``(K, 2)``.

    Returns:
        ``(K, O)``.
    """
    snippets, reach = features.shape[1], weight.shape[3] // 2
    result = features.new_zeros(len(segments), weight.shape[1])
    for side in (0, 1):
        place = (segments[:, side] - 0.5).clamp(-1, snippets)  # (K,)
        for near in (place.floor(), place.floor() + 1):
            share = 1 - (place - near).abs()  # (K,)
            exists = (near >= 0) & (near < snippets)
            taps = near.long()[:, None] + torch.arange(-reach, reach + 1)  # (K, 2·reach + 1)
            inside = (taps >= 0) & (taps < snippets)
            window = features[:, taps.clamp(0, snippets - 1)] * inside  # (C, K, 2·reach + 1)
            sums = torch.einsum("ckw,ocw->ko", window, weight[side]) + bias[side]
            result = result + (share * exists)[:, None] * sums
    return result


def make(reach: int, seed: int = 0) -> EndAlignment:
    torch.manual_seed(seed)
    return EndAlignment(IN, OUT, reach=reach).double()


def all_of(features: Tensor) -> Tensor:
    return torch.ones(len(features), features.shape[2], dtype=torch.bool)


@settings(deadline=None, max_examples=60)
@given(snippets=st.integers(1, 30), reach=st.integers(0, 5), seed=st.integers(0, 999))
def test_it_equals_the_textbook_order(snippets: int, reach: int, seed: int) -> None:
    ends = make(reach, seed)
    features = torch.randn(2, IN, snippets, dtype=torch.float64)
    segments = ((torch.rand(2, 9, 2, dtype=torch.float64) * 1.6 - 0.3) * snippets).sort(dim=-1).values
    found = ends(features, all_of(features), segments)
    weight, bias = ends.windows.weight.unflatten(0, (2, OUT)), ends.windows.bias.unflatten(0, (2, OUT))
    for video, own, expected in zip(features, segments, found, strict=True):
        torch.testing.assert_close(sum_at_ends(video, weight, bias, own), expected)


def test_gradients_are_those_of_autograd() -> None:
    ends = make(2)
    features = torch.randn(2, IN, 7, dtype=torch.float64, requires_grad=True)
    segments = (torch.rand(2, 5, 2, dtype=torch.float64) * 7).sort(dim=-1).values.requires_grad_()
    mask = all_of(features)
    assert torch.autograd.gradcheck(lambda f, s, w, b: _with(ends, w, b)(f, mask, s), (features, segments, *_of(ends)))


def _of(ends: EndAlignment) -> tuple[Tensor, Tensor]:
    assert ends.windows.bias is not None
    return ends.windows.weight.detach().requires_grad_(), ends.windows.bias.detach().requires_grad_()


def _with(ends: EndAlignment, weight: Tensor, bias: Tensor):
    def forward(features: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        parameters = {"windows.weight": weight, "windows.bias": bias}
        return torch.func.functional_call(ends, parameters, (features, mask, segments))

    return forward


@pytest.mark.parametrize("reach", [0, 2])
def test_padding_changes_nothing(reach: int) -> None:
    ends, features = make(reach), torch.randn(1, IN, 9, dtype=torch.float64)
    segments = torch.tensor([[[0.0, 9.0], [8.9, 9.6], [-0.4, 0.2], [3.3, 8.8]]], dtype=torch.float64)
    padded, mask = torch.nn.functional.pad(features, (0, 6)), torch.arange(15)[None] < 9
    torch.testing.assert_close(ends(padded, mask, segments), ends(features, all_of(features), segments))


def test_only_so_many_snippets_around_the_ends_matter() -> None:
    ends, features = make(2), torch.randn(1, IN, 60, dtype=torch.float64, requires_grad=True)
    ends(features, all_of(features), torch.tensor([[[10.0, 40.5]]], dtype=torch.float64)).sum().backward()
    assert features.grad is not None
    (read,) = features.grad.abs().sum(dim=(0, 1)).nonzero(as_tuple=True)
    # 10.0 lies between the centres of snippets 9 and 10, 40.5 on that of snippet 40.
    assert read.tolist() == [*range(7, 13), *range(38, 43)]
