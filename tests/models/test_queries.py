"""Action queries: the matching is the best one, and the answers do not depend on order, padding or length."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from rcl.data.segments import length, tiou_pairs
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.queries import QueryDetector, QueryHead
from rcl.models.sampling import slots
from rcl.models.set_losses import SetCriterion, distance, generalized_tiou, match
from rcl.models.temporal import TemporalEncoder

CHANNELS, LABELS, QUERIES, LAYERS = 6, 2, 5, 2


def make(*, queries: int = QUERIES, num_labels: int = LABELS) -> QueryDetector:
    """A small detector as it is before training."""
    torch.manual_seed(0)
    encoder = TemporalEncoder(CHANNELS, channels=16, layers=2, boundaries=True)
    head = QueryHead(16, channels=8, queries=queries, layers=LAYERS, attention_heads=2, num_labels=num_labels)
    return QueryDetector(encoder, head).eval()


def randomized(model: QueryDetector) -> QueryDetector:
    """Every parameter random, so that a leak shows and nothing stays where it is."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def whole(snippets: int, batch: int = 1) -> Tensor:
    return torch.ones(batch, snippets, dtype=torch.bool)


def asked(snippets: int, batch: int = 1) -> Tensor:
    """The slots of all queries."""
    return slots(snippets, count=QUERIES).segments.expand(batch, -1, -1)


# -- matching ----------------------------------------------------------------------------------------------------

sizes = st.tuples(st.integers(1, 4), st.integers(0, 4))
costs = sizes.flatmap(lambda size: arrays(np.float32, size, elements=st.integers(-8, 8).map(lambda n: n / 8)))


@settings(deadline=None)
@given(cost=costs)
def test_the_matching_costs_the_least(cost: np.ndarray) -> None:
    queries, truths = cost.shape
    found = match(torch.from_numpy(cost)[None], torch.zeros(1, truths, dtype=torch.long))[0].tolist()
    pairs = [(query, truth) for query, truth in enumerate(found) if truth >= 0]
    assert len(pairs) == len({truth for _, truth in pairs}) == min(queries, truths)
    tall = cost if queries >= truths else cost.T
    every = [
        sum(tall[row, column] for column, row in enumerate(rows))
        for rows in permutations(range(len(tall)), min(queries, truths))
    ]
    assert sum(cost[pair] for pair in pairs) == min(every)


def test_padded_truths_are_not_matched_and_costs_that_are_not_finite_do_no_harm() -> None:
    cost = torch.tensor([[[0.0, 9.0, -9.0], [1.0, 2.0, -9.0]], [[torch.nan, torch.inf, 0], [torch.nan, 1.0, 0]]])
    assert match(cost, torch.tensor([[1, 0, -1], [0, 0, -1]])).tolist() == [[0, 1], [0, 1]]
    assert match(cost, torch.full((2, 3), -1)).tolist() == [[-1, -1], [-1, -1]]


places = st.floats(-4, 4, width=32)
segment = st.tuples(places, st.floats(0.125, 4, width=32)).map(lambda each: [each[0], each[0] + each[1]])


@given(a=segment, b=segment)
def test_the_generalized_tiou_is_the_tiou_or_the_gap(a: list[float], b: list[float]) -> None:
    one, other = torch.tensor(a), torch.tensor(b)
    found, hull = generalized_tiou(one, other).item(), max(a[1], b[1]) - min(a[0], b[0])
    if overlap := tiou_pairs(one, other).item():
        assert found == pytest.approx(overlap, abs=1e-5)  # two segments that meet cover their hull
    else:
        gap = max(a[0], b[0]) - min(a[1], b[1])
        assert found == pytest.approx(-gap / hull, abs=1e-5)
    assert found == pytest.approx(generalized_tiou(other, one).item(), abs=1e-6)


def test_the_distance_is_that_of_centre_and_length() -> None:
    assert distance(torch.tensor([0.0, 2.0]), torch.tensor([3.0, 4.0])).item() == pytest.approx(2.5 + 1)


# -- losses ------------------------------------------------------------------------------------------------------


def random_scores(batch: int = 2, *, num_labels: int = LABELS, snippets: int = 20, seed: int = 0) -> Predictions:
    """Random answers of two layers."""
    torch.manual_seed(seed)
    steps = tuple(
        AnchorScores(
            asked(snippets, batch),
            *torch.randn(2, batch, QUERIES),
            0.5 * torch.randn(batch, QUERIES, 1) + torch.tensor([-0.4, 0.4]),
            torch.randn(batch, QUERIES, num_labels),
        )
        for _ in range(LAYERS)
    )
    return Predictions(steps, steps[-1].segments, torch.randn(batch, 2, snippets))


TRUTHS = torch.tensor([[[1.0, 3.0], [2.0, 6.0], [9.0, 17.0]], [[2.0, 5.0], [0.0, 0.0], [0.0, 0.0]]])
OF = torch.tensor([[0, 1, 0], [1, -1, -1]])
MASK = torch.tensor([[True] * 20, [True] * 7 + [False] * 13])


@given(order=st.permutations(range(3)), seed=st.integers(0, 99), num_labels=st.sampled_from([0, LABELS]))
@settings(deadline=None)
def test_the_order_of_the_truths_does_not_matter(order: list[int], seed: int, num_labels: int) -> None:
    predictions = random_scores(num_labels=num_labels, seed=seed)
    found = SetCriterion()(predictions, TRUTHS[:, order], OF[:, order], mask=MASK)
    for name, expected in SetCriterion()(predictions, TRUTHS, OF, mask=MASK).items():
        torch.testing.assert_close(found[name], expected)


def test_a_perfect_answer_has_no_error_of_place_and_the_right_query_is_positive() -> None:
    anchors = asked(20)
    truths, labels = anchors[:, [3, 1]] + torch.tensor([-1.0, 0.5]), torch.tensor([[0, 1]])
    logits = torch.full((1, QUERIES, LABELS), -20.0)
    logits[0, 3, 0] = logits[0, 1, 1] = 20.0
    offsets = (truths - anchors[:, [3, 1]]) / length(anchors[:, [3, 1]])[..., None]
    moved = torch.zeros(1, QUERIES, 2).index_copy(1, torch.tensor([3, 1]), offsets)
    found = torch.full((1, QUERIES), -20.0).index_fill(1, torch.tensor([3, 1]), 20.0)
    scores = AnchorScores(anchors, found, found, moved, logits)
    criterion = SetCriterion()
    losses = criterion.layer(scores, truths, labels, torch.tensor([[[20.0]]]))
    assert all(losses[name].item() == pytest.approx(0, abs=1e-5) for name in ("offsets", "labels", "classification"))
    matched = criterion.match(scores, truths, labels, torch.tensor([[[20.0]]]))
    assert matched.labels.tolist() == [[-1, 1, -1, 0, -1]]
    torch.testing.assert_close(matched.segments[0, [3, 1]], truths[0])


def test_more_truths_than_queries_leave_some_out() -> None:
    predictions = random_scores(1)
    truths = torch.rand(1, 9, 2).sort(dim=-1).values * 20
    losses = SetCriterion()(predictions, truths, torch.ones(1, 9, dtype=torch.long), mask=whole(20))
    assert all(value.isfinite() for value in losses.values())


@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("num_labels", [0, LABELS])
def test_the_losses_reach_every_parameter_of_every_query(num_labels: int, count: int) -> None:
    model = make(num_labels=num_labels).train()
    predictions = model(torch.randn(2, CHANNELS, 20), MASK, asked(20, 2))
    losses = SetCriterion()(predictions, TRUTHS[:, :count], OF[:, :count], mask=MASK)
    named = {"classification", "regression", "offsets", "labels", "boundaries"}
    assert set(losses) == (named if num_labels else named - {"labels"})
    torch.stack(tuple(losses.values())).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    gradient = model.head.queries.grad
    assert gradient is not None
    assert gradient.any(dim=1).all()


def test_a_weight_of_0_switches_a_loss_off() -> None:
    off = SetCriterion(classification=0, regression=0, offsets=0, labels=0, boundaries=0)
    assert off(random_scores(), TRUTHS, OF, mask=MASK) == {}


# -- answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snippets", [1, 7, 100, 1000])
@pytest.mark.parametrize("queries", [1, 7, 300])
def test_every_query_answers_once_in_detection(snippets: int, queries: int) -> None:
    model = randomized(make(queries=queries))
    anchors = slots(snippets, count=queries).segments[None]
    with torch.no_grad():
        encoding = model.encode(torch.randn(1, CHANNELS, snippets), whole(snippets))
        (scores,) = model.query(encoding, anchors, steps=3).steps
    torch.testing.assert_close(scores.anchors, anchors)
    assert torch.equal(scores.classification, encoding.answers[-1, :, :, 0])
    assert torch.equal(scores.regression, encoding.answers[-1, :, :, 1])
    assert torch.equal(scores.labels, encoding.answers[-1, :, :, 4:])


def test_other_segments_get_the_answer_of_the_query_of_their_slot() -> None:
    model = randomized(make())
    anchors = torch.tensor([[-9.0, -7], [40, 50], [3, 3], [6, 2], [-1e30, 1e30], [9, 11.5], [0, 20]])
    with torch.no_grad():
        encoding = model.encode(torch.randn(1, CHANNELS, 20), whole(20))
        (scores,) = model.query(encoding, anchors[None]).steps
        (every,) = model.query(encoding, asked(20)).steps
    for found, expected in zip(scores, every, strict=True):
        assert torch.equal(found[0], expected[0, [0, 4, 0, 1, 0, 2, 2]])


def test_untrained_queries_stay_in_their_slots_and_find_no_action() -> None:
    predictions = make()(torch.randn(1, CHANNELS, 20), whole(20), asked(20))
    torch.testing.assert_close(predictions.segments, asked(20))
    assert (predictions.steps[-1].labels.sigmoid() < 0.2).all()


@pytest.mark.parametrize("extreme", [1e2, 1e4, 1e30])
def test_extreme_coordinates_give_finite_segments(extreme: float) -> None:
    answers = torch.zeros(1, QUERIES, 4 + LABELS)
    answers[..., 2:4] = extreme * torch.tensor([[-1.0, -1], [-1, 1], [1, -1], [1, 1], [0, 1]])
    segments = make().answered(answers, whole(20)).segments
    assert segments.isfinite().all()
    assert (length(segments) >= 0).all()


def test_nobody_asks() -> None:
    model = make()
    encoding = model.encode(torch.randn(2, CHANNELS, 4), whole(4, 2))
    predictions = model.query(encoding, torch.zeros(2, 0, 2))
    (scores,) = predictions.steps
    assert predictions.segments.shape == scores.anchors.shape == scores.offsets.shape == (2, 0, 2)
    assert scores.labels.shape == (2, 0, LABELS)


# -- batches and precision ---------------------------------------------------------------------------------------


def test_a_padded_batch_gives_every_video_what_it_gives_alone() -> None:
    model = randomized(make())
    videos = [torch.randn(CHANNELS, snippets) for snippets in (1, 3, 9)]
    features, mask = 50 * torch.randn(3, CHANNELS, 9), torch.zeros(3, 9, dtype=torch.bool)
    for row, video in enumerate(videos):
        features[row, :, : video.shape[1]] = video
        mask[row, : video.shape[1]] = True
    together = model(features, mask, asked(9, 3))
    for row, video in enumerate(videos):
        alone = model(video[None], whole(video.shape[1]), asked(video.shape[1]))
        assert len(together.steps) == len(alone.steps) == LAYERS
        for step, own in zip(together.steps, alone.steps, strict=True):
            for found, expected in zip(step, own, strict=True):
                torch.testing.assert_close(found[row], expected[0], atol=1e-5, rtol=1e-5)


def test_works_under_autocast() -> None:
    model = randomized(make()).train()
    with torch.autocast("cpu", torch.bfloat16):
        predictions = model(torch.randn(2, CHANNELS, 20), MASK, asked(20, 2))
        losses = SetCriterion()(predictions, TRUTHS, OF, mask=MASK)
    assert predictions.segments.dtype == torch.float32
    torch.testing.assert_close(predictions.steps[0].anchors[:1], asked(20))  # places are not rounded
    torch.stack(tuple(losses.values())).sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())
