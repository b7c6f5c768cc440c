"""The embedding of several streams in front of an encoder."""

import pytest
import torch
from torch import Tensor

from rcl.data.streams import Stream
from rcl.detector.build import build_model
from rcl.detector.load_config import parse_config
from rcl.models.streams import StreamEmbedding

WIDTHS = [3, 5]
STREAMS = [Stream("a", 3), Stream("b", 5)]


def features(batch: int = 2, snippets: int = 12) -> Tensor:
    return torch.randn(batch, sum(WIDTHS), snippets, generator=torch.Generator().manual_seed(0))


def everywhere(x: Tensor) -> Tensor:
    return torch.ones(len(x), x.shape[2], dtype=torch.bool)


def without(x: Tensor, stream: int) -> Tensor:
    parts = [part.clone() for part in x.split(WIDTHS, dim=1)]
    parts[stream][:] = torch.nan
    return torch.cat(parts, dim=1)


def embedding(**options: float) -> StreamEmbedding:
    torch.manual_seed(1)
    return StreamEmbedding(WIDTHS, channels=4, **options)  # type: ignore[arg-type]


def test_a_missing_stream_leaves_the_embedding_of_the_other():
    x, embed = features(), embedding().eval()
    alone = embed.norm[1](embed.project[1](x[:, 3:]))
    torch.testing.assert_close(embed(without(x, 0), everywhere(x)), alone)


def test_the_sum_of_two_has_the_scale_of_one():
    x, embed = features(), embedding().eval()
    one, other = (embed(without(x, number), everywhere(x)) for number in (1, 0))
    torch.testing.assert_close(embed(x, everywhere(x)), (one + other) / 2**0.5)


def test_snippets_without_any_stream_and_padding_are_zero_and_finite():
    x, embed = features(), embedding()
    x[:, :, 4:6] = torch.nan
    mask = everywhere(x)
    mask[1, 9:] = False
    found = embed(x, mask)
    assert torch.isfinite(found).all()
    assert not found[:, :, 4:6].any()
    assert not found[1, :, 9:].any()
    assert found[0].abs().amax(dim=0)[[0, 3, 6, 11]].all()


def test_a_chunk_has_the_embedding_of_the_whole():
    x, embed = without(features(), 0), embedding().eval()
    x[:, :3, 5:] = 1.0  # the stream begins late
    whole = embed(x, everywhere(x))
    part = embed(x[:, :, 3:9], everywhere(x[:, :, 3:9]))
    torch.testing.assert_close(part, whole[:, :, 3:9])


def test_nan_does_not_reach_the_gradients():
    x, embed = without(features(), 1), embedding(dropout=0.5)
    embed(x, everywhere(x)).square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in embed.parameters())


@pytest.mark.parametrize("dropout", [0.3, 0.9, 1.0])
def test_training_drops_streams_of_single_videos_but_never_all(dropout: float):
    torch.manual_seed(3)
    known = torch.tensor([[True, True]] * 2000 + [[True, False]] * 500 + [[False, True]] * 500)
    kept = embedding(dropout=dropout)._kept(known) & known
    assert kept.any(dim=1).all()
    assert kept[2000:].equal(known[2000:])  # what is alone always stays
    both = kept[:2000].all(dim=1).float().mean().item()
    assert both == pytest.approx((1 - dropout) ** 2, abs=0.04)


def test_evaluation_drops_nothing():
    x, embed = features(), embedding(dropout=1.0, input_dropout=0.5, noise=1.0).eval()
    torch.testing.assert_close(embed(x, everywhere(x)), embed(x, everywhere(x)), rtol=0, atol=0)


@pytest.mark.parametrize("disturbance", [{"noise": 1.0}, {"input_dropout": 0.5}])
def test_training_disturbs_only_streams_that_are_wider_than_the_embedding(disturbance: dict[str, float]):
    x, embed = features(), embedding(dropout=0.0, **({"input_dropout": 0.0} | disturbance))
    for stream, width in enumerate(WIDTHS):
        alone = without(x, 1 - stream)
        same = torch.equal(embed.train()(alone, everywhere(x)), embed.eval()(alone, everywhere(x)))
        assert same == (width <= embed.channels)


@pytest.mark.parametrize("name", ["temporal", "bmn", "gtad"])
def test_every_encoder_takes_streams(name: str):
    torch.manual_seed(0)
    sizes = {"temporal": {"channels": 16, "layers": 2}, "bmn": {"channels": 16}, "gtad": {"channels": 32}}
    encoder = {"name": name, **sizes[name]}
    config = parse_config({"model": {"encoder": encoder, "streams": {"channels": 8}}}, where="test").model
    model = build_model(config, in_channels=8, num_labels=2, streams=STREAMS).eval()
    x = without(features(1, 40), 0)
    predictions = model(x, everywhere(x), torch.tensor([[[2.0, 9.0], [20.0, 33.0]]]))
    assert torch.isfinite(predictions.segments).all()
    assert model.encoder.receptive_field == model.encoder.encoder.receptive_field
