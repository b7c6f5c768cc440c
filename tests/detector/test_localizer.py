"""The public class: equal results for all kinds of input, scores of any segment, untrusted files."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from made_pack import make_pack
from rcl.data.detections import Detections
from rcl.data.resizing import resize
from rcl.data.segments import clip
from rcl.detector.checkpoint import KEY, read_checkpoint
from rcl.detector.encoded_video import EncodedVideo
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError
from rcl.training.data import load_training_data
from rcl.video.extractor import Extractor
from untrained import FACTS, content, random_model, save_untrained, tiny_config

SNIPPETS, RATE = 90, 5.0


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_untrained(tmp_path_factory.mktemp("checkpoint") / "last.ckpt")


@pytest.fixture(scope="module")
def localizer(checkpoint: Path) -> Localizer:
    return Localizer.load(checkpoint, device="cpu")


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(SNIPPETS, FACTS.in_channels)).astype(np.float32)


def assert_same(a: Detections, b: Detections, *, atol: float = 0.0) -> None:
    assert a.videos == b.videos
    assert len(a) == len(b) > 0
    np.testing.assert_allclose(a.scores, b.scores, atol=atol, rtol=0)
    np.testing.assert_array_equal(a.label_index, b.label_index)
    np.testing.assert_allclose(a.segments_seconds, b.segments_seconds, atol=100 * atol, rtol=0)


# -- detect ------------------------------------------------------------------------------------------------------


def test_arrays_tensors_and_files_give_the_same_detections(
    localizer: Localizer, features: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", features)
    torch.save(torch.from_numpy(features), tmp_path / "a.pt")
    expected = localizer.detect(features, RATE)
    ways: list[Any] = [
        torch.from_numpy(features), tmp_path / "a.npy", str(tmp_path / "a.npy"), tmp_path / "a.pt",
        features.astype(np.float64), np.asfortranarray(features),
    ]  # fmt: skip
    for way in ways:
        assert_same(localizer.detect(way, RATE, video="video"), expected)
    assert localizer.detect(tmp_path / "a.npy", RATE).videos == ("a",)
    assert_same(localizer.detect(features), expected)  # the rate of the training features
    assert localizer.detect(features, RATE, video="dog.mp4").videos == ("dog.mp4",)


def test_detections_are_best_first_and_inside_the_video(localizer: Localizer, features: np.ndarray) -> None:
    found = localizer.detect(features, RATE)
    assert (np.diff(found.scores) <= 0).all()
    assert ((found.scores > 0) & (found.scores <= 1)).all()
    assert found.labels == FACTS.labels
    assert (found.segments_seconds >= 0).all()
    assert (found.segments_seconds <= SNIPPETS / RATE + 1e-5).all()
    assert (np.diff(found.segments_seconds) >= 1 / RATE - 1e-5).all()


def test_without_a_rate_of_training_another_rate_changes_only_times(features: np.ndarray, tmp_path: Path) -> None:
    facts = replace(FACTS, snippets_per_second=None)  # its videos differed
    localizer = Localizer.load(save_untrained(tmp_path / "a.ckpt", facts))
    slow, fast = localizer.detect(features, 5.0), localizer.detect(features, 20.0)
    np.testing.assert_allclose(slow.segments_seconds, 4 * fast.segments_seconds, atol=1e-5)
    np.testing.assert_array_equal(slow.scores, fast.scores)


@pytest.mark.parametrize(
    "encoder", [{"name": "temporal", "channels": 16, "layers": 3}, {"name": "bmn", "channels": 16}]
)
def test_anchors_in_one_query_or_in_parts(
    encoder: dict[str, Any], features: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_untrained(tmp_path / "a.ckpt", model={"encoder": encoder}, inference={"boundary_power": 0.5})
    localizer = Localizer.load(path)
    assert len(localizer.search.anchors(SNIPPETS).segments) > 250  # more than two parts
    once = localizer.detect(features, RATE)
    monkeypatch.setattr("rcl.detector.search.ANCHORS_PER_QUERY", 100)
    assert_same(localizer.detect(features, RATE), once, atol=1e-6)


def test_a_video_of_one_snippet(localizer: Localizer, features: np.ndarray) -> None:
    found = localizer.detect(features[:1], RATE)
    np.testing.assert_allclose(found.segments_seconds, np.broadcast_to([0, 1 / RATE], (len(found), 2)), atol=1e-6)
    assert np.isfinite(localizer.score(features[:1], [(0.0, 0.1), (-5.0, 5.0)], RATE).confidence).all()


def test_the_scale_of_the_configuration_is_applied(features: np.ndarray, tmp_path: Path) -> None:
    plain = Localizer.load(save_untrained(tmp_path / "a.ckpt"))
    scaled = Localizer.load(save_untrained(tmp_path / "b.ckpt", data={"scale": 2.0}))
    assert_same(scaled.detect(2 * features, RATE), plain.detect(features, RATE))


def test_resized_features_keep_the_times_of_the_video(features: np.ndarray, tmp_path: Path) -> None:
    plain = Localizer.load(save_untrained(tmp_path / "a.ckpt", replace(FACTS, snippets_per_second=None)))
    resized = Localizer.load(save_untrained(tmp_path / "b.ckpt", data={"resize": 30}))
    by_hand = resize(torch.from_numpy(features).T, 30).T
    assert_same(resized.detect(features, RATE), plain.detect(by_hand, RATE * 30 / SNIPPETS), atol=1e-6)
    assert resized.detect(features, RATE).segments_seconds.max() > 0.9 * SNIPPETS / RATE


def test_a_proposal_model_has_no_labels(features: np.ndarray, tmp_path: Path) -> None:
    localizer = Localizer.load(save_untrained(tmp_path / "a.ckpt", model={"labels": "none"}))
    found = localizer.detect(features, RATE)
    assert found.labels == ("",)
    assert len(found) > 10
    scores = localizer.score(features, [(1.0, 2.0), (3.0, 9.0)], RATE)
    assert scores.labels.shape == (2, 0)
    assert scores.names == ()
    assert scores.confidence.shape == (2,)


# -- score -------------------------------------------------------------------------------------------------------


def test_score_is_the_continuous_function_at_the_segments(localizer: Localizer, features: np.ndarray) -> None:
    asked = np.sort(np.random.default_rng(1).uniform(0, SNIPPETS / RATE, size=(50, 2)), axis=1)
    scores = localizer.score(features, asked, RATE)
    model, anchors = random_model(tiny_config()), torch.from_numpy(asked * RATE).float()[None]
    with torch.no_grad():
        mask = torch.ones(1, SNIPPETS, dtype=torch.bool)
        first = model(torch.from_numpy(features).T[None], mask, anchors).steps[0]  # of this segment, not of a moved one
    regression = first.regression[0].sigmoid()
    np.testing.assert_allclose(scores.confidence, regression, atol=1e-6)
    np.testing.assert_allclose(scores.labels, first.labels[0].sigmoid() * regression[:, None] ** 0.5, atol=1e-6)
    refined = clip(first.segments[0], float(SNIPPETS), minimum_length=1.0) / RATE
    np.testing.assert_allclose(scores.refined_seconds, refined, atol=1e-5)
    assert scores.names == FACTS.labels


def test_segments_are_scored_one_by_one_as_together(localizer: Localizer, features: np.ndarray) -> None:
    asked = [(0.1, 0.9), (3.0, 17.0), (5.55, 5.56)]
    together = localizer.score(features, asked, RATE)
    for index, segment in enumerate(asked):
        one = localizer.score(features, [segment], RATE)
        np.testing.assert_allclose(one.confidence[0], together.confidence[index], atol=1e-6)
        np.testing.assert_allclose(one.labels[0], together.labels[index], atol=1e-6)


@pytest.mark.parametrize(
    "segment",
    [(0, 18), (-4, 3.3), (17, 40), (-1000, 1000), (4, 4 + 1e-9), (0, 1e-30), (17.9999, 18)],
)
def test_any_segment_that_overlaps_the_video_has_a_finite_score(
    localizer: Localizer, features: np.ndarray, segment: tuple[float, float]
) -> None:
    scores = localizer.score(features, [segment], RATE)
    for numbers in (scores.confidence, scores.labels, scores.refined_seconds):
        assert np.isfinite(numbers).all()
    assert 0 <= scores.confidence[0] <= 1
    assert (scores.refined_seconds >= 0).all()
    assert (scores.refined_seconds <= SNIPPETS / RATE + 1e-5).all()


@pytest.mark.parametrize("segment", [(-50, -40), (-1, 0), (18, 19), (100, 101)])
def test_a_segment_outside_the_video_is_refused(
    localizer: Localizer, features: np.ndarray, segment: tuple[float, float]
) -> None:
    with pytest.raises(InputError, match=r"segment 1: expected a segment that overlaps the video, which lasts 18 s, f"):
        localizer.score(features, [(1.0, 2.0), segment], RATE)


def test_the_end_of_the_video_counts_and_not_that_of_its_features(localizer: Localizer, features: np.ndarray) -> None:
    clip, timeline = localizer.prepare(features, RATE)
    shorter = EncodedVideo(clip, timeline._replace(end_seconds=17.5))
    with pytest.raises(InputError, match=r"lasts 17\.5 s, found \[17\.6, 17\.9\]"):
        localizer.score_encoded(shorter, [(17.6, 17.9)])
    longer = EncodedVideo(clip, timeline._replace(end_seconds=18.5))
    assert np.isfinite(localizer.score_encoded(longer, [(18.1, 18.4)]).confidence).all()


@pytest.mark.parametrize("labels", ["joint", "none"])
def test_confidence_is_a_score_that_was_trained(features: np.ndarray, tmp_path: Path, labels: str) -> None:
    model = {"labels": labels}
    both = Localizer.load(save_untrained(tmp_path / "a.ckpt", model=model))
    powers = {"classification_power": 1.0, "regression_power": 0.0}
    untrained = save_untrained(tmp_path / "b.ckpt", model=model, loss={"regression": 0}, inference=powers)
    asked = [(1.0, 2.0), (3.0, 9.0)]
    encoded = both.encode(features, RATE)
    first = both.search.query(both.search.encode(encoded.features), torch.tensor(asked) * RATE, steps=1).steps[0]
    regression, classification = (head[0].sigmoid().detach() for head in (first.regression, first.classification))
    np.testing.assert_allclose(both.score(features, asked, RATE).confidence, regression, atol=1e-6)
    np.testing.assert_allclose(
        Localizer.load(untrained).score(features, asked, RATE).confidence, classification, atol=1e-6
    )


def test_confidence_without_a_trained_confidence_is_that_of_the_best_label(
    features: np.ndarray, tmp_path: Path
) -> None:
    loss, powers = {"regression": 0, "classification": 0}, {"classification_power": 0, "regression_power": 0}
    localizer = Localizer.load(save_untrained(tmp_path / "a.ckpt", loss=loss, inference=powers))
    scores = localizer.score(features, [(1.0, 2.0), (3.0, 9.0)], RATE)
    np.testing.assert_array_equal(scores.confidence, scores.labels.max(axis=1))


def test_no_segments_have_no_scores(localizer: Localizer, features: np.ndarray) -> None:
    scores = localizer.score(features, [], RATE)
    assert scores.confidence.shape == (0,)
    assert scores.labels.shape == (0, len(FACTS.labels))
    assert scores.refined_seconds.shape == (0, 2)


@pytest.mark.parametrize(
    ("segments", "named"),
    [
        ([(1.0, 2.0), (3.0, 3.0)], "segment 1"),
        ([(5.0, 2.0)], "segment 0"),
        ([(1.0, float("nan"))], "segment 0"),
        ([(1.0, float("inf"))], "segment 0"),
        ([(1.0, 2.0, 3.0)], "segments"),
        ([(1.0, 2.0, 3.0), (4.0, 5.0, 6.0)], "segments"),  # not three segments
        ([(1.0, 2.0), (3.0,)], "segments"),
        ([("one", "two")], "segments"),
        (7.0, "segments"),
    ],
)
def test_an_invalid_segment_is_refused(localizer: Localizer, features: np.ndarray, segments: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        localizer.score(features, segments, RATE)


# -- features that do not fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(SNIPPETS, 31), (32, SNIPPETS), (32,), (0, 32), (1, SNIPPETS, 32)])
def test_features_of_another_shape_are_refused(localizer: Localizer, shape: tuple[int, ...]) -> None:
    for ask in (localizer.detect, lambda x, rate: localizer.score(x, [(0.0, 1.0)], rate)):
        with pytest.raises(InputError, match="32"):
            ask(np.zeros(shape, dtype=np.float32), RATE)  # type: ignore[operator]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(localizer: Localizer, features: np.ndarray, value: float) -> None:
    broken = features.copy()
    broken[17, 3] = value
    with pytest.raises(InputError, match="snippet 17"):
        localizer.detect(broken, RATE, video="dog")


def test_a_rate_is_required_if_the_training_features_had_none(features: np.ndarray, tmp_path: Path) -> None:
    facts = replace(FACTS, snippets_per_second=None)
    localizer = Localizer.load(save_untrained(tmp_path / "a.ckpt", facts))
    assert len(localizer.detect(features, RATE))
    with pytest.raises(InputError, match="snippets per second"):
        localizer.detect(features)
    for rate in (0.0, -5.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="snippets per second"):
            localizer.detect(features, rate)


def test_a_rate_for_a_video_file_is_refused(checkpoint: Path) -> None:
    localizer = Localizer.load(checkpoint)
    localizer.extractor = cast(Extractor, lambda path, progress: pytest.fail("the video was read"))
    for ask in (localizer.detect, localizer.encode, lambda path, rate: localizer.score(path, [(0.0, 1.0)], rate)):
        with pytest.raises(InputError, match=r"expected feature files, found x\.mp4; leave it out for videos"):
            ask("x.mp4", 99)  # type: ignore[operator]


@pytest.mark.parametrize(("size", "rate"), [(None, 5.0), (20, None)])
def test_the_rate_of_resized_videos_is_not_used_for_feature_files(
    tmp_path: Path, size: int | None, rate: float | None
) -> None:
    # All training videos have one length, so resized they have one rate: the wrong one for a file.
    pack = make_pack(tmp_path, training=1, validation=0)
    config = tiny_config(data={"root": str(pack), "validation_subset": None, "resize": size})
    assert load_training_data(config).facts.snippets_per_second == rate


# -- checkpoints -------------------------------------------------------------------------------------------------


class Trap:
    """Creates a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("plain", [False, True], ids=["torch", "pickle"])
def test_code_in_a_checkpoint_is_refused_and_not_executed(tmp_path: Path, plain: bool) -> None:
    trap = Trap(tmp_path / "sprung")
    path = tmp_path / "trap.ckpt"
    if plain:
        path.write_bytes(pickle.dumps({**content(tiny_config()), "callbacks": trap}))
    else:
        torch.save({**content(tiny_config()), "callbacks": trap}, path)
    with pytest.raises(InputError, match=r"trap\.ckpt"):
        Localizer.load(path)
    assert not trap.place.exists()
    pickle.loads(pickle.dumps(trap))  # the trap works
    assert trap.place.exists()


def test_a_damaged_checkpoint_is_reported_in_one_sentence(checkpoint: Path, tmp_path: Path) -> None:
    whole = checkpoint.read_bytes()
    path = tmp_path / "part.ckpt"
    for share in (0, 0.001, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match=r"part\.ckpt") as caught:
            Localizer.load(path)
        assert "\n" not in str(caught.value)


def test_a_changed_byte_is_refused_or_harmless(checkpoint: Path, tmp_path: Path) -> None:
    draw, whole = random.Random(0), checkpoint.read_bytes()
    path = tmp_path / "flipped.ckpt"
    # The head of the file holds the pickle, its end the table of contents.
    places = [*draw.sample(range(6000), 60), *draw.sample(range(len(whole) - 3000, len(whole)), 30)]
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ draw.randrange(1, 256)]) + whole[place + 1 :])
        with contextlib.suppress(InputError):
            Localizer.load(path)


@pytest.mark.parametrize(
    "other", [{"weights": torch.zeros(3)}, {"state_dict": {"conv.weight": torch.zeros(3)}}, torch.zeros(2), [1, 2]]
)
def test_a_checkpoint_of_another_program_is_refused(tmp_path: Path, other: Any) -> None:
    torch.save(other, tmp_path / "other.ckpt")
    with pytest.raises(InputError, match="another program"):
        Localizer.load(tmp_path / "other.ckpt")


def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.ckpt", tmp_path):
        with pytest.raises(InputError, match="checkpoint"):
            Localizer.load(path)


def without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


READOUT = "model.readout.offsets.weight"
CHANGES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "newer-format": lambda c: {**c, KEY: {**c[KEY], "format": 99}},
    "no-format": lambda c: {**c, KEY: without(c[KEY], "format")},
    "text-format": lambda c: {**c, KEY: {**c[KEY], "format": "one"}},
    "no-config": lambda c: {**c, KEY: without(c[KEY], "config")},
    "no-facts": lambda c: {**c, KEY: without(c[KEY], "facts")},
    "unknown-fact": lambda c: {**c, KEY: {**c[KEY], "facts": {**c[KEY]["facts"], "colour": "red"}}},
    "missing-fact": lambda c: {**c, KEY: {**c[KEY], "facts": without(c[KEY]["facts"], "labels")}},
    "no-dictionary": lambda c: {**c, KEY: "rcl"},
    "unknown-key": lambda c: {**c, KEY: {**c[KEY], "config": {"modell": {}}}},
    "missing-weight": lambda c: {**c, "state_dict": without(c["state_dict"], READOUT)},
    "no-weights": lambda c: {**c, "state_dict": {}},
    "unknown-weight": lambda c: {**c, "state_dict": {**c["state_dict"], "model.extra": torch.zeros(1)}},
    "other-shape": lambda c: {**c, "state_dict": {**c["state_dict"], READOUT: torch.zeros(2, 3)}},
    "no-tensor": lambda c: {**c, "state_dict": {**c["state_dict"], READOUT: 3}},
    "list-of-weights": lambda c: {**c, "state_dict": [1, 2]},
    "other-config": lambda c: {**c, KEY: {**c[KEY], "config": tiny_config(model={"steps": 1}).model_dump(mode="json")}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_checkpoint_that_contradicts_itself_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "odd.ckpt"
    torch.save(CHANGES[name](content(tiny_config())), path)
    with pytest.raises(InputError, match=r"odd\.ckpt") as caught:
        Localizer.load(path)
    assert len(str(caught.value)) < 500
    if name == "newer-format":
        assert "upgrade" in str(caught.value)


def test_a_checkpoint_comes_back_as_it_was_written(checkpoint: Path) -> None:
    kept = read_checkpoint(checkpoint)
    assert kept.facts == FACTS
    assert kept.config == tiny_config()
    expected = random_model(tiny_config()).state_dict()
    assert kept.weights.keys() == expected.keys()
    assert all(torch.equal(kept.weights[name], expected[name]) for name in expected)
