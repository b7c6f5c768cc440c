"""Measures of frame labels, compared with plain loops written after the public script of MS-TCN."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.formats.frame_labels import save_frame_labels
from rcl.data.formats.load import save_annotations
from rcl.data.formats.results import save_detections
from rcl.evaluation.frames import OVERLAPS, edit_similarity, evaluate_frames
from rcl.evaluation.framing import frames_of_detections, join_frames, overlapping_instances, true_frames
from rcl.system.errors import InputError
from typed import Rcl

# -- the script, in plain loops ------------------------------------------------------------------------------------


def script_segments(frames: Sequence[str], background: Sequence[str]) -> list[tuple[str, int, int]]:
    """Label, first frame and end of every segment. The last one ends with its last frame, not behind it."""
    if not frames:  # here the script would fail
        return []
    labels, starts, ends, last = [], [], [], frames[0]
    if frames[0] not in background:
        labels.append(frames[0])
        starts.append(0)
    for i in range(len(frames)):
        if frames[i] != last:
            if frames[i] not in background:
                labels.append(frames[i])
                starts.append(i)
            if last not in background:
                ends.append(i)
            last = frames[i]
    if last not in background:
        ends.append(len(frames) - 1)
    return list(zip(labels, starts, ends, strict=True))


def script_edit(predicted: Sequence[str], truth: Sequence[str], background: Sequence[str]) -> float:
    p = [label for label, _, _ in script_segments(predicted, background)]
    y = [label for label, _, _ in script_segments(truth, background)]
    table = [[0] * (len(y) + 1) for _ in range(len(p) + 1)]
    for i in range(len(p) + 1):
        table[i][0] = i
    for j in range(len(y) + 1):
        table[0][j] = j
    for j in range(1, len(y) + 1):
        for i in range(1, len(p) + 1):
            if y[j - 1] == p[i - 1]:
                table[i][j] = table[i - 1][j - 1]
            else:
                table[i][j] = 1 + min(table[i - 1][j], table[i][j - 1], table[i - 1][j - 1])
    longest = max(len(p), len(y))
    return 1 - table[-1][-1] / longest if longest else 1.0  # the script divides by 0


def script_counts(
    predicted: Sequence[str], truth: Sequence[str], overlap: float, background: Sequence[str]
) -> tuple[int, int, int]:
    """True positives, false positives and false negatives."""
    p, y = script_segments(predicted, background), script_segments(truth, background)
    hits, tp, fp = [False] * len(y), 0, 0
    for label, start, end in p:
        best, place = -np.inf, -1
        for number, (other, first, last) in enumerate(y):
            union = max(end, last) - min(start, first)
            tiou = (min(end, last) - max(start, first)) / union * (label == other) if union else 0.0
            if tiou > best:
                best, place = tiou, number
        if place >= 0 and best >= overlap and not hits[place]:
            tp += 1
            hits[place] = True
        else:
            fp += 1
    return tp, fp, len(y) - sum(hits)


def script_f1(counts: Sequence[tuple[int, int, int]]) -> float:
    tp, fp, fn = (sum(column) for column in zip(*counts, strict=True))
    if not tp:
        return 0.0  # nan_to_num of 0/0
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return 2 * precision * recall / (precision + recall)


# -- equality ------------------------------------------------------------------------------------------------------

LABELS = ("background", "cut", "peel", "take")


@st.composite
def videos(draw: st.DrawFn) -> list[tuple[list[str], list[str]]]:
    """Predicted and true labels of some videos: of long runs and of short ones, also of no frame, but not of none."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        count = draw(st.integers(0, 30))
        runs = st.lists(st.tuples(st.sampled_from(LABELS), st.integers(1, 9)), min_size=count, max_size=count)
        sides = [[label for label, length in draw(runs) for _ in range(length)][:count] for _ in range(2)]
        found.append((sides[0], sides[1]))
    if not any(truth for _, truth in found):
        found.append((["cut"], ["cut"]))
    return found


@given(videos())
def test_measures_equal_the_script(pairs: list[tuple[list[str], list[str]]]) -> None:
    predicted = {str(number): np.array(own) for number, (own, _) in enumerate(pairs)}
    truth = {str(number): np.array(true) for number, (_, true) in enumerate(pairs)}
    result = evaluate_frames(predicted, truth)
    frames = [(a, b) for own, true in pairs for a, b in zip(own, true, strict=True)]
    assert result.accuracy == pytest.approx(sum(a == b for a, b in frames) / len(frames))
    actions = [(a, b) for a, b in frames if b != "background"]
    if actions:
        assert result.action_accuracy == pytest.approx(sum(a == b for a, b in actions) / len(actions))
    else:
        assert result.action_accuracy is None
    for measures, background in ((result.segments, ["background"]), (result.all_segments, [])):
        edits = [script_edit(own, true, background) for own, true in pairs]
        assert measures.edit == pytest.approx(sum(edits) / len(edits))
        for overlap, f1 in zip(OVERLAPS, measures.f1, strict=True):
            counts = [script_counts(own, true, overlap, background) for own, true in pairs]
            assert f1 == pytest.approx(script_f1(counts))
    found = [len(script_segments(own, ["background"])) for own, _ in pairs]
    assert result.counts["segments"] == sum(found)


@given(st.lists(st.sampled_from("abc"), max_size=9), st.lists(st.sampled_from("abc"), max_size=9))
def test_the_edit_similarity_has_no_order(a: list[str], b: list[str]) -> None:
    assert edit_similarity(np.array(a), np.array(b)) == edit_similarity(np.array(b), np.array(a))


def test_cases_by_hand() -> None:
    def measure(predicted: Sequence[str], truth: Sequence[str]) -> tuple[float, float, float]:
        result = evaluate_frames({"v": np.array(predicted)}, {"v": np.array(truth)})
        return result.accuracy, result.segments.edit, float(result.segments.f1[2])

    assert measure(["cut"] * 4, ["cut"] * 4) == (1.0, 1.0, 1.0)
    assert measure(["background"] * 3, ["background"] * 3) == (1.0, 1.0, 0.0)
    assert measure(["cut"] * 3, ["background"] * 3) == (0.0, 0.0, 0.0)
    # In the script, a segment of one frame at the end of a video has no length, so it never counts as found.
    assert measure(["cut"], ["cut"]) == (1.0, 1.0, 0.0)
    # The second half of an over-segmented instance finds its true segment taken.
    split = ["cut"] * 6 + ["background"] + ["cut"] * 5 + ["peel"] * 4
    assert measure(split, ["cut"] * 12 + ["peel"] * 4)[2] == pytest.approx(2 * 2 / (3 + 2))


def test_many_segments_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    predicted, truth = ({"v": np.array(LABELS)[random.integers(0, 4, 200)]} for _ in range(2))
    whole = evaluate_frames(predicted, truth)
    monkeypatch.setattr("rcl.evaluation.frames._PAIRS_AT_ONCE", 300)
    assert evaluate_frames(predicted, truth).segments.f1.tolist() == whole.segments.f1.tolist()


def test_labels_of_other_videos_or_lengths_are_refused() -> None:
    truth = {"v": np.array(["cut", "cut"])}
    with pytest.raises(InputError, match="predicted frame labels"):
        evaluate_frames({}, truth)
    with pytest.raises(InputError, match="2 frames, found 1 frame"):
        evaluate_frames({"v": np.array(["cut"])}, truth)
    with pytest.raises(InputError, match="videos with true labels"):
        evaluate_frames({}, {})


# -- annotations, detections, files --------------------------------------------------------------------------------


def annotations(duration: float | None = 10.0, fps: float | None = 2.0) -> Annotations:
    segments = np.array([[6.0, 8.0], [1.0, 4.0], [3.0, 5.0]])
    videos = {"v": VideoAnnotation("v", "validation", duration, fps, segments, ("take", "cut", "peel"))}
    videos["w"] = VideoAnnotation("w", "validation", 2.0, fps, np.empty((0, 2)), ())
    videos["t"] = VideoAnnotation("t", "training", 2.0, fps, np.array([[0.0, 2.0]]), ("cut",))
    return Annotations(videos, source="labels.json")


def test_true_frames_take_the_instance_that_starts_first() -> None:
    found = true_frames(annotations().subset("validation"))
    expected = ["background"] * 2 + ["cut"] * 6 + ["peel"] * 2 + ["background"] * 2 + ["take"] * 4 + ["background"] * 4
    assert found["v"].labels.tolist() == expected
    assert found["w"].labels.tolist() == ["background"] * 4
    assert true_frames(annotations(), fps=0.5)["v"].labels.tolist() == [
        "cut",
        "cut",
        "background",
        "take",
        "background",
    ]
    assert str(overlapping_instances(annotations())).startswith("1 instance overlapping")
    with pytest.raises(InputError, match=r"video 'v'.*add --fps"):
        true_frames(annotations(fps=None))
    with pytest.raises(InputError, match=r"video 'v'.*its duration"):
        true_frames(annotations(duration=None))


def test_the_best_detection_has_the_frame() -> None:
    truth = true_frames(annotations().subset("validation"))
    segments, zero = np.array([[0.0, 4.0], [2.0, 6.0]]), np.zeros(2, dtype=int)
    found = Detections(("v",), zero, segments, ("cut", "peel"), np.array([0, 1]), np.array([0.4, 0.8]))
    frames = frames_of_detections(found, truth)
    assert frames["v"].tolist() == ["cut"] * 4 + ["peel"] * 8 + ["background"] * 8
    assert frames["w"].tolist() == ["background"] * 4


def test_files_of_other_lengths_are_named() -> None:
    everything, truth = annotations(), true_frames(annotations().subset("validation"))
    labels = np.array(["cut"] * 19)
    found, sentences = join_frames({"v.mp4": labels, "t": labels}, everything, truth)
    assert found["v"].tolist() == ["cut"] * 19 + ["background"]
    assert found["w"].tolist() == ["background"] * 4
    assert "'v' (19 in place of 20)" in sentences[0]
    assert sentences[1].startswith("1 of 2 videos without frame labels: 'w'")
    longer, _ = join_frames({"v": np.array(["cut"] * 22)}, everything, truth)
    assert len(longer["v"]) == 20
    for videos, word in (
        ({"v": np.array(["cut"] * 40)}, "--fps"),
        ({"x": labels}, "only in"),
        ({"t": labels}, "only in"),
        ({"v": np.array(["dance"] * 20)}, "dance"),
        ({"v": labels, "v.mp4": labels}, "one file for the video 'v'"),
    ):
        with pytest.raises(InputError, match=word):
            join_frames(videos, everything, truth)
    nothing, _ = join_frames({"v": np.array(["background"] * 20)}, everything, truth)
    assert set(nothing["v"]) == {"background"}


def test_files_of_other_videos_and_labels_are_named() -> None:
    truth = true_frames(annotations())
    labels = truth["v"].labels.copy()
    labels[0] = "SIL"
    _, sentences = join_frames({"v": labels, "other": labels}, annotations(), truth)
    first, second = (sentence for sentence in sentences if "without frame labels" not in sentence)
    assert first == "frame labels of 1 video without annotations: left out. They are of 'other'."
    assert second.startswith("1 frame with labels that no ground truth has: counted as wrong. They say 'SIL'")


def test_options_for_lists_do_not_fit_frames(tmp_path: Path, rcl_: Rcl) -> None:
    save_annotations(annotations(), tmp_path / "truth.json")
    truth = true_frames(annotations())
    save_frame_labels({"v": truth["v"].labels}, tmp_path / "frames")
    (tmp_path / "found.json").write_text(
        '{"results": {"v": [{"segment": [2, 6], "label": "cut", "score": 0.5}],'
        ' "x": [{"segment": [2, 6], "label": "fly", "score": 0.5}]}}'
    )
    ask = ("evaluate", "--frames", "--subset", "validation")
    for results, option in (("frames", "--events"), ("frames", "--short"), ("frames", "--min-score")):
        result = rcl_(*ask, tmp_path / results, tmp_path / "truth.json", option, 0.9)
        assert (result.status, option in result.err) == (2, True)
    result = rcl_(*ask, tmp_path / "found.json", tmp_path / "truth.json", "--min-score", 0.9)
    assert (result.status, "no detection has a score of at least 0.9" in result.err) == (0, True)
    result = rcl_(*ask, tmp_path / "found.json", tmp_path / "truth.json")
    assert (result.status, "left out" in result.err, "their frames are wrong" in result.err) == (0, True, True)


def test_the_command(tmp_path: Path, rcl_: Rcl) -> None:
    truth = true_frames(annotations().subset("validation"))
    save_annotations(annotations(), tmp_path / "labels.json")
    save_frame_labels({name: own.labels for name, own in truth.items()}, tmp_path / "frames", form="results")
    ask = ("evaluate", "--frames")
    result = rcl_(*ask, tmp_path / "frames", tmp_path / "labels.json", "--json", tmp_path / "numbers.json")
    assert (result.status, result.out.count("100.0")) == (0, 11)
    assert "1 instance overlapping an earlier one" in result.err
    assert '"frame_accuracy": 1.0' in (tmp_path / "numbers.json").read_text()
    again = rcl_(*ask, tmp_path / "frames", tmp_path / "labels.json", "--json", tmp_path / "numbers.json")
    assert again.status == 0  # its own earlier output
    zero = np.zeros(1, dtype=int)
    save_detections(
        Detections(("v",), zero, np.array([[1.0, 4.0]]), ("cut",), zero, np.ones(1)), tmp_path / "found.csv"
    )
    result = rcl_(*ask, tmp_path / "found.csv", tmp_path / "labels.json")
    assert (result.status, "1 segment, 3 instances in 24 frames of 2 videos" in result.out) == (0, True)
    assert rcl_(*ask, tmp_path / "found.csv", tmp_path / "labels.json", "--min-score", 2).status == 0
    for option in ("--fps", "--min-score"):
        result = rcl_("evaluate", tmp_path / "found.csv", tmp_path / "labels.json", option, 1)
        assert (result.status, f"{option}: expected --frames" in result.err) == (2, True)
    save_detections(Detections(("v",), zero, np.array([[1.0, 4.0]]), ("",), zero, np.ones(1)), tmp_path / "bare.csv")
    result = rcl_(*ask, tmp_path / "bare.csv", tmp_path / "labels.json")
    assert (result.status, "proposals" in result.err) == (2, True)
    result = rcl_(*ask, tmp_path / "frames", tmp_path / "labels.json", "--fps", 25)
    assert (result.status, "--fps" in result.err) == (2, True)
