"""Feeds of files: complete ones, and those that are being written."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watched import SPARSE, FakeClock, collect, shown_by

from rcl.detector.live.sources.feed import Feed
from rcl.detector.live.sources.growing_file import boxes, check_can_grow, has_index, is_readable_from_start
from rcl.detector.live.sources.parts import Picture
from rcl.detector.live.sources.source import parse_source
from rcl.system.errors import InputError
from rendered import drawn, render

AT = 10**9  # when the clock of these tests begins


def aged(path: Path, seconds: float) -> Path:
    """A file that was last written so long ago."""
    os.utime(path, (AT - seconds, AT - seconds))
    return path


def fragmented(path: Path, frames: int = 50) -> Path:
    """An MP4 that can be read while it is written."""
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as output:
        stream = output.add_stream("libx264", rate=25, options=SPARSE)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(frames):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(drawn(number), format="rgb24")))
        output.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recordings")
    options = {"frames": 50, "options": SPARSE}
    made = {name: render(folder / name, audio_seconds=2.0, **options) for name in ("a.ts", "a.mkv", "a.mp4")}  # type: ignore[arg-type]
    made["a.flv"] = render(folder / "a.flv", frames=50, codec="flv", pixel_format="yuv420p")
    made["f.mp4"] = fragmented(folder / "f.mp4")
    return made


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mp4", "a.flv", "f.mp4"])
def test_a_complete_file_is_read_to_its_end(recordings: dict[str, Path], name: str) -> None:
    path = aged(recordings[name], 3600)
    clock = FakeClock(AT)
    (part,) = collect(Feed(parse_source(str(path)), clock=clock))
    assert part.shown == shown_by(path)
    assert clock.waits == []
    assert part.ends is not None
    assert part.ends.why == "the file has ended"
    assert part.ends.problems == ()
    assert part.begins.number == 1
    assert part.begins.started_at == pytest.approx(AT - 3600 - 2, abs=0.2)


@settings(max_examples=8)
@given(cuts=st.lists(st.floats(0, 1), max_size=12), name=st.sampled_from(["a.ts", "a.mkv", "a.flv", "f.mp4"]))
def test_a_file_that_grows_shows_what_it_shows_in_the_end(
    recordings: dict[str, Path], cuts: list[float], name: str
) -> None:
    source = recordings[name]
    data = source.read_bytes()
    path = source.with_name(f"growing-{name}")
    pieces = sorted({int(cut * len(data)) for cut in cuts} | {len(data)})
    path.write_bytes(data[: pieces[0]])
    remaining = iter(pairwise(pieces))
    grown_at = [float(AT)]

    def grow(now: float) -> None:
        if now < grown_at[0] + 5:  # the writer takes its time
            return
        if piece := next(remaining, None):
            grown_at[0] = now
            with path.open("ab") as file:
                file.write(data[slice(*piece)])

    os.utime(path, (AT, AT))
    clock = FakeClock(AT, grow)
    feed = Feed(parse_source(str(path)), clock=clock, idle_seconds=10)
    (part,) = collect(feed)
    assert path.read_bytes() == data
    assert part.shown == shown_by(source)
    assert part.ends is not None
    assert part.ends.why == "nothing was written for 10 s"
    (again,) = collect(Feed(parse_source(str(path)), clock=FakeClock(AT + 10**6), resume=feed.position()))
    assert again.begins == part.begins
    assert again.shown == part.shown


def test_an_mp4_without_its_index_is_an_error_that_says_what_to_do(recordings: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    data = recordings["a.mp4"].read_bytes()
    for end in (100, len(data) // 2, data.index(b"moov") + 20):
        path.write_bytes(data[:end])
        with pytest.raises(InputError, match=r"index comes last.*record .ts, .mkv or a fragmented MP4"):
            Feed(parse_source(str(path)))
    path.write_bytes(data)
    check_can_grow(path)


def test_boxes_tell_which_files_can_be_read_while_they_grow(recordings: dict[str, Path]) -> None:
    expected = {"a.ts": True, "a.mkv": True, "a.flv": True, "f.mp4": True, "a.mp4": False}
    assert {name: is_readable_from_start(path) for name, path in recordings.items()} == expected
    assert all(has_index(path) for path in recordings.values())
    with recordings["f.mp4"].open("rb") as file:
        assert boxes(file)[:4] == [b"ftyp", b"moov", b"moof", b"mdat"]
    with recordings["a.ts"].open("rb") as file:
        assert boxes(file) == []


def test_files_that_are_no_videos(tmp_path: Path) -> None:
    (tmp_path / "empty.ts").write_bytes(b"")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1\n/etc/passwd\n")
    (tmp_path / "noise.ts").write_bytes(b"no video" * 1000)
    for path in tmp_path.iterdir():
        aged(path, 3600)
        with pytest.raises(InputError, match=path.name):
            collect(Feed(parse_source(str(path)), clock=FakeClock(AT)))
        aged(path, 0)
        with pytest.raises(InputError, match=path.name):
            collect(Feed(parse_source(str(path)), clock=FakeClock(AT), idle_seconds=5))


def test_a_file_waits_for_a_slow_consumer_and_loses_nothing(recordings: dict[str, Path]) -> None:
    path = aged(recordings["a.ts"], 3600)
    feed = Feed(parse_source(str(path)), clock=FakeClock(AT), item_seconds=0.01)
    most = 0.0
    shown = 0
    for item in feed:
        if isinstance(item, Picture):
            shown += 1
            assert item.dropped == 0
            most = max(most, feed.waiting_seconds)
    assert shown == 50
    assert most <= 1.1
    assert feed.counts.frames_dropped == 0
    assert feed.stop()


def test_a_stop_while_a_file_is_waited_for(recordings: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "v.ts"
    path.write_bytes(recordings["a.ts"].read_bytes())
    feed = Feed(parse_source(str(path)), item_seconds=0.02)
    for item in feed:
        if isinstance(item, Picture) and feed.counts.frames_read > 30:
            break
    assert feed.stop()
    assert [*feed] == []
