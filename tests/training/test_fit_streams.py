"""From videos to a detector of two streams, which extracts both from a video, and a fit that comes after it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

import rcl
from quick import film, quick_fit
from rcl.data.formats.results import load_detections
from rcl.detector.checkpoint import read_checkpoint
from rcl.system.errors import InputError
from rcl.video.backbones.base import FrameSize
from typed import Rcl


class MeanColor:
    """A backbone: the mean color of a snippet."""

    frame_size, rate, window, stride, fixed_window = FrameSize(short=32), 10.0, 4, 4, None

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.float().mean((2, 3, 4)) / 255


BOTH = f"motion+{__name__}:MeanColor"


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four short videos, their labels, and a run on two streams of them."""
    folder = tmp_path_factory.mktemp("films")
    truth = film(folder / "videos", 4)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["video", "start", "end", "label"])
        for video in truth.videos.values():
            table.writerows([video.name, f"{start:.2f}", f"{end:.2f}", "act"] for start, end in video.segments_seconds)
    with pytest.MonkeyPatch.context() as patch:
        quick_fit(patch)
        rcl.fit(folder / "videos", folder / "labels.csv", folder / "run", backbone=BOTH, rate=10)
    return folder


def test_a_detector_of_two_streams_extracts_both_from_a_video(filmed: Path, tmp_path: Path, rcl_: Rcl) -> None:
    facts = read_checkpoint(filmed / "run" / "last.ckpt").facts
    assert [(stream.name, stream.channels) for stream in facts.streams] == [("motion", 376), ("MeanColor", 3)]
    assert facts.extraction is not None
    assert [*facts.extraction["streams"]] == ["motion", "MeanColor"]
    for name, source in (("videos", filmed / "videos"), ("pack", filmed / "run" / "pack")):
        said = rcl_("detect", filmed / "run", source, "--output", tmp_path / f"{name}.json")
        assert said.status == 0, said.err
    found, expected = (load_detections(tmp_path / f"{name}.json") for name in ("videos", "pack"))
    assert len(found) > 0
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    video = sorted((filmed / "videos").iterdir())[0]
    alone = rcl.Localizer.load(filmed / "run").detect(video)
    np.testing.assert_allclose(alone.scores, expected.for_video(video.stem).scores, atol=1e-4)


def test_a_later_fit_takes_all_streams_over(
    filmed: Path, tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_fit(monkeypatch)
    run, again = filmed / "run", tmp_path / "again"
    command = ("fit", filmed / "videos", filmed / "labels.csv", "--output", again, "--after", run)
    status, said, notes = rcl_(*command)
    assert status == 0, notes
    assert notes.count("Features of 4 videos (4 done before)") == 2
    assert "comparison.json" in said
    for file in sorted((run / "pack" / "features").rglob("*.npy")):
        assert file.samefile(again / "pack" / file.relative_to(run / "pack"))
    assert rcl_(*command, "--resume").status == 0
    for other, found in (("motion", "1 backbone for 2 streams"), (f"{BOTH}+hf:a", "3 backbones for 2 streams")):
        with pytest.raises(InputError, match=f"expected the settings of its features, found other settings .{found}"):
            rcl.fit(filmed / "videos", filmed / "labels.csv", tmp_path / "new", after=run, backbone=other)
    with pytest.raises(InputError, match=r"found other settings \(stride"):
        rcl.fit(filmed / "videos", filmed / "labels.csv", tmp_path / "new", after=run, stride=9)
