"""Refinement of the anchors that pay, and the same anchors at several rates of the features."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rcl.data.detections import Detections
from rcl.data.segments import Timeline
from rcl.detector.build import build_model
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.detector.rates import FASTEST, SLOWEST, check_rates, versions
from rcl.detector.search import Search
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.sampling import Anchors
from rcl.system.errors import InputError
from untrained import FACTS, random_model, tiny_config

SNIPPETS = 120


def make_localizer(**inference: Any) -> Localizer:
    config = tiny_config(model={"steps": 3}, inference={"stride": 0.5, "nms": "none", **inference})
    localizer = Localizer.from_model(random_model(config).double(), config, FACTS, device="cpu")
    lattice = localizer.search.anchors
    localizer.search.anchors = lambda snippets: Anchors(*(field.double() for field in lattice(snippets)))
    return localizer


def make_features(snippets: int = SNIPPETS, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(FACTS.in_channels, snippets, generator=draw, dtype=torch.float64)


def detect(localizer: Localizer, features: Tensor, **options: Any) -> Detections:
    return localizer.detect_prepared(features, Timeline(1.0), video="v", **options)


def assert_same(found: Detections, expected: Detections, *, times: float = 1.0) -> None:
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
    np.testing.assert_array_equal(found.label_index, expected.label_index)
    np.testing.assert_allclose(found.segments_seconds, times * expected.segments_seconds, atol=1e-6)


def assert_equal(found: Detections, expected: Detections) -> None:
    for name in ("scores", "label_index", "segments_seconds"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


# -- refinement --------------------------------------------------------------------------------------------------


@torch.inference_mode()
def first_step(search: Search, features: Tensor) -> tuple[Any, Tensor, Predictions]:
    encoding, anchors = search.encode(features), search.anchors(SNIPPETS).segments
    return encoding, anchors, search.query(encoding, anchors, steps=1)


def with_threshold(search: Search, threshold: float) -> Search:
    search.decoder = replace(search.decoder, refine_above=threshold)
    return search


def test_only_anchors_above_the_threshold_are_refined() -> None:
    search = make_localizer().search
    encoding, anchors, first = first_step(search, make_features())
    best = search.decoder.scores(first, first.segments[0]).amax(dim=1)  # (K,)
    which = best >= with_threshold(search, float(best.quantile(0.9))).decoder.refine_above
    assert which.sum() < 0.2 * len(which)
    with torch.inference_mode():
        found, whole = search.refined(encoding, anchors), search.query(encoding, anchors)
    for step, expected in zip(found.steps, whole.steps, strict=True):
        for field, refined, start in zip(step, expected, first.steps[0], strict=True):
            torch.testing.assert_close(field[:, which], refined[:, which])
            assert torch.equal(field[:, ~which], start[:, ~which])
    torch.testing.assert_close(found.segments[:, which], whole.segments[:, which])
    assert torch.equal(found.segments[:, ~which], first.segments[:, ~which])


def test_a_threshold_of_zero_refines_all_and_one_that_none_reaches_gives_the_first_step() -> None:
    localizer, features = make_localizer(), make_features()
    with_threshold(localizer.search, 0.0)
    encoding, anchors, _ = first_step(localizer.search, features)
    with torch.inference_mode():
        refined, whole = localizer.search.refined(encoding, anchors), localizer.search.query(encoding, anchors)
    assert torch.equal(refined.segments, whole.segments)
    all_refined = detect(localizer, features)
    with_threshold(localizer.search, 0.999)
    assert_same(detect(localizer, features), detect(localizer, features, steps=1))
    assert not np.array_equal(all_refined.scores, detect(localizer, features).scores)


def test_few_anchors_are_queried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    localizer, asked = make_localizer(), list[int]()
    query = localizer.search.query
    _, anchors, first = first_step(localizer.search, make_features())
    best = localizer.search.decoder.scores(first, first.segments[0]).amax(dim=1)
    with_threshold(localizer.search, float(best.quantile(0.95)))

    def spy(encoding: Any, segments: Tensor, **options: Any) -> Predictions:
        asked.append(len(segments))
        return query(encoding, segments, **options)

    monkeypatch.setattr(localizer.search, "query", spy)
    detect(localizer, make_features())
    assert asked[0] == len(anchors)
    assert 0 < sum(asked[1:]) <= 0.06 * len(anchors)


def test_whether_an_anchor_is_refined_does_not_depend_on_boundaries() -> None:
    search = with_threshold(make_localizer(boundary_power=1.0).search, 0.03)
    _, _, first = first_step(search, make_features())
    unlikely = first._replace(boundaries=torch.full((1, 2, SNIPPETS), -9.0))
    assert torch.equal(search.decoder.worth_refining(unlikely), search.decoder.worth_refining(first))


def test_a_configuration_without_the_new_keys_has_their_defaults() -> None:
    inference = parse_config({"inference": {"top": 9}}, where="test").inference
    assert (inference.rates, inference.refine_above) == ((1.0,), 0.1)


# -- rates -------------------------------------------------------------------------------------------------------


def test_the_rate_of_the_features_changes_nothing() -> None:
    localizer, features = make_localizer(), make_features()
    expected = detect(localizer, features)
    assert_equal(detect(localizer, features, rates=(1.0,)), expected)
    assert_equal(detect(localizer, features, rates=(1.0001,)), expected)  # the same number of snippets
    assert_same(detect(localizer, features, rates=(1.0, 1.0)), expected)


def test_rates_of_the_configuration_and_of_a_call() -> None:
    features, rates = make_features(), (0.7, 1.0, 1.4)
    expected = detect(make_localizer(), features, rates=rates)
    assert_equal(detect(make_localizer(rates=list(rates)), features), expected)
    alone = [detect(make_localizer(), features, rates=(rate,)) for rate in rates]
    assert not any(np.array_equal(expected.scores, other.scores) for other in alone)


def test_a_video_at_half_speed_is_the_same_at_half_the_rate() -> None:
    localizer, features = make_localizer(), make_features()
    expected = detect(localizer, features)
    anchors = localizer.search.anchors
    localizer.search.anchors = lambda snippets: Anchors(*(2 * field for field in anchors(snippets // 2)))
    slow = features.repeat_interleave(2, dim=1)
    assert_same(detect(localizer, slow, rates=(0.5,)), expected, times=2.0)


@given(snippets=st.integers(1, 300), rate=st.floats(SLOWEST, FASTEST), seed=st.integers(0, 99))
@settings(max_examples=50)
def test_anchors_and_answers_are_scaled_to_each_rate_and_back(snippets: int, rate: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    anchors = torch.rand(20, 2, generator=draw).sort(dim=-1).values.double() * snippets
    (version,) = versions(torch.zeros(1, snippets), (rate,))
    assert version.snippets == max(round(rate * snippets), 1)
    assert version.features[:, :].shape == (1, version.snippets)

    def later_by_a_tenth(asked: Tensor) -> Predictions:
        torch.testing.assert_close(asked / version.snippets, anchors / snippets)
        nothing = torch.zeros(1, len(asked))
        scores = AnchorScores(asked[None], nothing, nothing, torch.zeros(1, len(asked), 2), nothing[..., None])
        return Predictions((scores,), asked[None] + 0.1 * version.snippets, torch.ones(1, 2, version.snippets))

    found = version.answer(anchors, later_by_a_tenth)
    torch.testing.assert_close(found.steps[0].anchors[0], anchors)
    torch.testing.assert_close(found.segments[0], anchors + 0.1 * snippets)
    torch.testing.assert_close(found.boundaries, torch.ones(1, 2, snippets))


@pytest.mark.parametrize("window", [None, 50])
def test_detections_at_several_rates_lie_in_the_video(window: int | None) -> None:
    localizer = make_localizer(rates=[0.5, 1, 2])
    localizer.search.window = window
    found = localizer.detect_prepared(make_features(), Timeline(1.0, end_seconds=SNIPPETS - 0.5), video="v")
    assert len(found) > 0
    assert found.segments_seconds.min() >= 0
    assert found.segments_seconds.max() <= SNIPPETS - 0.5 + 1e-9


@pytest.mark.parametrize("head", ["grid", "anchors", "points", "queries"])
def test_other_heads_answer_at_any_rate(head: str) -> None:
    encoder = {"name": "temporal", "channels": 16, "layers": 3}
    config = parse_config({"model": {"encoder": encoder, "head": head}}, where="test")
    model = build_model(config.model, in_channels=FACTS.in_channels, num_labels=len(FACTS.labels))
    localizer = Localizer.from_model(model, config, FACTS, device="cpu")
    assert len(detect(localizer, make_features(30).float(), rates=(0.7, 1.4))) > 0


@pytest.mark.parametrize("rates", [(), (0.0,), (1.0, -1.0), (float("nan"),), (float("inf"),), (50.0,)])
def test_rates_out_of_range_are_refused(rates: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="rates"):
        check_rates(rates)
    with pytest.raises(InputError, match="rates"):
        detect(make_localizer(), make_features(), rates=rates)


@pytest.mark.parametrize("rates", [[], [0], [-1.0], ["fast"]])
def test_rates_out_of_range_in_a_configuration_are_refused(rates: list[Any]) -> None:
    with pytest.raises(InputError, match="rates"):
        parse_config({"inference": {"rates": rates}}, where="test")
