"""Names that mean the same video, and labels that may be meant to be one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.names import match_names, named_twice, plain_name, similar_labels, similar_videos, without_extension

NFD = unicodedata.normalize("NFD", "Übung é")
NFC = unicodedata.normalize("NFC", "Übung é")


@pytest.mark.parametrize(
    ("given_name", "known"),
    [
        ("clip", "clip"),
        ("clip.mp4", "clip"),
        ("clip", "clip.MP4"),
        ("clip.mov", "clip.mp4"),
        ("videos/cam1/001.mp4", "cam1/001"),
        ("001", "cam1/001"),
        ("C:\\videos\\cam1\\001.mp4", "cam1/001"),
        ("./cam1/001.mp4", "cam1/001"),
        ("Subject 1/ADL/10.mp4", "Subject 1/ADL/10"),
        (f"{NFD}.mp4", NFC),
        (NFC, f"folder/{NFD}"),
        ("abc", "v_abc"),
        ("v_abc.mp4", "abc"),
        (" clip.mp4 ", "clip"),
    ],
)
def test_names_of_one_video(given_name, known):
    assert match_names([given_name], [known, "other", "another/video"]).pairs == {given_name: known}
    assert match_names([known], [given_name, "other", "another/video"]).pairs == {known: given_name}


@pytest.mark.parametrize(
    ("given_name", "known"),
    [("Clip", "clip"), ("clip 1", "clip1"), ("clip_1.mp4", "Clip 1"), ("CAM1/001", "cam1/001.mp4")],
)
def test_case_and_blanks_are_only_proposed(given_name, known):
    match = match_names([given_name], [known])
    assert match.pairs == {}
    assert match.missing == (given_name,)
    assert match.unused == (known,)
    assert match.similar == {given_name: known}
    assert match.describe_missing() == f"{given_name!r} (did you mean {known!r}?)"


@pytest.mark.parametrize(
    ("given_name", "known"),
    [
        ("001", ["cam1/001", "cam2/001"]),
        ("clip", ["clip.mp4", "clip.avi"]),
        (f"x/{NFC}", [f"a/x/{NFD}", f"b/x/{NFC}"]),
    ],
)
def test_a_name_that_could_mean_several_means_none(given_name, known):
    match = match_names([given_name], known)
    assert match.pairs == {}
    assert match.ambiguous == {given_name: tuple(known)}
    assert match.missing == (given_name,)
    assert match.unused == tuple(known)


def test_the_closest_rule_decides():
    known = ["clip.mp4", "clip.avi", "a/clip.mp4"]
    assert match_names(["clip.avi", "a/clip"], known).pairs == {"clip.avi": "clip.avi", "a/clip": "a/clip.mp4"}
    assert match_names(["other/001", "cam1/001"], ["cam1/001"]).pairs == {"cam1/001": "cam1/001"}, (
        "folders that differ are different videos"
    )


def test_names_given_twice_are_known():
    match = match_names(["clip", "clip.mp4"], ["clip"])
    assert match.doubled == {"clip": ("clip", "clip.mp4")}


def test_names_without_a_media_extension_keep_their_dots():
    assert without_extension("take 1.5") == "take 1.5"
    assert without_extension(".mp4") == ".mp4"
    assert without_extension("a/.mp4") == "a/.mp4"


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@given(st.lists(NAMES, max_size=8), st.lists(NAMES, max_size=8))
def test_every_name_is_accounted_for(given_names, known):
    match = match_names(given_names, known)
    assert set(match.pairs) | set(match.missing) == set(given_names)
    assert not set(match.pairs) & set(match.missing)
    assert set(match.pairs.values()) | set(match.unused) == set(known)
    assert all(match.pairs[name] == name for name in set(given_names) & set(known))
    match.describe_missing()


@given(st.lists(NAMES, max_size=6))
def test_plain_names_stay(names):
    assert [plain_name(plain_name(name)) for name in names] == [plain_name(name) for name in names]


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        (["walk", "wlak"], [("walk", "wlak")]),
        (["kick", "Kick "], [("Kick ", "kick")]),
        (["pick up", "pick-up"], [("pick up", "pick-up")]),
        (["throw", "trow"], [("throw", "trow")]),
        (["jump1", "jump2"], []),
        (["sit", "hit"], []),
        (["walk", "run", "stand"], []),
        (["HighJump", "LongJump"], []),
    ],
)
def test_similar_labels(labels, pairs):
    assert similar_labels(labels) == pairs


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (["a.mp4", "b", "a"], ("a", "a.mp4")),
        (["cam1/001", "cam1\\001.mov"], ("cam1/001", "cam1\\001.mov")),
        (["./a", "a"], ("./a", "a")),
        (["gäh", "ga\u0308h"], ("gäh", "ga\u0308h")),
        (["a.mp4", "a", "a.avi"], ("a", "a.mp4")),
        (["a.mp4", "a.avi"], None),
        (["a.mp4", "a.mp4.mkv"], None),
        (["001", "cam1/001", "cam2/001"], None),
        (["a", "A", "v_a"], None),
        (["take 1", "take 1.5"], None),
    ],
)
def test_two_names_of_one_video(names, pair):
    assert named_twice(names) == pair


@given(st.lists(NAMES, max_size=6))
def test_names_that_match_by_file_alone_are_one_video(names):
    """Where no two names are of one video, each of them finds itself, also with another system's slashes."""
    if named_twice(names) is None:
        assert match_names([name.replace("/", "\\") for name in dict.fromkeys(names)], names).doubled == {}


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["clip", "CLIP "], [("clip", "CLIP ")]),
        (["clip", "v_clip"], [("clip", "v_clip")]),
        (["my clip", "my_clip", "my%20clip"], [("my clip", "my_clip"), ("my clip", "my%20clip")]),
        (["day/cam1/clip", "clip"], [("clip", "day/cam1/clip")]),
        (["Clip.mp4", "clip.MP4"], [("Clip.mp4", "clip.MP4")]),
        (["clip.mp4", "clip.avi"], []),
        (["cam1/001", "cam2/001", "002"], []),
        (["take 1.5", "take 15", "take 1"], []),
    ],
)
def test_similar_videos(names, pairs):
    assert similar_videos(names) == pairs


@pytest.mark.parametrize(("written", "meant"), [("1", "001"), ("cam 7", "cam 07"), ("my%20clip", "my clip")])
def test_what_spreadsheets_and_browsers_do_to_names_is_proposed(written, meant):
    match = match_names([written], [meant, "100", "10"])
    assert match.pairs == {}
    assert match.similar == {written: meant}


def test_labels_of_other_letters_are_no_slips():
    labels = ["Curling", "Hurling", "curling "]
    assert similar_labels(labels, slips=False) == [("Curling", "curling ")]


def test_numbers_with_other_signs_are_no_similar_labels() -> None:
    assert similar_labels(["1", "-1", "1.5", "15"]) == []
    assert similar_labels(["run 1", "run1"]) == [("run 1", "run1")]
