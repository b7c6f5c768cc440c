"""What becomes of the features of frames: no change is left out, and no frame is encoded twice in a row."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.frame_by_frame import FrameByFrame
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
