"""A detector of streams extracts each from its own recording of a video, and works without what is not given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from pydantic import BaseModel, ConfigDict

from rcl.data.streams import Stream
from rcl.detector.inputs import jobs_of_all
from rcl.system.errors import InputError
from rcl.video.backbones.base import FrameSize
from rcl.video.composed import ComposedExtractor, find_recordings
from rcl.video.extraction import VideoExtractor
from rcl.video.extractor import VideoFeatures, build_extractor
from rcl.video.kinds import KINDS, Kind
from rcl.video.settings import ExtractionSettings, StreamSettings, parse_settings
from rendered import render


class MeanColor:
    """A backbone: the mean color of a snippet."""

    frame_size, rate, window, stride, fixed_window = FrameSize(short=32), 10.0, 2, 2, None

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.float().mean((2, 3, 4)) / 255


class NumbersSettings(BaseModel):
    """Settings of another kind of recordings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["signal"] = "signal"
    snippets_per_second: float = 1.0

    def difference(self, other: Any) -> str | None:
        return None if self == other else "something"


class NumbersExtractor:
    """Reads a number per line, one per snippet."""

    def __init__(self, settings: NumbersSettings, **_: object) -> None:
        self.settings = settings

    def takes(self, path: Path) -> bool:
        return path.suffix == ".csv"

    def open(self) -> None: ...

    def __call__(
        self, path: Path, *, threads: int = 0, progress: Callable[[float], None] | None = None
    ) -> VideoFeatures:
        try:
            features = np.loadtxt(path, dtype=np.float32, ndmin=2)
        except ValueError:
            raise InputError(path, expected="numbers", found="a text", fix="correct it") from None
        rate = self.settings.snippets_per_second
        return VideoFeatures(features, np.zeros((len(features), 2)), len(features) / rate, rate, ("a gap",))


@pytest.fixture(autouse=True)
def _another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Kind((".csv",), f"{__name__}:NumbersSettings", f"{__name__}:NumbersExtractor")
    monkeypatch.setitem(KINDS, "signal", kind)


MOTION = ExtractionSettings(backbone="motion", rate=10, window=3, stride=2)
COLOR = ExtractionSettings(backbone=f"{__name__}:MeanColor", rate=10, window=2, stride=4)
STREAMS = (Stream("motion", 376, 5.0), Stream("color", 3, 2.5), Stream("imu", 1, 1.0))


def composed(**settings: Any) -> ComposedExtractor:
    streams = [stream for stream in STREAMS if stream.name in settings]
    extractor = build_extractor(StreamSettings(settings), streams=streams)
    assert isinstance(extractor, ComposedExtractor)
    return extractor


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return render(tmp_path / "v.mp4", frames=40, rate=10)  # 4 s


@pytest.fixture
def imu(tmp_path: Path) -> Path:
    (tmp_path / "v.csv").write_text("1\n2\n3\n")
    return tmp_path / "v.csv"


def test_streams_of_one_video_are_aligned(video: Path) -> None:
    told = list[float]()
    found = composed(motion=MOTION, color=COLOR)(video, progress=told.append)
    features = found.features[:] if isinstance(found.features, np.ndarray) else found.features.read()
    assert features.shape == (20, 379)
    assert found.snippets_per_second == 5.0
    assert found.duration_seconds == pytest.approx(4.0)
    assert found.times_seconds.shape == (20, 2)
    np.testing.assert_array_equal(features[:, :376], VideoExtractor(MOTION)(video).features)
    assert np.isfinite(features).all()
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


def test_a_recording_of_another_kind_is_joined_or_missing(
    video: Path, imu: Path, caplog: pytest.LogCaptureFixture
) -> None:
    extractor = composed(motion=MOTION, imu=NumbersSettings())
    for given in ([video, imu], [imu, video]):
        found = extractor(given)
        features = found.features.read()  # type: ignore[union-attr]
        assert np.isfinite(features[:, :376]).all()
        assert np.isfinite(features[:15, 376]).all()  # 3 of 4 s
        assert np.isnan(features[15:, 376]).all()
        assert found.problems == ("v.csv: a gap",)
    assert not caplog.records
    for _ in range(2):
        alone = extractor(video).features.read()  # type: ignore[union-attr]
    np.testing.assert_array_equal(alone[:, :376], features[:, :376])
    assert np.isnan(alone[:, 376]).all()
    assert [record.getMessage() for record in caplog.records] == [
        f"{video}: without the stream imu, since no file for it is given (said once)"
    ]
    other = extractor(imu)
    assert other.snippets_per_second == 5.0  # as with the video
    assert np.isnan(other.features.read()[:, :376]).all()  # type: ignore[union-attr]


def test_a_recording_that_cannot_be_read_leaves_the_others(video: Path, imu: Path) -> None:
    extractor = composed(motion=MOTION, imu=NumbersSettings())
    imu.write_text("x")
    found = extractor([video, imu])
    assert found.problems == (f"{imu}: expected numbers, found a text; correct it.",)
    assert np.isnan(found.features.read()[:, 376]).all()  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"v\.csv: expected numbers"):
        extractor(imu)


def test_nothing_can_be_made_of_a_file(tmp_path: Path, video: Path) -> None:
    extractor = composed(imu=NumbersSettings())
    with pytest.raises(InputError, match=r"v\.mp4: expected a file for one of the streams imu \(a signal\)"):
        extractor(video)
    assert extractor.takes(tmp_path / "a.csv")
    assert not extractor.takes(video)


def test_two_recordings_of_one_kind_go_by_their_folders(tmp_path: Path, imu: Path) -> None:
    settings = NumbersSettings()
    extractor = build_extractor(
        StreamSettings({"left": settings, "right": settings}), streams=[Stream("left", 1, 1.0), Stream("right", 1, 1.0)]
    )
    files = [tmp_path / name / "v.csv" for name in ("right", "left")]
    for file in files:
        file.parent.mkdir()
        file.write_text("1" if file.parent.name == "left" else "2")
    assert extractor(files).features.read().tolist() == [[1.0, 2.0]]  # type: ignore[union-attr, arg-type]
    with pytest.raises(InputError, match=r"v\.csv: expected a file for each of the streams left and right, whose"):
        extractor(imu)
    with pytest.raises(InputError, match=r"expected a file for the stream imu, found .*v\.csv beside .*give"):
        composed(imu=settings)(files)


def test_streams_without_settings_are_missing(video: Path, caplog: pytest.LogCaptureFixture) -> None:
    extractor = build_extractor(StreamSettings({"color": COLOR}), streams=STREAMS)
    features = extractor(video).features.read()  # type: ignore[union-attr]
    assert np.isnan(features).all(axis=0).tolist() == [True] * 376 + [False] * 3 + [True]
    assert "without the streams motion, imu" in caplog.text


def test_settings_of_streams_are_read_from_plain_values() -> None:
    settings = StreamSettings({"motion": MOTION, "imu": NumbersSettings(snippets_per_second=2)})
    assert parse_settings(settings.model_dump(mode="json"), where="checkpoint") == settings
    assert settings.snippets_per_second == 5.0


def test_a_backbone_that_moved_is_found_by_its_kind() -> None:
    moved = ComposedExtractor(
        StreamSettings({"motion": MOTION, "color": COLOR}), streams=STREAMS[:2], backbone="motion", video_fps=30
    )
    assert [own.settings.video_fps for own in moved.extractors.values()] == [30, 30]  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="--backbone: expected a backbone of the checkpoint"):
        ComposedExtractor(StreamSettings({"motion": MOTION}), streams=STREAMS[:1], backbone="onnx:a.onnx")


# -- which files belong together ---------------------------------------------------------------------------------


def test_files_of_one_name_are_joined(tmp_path: Path) -> None:
    extractor = composed(motion=MOTION, imu=NumbersSettings())
    for name in ("both/a.mp4", "both/a.csv", "both/b.csv", "both/c.txt", "imu/d/e.csv", "films/d/e.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(*paths: str) -> dict[str, list[str]]:
        joined = find_recordings([tmp_path / path for path in paths], extractor)
        return {name: [file.relative_to(tmp_path).as_posix() for file in files] for name, files in joined.items()}

    assert found("both") == {"a": ["both/a.mp4", "both/a.csv"], "b": ["both/b.csv"]}
    assert found("both/a.csv", "both/a.mp4") == {"a": ["both/a.csv", "both/a.mp4"]}
    assert found("films", "imu") == {"d/e": ["films/d/e.avi", "imu/d/e.csv"]}
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "c.txt").touch()
    with pytest.raises(InputError, match=r"expected video files, found c\.txt"):
        found("none")


def test_a_detector_of_one_kind_finds_that_kind(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.csv"):
        (tmp_path / name).touch()
    numbers = build_extractor(NumbersSettings())
    assert find_recordings([tmp_path], numbers) == {"a": (tmp_path / "a.csv",)}
    for extractor in (None, VideoExtractor(MOTION)):
        assert find_recordings([tmp_path], extractor) == {"a": (tmp_path / "a.mp4",)}


def test_jobs_of_a_detector_join_a_video_and_a_file_that_features_could_have(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.csv", "b.csv"):
        (tmp_path / name).touch()
    localizer = SimpleNamespace(extractor=composed(motion=MOTION, imu=NumbersSettings()), snippets_per_second=5.0)
    paths = [tmp_path / name for name in ("a.csv", "a.mp4", "b.csv")]
    jobs = jobs_of_all(paths, localizer, None, "TC", None)  # type: ignore[arg-type]
    assert {job.video: job.files for job in jobs} == {"a": (paths[0], paths[1]), "b": (paths[2],)}
    localizer.extractor = VideoExtractor(MOTION)
    alone = jobs_of_all(paths[1:], localizer, None, "TC", None)  # type: ignore[arg-type]
    assert [(job.video, job.read.func.__name__) for job in alone] == [  # type: ignore[attr-defined]
        ("a", "_read_video"),
        ("b", "_read_features"),
    ]
