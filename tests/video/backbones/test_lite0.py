"""EfficientNet-Lite0 as an ONNX graph is the network that its weights were trained in."""

from __future__ import annotations

import builtins
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, pad, relu6

from rcl.system.errors import InputError
from rcl.video.backbones import lite0
from rcl.video.backbones.build import build_backbone
from rcl.video.backbones.lite0 import Lite0Backbone, weights_file
from rcl.video.backbones.options import BackboneOptions
from rcl.video.extraction import choose_extraction, extract_features, rebuild_backbone
from rendered import render

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip(lite0.PACKAGE)

# The published stages: repeats, kernel, stride, expansion, channels (Tan and Le, Table 1, with the width of B0).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
Weights = dict[str, Tensor]


@pytest.fixture(scope="module")
def weights() -> Weights:
    return torch.load(weights_file(), weights_only=True)


@pytest.fixture(scope="module")
def backbone() -> Lite0Backbone:
    return Lite0Backbone()


def pictures(count: int, height: int, width: int) -> Tensor:
    """Smooth pictures, which are closer to what the network knows than noise."""
    coarse = torch.randint(0, 256, (count, 3, 5, 7), generator=torch.Generator().manual_seed(0)).float()
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear").round().to(torch.uint8)


def convolution(x: Tensor, weights: Weights, name: str, norm: str, stride: int = 1) -> Tensor:
    """TensorFlow's ``same`` convolution, then batch norm."""
    kernel = weights[f"{name}.weight"]
    size = kernel.shape[-1]
    padding: list[int] = []
    for side in reversed(x.shape[2:]):
        missing = max((-(-side // stride) - 1) * stride + size - side, 0)
        padding += [missing // 2, missing - missing // 2]
    x = conv2d(pad(x, padding), kernel, stride=stride, groups=len(kernel) if kernel.shape[1] == 1 else 1)
    mean, variance, gain, bias = (
        weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return batch_norm(x, mean, variance, gain, bias, eps=1e-3)


def network(frames: Tensor, weights: Weights) -> Tensor:
    """By hand, from the published table: ``(N, 3, H, W)`` uint8 → ``(N, 1280)``."""
    x = relu6(convolution((frames.float() - 127) / 128, weights, "_conv_stem", "_bn0", stride=2))
    number = 0
    for repeats, kernel, stride, expansion, channels in STAGES:
        for repeat in range(repeats):
            name, before = f"_blocks.{number}.", x
            assert weights[f"{name}_depthwise_conv.weight"].shape[2:] == (kernel, kernel)
            if expansion > 1:
                x = relu6(convolution(x, weights, f"{name}_expand_conv", f"{name}_bn0"))
                assert x.shape[1] == expansion * before.shape[1]
            x = relu6(convolution(x, weights, f"{name}_depthwise_conv", f"{name}_bn1", 1 if repeat else stride))
            x = convolution(x, weights, f"{name}_project_conv", f"{name}_bn2")
            assert x.shape[1] == channels
            x = x + before if repeat else x
            number += 1
    return relu6(convolution(x, weights, "_conv_head", "_bn1")).mean((2, 3))


@pytest.mark.parametrize(("height", "width"), [(224, 224), (96, 131)])
def test_the_graph_is_the_published_network(height: int, width: int, backbone: Lite0Backbone, weights: Weights) -> None:
    frames = pictures(2, height, width)
    found, expected = backbone.encoder(frames), network(frames, weights)
    assert found.shape == (2, 1280)
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_all_weights_are_used(backbone: Lite0Backbone, weights: Weights) -> None:
    used = set[str]()

    class Watched(dict):
        def __getitem__(self, name: str) -> Any:
            used.add(name)
            return super().__getitem__(name)

    lite0.lite0_model(Watched({name: value.numpy() for name, value in weights.items()}))
    unused = {name for name in weights if not name.endswith("num_batches_tracked")} - used
    assert unused == {"_fc.weight", "_fc.bias"}  # the classifier


def test_features_of_a_snippet_are_mean_and_change(backbone: Lite0Backbone) -> None:
    frames = pictures(6, 40, 56).unflatten(0, (2, 3)).transpose(1, 2)  # (2, 3, 3, 40, 56)
    features = backbone(frames)
    each = torch.stack([backbone.encoder(clip.transpose(0, 1)) for clip in frames])  # (2, 3, 1280)
    mean = each.sum(1) / 3
    change = ((each[:, 1] - each[:, 0]).abs() + (each[:, 2] - each[:, 1]).abs()) / 2
    assert (features.shape, features.dtype) == ((2, 2560), torch.float32)
    torch.testing.assert_close(features, torch.cat((mean, change), 1), atol=1e-4, rtol=1e-4)
    still = backbone(frames[:, :, :1].expand(-1, -1, 3, -1, -1))
    assert still[:, 1280:].abs().max() < 1e-4
    alone = backbone(frames[:, :, :1])  # a single frame
    assert torch.equal(alone[:, 1280:], torch.zeros(2, 1280))


def test_whole_frames_and_defaults(backbone: Lite0Backbone) -> None:
    assert backbone.frame_size(torch.zeros(3, 240, 320, dtype=torch.uint8)).shape == (3, 224, 299)
    settings = choose_extraction("lite0", BackboneOptions(size=64))[1]
    assert (settings.rate, settings.window, settings.stride) == (5, 2, 1)
    assert settings.weights == {"lite0": backbone.weights_digest}
    assert Lite0Backbone(size=64).frame_size(torch.zeros(3, 240, 320, dtype=torch.uint8)).shape == (3, 64, 85)
    with pytest.raises(InputError, match="--pooling: expected an option of the backbone lite0"):
        build_backbone("lite0", BackboneOptions(pooling="mean"))


def test_extraction_of_a_video(tmp_path: Path) -> None:
    render(tmp_path / "x.mp4", frames=25, rate=10)
    backbone, settings = choose_extraction("lite0", BackboneOptions(size=32))
    found = extract_features(tmp_path / "x.mp4", backbone, settings)
    assert found.features.shape == (12, 2560)
    assert found.snippets_per_second == 5
    again = extract_features(tmp_path / "x.mp4", rebuild_backbone(settings), settings)
    assert (again.features == found.features).all()


def test_other_weights_are_refused() -> None:
    settings = choose_extraction("lite0")[1].model_copy(update={"weights": {"lite0": "0" * 64}})
    with pytest.raises(InputError, match="expected the weights that the features were extracted with"):
        rebuild_backbone(settings)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", lite0.PACKAGE])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    imported, find_spec = builtins.__import__, importlib.util.find_spec

    def without(name: str, *others: Any, **more: Any) -> Any:
        if name == package:
            raise ImportError(name)
        return imported(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(lite0, "find_spec", lambda name: None if name == package else find_spec(name))
    expected = package.replace("_", "-")
    with pytest.raises(InputError, match=rf"lite0: expected the package {expected}, .*'\.\[appearance\]'"):
        Lite0Backbone()


def test_the_change_alone(backbone: Lite0Backbone) -> None:
    frames = pictures(4, 40, 56).unflatten(0, (2, 2)).transpose(1, 2)  # (2, 3, 2, 40, 56)
    change = build_backbone("lite0-change", BackboneOptions())
    torch.testing.assert_close(change(frames), backbone(frames)[:, 1280:])
    assert choose_extraction("lite0-change")[1].weights == {"lite0-change": backbone.weights_digest}
