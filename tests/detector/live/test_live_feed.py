"""Feeds of addresses, against what the same file shows, and faults."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watched import (
    NO_B,
    SPARSE,
    FakeClock,
    Play,
    collect,
    in_chunks,
    number_of,
    parts_end,
    playing,
    shown_by,
    stream_of,
    then_wait,
)

from rcl.detector.live.sources.addresses import BackOff
from rcl.detector.live.sources.feed import Feed
from rcl.detector.live.sources.parts import Idle, PartBegins, PartEnds, Picture
from rcl.detector.live.sources.source import parse_source
from rcl.system.errors import InputError
from rendered import drawn


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="module")
def stream(folder: Path) -> bytes:
    """Two seconds with B-frames and sound."""
    return stream_of(folder, range(50), audio_seconds=2.0)


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event that the end of the test brings about."""
    event = threading.Event()
    yield event
    event.set()


def feed_of(address: str, **options: object) -> Feed:
    options = {"clock": FakeClock(), "back_off": BackOff(chance=lambda: 0.5), **options}
    return Feed(parse_source(f"cam={address}"), **options)  # type: ignore[arg-type]


@settings(max_examples=8)
@given(cuts=st.lists(st.integers(1, 20_000), max_size=30), end=st.none() | st.integers(3000, 20_000))
def test_a_stream_shows_what_its_recording_shows(folder: Path, stream: bytes, cuts: list[int], end: int | None) -> None:
    recording = folder / "recording.ts"
    recording.write_bytes(stream[:end])
    with playing([in_chunks(stream[:end], cuts)]) as address:
        (part,) = collect(feed_of(address), parts_end(1))
    assert part.shown == shown_by(recording)
    assert part.begins.number == 1
    assert part.begins.why == ""
    assert part.ends is not None


def test_it_goes_away_and_comes_back(
    stream: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plays: list[Play | int] = [in_chunks(stream), 404, 503, in_chunks(stream)]
    clock = FakeClock()
    with playing(plays) as address, caplog.at_level(logging.WARNING, "rcl"):
        feed = feed_of(address.replace("//", "//ann:secret@") + "?token=hush", clock=clock)
        first, second = collect(feed, parts_end(2))
    assert first.shown == second.shown
    assert (first.begins.number, second.begins.number) == (1, 2)
    assert clock.waits[:3] == [0.5, 1.0, 2.0]
    assert second.begins.why == "the source was away for 3.5 s"
    assert second.begins.started_at - first.begins.started_at == pytest.approx(3.5)
    counts = feed.counts
    assert (counts.reconnections, counts.gaps, counts.frames_read) == (1, 2, 100)
    assert counts.packets > 100
    assert counts.bytes > 1000
    assert not counts.is_connected
    said = [record.getMessage() for record in caplog.records]
    assert any("404" in line for line in said)
    assert sum("is back; it was away for 3.5 s" in line for line in said) == 1
    assert "secret" not in caplog.text
    assert "hush" not in caplog.text
    assert feed.position() == {"part": 2}
    assert Feed(feed.source, resume=feed.position()).position() == {"part": 2}


def test_after_a_restart_the_next_part_has_the_next_number(stream: bytes) -> None:
    with playing([in_chunks(stream)]) as address:
        (part,) = collect(feed_of(address, resume={"part": 7}), parts_end(1))
    assert part.begins.number == 8
    assert part.begins.why


def test_without_reconnecting_the_feed_ends_with_its_first_connection(stream: bytes) -> None:
    with playing([404, in_chunks(stream), in_chunks(stream)]) as address:
        (part,) = collect(feed_of(address, reconnect=False))
    assert len(part.numbers) == 50
    assert part.ends is not None


def test_a_freeze_ends_the_part(stream: bytes, never: threading.Event) -> None:
    with playing([then_wait(stream, never)]) as address:
        (first,) = collect(feed_of(address, read_seconds=1.0), parts_end(1))
    assert len(first.numbers) == 50
    assert first.ends is not None
    assert first.ends.why == "nothing came for too long"


def test_time_stamps_that_begin_again_begin_a_part(folder: Path, stream: bytes) -> None:
    recording = folder / "alone.ts"
    recording.write_bytes(stream)
    with playing([in_chunks(stream * 3)]) as address:
        feed = feed_of(address)
        parts = collect(feed, parts_end(3))
    alone = shown_by(recording)
    assert len(parts) == 3
    assert parts[0].shown[:49] == alone[:49]
    for part in parts:
        assert part.numbers == [*range(50)]
        assert float(part.shown[-1][0]) == pytest.approx(2.0, abs=0.05)
    assert parts[0].ends is not None
    assert "time stamps jumped back by" in parts[0].ends.why
    assert parts[1].begins.why == parts[0].ends.why
    assert feed.counts.gaps == 3


@pytest.mark.parametrize("missing", [30, 60, 2000])
def test_a_jump_forward_begins_a_part_and_a_short_one_is_a_still(folder: Path, missing: int) -> None:
    times = [*range(25), *range(25 + missing, 50 + missing)]
    with playing([in_chunks(stream_of(folder, times, options=NO_B))]) as address:
        parts = collect(feed_of(address), parts_end(1 if missing <= 50 else 2))
    assert [number for part in parts for number in part.numbers] == [*range(50)]
    if missing <= 50:
        (part,) = parts
        assert part.shown[24][0] == Fraction(25 + missing, 25)
    else:
        first, second = parts
        assert len(first.numbers) == 25
        assert first.shown[-1][0] == 1
        assert second.shown[0][0] == Fraction(1, 25)
        assert second.begins.why == f"the time stamps jumped forward by {missing / 25:.1f} s"


def test_pictures_may_change_their_size(folder: Path) -> None:
    small = stream_of(folder, range(25))
    large = stream_of(folder, range(25, 50), width=192, height=128)
    with playing([in_chunks(small + large)]) as address:
        feed = feed_of(address)
        sizes = list[int]()
        for item in feed:
            if isinstance(item, Picture):
                sizes.append(item.frame.width)
            if isinstance(item, PartEnds):
                break
        assert feed.stop()
    assert sizes[:25] == [96] * 25
    assert sizes[-20:] == [192] * 20


def test_garbage_in_the_middle_is_a_gap_and_no_nonsense(folder: Path) -> None:
    data = stream_of(folder, range(500), options=NO_B)  # 20 s
    packet, whole = 188, len(data)
    begin, end = (int(whole * share) // packet * packet for share in (0.25, 0.75))
    noise = random.Random(0).randbytes(end - begin)
    with playing([in_chunks(data[:begin] + noise + data[end:])]) as address:
        feed = feed_of(address)
        parts = collect(feed, lambda found: bool(found.parts and found.parts[-1].numbers[-1:] == [499]))
    numbers = [number for part in parts for number in part.numbers]
    good = [number for number in numbers if number >= 0]
    assert good == sorted(good)
    assert good[:100] == [*range(100)]
    assert good[-100:] == [*range(400, 500)]
    assert good[-1] - good[0] - len(good) > 200
    assert len(numbers) - len(good) < 15  # pictures that were damaged at the edges
    assert len(parts) >= 2
    for part in parts:
        lengths = [float(b[0] - a[0]) for a, b in zip(part.shown, part.shown[1:], strict=False)]
        assert all(0 < length <= 2 for length in lengths)


def test_what_can_never_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"protocol 'nosuch'"):
        collect(feed_of("nosuch://ann:secret@host/x"))
    with pytest.raises(InputError, match="--input-format"):
        collect(Feed(parse_source("cam=x", format="nosuch"), clock=FakeClock()))
    with pytest.raises(InputError, match="no such file"):
        parse_source(str(tmp_path / "missing.ts"))


def test_what_sends_no_video_is_tried_again(stream: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with playing([in_chunks(b"<html>no</html>" * 500), in_chunks(stream)]) as address:
        (part,) = collect(feed_of(address), parts_end(1))
    assert len(part.numbers) == 50
    assert "sends no video" in caplog.text


def test_a_refused_connection_is_tried_again_until_the_feed_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    feed = feed_of("http://127.0.0.1:1/x.ts", clock=clock, item_seconds=0.01)
    for item in feed:
        assert isinstance(item, Idle)
        if len(clock.waits) > 10:
            break
    assert feed.stop()
    assert clock.waits[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert caplog.text.count("the connection was refused") == 1
    assert feed.counts.problem == "the connection was refused"


def test_the_wait_is_short_again_after_a_minute_of_success() -> None:
    back_off = BackOff(chance=lambda: 0.5)
    assert [back_off.wait_seconds() for _ in range(3)] == [0.5, 1, 2]
    assert back_off.wait_seconds(59) == 4
    assert back_off.wait_seconds(60) == 0.5
    spread = [BackOff(chance=lambda share=share: share).wait_seconds() for share in (0, 1)]
    assert spread == [0.375, 0.625]


@pytest.mark.parametrize("state", ["before", "opening", "frozen", "waiting to try again", "full"])
def test_a_stop_in_any_state_is_prompt_and_leaves_no_thread(stream: bytes, never: threading.Event, state: str) -> None:
    reached = threading.Event()

    def silent(send: object) -> None:
        reached.set()
        never.wait(60)

    plays: dict[str, list[Play | int]] = {"opening": [silent], "frozen": [then_wait(stream, never)], "full": []}
    plays["full"] = [in_chunks(stream * 20)]
    with playing(plays.get(state, [])) as address:
        clock = {} if state == "waiting to try again" else {"clock": FakeClock()}
        feed = feed_of(address, **({"item_seconds": 0.02, "clock": None} | clock))
        if state != "before":
            items = iter(feed)
            for item in items:
                if state == "opening" and reached.is_set():
                    break
                if state == "frozen" and feed.counts.frames_read > 40 and isinstance(item, Idle):
                    break
                if state == "waiting to try again" and feed.counts.problem:
                    break
                if state == "full" and isinstance(item, PartBegins):
                    break
        began = time.monotonic()
        assert feed.stop()
        assert time.monotonic() - began < 5  # far below the time limits, far above what it takes
        assert [*feed] == []
    assert not any(thread.name.startswith("feed") for thread in threading.enumerate())


def test_a_camera_that_sends_one_picture_for_ever_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "still.ts"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=5, options={**SPARSE, "crf": "0"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        for k in range(120):  # 24 s, the first and the last four move
            number = k if k < 20 else 20 if k < 100 else k
            container.mux(video.encode(av.VideoFrame.from_ndarray(drawn(number), format="rgb24")))
        container.mux(video.encode(None))
    with playing([in_chunks(path.read_bytes())]) as address:
        feed = feed_of(address)
        was_frozen = list[bool]()
        for item in feed:
            if isinstance(item, Picture) and number_of(item) == 20:
                was_frozen.append(feed.counts.is_frozen)
            if isinstance(item, PartEnds):
                break
        assert feed.stop()
    assert any(was_frozen)
    assert not feed.counts.is_frozen
    assert caplog.text.count("has not changed at all") == 1
    assert caplog.text.count("changes again") == 1


class RacingClock(FakeClock):
    """A clock that is half a second later whenever it is looked at."""

    def monotonic(self) -> float:
        self.seconds += 0.5
        return self.seconds


def test_a_connection_without_pictures_is_given_up(folder: Path, stream: bytes) -> None:
    sound_only = stream_of(folder, range(10), audio_seconds=30.0)
    with playing([in_chunks(sound_only), in_chunks(stream)]) as address:
        first, second = collect(feed_of(address, clock=RacingClock()), parts_end(2))
    assert len(first.numbers) <= 10
    assert first.ends is not None
    assert first.ends.why == "no picture could be decoded for 20 s"
    assert second.begins.why.startswith("the source was away for")


def test_pictures_of_a_camera_that_sends_jpegs(tmp_path: Path) -> None:
    """They come without times, so the wall clock gives them."""
    jpegs = list[bytes]()
    for number in range(12):
        path = tmp_path / f"{number}.mjpeg"
        with av.open(str(path), "w") as container:
            video = container.add_stream("mjpeg", rate=25)
            video.width, video.height, video.pix_fmt = 96, 64, "yuvj420p"
            frame = av.VideoFrame.from_ndarray(drawn(number), format="rgb24")
            container.mux([*video.encode(frame), *video.encode(None)])
        jpegs.append(path.read_bytes())
    head = "--b\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n"
    data = b"".join(head.format(len(jpeg)).encode() + jpeg + b"\r\n" for jpeg in jpegs)
    with playing([in_chunks(data), in_chunks(data)]) as address:  # the second connection has the option
        (part,) = collect(feed_of(address), parts_end(1))
    assert part.numbers == [*range(12)]
