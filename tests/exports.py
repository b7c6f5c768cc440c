"""Exported detectors of random networks, and how close two lists of detections are."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from rcl.data.detections import Detections
from rcl.data.standardization import ChannelScale
from rcl.data.streams import Stream
from rcl.detector.build import build_model
from rcl.detector.checkpoint import KEY, MEMBERS, Checkpoint, Facts, describe
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer

FACTS = Facts(labels=("clap", "dance", "walk"), in_channels=12, longest=40.0, snippets_per_second=5.0)
SCALE = ChannelScale(tuple(np.linspace(-1, 1, 12).tolist()), tuple(np.linspace(0.5, 2, 12).tolist()))
STREAMS = (Stream("a", 8, 5.0), Stream("b", 4, 5.0))
ENCODER = {"name": "temporal", "channels": 16, "layers": 3}
HEAD = {"name": "continuous", "channels": 16, "points": 4, "steps": 2}
REFINED = {"refine_above": 0.015}  # some anchors of these networks

KINDS: dict[str, dict[str, Any]] = {
    "usual": {"head": {"ends": 2}, "facts": {"channels": SCALE}},
    "boundaries": {
        "encoder": {"boundaries": True},
        "inference": {"boundary_power": 0.5, "boundary_peaks": True, "classification_power": 0.3},
    },
    "proposals": {"labels": "none", "head": {"conditioned": False, "steps": 1}, "inference": {"nms": "linear"}},
    "bmn": {
        "encoder": {"name": "bmn", "groups": 4, "proposal_channels": 8},
        "head": {"convention": "bmn", "subpoints": 3, "context": 0.5},
        "inference": {"anchors": "grid", "longest": 30.0},
    },
    "streams": {
        "head": {"steps": 1},
        "facts": {"streams": STREAMS, "channels": SCALE},
        "streams": {"channels": 8},
    },
    "several": {
        "members": 2,
        "inference": {"rates": [0.7, 1.0, 1.4]},
        "encoder": {"boundaries": True, "layers": 1},
        "head": {"points": 2},
    },
    "anchors": {"head": {"name": "anchors", "channels": 8}},
    "points": {"head": {"name": "points", "channels": 8}, "inference": {"nms": "hard"}},
    "windows": {
        "head": {"steps": 1},
        "data": {"window": 32, "window_stride": 12},
        "inference": {"anchors": "pairs", "longest": 20.0},
    },
    "resized": {"head": {"steps": 1}, "data": {"resize": 24}},
}


@cache
def random_checkpoint(kind: str) -> Checkpoint:
    """A detector of random weights in memory; every weight is random, also those that training starts at zero."""
    options = KINDS[kind]
    head = options.get("head", {})
    head = head if "name" in head else {**HEAD, **head}
    encoder = options.get("encoder", {})
    encoder = {"channels": 16, **encoder} if "name" in encoder else {**ENCODER, **encoder}
    sections = {
        "model": {"encoder": encoder, "head": head, "labels": options.get("labels", "joint")},
        "data": {**options.get("data", {}), "standardize": "channels" in options.get("facts", {})},
        "inference": {**REFINED, "candidates": 500, "top": 50, **options.get("inference", {})},
    }
    if "streams" in options:
        sections["model"]["streams"] = options["streams"]
    config, facts = parse_config(sections, where="test"), replace(FACTS, **options.get("facts", {}))
    weights = []
    for seed in range(options.get("members", 1)):
        torch.manual_seed(seed)
        model = build_model(config.model, **facts.sizes())
        for name, parameter in model.named_parameters():
            if any(part in name for part in ("confidences", "offsets", "labels", "answers")) and parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.3)
        weights.append(model.state_dict())
    return Checkpoint(config, facts, weights[0], members=tuple(weights[1:]))


@cache
def random_localizer(kind: str) -> Localizer:
    """The detector of :func:`random_checkpoint`."""
    return Localizer.from_checkpoint(random_checkpoint(kind), device="cpu")


def save_checkpoint(kind: str, path: Path) -> Path:
    """Write that checkpoint to a file."""
    kept = random_checkpoint(kind)
    states = [{f"model.{name}": value for name, value in own.items()} for own in (kept.weights, *kept.members)]
    torch.save({"state_dict": states[0], MEMBERS: states[1:], KEY: describe(kept.config, kept.facts)}, path)
    return path


def video(kind: str, snippets: int, seed: int = 0) -> np.ndarray:
    """Features ``(T, C)`` that change within several snippets; of streams, parts are missing."""
    random = np.random.default_rng(seed)
    coarse = random.normal(size=(snippets // 8 + 2, FACTS.in_channels))
    places = np.linspace(0, len(coarse) - 1, snippets)
    features = np.stack([np.interp(places, np.arange(len(coarse)), column) for column in coarse.T], axis=1)
    if kind == "streams":
        features[: snippets // 3, :8] = np.nan
        features[snippets // 4 : snippets // 2, 8:] = np.nan
    return features.astype(np.float32)


def difference(found: Detections, wanted: Detections, *, atol: float = 1e-4) -> str:
    """How two lists of detections differ, in words; nothing if the scores at every rank are equal to ``atol``, and all
    but a few detections have a counterpart with the same label, an equal score, and times equal to 1e-3 s.

    The few: where two segments have the same score up to rounding, either may be selected first, and lower the other.
    """
    if found.labels != wanted.labels or abs(len(found) - len(wanted)) > 2:
        return f"{found} and {wanted}"
    ranks = min(len(found), len(wanted))
    apart = float(np.abs(found.scores[:ranks] - wanted.scores[:ranks]).max(initial=0.0))
    if apart > atol:
        return f"scores at one rank differ by {apart:.1g}"
    same = wanted.label_index[:, None] == found.label_index
    same &= np.abs(wanted.scores[:, None] - found.scores) <= atol
    same &= np.abs(wanted.segments_seconds[:, None] - found.segments_seconds).max(axis=2, initial=0.0) <= 1e-3
    alone = int((~same.any(axis=1)).sum())
    return f"{alone} of {len(wanted)} detections have no counterpart" if alone > max(2, len(wanted) // 20) else ""


def assert_close(found: Detections, wanted: Detections) -> None:
    """Check that two lists of detections are equal up to :func:`difference`."""
    assert not (problem := difference(found, wanted)), problem
