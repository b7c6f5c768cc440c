"""An exported detector answers as the original does, and needs no PyTorch."""

from __future__ import annotations

import copy
import dataclasses
import json
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exports import FACTS, KINDS, assert_close, difference, random_checkpoint, random_localizer, video
from rcl.data import resizing
from rcl.data.segments import clip
from rcl.detector.build import load_model
from rcl.detector.exported import decoding, exporting
from rcl.detector.exported import resizing as arrays
from rcl.detector.exported import segments as array_segments
from rcl.detector.exported.blocks import in_blocks
from rcl.detector.exported.description import Description
from rcl.detector.exported.detector import ExportedDetector, open_graph
from rcl.detector.exported.exporting import Export, compare, differences, export
from rcl.models import table_sums
from rcl.models.averaging import mean_logit
from rcl.models.sampling import Lattice, centred, grid, pairs, slots
from rcl.system.errors import InputError

LONG = (1, 2, 3, 1000, 5000)


@cache
def exported(kind: str) -> Export:
    return export(random_checkpoint(kind), version="0", lengths=(1, 40))


@cache
def detector(kind: str) -> ExportedDetector:
    return ExportedDetector(open_graph(exported(kind).graph, threads=1), exported(kind).description)


# -- the graph ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_output_equals_that_of_the_network(kind: str) -> None:
    search = random_localizer(kind).search
    found = compare(search, detector(kind).run, channels=FACTS.in_channels, lengths=(1, 2, 17, 150), seed=1)
    assert found.difference <= 1e-4
    assert found.steady > 0.9


def test_every_output_equals_that_of_the_network_in_long_videos() -> None:
    search = random_localizer("usual").search
    found = compare(search, detector("usual").run, channels=FACTS.in_channels, lengths=LONG, seed=2)
    assert found.difference <= 1e-4
    assert found.steady > 0.9


def test_some_anchors_are_refined_and_others_are_not() -> None:
    """Otherwise the tests above would show less than they seem to."""
    search = random_localizer("usual").search
    features = torch.from_numpy(video("usual", 200).T.copy())
    with torch.inference_mode():
        answer = search.query(search.encode(features), search.anchors(200).segments, steps=1)
        refined = search.decoder.worth_refining(answer).double().mean()
    assert 0.02 < refined < 0.98


@given(
    kind=st.sampled_from(["usual", "bmn", "several"]),
    snippets=st.integers(1, 60),
    seed=st.integers(0, 99),
    data=st.data(),
)
@settings(max_examples=15)
def test_any_segments_are_scored_as_the_network_scores_them(
    kind: str, snippets: int, seed: int, data: st.DataObject
) -> None:
    ends = st.tuples(st.floats(0, snippets, width=32), st.floats(0.125, snippets + 1, width=32))
    given_segments = data.draw(st.lists(ends, min_size=1, max_size=9))
    segments = torch.tensor([(start, start + length) for start, length in given_segments])
    search, run = random_localizer(kind).search, detector(kind).run
    features = torch.from_numpy(video(kind, snippets, seed).T.copy())
    with torch.inference_mode():
        wanted = exporting.asked(search, features, segments)
        moved = exporting.asked(search, features * (1 + 2e-6), segments)
    found = run(features.numpy(), segments.numpy())
    steady = differences(wanted, moved, segments) <= 1e-5
    assert (differences(wanted, found, segments)[steady] <= 1e-4).all()


@given(anchors=st.integers(1, 9), samples=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=12)
def test_sums_of_rows_in_standard_operators_are_those_of_training(anchors: int, samples: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tables = [torch.randn(20, width, generator=generator) for width in (5, 3)]
    rows = torch.randint(0, 19, (anchors, samples), generator=generator, dtype=torch.int32)
    fractions, bias = torch.rand(anchors, samples, generator=generator), torch.randn(8, generator=generator)
    wanted = table_sums.row_sums(rows, fractions, bias, *tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.onnx.is_in_onnx_export", lambda: True)
        found = table_sums.row_sums(rows, fractions, bias, *tables)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 5, 6, 7, 12, 13])
def test_blocks_of_anchors_change_nothing(count: int) -> None:
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    nodes = [
        node("ReduceSum", ["features"], ["sum"], keepdims=0),
        node("Mul", ["anchors", "sum"], ["segments"]),
        node("Transpose", ["segments"], ["classification"], perm=[1, 0]),
        node("Identity", ["features"], ["boundaries"]),
    ]
    inputs = [value("features", 1, [None, None]), value("anchors", 1, [None, 2])]
    outputs = [value(name, 1, [None, None]) for name in ("classification", "segments", "boundaries")]
    opset = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", inputs, outputs), opset_imports=opset)
    model.ir_version = 8
    blocks = in_blocks(model, {"classification": 1, "segments": 0}, block=6).SerializeToString()
    session = onnxruntime.InferenceSession(blocks, providers=["CPUExecutionProvider"])
    anchors = np.arange(2 * count, dtype=np.float32).reshape(-1, 2)
    features = np.ones((2, 3), np.float32)
    across, along, same = session.run(None, {"features": features, "anchors": anchors})
    np.testing.assert_array_equal(along, 6 * anchors)
    np.testing.assert_array_equal(across, 6 * anchors.T)
    np.testing.assert_array_equal(same, features)


def test_the_graph_has_standard_operators_alone() -> None:
    model = onnx.load_from_string(exported("usual").graph)
    assert [known.domain for known in model.opset_import] == [""]
    assert {node.domain for node in model.graph.node} == {""}


# -- detections --------------------------------------------------------------------------------------------------


@given(
    kind=st.sampled_from([*KINDS]),
    snippets=st.integers(1, 200),
    seed=st.integers(0, 999),
    rate=st.sampled_from([5.0, 5.0, 2.5, 12.0]),
)
@settings(max_examples=25)
def test_detections_equal_those_of_the_original(kind: str, snippets: int, seed: int, rate: float) -> None:
    features, original = video(kind, snippets, seed), random_localizer(kind)
    wanted = original.detect(features, rate)
    noise = np.random.default_rng(seed).normal(size=features.shape).astype(np.float32)
    # Where rounding alone decides whether an anchor is refined or moves on, the original has no single answer either.
    assume(not difference(original.detect(features * (1 + 1e-6 * noise), rate), wanted))
    assert_close(detector(kind).detect(features, rate), wanted)


@given(
    kind=st.sampled_from(["boundaries", "proposals", "anchors"]), snippets=st.integers(1, 80), seed=st.integers(0, 99)
)
@settings(max_examples=12)
def test_the_same_answers_are_decoded_to_the_same_detections(kind: str, snippets: int, seed: int) -> None:
    localizer, found = random_localizer(kind), detector(kind)
    search, features = localizer.search, torch.from_numpy(video(kind, snippets, seed).T.copy())
    with torch.inference_mode():
        predictions = search.refined(search.encode(features), search.anchors(snippets).segments)
        answers = exporting.asked(search, features, search.anchors(snippets).segments)
    decoder = found.description.decoder
    candidates = search.decoder.select(predictions, end=snippets - 0.5, minimum_length=1.0)
    own = decoder.select(answers, end=snippets - 0.5)
    np.testing.assert_allclose(own.scores, candidates.scores.numpy(), rtol=1e-5)
    same = decoding.Decoded(*(field.numpy() for field in candidates))
    for mine, wanted in zip(decoder.suppress(same), search.decoder.suppress(candidates), strict=True):
        np.testing.assert_allclose(mine, wanted.numpy(), rtol=1e-5)


@pytest.mark.parametrize("snippets", LONG)
def test_detections_in_long_videos_equal_those_of_the_original(snippets: int) -> None:
    """PyTorch searches the longest in chunks."""
    features = video("usual", snippets)
    assert_close(detector("usual").detect(features), random_localizer("usual").detect(features))


def test_rates_can_be_chosen() -> None:
    features = video("usual", 80)
    original, found = random_localizer("usual"), detector("usual")
    wanted = original.detect(features, rates=(0.5, 2.0))
    assert_close(found.detect_prepared(*found.prepare(features), video="video", rates=(0.5, 2.0)), wanted)


def test_other_steps_are_refused() -> None:
    found = detector("usual")
    with pytest.raises(InputError, match="the 2 of the graph"):
        found.detect_prepared(*found.prepare(video("usual", 9)), video="video", steps=1)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((0, 12), np.float32), "features \\(snippets, 12\\)"),
        (np.zeros((12, 7), np.float32), "transpose them"),
        (np.full((5, 12), np.nan, np.float32), "NaN or infinite values, the first in snippet 0"),
    ],
)
def test_features_that_do_not_fit_are_refused(features: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        detector("usual").detect(features)


# -- what NumPy does in place of PyTorch ---------------------------------------------------------------------------


@given(given_snippets=st.integers(1, 40), snippets=st.integers(1, 60), missing=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=30)
def test_features_are_resized_as_in_training(given_snippets: int, snippets: int, missing: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    features = random.normal(size=(3, given_snippets)).astype(np.float32)
    if missing:
        features[0, : random.integers(0, given_snippets + 1)] = np.nan
    tensor = torch.from_numpy(features)
    for name, method in arrays.METHODS.items():
        wanted = resizing.METHODS[name](tensor, snippets).numpy()
        np.testing.assert_allclose(method(features, snippets), wanted, atol=2e-5, err_msg=name)
    wanted = resizing.downsample(tensor, 1 + snippets % 5).numpy()
    np.testing.assert_allclose(arrays.downsample(features, 1 + snippets % 5), wanted, atol=1e-6)


@given(snippets=st.integers(1, 300), shortest=st.floats(1, 4), longest=st.floats(1, 400), ratio=st.floats(1.1, 2))
@settings(max_examples=20)
def test_anchors_are_those_of_the_original(snippets: int, shortest: float, longest: float, ratio: float) -> None:
    lattice = Lattice(shortest, longest, ratio, 0.25)
    short = min(snippets, 30)
    cases = [
        (array_segments.anchors(snippets, exporting.described_anchors(lattice)), lattice(snippets)),
        (array_segments.grid(short, longest=longest, finer=2), grid(short, longest=longest, finer=2)),
        (array_segments.pairs(short, longest=longest), pairs(short, longest=longest)),
        (array_segments.centred(short, lengths=(1.0, 2.5)), centred(short, lengths=(1.0, 2.5))),
        (array_segments.slots(snippets, count=7), slots(snippets, count=7)),
    ]
    for found, wanted in cases:
        np.testing.assert_allclose(found, wanted.segments.numpy(), rtol=1e-6, atol=1e-5)


@given(
    segments=st.lists(st.tuples(st.floats(-9, 30, width=32), st.floats(-9, 30, width=32)), min_size=1),
    end=st.floats(0.5, 20, width=32),
)
def test_segments_are_clipped_as_in_the_original(segments: list[tuple[float, float]], end: float) -> None:
    wanted = clip(torch.tensor(segments), end, minimum_length=1.0).numpy()
    found = array_segments.clip(np.float32(segments), end, minimum_length=1.0)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@given(logits=st.lists(st.lists(st.floats(-200, 200, width=32), min_size=3, max_size=3), min_size=2, max_size=4))
def test_logits_are_averaged_as_in_the_original(logits: list[list[float]]) -> None:
    outputs = [decoding.Outputs(np.float32([row]), np.float32([row]), np.zeros((3, 2), np.float32)) for row in logits]
    wanted = mean_logit([torch.tensor(row) for row in logits]).sigmoid().numpy()
    found = decoding.average(outputs).classification[0]
    np.testing.assert_allclose(torch.from_numpy(found).sigmoid().numpy(), wanted, atol=1e-5)


# -- the description ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["usual", "streams", "windows", "points"])
def test_a_description_survives_its_file(kind: str) -> None:
    description = exported(kind).description
    assert Description.from_json(json.loads(json.dumps(description.to_json()))) == dataclasses.replace(
        description, anchors=json.loads(json.dumps(description.anchors))
    )


# -- what cannot be exported ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"head": {"name": "grid", "channels": 8, "map_channels": 8}}, "a head that can be exported, found a Grid"),
        ({"head": {"name": "queries", "channels": 16}}, "a head that can be exported, found a QueryDetector"),
        (
            {"encoder": {"name": "gtad", "channels": 16, "groups": 4, "width": 8, "inner_groups": 4}},
            "an encoder that can be exported, found G-TAD's",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name(model: dict, message: str) -> None:
    from rcl.detector.build import build_model
    from rcl.detector.load_config import parse_config

    config = parse_config({"model": model}, where="test")
    with pytest.raises(InputError, match=message):
        exporting.check_exportable(build_model(config.model, in_channels=12, num_labels=2), "last.ckpt")


def test_an_export_that_answers_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = random_checkpoint("points")
    other = copy.deepcopy(load_model(checkpoint)).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    graph = exporting.export_graph

    def wrong(model: object, *arguments: object, **options: object) -> object:
        return graph(other, *arguments, **options)

    monkeypatch.setattr(exporting, "export_graph", wrong)
    with pytest.raises(InputError, match="answers that differ by"):
        export(checkpoint, version="0", lengths=(9,))
