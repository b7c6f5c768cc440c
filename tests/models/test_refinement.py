"""Recurrent refinement (paper 3.4): where segments go, what is looked up there, and what learns from it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rcl.data.segments import clip, length, tiou_pairs
from rcl.detector.build import build_model
from rcl.detector.load_config import parse_config
from rcl.models.losses import Criterion
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.rcl import RCL
from rcl.models.refinement import Movement

CHANNELS, LABELS, SNIPPETS = 6, 3, 30


def make(steps: int, *, seed: int = 0, moving: bool = True, trained: bool = False, **options: Any) -> RCL:
    """A small model.

    Args:
        steps: M.
        seed: of the weights.
        moving: readouts have random offsets, so that anchors go somewhere.
        trained: the refinement has left its zero start.
        options: of section ``model``.
    """
    section: dict[str, Any] = {
        "encoder": {"name": "temporal", "channels": 8, "layers": 2}, "channels": 8, "points": 4, "steps": steps,
        **options,
    }  # fmt: skip
    torch.manual_seed(seed)
    model = build_model(parse_config({"model": section}, where="test").model, in_channels=CHANNELS, num_labels=LABELS)
    if moving:
        torch.manual_seed(seed + 1)
        nn.init.normal_(model.readout.offsets.weight, std=0.3)
        nn.init.normal_(model.readout.offsets.bias, std=0.3)
    if trained and model.refinement is not None:
        for parameter in model.refinement.update.parameters():
            nn.init.normal_(parameter, std=0.3)
    return model.eval()


def video(batch: int = 2, seed: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Features, mask and anchors; the last video is a third shorter than the batch."""
    torch.manual_seed(seed)
    mask = torch.ones(batch, SNIPPETS, dtype=torch.bool)
    mask[-1, 20:] = False
    anchors = (torch.rand(batch, 12, 2) * 20).sort(dim=-1).values + torch.tensor([0.0, 1.0])
    return torch.randn(batch, CHANNELS, SNIPPETS) * mask[:, None], mask, anchors


def lookups(model: RCL) -> list[Tensor]:
    """A list that every look-up of the model is added to."""
    places: list[Tensor] = []
    model.embedding.register_forward_hook(lambda module, inputs, output: places.append(inputs[1]))
    return places


def assert_equal(a: AnchorScores, b: AnchorScores) -> None:
    for name in AnchorScores._fields:
        assert torch.equal(getattr(a, name), getattr(b, name)), name


# -- the zero start ----------------------------------------------------------------------------------------------


def test_an_untrained_refinement_returns_the_scores_of_the_first_step_at_every_step() -> None:
    predictions = make(4)(*video())
    first = predictions.steps[0]
    assert len(predictions.steps) == 4
    for step in predictions.steps[1:]:
        for name in ("classification", "regression", "labels"):
            assert torch.equal(getattr(step, name), getattr(first, name)), name
        assert not step.offsets.any()
    # Anchors move once, as continuous anchoring says, and stay there.
    end = torch.tensor([[30.0], [20.0]])
    torch.testing.assert_close(predictions.segments, clip(first.segments, end, minimum_length=1.0))
    assert (predictions.segments - first.anchors).abs().max() > 0.5


def test_a_trained_refinement_adds_to_the_scores_that_it_was_given() -> None:
    model = make(2, trained=True)
    assert model.refinement is not None
    features, mask, anchors = video()
    first, second = model(features, mask, anchors).steps
    hidden = model.embedding(model.encode(features, mask), anchors)
    looked_up = model.embedding(model.encode(features, mask), second.anchors)
    state = model.refinement.cell(looked_up.flatten(0, 1), hidden.flatten(0, 1))
    update = model.refinement.update
    change = state @ update.confidences.weight.T + update.confidences.bias
    torch.testing.assert_close(second.classification, first.classification + change[:, 0].view(2, -1))
    torch.testing.assert_close(second.regression, first.regression + change[:, 1].view(2, -1))
    labels = state @ update.labels.weight.T + update.labels.bias
    torch.testing.assert_close(second.labels, first.labels + labels.view(2, -1, LABELS))
    # Offsets are relative to where the segment is now, so they start anew.
    offsets = state @ update.offsets.weight.T + update.offsets.bias
    torch.testing.assert_close(second.offsets, offsets.view(2, -1, 2))


def test_the_hidden_state_carries_from_step_to_step() -> None:
    model = make(3, trained=True)
    assert model.refinement is not None
    states: list[tuple[Tensor, Tensor]] = []
    model.refinement.register_forward_hook(lambda module, inputs, output: states.append((inputs[1], output[1])))
    model(*video())
    assert torch.equal(states[1][0], states[0][1])
    assert not torch.equal(states[1][1], states[0][1])


# -- continuous anchoring is the same with refinement and without it -----------------------------------------------


def test_one_seed_gives_the_same_weights_and_the_same_first_step_with_and_without_refinement() -> None:
    one, three = make(1, moving=False), make(3, moving=False)
    assert one.refinement is None
    ours, theirs = one.state_dict(), three.state_dict()
    assert {name for name in theirs if not name.startswith("refinement.")} == ours.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    for mode in (False, True):  # dropout of later steps is drawn later
        torch.manual_seed(7)
        alone = one.train(mode)(*video())
        torch.manual_seed(7)
        assert_equal(three.train(mode)(*video()).steps[0], alone.steps[0])


TARGETS = (torch.tensor([[[2.0, 9.0], [12.0, 19.0]], [[5.0, 8.0], [0.0, 0.0]]]), torch.tensor([[0, 2], [1, -1]]))


def gradients(model: RCL, *, only_later: bool = False) -> dict[str, Tensor]:
    """Gradients of one training step by parameter name; ``only_later``: of the losses after step 1 alone."""
    features, mask, anchors = video()
    torch.manual_seed(11)
    predictions = model.train()(features, mask, anchors)
    criterion = Criterion(offset_foreground=0.05, label_foreground=0.05, foreground=0.05)
    if only_later:
        predictions = Predictions(predictions.steps[1:], predictions.segments, None)
    present = torch.ones(anchors.shape[:2], dtype=torch.bool)
    losses = criterion(predictions, *TARGETS, mask=mask, anchor_mask=present)
    torch.stack(tuple(losses.values())).sum().backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    "options", [{}, {"encoder": {"name": "bmn", "channels": 8, "groups": 2}}], ids=["temporal", "bmn"]
)
def test_a_training_step_teaches_continuous_anchoring_the_same_with_and_without_refinement(
    options: dict[str, Any],
) -> None:
    alone, refined = gradients(make(1, **options)), gradients(make(3, trained=True, **options))
    assert any(name.startswith("refinement.") for name in refined)
    assert {name.split(".")[0] for name in alone} == {"encoder", "embedding", "readout"}
    for name, gradient in alone.items():
        assert torch.isfinite(gradient).all()
        torch.testing.assert_close(refined[name], gradient, atol=1e-7, rtol=1e-5)
    assert alone["embedding.alignment.weight"].any()


def test_later_steps_teach_the_refinement_and_nothing_else() -> None:
    model = make(3, trained=True)
    found = gradients(model, only_later=True)
    assert {name.split(".")[0] for name, gradient in found.items() if gradient.any()} == {"refinement"}
    expected = {f"refinement.{name}" for name, _ in model.refinement.named_parameters()}  # type: ignore[union-attr]
    assert {name for name, gradient in found.items() if gradient.any()} == expected


# -- movement ----------------------------------------------------------------------------------------------------


def scores_at(anchors: Tensor, targets: Tensor) -> AnchorScores:
    """Scores whose offsets lead from ``anchors (B, K, 2)`` to ``targets (B, K, 2)``."""
    zeros = torch.zeros(anchors.shape[:2])
    offsets = (targets - anchors) / length(anchors)[..., None]
    return AnchorScores(anchors, zeros, zeros, offsets, torch.zeros(*anchors.shape[:2], LABELS))


def test_segments_that_have_arrived_stay_and_others_move_and_the_first_step_always_moves() -> None:
    present = torch.tensor([[[10.0, 20.0], [10.0, 20.0], [10.0, 20.0], [10.0, 20.0]]])
    # tIoU with the present: 8/10, 6/10, 5.9/10, 0.
    aims = torch.tensor([[[10.0, 18.0], [10.0, 16.0], [10.0, 15.9], [30.0, 35.0]]])
    movement, end = Movement(arrived=0.6, jitter=0.0).eval(), torch.tensor([[40.0]])
    scores = scores_at(present, aims)
    moved = movement(scores, end, first=False)
    torch.testing.assert_close(moved[0, 0], present[0, 0])
    torch.testing.assert_close(moved[0, 2:], aims[0, 2:])
    torch.testing.assert_close(movement(scores, end, first=True), aims)


def test_movement_is_the_rule_for_any_segments() -> None:
    torch.manual_seed(0)
    present = (torch.rand(3, 200, 2) * 40).sort(dim=-1).values + torch.tensor([0.0, 1.0])
    aims = present + torch.randn(3, 200, 2)
    end = torch.tensor([[41.0], [25.0], [1.0]])
    movement = Movement(arrived=0.7, jitter=0.5).eval()
    moved = movement(scores_at(present, aims.sort(dim=-1).values), end, first=False)
    clipped = clip(aims.sort(dim=-1).values, end, minimum_length=1.0)
    near = tiou_pairs(present, clipped) >= 0.7
    assert 0.1 < near.float().mean() < 0.9
    torch.testing.assert_close(moved, torch.where(near[..., None], present, clipped), atol=1e-4, rtol=1e-4)


def test_moved_segments_are_inside_their_own_video_and_a_snippet_long() -> None:
    anchors = torch.tensor([[[2.0, 6.0], [18.0, 19.0], [5.0, 6.0]]] * 2)
    aims = torch.tensor([[[-50.0, 90.0], [35.0, 60.0], [5.5, 5.6]]] * 2)
    end = torch.tensor([[30.0], [20.0]])
    moved = Movement(arrived=0.6, jitter=0.0)(scores_at(anchors, aims), end, first=True)
    assert (moved >= 0).all()
    assert (moved[..., 1] <= end).all()
    assert (length(moved) >= 1 - 1e-5).all()
    torch.testing.assert_close(moved[:, 0], torch.tensor([[0.0, 30.0], [0.0, 20.0]]))


def test_no_gradient_flows_through_a_movement() -> None:
    anchors = torch.tensor([[[2.0, 6.0]]])
    scores = scores_at(anchors, anchors + 1)._replace(offsets=torch.ones(1, 1, 2, requires_grad=True))
    for first in (False, True):
        assert not Movement(arrived=0.9, jitter=0.0)(scores, torch.tensor([[9.0]]), first=first).requires_grad


def test_jitter_is_for_training_only_and_in_lengths_of_the_segment() -> None:
    torch.manual_seed(0)
    segments = torch.tensor([[1000.0, 1010.0], [1000.0, 1100.0]]).repeat(1, 4000, 1)
    end = torch.tensor([[3000.0]])
    movement = Movement(arrived=0.6, jitter=0.1)
    assert torch.equal(movement.eval().with_error(segments, end), segments)
    error = (movement.train().with_error(segments, end) - segments) / length(segments)[..., None]
    for kind in (0, 1):
        assert error[:, kind::2].std().item() == pytest.approx(0.1, rel=0.05)
        assert error[:, kind::2].mean().item() == pytest.approx(0.0, abs=0.005)
    assert torch.equal(Movement(arrived=0.6, jitter=0.0).train().with_error(segments, end), segments)


def test_jittered_segments_are_ordered_and_inside_their_video() -> None:
    torch.manual_seed(0)
    segments = torch.tensor([[[0.0, 5.0], [15.0, 20.0], [0.0, 20.0]]]).expand(2, -1, -1)
    end = torch.tensor([[30.0], [20.0]])
    movement = Movement(arrived=0.6, jitter=1.0).train()
    for _ in range(50):
        moved = movement.with_error(segments, end)
        assert (moved >= 0).all()
        assert (moved[..., 1] <= end).all()
        assert (length(moved) >= 1 - 1e-4).all()


# -- look-ups ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrived", [1.0, 0.6])
def test_features_are_looked_up_where_the_last_step_pointed(arrived: float) -> None:
    model = make(4, trained=True, arrived=arrived)
    places = lookups(model)
    features, mask, anchors = video()
    predictions = model(features, mask, anchors)
    end = torch.tensor([[30.0], [20.0]])
    assert len(places) == 4
    assert torch.equal(places[0], anchors)
    for number, step in enumerate(predictions.steps):
        assert torch.equal(step.anchors, places[number])  # scores speak of the place that was looked at
        following = [*places[1:], predictions.segments][number]
        aim = clip(step.segments, end, minimum_length=1.0)
        stays = (tiou_pairs(step.anchors, aim) >= arrived) if number else torch.zeros(anchors.shape[:2]).bool()
        torch.testing.assert_close(following, torch.where(stays[..., None], step.anchors, aim))
    assert (places[1] - places[0]).abs().max() > 0.5


def test_in_training_the_later_look_ups_miss_their_aim_and_scores_speak_of_the_place_that_was_looked_at() -> None:
    model = make(3, trained=True, jitter=0.2, dropout=0.0).train()
    places = lookups(model)
    features, mask, anchors = video()
    predictions = model(features, mask, anchors)
    assert torch.equal(places[0], anchors)
    aim = clip(predictions.steps[0].segments, torch.tensor([[30.0], [20.0]]), minimum_length=1.0)
    assert (places[1] - aim).abs().max() > 0.05
    for place, step in zip(places, predictions.steps, strict=True):
        assert torch.equal(step.anchors, place)


# -- steps -------------------------------------------------------------------------------------------------------


def test_fewer_steps_are_the_first_steps_of_more() -> None:
    model = make(3, trained=True)
    features, mask, anchors = video()
    encoding = model.encode(features, mask)
    everything = model.query(encoding, anchors)
    for steps in (1, 2, 3):
        some = model.query(encoding, anchors, steps=steps)
        assert len(some.steps) == steps
        for a, b in zip(some.steps, everything.steps, strict=False):
            assert_equal(a, b)
    once = model.query(encoding, anchors, steps=1)
    torch.testing.assert_close(once.segments, everything.steps[1].anchors)


def test_one_step_has_no_refinement_and_answers_once() -> None:
    model = make(1)
    assert model.refinement is None
    predictions = model(*video())
    assert len(predictions.steps) == 1
    assert predictions.boundaries is None


@pytest.mark.parametrize(
    "encoder",
    [{"name": "temporal", "channels": 8, "layers": 2}, {"name": "bmn", "channels": 8, "groups": 2}],
    ids=["temporal", "bmn"],
)
@pytest.mark.parametrize("convention", ["centered", "bmn"])
def test_padding_changes_no_answer_of_the_whole_model(encoder: dict[str, Any], convention: str) -> None:
    model = make(3, trained=True, encoder=encoder, convention=convention)
    features, mask, anchors = video()
    together = model(features, mask, anchors)
    alone = model(features[1:, :, :20], mask[1:, :20], anchors[1:])
    for whole, one in zip(together.steps, alone.steps, strict=True):
        for name in AnchorScores._fields:
            torch.testing.assert_close(getattr(whole, name)[1:], getattr(one, name), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together.segments[1:], alone.segments, atol=1e-4, rtol=1e-4)


def test_no_anchors_are_no_answers() -> None:
    features, mask, _ = video()
    predictions = make(3, trained=True)(features, mask, torch.zeros(2, 0, 2))
    assert predictions.segments.shape == (2, 0, 2)
    assert [step.labels.shape for step in predictions.steps] == [(2, 0, LABELS)] * 3
