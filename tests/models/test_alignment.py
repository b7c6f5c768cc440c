"""Projected alignment equals sampling first, and BMN's convention is the public code's."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from places import SHARED
from rcl.models.alignment import (
    SegmentAlignment,
    interpolation,
    project,
    sample_projected,
    sample_then_convolve,
    sampling_positions,
)

GOLDEN = SHARED / "golden" / "bmn" / "bmn_sample_mask_t100.json"
CONVENTIONS = ("centered", "bmn")


def project_then_sample(
    features: Tensor, segments: Tensor, weight: Tensor, bias: Tensor, *, subpoints: int = 1, **options: Any
) -> Tensor:
    """The two halves of ``SegmentAlignment`` in one, with the arguments of ``sample_then_convolve``."""
    projected = project(features / subpoints, weight)
    return sample_projected(projected, segments, bias, points=weight.shape[2], subpoints=subpoints, **options)


@st.composite
def problems(draw: st.DrawFn) -> tuple[tuple[Tensor, ...], dict]:
    """Features, segments, weight and bias in float64, and the options of an alignment."""
    batch, snippets, anchors = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(0, 6))
    channels, outputs, points = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    options = {
        "subpoints": draw(st.integers(1, 3)),
        "context": draw(st.sampled_from((0.0, 0.25, 0.5))),
        "convention": draw(st.sampled_from(CONVENTIONS)),
    }
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    shapes = ((batch, channels, snippets), (batch, anchors, 2), (outputs, channels, points), (outputs,))
    features, segments, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes
    )
    segments = (segments * snippets).sort(dim=-1).values  # many reach beyond the sequence, some lie outside
    if draw(st.booleans()):
        segments = segments.round()  # samples exactly on snippets
    if draw(st.booleans()):
        segments[:, ::2, 1] = segments[:, ::2, 0]  # without length
    return (features, segments, weight, bias), options


@settings(max_examples=150, deadline=None)
@given(problem=problems())
def test_both_orders_have_the_same_values_and_gradients(problem: tuple) -> None:
    tensors, options = problem
    for tensor in tensors:
        tensor.requires_grad_()
    projected, plain = (order(*tensors, **options) for order in (project_then_sample, sample_then_convolve))
    torch.testing.assert_close(projected, plain, rtol=1e-9, atol=1e-9)
    seed = torch.randn_like(plain)
    for ours, reference in zip(*(torch.autograd.grad(r, tensors, seed) for r in (projected, plain)), strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("outputs", [128, 300])  # one block of columns, and several
def test_single_precision_is_within_1e_4(convention: str, outputs: int) -> None:
    torch.manual_seed(0)
    layer = SegmentAlignment(64, outputs, points=8, subpoints=2, convention=convention)
    features = torch.randn(2, 64, 50, requires_grad=True)
    segments = (torch.rand(2, 200, 2) * 70 - 10).sort(dim=-1).values.requires_grad_()
    leaves = (features, segments, layer.weight, layer.bias)
    projected = layer(features, segments)
    plain = sample_then_convolve(
        features, segments, layer.weight, layer.bias, subpoints=2, context=0.25, convention=convention
    )
    torch.testing.assert_close(projected, plain, rtol=0, atol=1e-4)
    seed = torch.randn_like(plain) / plain.numel() ** 0.5
    for ours, reference in zip(*(torch.autograd.grad(r, leaves, seed) for r in (projected, plain)), strict=True):
        torch.testing.assert_close(ours, reference, rtol=0, atol=1e-4)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_gradients_are_those_of_the_function(convention: str) -> None:
    torch.manual_seed(0)
    tensors = (torch.randn(2, 3, 6), torch.tensor([[[0.3, 2.9], [-1.2, 3.4], [4.1, 9.7], [1.8, 1.8]]]).repeat(2, 1, 1))
    tensors = (*tensors, torch.randn(4, 3, 2), torch.randn(4))
    assert torch.autograd.gradcheck(
        lambda *inputs: project_then_sample(*inputs, subpoints=2, context=0.3, convention=convention),
        [tensor.double().requires_grad_() for tensor in tensors],
    )


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_is_linear_in_the_features(problem: tuple) -> None:
    (features, segments, weight, _), options = problem
    bias = weight.new_zeros(len(weight))
    other = torch.randn_like(features)

    def align(x: Tensor) -> Tensor:
        return project_then_sample(x, segments, weight, bias, **options)

    torch.testing.assert_close(align(2 * features - other), 2 * align(features) - align(other))


@settings(max_examples=40, deadline=None)
@given(problem=problems(), extra=st.integers(1, 5))
def test_zero_snippets_at_the_end_change_nothing(problem: tuple, extra: int) -> None:
    """In both conventions: what lies beyond the sequence is zero already."""
    (features, *others), options = problem
    longer = nn.functional.pad(features, (0, extra))
    torch.testing.assert_close(
        project_then_sample(longer, *others, **options), project_then_sample(features, *others, **options)
    )


@settings(max_examples=40, deadline=None)
@given(problem=problems(), shift=st.integers(1, 5))
def test_moves_with_the_sequence(problem: tuple, shift: int) -> None:
    """Everywhere in ``centered``; in ``bmn`` the start of the sequence is special, see the module."""
    (features, segments, weight, bias), options = problem
    options["convention"] = "centered"
    torch.testing.assert_close(
        project_then_sample(nn.functional.pad(features, (shift, 0)), segments + shift, weight, bias, **options),
        project_then_sample(features, segments, weight, bias, **options),
    )


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_a_batch_is_its_videos_one_at_a_time(problem: tuple) -> None:
    (features, segments, weight, bias), options = problem
    batch = project_then_sample(features, segments, weight, bias, **options)
    for i in range(len(features)):
        alone = project_then_sample(features[i : i + 1], segments[i : i + 1], weight, bias, **options)
        torch.testing.assert_close(batch[i : i + 1], alone)


def test_centered_positions_are_the_midpoints_of_equal_bins() -> None:
    segments = torch.tensor([[[4.0, 8.0]]])
    assert sampling_positions(segments, 2, 2, 0.0, "centered").tolist() == [[[4.5, 5.5, 6.5, 7.5]]]
    assert sampling_positions(segments, 2, 2, 0.5, "centered").tolist() == [[[3.0, 5.0, 7.0, 9.0]]]


def test_centered_features_are_linear_between_snippet_centres_and_fall_to_zero() -> None:
    cells, fractions = interpolation(torch.tensor([-0.5, 0.0, 0.5, 1.25, 1.5, 2.0, 7.0]), 2, "centered")
    sequence = torch.tensor([0.0, 10.0, 20.0, 0.0])  # two snippets between zeros
    values = (1 - fractions) * sequence[cells.long()] + fractions * sequence[cells.long() + 1]
    assert values.tolist() == [0.0, 5.0, 10.0, 17.5, 20.0, 10.0, 0.0]


def test_a_segment_of_nan_gives_nan_and_harms_no_other() -> None:
    layer = SegmentAlignment(3, 4, points=2)
    features, segments = torch.randn(1, 3, 5), torch.tensor([[[1.0, 2.0], [float("nan"), 3.0], [2.0, 4.0]]])
    result = layer(features, segments)[0]
    assert result[1].isnan().all()
    torch.testing.assert_close(result[::2], layer(features, segments[:, ::2])[0])


def test_weights_start_like_a_convolution_and_survive_the_state_dict() -> None:
    torch.manual_seed(0)
    layer = SegmentAlignment(32, 64, points=8)
    bound = (32 * 8) ** -0.5
    assert layer.weight.shape == (64, 32, 8)
    for parameter in layer.parameters():
        assert parameter.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    other = SegmentAlignment(32, 64, points=8)
    other.load_state_dict({name: value.contiguous() for name, value in layer.state_dict().items()})
    assert torch.equal(other.weight, layer.weight)


def test_an_unknown_convention_is_refused() -> None:
    with pytest.raises(ValueError, match="convention"):
        SegmentAlignment(1, 1, points=1, convention="middle")  # type: ignore[arg-type]


def test_segments_of_another_number_of_videos_are_refused() -> None:
    with pytest.raises(ValueError, match="2 videos, but segments of 1"):
        SegmentAlignment(3, 4, points=2)(torch.randn(2, 3, 5), torch.rand(1, 6, 2))


def test_works_under_autocast() -> None:
    torch.manual_seed(0)
    layer = SegmentAlignment(16, 8, points=4)
    features, segments = torch.randn(1, 16, 20), torch.rand(1, 30, 2).sort(dim=-1).values * 20
    with torch.autocast("cpu", torch.bfloat16):
        half = layer(features, segments)
    half.sum().backward()
    torch.testing.assert_close(half.float(), layer(features, segments), rtol=0, atol=0.05)
    assert layer.weight.grad is not None


# BMN's sampling mask


@pytest.fixture(scope="module")
def golden() -> dict:
    if not GOLDEN.exists():
        pytest.skip(f"golden file {GOLDEN} is not here")
    return json.loads(GOLDEN.read_text())


def bmn_mask(snippets: int, dtype: torch.dtype) -> Tensor:
    """The mask ``[t, n, start, end]`` of the public code in float32, by aligning the identity."""
    start, last = torch.triu_indices(snippets, snippets)
    segments = torch.stack((start, last + 1), dim=-1)[None].to(dtype)
    cells, fractions = interpolation(sampling_positions(segments, 32, 3, 0.5, "bmn"), snippets, "bmn")
    cells, fractions = cells.long().view(-1, 3, 1), fractions.view(-1, 3, 1)
    pairs = torch.cat((cells, cells + 1), dim=2).flatten(1), torch.cat((1 - fractions, fractions), dim=2).flatten(1)
    # Sum, then divide: in the order of the public code.
    mask = torch.zeros(len(cells), snippets + 2, dtype=dtype).scatter_add_(1, *pairs) * (1 / 3)
    full = torch.zeros(snippets, 32, snippets, snippets)
    full[:, :, start, last] = mask[:, 1:-1].view(-1, 32, snippets).permute(2, 1, 0).float()
    return full


def test_bmn_mask_is_the_public_one_bit_by_bit(golden: dict) -> None:
    mask = bmn_mask(100, torch.float64)
    assert hashlib.sha256(mask.numpy().tobytes()).hexdigest() == golden["sha256_float32_C_order"]
    assert mask.double().sum().item() == pytest.approx(golden["sum"], abs=1e-6)
    assert mask.count_nonzero().item() == golden["nnz"]
    torch.testing.assert_close(mask, bmn_mask(100, torch.float32), rtol=0, atol=1e-5)


def test_aligning_the_identity_gives_the_entries_of_bmns_mask(golden: dict) -> None:
    """With an identity of features and of weights, the module itself, in single precision."""
    start, last = (torch.tensor([entry[key] for entry in golden["entries"]]) for key in ("start", "end"))
    segments = torch.stack((start, last + 1), dim=-1).float()[None]
    for n in {entry["n"] for entry in golden["entries"]}:
        weight = torch.zeros(100, 100, 32)
        weight[:, :, n] = torch.eye(100)
        arguments = torch.eye(100)[None], segments, weight, torch.zeros(100)
        rows = project_then_sample(*arguments, subpoints=3, context=0.5, convention="bmn")[0]  # (entries, T)
        for row, entry in zip(rows, golden["entries"], strict=True):
            if entry["n"] == n:
                expected = torch.zeros(100)
                expected[entry["t"]] = torch.tensor(entry["w"])
                torch.testing.assert_close(row, expected, rtol=0, atol=1e-5)
