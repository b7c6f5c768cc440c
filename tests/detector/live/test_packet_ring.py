"""Recent packets, and clips that are cut out of them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import pytest
from watched import NO_B, FakeClock, collect, in_chunks, parts_end, playing, shown_by, stream_of

from rcl.detector.live.clips.packet_ring import PacketRing
from rcl.detector.live.clips.ring_clips import cut, from_key_frame
from rcl.detector.live.sources.feed import Feed
from rcl.detector.live.sources.source import parse_source
from rcl.system.errors import InputError
from rcl.video.decoding import VideoReader, opened
from rcl.video.stream import FrameStream, video_stream
from rendered import read_number, render

GOP = Fraction(10, 25)  # seconds between key frames


def fed(path: Path, ring: PacketRing, part: int = 1) -> PacketRing:
    """A ring through which a file has gone."""
    with opened(path) as container:
        video = video_stream(container, path)
        ring.open(container, video)
        frames = FrameStream(container, video, threads=1, on_packet=ring.add)
        for number, _ in enumerate(frames.spans()):
            if number == 0:
                ring.begin_part(part, frames.origin)
    return ring


def described(key: Fraction) -> str:
    return json.dumps({"from": float(key)})


def pixels(path: Path) -> list[bytes]:
    return [data for _, data in shown_by(path)]


@pytest.mark.parametrize(
    ("name", "options", "extension"),
    [
        ("s.ts", {"audio_seconds": 4.0}, ".mp4"),
        ("s.ts", {"options": {"g": "10", "sc_threshold": "0", "threads": "1", "bf": "2"}}, ".mp4"),
        ("s.mkv", {"audio_seconds": 4.0}, ".mp4"),
        ("s.flv", {"container": "flv"}, ".mp4"),
        ("s.ts", {"codec": "mpeg2video", "options": {"g": "10"}}, ".mp4"),
        ("s.mkv", {"codec": "libvpx", "options": {"g": "10", "deadline": "realtime", "cpu-used": "8"}}, ".mkv"),
    ],
)
def test_a_clip_shows_the_pictures_of_its_time(tmp_path: Path, name: str, options: dict, extension: str) -> None:
    path = render(tmp_path / name, frames=100, **{"options": NO_B, **options})
    shown = shown_by(path)
    ring = fed(path, PacketRing())
    for start, end in ((1.3, 2.1), (0.0, 0.5), (3.5, 60.0)):
        exact = Fraction(start).limit_denominator(1000), Fraction(end).limit_denominator(1000)
        made, begins = cut(ring, 1, *exact, tmp_path / f"clip{start}", comment=described)
        assert made.name == f"clip{start}{extension}"
        assert exact[0] - GOP - Fraction(1, 10) < begins <= max(exact[0], Fraction(1, 10))
        first = next(k for k, (ends, _) in enumerate(shown) if ends > begins + Fraction(1, 100))
        found = pixels(made)
        assert found == [data for _, data in shown[first : first + len(found)]]
        last = min(Fraction(end), shown[-1][0])
        assert abs(shown[first + len(found) - 1][0] - last) <= Fraction(1, 5)  # or what B-frames need
        with av.open(str(made)) as container:
            metadata = {key.lower(): value for key, value in container.metadata.items()}
            assert json.loads(metadata["comment"]) == {"from": float(begins)}
            kinds = sorted(stream.type for stream in container.streams)
        assert kinds == (["audio", "video"] if "audio_seconds" in options else ["video"])


def test_a_codec_that_no_common_container_holds_is_encoded_again(tmp_path: Path) -> None:
    path = render(tmp_path / "s.flv", frames=50, codec="flv", options={"g": "10"})
    made, begins = cut(fed(path, PacketRing()), 1, Fraction(1), Fraction(3, 2), tmp_path / "clip", comment=described)
    assert made.name == "clip.mp4"
    assert Fraction(1, 2) < begins <= 1
    numbers = [read_number(frame) for frame in VideoReader(made)]
    first = round(begins * 25)
    assert numbers == [*range(first, first + len(numbers))]
    assert abs(first + len(numbers) - 37) <= 2


def test_the_ring_is_bounded_in_seconds_and_bytes(tmp_path: Path) -> None:
    path = render(tmp_path / "s.ts", frames=250, options=NO_B, audio_seconds=10.0)
    ring = fed(path, PacketRing(longest_seconds=3))
    held = ring.packets(1)
    seconds = [float(each.seconds or 0) for each in held if each.is_of_video]
    assert 2.9 <= seconds[-1] - seconds[0] <= 3.1
    assert ring.bytes == sum(len(each.data) for each in held)
    with pytest.raises(InputError, match="still in memory"):
        from_key_frame(held, Fraction(1), Fraction(5))
    late = from_key_frame(held, Fraction(1), Fraction(9))
    assert late[0].is_key
    assert float(late[0].seconds or 0) - seconds[0] <= 0.4
    small = fed(path, PacketRing(most_bytes=10_000))
    assert 5000 < small.bytes <= 10_000


def test_clips_of_a_stream_are_of_the_right_part(tmp_path: Path) -> None:
    first = stream_of(tmp_path, range(50), options=NO_B)
    second = stream_of(tmp_path, range(160, 210), options=NO_B)
    ring = PacketRing()
    with playing([in_chunks(first + second), in_chunks(first)]) as address:
        feed = Feed(parse_source(f"cam={address}"), clock=FakeClock(), ring=ring)
        parts = collect(feed, parts_end(3))
    assert len(parts) == 3
    for part in parts:
        number = part.begins.number
        path, begins = feed.cut(number, 0.9, 1.5, tmp_path / f"clip{number}", comment=described)
        assert 0.4 <= begins <= 0.9
        first_shown = round(begins * 25)
        found = pixels(path)
        assert found == [data for _, data in part.shown[first_shown : first_shown + len(found)]]
        assert abs(first_shown + len(found) - 37.5) <= 2
    with pytest.raises(InputError, match="still in memory"):
        feed.cut(9, 0.0, 1.0, tmp_path / "clip9", comment=described)


def test_a_clip_may_reach_over_segments(tmp_path: Path) -> None:
    folder = tmp_path / "segments"
    folder.mkdir()
    for number in range(3):
        render(folder / f"s{number}.ts", pts=range(50 * number, 50 * number + 50), options=NO_B)
    ring = PacketRing()
    feed = Feed(parse_source(str(folder)), ring=ring, clock=FakeClock(2 * 10**9))
    (part,) = collect(feed, parts_end(1))
    path, begins = feed.cut(1, 1.7, 2.5, tmp_path / "clip", comment=described)
    first = round(begins * 25)
    found = pixels(path)
    assert begins == pytest.approx(1.6, abs=0.05)
    assert found == [data for _, data in part.shown[first : first + len(found)]]
    assert len(found) >= 20
