"""Score fusion and decoding against arithmetic written out; soft-NMS itself has test_soft_nms.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from rcl.models.decoding import Decoded, Decoder, peaks
from rcl.models.predictions import AnchorScores, Predictions

SNIPPETS = 24


def predict(
    count: int = 40, *, labels: int = 3, steps: int = 1, boundaries: bool = False, seed: int = 0, spread: float = 2.0
) -> Predictions:
    """Random predictions for one video of 24 snippets, whose segments are inside it and not shorter than one."""
    torch.manual_seed(seed)
    segments = (torch.rand(1, count, 2) * (SNIPPETS - 2)).sort(dim=-1).values + torch.tensor([0.0, 1.5])
    answers = tuple(
        AnchorScores(
            segments + step,
            spread * torch.randn(1, count),
            spread * torch.randn(1, count),
            torch.randn(1, count, 2),
            spread * torch.randn(1, count, labels),
        )
        for step in range(steps)
    )
    return Predictions(answers, segments, spread * torch.randn(1, 2, SNIPPETS) if boundaries else None)


def naive_scores(predictions: Predictions, a: float, b: float, c: float) -> np.ndarray:
    """``(K, L)`` in float64: geometric mean of the confidences, the first labels, the ends by ``np.interp``."""

    def probability(logits: Tensor) -> np.ndarray:
        return 1 / (1 + np.exp(-logits[0].double().numpy()))

    first = predictions.steps[0]
    product = probability(first.labels) if first.labels.shape[-1] else np.ones((first.labels.shape[1], 1))
    for step in predictions.steps:
        confidence = probability(step.classification)[:, None] ** a * probability(step.regression)[:, None] ** b
        product = product * confidence ** (1 / len(predictions.steps))
    if predictions.boundaries is not None:
        start, end = probability(predictions.boundaries)
        centres, segments = np.arange(SNIPPETS) + 0.5, predictions.segments[0].double().numpy()
        ends = np.interp(segments[:, 0], centres, start) * np.interp(segments[:, 1], centres, end)
        product = product * ends[:, None] ** c
    return np.asarray(product)


ALL_FACTORS = {"classification_power": 1.0, "regression_power": 1.0, "min_score": 0.0}


def decode(predictions: Predictions, *, end: float = SNIPPETS, minimum_length: float = 1.0, **options: Any) -> Decoded:
    options = {"method": "none", **ALL_FACTORS, **options}
    return Decoder(**options)(predictions, end=end, minimum_length=minimum_length)


# -- scores ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [0, 1, 4])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("powers", [(1, 1, 0), (0, 0.5, 0), (0.3, 0, 1), (0.7, 1.3, 0.4)])
@pytest.mark.parametrize("boundaries", [False, True])
def test_a_score_is_the_product_of_its_factors(
    labels: int, steps: int, powers: tuple[float, float, float], boundaries: bool
) -> None:
    predictions = predict(labels=labels, steps=steps, boundaries=boundaries)
    a, b, c = powers
    decoder = Decoder(classification_power=a, regression_power=b, boundary_power=c)
    found = decoder.scores(predictions, predictions.segments[0])
    assert found.shape == (40, max(1, labels))
    np.testing.assert_allclose(found.numpy(), naive_scores(predictions, a, b, c), rtol=2e-5)


def test_ends_outside_the_centres_of_the_first_and_last_snippet_take_their_probability() -> None:
    logits = torch.randn(1, 2, SNIPPETS)
    segments = torch.tensor([[[0.0, 24.0], [0.5, 23.5], [0.2, 23.9], [-3.0, 30.0]]])
    zeros = torch.zeros(1, 4)
    step = AnchorScores(segments, zeros, zeros, torch.zeros(1, 4, 2), torch.zeros(1, 4, 0))
    decoder = Decoder(classification_power=0, regression_power=0, boundary_power=1)
    found = decoder.scores(Predictions((step,), segments, logits), segments[0])
    probability = logits[0].sigmoid()
    torch.testing.assert_close(found[:, 0], (probability[0, 0] * probability[1, -1]).expand(4))


def test_a_video_of_one_snippet_has_boundaries_too() -> None:
    segments, zeros = torch.tensor([[[0.0, 1.0]]]), torch.zeros(1, 1)
    step = AnchorScores(segments, zeros, zeros, torch.zeros(1, 1, 2), torch.zeros(1, 1, 0))
    predictions = Predictions((step,), segments, torch.zeros(1, 2, 1))
    assert decode(predictions, end=1.0, boundary_power=1.0).scores.tolist() == pytest.approx([0.5**4])


tenths = st.integers(0, 10).map(lambda value: value / 10)  # plateaus are frequent


@settings(deadline=None, max_examples=80)
@example(rows=[[0.3], [0.0]])  # one snippet
@example(rows=[[0.1, 0.2, 0.2, 0.1, 1.0], [0.0] * 5])  # a plateau, an end, nothing at all
@example(rows=[[1.0, 0.6, 0.5, 0.4, 0.9], [0.2, 0.1, 0.4, 0.3, 0.4]])  # half the maximum is not more than half
@given(rows=st.integers(1, 9).flatmap(lambda n: st.lists(st.lists(tenths, min_size=n, max_size=n), min_size=1)))
def test_peaks_are_no_lower_than_their_neighbours_or_above_half_the_maximum(rows: list[list[float]]) -> None:
    found = peaks(torch.tensor(rows))
    for row, is_peak in zip(rows, found.tolist(), strict=True):
        for t, value in enumerate(row):
            neighbours = row[max(t - 1, 0) : t] + row[t + 1 : t + 2]
            assert is_peak[t] == (all(value >= other for other in neighbours) or value > max(row) / 2)


def edge_peaks(predictions: Predictions) -> tuple[set[int], set[int]]:
    """Snippets with a peak of start and of end probability."""
    assert predictions.boundaries is not None
    starts, ends = peaks(predictions.boundaries[0].sigmoid())
    return set(starts.nonzero().flatten().tolist()), set(ends.nonzero().flatten().tolist())


@pytest.mark.parametrize("method", ["none", "gaussian"])
@pytest.mark.parametrize("labels", [0, 3])
def test_only_what_starts_and_ends_at_peaks_is_left(labels: int, method: str) -> None:
    predictions = predict(labels=labels, boundaries=True, spread=4.0)
    starts, ends = edge_peaks(predictions)
    everything = decode(predictions, top=1000)
    at_peaks = [int(start) in starts and int(end) in ends for start, end in everything.segments.tolist()]
    assert 0 < sum(at_peaks) < len(at_peaks)
    found = decode(predictions, top=1000, boundary_peaks=True, method=method)
    assert all(int(start) in starts and int(end) in ends for start, end in found.segments.tolist())
    if method == "none":  # the others are as they were
        for whole, part in zip(everything, found, strict=True):
            assert torch.equal(whole[torch.tensor(at_peaks)], part)


def test_the_last_snippet_is_where_a_segment_to_the_end_ends() -> None:
    segments = torch.tensor([[[0.0, SNIPPETS], [0.0, SNIPPETS - 0.5], [0.0, SNIPPETS - 1.5]]])
    logits = torch.full((1, 2, SNIPPETS), -5.0)
    logits[0, 0, 0] = logits[0, 1, -1] = 2.0
    logits[0, :, 2:-2] = torch.arange(SNIPPETS - 4) * 0.001 - 6  # no plateau
    zeros = torch.zeros(1, 3)
    step = AnchorScores(segments, zeros, zeros, segments * 0, torch.zeros(1, 3, 0))
    found = decode(Predictions((step,), segments, logits), boundary_peaks=True)
    assert found.segments[:, 1].tolist() == [SNIPPETS, SNIPPETS - 0.5]


def test_without_a_boundary_head_peaks_change_nothing() -> None:
    predictions = predict()
    for found, expected in zip(decode(predictions, boundary_peaks=True), decode(predictions), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("extreme", [1e2, 1e4, 1e30])
@pytest.mark.parametrize("method", ["none", "gaussian", "linear", "hard"])
def test_extreme_logits_give_finite_scores(extreme: float, method: str) -> None:
    predictions = predict(labels=2, steps=2, boundaries=True, spread=extreme)
    without_p1 = {"classification_power": 0.0, "regression_power": 0.5}
    for options in ({"boundary_power": 1.0}, {"boundary_power": 1.0, "boundary_peaks": True}, without_p1):
        scores = Decoder(**options).scores(predictions, predictions.segments[0])  # type: ignore[arg-type]
        assert torch.isfinite(scores).all()
        assert ((scores >= 0) & (scores <= 1)).all()
        found = decode(predictions, method=method, **options)
        assert torch.isfinite(found.scores).all()
        assert torch.isfinite(found.segments).all()


# -- decoding ----------------------------------------------------------------------------------------------------


def test_every_anchor_and_label_is_a_detection_of_its_own_best_first() -> None:
    predictions = predict()
    naive = naive_scores(predictions, 1, 1, 0)
    found = decode(predictions, top=1000)
    assert len(found.scores) == naive.size
    order = np.argsort(-naive, axis=None)
    np.testing.assert_allclose(found.scores, naive.flatten()[order], rtol=1e-5)
    anchor, label = np.unravel_index(order, naive.shape)
    assert found.labels.tolist() == label.tolist()
    np.testing.assert_array_equal(found.segments, predictions.segments[0][anchor])


@pytest.mark.parametrize("top", [1, 7, 120, 500])
def test_top_keeps_the_best(top: int) -> None:
    everything, some = decode(predict(), top=10_000), decode(predict(), top=top)
    for whole, part in zip(everything, some, strict=True):
        assert torch.equal(whole[:top], part)


def test_candidates_limit_what_enters_nms() -> None:
    everything, some = decode(predict(), top=10_000), decode(predict(), top=10_000, candidates=25)
    assert len(some.scores) == 25
    assert torch.equal(everything.scores[:25], some.scores)
    # What does not enter cannot leave, whatever soft-NMS does to those that entered.
    lowered = decode(predict(), top=10_000, candidates=25, method="gaussian")
    entered = {(*segment, label) for segment, label in zip(some.segments.tolist(), some.labels.tolist(), strict=True)}
    left = zip(lowered.segments.tolist(), lowered.labels.tolist(), strict=True)
    assert {(*segment, label) for segment, label in left} <= entered


@pytest.mark.parametrize("method", ["none", "gaussian", "hard"])
def test_scores_under_the_minimum_are_dropped(method: str) -> None:
    everything = decode(predict(), top=10_000, method=method)
    limit = float(everything.scores.median())
    some = decode(predict(), top=10_000, method=method, min_score=limit)
    assert (some.scores > limit).all()
    assert torch.equal(some.scores, everything.scores[everything.scores > limit])
    assert len(decode(predict(), method=method, min_score=0.999999).scores) == 0


def test_without_nms_overlaps_stay_and_hard_nms_leaves_none_within_a_label() -> None:
    predictions = predict(count=1, labels=2)
    twice = Predictions(
        tuple(AnchorScores(*(torch.cat((field, field), dim=1) for field in step)) for step in predictions.steps),
        torch.cat((predictions.segments, predictions.segments), dim=1),
        None,
    )
    assert sorted(decode(twice).labels.tolist()) == [0, 0, 1, 1]
    assert sorted(decode(twice, method="hard").labels.tolist()) == [0, 1]  # other labels do not compete


def test_options_of_soft_nms_reach_it() -> None:
    def lowered(**options: Any) -> list[float]:
        segments = torch.tensor([[[0.0, 10.0], [0.0, 5.0]]])  # tIoU 0.5
        step = AnchorScores(
            segments, torch.full((1, 2), 50.0), torch.tensor([[50.0, 2.0]]), segments * 0, torch.zeros(1, 2, 0)
        )
        return decode(Predictions((step,), segments, None), **options).scores.tolist()

    second = float(torch.tensor(2.0).sigmoid())
    assert lowered() == pytest.approx([1.0, second])
    assert lowered(method="linear") == pytest.approx([1.0, second * 0.5])
    assert lowered(method="gaussian", sigma=0.5) == pytest.approx([1.0, second * np.exp(-0.5)])
    assert lowered(method="gaussian", sigma=0.1) == pytest.approx([1.0, second * np.exp(-2.5)])
    assert lowered(method="linear", threshold=0.6) == pytest.approx([1.0, second])
    assert lowered(method="hard") == pytest.approx([1.0])


def test_segments_are_clipped_to_the_video_and_as_long_as_asked() -> None:
    segments = torch.tensor([[[-5.0, 3.0], [20.0, 40.0], [10.0, 10.2], [9.0, 15.0], [30.0, 31.0]]])
    logits = torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0]])
    step = AnchorScores(segments, logits, logits, segments * 0, torch.zeros(1, 5, 0))
    found = decode(Predictions((step,), segments, None), end=24.0, minimum_length=2.0)
    expected = [[0.0, 3.0], [20.0, 24.0], [9.1, 11.1], [9.0, 15.0], [22.0, 24.0]]
    torch.testing.assert_close(found.segments, torch.tensor(expected))


def test_detections_are_at_the_place_where_the_last_step_left_them() -> None:
    predictions = predict(steps=3)
    found = decode(predictions, top=1000)
    places = {tuple(segment) for segment in predictions.segments[0].tolist()}
    assert {tuple(segment) for segment in found.segments.tolist()} == places


def test_without_a_label_head_everything_is_label_0() -> None:
    found = decode(predict(labels=0), top=1000)
    assert len(found.scores) == 40
    assert found.labels.dtype == torch.int64
    assert not found.labels.any()


@pytest.mark.parametrize("method", ["none", "gaussian", "hard"])
@pytest.mark.parametrize("labels", [0, 3])
def test_no_anchors_are_no_detections(method: str, labels: int) -> None:
    found = decode(predict(count=0, labels=labels), method=method)
    assert [tuple(field.shape) for field in found] == [(0, 2), (0,), (0,)]
