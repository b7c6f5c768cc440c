"""How fast a backbone is on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import cycle, islice
from typing import NamedTuple

import torch
from torch import Tensor

from rcl.video.backbones.base import Backbone
from rcl.video.snippets import snippets

HEIGHT, WIDTH = 240, 320  # of the frames before they are resized
DIFFERENT_FRAMES = 32
SNIPPETS = 4  # in a batch


class Speed(NamedTuple):
    """The width of a backbone's features, and its speed, with the resizing of frames but without their decoding.

    Args:
        channels: C.
        frames_per_second: of the video at the backbone's own rate, whether a snippet sees all of them or not.
        times_real_time: seconds of video in a second.
    """

    channels: int
    frames_per_second: float
    times_real_time: float


def measure_speed(backbone: Backbone, *, seconds: float = 1.0) -> Speed:
    """Run a backbone for about so many seconds on noise; the fastest batch counts, since other programs run, too.

    Raises:
        InputError: the backbone does not take its own snippets.
    """
    generator = torch.Generator().manual_seed(0)
    shape = DIFFERENT_FRAMES, 3, HEIGHT, WIDTH
    frames = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    clips = snippets(map(backbone.frame_size, cycle(frames)), backbone.window, backbone.stride)  # without an end
    channels = _run(backbone, clips)  # the first batch also loads and allocates
    fastest, end = math.inf, time.perf_counter() + seconds
    while fastest == math.inf or time.perf_counter() < end:
        begin = time.perf_counter()
        _run(backbone, clips)
        fastest = min(fastest, time.perf_counter() - begin)
    frames_per_second = SNIPPETS * backbone.stride / fastest
    return Speed(channels, frames_per_second, frames_per_second / backbone.rate)


def _run(backbone: Backbone, clips: Iterator[Tensor]) -> int:
    return backbone(torch.stack([*islice(clips, SNIPPETS)])).shape[1]
