"""Anchors of several scales and points: which hypothesis answers, and where it puts the action (eq. 2 and 3)."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rcl.data.segments import length
from rcl.detector.heads import AnchorHeadConfig
from rcl.models.anchors_and_points import (
    AnchorDetector,
    LocationDetector,
    LocationEncoding,
    LocationHead,
    PointDetector,
)
from rcl.models.losses import Criterion
from rcl.models.sampling import centred
from rcl.models.temporal import TemporalEncoder

CHANNELS, LABELS, TYPICAL = 6, 2, 5.0
LENGTHS = (2.0, 4.0, 9.0)

both = pytest.mark.parametrize("kind", ["anchors", "points"])


def make(kind: str, *, lengths: tuple[float, ...] = LENGTHS, num_labels: int = LABELS) -> LocationDetector:
    """A small detector as it is before training."""
    torch.manual_seed(0)
    encoder = TemporalEncoder(CHANNELS, channels=16, layers=2, boundaries=True)
    hypotheses = len(lengths) if kind == "anchors" else 1
    head = LocationHead(16, channels=8, hypotheses=hypotheses, num_labels=num_labels)
    if kind == "anchors":
        return AnchorDetector(encoder, head, lengths=lengths).eval()
    return PointDetector(encoder, head, typical=TYPICAL).eval()


def randomized(model: LocationDetector) -> LocationDetector:
    """Every parameter random, so that a leak shows and nothing stays where it is."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def whole(snippets: int, batch: int = 1) -> Tensor:
    return torch.ones(batch, snippets, dtype=torch.bool)


def own_lengths(kind: str) -> tuple[float, ...]:
    return LENGTHS if kind == "anchors" else (1.0,)


# -- which hypothesis answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("snippets", [1, 7, 100])
@pytest.mark.parametrize("kind", ["anchors", "default lengths", "points"])
def test_every_hypothesis_answers_for_its_own_segment(kind: str, snippets: int) -> None:
    lengths = {"anchors": LENGTHS, "default lengths": AnchorHeadConfig().lengths, "points": (1.0,)}[kind]
    model = make("points") if kind == "points" else make("anchors", lengths=lengths)
    answers = torch.randn(1, len(lengths), snippets, 4 + LABELS)
    anchors = centred(snippets, lengths=lengths).segments[None]
    (scores,) = model.query(LocationEncoding(answers, whole(snippets), None), anchors, steps=3).steps
    expected = answers[0].transpose(0, 1).flatten(0, 1)  # (T · S, 4 + L), in the order of the segments
    assert torch.equal(scores.anchors, anchors)
    assert torch.equal(scores.classification[0], expected[:, 0])
    assert torch.equal(scores.regression[0], expected[:, 1])
    assert torch.equal(scores.labels[0], expected[:, 4:])
    assert torch.equal(scores.offsets[0], model.offsets(expected[None, :, 2:4])[0])


ends = st.floats(-30, 60, width=32)


@both
@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.tuples(ends, st.floats(0.125, 60, width=32)), min_size=1, max_size=8))
def test_other_segments_read_the_nearest_one(kind: str, rows: list[tuple[float, float]]) -> None:
    model, lengths = make(kind), own_lengths(kind)
    mask = torch.tensor([[True] * 12, [True] * 5 + [False] * 7])
    answers = torch.randn(2, len(lengths), 12, 4 + LABELS)
    anchors = torch.tensor([(start, start + size) for start, size in rows])
    (scores,) = model.query(LocationEncoding(answers, mask, None), anchors.expand(2, -1, -1)).steps
    for video, snippets in enumerate((12, 5)):
        for k, anchor in enumerate(anchors):
            snippet = min(max(math.floor(anchor.mean().item()), 0), snippets - 1)
            octaves = [abs(math.log2(length(anchor).item() / size)) for size in lengths]
            nearest = min(range(len(lengths)), key=octaves.__getitem__)
            if sorted(octaves)[:2] == pytest.approx([min(octaves)] * 2, abs=1e-5) and len(lengths) > 1:
                continue  # between two lengths either will do
            assert scores.classification[video, k] == answers[video, nearest, snippet, 0]
            half = lengths[nearest] / 2
            assert scores.anchors[video, k].tolist() == [snippet + 0.5 - half, snippet + 0.5 + half]


@both
def test_segments_outside_the_video_or_without_length_have_an_answer(kind: str) -> None:
    model = randomized(make(kind))
    anchors = torch.tensor([[-9.0, -7], [40, 50], [3, 3], [6, 2], [-1e30, 1e30], [1e30, 2e30], [-2e30, -1e30], [0, 0]])
    predictions = model(torch.randn(1, CHANNELS, 12), whole(12), anchors[None])
    (scores,) = predictions.steps
    assert all(field.isfinite().all() for field in (*scores, predictions.segments))
    snippets = scores.anchors[0].mean(dim=-1).floor().tolist()
    assert snippets == [0, 11, 3, 4, 0, 11, 0, 0]


@both
def test_nobody_asks(kind: str) -> None:
    predictions = make(kind)(torch.randn(2, CHANNELS, 4), whole(4, 2), torch.zeros(2, 0, 2))
    (scores,) = predictions.steps
    assert predictions.segments.shape == scores.anchors.shape == scores.offsets.shape == (2, 0, 2)
    assert scores.classification.shape == scores.regression.shape == (2, 0)
    assert scores.labels.shape == (2, 0, LABELS)


# -- where the action is -----------------------------------------------------------------------------------------


def test_untrained_anchors_stay() -> None:
    anchors = centred(10, lengths=LENGTHS).segments[None]
    predictions = make("anchors")(torch.randn(1, CHANNELS, 10), whole(10), anchors)
    assert torch.equal(predictions.segments, anchors)
    assert (predictions.steps[0].labels.sigmoid() < 0.1).all()  # and nothing is an action


def test_untrained_points_answer_with_a_typical_length_around_the_snippet() -> None:
    points = centred(10, lengths=(1.0,)).segments[None]
    predictions = make("points")(torch.randn(1, CHANNELS, 10), whole(10), points)
    torch.testing.assert_close(predictions.segments, centred(10, lengths=(TYPICAL,)).segments[None])


def test_the_offsets_of_anchors_are_those_of_eq_2() -> None:
    model, answers = make("anchors"), torch.randn(1, len(LENGTHS), 8, 4 + LABELS)
    anchors = centred(8, lengths=LENGTHS).segments[None]
    found = model.query(LocationEncoding(answers, whole(8), None), anchors).segments[0].unflatten(0, (8, len(LENGTHS)))
    for snippet in range(8):
        for hypothesis, size in enumerate(LENGTHS):
            left, right = answers[0, hypothesis, snippet, 2:4].tolist()
            start, end = snippet + 0.5 - size / 2, snippet + 0.5 + size / 2
            expected = [start + left * size, end + right * size]
            assert found[snippet, hypothesis].tolist() == pytest.approx(expected, abs=1e-5)


def test_the_coordinates_of_points_are_the_shift_of_the_centre_and_the_length_of_eq_3() -> None:
    model, answers = make("points"), torch.randn(1, 1, 8, 4 + LABELS)
    found = model.query(LocationEncoding(answers, whole(8), None), centred(8, lengths=(1.0,)).segments[None]).segments
    for snippet in range(8):
        shift, scale = answers[0, 0, snippet, 2:4].tolist()
        centre, size = snippet + 0.5 + TYPICAL * shift, TYPICAL * math.exp(scale)
        assert found[0, snippet].tolist() == pytest.approx([centre - size / 2, centre + size / 2], abs=1e-4)


@both
@pytest.mark.parametrize("extreme", [1e2, 1e4, 1e30])
def test_extreme_coordinates_give_finite_segments(kind: str, extreme: float) -> None:
    answers = extreme * torch.tensor([-1.0, 0, 1])[torch.cartesian_prod(*[torch.arange(3)] * 2)]  # (9, 2)
    encoded = torch.zeros(1, len(own_lengths(kind)), 9, 4)
    encoded[..., 2:4] = answers
    encoded.requires_grad_()
    anchors = centred(9, lengths=own_lengths(kind)).segments[None]
    segments = make(kind, num_labels=0).query(LocationEncoding(encoded, whole(9), None), anchors).segments
    assert segments.isfinite().all()
    if kind == "points":
        assert (length(segments) >= 0).all()
    segments.mean().backward()
    assert encoded.grad is not None
    assert encoded.grad.isfinite().all()


# -- batches, precision, learning --------------------------------------------------------------------------------


@both
def test_a_padded_batch_gives_every_video_what_it_gives_alone(kind: str) -> None:
    model = randomized(make(kind))
    videos = [torch.randn(CHANNELS, snippets) for snippets in (1, 3, 9)]
    features, mask = 50 * torch.randn(3, CHANNELS, 9), torch.zeros(3, 9, dtype=torch.bool)
    for row, video in enumerate(videos):
        features[row, :, : video.shape[1]] = video
        mask[row, : video.shape[1]] = True
    anchors = torch.cat((centred(9, lengths=own_lengths(kind)).segments, torch.tensor([[-4.0, 2.0], [5.0, 30.0]])))
    together = model(features, mask, anchors.expand(3, -1, -1))
    for row, video in enumerate(videos):
        alone = model(video[None], whole(video.shape[1]), anchors[None])
        for found, expected in zip(together.steps[0], alone.steps[0], strict=True):
            torch.testing.assert_close(found[row], expected[0], atol=1e-5, rtol=1e-5)
        assert together.boundaries is not None
        assert alone.boundaries is not None
        end = video.shape[1]
        torch.testing.assert_close(together.boundaries[row, :, :end], alone.boundaries[0], atol=1e-5, rtol=1e-5)


@both
def test_works_under_autocast(kind: str) -> None:
    model = randomized(make(kind))
    anchors = centred(9, lengths=own_lengths(kind)).segments.expand(2, -1, -1)
    with torch.autocast("cpu", torch.bfloat16):
        predictions = model(torch.randn(2, CHANNELS, 9), whole(9, 2), anchors)
    assert torch.equal(predictions.steps[0].anchors, anchors)  # places are not rounded
    assert predictions.segments.dtype == torch.float32
    assert predictions.segments.isfinite().all()
    predictions.segments.sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


@both
def test_places_are_computed_in_full_precision(kind: str) -> None:
    model, anchors = make(kind), centred(100, lengths=own_lengths(kind)).segments[None]
    answers = torch.randn(1, len(own_lengths(kind)), 100, 4 + LABELS).bfloat16()
    found, expected = (model.query(LocationEncoding(x, whole(100), None), anchors) for x in (answers, answers.float()))
    torch.testing.assert_close(found.segments, expected.segments, atol=1e-4, rtol=0)


@both
def test_the_losses_reach_every_parameter_of_every_hypothesis(kind: str) -> None:
    model, lengths = make(kind).train(), own_lengths(kind)
    anchors = centred(12, lengths=lengths).segments.expand(2, -1, -1)
    segments = torch.tensor([[[1.0, 3.0], [2.0, 6.0], [1.0, 10.0]], [[2.0, 5.0], [0.0, 0.0], [0.0, 0.0]]])
    labels = torch.tensor([[0, 1, 0], [1, -1, -1]])
    mask = torch.tensor([[True] * 12, [True] * 7 + [False] * 5])
    predictions = model(torch.randn(2, CHANNELS, 12), mask, anchors)
    losses = Criterion(points=kind == "points", foreground=0.3)(
        predictions, segments, labels, mask=mask, anchor_mask=whole(anchors.shape[1], 2)
    )
    assert set(losses) == {"classification", "regression", "offsets", "labels", "boundaries"}
    torch.stack(tuple(losses.values())).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    gradient = model.head.answers.weight.grad
    assert gradient is not None
    assert gradient.any(dim=1).all()  # each answer of each hypothesis
