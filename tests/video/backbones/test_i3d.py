from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from networks import random_stream
from rcl.system.errors import InputError
from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.flow import gray, optical_flow, scaled_flow
from rcl.video.backbones.i3d import BRANCHES, I3D, I3DBackbone, Inception, SamePool, Unit, load_i3d, same_padding


@pytest.fixture(scope="module")
def rgb() -> I3D:
    return random_stream(3)


@pytest.fixture(scope="module")
def checkpoints(rgb: I3D, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("i3d")
    torch.save(rgb.state_dict(), folder / "rgb.pt")
    torch.save(random_stream(2, 1).state_dict(), folder / "flow.pt")
    return folder / "rgb.pt", folder / "flow.pt"


def snippets(batch: int, length: int, size: int = 32) -> Tensor:
    coarse = torch.rand(batch, 3, length, size // 8, size // 8, generator=torch.Generator().manual_seed(5))
    return (functional.interpolate(coarse, (length, size, size)) * 255).byte()


# -- the network -------------------------------------------------------------------------------------------------


def test_parameters_of_one_block_are_named_and_shaped_as_the_public_ones(rgb: I3D) -> None:
    shapes = {
        "b0.conv3d.weight": (64, 192, 1, 1, 1),
        "b1a.conv3d.weight": (96, 192, 1, 1, 1),
        "b1b.conv3d.weight": (128, 96, 3, 3, 3),
        "b2a.conv3d.weight": (16, 192, 1, 1, 1),
        "b2b.conv3d.weight": (32, 16, 3, 3, 3),
        "b3b.conv3d.weight": (32, 192, 1, 1, 1),
    }
    for branch, width in {"b0": 64, "b1a": 96, "b1b": 128, "b2a": 16, "b2b": 32, "b3b": 32}.items():
        for name in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{branch}.bn.{name}"] = (width,)
        shapes[f"{branch}.bn.num_batches_tracked"] = ()
    prefix = "Mixed_3b."
    weights = rgb.state_dict()
    found = {name.removeprefix(prefix): value.shape for name, value in weights.items() if name.startswith(prefix)}
    assert found == shapes


def test_blocks_and_size_of_the_network(rgb: I3D) -> None:
    first = ["Conv3d_1a_7x7", "MaxPool3d_2a_3x3", "Conv3d_2b_1x1", "Conv3d_2c_3x3", "MaxPool3d_3a_3x3"]
    fourth = ["MaxPool3d_4a_3x3", "Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"]
    names = [*first, "Mixed_3b", "Mixed_3c", *fourth, "MaxPool3d_5a_2x2", "Mixed_5b", "Mixed_5c"]
    assert [name for name, _ in rgb.named_children()] == names
    assert tuple(rgb.state_dict()["Conv3d_1a_7x7.conv3d.weight"].shape) == (64, 3, 7, 7, 7)
    # Kinetics-400 models of the publication have 12.7 million parameters, of which the classifier has 410 thousand.
    assert sum(parameter.numel() for parameter in rgb.parameters()) == 12_287_264
    widths = [branches[0] + branches[2] + branches[4] + branches[5] for branches in BRANCHES.values()]
    assert widths == [256, 480, 512, 512, 512, 528, 832, 832, 1024]


@pytest.mark.parametrize(("length", "height", "width"), [(8, 32, 64), (9, 33, 40), (1, 32, 32), (1, 1, 1)])
def test_any_size_down_to_one_pixel_of_one_frame(rgb: I3D, length: int, height: int, width: int) -> None:
    with torch.inference_mode():
        output = rgb(torch.zeros(1, 3, length, height, width))
    expected = (1, 1024, math.ceil(length / 8), math.ceil(height / 32), math.ceil(width / 32))
    assert output.shape == expected


def test_normalization_has_the_published_epsilon(rgb: I3D) -> None:
    layers = [module for module in rgb.modules() if isinstance(module, nn.BatchNorm3d)]
    assert {(layer.eps, layer.momentum) for layer in layers} == {(0.001, 0.01)}


# -- padding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_follows_tensorflow(kernel: int, stride: int) -> None:
    """As ``tf.nn`` documents SAME: ⌈n / s⌉ outputs, the fewest zeros, one more behind than in front where odd."""
    for size in range(1, 20):
        outputs = math.ceil(size / stride)
        front, behind = same_padding([size], [kernel], [stride])
        if size % stride == 0:
            assert front + behind == max(kernel - stride, 0)
        else:
            assert front + behind == max(kernel - size % stride, 0)
        assert behind - front in (0, 1)
        assert (size + front + behind - kernel) // stride + 1 == outputs


def test_padding_of_known_layers() -> None:
    assert same_padding([16, 224, 224], [7, 7, 7], [2, 2, 2]) == [2, 3, 2, 3, 2, 3]
    assert same_padding([8, 112, 111], [1, 3, 3], [1, 2, 2]) == [1, 1, 0, 1, 0, 0]  # width, height, time


def test_convolution_and_pooling_against_a_hand_made_line() -> None:
    line = torch.tensor([1.0, 2.0, 4.0, 3.0, 5.0]).view(1, 1, 5, 1, 1)
    assert SamePool((3, 1, 1), (2, 1, 1))(line).flatten().tolist() == [2, 4, 5]
    assert SamePool((3, 1, 1), (2, 1, 1))(line[:, :, :4]).flatten().tolist() == [4, 4]  # one zero behind, none before
    unit = Unit(1, 1, 3, stride=2).eval()
    nn.init.zeros_(unit.conv3d.weight)
    unit.conv3d.weight.data[0, 0, :, 1, 1] = torch.tensor([1.0, 10.0, 100.0])
    scale = math.sqrt(1 + 0.001)
    assert torch.allclose(unit(line).flatten() * scale, torch.tensor([210.0, 342.0, 53.0]))


@pytest.mark.parametrize(("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2))])
def test_pooling_by_axes_is_max_pooling(kernel: tuple, stride: tuple) -> None:
    x = torch.rand(2, 3, 5, 8, 9, generator=torch.Generator().manual_seed(0))
    padded = functional.pad(x, same_padding(x.shape[2:], kernel, stride))
    assert torch.equal(SamePool(kernel, stride)(x), functional.max_pool3d(padded, kernel, stride))


def test_branches_are_concatenated_in_order() -> None:
    torch.manual_seed(0)
    block = Inception(4, (2, 3, 5, 2, 3, 4)).eval()
    x = torch.rand(1, 4, 3, 5, 5)
    output = block(x)
    pooled = functional.max_pool3d(x, 3, 1, padding=1)
    assert output.shape == (1, 2 + 5 + 3 + 4, 3, 5, 5)
    assert torch.equal(output[:, :2], block.b0(x))
    assert torch.equal(output[:, 2:7], block.b1b(block.b1a(x)))
    assert torch.equal(output[:, 7:10], block.b2b(block.b2a(x)))
    assert torch.equal(output[:, 10:], block.b3b(pooled))


# -- checkpoints -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["bare", "state_dict", "module.", "without classifier", "before torch 0.4.1"])
def test_forms_of_a_checkpoint(rgb: I3D, tmp_path: Path, form: str) -> None:
    weights = rgb.state_dict()
    content: dict = {
        **weights,
        "logits.conv3d.weight": torch.zeros(400, 1024, 1, 1, 1),
        "logits.conv3d.bias": torch.zeros(400),
    }
    if form == "without classifier":
        content = dict(weights)
    if form == "module.":
        content = {f"module.{name}": value for name, value in content.items()}
    if form == "state_dict":
        content = {"state_dict": content, "epoch": 3, "arch": "i3d"}
    old = form == "before torch 0.4.1"
    if old:
        content = {name: value for name, value in content.items() if not name.endswith("num_batches_tracked")}
    torch.save(content, tmp_path / "rgb.pt", _use_new_zipfile_serialization=not old)
    loaded = load_i3d(tmp_path / "rgb.pt", 3)
    assert not loaded.training
    assert [name for name, value in loaded.state_dict().items() if not torch.equal(value, weights[name])] == []


def test_another_architecture_is_refused(rgb: I3D, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    with pytest.raises(
        InputError, match=r"x\.pt: expected Conv3d_1a_7x7\.conv3d\.weight of shape .*, found no such weights"
    ):
        load_i3d(path, 3)
    weights = rgb.state_dict()
    weights["Mixed_4c.b1b.conv3d.weight"] = torch.zeros(1, 2, 3)
    torch.save(weights, path)
    with pytest.raises(InputError, match=r"Mixed_4c\.b1b\.conv3d\.weight of .*\(224, 112, 3, 3, 3\).*\(1, 2, 3\)"):
        load_i3d(path, 3)
    del weights["Mixed_5c.b0.bn.running_var"], weights["Mixed_4c.b1b.conv3d.weight"]
    torch.save(weights, path)
    with pytest.raises(InputError, match=r"Mixed_4c\.b1b\.conv3d\.weight .* found no such weights; give a checkpoint"):
        load_i3d(path, 3)


def test_damaged_files_and_code_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file, found no such file"):
        load_i3d(tmp_path / "none.pt", 3)
    (tmp_path / "text.pt").write_text("weights")
    torch.save(I3D, tmp_path / "class.pt")
    torch.save([torch.zeros(3)], tmp_path / "list.pt")
    torch.save({"state_dict": 3}, tmp_path / "number.pt")
    for name in ("text", "class", "list", "number"):
        with pytest.raises(InputError, match=rf"{name}\.pt: expected a state dict of tensors"):
            load_i3d(tmp_path / f"{name}.pt", 3)


def test_exchanged_streams_are_refused(checkpoints: tuple[Path, Path]) -> None:
    rgb, flow = checkpoints
    with pytest.raises(InputError, match=r"flow\.pt: .*I3D's RGB stream, found one of the flow stream"):
        I3DBackbone(flow)
    with pytest.raises(InputError, match=r"rgb\.pt: .*I3D's flow stream, found one of the RGB stream"):
        I3DBackbone(rgb, flow=rgb)


# -- the backbone ------------------------------------------------------------------------------------------------


def test_usual_snippets(checkpoints: tuple[Path, Path]) -> None:
    backbone = I3DBackbone(checkpoints[0])
    assert (backbone.rate, backbone.window, backbone.stride, backbone.fixed_window) == (30, 16, 4, None)
    assert backbone.frame_size == FrameSize(short=256, crop=224)
    assert I3DBackbone(checkpoints[0], size=64).frame_size == FrameSize(short=64, crop=64)


def test_features_are_the_mean_of_the_last_block(rgb: I3D, checkpoints: tuple[Path, Path]) -> None:
    frames = snippets(2, 10, 40)
    backbone = I3DBackbone(checkpoints[0], size=40)
    features = backbone(frames)
    with torch.inference_mode():
        expected = rgb(frames / 127.5 - 1).mean((2, 3, 4))
    assert (features.dtype, features.shape) == (torch.float32, (2, 1024))
    assert features.std() > 0.01
    assert torch.allclose(features, expected, atol=1e-5)
    assert torch.allclose(backbone(frames[1:]), features[1:], rtol=1e-4, atol=1e-5)
    assert backbone(snippets(1, 1)).shape == (1, 1024)


def test_flow_comes_after_rgb(checkpoints: tuple[Path, Path]) -> None:
    frames = snippets(2, 9)
    features = I3DBackbone(checkpoints[0], flow=checkpoints[1])(frames)
    flow = torch.stack([scaled_flow(optical_flow(gray(snippet))) for snippet in frames])
    with torch.inference_mode():
        expected = load_i3d(checkpoints[1], 2)(flow).mean((2, 3, 4))
    assert features.shape == (2, 2048)
    assert torch.allclose(features[:, :1024], I3DBackbone(checkpoints[0])(frames), atol=1e-6)
    assert torch.allclose(features[:, 1024:], expected, atol=1e-5)
