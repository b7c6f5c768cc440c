"""Clips of videos whose frames show their numbers: the right frames at the right times, from all kinds of files."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from rcl.data.names import plain_name
from rcl.system.errors import InputError
from rcl.video.clip_names import ClipKey, clip_names, safe
from rcl.video.clips import Cut, Made, make, read_about
from rcl.video.contact_sheet import COLUMNS, ROWS, Thumbnail, save_picture, sheets
from rcl.video.decoding import VideoReader
from rcl.video.label_overlay import LabelOverlay
from rcl.video.pictures import picture_at
from rendered import read_number, render

RATE = 25
SPARSE = {"g": "40", "threads": "1", "sc_threshold": "0"}  # a key frame every 1.6 s


def cut(source: Path, start: float, end: float, folder: Path, **options: object) -> Made:
    return make(Cut(source, start, end, {"video": source.stem}, **options), folder, "clip")  # type: ignore[arg-type]


def numbers(path: Path, rate: float | None = None) -> list[int]:
    return [read_number(frame) for frame in VideoReader(path, rate=rate, threads=1)]


def lengths(path: Path) -> dict[str, float]:
    """Seconds of each stream."""
    with av.open(str(path)) as container:
        return {stream.type: float((stream.duration or 0) * (stream.time_base or 0)) for stream in container.streams}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"audio_seconds": 6.0}),
        ("a.mkv", {"audio_seconds": 6.0}),
        ("a.ts", {"audio_seconds": 6.0}),
        ("a.avi", {"codec": "mpeg4", "audio_seconds": 6.0}),
        ("a.mpg", {"codec": "mpeg2video"}),
        ("a.webm", {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}}),
        ("a.h264", {"container": "h264"}),
    ],
)
def test_a_clip_begins_and_ends_at_the_exact_times(tmp_path: Path, name: str, options: dict) -> None:
    source = render(tmp_path / name, frames=150, **{"options": SPARSE, **options})
    made = cut(source, 3.3, 4.5, tmp_path)  # from the middle of frame 82 to the middle of frame 112
    shown = numbers(made.path, 4 * RATE)
    if name == "a.mpg":  # after a jump, FFmpeg's times for its frames are not regular
        assert (shown[0], shown[-1], len(shown)) == (82, 112, 120)
    elif name == "a.ts":  # its sound begins before its pictures, which are thus later
        assert (shown[0], shown[-1], len(shown)) == (82, 111, 120)
    else:
        assert shown == [82] * 2 + [number for number in range(83, 112) for _ in range(4)] + [112] * 2
    assert (made.start_seconds, made.end_seconds) == (3.3, pytest.approx(4.5, abs=0.03))
    found = lengths(made.path)
    assert found["video"] == pytest.approx(1.2, abs=1e-3)
    if "audio_seconds" in options:
        assert found["audio"] == pytest.approx(1.2, abs=0.03)
    else:
        assert "audio" not in found


def test_a_variable_rate_stays_one_and_long_stills_keep_their_length(tmp_path: Path) -> None:
    source = render(tmp_path / "a.mp4", pts=[0, 10, 20, 100, 110, 400], time_base=Fraction(1, 100), options=SPARSE)
    made = cut(source, 0.15, 3.5, tmp_path)
    assert numbers(made.path, 20) == [1] + [2] * 16 + [3] * 2 + [4] * 48
    assert lengths(made.path)["video"] == pytest.approx(3.35, abs=1e-3)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_clip_is_upright(tmp_path: Path, rotation: int) -> None:
    source = render(tmp_path / "a.mp4", frames=30, rotation=rotation, options=SPARSE)
    wanted = [*VideoReader(source)][12].shape
    made = cut(source, 0.4, 0.8, tmp_path)
    with av.open(str(made.path)) as container:
        frame = next(container.decode(video=0))
        assert frame.rotation == 0
    (first, *_) = VideoReader(made.path)
    assert first.shape == wanted
    quarters = rotation // 90
    assert read_number(torch.rot90(first, -quarters, (1, 2))) == 10


def test_odd_sizes_become_even_and_pixels_keep_their_shape(tmp_path: Path) -> None:
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 95, 63, "yuv444p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((63, 95, 3), 10 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    made = cut(source, 0, 0.2, tmp_path)
    with av.open(str(made.path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.sample_aspect_ratio) == (94, 62, Fraction(4, 3))
    assert picture_at(source, 0.1, width=80).shape == (round(80 * 63 / (95 * 4 / 3)), 80, 3)


def test_colours_stay_the_same_also_where_labels_are_drawn(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), (200, 60, 90), np.uint8))))
        container.mux(stream.encode(None))
    (tmp_path / "drawn").mkdir()
    plain = cut(source, 0, 0.3, tmp_path).path
    drawn = cut(source, 0, 0.3, tmp_path / "drawn", draw=lambda pixels, _: pixels).path
    whole = [next(iter(VideoReader(path)))[:, 32, 32] for path in (source, plain, drawn)]
    assert all((colour.int() - whole[0].int()).abs().max() <= 4 for colour in whole)


def test_a_segment_behind_the_end_is_refused_and_one_across_it_is_cut(tmp_path: Path) -> None:
    source = render(tmp_path / "a.mp4", frames=50, options=SPARSE)
    made = cut(source, 1.6, 99.0, tmp_path)
    assert numbers(made.path) == [*range(40, 50)]
    with pytest.raises(InputError, match=r"a\.mp4: expected a picture at 7\.00 s, found none"):
        cut(source, 7.0, 8.0, tmp_path / "other")
    assert not (tmp_path / "other" / "clip.mp4").exists()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"no video" * 1000)
    with pytest.raises(InputError, match=r"a\.mp4: expected a video file"):
        cut(source, 0, 1, tmp_path)


# -- copies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.ts", "libx264"),
                                             ("a.avi", "mpeg4"), ("a.mov", "libx264")])  # fmt: skip
def test_a_copy_begins_at_the_key_frame_before(tmp_path: Path, name: str, codec: str) -> None:
    source = render(tmp_path / name, frames=150, codec=codec, options=SPARSE, audio_seconds=6.0)
    made = cut(source, 3.5, 4.4, tmp_path / "copies", copy=True)
    assert made.path.suffix == {".ts": ".mkv"}.get(source.suffix, source.suffix)
    assert made.start_seconds == pytest.approx(3.2, abs=0.025)  # frame 80; of .ts, the sound begins before
    found = numbers(made.path)
    assert found == [*range(80, 80 + len(found))]
    assert 4.4 <= 3.2 + len(found) / RATE <= 4.6
    with av.open(str(made.path)) as container:
        heard = sum(frame.samples for frame in container.decode(audio=0)) / 48000
    assert heard == pytest.approx(len(found) / RATE, abs=0.15)


def test_a_copy_keeps_the_rotation(tmp_path: Path) -> None:
    source = render(tmp_path / "a.mp4", frames=60, rotation=90, options=SPARSE)
    made = cut(source, 1.7, 2.0, tmp_path / "copies", copy=True)
    with av.open(str(made.path)) as container:
        assert next(container.decode(video=0)).rotation == 90


def test_streams_without_a_container_are_not_copied(tmp_path: Path) -> None:
    source = render(tmp_path / "a.h264", frames=60, container="h264", options=SPARSE)
    with pytest.raises(InputError, match="leave --copy out"):
        cut(source, 1.7, 2.0, tmp_path / "copies", copy=True)


# -- reruns --------------------------------------------------------------------------------------------------------


def test_a_rerun_makes_nothing_again_and_replaces_nothing_of_another_origin(tmp_path: Path) -> None:
    source = render(tmp_path / "a.mp4", frames=30, options=SPARSE)
    first, again = (cut(source, 0.2, 0.6, tmp_path) for _ in range(2))
    assert (first.is_new, again.is_new) == (True, False)
    assert first[:3] == again[:3]
    assert read_about(first.path) == {"made_by": "rcl clips", "video": "a", "shown_from_seconds": 0.2}
    other = make(Cut(source, 0.2, 0.8, {"video": "a", "pad": 0.2}), tmp_path, "clip")
    assert other.is_new
    precious = tmp_path / "clip.mp4"
    precious.write_bytes(source.read_bytes())
    with pytest.raises(InputError, match="add --overwrite"):
        cut(source, 0.2, 0.6, tmp_path)
    assert precious.read_bytes() == source.read_bytes()
    assert make(Cut(source, 0.2, 0.6, {}), tmp_path, "clip", overwrite=True).is_new


# -- names ---------------------------------------------------------------------------------------------------------


def test_names_are_distinct_safe_and_say_what_is_in_the_file() -> None:
    keys = [
        ClipKey("figure-001", 12.34, 15.6, "kick"),
        ClipKey("a/b", 0, 1, "Kick"),
        ClipKey("a-b", 0, 1, "kick"),
        ClipKey("..\\x", 0, 1, "押す/引く"),
        ClipKey("v" * 300, 123456.7, 1e6, "l" * 300),
        ClipKey("v" * 300, 123456.7, 1e6, "l" * 301),
    ]
    names = clip_names(keys)
    assert names[0] == "figure-001_0012.34-0015.60_kick"
    assert names[3] == "x_0000.00-0001.00_押す-引く"
    assert len({name.casefold() for name in names}) == len(names)
    assert all(len(f".{name}.mp4".encode()) < 250 for name in names)
    assert all(plain_name(name) == name and not {*name} & {*'/\\:*?"<>|'} for name in names)
    assert clip_names(keys[:1] * 2) == [names[0]] * 2
    assert safe("con?") == "con"


# -- drawing -------------------------------------------------------------------------------------------------------


def test_labels_of_the_moment_and_the_bar_are_drawn() -> None:
    segments = np.array([[1.0, 3.0], [2.0, 4.0], [5.0, 5.0]])
    overlay = LabelOverlay(
        segments,
        ["kick", "押す", "kick"],
        [0.9, None, 0.5],
        known_labels=["kick", "押す"],
        start_seconds=0,
        end_seconds=10,
    )
    grey = np.full((144, 200, 3), 128, np.uint8)
    before, one, both, point = (overlay(grey, seconds) for seconds in (0.5, 1.0, 2.5, 5.2))
    assert (grey == 128).all()
    assert before.shape == (144 + 12, 200, 3)
    assert (before[:144] == 128).all()
    changed = [int((picture[:144] != 128).any(axis=2).sum()) for picture in (one, both, point)]
    assert changed[1] > changed[0] > 0
    assert changed[2] > 0
    bar = before[147]
    assert [tuple(bar[round(19.9 * second)]) for second in (1.5, 4.5)] == [(0, 114, 178), (24, 24, 24)]
    assert (one[144:] != before[144:]).any()  # the line at the current moment
    overlay(grey, -1), overlay(grey, math.nextafter(99, 100))  # outside the bar


def test_tags_that_do_not_fit_are_counted() -> None:
    many = LabelOverlay(
        np.array([[0.0, 9.0]] * 30), ["a label that is much longer than the picture"] * 30, [None] * 30,
        known_labels=["a label that is much longer than the picture"], start_seconds=0, end_seconds=9,
    )  # fmt: skip
    assert many(np.zeros((72, 96, 3), np.uint8), 1.0).shape == (84, 96, 3)


def test_sheets_have_all_thumbnails(tmp_path: Path) -> None:
    source = render(tmp_path / "a.mp4", frames=30, options=SPARSE)
    picture = picture_at(source, 0.5, width=320)
    assert read_number(torch.from_numpy(picture).permute(2, 0, 1)) == 12
    save_picture(picture, tmp_path / "a.jpg")
    assert b"made by rcl clips" in (tmp_path / "a.jpg").read_bytes()[:200]
    count = COLUMNS * ROWS + 1
    pages = [*sheets([Thumbnail(tmp_path / "a.jpg", "kick", "a  0:01.0–0:02.0" * 9)] * count, known_labels=["kick"])]
    assert len(pages) == 2
    assert pages[0].width > COLUMNS * 320
    assert pages[1].width < 2 * 320
