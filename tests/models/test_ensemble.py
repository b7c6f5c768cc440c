"""An ensemble answers with the average of its members, each of which refines its own segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from rcl.detector.build import build_model, regular_anchors
from rcl.detector.config import Config
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.models.detector import Detector
from rcl.models.ensemble import Ensemble
from rcl.models.predictions import Predictions
from untrained import FACTS

SNIPPETS = 24
TEMPORAL = {"name": "temporal", "channels": 16, "layers": 2}
LOOK_UP = {"channels": 16, "points": 4}
KINDS: dict[str, dict[str, Any]] = {
    "one step": {"model": {"encoder": {**TEMPORAL, "boundaries": True}, "head": {**LOOK_UP, "steps": 1}}},
    "refined": {"model": {"encoder": {**TEMPORAL, "boundaries": True}, "head": {**LOOK_UP, "steps": 3, "ends": 2}}},
    "proposals": {"model": {"encoder": TEMPORAL, "head": {**LOOK_UP, "steps": 2}, "labels": "none"}},
    "grid": {
        "model": {"encoder": {"name": "bmn", "channels": 16}, "head": {**LOOK_UP, "name": "grid", "map_channels": 8}},
        "inference": {"anchors": "grid"},
    },
    "points": {"model": {"encoder": TEMPORAL, "head": {"name": "points", "channels": 16}}},
}


def configure(kind: str) -> Config:
    return parse_config(KINDS[kind], where="test")


def member(config: Config, seed: int) -> Detector:
    """A model of random weights, in float64."""
    torch.manual_seed(seed)
    labels = len(FACTS.labels)
    model = build_model(config.model, in_channels=FACTS.in_channels, num_labels=labels).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model


def ask(model: Detector, config: Config, seed: int, steps: int | None = None) -> Predictions:
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(1, FACTS.in_channels, SNIPPETS, generator=draw, dtype=torch.float64)
    anchors = regular_anchors(config.model, config.inference, longest=12.0)(SNIPPETS).segments.double()
    with torch.inference_mode():
        encoding = model.encode(features, torch.ones(1, SNIPPETS, dtype=torch.bool))
        return model.query(encoding, anchors[None], steps=steps)


def close(found: Tensor | None, expected: Tensor | None) -> None:
    if found is None or expected is None:
        assert found is expected
        return
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_members_answer_as_one(kind: str) -> None:
    config = configure(kind)
    one = member(config, 0)
    expected, found = ask(one, config, 1), ask(Ensemble([one, one, one]), config, 1)
    assert len(found.steps) == len(expected.steps)
    close(found.segments, expected.segments)
    close(found.boundaries, expected.boundaries)
    for step, own in zip(found.steps, expected.steps, strict=True):
        close(step.anchors, own.anchors)
        for name in ("classification", "regression", "labels"):
            close(getattr(step, name).sigmoid(), getattr(own, name).sigmoid())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(seeds=st.lists(st.integers(0, 99), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_different_members_answer_with_their_average(kind: str, seeds: list[int], seed: int) -> None:
    config = configure(kind)
    members = [member(config, own) for own in seeds]
    answers = [ask(each, config, seed) for each in members]
    found = ask(Ensemble(members), config, seed)
    close(found.segments, sum(answer.segments for answer in answers) / len(answers))
    if answers[0].boundaries is not None:
        close(found.boundaries, sum(answer.boundaries for answer in answers) / len(answers))
    for step, parts in zip(found.steps, zip(*(answer.steps for answer in answers), strict=True), strict=True):
        if step is not found.steps[-1]:  # which leads to the segments above
            close(step.segments, sum(part.segments for part in parts) / len(parts))
        close(step.anchors[..., 0], torch.stack([part.anchors[..., 0] for part in parts]).amin(dim=0))
        close(step.anchors[..., 1], torch.stack([part.anchors[..., 1] for part in parts]).amax(dim=0))
        for name in ("classification", "regression", "labels"):
            logs = [functional.logsigmoid(getattr(part, name)) for part in parts]
            close(functional.logsigmoid(getattr(step, name)), sum(logs) / len(logs))


def test_each_member_refines_its_own_segments() -> None:
    config = configure("refined")
    members = [member(config, seed) for seed in range(2)]
    ensemble = Ensemble(members)
    assert ensemble.steps == 3
    for steps in (1, 2, 3):
        found = ask(ensemble, config, 5, steps)
        answers = [ask(each, config, 5, steps) for each in members]
        assert len(found.steps) == steps
        close(found.segments, (answers[0].segments + answers[1].segments) / 2)
    assert not torch.equal(answers[0].steps[1].anchors, answers[1].steps[1].anchors)


def test_an_ensemble_sees_as_far_as_its_members() -> None:
    assert Ensemble([member(configure("refined"), 0)]).sight == member(configure("refined"), 1).sight
    assert Ensemble([member(configure("grid"), 0)]).sight is None


def test_boundaries_without_a_query_are_those_of_the_encoding() -> None:
    config = configure("refined")
    ensemble = Ensemble([member(config, seed) for seed in range(3)])
    features, mask = torch.randn(1, FACTS.in_channels, 9, dtype=torch.float64), torch.ones(1, 9, dtype=torch.bool)
    with torch.inference_mode():
        close(ensemble.boundaries(features, mask), ensemble.encode(features, mask).boundaries)
    without = configure("proposals")
    assert Ensemble([member(without, seed) for seed in range(2)]).boundaries(features, mask) is None


@pytest.mark.parametrize("kind", KINDS)
def test_equal_members_detect_and_score_what_one_does(kind: str) -> None:
    config = configure(kind)
    one = member(config, 3).float()
    features = np.random.default_rng(0).normal(size=(60, FACTS.in_channels)).astype(np.float32)
    alone, together = (
        Localizer.from_model(model, config, FACTS, device="cpu") for model in (one, Ensemble([one, one]))
    )
    expected, found = alone.detect(features), together.detect(features)
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-6)
    asked = [(1.0, 4.0), (2.5, 9.0)]
    first, second = alone.score(features, asked), together.score(features, asked)
    for own, other in zip(first, second, strict=True):
        if isinstance(own, np.ndarray):
            np.testing.assert_allclose(other, own, rtol=1e-4, atol=1e-5)
        else:
            assert own == other
