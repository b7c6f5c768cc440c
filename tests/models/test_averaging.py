"""The average of answers against arithmetic written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rcl.models.averaging import average, mean_logit
from rcl.models.decoding import Decoder
from rcl.models.predictions import AnchorScores, Predictions, with_refined

COUNT, LABELS = 30, 4


def predict(seed: int, *, steps: int = 2, labels: int = LABELS, boundaries: bool = False) -> Predictions:
    draw = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return 3 * torch.randn(*shape, generator=draw, dtype=torch.float64)

    anchors = torch.rand(1, COUNT, 2, generator=torch.Generator().manual_seed(99)).sort(dim=-1).values.double() * 20
    answers = tuple(
        AnchorScores(anchors, random(1, COUNT), random(1, COUNT), random(1, COUNT, 2), random(1, COUNT, labels))
        for _ in range(steps)
    )
    segments = anchors + random(1, COUNT, 2) / 9
    return Predictions(answers, segments, random(1, 2, 20) if boundaries else None)


@pytest.mark.parametrize("labels", [0, LABELS])
def test_scores_are_geometric_means_and_segments_arithmetic_ones(labels: int) -> None:
    answers = [predict(seed, labels=labels) for seed in range(3)]
    found = average(answers)
    decoder = Decoder(classification_power=0.7, regression_power=1.2)
    each = torch.stack([decoder.scores(answer, answer.segments[0]).log() for answer in answers])
    torch.testing.assert_close(decoder.scores(found, found.segments[0]).log(), each.mean(dim=0))
    torch.testing.assert_close(found.segments, sum(answer.segments for answer in answers) / 3)
    assert len(found.steps) == 2
    torch.testing.assert_close(found.steps[-1].segments, found.segments)


def test_equal_answers_are_their_average() -> None:
    one = predict(0, boundaries=True)
    assert average([one]) is one
    twice = average([one, one])
    decoder = Decoder(classification_power=1.0, boundary_power=0.5)
    torch.testing.assert_close(decoder.scores(twice, twice.segments[0]), decoder.scores(one, one.segments[0]))
    torch.testing.assert_close(twice.segments, one.segments)


@pytest.mark.parametrize("extreme", [0.0, 50.0, 1e4, 1e30])
def test_extreme_logits_have_a_finite_mean(extreme: float) -> None:
    logits = torch.tensor([extreme, -extreme])
    assert torch.isfinite(mean_logit([logits, logits])).all()
    torch.testing.assert_close(mean_logit([logits, logits]).sigmoid(), logits.sigmoid())


def test_what_is_not_refined_repeats_its_first_step() -> None:
    first, which = predict(0, steps=1), torch.tensor([3, 7, 8])
    rest = [position for position in range(COUNT) if position not in which]
    whole = predict(1, steps=3)
    own = Predictions(
        tuple(AnchorScores(*(field[:, which] for field in step)) for step in whole.steps),
        whole.segments[:, which],
        None,
    )
    found = with_refined(first, own, which)
    assert found.steps[0] is first.steps[0]
    for step, refined in zip(found.steps[1:], own.steps[1:], strict=True):
        for field, start, moved in zip(step, first.steps[0], refined, strict=True):
            assert torch.equal(field[:, rest], start[:, rest])
            assert torch.equal(field[:, which], moved)
    assert torch.equal(found.segments[:, rest], first.segments[:, rest])
    assert torch.equal(found.segments[:, which], own.segments)
