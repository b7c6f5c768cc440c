"""Whatever a configuration puts together learns from, and answers, whatever little there is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.batches import collate
from rcl.data.datasets import Sample
from rcl.data.segments import Timeline
from rcl.detector.build import build_criterion, build_decoder, build_model, regular_anchors
from rcl.detector.config import Config
from rcl.detector.load_config import parse_config
from rcl.models.predictions import AnchorScores, Predictions

CHANNELS = 8
LOOK_UP = {"channels": 16, "points": 4}

HEADS: dict[str, dict[str, Any]] = {
    "continuous": {"model": {"head": {**LOOK_UP, "steps": 1}}},
    "refined": {"model": {"head": {**LOOK_UP, "steps": 3}}},
    "grid": {"model": {"head": {**LOOK_UP, "name": "grid", "map_channels": 8}}, "inference": {"anchors": "grid"}},
    "finer grid": {
        "model": {"head": {**LOOK_UP, "name": "grid", "map_channels": 8, "finer": 2}},
        "inference": {"anchors": "grid"},
    },
    "anchors": {
        "model": {"head": {"name": "anchors", "channels": 16, "lengths": [1, 4, 8]}},
        "loss": {"scale_invariant": True},
    },
    "points": {"model": {"head": {"name": "points", "channels": 16}}},
    "queries": {"model": {"head": {"name": "queries", "channels": 16, "queries": 6}}},
    "pairs": {
        "model": {"head": {**LOOK_UP, "conditioned": False, "steps": 1}},
        "loss": {"offsets": 0},
        "inference": {"anchors": "pairs", "boundary_power": 1.0, "boundary_peaks": True},
    },
}

ENCODERS: dict[str, dict[str, Any]] = {
    "temporal": {"name": "temporal", "channels": 16, "layers": 2, "boundaries": True},
    "bmn": {"name": "bmn", "channels": 16},
    "gtad": {"name": "gtad", "channels": 32, "inner_bins": 4, "context_bins": 2},
}


def configure(head: str, encoder: str) -> Config:
    model = {"encoder": ENCODERS[encoder], **HEADS[head]["model"]}
    return parse_config({**HEADS[head], "model": model}, where="test")


@pytest.mark.parametrize("truths", [0, 1])
@pytest.mark.parametrize("num_labels", [0, 1, 3])
@pytest.mark.parametrize("snippets", [1, 12])
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("head", HEADS)
def test_losses_gradients_and_detections_are_finite(
    head: str, encoder: str, snippets: int, num_labels: int, truths: int
) -> None:
    config = configure(head, encoder)
    torch.manual_seed(0)
    model = build_model(config.model, in_channels=CHANNELS, num_labels=num_labels)
    features, mask = torch.randn(2, CHANNELS, snippets), torch.ones(2, snippets, dtype=torch.bool)
    mask[1, max(1, snippets // 2) :] = False
    anchors = regular_anchors(config.model, config.inference, longest=float(snippets))(snippets).segments
    predictions = model(features, mask, anchors.expand(2, -1, -1))
    assert predictions.boundaries is not None

    segments = torch.tensor([0.0, 0.6 * snippets]).expand(2, truths, -1)
    labels = torch.tensor([[0], [-1]])[:, :truths]  # the second video has none in any case
    losses = build_criterion(config.loss, head=config.model.head.name)(
        predictions, segments, labels, mask=mask, anchor_mask=torch.ones(2, len(anchors), dtype=torch.bool)
    )
    assert all(value.isfinite() for value in losses.values())
    torch.stack(tuple(losses.values())).sum().backward()
    # Nothing learns offsets where loss.offsets is 0.
    learned = [p for name, p in model.named_parameters() if config.loss.offsets or "readout.offsets" not in name]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learned if p.numel())

    with torch.inference_mode():
        predictions = model.eval()(features[:1], mask[:1], anchors[None])
    found = build_decoder(config.inference)(predictions, end=float(snippets), minimum_length=1.0)
    assert found.segments.isfinite().all()
    assert ((found.segments >= 0) & (found.segments <= snippets)).all()
    assert found.scores.isfinite().all()
    assert set(found.labels.tolist()) <= set(range(max(1, num_labels)))


def flat(predictions: Predictions, index: int, anchors: int, snippets: int) -> list[torch.Tensor]:
    """Everything that is said of one video of a batch, without padding."""
    boundaries = [] if predictions.boundaries is None else [predictions.boundaries[index, :, :snippets]]
    steps = [value[index, :anchors] for step in predictions.steps for value in step]
    return [*steps, predictions.segments[index, :anchors], *boundaries]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("head", HEADS)
@settings(max_examples=4, deadline=None)
@given(lengths=st.lists(st.integers(1, 14), min_size=2, max_size=4), seed=st.integers(0, 9))
def test_a_batch_of_unequal_lengths_is_scored_as_one_at_a_time(
    head: str, encoder: str, lengths: list[int], seed: int
) -> None:
    config = configure(head, encoder)
    torch.manual_seed(seed)
    model = build_model(config.model, in_channels=CHANNELS, num_labels=3).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)  # training starts from zeros here and there
    place = regular_anchors(config.model, config.inference, longest=6.0)
    videos = [
        Sample("v", torch.randn(CHANNELS, snippets), torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), Timeline(1.0))
        for snippets in lengths
    ]
    anchors = [place(snippets).segments for snippets in lengths]
    batch = collate(list(zip(videos, anchors, strict=True)))
    decoder = build_decoder(config.inference)
    with torch.inference_mode():
        together = model(batch.features, batch.mask, batch.anchors)
        for index, (video, asked) in enumerate(zip(videos, anchors, strict=True)):
            snippets = video.features.shape[1]
            alone = model(video.features[None], torch.ones(1, snippets, dtype=torch.bool), asked[None])
            parts = flat(together, index, len(asked), snippets)
            for found, expected in zip(parts, flat(alone, 0, len(asked), snippets), strict=True):
                torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
            row = slice(index, index + 1)
            steps = tuple(AnchorScores(*(value[row, : len(asked)] for value in step)) for step in together.steps)
            boundaries = None if together.boundaries is None else parts[-1][None]
            own = Predictions(steps, together.segments[row, : len(asked)], boundaries)
            # Not what soft-NMS leaves of them: of two scores that differ by rounding, it may take either first.
            found, expected = (decoder.scores(answer, answer.segments[0]) for answer in (own, alone))
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
