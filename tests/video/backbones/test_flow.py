from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from rcl.system.errors import InputError
from rcl.video.backbones.flow import gray, optical_flow, scaled_flow


def texture(height: int = 64, width: int = 80) -> Tensor:
    """Smooth blobs, as cameras see them."""
    coarse = torch.rand(1, 1, height // 8, width // 8, generator=torch.Generator().manual_seed(0))
    return (functional.interpolate(coarse, (height, width), mode="bicubic") * 255).clamp(0, 255).byte()[0, 0]


# -- gray --------------------------------------------------------------------------------------------------------


def test_gray_is_the_luma_of_every_colour_within_one_level() -> None:
    levels = torch.cat([torch.arange(0, 256, 5), torch.tensor([1, 254])])
    frames = torch.cartesian_prod(levels, levels, levels).T.byte()[:, None, None]  # (3, 1, 1, W)
    exact = (frames.double() * torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64).view(3, 1, 1, 1)).sum(0)
    luma = gray(frames)
    assert luma.dtype == torch.uint8
    assert (luma.double() - exact).abs().max() < 1


def test_gray_keeps_gray_levels_and_takes_batches() -> None:
    frames = torch.arange(256, dtype=torch.uint8).view(1, 1, 4, 8, 8).expand(2, 3, 4, 8, 8)
    assert torch.equal(gray(frames), frames[:, 0])
    assert torch.equal(gray(frames[0]), frames[0, 0])


# -- flow --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [(2, 0), (0, -3), (-1, 2)])
def test_translation_is_found(step: tuple[int, int]) -> None:
    right, down = step
    image = texture()
    frames = torch.stack([image.roll((down * i, right * i), (0, 1)) for i in range(4)])
    flow = optical_flow(frames)
    assert (flow.dtype, flow.shape) == (torch.float32, (2, 4, 64, 80))
    inner = flow[:, :, 16:-16, 16:-16].flatten(2).median(2).values  # (2, L)
    assert (inner - torch.tensor([[float(right)], [float(down)]])).abs().max() < 0.2
    assert torch.equal(flow[:, -1], flow[:, -2])


def test_flow_is_deterministic_and_local_in_time() -> None:
    image = texture()
    frames = torch.stack([image.roll(i * i, 1) for i in range(4)])
    flow = optical_flow(frames)
    assert torch.equal(optical_flow(frames), flow)
    assert torch.equal(optical_flow(frames[1:3])[:, 0], flow[:, 1])


def test_a_single_frame_has_no_flow() -> None:
    assert torch.equal(optical_flow(texture()[None]), torch.zeros(2, 1, 64, 80))


def test_frames_may_lie_apart_in_memory() -> None:
    frames = torch.stack([texture(), texture().roll(1, 1)], -1)  # (H, W, L)
    assert torch.equal(optical_flow(frames.permute(2, 0, 1)), optical_flow(frames.permute(2, 0, 1).contiguous()))


@pytest.mark.parametrize("shape", [(2, 16, 16), (2, 16, 100), (2, 90, 17)])
def test_small_frames_are_searched(shape: tuple[int, int, int]) -> None:
    assert optical_flow(torch.zeros(shape, dtype=torch.uint8)).abs().max() == 0


def test_frames_too_small_to_search_are_refused() -> None:
    with pytest.raises(InputError, match=r"--size: expected frames of at least 16 pixels .*, found 15 × 40"):
        optical_flow(torch.zeros(2, 15, 40, dtype=torch.uint8))


def test_scaling_clips_at_twenty_pixels() -> None:
    assert scaled_flow(torch.tensor([-50.0, -20.0, 0.0, 5.0, 20.0, 21.0])).tolist() == [-1, -1, 0, 0.25, 1, 1]
