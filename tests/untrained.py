"""A checkpoint without a training: random weights in the file that ``rcl train`` would write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from rcl.detector.build import build_model
from rcl.detector.checkpoint import KEY, Facts, describe
from rcl.detector.config import Config
from rcl.detector.load_config import parse_config
from rcl.models.rcl import RCL

FACTS = Facts(labels=("clap", "dance", "jump", "walk", "wave"), in_channels=32, longest=120.0, snippets_per_second=5.0)


def tiny_config(**sections: dict[str, Any]) -> Config:
    """A configuration of a small model."""
    model = {"encoder": {"name": "temporal", "channels": 16, "layers": 3}, "channels": 16, "points": 4, "steps": 2}
    model |= sections.pop("model", {})
    return parse_config({"model": model, **sections}, where="test")


def random_model(config: Config, facts: Facts = FACTS, *, seed: int = 0) -> RCL:
    """A model of which every weight is random, also those that training starts at zero."""
    torch.manual_seed(seed)
    model = build_model(config.model, **facts.sizes())
    refinement = [model.refinement.update] if model.refinement else []
    for readout in (model.readout, *refinement):
        nn.init.normal_(readout.confidences.weight, std=0.3)
        nn.init.normal_(readout.offsets.weight, std=0.2)
        nn.init.normal_(readout.labels.weight, std=0.3)
    return model.eval()


def content(config: Config, facts: Facts = FACTS) -> dict[str, Any]:
    """What the file holds."""
    weights = random_model(config, facts).state_dict()
    return {"state_dict": {f"model.{name}": value for name, value in weights.items()}, KEY: describe(config, facts)}


def save_untrained(path: Path, facts: Facts = FACTS, **sections: dict[str, Any]) -> Path:
    """Write such a checkpoint; ``sections`` are of the configuration."""
    torch.save(content(tiny_config(**sections), facts), path)
    return path
