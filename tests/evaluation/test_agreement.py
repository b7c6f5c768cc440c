"""Agreement of two annotators: kappa by its definition, matching by trying everything, and what must always hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.overlap import tiou
from rcl.evaluation.agreement import Agreement, agreement
from rcl.evaluation.joining import join_annotations
from rcl.evaluation.matching import GroupedSegments
from rcl.evaluation.one_to_one import match_one_to_one
from rcl.system.errors import InputError

FPS = 2.0
SEGMENT = st.tuples(st.integers(0, 15), st.integers(1, 8)).map(lambda pair: (pair[0] / 2, (pair[0] + pair[1]) / 2))
INSTANCES = st.lists(st.tuples(SEGMENT, st.sampled_from("abc")), max_size=6)


def said(*videos: list[tuple[tuple[float, float], str]], seconds: float | None = 12.0) -> Annotations:
    found = dict[str, VideoAnnotation]()
    for number, rows in enumerate(videos):
        times = np.array([row[0] for row in rows], dtype=np.float64).reshape(-1, 2)
        labels = tuple(row[1] for row in rows)
        found[f"v{number}"] = VideoAnnotation(f"v{number}", "training", seconds, None, times, labels)
    return Annotations(found)


def compared(first: Annotations, second: Annotations, **options: float) -> Agreement:
    return agreement(first, second, fps=FPS, draws=100, **options)  # type: ignore[arg-type]


PAIRS = st.lists(st.tuples(INSTANCES, INSTANCES), min_size=1, max_size=3).filter(
    lambda pairs: any(one or other for one, other in pairs)
)


# -- kappa by its definition ---------------------------------------------------------------------------------------


def class_of(rows: list[tuple[tuple[float, float], str]], second: float) -> str:
    """The label of the instance that starts first among those that contain a time."""
    own = [(segment, label) for segment, label in rows if segment[0] <= second < segment[1]]
    return min(own, key=lambda row: row[0])[1] if own else "none"


def cohens_kappa(pairs: list[tuple[object, object]]) -> float | None:
    """(p_o − p_e) / (1 − p_e), as in every textbook."""
    n = len(pairs)
    observed = sum(one == other for one, other in pairs) / n
    first, second = (Counter(column) for column in zip(*pairs, strict=True))
    expected = sum(first[name] * second[name] for name in first) / n**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


@given(PAIRS)
def test_kappa_is_that_of_its_definition(
    pairs: list[tuple[list[tuple[tuple[float, float], str]], list[tuple[tuple[float, float], str]]]],
) -> None:
    # Of two instances with one start the file order would decide; the definition needs an order, too.
    pairs = [tuple([*{row[0]: row for row in rows}.values()] for rows in pair) for pair in pairs]  # type: ignore[misc]
    first, second = (said(*(pair[side] for pair in pairs)) for side in (0, 1))
    found = compared(first, second)
    centres = [(frame + 0.5) / FPS for frame in range(24)]
    frames = [(class_of(one, time), class_of(other, time)) for one, other in pairs for time in centres]
    wanted = cohens_kappa(frames)
    assert found.frames == len(frames)
    assert found.total.kappa.value == pytest.approx(float("nan") if wanted is None else wanted, nan_ok=True)
    for label, one in zip(found.labels, found.per_label, strict=True):
        having = [
            tuple(any(s <= time < e and name == label for (s, e), name in rows) for rows in pair)
            for pair in pairs
            for time in centres
        ]
        wanted = cohens_kappa(having)  # type: ignore[arg-type]
        assert one.kappa.value == pytest.approx(float("nan") if wanted is None else wanted, nan_ok=True)


# -- matching ------------------------------------------------------------------------------------------------------


@given(st.lists(SEGMENT, max_size=5), st.lists(SEGMENT, max_size=5), st.sampled_from([0.1, 0.3, 0.5]))
def test_the_matching_is_the_best_of_all(
    first: list[tuple[float, float]], second: list[tuple[float, float]], limit: float
) -> None:
    a, b = (np.array(rows, dtype=np.float64).reshape(-1, 2) for rows in (first, second))
    groups = [np.zeros(len(rows), dtype=np.int64) for rows in (a, b)]
    found = match_one_to_one(GroupedSegments(a, groups[0]), GroupedSegments(b, groups[1]), limit)
    assert len({*found.first.tolist()}) == len({*found.second.tolist()}) == len(found.tiou)
    np.testing.assert_allclose(found.tiou, tiou(a[found.first], b[found.second]))
    overlaps = tiou(a[:, None], b[None])
    if len(b) < len(a):
        overlaps = overlaps.T
    best = (0, 0.0)
    for order in permutations(range(overlaps.shape[1]), len(overlaps)):
        values = [overlaps[row, column] for row, column in enumerate(order) if overlaps[row, column] >= limit]
        best = max(best, (len(values), sum(values)))
    assert (len(found.tiou), pytest.approx(found.tiou.sum())) == best


def test_points_match_where_they_are_equal() -> None:
    points = GroupedSegments(np.array([[1.0, 1.0], [2.0, 2.0]]), np.zeros(2, dtype=np.int64))
    other = GroupedSegments(np.array([[2.0, 2.0], [3.0, 3.0]]), np.zeros(2, dtype=np.int64))
    found = match_one_to_one(points, other, 0.5)
    assert [column.tolist() for column in found] == [[1], [0], [1.0]]


# -- what must always hold -----------------------------------------------------------------------------------------


@given(PAIRS)
def test_the_order_of_the_annotators_plays_no_part(pairs: list[tuple[list, list]]) -> None:
    first, second = (said(*(pair[side] for pair in pairs)) for side in (0, 1))
    one, other = compared(first, second), compared(second, first)
    assert one.total.f1 == other.total.f1
    assert (one.total.first, one.total.second) == (other.total.second, other.total.first)
    assert one.total.kappa == pytest.approx(other.total.kappa, nan_ok=True)
    for a, b in zip(one.per_label, other.per_label, strict=True):
        assert a.matched == b.matched
        assert a.differences.tiou == pytest.approx(b.differences.tiou, nan_ok=True)
        assert a.differences.start_seconds == pytest.approx(-b.differences.start_seconds, nan_ok=True)
    instances = sum(len(rows) for rows, _ in pairs)
    assert one.confusion[:-1].sum() == instances
    assert one.confusion[:, :-1].sum() == sum(len(rows) for _, rows in pairs)
    assert np.trace(one.confusion) == one.total.matched


@given(st.lists(INSTANCES, min_size=1, max_size=3).filter(any))
def test_an_annotator_agrees_with_himself(videos: list[list[tuple[tuple[float, float], str]]]) -> None:
    one = said(*videos)
    found = compared(one, one, tiou=1.0)
    assert found.total.f1.value == 1
    assert found.total.kappa.value in (1, pytest.approx(float("nan"), nan_ok=True))
    assert found.total.differences[:5] == (1, 0, 0, 0, 0)
    assert (np.diag(found.confusion)[:-1] == found.confusion.sum(axis=0)[:-1]).all()


def reviewed(annotations: Annotations, *intervals: list[tuple[int, int]] | None) -> Annotations:
    """The same with what was reviewed of each video, in seconds."""
    times = [None if own is None else np.array(own, dtype=np.float64).reshape(-1, 2) for own in intervals]
    videos = zip(annotations.videos.values(), times, strict=True)
    return Annotations({video.name: replace(video, reviewed_seconds=own) for video, own in videos})


EXTENT = st.one_of(st.none(), st.lists(st.tuples(st.integers(0, 6), st.integers(7, 12)), max_size=2))


@given(INSTANCES, INSTANCES, EXTENT, EXTENT)
def test_kappa_is_that_of_the_frames_that_both_reviewed(
    one: list, other: list, first_extent: list | None, second_extent: list | None
) -> None:
    one, other = ([*{row[0]: row for row in rows}.values()] for rows in (one, other))

    def seen(rows: list, extent: list | None, time: float) -> bool:
        return extent is None or any(s <= time < e for s, e in [*extent, *(segment for segment, _ in rows)])

    centres = [(frame + 0.5) / FPS for frame in range(24)]
    judged = [time for time in centres if seen(one, first_extent, time) and seen(other, second_extent, time)]
    sides = reviewed(said(one), first_extent), reviewed(said(other), second_extent)
    instances = [segment for segment, _ in (*one, *other) if any(segment[0] <= time < segment[1] for time in judged)]
    if not instances:
        with pytest.raises(InputError):
            compared(*sides)
        return
    found = compared(*sides)
    frames = [(class_of(one, time), class_of(other, time)) for time in judged]
    wanted = cohens_kappa(frames)
    assert found.frames == len(judged)
    assert found.total.kappa.value == pytest.approx(float("nan") if wanted is None else wanted, nan_ok=True)
    counts = [
        sum(2 * sum(s <= time < e for time in judged) >= sum(s <= time < e for time in centres) for (s, e), _ in rows)
        for rows in (one, other)
    ]
    assert [found.total.first, found.total.second] == counts


def test_what_one_annotator_did_not_review_is_no_disagreement() -> None:
    rows = [((1.0, 3.0), "a"), ((9.0, 9.0), "point"), ((9.0, 11.0), "b")]
    first = said(rows, rows, rows)
    second = reviewed(said(rows[:1], rows, []), [(0, 5)], None, [])
    found = compared(first, second)
    assert found.videos == ("v0", "v1")
    assert found.labels == ("a", "b", "point")
    assert (found.total.f1.value, found.total.kappa.value) == (1, 1)
    assert (found.total.first, found.total.second) == (4, 4)
    assert found.frames == (5 + 12) * FPS
    assert found.notes()[0] == "Reviewed by both annotators: 17 of 24 seconds. The rest does not count."
    assert found.to_json()["reviewed_seconds"] == 17
    with pytest.raises(InputError, match="a part of a video that annotations has reviewed, too"):
        compared(first, reviewed(said([], [], []), [], [], []))


def test_differences_confusion_and_notes() -> None:
    first = said([((1.0, 3.0), "a"), ((5.0, 7.0), "b"), ((9.0, 10.0), "a")], seconds=None)
    second = said([((1.5, 3.0), "a"), ((5.0, 7.0), "c"), ((5.5, 7.5), "b")], seconds=None)
    found = compared(first, second)
    assert found.labels == ("a", "b", "c")
    assert found.confusion.tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert found.total.differences.start_seconds == 0.5
    assert found.total.differences.absolute_end_seconds == 0.25
    shorter, longer = compared(first, second, tiou=0.9), found.to_json()
    assert shorter.confusion[1].tolist() == [0, 0, 1, 0]  # the same time, another label
    assert longer["total"]["share_of_first"] == pytest.approx(2 / 3)
    assert longer["per_label"]["c"]["share_of_first"] is None
    assert longer["per_label"]["c"]["mean_tiou"] is None
    assert [note.split(":")[0] for note in found.notes()] == [
        "In 15.0 % of the frames an annotator has several labels",
        "The annotations do not say how long 1 video last",
    ]


def test_background_is_no_label() -> None:
    first = said([((0.0, 4.0), "background"), ((5.0, 7.0), "a")])
    assert compared(first, said([((5.0, 7.0), "a")])).total.kappa.value == 1


def test_names_are_joined_and_what_one_side_has_alone_is_named() -> None:
    first = said([((1.0, 2.0), "a")], [((1.0, 2.0), "b")])
    second = said([((1.0, 2.0), "a ")], [((1.0, 2.0), "d")], [((1.0, 2.0), "a ")]).renamed(
        {"v0": "x/v0.mp4", "v1": "w"}
    )
    joined, sentences = join_annotations(second, first)
    assert [*joined.videos] == ["v0", "w", "v2"]
    assert joined.videos["v0"].labels == ("a",)
    assert sentences == [
        "only annotations has the videos 'w', 'v2': left out.",
        "only annotations has the videos 'v1': left out.",
        "only annotations has the labels 'b'.",
        "only annotations has the labels 'd'.",
    ]
    with pytest.raises(InputError, match="expected videos of annotations"):
        join_annotations(second.renamed({"x/v0.mp4": "y"}), first)
    with pytest.raises(InputError, match="expected labels of annotations"):
        join_annotations(said([((1.0, 2.0), "z")]), first)
    with pytest.raises(InputError, match="one name for the video"):
        join_annotations(second.renamed({"w": "v0.mp4"}), first)


def test_without_an_instance_or_with_a_wrong_rate_there_is_nothing_to_compare() -> None:
    with pytest.raises(InputError, match="labelled segments"):
        compared(said([]), said([]))
    with pytest.raises(InputError, match="frames per second"):
        agreement(said([]), said([]), fps=0)
