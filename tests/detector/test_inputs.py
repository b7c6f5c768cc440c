"""The videos in what a detector is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rcl.detector.inputs import jobs_of, jobs_of_all
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


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_equal_file_names_in_two_folders_are_two_videos(
    localizer: Localizer, tmp_path: Path, order: tuple[str, str]
) -> None:
    for folder in order:
        (tmp_path / folder / "day 1").mkdir(parents=True)
        for name in ("a.mp4", "day 1/a.mp4", f"{folder}.mp4"):
            (tmp_path / folder / name).touch()
    jobs = jobs_of_all([tmp_path / folder for folder in order], localizer, None, "TC", None)
    assert {job.video: str(job.files[0].relative_to(tmp_path)) for job in jobs} == {
        "one": "one/one.mp4",
        "one/a": "one/a.mp4",
        "one/day 1/a": "one/day 1/a.mp4",
        "two": "two/two.mp4",
        "two/a": "two/a.mp4",
        "two/day 1/a": "two/day 1/a.mp4",
    }


def test_an_input_that_is_missing_is_named(localizer: Localizer, videos: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.mp4: expected videos, or a folder of them, found no such file"):
        jobs_of_all([videos, videos / "gone.mp4"], localizer, None, "TC", None)


def test_features_of_one_name_are_refused(localizer: Localizer, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", np.zeros((4, 32), np.float32))
    with pytest.raises(InputError, match="expected every video once, found 'a' more than once"):
        jobs_of_all([tmp_path / "one" / "a.npy", tmp_path / "two" / "a.npy"], localizer, None, "TC", None)


def test_a_pack_may_name_files(localizer: Localizer, tmp_path: Path) -> None:
    features = tmp_path / "features" / "cam1"
    features.mkdir(parents=True)
    np.save(features / "a.npy", np.ones((40, 32), np.float32))
    (tmp_path / "annotations.csv").write_text("video,start,end,label,fps\ncam1/a.mp4,1,2,x,5\n")
    (job,) = jobs_of(tmp_path, localizer, None, "TC", None)
    assert (job.video, job.files[-1].name) == ("cam1/a.mp4", "a.npy")
    prepared, _ = job.read(localizer)
    assert prepared.shape[-1] == 40
