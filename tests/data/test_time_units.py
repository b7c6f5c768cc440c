"""Times in frames, milliseconds or minutes are told from seconds by the lengths of the videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.annotations import (
    Annotations,
    VideoAnnotation,
    inside_videos,
    with_durations,
    with_point_length,
    without_points,
)
from rcl.data.formats.load import import_annotations, load_annotations, load_content, save_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.time_units import Extent, TimeCheck


def annotated(**videos: np.ndarray) -> Annotations:
    """Annotations of training videos from segments ``(N, 2)``."""
    return Annotations(
        {
            name: VideoAnnotation(name, "training", None, None, np.reshape(segments, (-1, 2)), ("a",) * len(segments))
            for name, segments in videos.items()
        }
    )


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Annotations, dict[str, Extent]]:
    """Videos with instances all over them, as people label: at least six in all."""
    videos, extents = {}, {}
    for name in "abc"[: draw(st.integers(1, 3))]:
        seconds, count = draw(st.floats(90, 4000)), draw(st.integers(6, 12))
        starts = (np.arange(count) + draw(st.floats(0.2, 0.6))) * seconds / count
        lengths = np.array([draw(st.floats(0.2, 0.35)) for _ in range(count)]) * seconds / count
        videos[name] = np.stack((starts, starts + lengths), axis=1)
        extents[name] = Extent(seconds, draw(st.sampled_from((12.0, 25.0, 30000 / 1001, 60.0))))
    return annotated(**videos), extents


def times(annotations: Annotations, factors: dict[str, float]) -> Annotations:
    """The annotations with the times of each video multiplied."""
    return annotated(**{name: video.segments_seconds * factors[name] for name, video in annotations.videos.items()})


@given(labelled())
def test_seconds_raise_no_doubt(given_: tuple[Annotations, dict[str, Extent]]) -> None:
    assert TimeCheck.of(*given_).doubts == ()


@given(labelled(), st.sampled_from(("frames", "milliseconds", "minutes")))
def test_the_right_unit_is_proposed(given_: tuple[Annotations, dict[str, Extent]], unit: str) -> None:
    annotations, extents = given_
    factors = {
        name: {"frames": extent.frames_per_second, "milliseconds": 1000.0, "minutes": 1 / 60}[unit]
        for name, extent in extents.items()
    }
    check = TimeCheck.of(times(annotations, factors), extents)
    assert check.doubts
    assert check.better_units[0] == unit, check.found
    assert unit in check.question


@given(labelled(), st.floats(0, 0.2), st.integers(0, 99))
def test_a_few_marks_after_the_end_are_no_wrong_unit(
    given_: tuple[Annotations, dict[str, Extent]], share: float, seed: int
) -> None:
    annotations, extents = given_
    chosen = np.random.default_rng(seed)
    videos = {
        name: video.segments_seconds + extents[name].seconds * (chosen.random((len(video.labels), 1)) < share / 2)
        for name, video in annotations.videos.items()
    }
    moved = sum(int((video > extents[name].seconds).all(axis=1).sum()) for name, video in videos.items())
    number = sum(map(len, videos.values()))
    check = TimeCheck.of(annotated(**videos), extents)
    assert bool(check.doubts) == (moved > 0.25 * number)


def test_each_doubt_is_counted_and_the_first_place_named() -> None:
    extents = {"v": Extent(6.0, 15.0)}
    check = TimeCheck.of(annotated(v=np.array([[1.0, 2.0], [30.0, 60.0]])), extents)
    assert check.found == "1 of 2 instances outside their videos (the first from 30 to 60 in 'v', which lasts 6 s)"
    check = TimeCheck.of(annotated(v=np.array([[1.0, 1.05], [3.0, 3.02]])), extents)
    assert check.doubts == ("2 of 2 instances shorter than a frame",)
    check = TimeCheck.of(annotated(v=np.array([[100.0, 100.5]])), {"v": Extent(7200.0)})
    assert check.doubts == ("1 instance that together cover 6.9e-05 of the time of the videos",)


@pytest.mark.parametrize("segments", [np.zeros((0, 2)), np.array([[3.0, 3.0], [4.0, 4.0]])])
def test_no_instance_and_no_length_say_nothing_of_the_unit(segments: np.ndarray) -> None:
    assert TimeCheck.of(annotated(v=segments), {"v": Extent(6.0, 15.0)}).doubts == ()
    assert TimeCheck.of(annotated(v=segments), {}).doubts == ()


# -- instances without a length ----------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0, 100), st.sampled_from((0.0, 0.5, 7.0))), max_size=8),
    st.floats(0.01, 20),
    st.one_of(st.none(), st.just(100.0)),
)
def test_only_points_get_a_length(given_: list[tuple[float, float]], seconds: float, duration: float | None) -> None:
    raw = np.array([(start, start + length) for start, length in given_]).reshape(-1, 2)
    annotations = annotated(v=raw)
    if duration:
        annotations = with_durations(annotations, {"v": duration})
    got = with_point_length(annotations, seconds).videos["v"].segments_seconds
    point = raw[:, 0] == raw[:, 1]
    np.testing.assert_array_equal(got[~point], raw[~point])
    lengths = np.diff(got[point], axis=1).ravel()
    assert (lengths > 0).all()
    assert (lengths <= seconds + 1e-9).all()
    assert ((got[point, 0] <= raw[point, 0]) & (got[point, 1] >= raw[point, 1])).all()
    assert (got[point] >= 0).all()
    assert duration is None or (got[point] <= duration).all()
    assert with_point_length(annotations, None) is annotations
    left = without_points(annotations).videos["v"]
    assert len(left.labels) == len(left.segments_seconds) == int((~point).sum())


def test_a_point_outside_its_video_stays_what_it_is() -> None:
    annotations = with_durations(annotated(v=np.array([[9.0, 9.0]])), {"v": 5.0})
    assert with_point_length(annotations, 1.0).videos["v"].segments_seconds.tolist() == [[9.0, 9.0]]


def test_what_lies_inside_and_has_a_length_is_left() -> None:
    segments = np.array([[-1.0, 2.0], [3.0, 3.0], [4.0, 9.0], [6.0, 7.0]])
    annotations = with_durations(annotated(v=segments, w=segments), {"v": 5.0})
    inside = inside_videos(annotations)
    assert inside.videos["v"].segments_seconds.tolist() == [[0.0, 2.0], [4.0, 5.0]]
    assert inside.videos["w"].segments_seconds.tolist() == [[0.0, 2.0], [4.0, 9.0], [6.0, 7.0]]


def test_every_way_to_read_labels_gives_points_their_length(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("video,start,end,label,duration\nv,4,4,land,9\nv,1,2,jump,9\n")
    options = ReadOptions(point_length=1.0)
    save_annotations(load_annotations(tmp_path / "labels.csv"), tmp_path / "labels.json")
    for path in (tmp_path / "labels.csv", tmp_path / "labels.json"):
        for read in (load_annotations, import_annotations, load_content):
            annotations = read(path, options=options)
            assert isinstance(annotations, Annotations)
            np.testing.assert_allclose(annotations.videos["v"].segments_seconds, [[3.5, 4.5], [1.0, 2.0]])
            assert isinstance(plain := read(path), Annotations)
            assert plain.videos["v"].segments_seconds.tolist() == [[4.0, 4.0], [1.0, 2.0]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("latest", [1e300, 1.7e308])
def test_extreme_numbers_are_doubted_without_a_warning_of_numpy(latest: float) -> None:
    check = TimeCheck.of(annotated(a=np.array([[0, latest], [latest, latest]])), {"a": Extent(10, 25)})
    assert check.doubts
    assert check.better_units == ()
