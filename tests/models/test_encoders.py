"""Encoders: padding never leaks, the receptive field is what it claims to be, and BMN's layers are BMN's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from rcl.models.alignment import SegmentAlignment
from rcl.models.bmn import BMNEncoder
from rcl.models.encoding import Encoding
from rcl.models.temporal import TemporalEncoder

CHANNELS = 6


def make(name: str) -> BMNEncoder | TemporalEncoder:
    """An encoder whose every parameter is random: biases and normalization too, which start where they hide leaks."""
    torch.manual_seed(0)
    if name == "bmn":
        encoder: BMNEncoder | TemporalEncoder = BMNEncoder(CHANNELS, channels=16, groups=2)
    else:
        encoder = TemporalEncoder(CHANNELS, channels=16, layers=3, boundaries=name == "temporal with boundaries")
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3 if parameter.ndim > 1 else 0.7)
    return encoder.eval()


@pytest.fixture(params=["bmn", "temporal", "temporal with boundaries"])
def encoder(request: pytest.FixtureRequest) -> BMNEncoder | TemporalEncoder:
    return make(request.param)


def whole(encoder: nn.Module, features: Tensor) -> Encoding:
    """The encoding of one video ``(C, T)`` alone."""
    return encoder(features[None], torch.ones(1, features.shape[1], dtype=torch.bool))


@pytest.mark.parametrize("padding", [0.0, 50.0], ids=["zero", "garbage"])
def test_a_padded_batch_gives_every_video_what_it_gives_alone(
    encoder: BMNEncoder | TemporalEncoder, padding: float
) -> None:
    videos = [torch.randn(CHANNELS, snippets) for snippets in (1, 2, 9, 30)]
    features = padding * torch.randn(len(videos), CHANNELS, 30)
    mask = torch.zeros(len(videos), 30, dtype=torch.bool)
    for row, video in enumerate(videos):
        features[row, :, : video.shape[1]] = video
        mask[row, : video.shape[1]] = True
    together = encoder(features, mask)
    assert together.features.shape == (len(videos), encoder.channels, 30)
    for row, video in enumerate(videos):
        alone, end = whole(encoder, video), video.shape[1]
        torch.testing.assert_close(together.features[row, :, :end], alone.features[0], atol=1e-5, rtol=0)
        assert (together.features[row, :, end:] == 0).all()
        if alone.boundaries is not None and together.boundaries is not None:
            torch.testing.assert_close(together.boundaries[row, :, :end], alone.boundaries[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "has_boundaries"), [("bmn", True), ("temporal", False), ("temporal with boundaries", True)]
)
def test_the_mask_is_returned_and_some_have_a_boundary_head(name: str, has_boundaries: bool) -> None:
    features, mask = torch.randn(2, CHANNELS, 5), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    encoding = make(name)(features, mask)
    assert torch.equal(encoding.mask, mask)
    if has_boundaries:
        assert encoding.boundaries is not None
        assert encoding.boundaries.shape == (2, 2, 5)
    else:
        assert encoding.boundaries is None


def test_the_boundary_head_of_the_temporal_encoder_leaves_its_other_weights_as_they_are() -> None:
    made = []
    for boundaries in (False, True):
        torch.manual_seed(0)
        made.append(TemporalEncoder(CHANNELS, channels=16, layers=3, boundaries=boundaries).eval())
    without, with_head = (encoder.state_dict() for encoder in made)
    assert all(torch.equal(value, with_head[name]) for name, value in without.items())
    assert {name.split(".")[0] for name in set(with_head) - set(without)} == {"boundaries"}
    features = torch.randn(CHANNELS, 9)
    assert torch.equal(*(whole(encoder, features).features for encoder in made))


def test_one_snippet_changes_the_encoding_as_far_as_the_receptive_field_says_and_no_further(
    encoder: BMNEncoder | TemporalEncoder,
) -> None:
    encoder = encoder.double()
    half, snippets = encoder.receptive_field // 2, 4 * encoder.receptive_field + 1
    assert encoder.receptive_field == 2 * half + 1
    features, place = torch.randn(CHANNELS, snippets, dtype=torch.float64), snippets // 2
    before = whole(encoder, features)
    features[:, place] += torch.randn(CHANNELS, dtype=torch.float64)
    after = whole(encoder, features)
    outputs = [(before.features, after.features, half)]
    if before.boundaries is not None and after.boundaries is not None:
        # The head has a convolution of three; BMN's is beside its last one, that of the temporal encoder follows it.
        reach = half + isinstance(encoder, TemporalEncoder)
        outputs += [(before.boundaries[:, i : i + 1], after.boundaries[:, i : i + 1], reach) for i in (0, 1)]
    for old, new, reach in outputs:
        changed = ((new - old).abs().amax(dim=(0, 1)) > 1e-12).nonzero()[:, 0]
        assert changed.min() == place - reach
        assert changed.max() == place + reach


@pytest.mark.parametrize("layers", [1, 4, 9])
def test_the_receptive_field_doubles_with_every_layer(layers: int) -> None:
    # Kernel 3 with dilation 2^i adds 2^i on both sides; nine layers see 1,023 snippets.
    assert TemporalEncoder(2, channels=2, layers=layers).receptive_field == 1 + 2 * sum(2**i for i in range(layers))


def test_the_rate_of_features_and_the_place_in_the_video_do_not_matter(
    encoder: BMNEncoder | TemporalEncoder,
) -> None:
    # Far from both ends a shifted video has a shifted encoding; it holds only where no statistic mixes snippets.
    half = encoder.receptive_field // 2
    features = torch.randn(CHANNELS, 60)
    long, part = whole(encoder, features).features[0], whole(encoder, features[:, 11:51]).features[0]
    torch.testing.assert_close(part[:, half:-half], long[:, 11 + half : 51 - half], atol=1e-5, rtol=0)


@pytest.mark.parametrize("snippets", [1, 2, 40])
def test_gradients_are_finite_and_reach_every_parameter_and_no_padding(
    encoder: BMNEncoder | TemporalEncoder, snippets: int
) -> None:
    features = torch.randn(2, CHANNELS, snippets + 3, requires_grad=True)
    mask = (torch.arange(snippets + 3) < snippets).expand(2, -1)
    encoding = encoder.train()(features, mask)
    loss = encoding.features.square().sum()
    if encoding.boundaries is not None:
        loss = loss + (encoding.boundaries * mask[:, None]).square().sum()
    loss.backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
    assert features.grad[:, :, :snippets].any()
    assert not features.grad[:, :, snippets:].any()


def test_constant_features_have_finite_gradients() -> None:
    # All-zero snippets have no variance to normalize by.
    encoder = make("temporal")
    features = torch.zeros(1, CHANNELS, 8, requires_grad=True)
    with torch.no_grad():
        encoder.embed.bias.zero_()
    encoder(features, torch.ones(1, 8, dtype=torch.bool)).features.sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in encoder.parameters())


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_bmn_has_the_published_number_of_parameters() -> None:
    encoder = BMNEncoder(400)
    base = (256 * 400 // 4 * 3 + 256) + (256 * 256 // 4 * 3 + 256)  # two grouped convolutions of three
    boundary = (256 * 256 // 4 * 3 + 256) + (256 + 1)
    proposal = 256 * 256 * 3 + 256
    assert (base, boundary, proposal) == (126_464, 49_665, 196_864)
    assert [count(part) for part in (encoder.base, encoder.start, encoder.end, encoder.proposal)] == [
        base, boundary, boundary, proposal,
    ]  # fmt: skip
    assert count(encoder) == 422_658
    # With the rest of BMN (Conv3d, and four Conv2d that its continuous successor does not have) it is the 4.98 M.
    conv3d = count(SegmentAlignment(256, 512, points=32, subpoints=3, context=0.5, convention="bmn"))
    conv2d = (512 * 128 + 128) + 2 * (128 * 128 * 9 + 128) + (128 * 2 + 2)
    assert count(encoder) + conv3d + conv2d == 4_978_564


def test_bmn_computes_what_its_layers_say() -> None:
    # The forward pass written out with functional convolutions, on a video without padding.
    encoder, features = make("bmn"), torch.randn(1, CHANNELS, 12)
    weights = dict(encoder.named_parameters())

    def convolve(x: Tensor, name: str, groups: int) -> Tensor:
        weight = weights[f"{name}.weight"]
        return nn.functional.conv1d(
            x, weight, weights[f"{name}.bias"], padding=weight.shape[-1] // 2, groups=groups
        )  # fmt: skip

    base = convolve(convolve(features, "base.0", 2).relu(), "base.2", 2).relu()
    boundaries = [convolve(convolve(base, f"{side}.0", 2).relu(), f"{side}.2", 1) for side in ("start", "end")]
    encoding = whole(encoder, features[0])
    torch.testing.assert_close(encoding.features, convolve(base, "proposal.0", 1).relu())
    torch.testing.assert_close(encoding.boundaries, torch.cat(boundaries, dim=1))


def test_dropout_of_input_channels_is_one_draw_for_the_whole_video() -> None:
    torch.manual_seed(0)
    encoder = TemporalEncoder(CHANNELS, channels=16, layers=1, dropout=0.0, input_dropout=0.5)
    nn.init.zeros_(encoder.layers[0].project.weight)  # what is left is a function of each snippet by itself
    constant = torch.randn(1, CHANNELS, 1).expand(-1, -1, 20)
    mask = torch.ones(1, 20, dtype=torch.bool)
    drawn = [encoder.train()(constant, mask).features for _ in range(5)]
    for features in drawn:  # snippets that are alike stay alike
        torch.testing.assert_close(features, features[:, :, :1].expand_as(features))
    assert any(not torch.allclose(drawn[0], other) for other in drawn[1:])
    torch.testing.assert_close(encoder.eval()(constant, mask), encoder(constant, mask), equal_nan=True)
