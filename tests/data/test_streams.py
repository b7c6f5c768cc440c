"""Streams of features: alignment, their file in a pack, and which folders are streams."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.resizing import resize
from rcl.data.stores import open_store, stream_folders
from rcl.data.stream_store import StreamStore
from rcl.data.streams import (
    AlignedFeatures,
    Stream,
    StreamTiming,
    TimedFeatures,
    VideoTiming,
    align,
    read_streams,
    write_streams,
)
from rcl.system.errors import Defect, InputError


def ramp(snippets: int, channels: int = 1) -> np.ndarray:
    return (np.arange(snippets)[:, None] * np.ones(channels)).astype(np.float32)


def streams(**widths: int) -> list[Stream]:
    return [Stream(name, width) for name, width in widths.items()]


# -- alignment ---------------------------------------------------------------------------------------------------


def test_streams_of_one_rate_stand_side_by_side_unchanged():
    a, b = np.random.default_rng(0).normal(size=(2, 50, 3)).astype(np.float32)
    features, rate = align({"a": TimedFeatures(a, 2.4), "b": TimedFeatures(b, 2.4)}, streams(a=3, b=3))
    assert rate == 2.4
    np.testing.assert_array_equal(features, np.concatenate((a, b), axis=1))


def test_a_slower_stream_is_linear_between_its_centres():
    slow = np.random.default_rng(1).normal(size=(7, 2)).astype(np.float32)
    features, rate = align({"a": TimedFeatures(ramp(28), 4.0), "b": TimedFeatures(slow, 1.0)}, streams(a=1, b=2))
    assert rate == 4.0
    expected = resize(torch.from_numpy(slow.T), 28).T
    np.testing.assert_allclose(features[:, 1:], expected, atol=1e-6)


@given(
    rates=st.lists(st.sampled_from([0.5, 1.0, 2.5, 3.0, 10.0]), min_size=2, max_size=3),
    starts=st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    lengths=st.lists(st.integers(12, 60), min_size=3, max_size=3),
    bounds=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_a_part_of_the_timeline_equals_that_part_of_the_whole(rates, starts, lengths, bounds):
    known = streams(**{f"s{number}": 1 for number in range(len(rates))})
    parts = {
        stream.name: TimedFeatures(ramp(length + 30), rate, start)
        for stream, rate, start, length in zip(known, rates, starts, lengths, strict=False)
    }
    aligned = AlignedFeatures(parts, known)
    whole = aligned.read()
    first, last = sorted(min(bound, len(aligned)) for bound in bounds)
    np.testing.assert_array_equal(aligned.read(first, last), whole[first:last])
    assert aligned.snippets_per_second == max(rates)
    assert whole.shape == aligned.shape


@given(rate=st.sampled_from([0.5, 1.0, 4.0]), start=st.floats(-3, 10), length=st.integers(8, 50))
def test_a_stream_is_where_the_centre_of_a_snippet_lies_in_it_and_tells_the_right_time(rate, start, length):
    """The values of the stream are times in the video, so they can be compared with those of the timeline."""
    times = (start + (np.arange(length) + 0.5) / rate)[:, None].astype(np.float32)
    base = TimedFeatures(ramp(200), 4.0)
    aligned = align({"a": base, "b": TimedFeatures(times, rate, start)}, streams(a=1, b=1))[0]
    centres = (np.arange(len(aligned)) + 0.5) / 4.0
    inside = (centres > start + 1e-4) & (centres < start + length / rate - 1e-4)
    outside = (centres < start - 1e-4) | (centres > start + length / rate + 1e-4)
    assert np.isfinite(aligned[inside, 1]).all()
    assert np.isnan(aligned[outside, 1]).all()
    inner = inside & (centres > times[0, 0]) & (centres < times[-1, 0])
    np.testing.assert_allclose(aligned[inner, 1], centres[inner], atol=1e-3)


def test_a_missing_stream_is_nan_and_does_not_change_the_timeline():
    known = [Stream("a", 2, 2.0), Stream("b", 1, 8.0)]
    both, rate = align({"a": TimedFeatures(ramp(5, 2), 2.0), "b": TimedFeatures(ramp(20), 8.0)}, known)
    one, same = align({"a": TimedFeatures(ramp(5, 2), 2.0)}, known)
    assert rate == same == 8.0
    np.testing.assert_array_equal(one[:, :2], both[:, :2])
    assert np.isnan(one[:, 2]).all()


def test_what_lies_before_the_video_is_left_out():
    features, _ = align({"a": TimedFeatures(ramp(6), 1.0, start_seconds=-2.0)}, streams(a=1))
    np.testing.assert_array_equal(features[:, 0], [2, 3, 4, 5])


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ({}, "at least one of the streams a, b"),
        ({"c": TimedFeatures(ramp(3), 1.0)}, "found c"),
        ({"a": TimedFeatures(ramp(3, 2), 1.0)}, "1 channels in the stream 'a'"),
        ({"a": TimedFeatures(ramp(3), 0.0)}, "positive rate"),
        ({"a": TimedFeatures(ramp(3), math.nan)}, "positive rate"),
        ({"a": TimedFeatures(ramp(3), 1.0, math.inf)}, "start of the stream"),
        ({"a": TimedFeatures(ramp(3), 1.0, -3.0)}, "overlap the video"),
        ({"a": TimedFeatures(ramp(3), 1.0, 1.7e9)}, "starts in seconds"),
    ],
)
def test_impossible_streams_are_refused(parts, word):
    with pytest.raises(Defect, match=word):
        AlignedFeatures(parts, streams(a=1, b=1))


# -- streams.json ------------------------------------------------------------------------------------------------


def test_streams_are_written_and_read_again(tmp_path: Path):
    motion = StreamTiming(snippets_per_second=5.0, videos={"v7": VideoTiming(start_seconds=0.4)})
    written = {"motion": motion, "imu": StreamTiming(start_seconds=-1.0)}
    write_streams(tmp_path, written)
    assert read_streams(tmp_path) == written
    assert motion.of("v7") == (5.0, 0.4)
    assert motion.of("v8") == (5.0, 0.0)


def test_a_pack_without_the_file_has_no_stated_streams(tmp_path: Path):
    assert read_streams(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "{}",
        '{"format": 2, "streams": {"a": {}}}',
        '{"format": 1, "streams": {}}',
        '{"format": 1, "streams": {"a": {"snippets_per_second": 0}}}',
        '{"format": 1, "streams": {"a": {"snippets_per_second": -2}}}',
        '{"format": 1, "streams": {"a": {"start_seconds": "soon"}}}',
        '{"format": 1, "streams": {"a": {"start": 1}}}',
        '{"format": 1, "streams": {"../a": {}}}',
        '{"format": 1, "streams": {"a": {"videos": {"v": {"snippets_per_second": 0}}}}}',
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, content: str):
    (tmp_path / "streams.json").write_text(content)
    with pytest.raises(InputError, match=r"streams\.json"):
        read_streams(tmp_path)


# -- packs -------------------------------------------------------------------------------------------------------


def annotated(duration: float | None = 10.0, rate: float | None = None, names: str = "vw") -> Annotations:
    segments = np.array([[1.0, 4.0]])
    videos = {name: VideoAnnotation(name, "training", duration, rate, segments, ("jump",)) for name in names}
    return Annotations(videos)


def make_pack(root: Path, **files: int) -> Path:
    """A pack with features of so many snippets in ``features/STREAM/VIDEO.npy``, by ``stream__video``."""
    for name, snippets in files.items():
        path = root / "features" / f"{name.replace('__', '/')}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, ramp(snippets, 1 + len(path.parent.name)))
    return root


def test_folders_of_the_same_videos_are_streams(tmp_path: Path):
    root = make_pack(tmp_path, a__v=20, a__w=20, imu__v=50, imu__w=40)
    store = open_store(root, annotated())
    assert isinstance(store, StreamStore)
    assert store.check(["v", "w"]) == 6
    assert store.streams == (Stream("a", 2, 2.0), Stream("imu", 4, None))
    assert store.shape("v") == (50, 6)
    assert store.rate("w") == 4.0
    assert store.files("v") == (root / "features/a/v.npy", root / "features/imu/v.npy")


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"cam1__001": 20, "cam2__001": 20}, ["cam1/001", "cam2/001"]),  # named with their folders
        ({"train__v": 20, "test__w": 20}, ["v", "w"]),  # every video in one folder
        ({"v": 20, "old__v": 20, "older__v": 20}, ["v"]),  # a pack of today, with more folders
        ({"a__v": 20}, ["v"]),
    ],
)
def test_other_folders_are_no_streams(tmp_path: Path, files, names):
    make_pack(tmp_path, **files)
    assert stream_folders(tmp_path / "features", names) == []


def test_the_file_decides_what_is_a_stream(tmp_path: Path):
    root = make_pack(tmp_path, a__v=20, b__v=20, c__v=20)
    write_streams(root, {"c": StreamTiming(snippets_per_second=4.0, start_seconds=1.0), "a": StreamTiming()})
    store = open_store(root, annotated(names="v"))
    assert [stream.name for stream in store.streams] == ["c", "a"]
    assert store.shape("v") == (40, 4)  # 10 s at 4 snippets per second
    assert np.isnan(store.read("v")[:4, :2]).all()


def test_a_rate_of_the_annotations_counts_where_it_agrees_with_the_length(tmp_path: Path):
    root = make_pack(tmp_path, a__v=25, b__v=99)
    store = open_store(root, annotated(duration=10.1, rate=2.5, names="v"))
    assert [stream.snippets_per_second for stream in store.streams] == [2.5, pytest.approx(99 / 10.1)]


def test_without_any_length_or_rate_the_video_is_named(tmp_path: Path):
    store = open_store(make_pack(tmp_path, a__v=25, b__v=99), annotated(duration=None, names="v"))
    with pytest.raises(InputError, match=r"a, video 'v'.*rate of the stream.*streams\.json"):
        store.check(["v"])


def test_a_video_without_a_stream_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    root = make_pack(tmp_path, a__v=20, a__w=20, b__v=20)
    store = open_store(root, annotated())
    store.check(["v", "w"])
    assert "b: 1 video without this stream: w" in caplog.text
    assert np.isnan(store.read("w")[:, 2:]).all()
    assert np.isfinite(store.read("v")).all()


def test_a_video_in_no_stream_is_an_error(tmp_path: Path):
    store = open_store(make_pack(tmp_path, a__v=20, b__v=20), annotated())
    with pytest.raises(InputError, match=r"none in any stream of 'w'"):
        store.check(["v", "w"])


def test_widths_of_one_stream_must_agree(tmp_path: Path):
    root = make_pack(tmp_path, a__v=20, a__w=20, b__v=20)
    np.save(root / "features/a/w.npy", ramp(20, 5))
    with pytest.raises(InputError, match=r"features/a/[vw]\.npy.*one width"):
        open_store(root, annotated()).check(["v", "w"])


def test_a_stated_stream_needs_a_folder(tmp_path: Path):
    root = make_pack(tmp_path, a__v=20)
    write_streams(root, {"a": StreamTiming(), "b": StreamTiming()})
    with pytest.raises(InputError, match=r"features/b: expected a folder of the stream 'b'"):
        open_store(root, annotated())


def test_a_stream_that_overlaps_no_video_is_an_error(tmp_path: Path):
    root = make_pack(tmp_path, a__v=20, b__v=20)
    write_streams(root, {"a": StreamTiming(), "b": StreamTiming(snippets_per_second=2.0, start_seconds=11.0)})
    with pytest.raises(InputError, match=r"features/b, video 'v': expected a stream that overlaps"):
        open_store(root, annotated(names="v")).check(["v"])


def test_a_stream_that_overlaps_some_videos_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    root = make_pack(tmp_path, a__v=20, a__w=20, b__v=20, b__w=20)
    late = VideoTiming(start_seconds=11.0)
    write_streams(root, {"a": StreamTiming(), "b": StreamTiming(snippets_per_second=2.0, videos={"w": late})})
    store = open_store(root, annotated())
    store.check(["v", "w"])
    assert "does not overlap in time, do without it: w" in caplog.text
    assert np.isnan(store.read("w")[:, 2:]).all()


def test_a_stream_of_another_length_than_its_video_is_doubted(tmp_path: Path):
    root = make_pack(tmp_path, a__v=20, b__v=20)
    write_streams(root, {"a": StreamTiming(), "b": StreamTiming(snippets_per_second=30.0)})
    (sentence,) = open_store(root, annotated(names="v")).doubts(["v"])
    assert "ends far from its video in 1 video (v)" in sentence


def test_chosen_streams(tmp_path: Path):
    root = make_pack(tmp_path, a__v=20, b__v=20, c__v=20)
    assert [stream.name for stream in open_store(root, annotated(), streams=["c", "a"]).streams] == ["c", "a"]
    with pytest.raises(InputError, match=r"the stream d, found the streams a, b, c"):
        open_store(root, annotated(), streams=["a", "d"])
    with pytest.raises(InputError, match="once"):
        open_store(root, annotated(), streams=["a", "a"])


def test_a_detector_does_without_a_stream_that_it_knows(tmp_path: Path):
    root = make_pack(tmp_path, a__v=20, b__v=20)
    known = [Stream("a", 2, 2.0), Stream("z", 3, 8.0)]
    store = open_store(root, annotated(names="v"), streams=known)
    lacks, ignores = store.doubts(["v"])
    assert "detects without the stream z" in lacks
    assert "ignores the stream b" in ignores
    assert store.shape("v") == (80, 5)
    assert np.isnan(store.read("v")[:, 2:]).all()
    with pytest.raises(InputError, match=r"the streams y, z"):
        open_store(root, annotated(names="v"), streams=[Stream("y", 2), Stream("z", 3)])


def test_a_detector_of_one_stream_refuses_a_pack_of_several(tmp_path: Path):
    root = make_pack(tmp_path, a__v=20, b__v=20)
    with pytest.raises(InputError, match=r"features of a single stream, found the streams a, b"):
        open_store(root, annotated(names="v"), streams=())


def test_a_stream_of_another_width_than_a_detector_knows_is_refused(tmp_path: Path):
    root = make_pack(tmp_path, a__v=20, b__v=20)
    store = open_store(root, annotated(names="v"), streams=[Stream("a", 7)])
    with pytest.raises(InputError, match=r"a/v\.npy.*7 channels"):
        store.open("v")


def test_the_file_is_plain_json(tmp_path: Path):
    write_streams(tmp_path, {"a": StreamTiming(snippets_per_second=5.0)})
    content = json.loads((tmp_path / "streams.json").read_text())
    assert content == {"format": 1, "streams": {"a": {"snippets_per_second": 5.0}}}
