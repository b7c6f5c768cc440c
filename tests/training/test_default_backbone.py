"""The backbone of rcl fit where none is given: another one where the videos are cut."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from rcl.training import default_backbone
from rcl.training.choices import Choice
from rcl.training.default_backbone import choose_backbone, cuts_per_minute
from rcl.training.fit_pack import plan_pack
from rcl.training.fit_result import FitObserver
from rcl.training.fit_videos import Extraction, plan_videos
from rcl.training.plan import FitRun
from rcl.video.records import extracted_streams

RATE, SECONDS, WIDTH, HEIGHT = 15, 6, 64, 48


def film(path: Path, *, cuts: int, speed: int = 1, seed: int = 0) -> Path:
    """A video of cameras that pan over pictures, cut so many times at equal distances."""
    random = torch.Generator().manual_seed(seed)
    frames = SECONDS * RATE
    coarse = torch.rand(cuts + 1, 3, HEIGHT // 8, 24, generator=random)
    wide = torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH + speed * frames), mode="bilinear")
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            seen = wide[number * (cuts + 1) // frames, :, :, number * speed :][:, :, :WIDTH]
            pixels = (40 + 175 * seen).round().to(torch.uint8).permute(1, 2, 0).numpy()
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("cuts", [0, 1, 6])
@pytest.mark.parametrize("speed", [0, 1])
def test_cuts_are_counted_and_pans_are_not(cuts: int, speed: int, tmp_path: Path) -> None:
    found = cuts_per_minute(film(tmp_path / "film.mp4", cuts=cuts, speed=speed))
    assert found == pytest.approx(cuts * 60 / SECONDS)


@pytest.mark.parametrize("installed", [True, False])
def test_cut_videos_get_streams_that_know_cuts(
    installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_backbone, "is_installed", lambda: installed)
    cut, calm = film(tmp_path / "cut.mp4", cuts=3), film(tmp_path / "calm.mp4", cuts=0)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no video")
    name, (choice,) = choose_backbone([damaged, cut, calm, cut], 1)
    assert name == choice.value == ("lite0-change+cuts" if installed else "motion+cuts")
    assert "about 30 cuts per minute" in choice.reason
    assert ("pip install '.[appearance]'" in choice.reason) == (not installed)
    assert choose_backbone([cut], 2)[0] == ("motion+lite0-change+cuts" if installed else "motion+cuts")
    assert choose_backbone([calm, cut, calm], 1)[0] == "motion"  # most are not cut
    assert choose_backbone([damaged], 1) == ("motion", [])
    assert choose_backbone([], 1) == ("motion", [])


def test_few_videos_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[Path]()
    monkeypatch.setattr(default_backbone, "cuts_per_minute", lambda video: seen.append(video) or 14.2)
    videos = [Path(f"{number}.mp4") for number in range(100)]
    assert choose_backbone(videos, 1)[0] != "motion"
    assert len({*seen}) == default_backbone.VIDEOS
    assert {videos[0], videos[-1]} <= {*seen}


def test_a_fit_chooses_from_the_videos_unless_a_backbone_or_its_settings_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_backbone, "is_installed", lambda: False)
    videos, labels = tmp_path / "videos", tmp_path / "labels.csv"
    videos.mkdir()
    with labels.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["video", "start", "end", "label"])
        for number in range(3):
            film(videos / f"{number}.mp4", cuts=4, seed=number)
            table.writerow([number, 1, 4, "act"])

    def plan(run: str, **given: int) -> tuple[list[str | None], dict[str, Choice]]:
        plan = plan_videos(videos, labels, FitRun(tmp_path / run), Extraction(**given), FitObserver())
        return extracted_streams(plan.pack), {choice.name: choice for choice in plan.choices}

    streams, choices = plan("run")
    assert streams == ["motion", "cuts"]
    assert choices["backbone"].value == "motion+cuts"
    assert choices["dropout of streams"].value == "0"
    assert "from one file" in choices["dropout of streams"].reason
    packed = plan_pack(tmp_path / "run" / "pack", None, FitRun(tmp_path / "packed"), Extraction(), FitObserver())
    assert packed.config.model.streams.dropout == 0
    monkeypatch.setattr("rcl.training.fit_videos.choose_backbone", None)  # nobody looks at the videos again
    assert plan("run")[0] == ["motion", "cuts"]  # the features that are there
    assert plan("other", stride=5)[0] == [None]
