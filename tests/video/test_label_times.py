"""Labels are compared with their videos before anything is extracted."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
import pytest

import rcl.video.label_times
from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.options import ReadOptions
from rcl.data.time_units import Extent
from rcl.system.errors import InputError
from rcl.video.label_times import check_times, stated_extents
from rendered import render
from typed import Rcl

SEGMENTS = np.array([[0.5, 1.5], [2.0, 3.0], [3.5, 4.5]])


def annotated(factor: float, *names: str) -> Annotations:
    """The same three seconds of every video, in another unit."""
    videos = {name: VideoAnnotation(name, "training", None, None, SEGMENTS * factor, ("a", "b", "a")) for name in names}
    return Annotations(videos, source="labels.csv")


@pytest.fixture
def videos(tmp_path: Path) -> dict[str, Path]:
    """Two videos of five seconds."""
    (tmp_path / "films").mkdir()
    return {name: render(tmp_path / "films" / f"{name}.mp4", frames=50, rate=10) for name in ("v", "w")}


def write_table(path: Path, annotations: Annotations) -> Path:
    """A table of the annotations."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("video", "start", "end", "label"))
        for name, video in annotations.videos.items():
            for (start, end), label in zip(video.segments_seconds.tolist(), video.labels, strict=True):
                table.writerow((name, start, end, label))
    return path


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (10, "are these frames? Then add --times frames --fps 10;"),
        (1000, "are these milliseconds?"),
        (1 / 60, "minutes"),
    ],
)
def test_fit_and_extract_ask_for_the_unit_before_any_work(
    tmp_path: Path, videos: dict[str, Path], rcl_: Rcl, factor: float, words: str
) -> None:
    labels = write_table(tmp_path / "labels.csv", annotated(factor, *videos))
    for arguments in (
        ("fit", tmp_path / "films", labels, "--output", tmp_path / "out"),
        ("extract", tmp_path / "films", "--labels", labels, "--output", tmp_path / "out"),
    ):
        status, said, error = rcl_(*arguments)
        assert (status, said) == (2, "")
        assert words in error
        assert "--times seconds" in error
        assert not (tmp_path / "out").exists()


def test_a_given_unit_is_believed_with_a_warning(
    tmp_path: Path, videos: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    annotations = annotated(10, *videos)
    extents = stated_extents(annotations, videos)
    assert {name: extent.seconds for name, extent in extents.items()} == pytest.approx({"v": 5.0, "w": 5.0})
    with caplog.at_level(logging.WARNING, "rcl"):
        check_times(annotations, extents, ReadOptions(times="seconds"))
    assert "outside their videos" in caplog.text
    with pytest.raises(InputError, match="outside"):
        check_times(annotations, extents, ReadOptions())


def test_where_no_unit_fits_the_question_is_open() -> None:
    extents = {"v": Extent(0.1, 10.0)}
    with pytest.raises(InputError, match=r"frames, minutes or milliseconds.*labels are of these videos"):
        check_times(annotated(500, "v"), extents)


def test_videos_of_several_rates_are_not_given_one() -> None:
    extents = {"v": Extent(5.0, 10.0), "w": Extent(5.0, 12.0)}
    with pytest.raises(InputError, match="the videos have 10 to 12"):
        check_times(annotated(10, "v", "w"), extents)


def test_only_some_headers_are_read(videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rcl.video.label_times, "VIDEOS_READ", 10)
    many = {f"v{number}": videos["v"] for number in range(25)}
    assert len(stated_extents(annotated(1, *many), many)) == 9
    assert stated_extents(annotated(1, "x"), many) == {}
