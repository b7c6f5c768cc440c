"""The motion descriptor: place and direction of motion."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor

from rcl.system.errors import InputError
from rcl.video.backbones.motion import (
    DIRECTIONS,
    GRID,
    ORIENTATIONS,
    MotionBackbone,
    direction_maps,
    moments,
    orientation_maps,
)

WIDTH, HEIGHT, LENGTH = 128, 96, 4
ORIENTED = ORIENTATIONS * GRID**2  # where the histograms of flow begin


def texture(seed: int = 0) -> np.ndarray:
    """A smooth random picture ``(H, W)`` in [0, 255]."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, HEIGHT // 6, WIDTH // 6, generator=random)
    picture = torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic", align_corners=False)
    return (picture[0, 0].clamp(0, 1) * 255).numpy()


def clip(
    dx: float = 0.0, dy: float = 0.0, *, side: int = 24, left: int = 80, top: int = 20, light: float = 1.0
) -> Tensor:
    """A patch that moves by so many pixels per frame before a background that stands still: ``(3, L, H, W)`` uint8."""
    frames = np.repeat(texture()[None], LENGTH, axis=0) * 0.5
    patch = texture(1)[:side, :side]
    for number, frame in enumerate(frames):
        x, y = left + round(dx * number), top + round(dy * number)
        frame[y : y + side, x : x + side] = patch
    return torch.from_numpy((frames * light).clip(0, 255).astype(np.uint8)).expand(3, -1, -1, -1)


def flow_histogram(features: Tensor) -> Tensor:
    """``(D, 4, 4)``."""
    return features[ORIENTED : ORIENTED + DIRECTIONS * GRID**2].view(DIRECTIONS, GRID, GRID)


@pytest.mark.parametrize(("dx", "dy", "direction"), [(3, 0, 0), (0, 3, 2), (-3, 0, 4), (0, -3, 6)])
def test_motion_is_found_in_its_place_and_direction(dx: float, dy: float, direction: int) -> None:
    histogram = flow_histogram(MotionBackbone()(clip(dx, dy)[None])[0])
    place = histogram.amax(dim=0).flatten().argmax()
    assert divmod(int(place), GRID)[1] >= 2  # the right half, where the patch is
    assert int(histogram.sum(dim=(1, 2)).argmax()) == direction


def test_a_panning_camera_is_not_counted_as_motion() -> None:
    wide = np.repeat(texture()[None], LENGTH, axis=0)
    panned = np.stack([np.roll(frame, 3 * number, axis=1) for number, frame in enumerate(wide)])
    frames = torch.from_numpy(panned.astype(np.uint8)).expand(3, -1, -1, -1)
    patch = flow_histogram(MotionBackbone()(clip(3)[None])[0]).amax()
    assert flow_histogram(MotionBackbone()(frames[None])[0])[:, 1:3, 1:3].amax() < patch / 2


def test_nothing_moves_in_a_still() -> None:
    features = MotionBackbone()(clip()[None])[0]
    assert flow_histogram(features).abs().max() == 0


def test_snippets_do_not_see_each_other_and_come_out_the_same_again() -> None:
    backbone = MotionBackbone()
    batch = torch.stack([clip(3), clip(0, -2), clip()])
    together, alone = backbone(batch), torch.cat([backbone(one[None]) for one in batch])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-3)  # roots of next to nothing make rounding larger
    torch.testing.assert_close(together, MotionBackbone()(batch), rtol=0, atol=0)
    assert together.dtype == torch.float32
    assert together.shape == (3, 376)


@pytest.mark.parametrize("shape", [(1, 96, 128), (2, 96, 96), (5, 171, 96), (3, 32, 57)])
def test_any_length_and_shape(shape: tuple[int, ...]) -> None:
    frames = torch.randint(0, 256, (2, 3, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    features = MotionBackbone()(frames)
    assert features.shape == (2, 376)
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("value", [0, 255])
def test_blank_frames(value: int) -> None:
    features = MotionBackbone()(torch.full((1, 3, 4, 96, 128), value, dtype=torch.uint8))
    assert torch.isfinite(features).all()
    assert features.abs().max() < 3


def test_frames_too_small_for_the_flow_are_refused() -> None:
    with pytest.raises(InputError, match="--size: expected 32 pixels or more, found 16"):
        MotionBackbone(16)


def test_directions_turn_with_the_flow() -> None:
    flow = torch.tensor([1.0, 0.0])[:, None, None]
    turned = torch.tensor([0.0, 1.0])[:, None, None]  # a quarter turn is two of eight directions
    torch.testing.assert_close(direction_maps(flow).roll(2, dims=-3), direction_maps(turned), atol=1e-6, rtol=0)


def test_orientations_of_edges() -> None:
    ramp = torch.arange(20.0).expand(1, 20, 20)
    along_x, along_y = orientation_maps(ramp)[0, :, 5, 5], orientation_maps(ramp.mT)[0, :, 5, 5]
    assert int(along_x.argmax()) == 0
    assert int(along_y.argmax()) == ORIENTATIONS // 2
    torch.testing.assert_close(orientation_maps(-ramp), orientation_maps(ramp))  # without sign


def test_centre_of_motion() -> None:
    energy = torch.zeros(2, 50, 100)
    energy[0, 10:20, 80:90] = 1
    centre, spread = moments(energy)
    torch.testing.assert_close(centre[0], torch.tensor([0.70, -0.41]), atol=0.02, rtol=0)
    torch.testing.assert_close(centre[1], torch.zeros(2), atol=1e-5, rtol=0)  # all is still
    assert spread[0].max() < 0.15 < spread[1].min()


def test_features_do_not_depend_on_the_snippets_before() -> None:
    """OpenCV's DIS changes its settings when it first sees frames of some sizes."""
    frames = torch.randint(0, 256, (2, 3, 4, 32, 43), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    used = MotionBackbone(size=32)
    used(frames.transpose(3, 4)[..., :32].contiguous())
    first = MotionBackbone(size=32)
    assert torch.equal(first(frames), used(frames))
    assert torch.equal(first(frames), used(frames))


def test_threads_that_share_a_backbone_get_the_same_as_one() -> None:
    backbone = MotionBackbone()
    clips = torch.randint(0, 256, (8, 1, 3, 4, 96, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = [backbone(clip) for clip in clips]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(backbone, [*clips] * 4))
    assert all(torch.equal(one, other) for one, other in zip(found, expected * 4, strict=True))
