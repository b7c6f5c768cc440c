"""Pictures that come one by one give the features that the extractor makes of their recording."""

from __future__ import annotations

import errno
import logging
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from played import again_and_again, pictures, recording
from rcl.data.streams import Stream
from rcl.detector.live.features import part_features as features_module
from rcl.detector.live.features.part_features import PartFeatures
from rcl.detector.live.features.rows import RowFile
from rcl.system.errors import InputError
from rcl.video.backbones.base import FrameSize
from rcl.video.composed import ComposedExtractor
from rcl.video.extraction import VideoExtractor
from rcl.video.extractor import build_extractor
from rcl.video.settings import ExtractionSettings, StreamSettings
from rcl.video.signals.settings import SignalSettings


class Counting:
    """A backbone: the colors of the first and the last frame of a snippet. It counts the snippets."""

    frame_size, rate, window, stride, fixed_window = FrameSize(short=16), 10.0, 3, 2, None
    computed = 0

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        Counting.computed += len(frames)
        colors = frames.double().mean((3, 4))  # (B, 3, L)
        return torch.cat((colors[..., 0], colors[..., -1], colors.std(2, correction=0)), dim=1).float()


BACKBONE = f"{__name__}:Counting"
SETTINGS = ExtractionSettings(backbone=BACKBONE, rate=10, window=3, stride=2)


def pushed(part: PartFeatures, path: Path, count: int | None = None) -> PartFeatures:
    for number, picture in enumerate(pictures(path)):
        if number == count:
            break
        part.push(picture)
    return part


def read(part: PartFeatures, first: int = 0) -> np.ndarray:
    found = part.given(first).features
    return found.numpy() if isinstance(found, torch.Tensor) else found.read()


def extracted(extractor: Any, path: Path) -> np.ndarray:
    found = extractor(path).features
    return np.array(found) if isinstance(found, np.ndarray) else found.read()


@settings(max_examples=20)
@given(
    frames=st.integers(1, 40),
    rate=st.sampled_from([3.0, 8.0, 12.0, 12.5, 30.0]),
    window=st.integers(1, 9),
    stride=st.integers(1, 9),
    looks=st.sets(st.integers(0, 40), max_size=4),
)
def test_the_features_are_those_of_the_recording(
    frames: int, rate: float, window: int, stride: int, looks: set[int]
) -> None:
    extractor = VideoExtractor(ExtractionSettings(backbone=BACKBONE, rate=rate, window=window, stride=stride))
    whole = extractor(recording(frames))
    part = PartFeatures(extractor)
    for number, picture in enumerate(pictures(recording(frames))):
        if number in looks and part.snippets:  # what is there does not change any more
            np.testing.assert_array_equal(read(part), whole.features[: part.snippets])
            assert part.seconds == pytest.approx(part.snippets * stride / rate)
        part.push(picture)
    part.finish()
    np.testing.assert_array_equal(read(part), whole.features)
    assert part.end_seconds == part.seconds == whole.duration_seconds
    assert part.given().snippets_per_second == whole.snippets_per_second


def composed(*streams: Stream, **settings_: Any) -> ComposedExtractor:
    extractor = build_extractor(StreamSettings(settings_), streams=streams)
    assert isinstance(extractor, ComposedExtractor)
    return extractor


STREAMS = (Stream("fast", 9, 6.0), Stream("slow", 9, 2.0), Stream("imu", 2, 4.0))
FAST = ExtractionSettings(backbone=BACKBONE, rate=12, window=5, stride=2)
SLOW = ExtractionSettings(backbone=BACKBONE, rate=8, window=3, stride=4)
IMU = SignalSettings(source="sensor", columns=("x",), rate=8, window=4, stride=2, gap_seconds=1)


@settings(max_examples=10)
@given(frames=st.integers(1, 40), share=st.floats(0, 1))
@example(frames=1, share=1.0)  # a snippet of one stream is three of the other, which has one
def test_streams_are_aligned_as_those_of_the_recording(frames: int, share: float) -> None:
    extractor = composed(*STREAMS[:2], fast=FAST, slow=SLOW)
    whole = extracted(extractor, recording(frames))
    part = PartFeatures(extractor, STREAMS[:2])
    for picture in pictures(recording(frames)):
        part.push(picture)
        if part.snippets:
            assert read(part).shape == (part.snippets, 18)
            assert np.isfinite(read(part)).all()
    part.finish()
    first = int(share * (len(whole) - 1))
    np.testing.assert_array_equal(read(part), whole)
    np.testing.assert_allclose(read(part, first), whole[first:], rtol=1e-5)
    assert part.snippets == len(whole)


def test_streams_that_are_not_made_from_video_are_missing(caplog: pytest.LogCaptureFixture) -> None:
    extractor = composed(*STREAMS, fast=FAST, slow=SLOW, imu=IMU)
    with caplog.at_level(logging.WARNING):
        parts = [pushed(PartFeatures(extractor, STREAMS, where="cam1"), recording(30)) for _ in range(2)]
        parts[0].finish()
    assert caplog.text.count("cam1: without the stream imu, since no file for it is given (said once)") == 1
    found = read(parts[0])
    np.testing.assert_array_equal(found, extracted(extractor, recording(30)))
    assert np.isnan(found[:, 18:]).all()
    assert np.isfinite(found[:, :18]).all()


def test_a_detector_that_takes_no_video_is_refused() -> None:
    with pytest.raises(InputError, match=r"cam1: .* without extraction settings; extract the features of training"):
        PartFeatures(None, where="cam1")
    with pytest.raises(InputError, match=r"what imu \(a signal\) are made from, found a video"):
        PartFeatures(composed(STREAMS[2], imu=IMU), STREAMS[2:], where="cam1")
    with pytest.raises(InputError, match="a signal, which the detector takes"):
        PartFeatures(build_extractor(IMU))
    with pytest.raises(InputError, match="a file for each of the streams fast and slow"):
        PartFeatures(composed(*STREAMS[:2], fast=FAST, slow=FAST), STREAMS[:2])


# -- kills -------------------------------------------------------------------------------------------------------


@settings(max_examples=10)
@given(frames=st.integers(1, 40), before=st.integers(0, 40), ended=st.booleans(), cut=st.floats(0, 1))
def test_after_a_kill_what_is_there_is_not_computed_again(frames: int, before: int, ended: bool, cut: float) -> None:
    extractor = composed(*STREAMS[:2], fast=FAST, slow=SLOW)
    whole = extracted(extractor, recording(frames))
    with TemporaryDirectory() as name:
        folder = Path(name) / "part"
        part = PartFeatures(extractor, STREAMS[:2], number=7, started_at=5.0, folder=folder)
        pushed(part, recording(min(before, frames) or 1), min(before, frames))
        if ended:  # too early
            part.finish()
        for file in folder.glob("*.f32"):
            with file.open("r+b") as opened_file:
                opened_file.truncate(round(cut * file.stat().st_size))
        gone = PartFeatures.resume(folder, extractor, STREAMS[:2])
        assert (gone.number, gone.started_at) == (7, 5.0)
        gone.finish()
        assert gone.snippets_held == 0
        if not ended and gone.seconds:
            found = read(gone)
            assert len(found) == gone.snippets == math.ceil(round(gone.seconds * 6 - 0.5, 6))
            assert np.isfinite(found).all()
            np.testing.assert_array_equal(found[:, :9], whole[: len(found), :9])
        again = PartFeatures.resume(folder, extractor, STREAMS[:2])
        computed = Counting.computed
        pushed(again, recording(frames)).finish()
        computed = Counting.computed - computed
        np.testing.assert_array_equal(read(again), whole)
        assert again.end_seconds == extractor(recording(frames)).duration_seconds
        if cut == 1 and before >= frames and not ended:
            assert computed <= 6  # the tails
        last = PartFeatures.resume(folder, extractor, STREAMS[:2])
        last.finish()  # is ended already
        np.testing.assert_array_equal(read(last), whole)


def test_a_folder_of_other_features_is_refused(tmp_path: Path) -> None:
    PartFeatures(VideoExtractor(SETTINGS), folder=tmp_path)
    with pytest.raises(InputError, match=r"other settings: rate 5\.0 and 10\.0"):
        PartFeatures.resume(tmp_path, VideoExtractor(SETTINGS.model_copy(update={"rate": 5.0})))
    with pytest.raises(InputError, match="features of fast, slow, found those of features"):
        PartFeatures.resume(tmp_path, composed(*STREAMS[:2], fast=FAST, slow=SLOW), STREAMS[:2])
    (tmp_path / "part.json").write_text('{"format": 1, "number": "x"}')
    with pytest.raises(InputError, match="expected a part of a watched source, found number: "):
        PartFeatures.resume(tmp_path, VideoExtractor(SETTINGS))


def test_a_new_part_in_an_old_folder_begins_anew(tmp_path: Path) -> None:
    extractor = VideoExtractor(SETTINGS)
    pushed(PartFeatures(extractor, folder=tmp_path, number=1), recording(30)).finish()
    PartFeatures(extractor, folder=tmp_path, number=2)
    part = PartFeatures.resume(tmp_path, extractor)
    assert (part.number, part.snippets, part.end_seconds) == (2, 0, None)


def test_a_full_disk_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    extractor = VideoExtractor(SETTINGS)
    whole = extractor(recording(40)).features
    monkeypatch.setattr(features_module, "RETRY_SECONDS", 1.0)
    part = PartFeatures(extractor, folder=tmp_path)
    with monkeypatch.context() as there, caplog.at_level(logging.WARNING):
        there.setattr(RowFile, "save", full)
        given_pictures = list(pictures(recording(40)))  # 3.3 s
        for picture in given_pictures[:25]:
            part.push(picture)
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text
    for picture in given_pictures[25:]:
        part.push(picture)
    found = PartFeatures.resume(tmp_path, extractor)
    assert found.snippets > 12
    np.testing.assert_array_equal(read(found), whole[: found.snippets])


# -- a stream that never ends, and one that comes too fast ---------------------------------------------------------


def test_memory_and_file_are_bounded(tmp_path: Path) -> None:
    extractor = VideoExtractor(SETTINGS)
    part = PartFeatures(extractor, keep_seconds=4.0, folder=tmp_path)
    complete = PartFeatures(extractor)
    for picture in again_and_again(150):
        part.push(picture)
        complete.push(picture)
    rows = 2 * (4 * 5 + 1) + 256
    assert part.nbytes <= 4 * 9 * (rows + 20)
    assert (tmp_path / "features.f32").stat().st_size <= 16 + 4 * 9 * (rows + 20)
    assert part.snippets == complete.snippets > 740
    assert part.snippets - part.first_kept >= 20
    np.testing.assert_array_equal(read(part, part.first_kept), read(complete)[part.first_kept :])
    again = PartFeatures.resume(tmp_path, extractor, keep_seconds=4.0)
    assert again.snippets == part.snippets
    np.testing.assert_array_equal(read(again, part.first_kept), read(part, part.first_kept))


@settings(max_examples=10)
@given(window=st.integers(1, 7), stride=st.integers(1, 7), dropped=st.integers(0, 30))
def test_snippets_of_dropped_frames_repeat_the_one_before(window: int, stride: int, dropped: int) -> None:
    extractor = VideoExtractor(ExtractionSettings(backbone=BACKBONE, rate=10, window=window, stride=stride))
    computed, part = Counting.computed, PartFeatures(extractor)
    whole = PartFeatures(extractor)
    given_pictures = list(again_and_again(12, dropped=dropped))
    for picture in given_pictures:
        part.push(picture)
        whole.push(picture._replace(dropped=0))
    part.finish(), whole.finish()
    assert part.snippets == whole.snippets == math.ceil(len(given_pictures) * (1 + dropped) / stride)
    found, true = read(part), read(whole)
    end = window - (window - stride) // 2  # of the first window
    came = np.arange(len(given_pictures)) * (1 + dropped)
    own = np.unique((came + max(stride - end, 0)) // stride)  # snippets with a frame that came
    own = own[own < len(found)]
    held = np.setdiff1d(np.arange(len(found)), own)
    assert Counting.computed - computed == 2 * len(found) - part.snippets_held
    assert part.snippets_held == len(held)
    np.testing.assert_array_equal(found[own], true[own])
    np.testing.assert_array_equal(found[held], found[held - 1])
