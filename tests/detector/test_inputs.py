"""The videos in what a detector is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcl.detector.inputs import jobs_of
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError
from untrained import save_untrained


@pytest.fixture
def localizer(tmp_path: Path) -> Localizer:
    return Localizer.load(save_untrained(tmp_path / "last.ckpt"))


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4", "annotations.json"):
        (folder / name).touch()
    return folder


def test_videos_with_annotations_are_videos(localizer: Localizer, videos: Path) -> None:
    assert [job.video for job in jobs_of(videos, localizer, None, "TC", None)] == ["a", "b"]


def test_a_rate_for_videos_is_refused(localizer: Localizer, videos: Path) -> None:
    with pytest.raises(InputError, match=r"--snippets-per-second: expected feature files, found .*; leave it out for"):
        jobs_of(videos, localizer, None, "TC", 25.0)
