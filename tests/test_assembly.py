"""Whatever a configuration puts together learns from, and answers, whatever little there is."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rcl.assembly import build_criterion, build_decoder, build_model, regular_anchors
from rcl.config import Config, parse_config

CHANNELS = 8

HEADS: dict[str, dict[str, Any]] = {
    "continuous": {"model": {"steps": 1}},
    "refined": {"model": {"steps": 3}},
    "grid": {"model": {"head": "grid", "steps": 1, "map_channels": 8}, "inference": {"anchors": "grid"}},
    "finer grid": {
        "model": {"head": "grid", "steps": 1, "map_channels": 8, "map_finer": 2},
        "inference": {"anchors": "grid"},
    },
    "anchors": {"model": {"head": "anchors", "steps": 1, "lengths": [1, 4, 8]}, "loss": {"scale_invariant": True}},
    "points": {"model": {"head": "points", "steps": 1}},
    "pairs": {
        "model": {"conditioned": False, "steps": 1},
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
    model = {"encoder": ENCODERS[encoder], "channels": 16, "points": 4, **HEADS[head]["model"]}
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
    losses = build_criterion(config.loss, points=config.model.head == "points")(
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
