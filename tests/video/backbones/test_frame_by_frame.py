"""What becomes of the features of frames: no change is left out, and no frame is encoded twice."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.frame_by_frame import FrameByFrame
from rcl.video.backbones.regions import RegionsBackbone
from rcl.video.snippets import snippets


class Brightness:
    """An encoder of two channels that counts its frames."""

    weights_digest = "none"

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frames: Tensor) -> Tensor:
        self.count += len(frames)
        means = frames.float().mean((1, 2, 3))
        return torch.stack((means, 255 - 2 * means), dim=1)


def video(values: list[int]) -> list[Tensor]:
    """Frames of one gray value each."""
    return [torch.full((3, 2, 2), value, dtype=torch.uint8) for value in values]


@given(st.lists(st.integers(0, 255), min_size=2, max_size=12))
def test_every_change_is_in_one_snippet(values: list[int]) -> None:
    backbone = FrameByFrame(Brightness(), frame_size=FrameSize(short=2), change_alone=True)
    clips = torch.stack([*snippets(video(values), backbone.window, backbone.stride)])
    changes = torch.tensor(values).diff().abs().float()
    torch.testing.assert_close(backbone(clips)[:-1, 0], changes)
    assert not backbone(clips)[-1].any()  # after the last frame nothing changes


def test_a_frame_that_neighbours_share_is_encoded_once() -> None:
    values, encoder = [5, 9, 9, 200, 3], Brightness()
    backbone = FrameByFrame(encoder, frame_size=FrameSize(short=2))
    clips = torch.stack([*snippets(video(values), 2, 1)])
    together = backbone(clips)
    assert encoder.count == 4  # two neighbours are equal
    each = torch.cat([backbone(clip[None]) for clip in clips])
    assert torch.equal(together, each)


@given(
    count=st.integers(1, 15),
    window=st.integers(1, 7),
    stride=st.integers(1, 4),
    tiles=st.integers(1, 3),
    batch=st.integers(1, 5),
)
def test_frames_that_snippets_share_are_encoded_once(
    count: int, window: int, stride: int, tiles: int, batch: int
) -> None:
    """In windows of any length, in tiles, and from batch to batch."""
    generator = torch.Generator().manual_seed(count)
    frames = torch.randint(0, 256, (count, 3, 12, 12), generator=generator, dtype=torch.uint8)
    encoder = Brightness()
    backbone = RegionsBackbone(FrameByFrame(encoder, frame_size=FrameSize(short=6)), tiles=tiles)
    clips = torch.stack([*snippets(map(backbone.frame_size, frames), window, stride)])
    found = torch.cat([backbone(part) for part in clips.split(batch)])
    seen = {frame.numpy().tobytes() for frame in clips.transpose(1, 2).flatten(0, 1)}
    assert encoder.count == len(seen) * tiles**2

    def alone(clip: Tensor) -> Tensor:
        fresh = FrameByFrame(Brightness(), frame_size=FrameSize(short=6))
        return RegionsBackbone(fresh, tiles=tiles)(clip[None])

    assert torch.equal(found, torch.cat([alone(clip) for clip in clips]))


def test_only_the_frames_of_the_latest_batch_are_kept() -> None:
    encoder = Brightness()
    backbone = FrameByFrame(encoder, frame_size=FrameSize(short=2))
    for value in (5, 9, 5):
        backbone(torch.stack(video([value, value]), dim=1)[None])
    assert encoder.count == 3
