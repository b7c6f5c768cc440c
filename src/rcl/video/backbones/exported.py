"""Backbones from networks that were exported to a file: ONNX and TorchScript."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from rcl.system.errors import InputError
from rcl.system.paths import PathLike, check_is_file
from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.onnx_session import last_line, open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SIZE = 224
WINDOW = 16
RATE = 15.0
INPUT = "one input of float32 (batch, 3, frames, height, width)"


class ONNXBackbone:
    """A network in an ONNX file, run by ONNX Runtime on the CPU with torch's number of threads.

    Its only input is float32 ``(B, 3, L, H, W)``, RGB frames as ``(value / 255 - mean) / std``. Its first output is
    ``(B, C)``, or ``(B, C, ...)`` which is averaged over all further axes. The file may fix the number of frames, the
    height and the width. If it fixes the batch size, batches are padded.

    Args:
        path: the file.
        size: shorter side of the frames, which are then cropped to a square; by default that of the file, else 224.
        mean: per channel, for values in [0, 1].
        std: per channel.

    Raises:
        InputError: the file cannot be read, has another kind of input, or fixes another ``size``.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        size: int | None = None,
        mean: Sequence[float] = (0, 0, 0),
        std: Sequence[float] = (1, 1, 1),
    ) -> None:
        self.path = Path(path)
        self._mean, self._std = _normalization(mean, std, torch.device("cpu"))
        check_is_file(self.path)
        self._session = open_session(self.path, where=self.path)
        self._input, shape = _checked_input(self._session, self.path)
        self._output = _checked_output(self._session, self.path)
        self._batch, _, frames, height, width = (side if isinstance(side, int) else None for side in shape)
        size = _agreed_size(self.path, size, height, width)
        self.frame_size = FrameSize(short=size, crop=size)
        self.fixed_window = frames
        self.window = frames or WINDOW
        self.stride = max(1, self.window // 4)
        self.rate = RATE

    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, H, W)`` uint8 → features ``(B, C)`` float32."""
        return torch.cat([self._features(part) for part in frames.split(self._batch or len(frames))])

    def _features(self, frames: Tensor) -> Tensor:
        inputs = _normalized(frames, self._mean, self._std)
        if self._batch is not None:
            inputs = functional.pad(inputs, (0, 0) * 4 + (0, self._batch - len(frames)))
        try:
            (output,) = self._session.run([self._output], {self._input: inputs.numpy()})
        except Exception as error:  # onnxruntime has no common base class
            raise _failed(self.path, frames, error) from None
        return _pooled(torch.from_numpy(output), len(inputs), self.path)[: len(frames)]


class TorchScriptBackbone:
    """A network in a TorchScript file, written by ``torch.jit.save`` after ``torch.jit.trace`` or ``torch.jit.script``.

    A TorchScript file holds a program, which is run: only use files that you trust. The input is float32
    ``(B, 3, L, H, W)``, RGB frames as ``(value / 255 - mean) / std``. The output is ``(B, C)``, or ``(B, C, ...)``
    which is averaged over all further axes; of several outputs the first is used.

    Args:
        path: the file.
        size: shorter side of the frames, which are then cropped to a square; by default 224.
        mean: per channel, for values in [0, 1].
        std: per channel.
        device: where the network runs.

    Raises:
        InputError: the file cannot be read.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        size: int | None = None,
        mean: Sequence[float] = (0, 0, 0),
        std: Sequence[float] = (1, 1, 1),
        device: torch.device | str = "cpu",
    ) -> None:
        self.path = Path(path)
        self.device = torch.device(device)
        self._mean, self._std = _normalization(mean, std, self.device)
        self._network = _open_script(self.path, self.device)
        self.frame_size = FrameSize(short=size or SIZE, crop=size or SIZE)
        self.fixed_window: int | None = None
        self.window = WINDOW
        self.stride = WINDOW // 4
        self.rate = RATE

    @torch.inference_mode()
    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, H, W)`` uint8 → features ``(B, C)`` float32 on the CPU."""
        inputs = _normalized(frames.to(self.device), self._mean, self._std)
        try:
            output = self._network(inputs)
        except Exception as error:  # the program in the file may raise anything
            raise _failed(self.path, frames, error) from None
        if isinstance(output, list | tuple) and output:
            output = output[0]
        return _pooled(output, len(frames), self.path)


def _checked_input(session: InferenceSession, path: Path) -> tuple[str, list[int | str | None]]:
    """The name of a network's input, and its shape with a number for each axis that the file fixes."""
    inputs = session.get_inputs()
    shape = list(inputs[0].shape) if len(inputs) == 1 else []
    if len(shape) != 5 or inputs[0].type != "tensor(float)" or (isinstance(shape[1], int) and shape[1] != 3):
        found = "; ".join(f"{each.name}: {each.type} {each.shape}" for each in inputs) or "none"
        raise InputError(path, expected=INPUT, found=found, fix="export the network with that input")
    return inputs[0].name, shape


def _checked_output(session: InferenceSession, path: Path) -> str:
    """The name of a network's first output. A rank that the file does not state is checked when the network runs."""
    first = session.get_outputs()[0]
    if first.type != "tensor(float)" or len(first.shape) == 1:
        found, fix = f"{first.name}: {first.type} {first.shape}", "export the network with features as its first output"
        raise InputError(path, expected="a first output of float32 (batch, channels)", found=found, fix=fix)
    return first.name


def _open_script(path: Path, device: torch.device) -> torch.jit.ScriptModule:
    check_is_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated, but still in use
            return torch.jit.load(str(path), map_location=device).eval()
    except Exception as error:  # damaged bytes make the parser raise anything
        fix = "save the network with torch.jit.save"
        raise InputError(path, expected="a TorchScript file", found=last_line(error), fix=fix) from None


def _agreed_size(path: Path, size: int | None, height: int | None, width: int | None) -> int:
    sides = {side for side in (height, width) if side is not None}
    if len(sides) > 1:
        found, fix = f"{height} × {width}", "export the network for squares"
        raise InputError(path, expected="square frames", found=found, fix=fix)
    fixed = sides.pop() if sides else None
    if size is not None and fixed is not None and size != fixed:
        raise InputError("--size", expected=f"{fixed}, the size in {path}", found=str(size), fix="omit it")
    return size or fixed or SIZE


def _normalization(mean: Sequence[float], std: Sequence[float], device: torch.device) -> tuple[Tensor, Tensor]:
    if not all(value > 0 for value in std):
        raise InputError("--std", expected="three positive numbers", found=str(tuple(std)), fix="correct them")
    of_channels = [torch.tensor(values, dtype=torch.float32, device=device) for values in (mean, std)]
    return of_channels[0].view(3, 1, 1, 1), of_channels[1].view(3, 1, 1, 1)


def _normalized(frames: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return frames.float().div_(255).sub_(mean).div_(std)  # (B, 3, L, H, W)


def _pooled(output: Any, batch: int, path: Path) -> Tensor:
    if not isinstance(output, Tensor) or not output.is_floating_point() or output.ndim < 2 or len(output) != batch:
        described = isinstance(output, Tensor)
        found = f"{output.dtype} {tuple(output.shape)}" if described else f"a {type(output).__name__}"
        fix = "export the network with features as its first output"
        raise InputError(path, expected=f"features ({batch}, C) of {batch} snippets", found=found, fix=fix)
    return output.float().flatten(2).mean(2).cpu() if output.ndim > 2 else output.float().cpu()


def _failed(path: Path, frames: Tensor, error: Exception) -> InputError:
    expected = f"a network that takes snippets {tuple(frames.shape)} (batch, 3, frames, height, width)"
    fix = "set --size and --window as in its export, or export it again"
    return InputError(path, expected=expected, found=last_line(error), fix=fix)
