from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
import torch
from av.stream import Disposition
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from places import SHARED
from rcl.system.errors import InputError
from rcl.video.clock import steady
from rcl.video.decoding import Ticks, VideoReader, opened
from rcl.video.stream import FrameStream
from rendered import drawn, read_number, render, render_audio

VIDEOS = SHARED / "videos"
NTSC = Fraction(30000, 1001)
PLAIN = {"bf": "0"}  # without B-frames, the time stamps in an MP4 are those that were asked for


def numbers(reader: VideoReader) -> list[int]:
    """The numbers of the frames that the ticks show."""
    return [read_number(frame) for frame in reader]


def intact(path: Path, **options: object) -> list[int]:
    """The same of a file that must be in order."""
    reader = VideoReader(path, **options)  # type: ignore[arg-type]
    found = numbers(reader)
    assert reader.problems == []
    return found


def expected(times: Sequence[Fraction], end: Fraction, rate: float) -> list[int]:
    """Frame on the screen in the middle of each tick, by search."""
    middles = [Fraction(2 * k + 1, 2) / Fraction(rate).limit_denominator(10**6) for k in range(int(end * rate) + 2)]
    starts = np.array([float(time) for time in times])
    found = np.searchsorted(starts, [float(middle) + 1e-9 for middle in middles if middle < end], side="right") - 1
    return found.clip(0).tolist() or [0]


# -- time --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("v.mp4", {}),
        ("v.mp4", {"rate": NTSC}),
        ("v.mp4", {"rate": 30, "faststart": True, "audio_seconds": 1.0}),
        ("v.mov", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
        ("v.mkv", {"rate": NTSC}),
        ("v.mkv", {"rate": 24, "audio_seconds": 1.0}),
        ("v.webm", {"codec": "libvpx-vp9", "rate": 30}),
        ("v.avi", {"codec": "mpeg4", "rate": 28}),
        ("v.avi", {"codec": "mpeg4", "options": {"bf": "2"}, "audio_seconds": 1.0}),
        ("v.avi", {}),
        ("v.ts", {"rate": 50}),
        ("v.mpg", {"codec": "mpeg2video"}),
        ("v.flv", {"codec": "flv", "rate": 15}),
        ("v.gif", {"codec": "gif", "pixel_format": "rgb8"}),
        ("v.h264", {}),
        ("v.m2v", {"codec": "mpeg2video", "rate": NTSC}),
    ],
    ids=str,
)
def test_at_its_own_rate_every_frame_is_shown_once(tmp_path: Path, name: str, options: dict, threads: int) -> None:
    path = render(tmp_path / name, **options)
    rate = options.get("rate", 25)
    reader = VideoReader(path, threads=threads)
    assert reader.rate == float(rate)
    assert numbers(reader) == list(range(30))
    assert reader.problems == []
    assert reader.duration_seconds == pytest.approx(30 / rate, abs=2e-3)
    assert intact(path, rate=float(rate), threads=threads) == list(range(30))


def test_known_ticks_are_counted_and_not_converted(tmp_path: Path) -> None:
    path = render(tmp_path / "v.mkv", frames=40)
    shown, converted = numbers(VideoReader(path, rate=10)), list[Tensor]()

    def convert(frame: Tensor) -> Tensor:
        converted.append(frame)
        return frame

    ticks = Ticks(10, convert, where=path, known=12)
    with opened(path) as container:
        frames = FrameStream(container, container.streams.video[0], threads=1).spans()
        found = [read_number(tick) for frame, until in frames for tick in ticks.push(frame, until)]
    assert ticks.count == len(shown) == 16
    assert found[:12] == shown[:1] * 12
    assert found[12:] == shown[12:]
    assert len(converted) == 1 + 4


@pytest.mark.parametrize("native", [8, 25, NTSC, 60], ids=str)
@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.avi"])
def test_any_rate_shows_the_frame_of_its_time(tmp_path: Path, name: str, native: Fraction) -> None:
    codec = "mpeg4" if name == "v.avi" else "libx264"
    path = render(tmp_path / name, rate=native, frames=64, codec=codec)
    times = [k / Fraction(native) for k in range(64)]
    if name == "v.mkv":  # stores milliseconds
        times = [Fraction(int(time * 1000 + Fraction(1, 2)), 1000) for time in times]
    for rate in (1, 5, 12.5, 15, 24, 25, float(NTSC), 30, 50, 59.94, 100):
        reader = VideoReader(path, rate=rate)
        found = numbers(reader)
        assert reader.duration_seconds == pytest.approx(64 / native, abs=2e-3)
        oracle = expected(times, Fraction(reader.duration_seconds).limit_denominator(90000), rate)
        assert len(found) == len(oracle)
        assert found == oracle


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
@pytest.mark.parametrize("rate", [2, 15, 30, 120])
def test_variable_rate_goes_by_presentation_time(tmp_path: Path, name: str, rate: float) -> None:
    pts = [0, 40, 80, 400, 410, 420, 430, 1200, 2000, 2040, 2500]
    path = render(tmp_path / name, pts=pts, time_base=Fraction(1, 1000), options=PLAIN)
    reader = VideoReader(path, rate=rate)
    found = numbers(reader)
    assert reader.problems == []
    assert 2.5 < reader.duration_seconds < 3.1
    assert found == expected([Fraction(time, 1000) for time in pts], Fraction(reader.duration_seconds), rate)


def test_a_frame_that_stays_on_the_screen_is_one_tensor_transformed_once(tmp_path: Path) -> None:
    path = render(tmp_path / "v.mp4", frames=10, rate=10)
    seen: list[int] = []

    def transform(frame: Tensor) -> Tensor:
        assert frame.shape == (3, 64, 96)
        assert frame.dtype == torch.uint8
        seen.append(read_number(frame))
        return frame[:, ::2, ::2]

    shown = list(VideoReader(path, rate=40, transform=transform))
    assert seen == list(range(10))
    assert all(frame.shape == (3, 32, 48) for frame in shown)
    assert all(frame is shown[k - k % 4] for k, frame in enumerate(shown))
    seen.clear()
    assert len(list(VideoReader(path, rate=2, transform=transform))) == 2
    assert seen == [2, 7]  # no other frame is converted


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.ts"])
def test_a_video_that_begins_after_its_sound_shows_its_first_frame_until_then(tmp_path: Path, name: str) -> None:
    path = render(tmp_path / name, pts=range(25, 50), audio_seconds=2.0)
    late = [0] * 25 + list(range(25))
    assert np.abs(np.array(intact(path)[:50]) - late).max() <= 1  # the sound may begin half a tick before 0


@pytest.mark.parametrize("name", ["v.mkv", "v.ts"])
def test_a_container_that_does_not_begin_at_0_is_shown_from_its_beginning(tmp_path: Path, name: str) -> None:
    path = render(tmp_path / name, pts=range(1000, 1030))
    reader = VideoReader(path)
    assert numbers(reader) == list(range(30))
    assert reader.duration_seconds == pytest.approx(1.2)
    assert reader.problems == []


def test_a_video_shorter_than_half_a_tick_has_one(tmp_path: Path) -> None:
    assert intact(render(tmp_path / "v.mp4", frames=1), rate=1) == [0]


def test_each_iteration_starts_at_the_beginning(tmp_path: Path) -> None:
    reader = VideoReader(render(tmp_path / "v.mp4"))
    first = iter(reader)
    assert [read_number(frame) for frame in islice(first, 3)] == [0, 1, 2]
    assert numbers(reader) == list(range(30))
    assert read_number(next(first)) == 3


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1e-9])
def test_an_invalid_rate_is_refused(tmp_path: Path, rate: float) -> None:
    with pytest.raises(InputError, match="rate: expected frames per second above 0"):
        VideoReader(render(tmp_path / "v.mp4", frames=1), rate=rate)


# -- pictures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_rotated_frames_are_upright(tmp_path: Path, name: str, rotation: int) -> None:
    path = render(tmp_path / name, frames=3, width=128, height=64, rotation=rotation)
    frames = list(VideoReader(path))
    coded = torch.from_numpy(np.rot90(drawn(1, width=128, height=64), rotation // 90).copy()).permute(2, 0, 1)
    assert frames[1].shape == coded.shape
    assert (frames[1].float() - coded.float()).abs().mean() < 6
    assert [read_number(torch.rot90(frame, -rotation // 90, (1, 2))) for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize(
    ("codec", "pixel_format", "size"),
    [
        ("libx264", "yuv444p", (161, 121)),
        ("ffv1", "yuv420p", (161, 121)),
        ("libx264", "yuv420p10le", (96, 64)),
        ("ffv1", "gray", (97, 63)),
        ("ffv1", "gray16le", (96, 64)),
        ("ffv1", "yuva420p", (96, 64)),
        ("ffv1", "bgra", (96, 64)),
        ("mjpeg", "yuvj420p", (96, 64)),
    ],
)
def test_every_kind_of_picture_is_rgb(tmp_path: Path, codec: str, pixel_format: str, size: tuple[int, int]) -> None:
    width, height = size
    path = render(tmp_path / "v.mkv", frames=5, codec=codec, pixel_format=pixel_format, width=width, height=height)
    frames = list(VideoReader(path))
    assert [read_number(frame) for frame in frames] == list(range(5))
    picture = torch.from_numpy(drawn(4, width=width, height=height)).permute(2, 0, 1)
    assert frames[4].shape == picture.shape
    assert (frames[4].float() - picture.float()).abs().mean() < 6  # also the range of the colours is right


def test_interlaced_frames_are_shown_whole(tmp_path: Path) -> None:
    options = {"flags": "+ildct+ilme"}
    assert intact(render(tmp_path / "v.mpg", codec="mpeg2video", options=options)) == list(range(30))


def test_frames_that_change_size_are_shown_in_the_first(tmp_path: Path) -> None:
    parts = [render(tmp_path / f"{side}.h264", frames=10, width=side, height=64) for side in (96, 160, 48)]
    path = tmp_path / "v.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = list(VideoReader(path))
    assert {tuple(frame.shape) for frame in frames} == {(3, 64, 96)}
    assert [read_number(frame) for frame in frames] == list(range(10)) * 3


def add_cover(output: av.container.OutputContainer) -> Callable[[], None]:
    cover = output.add_stream("mjpeg", rate=1)
    cover.width, cover.height, cover.pix_fmt = 640, 480, "yuvj420p"
    cover.disposition = Disposition.attached_pic
    picture = av.VideoFrame.from_ndarray(drawn(7, width=640, height=480), format="rgb24")
    return lambda: (output.mux(cover.encode(picture)), output.mux(cover.encode(None)))


def test_a_cover_is_not_the_video(tmp_path: Path) -> None:
    path, song = tmp_path / "v.mp4", tmp_path / "song.mp4"
    for target, source in ((path, render(tmp_path / "a.mp4")), (song, render_audio(tmp_path / "a.m4a"))):
        with av.open(str(source)) as given, av.open(str(target), "w") as output:
            write_cover = add_cover(output)
            copy = output.add_stream_from_template(given.streams[0])
            write_cover()
            for packet in given.demux():
                if packet.dts is not None:
                    packet.stream = copy
                    output.mux(packet)
    assert intact(path) == list(range(30))
    with pytest.raises(InputError, match="without a video"):
        VideoReader(song)


# -- files that are no videos ------------------------------------------------------------------------------------

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{}\n#EXT-X-ENDLIST\n"


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize(
    ("name", "make", "found"),
    [
        ("v.mp4", lambda path: None, "no such file"),
        ("v.mp4", lambda path: path.mkdir(), "a folder"),
        ("v.mp4", lambda path: path.write_bytes(b""), "an empty file"),
        ("v.mp4", lambda path: path.write_bytes(bytes(30000)), "cannot be opened"),
        ("v.mp4", lambda path: path.write_text("hello world\n" * 99), "cannot be opened"),
        ("v.txt", lambda path: path.write_text("hello world\n" * 99), "without a video"),
        ("v.mp4", lambda path: path.write_text(PLAYLIST.format("http://localhost:1/v.ts")), "cannot be opened"),
        ("v.m4a", lambda path: render_audio(path), "without a video"),
        ("v.mp4", lambda path: cut(render(path), 0.6), "cannot be opened"),
    ],
)
def test_a_file_that_is_not_a_video_is_refused_by_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, make: Callable[[Path], object], found: str
) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(InputError) as caught:
        VideoReader(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: expected a ")
    assert found in message
    assert "\n" not in message
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("seed", range(8))
def test_noise_is_refused(tmp_path: Path, seed: int) -> None:
    path = tmp_path / ("v.mp4", "v.avi", "v.mkv", "v.ts")[seed % 4]
    path.write_bytes(np.random.default_rng(seed).bytes(30000))
    with pytest.raises(InputError, match=r"v\.\w+: expected a video file"):
        list(VideoReader(path))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.mp4", "ffconcat version 1.0\nfile good.mp4\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\ngood.ts\n#EXT-X-ENDLIST\n"),
    ],
)
def test_a_list_of_other_files_is_no_video(tmp_path: Path, name: str, text: str) -> None:
    for good in ("good.mp4", "good.ts"):
        render(tmp_path / good, frames=25)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=re.escape(f"{name}: expected a video file")):
        list(VideoReader(tmp_path / name))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = render(tmp_path / "v.mp4")
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        VideoReader(path)


def test_a_video_without_a_frame_that_can_be_decoded_is_refused(tmp_path: Path) -> None:
    path = render(tmp_path / "v.mp4", faststart=True)
    content = path.read_bytes()
    begin = content.index(b"mdat") + 4
    path.write_bytes(content[:begin] + bytes(len(content) - begin))
    reader = VideoReader(path)
    with pytest.raises(InputError, match="no frame can be decoded"):
        list(reader)


@pytest.mark.parametrize("name", ["http:v.mp4", "v %03d.mp4", "ü,é.mp4", os.fsdecode(b"\xff.mp4")])
def test_file_names_are_not_read_as_addresses(tmp_path: Path, name: str) -> None:
    path = render(tmp_path / "v.mp4").rename(tmp_path / name)
    assert intact(path) == list(range(30))


# -- damaged files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audio_seconds", [0.0, 8.0])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("v.mp4", {"faststart": True}),
        ("v.mkv", {}),
        ("v.webm", {"codec": "libvpx", "options": {"deadline": "realtime"}}),
        ("v.avi", {"codec": "mpeg4"}),
        ("v.flv", {"codec": "flv"}),
        ("v.ts", {}),
    ],
    ids=str,
)
def test_a_file_that_was_cut_gives_what_came_before(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, options: dict, audio_seconds: float
) -> None:
    path = render(tmp_path / name, frames=200, audio_seconds=audio_seconds, **options)
    cut(path, 0.6)
    reader = VideoReader(path, threads=1)
    found = numbers(reader)
    whole = sorted(set(found) - {-1})
    assert 30 < len(whole) < 150
    assert whole[-5] == len(whole) - 5  # no gap before the end
    assert len(found) == pytest.approx(reader.duration_seconds * 25, abs=1)
    assert numbers(VideoReader(path, threads=3)) == found
    if name != "v.ts":  # which has no index and no header: it cannot tell
        assert reader.problems[0] == f"ends after {reader.duration_seconds:.1f} of 8.0 s"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.avi", "v.ts"])
@pytest.mark.parametrize("seed", range(3))
def test_damage_in_the_middle_is_skipped_and_reported(tmp_path: Path, name: str, seed: int) -> None:
    codec = "mpeg4" if name == "v.avi" else "libx264"
    path = render(tmp_path / name, frames=200, codec=codec, options={"g": "20"}, faststart=name == "v.mp4")
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    middle = slice(len(content) // 2, len(content) // 2 + 700)
    content[middle] ^= np.random.default_rng(seed).integers(1, 256, 700, dtype=np.uint8)
    path.write_bytes(content.tobytes())
    reader = VideoReader(path)
    found = numbers(reader)
    assert reader.problems
    assert found[:30] == list(range(30))
    if name != "v.mkv":  # of which a reader looks for the next cluster, here behind the end
        assert 150 <= len(found) <= 250
        assert 190 in found


def test_a_header_that_makes_every_frame_last_for_years_is_ignored(tmp_path: Path) -> None:
    path = render(tmp_path / "a.avi", codec="mpeg4", frames=40)
    content = bytearray(path.read_bytes())
    scale = content.index(b"strh") + 8 + 20
    content[scale : scale + 4] = (2**30).to_bytes(4, "little")
    path.write_bytes(content)
    reader = VideoReader(path, rate=5)
    assert sum(1 for _ in reader) == 8
    assert reader.duration_seconds == pytest.approx(1.6)


@settings(deadline=None)  # the machine may be busy
@given(seed=st.integers(0, 2**32 - 1))
def test_any_damage_gives_frames_or_an_error_that_names_the_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    random = np.random.default_rng(seed)
    name = ("v.mp4", "v.mkv", "v.avi", "v.ts")[seed % 4]
    good = tmp_path_factory.getbasetemp() / f"good-{name}"
    if not good.exists():
        render(good, frames=40, codec="mpeg4" if name == "v.avi" else "libx264", faststart=True, audio_seconds=1.0)
    content = np.frombuffer(good.read_bytes(), np.uint8).copy()
    places = random.integers(0, len(content), int(10 ** random.uniform(0, 3)))
    content[places] = random.integers(0, 256, len(places))
    path = good.with_name(f"bad-{name}")
    path.write_bytes(content.tobytes())
    refused, count = "", 0
    try:
        count = sum(1 for _ in VideoReader(path, rate=5))
    except InputError as error:
        refused = error.where
    assert refused == str(path) or 1 <= count < 5 * 3600 * 41  # no frame stays for more than an hour


def restamped(source: Path, target: Path, shift: Callable[[int], int]) -> Path:
    """A copy of a video of which the time stamps of packet n are moved by some frames."""
    with av.open(str(source)) as given, av.open(str(target), "w") as output:
        stream = given.streams.video[0]
        copy = output.add_stream_from_template(stream)
        frame = int(1 / (25 * stream.time_base))
        for number, packet in enumerate(given.demux(stream)):
            if packet.dts is not None:
                packet.stream = copy
                packet.pts += shift(number) * frame
                packet.dts = packet.pts
                output.mux(packet)
    return target


@pytest.mark.parametrize("name", ["v.mkv", "v.ts"])
def test_a_jump_of_the_time_stamps_is_closed_and_reported(tmp_path: Path, name: str) -> None:
    source = render(tmp_path / f"a{Path(name).suffix}", frames=50, options=PLAIN)
    path = restamped(source, tmp_path / name, lambda number: 10**6 if number >= 20 else 0)
    reader = VideoReader(path, rate=25)
    assert numbers(reader) == list(range(50))
    assert reader.duration_seconds == pytest.approx(2)
    assert "time stamps out of place: 1, the first at 0.8 s" in reader.problems


def test_two_recordings_in_one_file_follow_each_other(tmp_path: Path) -> None:
    parts = [render(tmp_path / f"{part}.ts", pts=range(50 * part, 50 * part + 50)) for part in (5, 0)]
    path = tmp_path / "v.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    reader = VideoReader(path)
    assert numbers(reader) == list(range(50)) * 2
    assert "time stamps out of place: 1, the first at 2.0 s" in reader.problems


# -- time stamps -------------------------------------------------------------------------------------------------


def steadied(stamps: Sequence[float | None], end: float | None = None) -> tuple[list[float], list[float]]:
    leaps: list[Fraction] = []
    exact = [(None if stamp is None else Fraction(stamp), number) for number, stamp in enumerate(stamps)]
    stated_end = None if end is None else Fraction(end)
    timed = list(steady(exact, step=Fraction(1), stated_end=stated_end, on_jump=leaps.append))
    assert [number for _, number in timed] == list(range(len(stamps)))
    return [float(time) for time, _ in timed], [float(leap) for leap in leaps]


@pytest.mark.parametrize(
    ("stamps", "times", "leaps"),
    [
        ([0, 1, 2.5, 7], [0, 1, 2.5, 7], []),
        ([3, 4], [3, 4], []),
        ([None, None, None], [0, 1, 2], []),
        ([0, None, 2, None], [0, 1, 2, 3], []),
        ([0, 0, 1, 1, 2, 2], [0, 0.5, 1, 1.5, 2, 2], []),
        ([0, 1, 1, 1, 2], [0, 1, 1, 1.5, 2], []),
        ([0, 1, 3, 2, 4], [0, 1, 1.5, 2, 4], []),
        ([0, 1, 90000, 3, 4], [0, 1, 2, 3, 4], [1]),
        ([0, 5, -90000, 7], [0, 5, 6, 7], [5]),
        ([0, 1, 90000, 90001], [0, 1, 2, 3], [1]),
        ([50, 51, 0, 1, 3], [50, 51, 52, 53, 55], [51]),
        ([90000, 90001], [0, 1], [0]),
        ([0, 1, 90000], [0, 1, 2], [1]),
        ([0, 1, 0.5, 0.75, 2], [0, 0.25, 0.5, 0.75, 2], []),
    ],
)
def test_implausible_time_stamps_are_corrected(stamps: list, times: list, leaps: list) -> None:
    found, found_leaps = steadied(stamps)
    assert found_leaps == leaps
    assert found == times


def test_far_beyond_the_end_a_still_may_be_as_long_as_the_video_or_a_minute() -> None:
    assert steadied([0, 60, 120, 180], end=60) == ([0, 60, 120, 180], [])
    assert steadied([0, 1, 100], end=2) == ([0, 1, 2], [1])
    assert steadied([0, 1, 100], end=100) == ([0, 1, 100], [])


@given(st.lists(st.none() | st.floats(-1e9, 1e9) | st.floats(0, 100), max_size=30), st.none() | st.floats(0, 1e4))
def test_time_never_goes_back_or_jumps(stamps: list[float | None], end: float | None) -> None:
    times, _ = steadied(stamps, end)
    steps = np.diff([-1.0, *times])
    assert (steps >= 0).all()
    assert (steps <= 3600.001).all()


# -- real videos, resources --------------------------------------------------------------------------------------


@pytest.mark.skipif(not VIDEOS.is_dir(), reason=f"the real videos are not at {VIDEOS}")
@pytest.mark.parametrize(
    ("name", "frames", "rate"),
    [
        ("demo.mp4", 280, 28),
        ("test.avi", 164, 25),
        ("test.mp4", 300, 30),
        ("test_video_structuralize.mp4", 300, NTSC),
    ],
)
def test_real_videos_are_in_order(capfd: pytest.CaptureFixture[str], name: str, frames: int, rate: Fraction) -> None:
    reader = VideoReader(VIDEOS / name)
    assert reader.rate == float(rate)
    assert sum(1 for _ in reader) == frames
    assert reader.problems == []
    assert reader.duration_seconds == pytest.approx(frames / rate)
    assert capfd.readouterr().err == ""


def test_files_are_closed_in_all_cases(tmp_path: Path) -> None:
    path = render(tmp_path / "v.mp4", frames=100)
    cover = render_audio(tmp_path / "v.m4a")

    def fail(frame: Tensor) -> Tensor:
        raise RuntimeError

    for _ in range(3):
        next(iter(VideoReader(path)))
        list(VideoReader(path))
        with pytest.raises(InputError):
            VideoReader(cover)
        with pytest.raises(RuntimeError):
            list(VideoReader(path, transform=fail))
    gc.collect()
    assert not [file for file in psutil.Process().open_files() if Path(file.path).parent == tmp_path]


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    path = render(tmp_path / "v.mp4", frames=300, width=640, height=480, options={"preset": "ultrafast"})
    process = psutil.Process()
    reader = VideoReader(path, threads=1)
    list(islice(reader, 30))
    before = process.memory_info().rss
    peak = max(process.memory_info().rss for _ in reader)
    assert peak - before < 60e6  # the whole video is 276 MB
