"""Streams without a container: their rate, and their last frame."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rcl.video.decoding import VideoReader
from rcl.video.extract_many import extract_many
from rcl.video.extraction import VideoExtractor, choose_extraction, stated_extent
from rcl.video.packs import PackWriter
from rcl.video.settings import read_settings
from rendered import read_number, render
from typed import Rcl

RATED = [("clip.h264", "libx264", "yuv420p"), ("clip.265", "libx265", "yuv420p")]
UNRATED = [("clip.mjpeg", "mjpeg", "yuvj420p"), ("clip.obu", "libsvtav1", "yuv420p")]


def raw(folder: Path, kind: tuple[str, str, str], *, frames: int = 30, rate: int = 30) -> Path:
    """A stream without a container.

    It is encoded in a thread of its own, because SVT-AV1 makes the thread that calls it a real-time one, if it may.
    Later tests would inherit that, and their browsers would leave no time for the server that they wait for.
    """
    name, codec, pixels = kind
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(render, folder / name, frames=frames, rate=rate, codec=codec, pixel_format=pixels)
    return made.result()


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system does not say how a thread is scheduled")
def test_making_a_stream_leaves_the_scheduling_as_it_is(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    for kind in RATED + UNRATED:
        raw(tmp_path, kind)
    assert os.sched_getscheduler(0) == before


@pytest.mark.parametrize("kind", RATED + UNRATED, ids=lambda kind: kind[0])
@pytest.mark.parametrize("rate", [None, 12.0, 50.0])
def test_every_frame_appears_once(tmp_path: Path, kind: tuple[str, str, str], rate: float | None) -> None:
    reader = VideoReader(raw(tmp_path, kind), raw_rate=rate)
    assert [read_number(frame) for frame in reader] == list(range(30))
    assert reader.duration_seconds == pytest.approx(30 / reader.rate)
    assert reader.rate == (rate or (30 if kind in RATED else 25))


def test_an_assumed_rate_is_said_and_a_given_one_is_not(tmp_path: Path) -> None:
    for kind in RATED + UNRATED:
        path = raw(tmp_path, kind)
        for rate in (None, 30.0):
            reader = VideoReader(path, rate=5, raw_rate=rate)
            assert len([*reader]) == (6 if kind in UNRATED and not rate else 5)
            said = any("no frame rate" in problem and "--video-fps" in problem for problem in reader.problems)
            assert said == (kind in UNRATED and rate is None)


def test_the_given_rate_leaves_videos_in_containers_alone(tmp_path: Path) -> None:
    for name in ("clip.mp4", "clip.mkv", "clip.y4m"):
        codec = "rawvideo" if name.endswith("y4m") else "libx264"
        reader = VideoReader(render(tmp_path / name, rate=20, codec=codec), raw_rate=50)
        assert len([*reader]) == 30
        assert (reader.rate, reader.duration_seconds) == (20, pytest.approx(1.5))


def test_headers_state_lengths_and_rates(tmp_path: Path) -> None:
    extent = stated_extent(render(tmp_path / "clip.mp4", rate=20))
    assert extent is not None
    assert extent == (pytest.approx(1.5, abs=0.06), pytest.approx(20))
    assert stated_extent(raw(tmp_path, UNRATED[0])) is None
    assert stated_extent(tmp_path / "missing.mp4") is None
    (tmp_path / "text.mp4").write_text("no video")
    assert stated_extent(tmp_path / "text.mp4") is None


def test_a_pack_extracts_raw_videos_anew_at_another_rate(tmp_path: Path) -> None:
    videos = {"raw": raw(tmp_path, UNRATED[0]), "film": render(tmp_path / "film.mp4", rate=30)}

    def extract(video_fps: float | None) -> dict[str, tuple[bool, float]]:
        backbone, settings = choose_extraction("motion", rate=10, window=4, stride=2, video_fps=video_fps)
        writer = PackWriter(tmp_path / "pack", settings, extractor=VideoExtractor(settings, built=backbone))
        outcomes = list(extract_many(writer, videos))
        assert all(outcome.record for outcome in outcomes)
        return {each.video: (each.new, each.record.duration_seconds) for each in outcomes if each.record}

    assert extract(None) == {"raw": (True, pytest.approx(1.2)), "film": (True, pytest.approx(1.0))}
    assert extract(15) == {"raw": (True, pytest.approx(2.0)), "film": (False, pytest.approx(1.0))}
    assert extract(None) == {"raw": (False, pytest.approx(2.0)), "film": (False, pytest.approx(1.0))}
    kept = read_settings(tmp_path / "pack")
    assert kept is not None
    assert kept.video_fps == 15
    # A detector that is trained on the pack reads raw videos alike, unless it is told otherwise.
    assert VideoExtractor(kept)(videos["raw"]).duration_seconds == pytest.approx(2.0)
    assert VideoExtractor(kept, video_fps=30)(videos["raw"]).duration_seconds == pytest.approx(1.0)
    assert kept.rate == 10


def test_extract_says_that_a_rate_is_assumed(tmp_path: Path, rcl_: Rcl) -> None:
    video = raw(tmp_path, UNRATED[0])
    status, _, said = rcl_("extract", video, "--output", tmp_path / "pack")
    assert status == 0
    assert "has no frame rate, so 25 per second are assumed" in said
    assert "could be read" not in said  # nothing is damaged
    status, _, said = rcl_("extract", video, "--output", tmp_path / "pack", "--video-fps", 30)
    assert (status, said) == (0, "")
    status, _, said = rcl_("extract", video, "--output", tmp_path / "pack", "--video-fps", 0)
    assert status == 2
    assert "--video-fps" in said
