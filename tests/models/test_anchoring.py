"""Continuous anchoring (paper 3.2): eq. 4, and a function of the content *and* of the coordinates of a segment."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from rcl.models.alignment import SegmentAlignment
from rcl.models.anchoring import AnchorEmbedding, Readout, coordinates
from rcl.models.encoding import Encoding
from rcl.models.predictions import AnchorScores

CHANNELS, WIDTH = 4, 12


def look_up(embedding: AnchorEmbedding, encoding: Encoding, anchors: torch.Tensor) -> torch.Tensor:
    return embedding(embedding.project(encoding), anchors)


def make_embedding() -> AnchorEmbedding:
    torch.manual_seed(0)
    alignment = SegmentAlignment(CHANNELS, WIDTH, points=5)
    return AnchorEmbedding(alignment, channels=WIDTH).eval()


def encode(features: Tensor) -> Encoding:
    return Encoding(features, torch.ones(len(features), features.shape[2], dtype=torch.bool), None)


def random_anchors(videos: int, count: int, snippets: float) -> Tensor:
    return (torch.rand(videos, count, 2) * snippets).sort(dim=-1).values + torch.tensor([0.0, 0.1])


# -- eq. 4 -------------------------------------------------------------------------------------------------------


def test_segments_are_anchors_moved_by_their_offsets_in_lengths() -> None:
    anchors = torch.tensor([[[10.0, 14.0], [0.0, 100.0], [3.0, 3.5]]])
    offsets = torch.tensor([[[0.25, -0.5], [-0.1, 0.1], [0.0, 2.0]]])
    empty = torch.zeros(1, 3)
    segments = AnchorScores(anchors, empty, empty, offsets, torch.zeros(1, 3, 0)).segments
    torch.testing.assert_close(segments, torch.tensor([[[11.0, 12.0], [-10.0, 110.0], [3.0, 4.5]]]))


def test_the_offsets_that_eq_4_asks_for_lead_to_any_target() -> None:
    torch.manual_seed(0)
    anchors, targets = random_anchors(2, 30, 50), random_anchors(2, 30, 50)
    offsets = torch.empty_like(anchors)
    for video in range(2):
        for anchor in range(30):
            (start, end), (left, right) = anchors[video, anchor].tolist(), targets[video, anchor].tolist()
            offsets[video, anchor] = torch.tensor([(left - start) / (end - start), (right - end) / (end - start)])
    zeros = torch.zeros(2, 30)
    moved = AnchorScores(anchors, zeros, zeros, offsets, torch.zeros(2, 30, 0)).segments
    torch.testing.assert_close(moved, targets, atol=1e-4, rtol=1e-4)


# -- readout -----------------------------------------------------------------------------------------------------


def test_an_untrained_readout_leaves_anchors_where_they_are_and_calls_nothing_an_action() -> None:
    torch.manual_seed(1)
    anchors = random_anchors(2, 7, 40)
    scores = Readout(WIDTH, num_labels=3)(torch.randn(2, 7, WIDTH), anchors)
    assert torch.equal(scores.segments, anchors)
    assert scores.labels.sigmoid().mean() < 0.05


@pytest.mark.parametrize("num_labels", [0, 1, 20])
@pytest.mark.parametrize("count", [0, 1, 9])
def test_shapes_without_labels_and_without_anchors(count: int, num_labels: int) -> None:
    embedding, readout = make_embedding(), Readout(WIDTH, num_labels=num_labels)
    anchors = random_anchors(2, count, 15)
    vectors = look_up(embedding, encode(torch.randn(2, CHANNELS, 15)), anchors)
    assert vectors.shape == (2, count, WIDTH)
    scores = readout(vectors, anchors)
    assert scores.classification.shape == scores.regression.shape == (2, count)
    assert scores.offsets.shape == scores.segments.shape == (2, count, 2)
    assert scores.labels.shape == (2, count, num_labels)
    torch.stack([field.sum() for field in scores[1:]]).sum().backward()  # nothing is also a batch to learn from


def test_the_two_confidences_are_not_one_and_each_has_its_name() -> None:
    torch.manual_seed(0)
    readout, vectors = Readout(WIDTH, num_labels=2), torch.randn(1, 5, WIDTH)
    expected = vectors @ readout.confidences.weight.T + readout.confidences.bias
    scores = readout(vectors, torch.zeros(1, 5, 2))
    torch.testing.assert_close(scores.classification, expected[..., 0])  # p1
    torch.testing.assert_close(scores.regression, expected[..., 1])  # p2


# -- [F, x] ------------------------------------------------------------------------------------------------------


def test_coordinates_are_log_length_and_share_of_the_existing_snippets() -> None:
    mask = torch.tensor([[True] * 20, [True] * 8 + [False] * 12])
    anchors = torch.tensor([[[4.0, 8.0], [0.0, 20.0]], [[4.0, 8.0], [1.0, 1.5]]])
    found = coordinates(anchors, mask.sum(dim=1))
    for video, snippets in enumerate((20, 8)):
        for anchor in range(2):
            start, end = anchors[video, anchor].tolist()
            expected = [math.log2(end - start) / 4, start / snippets, end / snippets]
            assert found[video, anchor].tolist() == pytest.approx(expected)


def test_an_anchor_without_length_is_finite_too() -> None:
    found = coordinates(torch.tensor([[[5.0, 5.0], [5.0, 4.0]]]), torch.tensor([9]))
    assert torch.isfinite(found).all()


def test_the_same_content_at_other_coordinates_is_another_answer() -> None:
    embedding = make_embedding()
    # A pattern that repeats every 8 snippets: segments that are 8 apart see exactly the same.
    features = torch.randn(1, CHANNELS, 8).repeat(1, 1, 8)
    anchors = torch.tensor([[[16.3, 21.7], [24.3, 29.7]]])
    seen = embedding.alignment(features, anchors)
    torch.testing.assert_close(seen[:, 0], seen[:, 1])
    vectors = look_up(embedding, encode(features), anchors)
    assert (vectors[:, 0] - vectors[:, 1]).abs().max() > 1e-3


def test_length_conditions_the_answer_by_itself() -> None:
    embedding = make_embedding()
    with torch.no_grad():
        embedding.coordinates.weight[:, 1:] = 0  # the places of start and end are not told
    features = torch.randn(1, CHANNELS, 1).expand(-1, -1, 64)  # inside, every segment sees the same
    anchors = torch.tensor([[[20.0, 22.0], [30.0, 32.0], [20.0, 40.0]]])
    first, second, longer = look_up(embedding, encode(features), anchors)[0]
    torch.testing.assert_close(first, second)
    assert (first - longer).abs().max() > 1e-3


def test_the_content_matters_too() -> None:
    embedding, anchors = make_embedding(), torch.tensor([[[3.2, 7.9]]])
    features = torch.randn(1, CHANNELS, 20)
    before = look_up(embedding, encode(features), anchors)
    near, far = features.clone(), features.clone()
    near[..., 5] += 1
    far[..., 15] += 1
    assert (look_up(embedding, encode(near), anchors) - before).abs().max() > 1e-3
    torch.testing.assert_close(look_up(embedding, encode(far), anchors), before)


def test_all_anchors_at_once_are_what_they_are_one_by_one() -> None:
    embedding, readout = make_embedding(), Readout(WIDTH, num_labels=3)
    nn.init.normal_(readout.offsets.weight)
    encoding, anchors = encode(torch.randn(2, CHANNELS, 25)), random_anchors(2, 11, 25)
    together = readout(look_up(embedding, encoding, anchors), anchors)
    for index in range(anchors.shape[1]):
        one = anchors[:, index : index + 1]
        for whole, alone in zip(together, readout(look_up(embedding, encoding, one), one), strict=True):
            torch.testing.assert_close(whole[:, index : index + 1], alone, atol=1e-5, rtol=1e-5)


def test_the_function_is_continuous_in_the_segment() -> None:
    embedding = make_embedding()
    encoding = encode(torch.randn(1, CHANNELS, 25))
    anchors = random_anchors(1, 40, 25) + torch.tensor([0.0, 1.0])
    base = look_up(embedding, encoding, anchors)
    steps = [(look_up(embedding, encoding, anchors + step) - base).abs().max().item() for step in (1e-2, 1e-3, 1e-4)]
    assert steps[0] < 0.5
    assert steps[1] < 0.2 * steps[0]
    assert steps[2] < 0.2 * steps[1]
