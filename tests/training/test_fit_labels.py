"""Labels that a fit has to think about: without a length, outside the videos."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rcl
from quick import quick_fit
from rcl.data.annotations import Annotations, VideoAnnotation, inside_videos
from rcl.data.formats.load import load_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.names import NameMatch
from rcl.system.errors import InputError
from rcl.training.labels import leave_out_points
from rcl.training.plan import LabelledVideos, choose_held_out
from rendered import render
from typed import Rcl

Row = tuple[str, float, float, str]


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Three videos of five seconds."""
    (tmp_path / "films").mkdir()
    for name in ("u", "v", "w"):
        render(tmp_path / "films" / f"{name}.mp4", frames=50, rate=10)
    return tmp_path / "films"


def write_table(path: Path, rows: Sequence[Row]) -> Path:
    """A table of labels."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("video", "start", "end", "label"), *rows])
    return path


def test_points_are_left_out_with_a_word_and_the_rest_is_evaluated(
    tmp_path: Path, films: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    quick_fit(monkeypatch)
    rows: list[Row] = [(name, start, start + 1, "slide") for name in "uvw" for start in (1.0, 2.5)]
    rows += [(name, 4, 4, "stop") for name in "uvw"] + [("u", 0.5, 0.5, "slide")]
    labels = write_table(tmp_path / "labels.csv", rows)
    status, _, notes = rcl_("fit", films, labels, "--output", tmp_path / "run")
    assert status == 0, notes
    assert "left out 4 of 10 instances, which have no length" in caplog.text
    assert "--point-length SECONDS" in caplog.text
    assert "nothing of 'stop'" in caplog.text
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["counts"]["ground_truths"] == 2
    assert (tmp_path / "run" / "report.html").exists()


def test_points_with_a_length_are_trained_on(
    tmp_path: Path, films: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    quick_fit(monkeypatch)
    labels = write_table(tmp_path / "labels.csv", [(name, time, time, "stop") for name in "uvw" for time in (2, 5)])
    with pytest.raises(InputError, match=r"6 instances, all with start = end.*--point-length"):
        rcl.fit(films, labels, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    result = rcl.fit(films, labels, tmp_path / "run", reading=ReadOptions(point_length=1.0))
    kept = load_annotations(tmp_path / "run" / "pack" / "annotations.json")
    for video in kept.videos.values():
        np.testing.assert_allclose(video.segments_seconds, [[1.5, 2.5], [4.5, 5.0]], atol=0.05)
    assert result.evaluation is not None
    assert "no length" not in caplog.text


@given(st.lists(st.floats(1e-6, 20), min_size=1), st.integers(0, 3))
def test_short_instances_have_a_length(lengths: list[float], points: int) -> None:
    ends = np.array([*lengths, *[0.0] * points])
    segments = np.stack((np.zeros(len(ends)), ends), axis=1)
    video = VideoAnnotation("v", "training", None, None, segments, ("a",) * len(ends))
    short = LabelledVideos({}, Annotations({"v": video}), NameMatch({})).short_seconds
    assert min(lengths) * 0.5 <= short <= max(lengths) + 0.01


def test_labels_that_all_have_a_length_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    video = VideoAnnotation("v", "training", None, None, np.array([[0.0, 1.0]]), ("a",))
    labelled = LabelledVideos({}, Annotations({"v": video}), NameMatch({}))
    with caplog.at_level(logging.WARNING):
        assert leave_out_points(labelled) is labelled
    assert caplog.text == ""


@given(st.lists(st.lists(st.floats(0, 20), max_size=4), min_size=2, max_size=8), st.integers(0, 5))
def test_held_out_videos_have_labels_inside(starts: list[list[float]], seed: int) -> None:
    """Some instances begin after the end of their video of ten seconds."""
    videos = {
        str(number): VideoAnnotation(
            str(number), "training", 10.0, None, np.array([[s, s + 1] for s in own]).reshape(-1, 2), ("a",) * len(own)
        )
        for number, own in enumerate(starts)
    }
    split, _ = choose_held_out(Annotations(videos), seed=seed, kept={})
    assert [len(video.labels) for video in split.videos.values()] == [len(own) for own in starts]  # nothing is lost
    inside = inside_videos(split)
    subsets = {name: video.subset for name, video in split.videos.items()}
    for name, video in inside.videos.items():
        assert subsets[name] == "training" or video.labels
    usable = [name for name, video in inside.videos.items() if video.labels]
    assert not usable or any(subsets[name] == "training" for name in usable)
    assert len(usable) < 2 or "validation" in subsets.values()
