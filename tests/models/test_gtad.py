"""G-TAD is the published network, and the projected SGAlign equals RoI alignment, concatenation and convolution."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rcl.models import gtad
from rcl.models.encoding import Encoding
from rcl.models.graph_alignment import GraphAlignment
from rcl.models.grid import GridDetector, GridHead
from rcl.models.gtad import GCNeXt, Graph, GTADEncoder, nearest, neighbour_means

# SGAlign in the public order


def roi_align(features: Tensor, segment: Tensor, bins: int, context: float = 0.5) -> Tensor:
    """The public 1-D RoI alignment of ``features (C, T)`` in the window around one segment: ``(C, bins)``."""
    snippets = features.shape[1]
    margin = context * (segment[1] - segment[0] + 1)
    start, end = segment[0] - margin, segment[1] + margin
    length = (end - start).clamp(min=1)
    samples = math.ceil(length.item() / bins)
    columns = []
    for point in range(bins):
        column = torch.zeros_like(features[:, 0])
        for sample in range(samples):
            t = start + point * length / bins + (sample + 0.5) * length / bins / samples
            if not -1 <= t <= snippets:
                continue
            t = t.clamp(0, snippets - 1)
            lower = int(t)
            upper = min(lower + 1, snippets - 1)
            column = column + features[:, lower] * (1 - (t - lower)) + features[:, upper] * (t - lower)
        columns.append(column / samples)
    return torch.stack(columns, dim=1)


def plain_alignment(features: Tensor, segments: Tensor, weight: Tensor, bias: Tensor, bins: tuple[int, int]) -> Tensor:
    """RoI alignment, concatenation, and a 1×1 convolution over C·P channels in the public order: ``(B, K, O)``."""
    rows = []
    for video, anchors in zip(features, segments, strict=True):
        parts = zip(video.chunk(2), bins, strict=True)
        aligned = [[roi_align(part, anchor, number) for anchor in anchors] for part, number in parts]
        cells = [torch.cat(pair, dim=1).flatten() for pair in zip(*aligned, strict=True)]  # (C·P) each
        rows.append(torch.stack(cells) @ weight.flatten(1).T + bias)
    return torch.stack(rows)


def alignment_with(weight: Tensor, bias: Tensor, bins: tuple[int, int]) -> GraphAlignment:
    layer = GraphAlignment(2 * weight.shape[1], len(weight), inner_bins=bins[0], context_bins=bins[1])
    del layer.weight, layer.bias
    layer.weight, layer.bias = weight, bias  # type: ignore[assignment]  # tensors that the test differentiates
    return layer


@st.composite
def problems(draw: st.DrawFn) -> tuple[tuple[Tensor, ...], tuple[int, int]]:
    """Features, segments, weight and bias in float64, and the two numbers of bins."""
    batch, snippets, anchors = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 4))
    channels, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    bins = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    shapes = ((batch, 2 * channels, snippets), (batch, anchors, 2), (outputs, channels, sum(bins)), (outputs,))
    features, segments, weight, bias = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    segments = (segments * snippets).sort(dim=-1).values  # many reach beyond the sequence, some lie outside
    if draw(st.booleans()):
        segments[:, ::2, 1] = segments[:, ::2, 0] - draw(st.floats(0.1, 3))  # windows shorter than a snippet
    return (features, segments, weight, bias), bins


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_both_orders_have_the_same_values_and_gradients(problem: tuple) -> None:
    tensors, bins = problem
    for tensor in tensors:
        tensor.requires_grad_()
    features, segments, weight, bias = tensors
    ours = alignment_with(weight, bias, bins)(features, segments)
    plain = plain_alignment(*tensors, bins)
    torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)
    seed = torch.randn_like(plain)
    reference = torch.autograd.grad(plain, tensors, seed, allow_unused=True)  # no sample may have met the video
    for gradient, expected in zip(torch.autograd.grad(ours, tensors, seed), reference, strict=True):
        expected = torch.zeros_like(gradient) if expected is None else expected
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("bins", [(32, 4), (16, 16)])
def test_single_precision_is_within_1e_4_at_the_published_sizes(bins: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = GraphAlignment(512, 512, inner_bins=bins[0], context_bins=bins[1])
    features = torch.randn(1, 512, 100, requires_grad=True)
    segments = torch.tensor([[[0.0, -1.0], [7, 7], [99, 99], [0, 99], [3, 41], [60, 92], [7.3, 7.9], [-4.2, 70.1]]])
    leaves = (features, layer.weight, layer.bias, segments.requires_grad_())
    ours, plain = layer(features, segments), plain_alignment(features, segments, layer.weight, layer.bias, bins)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-4)
    seed = torch.randn_like(plain) / plain.numel() ** 0.5
    gradients = (torch.autograd.grad(result, leaves, seed) for result in (ours, plain))
    for gradient, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-4)


def test_gradients_are_those_of_the_function() -> None:
    torch.manual_seed(0)
    segments = torch.tensor([[[0.3, 2.9], [-1.2, 3.4], [4.1, 9.7], [1.64, 1.83]]]).repeat(2, 1, 1)
    tensors = (torch.randn(2, 4, 6), segments, torch.randn(3, 2, 5), torch.randn(3))
    assert torch.autograd.gradcheck(
        lambda features, anchors, *weights: alignment_with(*weights, (3, 2))(features, anchors),
        [tensor.double().requires_grad_() for tensor in tensors],
    )


def test_a_bin_is_the_mean_of_samples_no_more_than_a_snippet_apart() -> None:
    # [2, 5]: the window [0, 7] of two bins has four samples each, in the middle of eighths.
    layer = alignment_with(torch.tensor([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]]), torch.zeros(2), (2, 1))
    features = torch.stack((torch.arange(9.0) ** 2, torch.zeros(9)))[None]
    positions = (torch.arange(8) + 0.5) * 7 / 8
    whole = positions.floor()
    values = whole**2 + (positions - whole) * (2 * whole + 1)
    expected = values.view(2, 4).mean(dim=1)
    torch.testing.assert_close(layer(features, torch.tensor([[[2.0, 5.0]]]))[0, 0], expected)


def test_features_are_constant_for_one_snippet_beyond_the_ends_and_zero_further_out() -> None:
    layer = alignment_with(torch.ones(1, 1, 2), torch.zeros(1), (1, 1))
    layer.context = 0.0
    features = torch.tensor([[[2.0, 5.0, 3.0], [0.0, 0.0, 0.0]]])
    centres = torch.tensor([-1.1, -0.9, -0.1, 0.5, 1.75, 2.1, 2.9, 3.1])
    segments = torch.stack((centres - 0.5, centres + 0.5), dim=-1)[None]  # windows of one snippet: one sample
    assert layer(features, segments)[0, :, 0].tolist() == pytest.approx([0, 2, 2, 3.5, 3.5, 3, 3, 0])


def test_many_segments_are_the_same_as_one_at_a_time_and_none_are_none() -> None:
    torch.manual_seed(0)
    layer, features = GraphAlignment(8, 300, inner_bins=4, context_bins=2), torch.randn(2, 8, 20)
    segments = (torch.rand(2, 700, 2) * 30 - 5).sort(dim=-1).values
    together = layer(features, segments)
    for row, anchor in ((0, 0), (0, 511), (0, 512), (1, 3), (1, 699)):
        alone = layer(features[row : row + 1], segments[row : row + 1, anchor : anchor + 1])[0, 0]
        torch.testing.assert_close(together[row, anchor], alone)
    assert layer(features, segments[:, :0]).shape == (2, 0, 300)


def test_segments_without_sense_harm_no_other() -> None:
    torch.manual_seed(0)
    layer, features = GraphAlignment(4, 3, inner_bins=4, context_bins=2), torch.randn(1, 4, 5)
    nan = float("nan")
    segments = torch.tensor([[[1.0, 2.0], [nan, 3.0], [2.0, 4.0], [-1e9, 1e9], [1e6, 2e6], [4.0, -90.0]]])
    result = layer(features, segments)[0]
    assert result[1].isnan().all()
    assert result[2:].isfinite().all()
    torch.testing.assert_close(result[4], layer.bias)  # far outside
    torch.testing.assert_close(result[:3:2], layer(features, segments[:, :3:2])[0])


def test_segments_that_all_lie_outside_give_the_bias_and_no_gradient() -> None:
    layer, features = GraphAlignment(4, 3), torch.randn(1, 4, 5, requires_grad=True)
    result = layer(features, torch.tensor([[[100.0, 101.0], [-9.0, -8.5]]]))
    assert torch.equal(result, layer.bias.expand(1, 2, -1))
    result.sum().backward()
    assert features.grad is not None
    assert not features.grad.any()


def test_segments_of_another_number_of_videos_are_refused() -> None:
    with pytest.raises(ValueError, match="2 videos, but segments of 1"):
        GraphAlignment(4, 3)(torch.randn(2, 4, 5), torch.rand(1, 6, 2))


def test_alignment_works_under_autocast() -> None:
    torch.manual_seed(0)
    layer, features = GraphAlignment(32, 8), torch.randn(1, 32, 20)
    segments = torch.rand(1, 30, 2).sort(dim=-1).values * 20
    with torch.autocast("cpu", torch.bfloat16):
        half = layer(features, segments)
    half.sum().backward()
    torch.testing.assert_close(half.float(), layer(features, segments), rtol=0, atol=0.05)
    assert layer.weight.grad is not None


# Graphs


def nearest_by_hand(features: Tensor, mask: Tensor, count: int) -> list[list[set[int]]]:
    """Of each video and snippet, the nearest ones."""
    result = []
    for video, exists in zip(features, mask, strict=True):
        nodes = exists.nonzero()[:, 0].tolist()
        distances = {(i, j): (video[:, i] - video[:, j]).square().sum().item() for i in nodes for j in nodes}
        result.append([set(sorted(nodes, key=lambda j: distances[i, j])[:count]) for i in nodes])
    return result


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=3), count=st.integers(1, 4), seed=st.integers(0, 999))
def test_neighbours_are_the_nearest_snippets_of_the_video_itself_included(
    lengths: list[int], count: int, seed: int
) -> None:
    features = torch.randn(len(lengths), 3, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    graph = nearest(features, mask, count)
    means = neighbour_means(features, graph)
    for row, snippets in enumerate(nearest_by_hand(features, mask, count)):
        for i, expected in enumerate(snippets):
            nodes, exists = graph.nodes[row, i], graph.exists[row, i]
            assert i in expected
            assert set(nodes[exists].tolist()) == expected
            assert (nodes[~exists] == i).all()
            torch.testing.assert_close(means[row, :, i], features[row][:, sorted(expected)].mean(dim=1))


def test_neighbours_found_block_by_block_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    features, mask = torch.randn(2, 5, 40), torch.arange(40) < torch.tensor([[40], [23]])
    whole = nearest(features, mask, 3)
    monkeypatch.setattr(gtad, "QUERIES_AT_A_TIME", 7)
    for part, expected in zip(nearest(features, mask, 3), whole, strict=True):
        assert torch.equal(part, expected)


def gcnext_by_hand(block: GCNeXt, x: Tensor, graph: Graph) -> Tensor:
    """One GCNeXt block on one video ``(C, T)``, snippet by snippet and edge by edge."""
    inner, _, grouped, _, outer = block.temporal
    columns = []
    for t in range(x.shape[1]):
        around = [
            torch.relu(inner(x[:, i, None])) if 0 <= i < x.shape[1] else torch.zeros(inner.out_channels, 1).to(x)
            for i in (t - 1, t, t + 1)
        ]
        triple = nn.functional.conv1d(torch.cat(around, dim=1), grouped.weight, grouped.bias, groups=grouped.groups)
        temporal = outer(torch.relu(triple))[:, 0]
        messages = []
        for neighbour in graph.nodes[0, t].tolist():
            message = block.edges(torch.cat((x[:, neighbour], x[:, t]))[:, None])[..., None]  # (width, 1, 1)
            messages.append(block.semantic(message)[:, 0, 0])
        columns.append(torch.relu(temporal + x[:, t] + torch.stack(messages).max(dim=0).values))
    return torch.stack(columns, dim=1)


def test_a_block_is_what_a_loop_over_snippets_and_edges_gives() -> None:
    torch.manual_seed(0)
    block, x = GCNeXt(12, width=8, groups=4).double(), torch.randn(1, 12, 9, dtype=torch.float64)
    mask = torch.ones(1, 9, dtype=torch.bool)
    graph = nearest(x, mask, 3)
    torch.testing.assert_close(block(x, mask, graph)[0], gcnext_by_hand(block, x[0], graph))


# The encoder

CHANNELS = 6


def make_encoder() -> GTADEncoder:
    """A small one whose every parameter is random: biases too, which start where they hide leaks."""
    torch.manual_seed(0)
    encoder = GTADEncoder(CHANNELS, channels=8, groups=2, width=8, inner_groups=4).double()
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3 if parameter.ndim > 1 else 0.7)
    return encoder


@pytest.mark.parametrize("padding", [0.0, 50.0], ids=["zero", "garbage"])
def test_a_padded_batch_gives_every_video_what_it_gives_alone(padding: float) -> None:
    encoder = make_encoder()
    videos = [torch.randn(CHANNELS, snippets, dtype=torch.float64) for snippets in (1, 2, 3, 9, 30)]
    features = padding * torch.randn(len(videos), CHANNELS, 30, dtype=torch.float64)
    for row, video in enumerate(videos):
        features[row, :, : video.shape[1]] = video
    mask = torch.arange(30) < torch.tensor([video.shape[1] for video in videos])[:, None]
    together = encoder(features, mask)
    assert together.boundaries is not None
    assert together.features.shape == (len(videos), encoder.channels, 30)
    for row, video in enumerate(videos):
        end = video.shape[1]
        alone: Encoding = encoder(video[None], torch.ones(1, end, dtype=torch.bool))
        assert alone.boundaries is not None
        torch.testing.assert_close(together.features[row, :, :end], alone.features[0])
        torch.testing.assert_close(together.boundaries[row, :, :end], alone.boundaries[0])
        assert (together.features[row, :, end:] == 0).all()


@pytest.mark.parametrize("snippets", [1, 2, 20])
def test_gradients_are_finite_and_reach_every_parameter_and_no_padding(snippets: int) -> None:
    encoder = make_encoder()
    features = torch.randn(2, CHANNELS, snippets + 3, dtype=torch.float64, requires_grad=True)
    mask = (torch.arange(snippets + 3) < snippets).expand(2, -1)
    encoding = encoder(features, mask)
    (encoding.features.square().sum() + (encoding.boundaries * mask[:, None]).square().sum()).backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    assert features.grad is not None
    assert features.grad[:, :, :snippets].any()
    assert not features.grad[:, :, snippets:].any()


def test_equal_snippets_and_no_snippets_at_all_are_finite() -> None:
    encoder = make_encoder()
    features, mask = torch.ones(2, CHANNELS, 8, dtype=torch.float64), torch.tensor([[True] * 8, [False] * 8])
    encoding = encoder(features, mask)
    assert encoding.features.isfinite().all()
    assert encoding.boundaries.isfinite().all()


def test_the_same_twice() -> None:
    encoder, features = make_encoder(), torch.randn(2, CHANNELS, 50, dtype=torch.float64).repeat(1, 1, 2)  # ties
    mask = torch.ones(2, 100, dtype=torch.bool)
    for first, second in zip(encoder(features, mask), encoder(features, mask), strict=True):
        assert torch.equal(first, second)


def test_the_encoder_works_under_autocast() -> None:
    encoder, features = make_encoder().float(), torch.randn(1, CHANNELS, 20)
    with torch.autocast("cpu", torch.bfloat16):
        encoding = encoder(features, torch.ones(1, 20, dtype=torch.bool))
    assert encoding.features.isfinite().all()
    encoding.features.float().sum().backward()


# The whole network


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize(
    ("channels", "bins", "kernel", "parameters"),
    [
        (400, (32, 32), 3, 9_495_428),  # what the public code prints, with 64 bins in all
        (400, (32, 4), 1, 5_563_268),  # ActivityNet
        (400, (32, 4), 3, 5_825_412),
        (2048, (16, 16), 3, 5_617_540),  # THUMOS14
    ],
)
def test_has_the_published_number_of_parameters(
    channels: int, bins: tuple[int, int], kernel: int, parameters: int
) -> None:
    alignment = GraphAlignment(512, 512, inner_bins=bins[0], context_bins=bins[1])
    assert count(GTADEncoder(channels), alignment, GridHead(512, kernel=kernel)) == parameters


@pytest.mark.parametrize("kernel", [1, 3])
def test_the_map_is_that_of_the_public_order_empty_cells_included(kernel: int) -> None:
    torch.manual_seed(0)
    snippets, encoder = 11, make_encoder()
    alignment = GraphAlignment(16, 10, inner_bins=4, context_bins=2).double()
    head = GridHead(10, channels=6, kernel=kernel).double()
    features, mask = torch.randn(1, CHANNELS, snippets).double(), torch.ones(1, snippets, dtype=torch.bool)
    ours = GridDetector(encoder, alignment, head).encode(features, mask).maps

    x = torch.relu(encoder.embed(features))
    x = gcnext_by_hand(encoder.base, x[0], nearest(x, mask, 3))[None]
    x = gcnext_by_hand(encoder.final, x[0], nearest(x, mask, 3))[None]
    x = torch.cat((x, neighbour_means(x, nearest(x, mask, 3))), dim=1)
    duration, start = torch.meshgrid(torch.arange(snippets), torch.arange(snippets), indexing="ij")
    asked = torch.stack((start, start + duration), dim=-1).double()
    asked[start + duration >= snippets] = torch.tensor([0.0, -1.0]).double()
    # The empty cells of the public code are windows from 0 to 0.
    aligned = plain_alignment(x, asked.flatten(0, 1)[None], alignment.weight, alignment.bias, alignment.bins)
    x = aligned.relu() @ head.cell.weight.T + head.cell.bias  # (1, D·T, 6)
    x = x.relu().transpose(1, 2).unflatten(2, (snippets, snippets))
    for layer in head.convolutions:
        x = torch.relu(layer(x))
    torch.testing.assert_close(ours, head.scores(x))
