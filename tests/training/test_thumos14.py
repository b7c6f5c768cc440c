"""The protocol of THUMOS14, sliding windows, from end to end on a small pack of the right shape."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.datasets import VideoDataset, WindowDataset
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.formats.results import load_detections
from rcl.data.segments import length, tiou
from rcl.data.video_scores import THUMOS14_CLASSES
from rcl.detector.config import Config
from rcl.detector.load_config import load_config, parse_config
from rcl.detector.localizer import Localizer
from rcl.detector.search import Search
from rcl.evaluation.metrics import evaluate
from rcl.models.decoding import Decoder
from rcl.models.encoding import Encoding
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.sampling import grid
from rcl.system.errors import InputError
from rcl.training.data import load_training_data
from rcl.training.recipes import recipe_file, recipe_names
from rcl.training.run import train
from typed import Rcl
from untrained import FACTS, save_untrained

RECIPES = [name for name in recipe_names() if name.startswith("thumos14_")]
RATE = 7.5  # snippets per second: every 4 frames of 30
LABELS = ("Billiards", "Diving", "LongJump")
SNIPPETS = {"video_validation_0000051": 90, "video_validation_0000052": 300}
SNIPPETS |= {"video_test_0000004": 100, "video_test_0000006": 280}


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training and two test videos, one of either shorter than a window, and the classes of all test videos."""
    random = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("thumos14")
    (root / "features").mkdir()
    videos, scores = {}, random.uniform(0, 0.1, (1574, 101))
    for number, (name, snippets) in enumerate(SNIPPETS.items()):
        duration, label = snippets / RATE, LABELS[number % 3]
        start = np.array([0.1, 0.8]) * duration
        segments = np.stack((start, start + random.uniform(0.5, 2.0, 2)), axis=1)
        subset = "training" if "validation" in name else "validation"
        videos[name] = VideoAnnotation(name, subset, duration, RATE, segments, (label, label))
        np.save(root / "features" / f"{name}.npy", random.normal(size=(snippets, 2048)).astype(np.float32))
        scores[int(name[-7:]) - 1, THUMOS14_CLASSES[label] - 1] = 1.0
    save_annotations(Annotations(videos), root / "annotations.json")
    np.save(root / "uNet_test.npy", scores)
    return root


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_runs_to_the_end(tmp_path: Path, pack: Path, recipe: str, rcl_: Rcl) -> None:
    run, found = tmp_path / "run", tmp_path / "detections.json"
    quick = ["training.epochs=1", "training.batch_size=4", "sampling.regular=300", "data.validation_subset=null"]
    assert rcl_("train", recipe, f"data.root={pack}", *quick, "--output", run).status == 0
    options = ("--subset", "validation", "--video-scores", pack / "uNet_test.npy", "--video-labels", 2)
    assert rcl_("detect", run / "last.ckpt", pack, *options, "--output", found).status == 0
    detections = load_detections(found)
    assert len(detections) == 2 * 2 * load_config(recipe_file(recipe)).inference.top
    for name in ("video_test_0000004", "video_test_0000006"):
        own = detections.video_index == detections.videos.index(name)
        ends = detections.segments_seconds[own]
        assert ends.min() >= 0
        assert 0.8 * SNIPPETS[name] < ends.max() * RATE <= SNIPPETS[name] + 1e-3  # the tail is searched, too
    truth = load_annotations(pack / "annotations.json").subset("validation")
    best = [detections.labels[detections.label_index[detections.video_index == video][0]] for video in (0, 1)]
    assert sorted(best) == sorted(truth.labels)
    assert 0 <= evaluate(detections, truth, tiou_thresholds=np.array([0.5])).average_map <= 1
    assert rcl_("evaluate", found, pack, "--tiou", "0.3:0.7:0.1").status == 0


# -- training ----------------------------------------------------------------------------------------------------


class Store:
    """Features whose values are the snippets' positions: ``(T, 1)`` per video."""

    def __init__(self, *snippets: int) -> None:
        self.snippets = snippets

    def timed(self, annotations: Annotations) -> Store:
        return self

    def rate(self, name: str) -> None:
        return None

    def shape(self, name: str) -> tuple[int, int]:
        return self.snippets[int(name)], 1

    def open(self, name: str) -> SimpleNamespace:
        whole = np.arange(self.snippets[int(name)], dtype=np.float32)[:, None]

        def read(first: int = 0, last: int | None = None) -> np.ndarray:
            self.read = whole[first:last]
            return self.read

        return SimpleNamespace(shape=whole.shape, read=read)


def videos_of(*instances: tuple[int, list[tuple[float, float]]]) -> VideoDataset:
    """Videos of the given lengths with instances ``(start, length)``, all in snippets, labelled by their numbers."""
    videos = {}
    for number, (_, pairs) in enumerate(instances):
        segments = np.array([(s, s + n) for s, n in pairs], dtype=np.float64).reshape(-1, 2) / RATE
        labels = tuple(str(i) for i in range(len(pairs)))
        videos[str(number)] = VideoAnnotation(str(number), "training", None, RATE, segments, labels)
    store: Any = Store(*(snippets for snippets, _ in instances))
    return VideoDataset(Annotations(videos), store, [str(i) for i in range(9)])


PAIRS = st.lists(st.tuples(st.floats(0, 100), st.floats(0.5, 60)), max_size=5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 120), PAIRS), min_size=1, max_size=3), st.integers(1, 40), st.data())
def test_training_windows_hold_their_instances_and_every_one_that_fits(
    instances: list[tuple[int, list[tuple[float, float]]]], window: int, data: st.DataObject
) -> None:
    stride = data.draw(st.one_of(st.none(), st.integers(1, window)))
    videos = videos_of(*instances)
    windows = WindowDataset(videos, window, stride=stride)
    seen = set()
    for index in range(len(windows)):
        sample = windows[index]
        read = len(windows.videos.store.read)  # type: ignore[arg-type]
        whole = videos[int(sample.video)]
        start = int(sample.features[0, 0])
        end = min(start + window, whole.features.shape[1])
        assert sample.features[0].tolist() == list(range(start, end))
        assert read == end - start  # and nothing else
        assert len(sample.segments) == len(sample.labels) > 0
        members = torch.isin(whole.labels, sample.labels)
        assert torch.equal(whole.labels[members], sample.labels)
        clipped = whole.segments[members].clamp(start, end)
        torch.testing.assert_close(sample.timeline.to_seconds(sample.segments), clipped / RATE, atol=1e-4, rtol=0)
        assert (length(sample.segments) > 0.74 * length(whole.segments[members])).all()
        seen |= {(sample.video, label) for label in sample.labels.tolist()}
    step = stride or max(window // 2, 1)
    for whole in map(videos.__getitem__, range(len(videos))):
        longest = window - step if whole.features.shape[1] > window else window
        fitting = whole.labels[length(whole.segments) <= longest].tolist()
        assert {(whole.video, label) for label in fitting} <= seen
    assert windows.left_out == sum(len(videos[index].labels) for index in range(len(videos))) - len(seen)


def windowed(pack: Path, **data: Any) -> Config:
    encoder = {"name": "temporal", "channels": 8, "layers": 2}
    model = {"encoder": encoder, "channels": 8, "points": 4, "steps": 2, "labels": "none"}
    data = {"root": str(pack), "window": 64, **data}
    return parse_config({"data": data, "model": model, "training": {"epochs": 1}}, where="test")


def test_a_windowed_run_is_validated_on_whole_videos(pack: Path, tmp_path: Path) -> None:
    data = load_training_data(windowed(pack))
    assert data.validation is not None
    assert max(sample.features.shape[1] for sample in map(data.validation.__getitem__, (0, 1))) == 280
    assert {data.training[index].features.shape for index in range(len(data.training))} == {(2048, 64)}
    last = train(windowed(pack), tmp_path / "run")
    assert "validation_mAP" in (tmp_path / "run" / "metrics.csv").read_text()
    assert Localizer.load(last).search.window == 64


def test_actions_that_fit_in_no_window_are_named_or_refused(pack: Path, caplog: pytest.LogCaptureFixture) -> None:
    lengths = np.sort(
        [length(s) for i in (0, 1) for s in load_training_data(windowed(pack)).training.videos.truth(i)[0]]
    )
    assert lengths[0] < lengths[-1]
    with pytest.raises(InputError, match="expected instances that fit in a window of 1 snippets, found none of 4"):
        load_training_data(windowed(pack, window=1))
    some = int(lengths[1] + 1)
    with caplog.at_level(logging.WARNING, "rcl"):
        facts = load_training_data(windowed(pack, window=some, window_stride=1)).facts
    assert facts.longest == min(some, lengths[-1])
    assert f"of 4 training instances that do not fit in a window of {some} snippets" in caplog.text


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"window": 64, "resize": 100}, "either window or resize"),
        ({"window": 64, "window_stride": 65}, "at most the window, 64"),
        ({"window": 0}, "data.window"),
        ({"window": 64, "window_share": 1.0}, "data.window_share"),
    ],
)
def test_impossible_windows_are_refused(data: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        parse_config({"data": data}, where="test")


# -- detection ---------------------------------------------------------------------------------------------------

MODELS: dict[str, dict[str, Any]] = {
    "lattice": {},
    "boundaries": {
        "model": {"encoder": {"name": "bmn", "channels": 16}, "longest": 8},
        "inference": {"boundary_power": 0.5, "anchors": "grid"},
    },
}


def random_features(snippets: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(snippets, FACTS.in_channels)).astype(np.float32)


def loaded(folder: Path, *, nms: str = "gaussian", data: dict[str, Any] | None = None, **sections: Any) -> Localizer:
    inference = {**sections.pop("inference", {}), "nms": nms, "top": 100000 if nms == "none" else 200}
    facts = replace(FACTS, snippets_per_second=RATE)
    path = save_untrained(folder / "a.ckpt", facts, data=data or {}, inference=inference, **sections)
    return Localizer.load(path, device="cpu")


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("snippets", "window"), [(40, 40), (40, 41), (1, 64), (39, 200)])
def test_a_video_of_at_most_a_window_is_searched_whole(tmp_path: Path, kind: str, snippets: int, window: int) -> None:
    features, segments = random_features(snippets), [(0.1, 0.2), (-3.0, 100.0)]
    whole = loaded(tmp_path, **MODELS[kind])
    pieces = loaded(tmp_path, data={"window": window}, **MODELS[kind])
    for a, b in (
        (whole.detect(features, RATE), pieces.detect(features, RATE)),
        (whole.score(features, segments, RATE), pieces.score(features, segments, RATE)),
    ):
        names = ("segments_seconds", "label_index", "scores") if isinstance(a, Detections) else a._fields
        for name in names:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("kind", MODELS)
def test_a_long_video_gives_the_detections_of_its_windows(tmp_path: Path, kind: str) -> None:
    features = random_features(75)
    pieces = loaded(tmp_path, nms="none", data={"window": 32, "window_stride": 20}, **MODELS[kind])
    whole = loaded(tmp_path, nms="none", **MODELS[kind])
    found = pieces.detect(features, RATE)
    parts = [(start, whole.detect(features[start : start + 32], RATE)) for start in (0, 20, 40, 43)]
    rows = np.concatenate(
        [
            np.column_stack((part.scores, part.label_index, part.segments_seconds + start / RATE))
            for start, part in parts
        ]
    )
    expected = rows[np.argsort(-rows[:, 0], kind="stable")]
    assert len(found) == len(expected) > 1000
    np.testing.assert_array_equal(found.scores, expected[:, 0])
    np.testing.assert_array_equal(found.label_index, expected[:, 1])
    np.testing.assert_allclose(found.segments_seconds, expected[:, 2:], atol=1e-5)


@pytest.mark.parametrize("end", [40.0, 66.3])
def test_features_beyond_the_end_of_a_video_are_not_searched(tmp_path: Path, end: float) -> None:
    pieces = loaded(tmp_path, nms="none", data={"window": 16})
    clip, timeline = pieces.prepare(random_features(75), RATE)
    timeline = timeline._replace(end_seconds=end / RATE)
    found = pieces.detect_prepared(clip, timeline, video="v")
    assert (found.segments_seconds <= end / RATE + 1e-5).all()
    assert (np.diff(found.segments_seconds) * RATE >= 1 - 1e-4).all()
    assert found.segments_seconds.max() * RATE > end - 2
    shorter = pieces.detect_prepared(clip[:, : int(np.ceil(end))], timeline, video="v")
    np.testing.assert_array_equal(found.scores, shorter.scores)
    np.testing.assert_array_equal(found.segments_seconds, shorter.segments_seconds)


class Seer(nn.Module):
    """A detector that recognizes one action if it sees all of it: a given number of snippets with the feature 1."""

    steps = 1
    sight = None

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def encode(self, features: Tensor, mask: Tensor) -> Encoding:
        return Encoding(features, mask, None)

    def query(self, encoding: Encoding, anchors: Tensor, *, steps: int | None = None) -> Predictions:
        marked = encoding.features[0, 0].nonzero()[:, 0]
        if len(marked) == self.size:
            truth = torch.stack((marked[0], marked[-1] + 1)).float()[None]
            logits = 10 * tiou(anchors[0], truth).T - 5  # (1, K)
        else:
            logits = torch.full(anchors.shape[:2], -5.0)
        nothing = torch.zeros_like(logits)
        labels = torch.zeros(*anchors.shape[:2], 0)
        return Predictions((AnchorScores(anchors, nothing, logits, torch.zeros_like(anchors), labels),), anchors, None)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_an_action_is_found_wherever_it_is(data: st.DataObject) -> None:
    snippets, window = data.draw(st.integers(1, 90)), data.draw(st.integers(2, 24))
    stride = data.draw(st.one_of(st.none(), st.integers(1, window - 1)))
    size = data.draw(st.integers(1, min(snippets, window - (stride or window // 2))))
    start = data.draw(st.one_of(st.just(snippets - size), st.integers(0, snippets - size)))
    features = np.zeros((snippets, 1), dtype=np.float32)
    features[start : start + size] = 1
    model: Any = Seer(size)
    decoder = Decoder(classification_power=1.0, regression_power=1.0)
    search = Search(model, anchors=grid, decoder=decoder, window=window, window_stride=stride, device="cpu")
    seer = Localizer(search, labels=(), in_channels=1)
    clip, timeline = seer.prepare(features, RATE)
    end_seconds = data.draw(st.sampled_from([np.inf, (start + size) / RATE]))  # features may reach beyond the video
    found = seer.detect_prepared(clip, timeline._replace(end_seconds=end_seconds), video="v")
    np.testing.assert_allclose(found.segments_seconds[0] * RATE, [start, start + size], atol=1e-4)
    assert found.scores[0] == pytest.approx(0.5 / (1 + np.exp(-5)))
    scored = seer.score(features, [(start / RATE, (start + size) / RATE)], RATE)
    assert scored.confidence[0] == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-4)
    np.testing.assert_allclose(scored.refined_seconds[0] * RATE, [start, start + size], atol=1e-4)


def test_a_segment_is_scored_in_the_window_around_it(tmp_path: Path) -> None:
    features = random_features(75)
    pieces, whole = loaded(tmp_path, data={"window": 32}), loaded(tmp_path)
    asked = np.array([(50.0, 60.0), (2.0, 20.0), (70.0, 80.0), (51.0, 59.0)]) / RATE
    found = pieces.score(features, asked, RATE)
    for row, start in enumerate((39, 0, 43, 39)):
        (segment,) = asked[row : row + 1] - start / RATE
        alone = whole.score(features[start : start + 32], [segment], RATE)
        np.testing.assert_allclose(found.confidence[row], alone.confidence[0], atol=1e-5)
        np.testing.assert_allclose(found.labels[row], alone.labels[0], atol=1e-5)
        np.testing.assert_allclose(found.refined_seconds[row], alone.refined_seconds[0] + start / RATE, atol=1e-4)
    with pytest.raises(InputError, match="segment 1: expected at most 32 snippets, the window of this model, found 33"):
        pieces.score(features, [(0.0, 1.0), (1.0, 1.0 + 33 / RATE)], RATE)
