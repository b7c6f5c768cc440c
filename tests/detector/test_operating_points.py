"""Thresholds that are best, or precise enough, on the data on which they are chosen; lists; checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.detector import operating_points
from rcl.detector.checkpoint import MEMBERS, POINTS, read_checkpoint, save_operating_points
from rcl.detector.localizer import Localizer
from rcl.detector.operating_points import OperatingPoints, choose_operating_points, without_duplicates
from rcl.evaluation.calibration import Calibration
from rcl.evaluation.events import evaluate_events
from rcl.evaluation.ground_truths import ground_truths, index_detections
from rcl.system.errors import InputError
from untrained import FACTS, content, save_untrained, tiny_config

LABELS = ("jump", "run", "walk")
POINTS_OF_TEST = OperatingPoints(
    dict.fromkeys(FACTS.labels, 0.2), Calibration(2.0, 0.5), 0.5, None, "3 videos of the test"
)


def made(seed: int, videos: int = 3, per_video: int = 6) -> tuple[Detections, Annotations]:
    """Detections around instances and elsewhere, the right ones with higher scores on average."""
    random = np.random.default_rng(seed)
    truth, rows = {}, []
    for number in range(videos):
        starts = np.arange(per_video) * 10.0
        labels = random.integers(len(LABELS), size=per_video)
        truth[f"v{number}"] = VideoAnnotation(
            f"v{number}", "validation", 100.0, None, np.stack((starts, starts + 5), 1), tuple(LABELS[x] for x in labels)
        )
        for start, label in zip(starts, labels, strict=True):
            rows.append((number, start + random.normal(), start + 5, label, random.beta(3, 2)))
            rows.append((number, start + 3, start + 7, random.integers(len(LABELS)), random.beta(2, 3)))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    segments = np.stack((columns[1], np.maximum(columns[1] + 0.5, columns[2])), axis=1)
    return Detections(tuple(truth), columns[0], segments, LABELS, columns[3], columns[4]), Annotations(truth)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_no_other_thresholds_have_a_better_f1_on_the_same_videos(seed: int) -> None:
    found, truth = made(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operating_points, "PRIOR_INSTANCES", 0.0)
        points = choose_operating_points(found, truth)
    chosen = evaluate_events(points.decide(found), truth)
    alone = without_duplicates(found)
    for score in alone.scores:
        other = evaluate_events(alone[alone.scores >= score], truth)
        f1 = dict(zip(other.labels, other.per_class.f1, strict=True))
        assert all(own >= f1[label] - 1e-12 for label, own in zip(chosen.labels, chosen.per_class.f1, strict=True))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.3, 0.6, 0.9, 1.0]))
def test_a_wanted_precision_is_reached_or_the_class_is_said_to_be_unreachable(seed: int, precision: float) -> None:
    found, truth = made(seed)
    points = choose_operating_points(found, truth, precision=precision)
    decided = points.decide(found)
    result = evaluate_events(decided, truth)
    for label, own, number in zip(result.labels, result.per_class.precision, result.found, strict=True):
        if label in points.unreachable:
            assert number == 0
        else:
            assert own >= precision - 1e-12


def test_the_lowest_threshold_that_reaches_the_precision_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operating_points, "PRIOR_INSTANCES", 0.0)
    places = np.arange(4) * 10.0
    segments = np.stack((places, places + 5), axis=1)
    truth = VideoAnnotation("v", "validation", 50.0, None, segments[[0, 2, 3]], ("jump",) * 3)
    zeros = np.zeros(4, dtype=np.int64)
    found = Detections(("v",), zeros, segments, ("jump",), zeros, np.array([0.9, 0.7, 0.5, 0.3]))

    def kept(precision: float) -> int:
        points = choose_operating_points(found, Annotations({"v": truth}), precision=precision)
        return len(points.decide(found))

    assert [kept(p) for p in (0.7, 0.75, 0.76, 1.0)] == [4, 4, 1, 1]


def test_few_instances_follow_the_other_classes_and_many_do_not() -> None:
    """A class whose one instance has a score of 0.1 below other detections; the others are right from 0.5 on."""

    def threshold(copies: int) -> float:
        names = tuple(f"v{number}" for number in range(max(copies, 5)))
        rows, truth = [], {}
        for number, name in enumerate(names):
            own = number < copies
            segments = np.array([[0.0, 5.0], [10.0, 15.0], [20.0, 25.0]])[: 2 + own]
            labels = ("jump", "jump", "walk")[: 2 + own]
            truth[name] = VideoAnnotation(name, "validation", 50.0, None, segments, labels)
            rows += [(number, *segments[0], 0, 0.8), (number, *segments[1], 0, 0.6), (number, 40.0, 45.0, 0, 0.3)]
            rows += [(number, *segments[2], 1, 0.1)] if own else []
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        segments = np.stack(columns[1:3], axis=1)
        found = Detections(names, columns[0], segments, ("jump", "walk"), columns[3], columns[4])
        chosen = choose_operating_points(found, Annotations(truth)).thresholds["walk"]
        assert chosen is not None
        return chosen

    assert threshold(1) > 0.3
    assert threshold(100) <= 0.1


def test_a_class_without_instances_gets_a_threshold_too() -> None:
    found, truth = made(0)
    points = choose_operating_points(found, truth, labels=(*LABELS, "wave"))
    wave, least, most = points.thresholds["wave"], found.scores.min(), found.scores.max()
    assert wave is not None
    assert least <= wave <= most


def test_a_list_has_no_duplicates_and_calibrated_scores_in_the_same_order() -> None:
    segments = np.array([[0.0, 10.0], [1.0, 10.0], [1.0, 10.0], [20.0, 30.0], [0.0, 10.0]])
    labels, videos = np.array([0, 0, 1, 0, 0]), np.array([0, 0, 0, 0, 1])
    found = Detections(("a", "b"), videos, segments, ("jump", "run"), labels, np.array([0.9, 0.8, 0.7, 0.1, 0.5]))
    points = OperatingPoints({"jump": 0.2, "run": None}, Calibration(2.0, 0.0), 0.5, 0.9, "test")
    decided = points.decide(found)
    assert decided.videos == ("a", "b")
    assert decided.segments_seconds.tolist() == segments[[0, 4]].tolist()
    assert decided.scores.tolist() == pytest.approx(Calibration(2.0, 0.0)(np.array([0.9, 0.5])).tolist())
    assert points.unreachable == ["run"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_duplicates_are_those_that_overlap_a_better_detection(seed: int) -> None:
    found, _ = made(seed, per_video=4)
    found = replace(found, segments_seconds=found.segments_seconds / 2)
    kept: list[int] = []
    for row in np.argsort(-found.scores, kind="stable"):
        start, end = found.segments_seconds[row]
        for other in kept:
            if (found.video_index[row], found.label_index[row]) == (found.video_index[other], found.label_index[other]):
                first, last = found.segments_seconds[other]
                common = max(min(end, last) - max(start, first), 0)
                if common / (end - start + last - first - common) > operating_points.DUPLICATE_TIOU:
                    break
        else:
            kept.append(int(row))
    assert without_duplicates(found).scores.tolist() == found[sorted(kept)].scores.tolist()


def test_nothing_to_choose_from_is_one_sentence() -> None:
    found, truth = made(0)
    with pytest.raises(InputError, match="operating points: expected detections, found none"):
        choose_operating_points(Detections.empty(), truth)
    for precision in (0.0, 1.5, float("nan")):
        with pytest.raises(InputError, match="precision: expected a number above 0"):
            choose_operating_points(found, truth, precision=precision)
    with pytest.raises(InputError, match="labels that have a threshold"):
        POINTS_OF_TEST.decide(found)


def test_the_indices_of_unknown_labels_count_as_wrong() -> None:
    found, truth = made(1)
    other = replace(found, labels=("jump", "run", "swim"))
    indexed = index_detections(other, ground_truths(truth))
    assert (indexed.label_index < 0).any()
    assert set(choose_operating_points(other, truth).thresholds) == {"jump", "run", "walk", "swim"}


# -- checkpoints -------------------------------------------------------------------------------------------------


def test_a_checkpoint_keeps_operating_points_and_all_else(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({**content(tiny_config()), MEMBERS: [], "epoch": 3}, path)
    assert read_checkpoint(path).operating_points is None
    before = path.read_bytes()
    save_operating_points(POINTS_OF_TEST, path, tmp_path / "new.ckpt")
    assert path.read_bytes() == before
    kept = read_checkpoint(tmp_path / "new.ckpt")
    assert kept.operating_points == POINTS_OF_TEST
    assert kept.facts == read_checkpoint(path).facts
    assert all(torch.equal(kept.weights[name], value) for name, value in read_checkpoint(path).weights.items())
    assert torch.load(tmp_path / "new.ckpt", weights_only=True)["epoch"] == 3
    other = replace(POINTS_OF_TEST, thresholds={**POINTS_OF_TEST.thresholds, "clap": None}, precision=0.9)
    save_operating_points(other, tmp_path / "new.ckpt")
    assert read_checkpoint(tmp_path / "new.ckpt").operating_points == other


def test_a_detector_decides(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(60, FACTS.in_channels)).astype(np.float32)
    path = save_untrained(tmp_path / "last.ckpt")
    with pytest.raises(InputError, match="expected operating points to decide by, found none; choose them"):
        Localizer.load(path).detect(features, decide=True)
    ranking = Localizer.load(path).detect(features)
    middle = float(np.median(ranking.scores))
    points = replace(POINTS_OF_TEST, thresholds=dict.fromkeys(FACTS.labels, middle))
    save_operating_points(points, path)
    decided = Localizer.load(path).detect(features, decide=True)
    assert 0 < len(decided) < len(ranking)
    assert [*decided] == [*points.decide(ranking)]
    assert [*Localizer.load(path).detect(features)] == [*ranking]


GOOD = POINTS_OF_TEST.to_json()
DAMAGED: dict[str, Any] = {
    "a number": 5,
    "nothing": None,
    "a missing value": {key: value for key, value in GOOD.items() if key != "tiou"},
    "another value": {**GOOD, "more": 1},
    "no calibration": {**GOOD, "calibration": None},
    "a falling calibration": {**GOOD, "calibration": {"slope": -1.0, "offset": 0.0}},
    "no offset": {**GOOD, "calibration": {"slope": 1.0, "offset": None}},
    "no tiou": {**GOOD, "tiou": None},
    "a threshold in words": {**GOOD, "thresholds": {"clap": "high"}},
    "an infinite threshold": {**GOOD, "thresholds": {"clap": float("inf")}},
    "no labels": {**GOOD, "thresholds": [0.5]},
    "numbers for labels": {**GOOD, "thresholds": {1: 0.5}},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_operating_points_are_one_sentence(tmp_path: Path, name: str) -> None:
    torch.save({**content(tiny_config()), POINTS: DAMAGED[name]}, tmp_path / "odd.ckpt")
    with pytest.raises(InputError, match=r"odd\.ckpt.*use a whole file") as caught:
        read_checkpoint(tmp_path / "odd.ckpt")
    assert len(str(caught.value)) < 500
