"""Nested subsets of labels: each is part of the next, and nothing that it leaves out counts as background."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.reviewed import covered
from rcl.data.reviewed_time import reviewed_intervals, reviewed_seconds
from rcl.training.label_subsets import nested_subsets

SHARES = (0.125, 0.25, 0.5, 1.0)
SECONDS = 100


@st.composite
def labelled(draw: st.DrawFn) -> Annotations:
    """A few videos with instances that may overlap or touch, some of them reviewed in part."""
    videos = {}
    for number in range(draw(st.integers(1, 5))):
        times = st.tuples(st.integers(0, SECONDS), st.integers(0, SECONDS)).filter(lambda pair: pair[0] != pair[1])
        rows = draw(st.lists(times.map(sorted), max_size=8))
        looked_at = draw(st.none() | st.lists(times.map(sorted), max_size=3))
        videos[f"v{number}"] = VideoAnnotation(
            f"v{number}",
            "training",
            float(SECONDS),
            None,
            np.array(rows, dtype=np.float64).reshape(-1, 2),
            tuple(f"label {row}" for row in range(len(rows))),
            reviewed_seconds=None if looked_at is None else np.array(looked_at, dtype=np.float64).reshape(-1, 2),
        )
    return Annotations(videos)


def instances(annotations: Annotations) -> set[tuple[str, str, float, float]]:
    return {
        (video.name, label, *segment)
        for video in annotations.videos.values()
        for label, segment in zip(video.labels, video.segments_seconds.tolist(), strict=True)
    }


@given(annotations=labelled(), seed=st.integers(0, 3))
@settings(max_examples=25)
def test_a_subset_is_part_of_the_next(annotations: Annotations, seed: int) -> None:
    subsets = [subset.annotations for subset in nested_subsets(annotations, SHARES, seed)]
    assert subsets[-1] is annotations
    for smaller, larger in pairwise(subsets):
        assert instances(smaller) <= instances(larger)
        for name, video in smaller.videos.items():
            own, more = reviewed_intervals(video), reviewed_intervals(larger.videos[name])
            np.testing.assert_allclose(covered(own, more), np.diff(own, axis=1).ravel(), atol=1e-9)


@given(annotations=labelled(), seed=st.integers(0, 3))
@settings(max_examples=25)
def test_what_is_left_out_was_not_looked_at(annotations: Annotations, seed: int) -> None:
    for subset in nested_subsets(annotations, SHARES, seed):
        kept = instances(subset.annotations)
        for name, video in subset.annotations.videos.items():
            out = np.array([row[2:] for row in instances(annotations) - kept if row[0] == name]).reshape(-1, 2)
            np.testing.assert_allclose(covered(out, reviewed_intervals(video)), 0, atol=1e-9)
        assert subset.minutes == pytest.approx(reviewed_seconds(subset.annotations) / 60)
        assert subset.instances == len(kept)


def regular(count: int) -> Annotations:
    """Videos with an action in every fifth second."""
    starts = np.arange(0, SECONDS, 5.0)
    segments = np.stack((starts, starts + 1), axis=1)
    labels = ("wave",) * len(starts)
    return Annotations(
        {
            f"v{number}": VideoAnnotation(f"v{number}", "training", float(SECONDS), None, segments, labels)
            for number in range(count)
        }
    )


@pytest.mark.parametrize("count", [1, 3, 15, 16, 40])
def test_shares_are_kept(count: int) -> None:
    everything = regular(count)
    for share, subset in zip(SHARES, nested_subsets(everything, SHARES, 0), strict=True):
        assert subset.minutes == pytest.approx(share * count * SECONDS / 60, rel=0.2)


def test_whole_videos_if_there_are_many_and_stretches_if_there_are_few() -> None:
    many, few = (nested_subsets(regular(count), SHARES, 0)[0].annotations.videos for count in (16, 4))
    assert len(many) == 2
    assert all(video.reviewed_seconds is None for video in many.values())
    assert len(few) > 1
    assert all(video.reviewed_seconds is not None for video in few.values())


@pytest.mark.parametrize("count", [3, 20])
def test_a_share_does_not_depend_on_the_others(count: int) -> None:
    alone = nested_subsets(regular(count), (0.5,), 0)[0]
    assert instances(alone.annotations) == instances(nested_subsets(regular(count), SHARES, 0)[2].annotations)


def test_a_seed_draws_an_order() -> None:
    drawn = [[*nested_subsets(regular(20), SHARES, seed)[0].annotations.videos] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
