"""A video in chunks: the same detections as in a single pass, from pieces whose size does not grow with the video."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from rcl.data.detections import Detections
from rcl.data.features import FeatureSequence, StoredFeatures, open_features
from rcl.data.preparation import Preparation
from rcl.data.segments import Timeline, length
from rcl.detector import chunks
from rcl.detector.localizer import Localizer
from rcl.models.decoding import SNIPPETS_PER_COUNT, Candidates, Decoded, Decoder
from rcl.models.ensemble import Ensemble
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.sampling import Anchors, Lattice
from rcl.system.errors import InputError
from rcl.video.extractor import Extractor, VideoFeatures
from untrained import FACTS, random_model, tiny_config

ENCODERS: dict[str, dict[str, Any]] = {
    "temporal": {"encoder": {"name": "temporal", "channels": 16, "layers": 3, "boundaries": True}},
    "ends": {"encoder": {"name": "temporal", "channels": 16, "layers": 3}, "head": {"ends": 3}},
    "bmn": {"encoder": {"name": "bmn", "channels": 16}, "convention": "bmn", "context": 0.5},
}


def make_localizer(
    encoder: str = "temporal",
    *,
    steps: int = 3,
    longest: float = 120.0,
    movement: float = 1.0,
    members: int = 1,
    **inference: Any,
) -> Localizer:
    """A detector in float64, so that a difference is a defect and not rounding. It refines all anchors."""
    facts = replace(FACTS, longest=longest)
    inference = {"candidates": 500, "top": 100, "stride": 0.5, "refine_above": 0.0, **inference}
    config = tiny_config(model={**ENCODERS[encoder], "steps": steps}, inference=inference)
    models = [random_model(config, seed=seed) for seed in range(members)]
    with torch.no_grad():
        for model in models:
            for readout in (model.readout, *([model.refinement.update] if model.refinement else [])):
                readout.offsets.weight *= movement
    network = models[0] if members == 1 else Ensemble(models)
    localizer = Localizer.from_model(network.double(), config, facts, device="cpu")
    assert isinstance(localizer.search.anchors, Lattice)
    localizer.search.anchors = LatticeInDouble(*astuple(localizer.search.anchors))
    return localizer


@torch.inference_mode()
def refining_half(localizer: Localizer) -> Localizer:
    """The detector with a threshold that about half of the anchors reach."""
    search, features = localizer.search, make_features(300)
    first = search.query(search.encode(features), search.anchors(300).segments, steps=1)._replace(boundaries=None)
    middle = float(search.decoder.scores(first, first.segments[0]).amax(dim=1).median())
    search.decoder = replace(search.decoder, refine_above=round(middle, 4))  # no anchor's own score
    return localizer


class LatticeInDouble(Lattice):
    def __call__(self, snippets: int) -> Anchors:
        return Anchors(*map(Tensor.double, super().__call__(snippets)))

    def groups(self, snippets: int, tile: Callable[[float], int]) -> Iterator[chunks.Group]:
        for positions, segments in super().groups(snippets, tile):
            yield positions, segments.double()


def in_single_precision(**options: Any) -> Localizer:
    """A detector in float32 with chunks of 100 snippets."""
    config = tiny_config(data={"scale": 2.0, **options}, inference={"top": 50})
    localizer = Localizer.from_model(random_model(config), config, replace(FACTS, longest=20.0), device="cpu")
    localizer.search.chunk = 100
    return localizer


def make_features(snippets: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(FACTS.in_channels, snippets, generator=draw, dtype=torch.float64)


def detect(localizer: Localizer, features: Tensor, chunk: int, *, end: float = float("inf")) -> Detections:
    localizer.search.chunk = chunk
    return localizer.detect_prepared(features, Timeline(1.0, end_seconds=end), video="long")


def assert_same(found: Detections, expected: Detections) -> None:
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6, rtol=1e-5)
    np.testing.assert_array_equal(found.label_index, expected.label_index)
    np.testing.assert_allclose(found.segments_seconds, expected.segments_seconds, atol=1e-4)


def spy_on_sizes(localizer: Localizer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that receives the length of every piece that is encoded."""
    sizes: list[int] = []
    encode = localizer.search.encode

    def spy(features: Tensor) -> Any:
        sizes.append(features.shape[1])
        return encode(features)

    monkeypatch.setattr(localizer.search, "encode", spy)
    return sizes


# -- equal to a single pass --------------------------------------------------------------------------------------


CASES = {
    "m1": make_localizer(steps=1),
    "m3": make_localizer(),
    "m3-far": make_localizer(movement=3.0),  # segments that leave their piece
    "m3-boundaries": make_localizer(boundary_power=0.5),
    "m3-peaks": make_localizer(boundary_peaks=True),
    "m3-half": refining_half(make_localizer(movement=3.0, boundary_power=0.5)),
    "m3-rates": refining_half(make_localizer(movement=3.0, rates=[0.7, 1, 1.4])),
    "m2-rates-boundaries": make_localizer(steps=2, boundary_power=0.5, boundary_peaks=True, rates=[0.6, 1.9]),
    "m3-ends": make_localizer("ends"),
    "m3-ensemble": make_localizer(movement=3.0, members=3, boundary_power=0.5),
    "m3-ensemble-half": refining_half(make_localizer("ends", movement=3.0, members=2, rates=[0.7, 1])),
    "bmn-m2-ensemble": make_localizer("bmn", steps=2, members=2, boundary_peaks=True),
    "bmn-m1": make_localizer("bmn", steps=1, boundary_power=0.5, boundary_peaks=True),
    "bmn-m3": make_localizer("bmn"),
}


def test_half_of_the_anchors_are_refined_in_the_cases_above() -> None:
    search, features = CASES["m3-half"].search, make_features(200)
    found = search.query(search.encode(features), search.anchors(200).segments, steps=1)
    assert 0.3 < float(search.decoder.worth_refining(found).double().mean()) < 0.7


@pytest.mark.parametrize("case", CASES)
@given(snippets=st.integers(1, 300), chunk=st.integers(4, 320), beyond=st.floats(0, 0.9), seed=st.integers(0, 99))
@settings(max_examples=16, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_chunks_give_what_a_single_pass_gives(case: str, snippets: int, chunk: int, beyond: float, seed: int) -> None:
    features, end = make_features(snippets, seed), max(snippets - beyond, 0.5)
    once = detect(CASES[case], features, 10**6, end=end)
    assert_same(detect(CASES[case], features, chunk, end=end), once)


@pytest.mark.parametrize("case", ["m3-far", "bmn-m1"])
def test_pieces_of_a_single_snippet(case: str) -> None:
    features = make_features(60)
    assert_same(detect(CASES[case], features, 1), detect(CASES[case], features, 60))


def test_in_single_precision_scores_differ_only_by_rounding() -> None:
    config = tiny_config(model={"steps": 3}, inference={"candidates": 10**5, "top": 10**5, "nms": "none"})
    localizer = Localizer.from_model(random_model(config), config, FACTS, device="cpu")
    features = make_features(400).float()
    once, parts = (detect(localizer, features, chunk) for chunk in (400, 50))
    assert len(once) == len(parts)
    np.testing.assert_allclose(parts.scores, once.scores, atol=1e-5)


def test_windows_longer_than_a_chunk_are_searched_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    localizer, features = make_localizer(longest=20.0, movement=0.1), make_features(500)
    localizer.search.window = 300
    once = detect(localizer, features, 300)
    sizes = spy_on_sizes(localizer, monkeypatch)
    assert_same(detect(localizer, features, 40), once)
    assert max(sizes) < 200


def test_a_video_no_longer_than_a_chunk_is_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    localizer = make_localizer()
    sizes = spy_on_sizes(localizer, monkeypatch)
    detect(localizer, make_features(100), 100)
    assert sizes == [100]


@pytest.mark.parametrize("encoder", [{"name": "gtad", "channels": 16, "groups": 1}])
def test_an_encoder_that_sees_the_whole_video_is_one_pass(
    encoder: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(model={"encoder": encoder})
    localizer = Localizer.from_model(random_model(config), config, FACTS, device="cpu")
    sizes = spy_on_sizes(localizer, monkeypatch)
    detect(localizer, make_features(100).float(), 20)
    assert sizes == [100]


# -- anchors and features that are read in parts --------------------------------------------------------------------


@given(
    snippets=st.integers(1, 300),
    chunk=st.integers(4, 90),
    longest=st.floats(1, 300),
    ratio=st.floats(1.1, 2),
    stride=st.floats(0.2, 1),
)
@settings(max_examples=40, deadline=None)
def test_groups_of_a_lattice_hold_each_of_its_segments_once(
    snippets: int, chunk: int, longest: float, ratio: float, stride: float
) -> None:
    anchors = Lattice(2.0, longest, ratio, stride)
    whole = anchors(snippets).segments
    width = partial(chunks.tile_width, chunk=chunk, context=0.25)
    counted = torch.zeros(len(whole), dtype=torch.int64)
    for positions, segments in anchors.groups(snippets, width):
        assert torch.equal(whole[positions], segments)
        assert (positions.diff() > 0).all()
        counted[positions] += 1
        own = width(float(length(segments).max()))
        middles = segments.double().mean(dim=-1)
        assert middles.max() - middles.min() <= own + 1e-3
        seen = length(chunks.span(segments + 10**4, 0.25, 10**6)).max()
        assert own == chunk or own <= 2 * seen + 8
    assert (counted == 1).all()


@given(length=st.floats(1, 5000), chunk=st.integers(4, 2000), context=st.sampled_from([0.0, 0.25, 0.5]))
def test_tiles_are_as_wide_as_the_span_of_a_segment_requires(length: float, chunk: int, context: float) -> None:
    width = chunks.tile_width(length, chunk, context)
    middle = 10**5
    segment = torch.tensor([[middle - length / 2, middle + length / 2]], dtype=torch.float64)
    (span,) = chunks.span(segment, context, 2 * middle)  # in whole snippets, so up to two longer
    widest, narrowest = (float(span[1] - span[0]) - less for less in (0, 2))
    assert narrowest <= width
    assert width == chunk or width < 2 * widest


def test_no_more_anchors_at_a_time_in_a_longer_video() -> None:
    anchors, width = Lattice(2.0, 50.0, 1.25, 0.25), partial(chunks.tile_width, chunk=100, context=0.25)
    most = [max(len(own) for own, _ in anchors.groups(snippets, width)) for snippets in (1000, 2000, 4000)]
    assert max(most) <= min(most) + 20


STORED: dict[str, tuple[str, Callable[[Path, np.ndarray], Any]]] = {
    "float16": ("TC", lambda path, array: np.save(path / "long.npy", array)),
    "transposed": ("CT", lambda path, array: np.save(path / "long.npy", np.ascontiguousarray(array.T))),
    "fortran": ("TC", lambda path, array: np.save(path / "long.npy", np.asfortranarray(array))),
    "hdf5": (
        "TC",
        lambda path, array: h5py.File(path / "long.h5", "w").create_dataset("long", data=array).file.close(),
    ),
}


@pytest.mark.parametrize("window", [None, 60])
@pytest.mark.parametrize("kind", STORED)
def test_stored_features_give_what_those_in_memory_give(tmp_path: Path, kind: str, window: int | None) -> None:
    layout, save = STORED[kind]
    array = make_features(300).T.numpy().astype(np.float16)  # (T, C)
    save(tmp_path, array)
    localizer = in_single_precision(layout=layout)
    localizer.search.window = window
    found = localizer.detect(next(tmp_path.iterdir()), 5.0, video="long")
    expected = localizer.detect(array.astype(np.float32), 5.0, video="long")
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.segments_seconds, expected.segments_seconds)


def test_no_more_than_a_piece_is_read_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "long.npy", make_features(2000).T.numpy().astype(np.float16))
    localizer, sizes = in_single_precision(), list[int]()
    read = StoredFeatures.read

    def spy(stored: StoredFeatures, first: int = 0, last: int | None = None) -> np.ndarray:
        sizes.append((last or len(stored)) - first)
        return read(stored, first, last)

    monkeypatch.setattr(StoredFeatures, "read", spy)
    localizer.detect(tmp_path / "long.npy", 5.0)
    assert max(sizes) < 500
    assert localizer.preparation.resize is None
    localizer.preparation, sizes[:] = replace(localizer.preparation, resize=100), []
    localizer.detect(tmp_path / "long.npy", 5.0)
    assert sizes == [2000]


def test_stored_features_at_another_rate_give_what_those_in_memory_give(tmp_path: Path) -> None:
    np.save(tmp_path / "long.npy", make_features(300).T.numpy().astype(np.float32))
    localizer = in_single_precision()
    found = localizer.detect(tmp_path / "long.npy", 5.0, video="long", rates=(0.7, 1.4))
    expected = localizer.detect(np.load(tmp_path / "long.npy"), 5.0, video="long", rates=(0.7, 1.4))
    assert_same(found, expected)
    assert not np.array_equal(found.scores, localizer.detect(tmp_path / "long.npy", 5.0, video="long").scores)


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_a_sequence_is_scaled_and_sliced_like_a_tensor(tmp_path: Path, scale: float) -> None:
    array = make_features(50).T.numpy().astype(np.float32)  # (T, C)
    np.save(tmp_path / "a.npy", array)
    sequence, tensor = (
        FeatureSequence(open_features(tmp_path / "a.npy"), prepare=Preparation(scale=scale).scaled),
        torch.from_numpy(array).T / scale,
    )
    assert sequence.shape == tensor.shape
    for part in (slice(None), slice(3, 9), slice(40, 99), slice(9, 9), slice(9, 3)):
        assert torch.equal(sequence[:, part], tensor[:, part])
    with pytest.raises(ValueError, match="step of a slice"):
        sequence[:, ::2]


@pytest.mark.parametrize("where", [0, 1234, 1999])
def test_a_snippet_with_nan_in_the_middle_is_named(tmp_path: Path, where: int) -> None:
    array = make_features(2000).T.numpy().astype(np.float16)
    array[where, 5] = np.nan
    np.save(tmp_path / "long.npy", array)
    with pytest.raises(InputError, match=rf"long\.npy.*the first in snippet {where}\b"):
        in_single_precision().detect(tmp_path / "long.npy", 5.0)


def test_a_file_that_is_cut_while_it_is_searched_is_an_error_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "long.npy"
    np.save(path, make_features(2000).T.numpy())
    localizer = in_single_precision()
    features, timeline = localizer.prepare(path, 5.0, video="long")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(InputError, match=r"long\.npy"):
        localizer.detect_prepared(features, timeline, video="long")


# -- moved segments, memory, progress ----------------------------------------------------------------------------


def test_segments_that_leave_their_piece_are_queried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    localizer, features = CASES["m3-far"], make_features(400)
    asked: list[int] = []
    query = localizer.search.query

    def spy(encoding: Any, anchors: Tensor, **options: Any) -> Any:
        asked.append(len(anchors))
        return query(encoding, anchors, **options)

    monkeypatch.setattr(localizer.search, "query", spy)
    number = len(localizer.search.anchors(400).segments)
    found = detect(localizer, features, 40)
    assert sum(asked) > number
    asked.clear()
    monkeypatch.setattr(chunks, "MOVEMENT", 5.0)
    assert_same(detect(localizer, features, 40), found)
    more = sum(asked) - number
    asked.clear()
    monkeypatch.setattr(chunks, "MOVEMENT", 0.0)
    assert_same(detect(localizer, features, 40), found)
    assert sum(asked) - number > more


def test_the_longest_piece_does_not_grow_with_the_video(monkeypatch: pytest.MonkeyPatch) -> None:
    localizer = make_localizer(longest=30.0, movement=0.1)
    sizes = spy_on_sizes(localizer, monkeypatch)
    encoded = {}
    for snippets in (1000, 2000, 4000):
        sizes.clear()
        detect(localizer, make_features(snippets), 100)
        assert max(sizes) <= 4 * 100 + 2 * localizer.model.sight.radius  # type: ignore[operator, union-attr]  # moved ones too
        encoded[snippets] = sum(sizes)
    assert encoded[4000] == pytest.approx(4 * encoded[1000], rel=0.2)


def test_progress_grows_to_one() -> None:
    localizer = make_localizer()
    localizer.search.chunk, reported = 50, list[float]()
    localizer.detect_prepared(make_features(300), Timeline(1.0), video="long", progress=reported.append)
    assert len(reported) > 4
    assert reported == sorted(reported)
    assert reported[-1] == pytest.approx(1.0)


def test_progress_of_a_video_file_includes_extraction(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "features", dtype=np.float32, mode="w+", shape=(300, FACTS.in_channels))
    mapped[:] = make_features(300).T.numpy()

    def extract(path: Path, *, progress: Callable[[float], None] | None = None) -> VideoFeatures:
        for share in (0.5, 1.0):
            (progress or reported.append)(share)
        return VideoFeatures(mapped, np.zeros((300, 2)), 60.0, 5.0, ())

    localizer, reported = in_single_precision(), list[float]()
    localizer.extractor = cast(Extractor, extract)
    features, timeline = localizer.prepare("long.mp4", None, video="long", progress=reported.append)
    assert reported == [0.45, 0.9]
    assert isinstance(features, FeatureSequence)
    found = localizer.detect_prepared(features, timeline, video="long")
    np.testing.assert_array_equal(found.scores, localizer.detect(np.array(mapped), 5.0).scores)


# -- the parts ---------------------------------------------------------------------------------------------------


@given(chunk=st.integers(1, 50), seed=st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_groups_are_short_and_hold_every_segment_once(chunk: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    segments = (torch.rand(200, 2, generator=draw) * 300).sort(dim=-1).values
    parts = [positions for positions, _ in chunks.groups(segments, chunk, lambda part: part)]
    assert sorted(torch.cat(parts).tolist()) == list(range(200))
    for part in parts:
        assert part.tolist() == sorted(part.tolist())
        hull = float(segments[part, 1].max() - segments[part, 0].min())
        longest = float((segments[part, 1] - segments[part, 0]).max())
        assert hull <= max(2 * chunk, 4 * longest) + 1e-3


@given(chunk=st.integers(5, 60), radius=st.integers(0, 20), far=st.floats(0, 40), seed=st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_an_answer_depends_only_on_its_piece(chunk: int, radius: int, far: float, seed: int) -> None:
    snippets, steps, context = 300, 3, 0.25
    draw = torch.Generator().manual_seed(seed)
    start = torch.rand(80, generator=draw) * 280
    segments = torch.stack((start, start + 1 + torch.rand(80, generator=draw) * 15), dim=-1)
    drift = far * torch.randn(steps - 1, 80, 1, generator=draw)
    moved = torch.cat((segments[None], (segments + drift).clamp(0, snippets)))  # (M, K, 2)
    asked: list[tuple[int, int]] = []

    def ask(first: int, last: int, own: Tensor) -> Predictions:
        asked.append((first, last))
        rows = (own[:, None, 0] == start).int().argmax(dim=1)  # (K,)
        nothing = torch.zeros(1, len(own))
        answers = (AnchorScores(step[rows][None], nothing, nothing, nothing, nothing) for step in moved)
        return Predictions(tuple(answers), own[None], None)

    answered = []
    sight = chunks.Sight(context, radius)
    groups = chunks.groups(segments, chunk, lambda part: chunks.span(part, context, snippets))
    for positions, _ in chunks.answers(groups, ask, snippets=snippets, chunk=chunk, sight=sight):
        first, last = asked[-1]
        seen = chunks.looked_up(moved[:, positions], context, snippets)  # (M, K, 2)
        # The encoder sees a radius beyond the look-up, up to the ends of the video.
        assert ((seen[..., 0] - radius).clamp(min=0) >= first).all()
        assert ((seen[..., 1] + radius).clamp(max=snippets) <= last).all()
        answered += positions.tolist()
    assert sorted(answered) == list(range(80))


@pytest.mark.parametrize("snippets", [1, 7, 50, 101])
def test_pieces_cover_a_video_once(snippets: int) -> None:
    video = torch.arange(snippets)
    parts = [video[piece][own] for piece, own in chunks.pieces(snippets, 7, 3)]
    assert torch.equal(torch.cat(parts), video)


@given(levels=st.integers(1, 40), count=st.integers(1, 60), seed=st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_merged_candidates_are_those_of_all_anchors_also_among_equal_scores(levels: int, count: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randint(levels, (1, 50, 3), generator=draw).float()
    segments, zeros = torch.rand(1, 50, 2, generator=draw).sort(dim=-1).values * 99, torch.zeros(1, 50)
    whole = Predictions((AnchorScores(segments, zeros, zeros, torch.zeros(1, 50, 2), logits),), segments, None)
    decoder = Decoder(candidates=count)
    select: Callable[[Predictions], tuple[Decoded, Tensor]] = lambda part: decoder.select_with_anchors(  # noqa: E731
        part, end=99, minimum_length=0
    )
    merged: tuple[Decoded, Tensor] | None = None
    for parity in (1, 0):
        own = torch.arange(50) % 2 == parity
        found, anchors = select(chunks.chosen(whole, own))
        merged = decoder.merge([*([merged] if merged else []), (found, own.nonzero()[:, 0][anchors])])
    assert merged is not None
    for field, expected in zip((*merged[0], merged[1]), (*select(whole)[0], select(whole)[1]), strict=True):
        assert torch.equal(field, expected)


@given(levels=st.integers(1, 40), count=st.integers(1, 60), size=st.integers(1, 20), seed=st.integers(0, 999))
@settings(max_examples=50, deadline=None)
def test_candidates_come_in_groups_of_any_size(levels: int, count: int, size: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randint(levels, (1, 50, 3), generator=draw).float()
    segments, zeros = torch.rand(1, 50, 2, generator=draw).sort(dim=-1).values * 99, torch.zeros(1, 50)
    whole = Predictions((AnchorScores(segments, zeros, zeros, torch.zeros(1, 50, 2), logits),), segments, None)
    decoder = Decoder(candidates=count)
    candidates = Candidates(decoder, end=99, minimum_length=0)
    for positions in torch.randperm(50, generator=draw).split(size):
        own = torch.zeros(50, dtype=torch.bool)
        own[positions] = True
        candidates.add(chunks.chosen(whole, own), own.nonzero()[:, 0])
    for field, expected in zip(candidates.best(), decoder.select(whole, end=99, minimum_length=0), strict=True):
        assert torch.equal(field, expected)


def test_more_detections_are_kept_of_very_long_videos() -> None:
    decoder = Decoder(candidates=30, top=20)
    assert decoder.scaled(1) is decoder.scaled(SNIPPETS_PER_COUNT) is decoder
    longer = decoder.scaled(2 * SNIPPETS_PER_COUNT + 1)
    assert (longer.candidates, longer.top) == (90, 60)
