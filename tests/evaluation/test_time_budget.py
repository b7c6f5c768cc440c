"""Time budgets, compared with plain loops over the instances of each video."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.colours import ink_on, label_colours
from rcl.data.overlap import lanes_of
from rcl.evaluation import ethogram
from rcl.evaluation.time_budget import Spread, time_budget
from rcl.evaluation.time_budget_tables import group_rows, transition_rows, video_rows
from rcl.system.errors import InputError

SEGMENT = st.tuples(st.integers(0, 18), st.integers(0, 6)).map(lambda pair: (pair[0] / 2, (pair[0] + pair[1]) / 2))

REVIEWED = st.lists(st.tuples(st.integers(0, 4), st.integers(5, 12)), max_size=2)


@st.composite
def videos(draw: st.DrawFn) -> Annotations:
    """One video or several, some without instances, without a duration or partly reviewed, of three groups or none."""
    found = dict[str, VideoAnnotation]()
    for number in range(draw(st.integers(1, 5))):
        rows = draw(st.lists(st.tuples(SEGMENT, st.sampled_from("abc")), max_size=8))
        times = np.array([row[0] for row in rows], dtype=np.float64).reshape(-1, 2)
        duration, group = draw(st.sampled_from([None, 12.0, 20.0])), draw(st.sampled_from([None, "x", "y"]))
        labels = tuple(row[1] for row in rows)
        reviewed = draw(st.one_of(st.none(), REVIEWED.map(lambda own: np.array(own, np.float64).reshape(-1, 2))))
        found[f"v{number}"] = VideoAnnotation(f"v{number}", "training", duration, None, times, labels, group, reviewed)
    return Annotations(found)


def known(video: VideoAnnotation) -> list[VideoAnnotation]:
    """The video, or nothing if nothing of it counts."""
    return [video] if video.reviewed_seconds is None or len(video.reviewed_seconds) or video.labels else []


def was_reviewed(video: VideoAnnotation, start: float, end: float) -> bool:
    """Whether all of a part was, on a grid of half seconds; a part without a length, if it lies in an interval."""
    if video.reviewed_seconds is None:
        return True
    intervals = video.reviewed_seconds.tolist()
    if start == end:
        return any(first <= start <= last for first, last in intervals)
    steps = np.arange(start, end, 0.5)
    return all(any(first <= step < last for first, last in intervals) for step in steps)


def covered(times: list[list[float]]) -> float:
    """The length of the union, on a grid of half seconds, on which all times lie."""
    return sum(0.5 for step in range(60) if any(start <= step / 2 < end for start, end in times))


@given(videos())
def test_columns_are_those_of_plain_loops(annotations: Annotations) -> None:
    if not annotations.labels:
        with pytest.raises(InputError, match="labelled segments"):
            time_budget(annotations)
        return
    budget = time_budget(annotations)
    counting = [video for every in annotations.videos.values() for video in known(every)]
    assert (budget.videos, budget.labels) == (tuple(video.name for video in counting), annotations.labels)
    for row, video in enumerate(counting):
        for column, label in enumerate(budget.labels):
            named = zip(video.segments_seconds.tolist(), video.labels, strict=True)
            own = [segment for segment, name in named if name == label]
            lengths = [end - start for start, end in own if end > start]
            cell = {name: float(values[row, column]) for name, values in budget.measures.items()}
            assert cell["count"] == len(own)
            assert cell["total_seconds"] == covered(own)
            none = pytest.approx(float("nan"), nan_ok=True)
            assert cell["mean_seconds"] == (pytest.approx(statistics.mean(lengths)) if lengths else none)
            assert cell["median_seconds"] == (statistics.median(lengths) if lengths else none)
            first = min((start for start, _ in own), default=None)
            is_known = first is not None and was_reviewed(video, 0.0, first)
            assert cell["latency_seconds"] == (first if is_known else none)
            seconds = video.duration_seconds
            if video.reviewed_seconds is not None:
                seconds = covered(np.clip(video.reviewed_seconds, 0, seconds or np.inf).tolist())
            assert cell["share"] == (pytest.approx(covered(own) / seconds) if seconds else none)
            assert cell["rate_per_minute"] == (pytest.approx(60 * len(own) / seconds) if seconds else none)
    assert budget.points == sum((video.segments_seconds[:, 0] == video.segments_seconds[:, 1]).sum()
                                for video in annotations.videos.values())  # fmt: skip


@given(videos())
def test_transitions_go_from_each_start_to_the_next(annotations: Annotations) -> None:
    if not annotations.labels:
        return
    wanted, origins = Counter[tuple[str, str, str]](), defaultdict[tuple[str, str], int](int)
    for video in annotations.videos.values():
        named = zip(video.segments_seconds.tolist(), video.labels, strict=True)
        ordered = sorted((*segment, label) for segment, label in named)
        for (start, _, one), (end, _, other) in pairwise(ordered):
            if not was_reviewed(video, start, end):
                continue
            wanted[video.group or "", one, other] += 1
            origins[video.group or "", one] += 1
    _, *rows = transition_rows(time_budget(annotations))
    assert {row[:3]: row[3] for row in rows} == wanted
    for group, one, _, count, probability in rows:
        assert probability == pytest.approx(count / origins[group, one])
    assert (
        time_budget(annotations).transitions.matrix(0, len(annotations.labels)).shape == (len(annotations.labels),) * 2
    )


@given(videos())
def test_a_group_is_the_mean_of_its_videos(annotations: Annotations) -> None:
    if not annotations.labels:
        return
    budget = time_budget(annotations)
    for group, name in enumerate(budget.groups):
        counting = [video for every in annotations.videos.values() for video in known(every)]
        own = [row for row, video in enumerate(counting) if (video.group or "") == name]
        for measure, spread in budget.of_group(group).items():
            for column in range(len(budget.labels)):
                values = [value for value in budget.measures[measure][own, column].tolist() if value == value]
                mean = statistics.mean(values) if values else float("nan")
                deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
                assert spread.mean[column] == pytest.approx(mean, nan_ok=True)
                assert spread.deviation[column] == pytest.approx(deviation, nan_ok=True, abs=1e-9)


def test_tables_have_a_row_for_every_cell_and_empty_cells_for_what_is_unknown() -> None:
    times = np.array([[1.0, 3.0], [2.0, 5.0], [6.0, 6.0]])
    annotations = Annotations({
        "one": VideoAnnotation("one", "training", 10.0, None, times, ("a", "a", "b"), "x"),
        "two": VideoAnnotation("two", "training", None, None, times[:1], ("b",), "x"),
    })  # fmt: skip
    budget = time_budget(annotations)
    header, *rows = video_rows(budget)
    assert header[:5] == ("video", "group", "label", "count", "total_seconds")
    assert rows == [
        ("one", "x", "a", 2, 4.0, 0.4, 2.5, 2.5, 1.0, 12.0, 10.0, 10.0),
        ("one", "x", "b", 1, 0.0, 0.0, "", "", 6.0, 6.0, 10.0, 10.0),
        ("two", "x", "a", 0, 0.0, "", "", "", "", "", "", ""),
        ("two", "x", "b", 1, 2.0, "", 2.0, 2.0, 1.0, "", "", ""),
    ]
    _, a, b = group_rows(budget)
    assert a[:6] == ("x", "a", 2, 1, 2, 1.0)
    assert b[:6] == ("x", "b", 2, 2, 2, 1.0)
    assert budget.overlap == pytest.approx(7 / 6)
    assert not budget.looks_like_a_ranking


def test_measures_are_of_the_reviewed_time() -> None:
    times, intervals = np.array([[6.0, 8.0], [20.0, 22.0]]), np.array([[5.0, 10.0], [18.0, 23.0]])
    part = VideoAnnotation("part", "training", 60.0, None, times, ("a", "b"), None, intervals)
    begun = VideoAnnotation("begun", "training", 60.0, None, times, ("a", "b"), None, np.array([[0.0, 10.0]]))
    unseen = VideoAnnotation("unseen", "training", 60.0, None, times[:0], (), None, intervals[:0])
    budget = time_budget(Annotations({"part": part, "begun": begun, "unseen": unseen}))
    assert budget.videos == ("part", "begun")
    np.testing.assert_allclose(budget.share, [[0.2, 0.2], [1 / 6, 1 / 6]])
    np.testing.assert_allclose(budget.rate_per_minute, [[6, 6], [5, 5]])
    np.testing.assert_allclose(budget.latency_seconds, [[np.nan, np.nan], [6, np.nan]])
    assert len(budget.transitions.number) == 0
    bars = ethogram.budget_figure(budget, label_colours(budget.labels)).axes[0]
    assert bars.get_ylabel() == "mean share of the reviewed time of a video"


def test_a_figure_has_at_most_100_bars() -> None:
    videos = {
        f"v{number:03d}": VideoAnnotation("v", "training", 9.0, None, np.array([[1.0, 2.0]]), ("a",), f"{number:03d}")
        for number in range(102)
    }
    budget = time_budget(Annotations(videos))
    bars = ethogram.budget_figure(budget, label_colours(budget.labels)).axes[0]
    assert len(bars.patches) == ethogram.MOST_BARS == 100


def test_a_ranking_is_recognized() -> None:
    times = np.array([[0.0, 4.0], [0.5, 4.5], [0.0, 4.5]])
    video = VideoAnnotation("v", "training", 9.0, None, times, ("a",) * 3)
    assert time_budget(Annotations({"v": video})).looks_like_a_ranking


def test_of_one_video_there_is_a_mean_and_no_deviation() -> None:
    spread = Spread.over_videos(np.array([[2.0, np.nan]]))
    np.testing.assert_array_equal(spread.mean, [2.0, np.nan])
    np.testing.assert_array_equal(spread.deviation, [np.nan, np.nan])


@given(st.lists(SEGMENT, max_size=12))
def test_lanes_are_free_of_overlap_and_as_few_as_possible(segments: list[tuple[float, float]]) -> None:
    times = np.array(segments, dtype=np.float64).reshape(-1, 2)
    lanes = lanes_of(times)
    for lane in set(lanes.tolist()):
        own = sorted(times[lanes == lane].tolist())
        assert all(before[1] <= after[0] for before, after in pairwise(own))
    busiest = max((sum(start <= step / 2 < end for start, end in segments) for step in range(60)), default=0)
    points = any(start == end for start, end in segments)
    assert points or len(set(lanes.tolist())) == busiest


def test_colours_differ_and_do_not_depend_on_order() -> None:
    labels = [f"label {number}" for number in range(40)]
    colours = label_colours(labels)
    assert len(set(colours.values())) == 40
    assert label_colours(labels[::-1]) == colours
    assert {ink_on(colour) for colour in colours.values()} == {"#000000", "#FFFFFF"}


def test_figures_hold_what_they_are_given() -> None:
    times = np.array([[1.0, 3.0], [2.0, 5.0], [6.0, 6.0]])
    one = VideoAnnotation("o$e$", "training", 10.0, None, times, ("a", "b", "b"), "x")
    two = VideoAnnotation("zwei", "training", None, None, times[:1], ("押",), None)
    budget = time_budget(Annotations({"one": one, "two": two}))
    colours = label_colours(budget.labels)
    rows = ethogram.ethogram_figure([two, one], budget.labels, colours).axes[0]
    assert [text.get_text() for text in rows.get_yticklabels()] == ["zwei", r"o\$e\$"]
    bars = ethogram.budget_figure(budget, colours).axes[0]
    assert bars.get_ylabel() == "mean seconds in a video"  # as a duration is unknown
    assert len(bars.patches) == len(budget.groups) * len(budget.labels)
    matrices = ethogram.transition_figure(budget)
    assert [axes.get_title() for axes in matrices.axes[:2]] == ["(no group)", "x"]
