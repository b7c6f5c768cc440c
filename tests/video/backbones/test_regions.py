"""Parts of a frame: a backbone sees the crop, or each tile of it, as if it were the frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mean_color import MeanColor
from torch import Tensor

from rcl.data.formats.results import load_detections
from rcl.system.errors import Defect, InputError
from rcl.video.backbones.build import build_backbone
from rcl.video.backbones.motion import MotionBackbone
from rcl.video.backbones.options import BackboneOptions, Rectangle, parse_options
from rcl.video.backbones.regions import OVERLAP, RegionsBackbone, cropped, tiles_of
from rcl.video.decoding import VideoReader
from rcl.video.extraction import choose_extraction, extract_features
from rcl.video.settings import read_settings
from rcl.video.snippets import snippets
from rendered import render
from typed import Rcl
from untrained import FACTS, save_untrained


def picture(height: int, width: int) -> Tensor:
    """Pixels that say where they are: ``(3, H, W)``, row, column and 0."""
    rows, columns = torch.arange(height), torch.arange(width)
    return torch.stack((rows[:, None].expand(-1, width), columns.expand(height, -1), torch.zeros(height, width)))


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


# -- crops -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rectangle", "rows", "columns"),
    [
        ((10, 20, 30, 40), (20, 59), (10, 39)),
        ((0, 0, 320, 240), (0, 239), (0, 319)),
        ((0, 0, 1, 1), (0, 239), (0, 319)),
        ((0.25, 0, 0.5, 1), (0, 239), (80, 239)),
        ((0.5, 0.5, 0.001, 0.001), (120, 120), (160, 160)),  # at least one pixel
    ],
)
def test_a_crop(rectangle: Rectangle, rows: tuple, columns: tuple) -> None:
    part = cropped(picture(240, 320), rectangle)
    assert (part[0].min(), part[0].max()) == rows
    assert (part[1].min(), part[1].max()) == columns


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0, 0.99), st.floats(0, 0.99), st.data())
def test_shares_are_within_every_frame(height: int, width: int, x: float, y: float, data: st.DataObject) -> None:
    shares = (x, y, data.draw(st.floats(0.001, 1 - x)), data.draw(st.floats(0.001, 1 - y)))
    part = cropped(picture(height, width), shares)
    assert min(part.shape[1:]) >= 1
    assert part.shape[1] <= shares[3] * height + 2
    assert part.shape[2] <= shares[2] * width + 2


@pytest.mark.parametrize("rectangle", [(300, 0, 30, 30), (0, 200, 10, 41), (1, 0, 320, 1)])
def test_a_crop_beyond_the_frame(rectangle: Rectangle) -> None:
    with pytest.raises(Defect, match="--crop within its frames of 320 × 240 pixels, found "):
        cropped(picture(240, 320), rectangle)


@pytest.mark.parametrize(
    "text", ["0,0,0,0.5", "1,2,3", "a,b,c,d", "0.5,0,0.6,1", "0,0,0,10", "-1,0,5,5", "1.5,0,10,10", "nan,0,1,1"]
)
def test_no_rectangle(text: str) -> None:
    with pytest.raises(InputError, match="--crop: expected X,Y,WIDTH,HEIGHT in whole pixels, or in shares"):
        parse_options(crop=text)


# -- tiles -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 8))
def test_tiles_are_equal_and_cover_the_frame(height: int, width: int, count: int) -> None:
    frame = picture(height, width)
    tiles = list(tiles_of(frame, count))
    assert len(tiles) == count**2
    assert {tile.shape for tile in tiles} == {tiles[0].shape}
    seen = torch.zeros(height, width)
    for tile in tiles:
        seen[tile[0].long(), tile[1].long()] = 1
    assert seen.all()


def test_neighbours_overlap() -> None:
    tiles = list(tiles_of(picture(70, 140), 2))
    assert [tuple(tile.shape[1:]) for tile in tiles] == [(40, 80)] * 4
    shared = set(tiles[0][1].unique().tolist()) & set(tiles[1][1].unique().tolist())
    assert len(shared) == OVERLAP * 80
    assert next(tiles_of(picture(7, 9), 1)).shape == (3, 7, 9)


@pytest.mark.parametrize(
    "options", [{"tiles": 2}, {"tiles": 3}, {"crop": (5, 3, 50, 41)}, {"crop": (0, 0.5, 1, 0.5), "tiles": 2}]
)
@pytest.mark.parametrize("backbone", [MeanColor(size=8), MotionBackbone(size=32)])
def test_features_are_the_maxima_over_tiles(backbone: MeanColor | MotionBackbone, options: dict) -> None:
    """By hand: each tile is a video of its own."""
    video = noise(7, 3, 60, 80)
    regions = RegionsBackbone(backbone, **options)
    found = regions(torch.stack([*snippets((regions.frame_size(frame) for frame in video), 4, 3)]))

    parts = [cropped(frame, options["crop"]) if "crop" in options else frame for frame in video]
    tiled = zip(*(tiles_of(part, options.get("tiles", 1)) for part in parts), strict=True)
    each = [backbone(torch.stack([*snippets(map(backbone.frame_size, tile), 4, 3)])) for tile in tiled]
    torch.testing.assert_close(found, torch.stack(each).amax(0), atol=1e-5, rtol=1e-5)


def test_the_defaults_are_those_of_the_backbone() -> None:
    plain, tiled = (build_backbone("motion", BackboneOptions(tiles=tiles)) for tiles in (None, 2))
    assert isinstance(plain, MotionBackbone)
    assert isinstance(tiled, RegionsBackbone)
    for name in ("rate", "window", "stride", "fixed_window"):
        assert getattr(plain, name) == getattr(tiled, name)


# -- packs and detection -----------------------------------------------------------------------------------------


def test_a_pack_and_its_detector_look_at_the_same_part(tmp_path: Path, rcl_: Rcl) -> None:
    (tmp_path / "videos").mkdir()
    video = render(tmp_path / "videos" / "a.mp4", frames=40, rate=15)
    options = ("--backbone", "mean_color:MeanColor", "--size", 16, "--crop", "0.5,0,0.5,1", "--tiles", 2)
    assert rcl_("extract", tmp_path / "videos", *options, "--output", tmp_path / "pack").status == 0
    settings = read_settings(tmp_path / "pack")
    assert settings
    assert (settings.options.crop, settings.options.tiles) == ((0.5, 0, 0.5, 1), 2)

    backbone = RegionsBackbone(MeanColor(size=16), tiles=2)
    right = (frame[:, :, frame.shape[2] // 2 :] for frame in VideoReader(video, rate=15))
    expected = backbone(torch.stack([*snippets(map(backbone.frame_size, right), 8, 4)]))
    np.testing.assert_allclose(np.load(tmp_path / "pack" / "features" / "a.npy"), expected, atol=1e-6)
    assert "crop" in (settings.difference(choose_extraction(settings.backbone, BackboneOptions(size=16))[1]) or "")

    facts = replace(FACTS, in_channels=6, extraction=settings.model_dump(mode="json"))
    checkpoint = save_untrained(tmp_path / "last.ckpt", facts)
    for name in ("videos", "pack"):
        assert rcl_("detect", checkpoint, tmp_path / name, "--output", tmp_path / f"{name}.json").status == 0
    found, expected_detections = (load_detections(tmp_path / f"{name}.json") for name in ("videos", "pack"))
    assert len(found) > 0
    np.testing.assert_allclose(found.scores, expected_detections.scores, atol=1e-6)


def test_a_video_that_is_too_small_is_named_and_the_others_go_on(tmp_path: Path, rcl_: Rcl) -> None:
    (tmp_path / "videos").mkdir()
    for name, width in (("large", 96), ("small", 64)):
        render(tmp_path / "videos" / f"{name}.mp4", frames=10, rate=15, width=width)
    said = rcl_("extract", tmp_path / "videos", "--crop", "70,0,20,60", "--workers", 1, "--output", tmp_path / "pack")
    assert said.status == 2
    expected = "small.mp4: expected --crop within its frames of 64 × 64 pixels, found 70,0,20,60"
    assert expected in said.err
    assert (tmp_path / "pack" / "features" / "large.npy").exists()


def test_a_crop_of_a_file_without_its_name(tmp_path: Path) -> None:
    render(tmp_path / "x.mp4", frames=10, rate=15)
    backbone, settings = choose_extraction("motion", BackboneOptions(crop=(0, 0, 500, 10)))
    with pytest.raises(InputError, match=r"x\.mp4: expected --crop within its frames of 96 × 64 pixels"):
        extract_features(tmp_path / "x.mp4", backbone, settings)
