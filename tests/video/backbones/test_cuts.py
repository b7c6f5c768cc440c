"""Changes of scene: cuts are found where they are, and motion is none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rcl.video.backbones.cuts import LAGS, REACH, CutsBackbone, distances

WIDTH, HEIGHT, WINDOW = 64, 48, CutsBackbone.window
PLACES = WINDOW - 2 * REACH + 1
SHARP, BLENDED, PLACE = (
    0,
    len(LAGS) - 1,
    2 * len(LAGS),
)  # channels: novelty with the shortest and longest lag, the place


def picture(seed: int) -> Tensor:
    """A smooth random picture ``(H, W)`` from 40 to 215, twice as wide as a frame."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, HEIGHT // 8, WIDTH // 4, generator=random)
    smooth = torch.nn.functional.interpolate(coarse, (HEIGHT, 2 * WIDTH), mode="bilinear")[0, 0]
    return 40 + 175 * smooth


def shot(seed: int, *, speed: int = 0, length: int = WINDOW) -> Tensor:
    """A camera that pans over a picture by so many pixels per frame: ``(L, H, W)``."""
    return torch.stack([picture(seed)[:, speed * n : speed * n + WIDTH] for n in range(length)])


def snippet(luma: Tensor) -> Tensor:
    """Gray frames as a batch of one snippet ``(1, 3, L, H, W)`` uint8."""
    return luma.round().clamp(0, 255).to(torch.uint8).expand(3, -1, -1, -1)[None]


def cut(at: int, *, blended: int = 0, speed: int = 0) -> Tensor:
    """Two shots, the second from frame ``at`` on, blended over so many frames on either side: ``(L, H, W)``."""
    share = torch.arange(WINDOW) - (at - 0.5)
    share = (share / (2 * blended) + 0.5).clamp(0, 1) if blended else (share > 0).float()
    return torch.lerp(shot(1, speed=speed), shot(2, speed=speed), share[:, None, None])


def features(luma: Tensor) -> Tensor:
    """The numbers of one snippet."""
    return CutsBackbone()(snippet(luma))[0]


def test_a_still_picture_has_no_change() -> None:
    torch.testing.assert_close(features(shot(0)), torch.zeros(7), rtol=0, atol=1e-5)


@pytest.mark.parametrize("speed", [1, 2])
def test_a_cut_is_far_newer_than_motion(speed: int) -> None:
    moving, both = features(shot(0, speed=speed)), features(cut(REACH + 1, speed=speed))
    assert both[SHARP] > 5 * moving[SHARP]
    assert both[SHARP] > 0.4


def test_a_blended_cut_is_found_with_a_long_lag() -> None:
    found = features(cut(REACH + 1, blended=3))
    assert found[BLENDED] > 0.4
    assert found[BLENDED] > 2 * found[SHARP]


@pytest.mark.parametrize("place", range(PLACES))
def test_the_last_number_is_the_place(place: int) -> None:
    found = features(cut(REACH + place))
    expected = -1 + 2 * place / (PLACES - 1)
    assert found[PLACE].sign() == torch.tensor(expected).sign()
    assert abs(float(found[PLACE])) == pytest.approx(abs(expected) * float(found[: len(LAGS)].mean()), abs=1e-4)


@pytest.mark.parametrize("at", [2, WINDOW - 2])
def test_a_cut_of_another_snippet_does_not_count(at: int) -> None:
    assert features(cut(at))[SHARP] < 0.01


def test_brightness_and_contrast_are_no_change() -> None:
    dimmed = torch.cat((shot(0)[: REACH + 1], 0.5 * shot(0)[REACH + 1 :] + 20))
    assert features(dimmed)[SHARP] < 0.01


def test_empty_frames_are_equal() -> None:
    black = torch.zeros(1, 3, HEIGHT, WIDTH, dtype=torch.uint8) + torch.randint(0, 2, (1, 3, HEIGHT, WIDTH))
    assert distances(black).max() < 0.05


@pytest.mark.parametrize("length", [1, 3, 4, 10, 18, 40])
def test_windows_of_any_length(length: int) -> None:
    found = CutsBackbone()(snippet(shot(0, length=length)))
    assert found.shape == (1, 7)
    assert found.abs().max() < 1e-5


def test_snippets_do_not_see_each_other() -> None:
    batch = torch.cat([snippet(cut(REACH + 1)), snippet(shot(3, speed=2)), snippet(shot(4))])
    alone = torch.cat([CutsBackbone()(one[None]) for one in batch])
    torch.testing.assert_close(CutsBackbone()(batch), alone, rtol=0, atol=1e-5)
