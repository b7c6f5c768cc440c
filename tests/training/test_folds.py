"""Splits and folds: whole groups, every label in training, nothing of another subset."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.system.errors import InputError
from rcl.training.choices import split_videos
from rcl.training.folds import folds, groups_of, held_out_in_turn, labels_of_one_fold, videos_together, with_groups

SUBSETS = ["training", "training", "training", "validation", "testing"]


def video(name: str, labels: str = "ab", group: str | None = None, subset: str = "training") -> VideoAnnotation:
    return VideoAnnotation(name, subset, None, None, np.zeros((len(labels), 2)), tuple(labels), group)


def annotations_of(*videos: VideoAnnotation) -> Annotations:
    return Annotations({each.name: each for each in videos})


groups = st.none() | st.sampled_from(["anna", "ben", "cleo", "dan"])
items = st.tuples(st.text("ab", max_size=6), groups, st.sampled_from(SUBSETS))


@st.composite
def contents(draw: st.DrawFn) -> Annotations:
    rows = draw(st.lists(items, max_size=14))
    return annotations_of(*(video(f"v{number}", *row) for number, row in enumerate(rows)))


def training_of(content: Annotations) -> set[str]:
    return {name for name, each in content.videos.items() if each.subset == "training"}


# -- folds -------------------------------------------------------------------------------------------------------


@given(contents(), st.integers(1, 6))
def test_folds_are_a_partition_of_the_training_videos(content: Annotations, number: int) -> None:
    training = training_of(content)
    units = [unit for unit in videos_together(content) if training & {*unit}]
    if len(units) < number:
        with pytest.raises(InputError, match="training video"):
            folds(content, number)
        return
    found = folds(content, number)
    assert len(found) == number
    assert all(found)
    assert Counter(name for fold in found for name in fold) == Counter(training)
    for unit in units:
        assert sum(not fold.isdisjoint(unit) for fold in found) == 1
    assert folds(Annotations(dict(reversed(content.videos.items()))), number) == found


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(1, 5))
def test_folds_are_balanced(counts: list[int], number: int) -> None:
    """As any greedy one: two folds differ by no more than the largest video."""
    if len(counts) < number:
        return
    content = annotations_of(*(video(f"v{index}", "a" * count) for index, count in enumerate(counts)))
    sizes = [sum(len(content.videos[name].labels) for name in fold) for fold in folds(content, number)]
    assert max(sizes) - min(sizes) <= max(counts)


# -- held-out videos ---------------------------------------------------------------------------------------------


@given(contents(), st.integers(0, 3))
def test_whole_groups_are_held_out(content: Annotations, seed: int) -> None:
    split = split_videos(content, seed=seed)
    held_out = {name for name, each in split.videos.items() if each.subset == "validation"}
    assert held_out | training_of(split) == {*content.videos}
    assert {label for name in training_of(split) for label in content.videos[name].labels} == {*content.labels}
    if len(groups_of(content)) >= 3:
        units = videos_together(content)
        chosen = [unit for unit in units if not held_out.isdisjoint(unit)]
        assert {name for unit in chosen for name in unit} == held_out
        assert len(chosen) <= max(1, round(0.2 * len(units)))


def test_a_fifth_of_the_groups_at_least_one() -> None:
    for people, expected in ((3, 1), (5, 1), (10, 2)):
        content = annotations_of(
            *(video(f"{each}-{take}", group=f"p{each}") for each in range(people) for take in "xyz")
        )
        split = split_videos(content)
        assert len({each.group for each in split.videos.values() if each.subset == "validation"}) == expected
        assert sum(each.subset == "validation" for each in split.videos.values()) == 3 * expected


def test_two_groups_are_too_few_to_hold_one_out() -> None:
    content = annotations_of(*(video(f"{each}{take}", group=each) for each in "ab" for take in range(5)))
    assert sum(each.subset == "validation" for each in split_videos(content).videos.values()) == 2


def test_new_videos_follow_their_group() -> None:
    content = annotations_of(*(video(f"{each}{take}", group=each) for each in "abc" for take in range(2)))
    kept = {"a0": "validation", "b0": "training", "c0": "training"}
    split = split_videos(content, kept=kept)
    assert {name for name, each in split.videos.items() if each.subset == "validation"} == {"a0", "a1"}
    divided = split_videos(content, kept={**kept, "c0": "testing", "c1": "training"})
    assert divided.videos["c0"].subset == "testing"
    assert divided.videos["c1"].subset == "training"


# -- cross-validation --------------------------------------------------------------------------------------------


@given(contents(), st.none() | st.integers(2, 6))
def test_every_video_is_held_out_once_with_its_group(content: Annotations, number: int | None) -> None:
    units = videos_together(content)
    if len(units) < max(number or 2, 2):
        with pytest.raises(InputError, match="groups of videos"):
            held_out_in_turn(content, number)
        return
    found = held_out_in_turn(content, number)
    assert len(found) == (number or len(units))
    assert Counter(name for fold in found for name in fold) == Counter([*content.videos])
    for unit in units:
        assert sum(not fold.isdisjoint(unit) for fold in found) == 1


@given(contents())
def test_labels_of_one_fold_are_counted_in_a_plain_loop(content: Annotations) -> None:
    parts = [{*unit} for unit in videos_together(content)]
    expected = []
    for label in content.labels:
        known = 0
        for part in parts:
            known += any(label in content.videos[name].labels for name in part)
        if known == 1:
            expected.append(label)
    assert labels_of_one_fold(content, parts) == expected


def test_groups_come_from_annotations_from_names_or_are_left_out() -> None:
    content = annotations_of(video("S1_tea_C1", group="anna"), video("S1_jam_C1"), video("S12_tea_C2", group="anna"))

    def found(group: str) -> list[str | None]:
        return [each.group for each in with_groups(content, group).videos.values()]

    assert found("group") == ["anna", None, "anna"]
    assert found("video") == [None, None, None]
    assert found(r"S\d+") == ["S1", "S1", "S12"]
    assert found(r"_(\w+)_C") == ["tea", "jam", "tea"]
