from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.detections import Detections
from rcl.data.video_scores import (
    THUMOS14_CLASSES,
    VideoScores,
    label_detections,
    load_video_scores,
    read_cuhk_scores,
    read_untrimmednet_scores,
)
from rcl.system.errors import InputError


def scores_of(**rows: list[float]) -> VideoScores:
    array = np.array([*rows.values()], dtype=np.float64)
    return VideoScores(tuple(rows), tuple("abcdefgh"[: array.shape[1]]), array)


def proposals_of(video_index: list[int], scores: list[float], videos: tuple[str, ...] = ("u", "v")) -> Detections:
    count = len(scores)
    segments = np.stack((np.arange(count), np.arange(count) + 1.0), axis=1)
    return Detections(videos, np.array(video_index), segments, ("",), np.zeros(count, dtype=int), np.array(scores))


def write_json(path: Path, data: object) -> Path:
    path.write_text(json.dumps(data))
    return path


def message_of(caught: pytest.ExceptionInfo[InputError]) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- look-up -----------------------------------------------------------------------------------------------------


def test_top_is_best_first_and_ties_keep_the_order_of_the_labels() -> None:
    scores = scores_of(v=[0.2, 0.5, 0.5, 0.1])
    assert scores.top("v", 3) == [("b", 0.5), ("c", 0.5), ("a", 0.2)]


@pytest.mark.parametrize("k", [0, -1, 5])
def test_k_is_between_one_and_the_number_of_labels(k: int) -> None:
    with pytest.raises(InputError, match=f"from 1 to 4, found {k}"):
        scores_of(v=[0.2, 0.5, 0.5, 0.1]).top("v", k)


@pytest.mark.parametrize(("stored", "asked"), [("x1", "v_x1"), ("v_x1", "x1"), ("v_x1", "v_x1"), ("x1", "x1")])
def test_videos_are_found_with_and_without_prefix(stored: str, asked: str) -> None:
    scores = scores_of(**{"other": [0, 1], stored: [1, 0]})
    assert scores.rows([asked]).tolist() == [1]


def test_the_very_name_goes_before_the_prefixed_one() -> None:
    assert scores_of(v_x=[0, 1], x=[1, 0]).rows(["x", "v_x"]).tolist() == [1, 0]


def test_missing_videos_are_named() -> None:
    with pytest.raises(InputError) as caught:
        scores_of(x=[1, 0]).rows(["x", "v_y", "z"])
    assert "expected scores of 3 videos, found none of 'v_y', 'z'" in message_of(caught)


@pytest.mark.parametrize(
    ("stored", "asked"),
    [("clip", "clip.mp4"), ("clip.mp4", "clip"), ("cam1/001", "cam1\\001.avi"), ("u\u0308bung", "\u00fcbung")],
)
def test_videos_are_found_under_other_spellings(stored: str, asked: str) -> None:
    scores = scores_of(**{"other": [0, 1], stored: [1, 0]})
    assert scores.rows([asked]).tolist() == [1]
    assert scores.rows(["other", asked]).tolist() == [0, 1]  # also when it is known from before
    assert scores.top(asked, 1) == [("a", 1.0)]


def test_missing_videos_are_named_with_what_they_may_be_called() -> None:
    with pytest.raises(InputError, match=r"none of 'Clip 1' \(did you mean 'clip_1'\?\)"):
        scores_of(clip_1=[1, 0]).rows(["Clip 1"])


def test_two_names_of_one_row_are_refused() -> None:
    with pytest.raises(InputError, match=r"one name for the video 'clip', found 'clip.mp4' and 'clip.avi'"):
        scores_of(clip=[1, 0]).rows(["clip.mp4", "clip.avi"])


def test_unknown_labels_are_named_with_what_they_may_be_called() -> None:
    scores = VideoScores(("v",), ("Long jump", "Polo"), np.ones((1, 2)))
    scores.check_labels(["Polo"])
    with pytest.raises(InputError) as caught:
        scores.check_labels(["Longjump", "Polo", "Xyzzy"])
    assert "'Longjump' (like 'Long jump' here), 'Xyzzy';" in message_of(caught)


@pytest.mark.parametrize(
    ("videos", "labels", "array", "found"),
    [
        (("u", "u"), ("a",), np.ones((2, 1)), "'u' twice"),
        (("u",), ("a", "a"), np.ones((1, 2)), "'a' twice"),
        (("u",), ("a", "b"), np.ones((2, 1)), r"\(2, 1\)"),
        (("u", "v"), ("a",), np.array([[1], [np.nan]]), "first 'v'"),
        (("u", "v"), ("a",), np.array([[np.inf], [1]]), "first 'u'"),
    ],
)
def test_wrong_scores_are_refused(videos: tuple, labels: tuple, array: np.ndarray, found: str) -> None:
    with pytest.raises(InputError, match=found):
        VideoScores(videos, labels, array)


# -- fusion ------------------------------------------------------------------------------------------------------


def labelled_by_loop(proposals: Detections, scores: VideoScores, k: int) -> list[tuple]:
    rows: list[tuple] = []
    for video in proposals.videos:
        own = proposals.for_video(video)
        found = [
            (video, start, end, label, score * factor)
            for _, start, end, _, score in own
            for label, factor in (scores.top(video, k) if len(own) else [])
        ]
        rows += sorted(found, key=lambda row: -row[-1])
    return rows


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_labelled_detections_are_those_of_a_loop(data: st.DataObject) -> None:
    videos = tuple(f"v_{i}" for i in range(data.draw(st.integers(1, 4))))
    count = data.draw(st.integers(0, 12))
    index = data.draw(st.lists(st.integers(0, len(videos) - 1), min_size=count, max_size=count))
    quarters = st.integers(0, 4).map(lambda n: n / 4)  # many ties
    proposals = proposals_of(index, data.draw(st.lists(quarters, min_size=count, max_size=count)), videos)
    rows = {f"{i}": data.draw(st.lists(quarters, min_size=3, max_size=3)) for i in reversed(range(len(videos)))}
    scores, k = scores_of(**rows), data.draw(st.integers(1, 3))
    labelled = label_detections(proposals, scores, k=k)
    assert [tuple(row) for row in labelled] == labelled_by_loop(proposals, scores, k)
    assert (labelled.videos, labelled.labels, len(labelled)) == (videos, scores.labels, k * count)


def test_no_proposal_gives_no_detection_and_keeps_the_videos() -> None:
    assert label_detections(proposals_of([], []), scores_of(u=[1, 0]), k=2).videos == ("u", "v")
    assert len(label_detections(Detections.empty(), scores_of(u=[1, 0]))) == 0


def test_a_video_without_scores_is_named_and_not_dropped() -> None:
    with pytest.raises(InputError, match="none of 'v'"):
        label_detections(proposals_of([0, 1], [0.5, 0.5]), scores_of(u=[1, 0]))


def test_only_proposals_are_labelled() -> None:
    once = label_detections(proposals_of([0], [0.5]), scores_of(u=[1, 0]))
    with pytest.raises(InputError, match="found the labels a, b"):
        label_detections(once, scores_of(u=[1, 0]))


def test_logits_are_refused_where_they_would_turn_the_order_round() -> None:
    scores = scores_of(u=[3, -1, -2])
    assert len(label_detections(proposals_of([0], [0.5]), scores, k=1)) == 1
    with pytest.raises(InputError, match="found -1 among the best of video 'u'; apply a softmax"):
        label_detections(proposals_of([0], [0.5]), scores, k=2)


# -- CUHK --------------------------------------------------------------------------------------------------------


def test_cuhk_scores_are_read(tmp_path: Path) -> None:
    path = write_json(tmp_path / "cuhk.json", {"results": {"x": [0.25, 1], "y": [1, 0]}, "class": ["Polo", "Sumo"]})
    scores = load_video_scores(path)
    assert scores.top("v_x", 2) == [("Sumo", 1.0), ("Polo", 0.25)]
    assert (scores.videos, scores.labels, scores.source) == (("x", "y"), ("Polo", "Sumo"), str(path))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ([1], "expected 2 scores as there are classes, found 1"),
        ([1, 2, 3], "found 3"),
        ([0.5, float("nan")], "found nan as score 2"),
        ([0.5, None], r"expected a list of numbers, found \[0.5, None\]"),
        (["0.5", "1"], "expected a list of numbers"),
        ([True, False], "expected a list of numbers"),
        ([[1, 2]], "expected a list of numbers"),
        ([[1], [2, 3]], "expected a list of numbers"),
        ({"a": 1}, "expected a list of numbers"),
        ([10**400, 1], "expected a list of numbers"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, row: object, found: str) -> None:
    path = write_json(tmp_path / "s.json", {"results": {"x": [0, 1], "y": row, "z": []}, "class": ["a", "b"]})
    with pytest.raises(InputError, match=found) as caught:
        read_cuhk_scores(path)
    assert f"{path}, video 'y': " in message_of(caught)
    assert "1 more such problem in" in str(caught.value)


@pytest.mark.parametrize(
    "data", [{}, {"results": {}}, {"database": {}}, {"results": [], "class": []}, {"results": {}, "class": "a"}]
)
def test_other_json_is_refused(tmp_path: Path, data: object) -> None:
    with pytest.raises(InputError, match="expected video scores"):
        read_cuhk_scores(write_json(tmp_path / "s.json", data))


def test_wrong_class_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='"class"'):
        read_cuhk_scores(write_json(tmp_path / "s.json", {"results": {}, "class": [None]}))
    with pytest.raises(InputError, match="'a' twice"):
        read_cuhk_scores(write_json(tmp_path / "s.json", {"results": {}, "class": ["a", "a"]}))


# -- UntrimmedNet ------------------------------------------------------------------------------------------------


def test_untrimmednet_rows_are_numbers_of_videos_and_columns_class_ids(tmp_path: Path) -> None:
    raw = np.zeros((1574, 101), dtype=np.float32)
    raw[3, 24 - 1], raw[3, 23 - 1], raw[3, 0] = 0.5, 0.25, 9  # the first class of UCF101 is none of THUMOS14
    raw[1573, 97 - 1] = 1
    np.save(tmp_path / "u.npy", raw)
    scores = load_video_scores(tmp_path / "u.npy")
    assert scores.top("video_test_0000004", 2) == [("CricketShot", 0.5), ("CricketBowling", 0.25)]
    assert scores.top("video_test_0001574", 1) == [("VolleyballSpiking", 1.0)]
    with pytest.raises(InputError, match="none of 'video_validation_0000004', 'video_test_0001575'"):
        scores.rows(["video_validation_0000004", "video_test_0001575"])


@pytest.mark.parametrize("shape", [(213, 101), (1574, 20), (1574,), (101, 1574)])
def test_untrimmednet_scores_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "u.npy", np.zeros(shape))
    with pytest.raises(InputError, match="1574"):
        read_untrimmednet_scores(tmp_path / "u.npy")


def test_damaged_untrimmednet_scores_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "u.npy"
    with pytest.raises(InputError, match="no such file"):
        read_untrimmednet_scores(path)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read"):
        read_untrimmednet_scores(path)
    np.save(path, np.full((1574, 101), np.nan))
    with pytest.raises(InputError, match="1,574 videos, the first 'video_test_0000001'"):
        read_untrimmednet_scores(path)
    with pytest.raises(InputError, match="a file that ends in"):
        read_untrimmednet_scores(tmp_path / "u.npz")


def test_the_classes_of_thumos14_are_in_the_order_of_ucf101() -> None:
    assert len(THUMOS14_CLASSES) == 20
    assert list(THUMOS14_CLASSES) == sorted(THUMOS14_CLASSES)
    assert list(THUMOS14_CLASSES.values()) == sorted(set(THUMOS14_CLASSES.values()))
