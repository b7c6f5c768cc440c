"""Soft-NMS against a naive double loop, and against the field's own programs."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from places import SHARED
from rcl.models.soft_nms import soft_nms

GOLDEN = SHARED / "golden" / "nms"
METHODS = ("linear", "gaussian", "hard")


def tiou_of_two(a: list[float], b: list[float]) -> float:
    common = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - common
    return common / union if union > 0 else 0.0


def naive(segments, scores, labels, method, sigma, thresholds, min_score, top):
    left = dict(enumerate(scores))
    selected = []
    while left:
        best = min(left, key=lambda i: (-left[i], i))
        selected.append((best, left.pop(best)))
        for i in left:
            overlap = tiou_of_two(segments[best], segments[i])
            if labels[i] == labels[best] and overlap > thresholds[best]:
                gaussian = math.exp(-(overlap**2) / sigma)
                left[i] *= {"linear": 1 - overlap, "gaussian": gaussian, "hard": 0.0}[method]
    return sorted(((i, s) for i, s in selected if s > min_score), key=lambda pair: (-pair[1], pair[0]))[:top]


@st.composite
def problems(draw: st.DrawFn) -> dict:
    """Small numbers on a coarse grid, so that ties, copies and empty segments are common."""
    number = draw(st.integers(0, 12))

    def many(values: st.SearchStrategy) -> list:
        return draw(st.lists(values, min_size=number, max_size=number))

    # Binary fractions with lengths of powers of two keep both computations exact where scores tie.
    return {
        "segments": [[s / 4, (s + d) / 4] for s, d in many(st.tuples(st.integers(0, 20), st.integers(0, 8)))],
        "scores": [s / 8 for s in many(st.integers(0, 8))],
        "labels": many(st.integers(-1, 2)),
        "method": draw(st.sampled_from(METHODS)),
        "sigma": draw(st.sampled_from((0.1, 0.5, 2.0))),
        "thresholds": many(st.sampled_from((0.0, 0.3, 0.5, 1.0))),
        "min_score": draw(st.sampled_from((0.0, 0.05, 0.3))),
        "top": draw(st.integers(0, 14)),
    }


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problem=problems(), agnostic=st.booleans(), block=st.sampled_from((1, 2, 3, 64)))
def test_equals_the_naive_double_loop(
    problem: dict, agnostic: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rcl.models.soft_nms_selection.BLOCK", block)
    if agnostic:
        problem["labels"] = [0] * len(problem["scores"])
    expected = naive(**problem)
    indices, scores = soft_nms(
        torch.tensor(problem["segments"], dtype=torch.float64).view(-1, 2),
        torch.tensor(problem["scores"], dtype=torch.float64),
        None if agnostic else torch.tensor(problem["labels"], dtype=torch.int64),
        method=problem["method"],
        sigma=problem["sigma"],
        threshold=torch.tensor(problem["thresholds"], dtype=torch.float64),
        min_score=problem["min_score"],
        top=problem["top"],
    )
    assert scores.tolist() == pytest.approx([s for _, s in expected], abs=1e-12)
    # Products in another order may differ in the last bit; where scores are that close the order is free.
    close = any(math.isclose(a[1], b[1]) and a[1] != b[1] for a in expected for b in expected)
    if not close:
        assert indices.tolist() == [i for i, _ in expected]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("levels", [10, 10**6])
def test_blocks_do_not_change_a_bit(method: str, levels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(0)
    start = torch.rand(3000, generator=draw) * 5000
    segments = torch.stack((start, start + 100 * torch.rand(3000, generator=draw)), dim=-1)
    scores, labels = torch.randint(levels, (3000,), generator=draw) / levels, torch.randint(5, (3000,), generator=draw)
    found = soft_nms(segments, scores, labels, method=method, top=400)
    monkeypatch.setattr("rcl.models.soft_nms_selection.BLOCK", 3000)
    for field, expected in zip(found, soft_nms(segments, scores, labels, method=method, top=400), strict=True):
        assert torch.equal(field, expected)


@pytest.mark.parametrize("method", METHODS)
def test_ties_keep_the_input_order(method: str) -> None:
    segments = torch.tensor([[10.0, 11.0], [0.0, 1.0], [20.0, 21.0], [30.0, 31.0]])
    indices, scores = soft_nms(segments, torch.full((4,), 0.5), torch.tensor([3, 1, 3, 1]), method=method, top=3)
    assert indices.tolist() == [0, 1, 2]
    assert scores.tolist() == [0.5] * 3


def test_labels_do_not_meet_unless_there_are_none() -> None:
    segments, scores = torch.tensor([[0.0, 2.0], [0.0, 2.0]]), torch.tensor([0.9, 0.8])
    assert soft_nms(segments, scores, torch.tensor([0, 1]), method="hard", top=9)[0].tolist() == [0, 1]
    assert soft_nms(segments, scores, None, method="hard", top=9)[0].tolist() == [0]


@pytest.mark.parametrize("labels", [None, torch.empty(0, dtype=torch.int64)])
def test_nothing_in_nothing_out(labels: Tensor | None) -> None:
    indices, scores = soft_nms(torch.empty(0, 2), torch.empty(0), labels, method="gaussian", top=5)
    assert indices.shape == scores.shape == (0,)
    assert indices.dtype == torch.int64


@pytest.mark.parametrize("options", [{"method": "gauss"}, {"method": "gaussian", "sigma": 0.0}])
def test_wrong_options_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=next(reversed(options))):
        soft_nms(torch.empty(0, 2), torch.empty(0), None, top=5, **options)


@pytest.fixture(params=["nms_set_seed101_n50.json", "nms_set_seed102_n200.json"])
def golden(request: pytest.FixtureRequest) -> dict:
    path = GOLDEN / request.param
    if not path.exists():
        pytest.skip(f"golden file {path} is not here")
    return json.loads(path.read_text())


def unit_input(golden: dict, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    given = golden["input_normalised"]
    segments = torch.tensor([given["xmin"], given["xmax"]], dtype=dtype).T
    return segments, torch.tensor(given["score"], dtype=dtype)


@pytest.mark.parametrize(("alpha", "t1", "t2"), [(0.4, 0.5, 0.9), (0.75, 0.65, 0.9)])
def test_equals_bmn_but_for_the_last_segment_that_it_drops(golden: dict, alpha: float, t1: float, t2: float) -> None:
    expected = golden[f"bmn_softnms_alpha{alpha}_t1_{t1}_t2_{t2}"]
    segments, scores = unit_input(golden, torch.float64)
    thresholds = t1 + (t2 - t1) * (segments[:, 1] - segments[:, 0])
    indices, lowered = soft_nms(
        segments, scores, None, method="gaussian", sigma=alpha, threshold=thresholds, top=len(expected["score"])
    )
    torch.testing.assert_close(lowered, torch.tensor(expected["score"], dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(segments[indices, 0], torch.tensor(expected["xmin"], dtype=torch.float64))


ACTIONFORMER = {
    "af_soft_multiclass_sigma0.5_min0.001_max200": {"method": "gaussian", "sigma": 0.5, "min_score": 0.001},
    "af_soft_agnostic_sigma0.5_min0.001_max200_novote": {"method": "gaussian", "sigma": 0.5, "min_score": 0.001},
    "af_soft_agnostic_sigma0.5_min0.1_max200_novote": {"method": "gaussian", "sigma": 0.5, "min_score": 0.1},
    "af_hard_multiclass_iou0.5_min0.05_max200": {"method": "hard", "threshold": 0.5, "min_score": 0.05},
    "opentad_method1_linear_agnostic_iou0.3_min0.001_max100": {
        "method": "linear",
        "threshold": 0.3,
        "min_score": 0.001,
    },
}


@pytest.mark.parametrize("name", ACTIONFORMER)
def test_equals_actionformer_and_opentad_without_voting(golden: dict, name: str) -> None:
    given, expected = golden["cpp_input_float32"], golden[name]
    segments, labels = torch.tensor(given["segs"]), torch.tensor(given["labels"])
    indices, lowered = soft_nms(
        segments,
        torch.tensor(given["scores"]),
        labels if "multiclass" in name else None,
        top=int(name.split("max")[1].split("_")[0]),
        **ACTIONFORMER[name],
    )
    torch.testing.assert_close(lowered, torch.tensor(expected["scores"]), rtol=0, atol=1e-6)
    assert torch.equal(segments[indices], torch.tensor(expected["segs"]))
    assert labels[indices].tolist() == expected["labels"]


def test_equals_opentads_width_dependent_threshold(golden: dict) -> None:
    """Its second number is what the threshold grows by over the whole video, BMN's is where it ends."""
    expected = golden["opentad_method3_normalised_sigma0.4_t1_0.5_t2_0.4_min0_max100"]
    segments, scores = unit_input(golden, torch.float32)
    thresholds = 0.5 + 0.4 * (segments[:, 1] - segments[:, 0])
    indices, lowered = soft_nms(segments, scores, None, method="gaussian", sigma=0.4, threshold=thresholds, top=100)
    torch.testing.assert_close(lowered, torch.tensor(expected["scores"]), rtol=0, atol=1e-4)
    torch.testing.assert_close(segments[indices], torch.tensor(expected["segs"]))


def test_equals_gtad_up_to_its_rounding(golden: dict) -> None:
    """G-TAD first drops what is longer than 300 frames; its "threshold" is the sigma."""
    expected = golden["gtad_softnms_thr0.46_num200"]
    segments, scores = unit_input(golden, torch.float64)
    segments = segments * golden["gtad_scale"]
    short = ((segments[:, 1] - segments[:, 0]) <= 300).nonzero()[:, 0]
    indices, lowered = soft_nms(segments[short], scores[short], None, method="gaussian", sigma=0.46, top=200)
    torch.testing.assert_close(lowered, torch.tensor(expected["score"], dtype=torch.float64), rtol=0, atol=1e-7)
    clear = (lowered[:-1] - lowered[1:]).min(dim=0).values > 0  # unique scores, so the order is defined
    assert clear
    torch.testing.assert_close(
        segments[short][indices, 0], torch.tensor(expected["xmin"], dtype=torch.float64), rtol=0, atol=1e-4
    )
