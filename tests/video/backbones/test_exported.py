from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from networks import save_graph, write_onnx, write_script
from rcl.system.errors import InputError
from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.exported import ONNXBackbone, TorchScriptBackbone

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

node, value, FLOAT = onnx.helper.make_node, onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.5)
Side = int | str


def snippets(batch: int, length: int = 4, size: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, 3, length, size, size), generator=generator, dtype=torch.uint8)


def normalized(frames: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (MEAN, STD))
    return (frames / 255 - mean) / std


def expected_of(frames: Tensor) -> Tensor:
    red, green, blue = normalized(frames).mean((2, 3, 4)).unbind(1)
    return torch.stack([red + green, blue, 2 * blue, green], 1)


# -- ONNX --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", ["B", 1, 2])
def test_onnx_with_any_batch(tmp_path: Path, batch: Side) -> None:
    path = write_onnx(tmp_path / "x.onnx", [batch, 3, "L", "H", "W"])
    backbone = ONNXBackbone(path, size=8, mean=MEAN, std=STD)
    frames = snippets(5)
    features = backbone(frames)
    assert (features.dtype, features.shape) == (torch.float32, (5, 4))
    assert torch.allclose(features, expected_of(frames), atol=1e-5)
    assert torch.allclose(backbone(frames[3:4]), features[3:4], atol=1e-6)


def test_onnx_takes_what_the_file_fixes(tmp_path: Path) -> None:
    backbone = ONNXBackbone(write_onnx(tmp_path / "fixed.onnx", ["B", 3, 10, 8, 8]))
    assert (backbone.fixed_window, backbone.window, backbone.stride) == (10, 10, 2)
    assert backbone.frame_size == FrameSize(short=8, crop=8)
    with pytest.raises(InputError, match=r"--size: expected 8, the size in .*fixed\.onnx, found 9; omit it"):
        ONNXBackbone(tmp_path / "fixed.onnx", size=9)
    free = ONNXBackbone(write_onnx(tmp_path / "free.onnx", ["B", 3, "L", "H", "W"]))
    assert (free.fixed_window, free.window, free.stride, free.rate) == (None, 16, 4, 15)
    assert free.frame_size == FrameSize(short=224, crop=224)
    half = ONNXBackbone(write_onnx(tmp_path / "half.onnx", ["B", 3, 1, "H", 8]))
    assert (half.frame_size.short, half.stride) == (8, 1)


def test_onnx_values_are_in_unit_range_by_default(tmp_path: Path) -> None:
    backbone = ONNXBackbone(write_onnx(tmp_path / "x.onnx", ["B", 3, "L", "H", "W"]))
    assert backbone(torch.full((1, 3, 2, 4, 4), 255, dtype=torch.uint8)).tolist() == [[2, 1, 2, 1]]


def test_onnx_outputs_of_more_axes_are_averaged(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "x.onnx", ["B", 3, "L", "H", "W"], axes=[3, 4])  # features (B, 4, L)
    frames = snippets(2)
    assert torch.allclose(ONNXBackbone(path, mean=MEAN, std=STD)(frames), expected_of(frames), atol=1e-5)


def test_onnx_threads_are_those_of_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_onnx(tmp_path / "x.onnx", ["B", 3, "L", "H", "W"])
    threads, session = [], onnxruntime.InferenceSession

    def opened(path: Path, options: Any, **others: Any) -> Any:
        threads.append(options.intra_op_num_threads)
        return session(path, options, **others)

    monkeypatch.setattr("onnxruntime.InferenceSession", opened)
    ONNXBackbone(path)
    assert threads == [torch.get_num_threads()]


@pytest.mark.parametrize(
    ("shape", "parts"),
    [
        (["B", 3, 8, 8], ["one input of float32 (batch, 3, frames, height, width)", "tensor(float) ['B', 3, 8, 8]"]),
        (["B", 16, 3, 8, 8], ["['B', 16, 3, 8, 8]", "export the network"]),
        (["B", 3, 16, 8, 10], ["square frames", "8 × 10"]),
    ],
)
def test_onnx_inputs_of_another_shape(tmp_path: Path, shape: list[Side], parts: list[str]) -> None:
    pooling, inputs = [node("GlobalAveragePool", ["x"], ["y"])], [value("x", FLOAT, shape)]
    path = save_graph(tmp_path / "x.onnx", pooling, inputs=inputs, output=value("y", FLOAT, [None] * len(shape)))
    with pytest.raises(InputError) as caught:
        ONNXBackbone(path)
    assert [part for part in ["x.onnx", *parts] if part not in str(caught.value)] == []


def test_onnx_inputs_of_another_kind(tmp_path: Path) -> None:
    video, other = (value(name, onnx.TensorProto.UINT8, ["B", 3, "L", 8, 8]) for name in ("video", "other"))
    cast, output = node("Cast", ["video"], ["y"], to=FLOAT), value("y", FLOAT, [None] * 5)
    with pytest.raises(InputError, match=r"float32 .*, found video: tensor\(uint8\) \['B', 3, 'L', 8, 8\];"):
        ONNXBackbone(save_graph(tmp_path / "x.onnx", [cast], inputs=[video], output=output))
    with pytest.raises(InputError, match=r"one input .*, found video: .*; other: "):
        ONNXBackbone(save_graph(tmp_path / "x.onnx", [cast], inputs=[video, other], output=output))


VIDEO = ("x", FLOAT, ["B", 3, "L", "H", "W"])


def test_onnx_outputs_of_another_kind(tmp_path: Path) -> None:
    output = value("y", onnx.TensorProto.INT64, [5])
    path = save_graph(tmp_path / "x.onnx", [node("Shape", ["x"], ["y"])], inputs=[value(*VIDEO)], output=output)
    with pytest.raises(InputError, match=r"a first output of float32 .*, found y: tensor\(int64\)"):
        ONNXBackbone(path)


def test_onnx_outputs_that_mix_the_batch(tmp_path: Path) -> None:
    flat = node("Flatten", ["x"], ["y"], axis=0)  # (1, everything)
    path = save_graph(tmp_path / "x.onnx", [flat], inputs=[value(*VIDEO)], output=value("y", FLOAT, [None, None]))
    with pytest.raises(InputError, match=r"features \(2, C\) of 2 snippets, found torch\.float32 \(1, 1536\)"):
        ONNXBackbone(path)(snippets(2))


def test_onnx_of_a_window_that_shows_only_when_it_runs(tmp_path: Path) -> None:
    weight = onnx.numpy_helper.from_array(np.ones((1, 1, 7, 1, 1), np.float32), "weight")
    nodes, output = [node("Add", ["x", "weight"], ["y"])], value("y", FLOAT, [None] * 5)
    path = save_graph(tmp_path / "x.onnx", nodes, inputs=[value(*VIDEO)], output=output, weights=[weight])
    backbone = ONNXBackbone(path)
    assert backbone(snippets(2, 7)).shape == (2, 3)
    with pytest.raises(InputError, match=r"takes snippets \(2, 3, 4, 8, 8\) .*; set --size and --window"):
        backbone(snippets(2, 4))


# -- TorchScript -------------------------------------------------------------------------------------------------


class Network(nn.Module):
    def __init__(self, *, axes: int = 0, several: bool = False) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(3, 6, 2)
        self.dropout = nn.Dropout(0.5)
        self.axes, self.several = axes, several

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        y = self.dropout(self.convolution(x))
        y = y.mean((2, 3, 4)) if self.axes == 0 else y.mean((3, 4))
        return (y, x) if self.several else y


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("axes", [0, 1])
def test_torchscript(tmp_path: Path, axes: int, several: bool) -> None:
    torch.manual_seed(0)
    network = Network(axes=axes, several=several).eval()
    backbone = TorchScriptBackbone(write_script(network, tmp_path / "x.pt"), size=8, mean=MEAN, std=STD)
    frames = snippets(3, 6)
    features = backbone(frames)
    with torch.inference_mode():
        expected = network.convolution(normalized(frames)).mean((2, 3, 4))
    assert (features.dtype, features.shape) == (torch.float32, (3, 6))
    assert torch.allclose(features, expected, atol=1e-5)
    assert torch.allclose(backbone(frames[1:2]), features[1:2], atol=1e-6)
    assert (backbone.rate, backbone.window, backbone.stride, backbone.fixed_window) == (15, 16, 4, None)
    assert backbone.frame_size == FrameSize(short=8, crop=8)
    assert TorchScriptBackbone(tmp_path / "x.pt").frame_size.short == 224


class Doubling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x.mean((2, 3, 4))
        return y + 1 if self.training else 2 * y


def test_scripts_run_as_in_evaluation(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backbone = TorchScriptBackbone(write_script(Doubling(), tmp_path / "x.pt", script=True))
        features = backbone(torch.full((1, 3, 2, 4, 4), 255, dtype=torch.uint8))
    assert features.tolist() == [[2, 2, 2]]
    assert capfd.readouterr() == ("", "")


class Whole(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean()


class Fixed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, 3 * 4 * 8 * 8) if x.shape[2] == 4 else x.reshape(7, 5)


def test_torchscript_of_other_networks(tmp_path: Path) -> None:
    whole = TorchScriptBackbone(write_script(Whole(), tmp_path / "whole.pt"))
    with pytest.raises(InputError, match=r"whole\.pt: expected features \(1, C\) .*, found torch\.float32 \(\)"):
        whole(snippets(1))
    fixed = TorchScriptBackbone(write_script(Fixed(), tmp_path / "fixed.pt", script=True))
    assert fixed(snippets(2)).shape == (2, 768)
    with pytest.raises(InputError, match=r"\(1, 3, 5, 8, 8\) .* found .*shape '\[7, 5\]' is invalid .*; set --size"):
        fixed(snippets(1, 5))


# -- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ONNXBackbone, TorchScriptBackbone])
def test_files_that_hold_no_network(tmp_path: Path, kind: type, capfd: pytest.CaptureFixture[str]) -> None:
    named = "an ONNX file" if kind is ONNXBackbone else "a TorchScript file"
    whole = write_onnx(tmp_path / "whole", ["B", 3, "L", "H", "W"])
    if kind is TorchScriptBackbone:
        write_script(Network(), whole)
    (tmp_path / "cut").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "text").write_text("a network")
    (tmp_path / "empty").write_bytes(b"")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "weights")
    capfd.readouterr()
    for name in ("cut", "text", "empty", "weights"):
        with pytest.raises(InputError, match=rf"{name}: expected {named}"):
            kind(tmp_path / name)
    for name, found in (("none", "no such file"), ("", "a folder")):
        with pytest.raises(InputError, match=f"expected a file, found {found}"):
            kind(tmp_path / name)
    with pytest.raises(InputError, match="--std: expected three positive numbers"):
        kind(whole, std=(0.5, 0, 0.5))
    assert capfd.readouterr() == ("", "")
