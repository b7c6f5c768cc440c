"""Networks in files, for what reads them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rcl.video.backbones.i3d import I3D

onnx = pytest.importorskip("onnx")
node, value, FLOAT = onnx.helper.make_node, onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
Side = int | str


def save_graph(path: Path, nodes: Sequence, *, inputs: Sequence, output: object, weights: Sequence = ()) -> Path:
    graph = onnx.helper.make_graph(nodes, "network", inputs, [output], weights)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def write_onnx(path: Path, shape: Sequence[Side], *, axes: Sequence[int] = (2, 3, 4), rank: int = 5) -> Path:
    """A network of one matrix on the mean over some axes: r, g, b become r + g, b, 2 b, g."""
    weight = onnx.numpy_helper.from_array(np.array([[1, 0, 0, 0], [1, 0, 0, 1], [0, 1, 2, 0]], np.float32), "weight")
    rest = rank - len(axes)
    last, back = [0, *range(2, rest), 1], [0, rest - 1, *range(1, rest - 1)]
    nodes = [
        node("ReduceMean", ["video", "axes"], ["mean"], keepdims=0),
        node("Transpose", ["mean"], ["channels last"], perm=last),
        node("MatMul", ["channels last", "weight"], ["product"]),
        node("Transpose", ["product"], ["features"], perm=back),
    ]
    weights = [weight, onnx.numpy_helper.from_array(np.array(axes, np.int64), "axes")]
    output = value("features", FLOAT, [None] * rest)
    return save_graph(path, nodes, inputs=[value("video", FLOAT, shape)], output=output, weights=weights)


def write_script(network: nn.Module, path: Path, *, script: bool = False) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.jit.script(network) if script else torch.jit.trace(network, torch.zeros(2, 3, 4, 8, 8))
        torch.jit.save(exported, str(path))
    return path


def random_stream(in_channels: int, seed: int = 0) -> I3D:
    """A network whose activations neither vanish nor explode, with running statistics of its own."""
    torch.manual_seed(seed)
    network = I3D(in_channels).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm3d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network
