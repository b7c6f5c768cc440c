"""Networks of images, frame by frame: what they are given, and what becomes of their features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from networks import write_onnx
from rcl.system.errors import InputError
from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.build import build_backbone
from rcl.video.backbones.frame_by_frame import FrameByFrame
from rcl.video.backbones.huggingface import HuggingFaceBackbone
from rcl.video.backbones.options import BackboneOptions
from rcl.video.extraction import choose_extraction, extract_features, rebuild_backbone
from rendered import render

transformers = pytest.importorskip("transformers")
pytest.importorskip("onnxruntime")

SIDE, PATCH = 16, 4
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.5)
SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE}
VISION = {**SMALL, "intermediate_size": 32, "patch_size": PATCH}
TEXT: dict[str, Any] = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "vocab_size": 9,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
PROCESSOR = {"image_mean": MEAN, "image_std": STD, "rescale_factor": 1 / 255}
CROPPED = {"size": {"shortest_edge": 20}, "crop_size": {"height": SIDE, "width": SIDE}, "resample": 3}


def build(kind: str) -> Any:
    """A small model with random weights, which differ so much that its features do."""
    torch.manual_seed(0)
    t = transformers
    model = {
        "dinov2": lambda: t.Dinov2Model(t.Dinov2Config(patch_size=PATCH, mlp_ratio=2, **SMALL)),
        "dinov2_with_registers": lambda: t.Dinov2WithRegistersModel(
            t.Dinov2WithRegistersConfig(patch_size=PATCH, mlp_ratio=2, num_register_tokens=3, **SMALL)
        ),
        "dinov3_vit": lambda: t.DINOv3ViTModel(t.DINOv3ViTConfig(num_register_tokens=2, **VISION)),
        "dinov3_convnext": lambda: t.DINOv3ConvNextModel(
            t.DINOv3ConvNextConfig(hidden_sizes=[8, 8, 8, 16], depths=[1, 1, 1, 1], image_size=SIDE)
        ),
        "clip": lambda: t.CLIPModel(t.CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=8)),
        "clip_vision_model": lambda: t.CLIPVisionModel(t.CLIPVisionConfig(**VISION)),
        "siglip": lambda: t.SiglipModel(t.SiglipConfig(vision_config=VISION, text_config=TEXT)),
        "siglip_vision_model": lambda: t.SiglipVisionModel(t.SiglipVisionConfig(**VISION)),
    }[kind]()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


KINDS = (
    "dinov2",
    "dinov2_with_registers",
    "dinov3_vit",
    "dinov3_convnext",
    "clip",
    "clip_vision_model",
    "siglip",
    "siglip_vision_model",
)
BEFORE_PATCHES = {"dinov2_with_registers": 4, "dinov3_vit": 3, "siglip": 0, "siglip_vision_model": 0}  # else 1


def save(model: Any, folder: Path, **says: Any) -> str:
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({**PROCESSOR, **CROPPED, **says}))
    return str(folder)


def snippets(batch: int, length: int = 3, size: int = SIDE) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (batch, 3, length, size, size), generator=generator, dtype=torch.uint8)


def output_of(model: Any, frames: Tensor, **more: Any) -> Any:
    """By hand, frame by frame: ``(N, 3, H, W)`` uint8."""
    pixels = (frames / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.inference_mode():
        return getattr(model, "vision_model", model)(pixel_values=pixels, **more)


def pooled(each: Tensor) -> Tensor:
    """Mean and mean absolute change: ``(B, L, C)`` → ``(B, 2C)``."""
    return torch.cat((each.mean(1), (each[:, 1:] - each[:, :-1]).abs().mean(1)), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_the_model(kind: str, tmp_path: Path) -> None:
    model = build(kind)
    side = 64 if kind == "dinov3_convnext" else SIDE  # which halves the sides five times
    folder = save(model, tmp_path, size=side, crop_size=side)
    clips = snippets(2, size=side)
    frames = clips.transpose(1, 2).flatten(0, 1)
    output = output_of(model, frames)
    for name in (f"hf:{folder}", f"image:{folder}"):
        backbone = build_backbone(name, BackboneOptions())
        assert isinstance(backbone, FrameByFrame)
        features = backbone(clips)
        assert (features.shape, features.dtype) == ((2, 32), torch.float32)
        assert features.std(0).min() > 1e-5
        torch.testing.assert_close(features, pooled(output.pooler_output.unflatten(0, (2, 3))), atol=1e-4, rtol=1e-4)
    assert (backbone.rate, backbone.window, backbone.stride, backbone.fixed_window) == (5, 2, 1, None)

    patches = output.last_hidden_state[:, BEFORE_PATCHES.get(kind, 1) :]
    if kind != "dinov3_convnext":
        assert patches.shape[1] == (SIDE // PATCH) ** 2
    means = build_backbone(f"hf:{folder}", BackboneOptions(pooling="mean"))(clips)
    torch.testing.assert_close(means, pooled(patches.mean(1).unflatten(0, (2, 3))), atol=1e-4, rtol=1e-4)
    cls = BackboneOptions(pooling="cls")
    if kind in ("siglip", "siglip_vision_model", "dinov3_convnext"):
        with pytest.raises(InputError, match=f"--pooling: expected a model with a CLS token, found {kind}"):
            build_backbone(f"hf:{folder}", cls)
    else:
        assert torch.equal(build_backbone(f"hf:{folder}", cls)(clips), features)


@pytest.mark.parametrize("kind", ["dinov2", "dinov3_vit", "clip_vision_model", "siglip_vision_model"])
def test_other_sizes(kind: str, tmp_path: Path) -> None:
    model = build(kind)
    folder, clips = save(model, tmp_path), snippets(2, size=24)
    backbone = build_backbone(f"hf:{folder}", BackboneOptions(size=24))
    assert backbone.frame_size == FrameSize(short=30, crop=24, interpolation="bicubic")  # 20 to 16 as 30 to 24
    more = {"interpolate_pos_encoding": True} if kind in ("clip_vision_model", "siglip_vision_model") else {}
    expected = output_of(model, clips.transpose(1, 2).flatten(0, 1), **more).pooler_output
    torch.testing.assert_close(backbone(clips), pooled(expected.unflatten(0, (2, 3))), atol=1e-4, rtol=1e-4)
    with pytest.raises(InputError, match="--size: expected a multiple of 4, found 18"):
        build_backbone(f"hf:{folder}", BackboneOptions(size=18))


# -- what a model is given ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (CROPPED, FrameSize(short=20, crop=16, interpolation="bicubic")),
        ({**CROPPED, "do_center_crop": False, "size": {"height": 16, "width": 16}, "resample": 2},
         FrameSize(short=16, crop=16, keep_aspect=False)),
        ({"size": 20, "crop_size": 16, "do_center_crop": True}, FrameSize(short=20, crop=16)),
        ({"size": {"height": 32, "width": 32}, "resample": 3},
         FrameSize(short=32, crop=32, keep_aspect=False, interpolation="bicubic")),
        ({}, FrameSize(short=16, crop=16)),
    ],
)  # fmt: skip
def test_the_preprocessor_file_says_how_frames_are_resized(
    says: dict[str, Any], expected: FrameSize, tmp_path: Path
) -> None:
    build("dinov2").save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**PROCESSOR, **says}))
    backbone = build_backbone(f"hf:{tmp_path}", BackboneOptions())
    assert backbone.frame_size == expected
    frame = backbone.frame_size(torch.zeros(3, 40, 90, dtype=torch.uint8))
    assert frame.shape == (3, expected.crop, expected.crop)


@pytest.mark.parametrize("says", [{"size": {"height": 16, "width": 20}}, {"size": "x"}, {"crop_size": -1}])
def test_a_preprocessor_file_of_no_square_is_refused(says: dict[str, Any], tmp_path: Path) -> None:
    folder = save(build("dinov2"), tmp_path, **{"crop_size": None, **says})
    with pytest.raises(InputError, match=r"preprocessor_config\.json: expected size and crop_size of squares"):
        build_backbone(f"hf:{folder}", BackboneOptions())


@pytest.mark.parametrize(("number", "name"), [(2, "bilinear"), (3, "bicubic")])
def test_frames_are_resized_as_by_pillow(number: int, name: Any) -> None:
    """The filters of preprocessor files are those of Pillow."""
    coarse = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0)) * 255
    frame = torch.nn.functional.interpolate(coarse, (90, 120), mode="bicubic").clamp(0, 255).to(torch.uint8)[0]
    picture = Image.fromarray(frame.permute(1, 2, 0).numpy())
    squeezed = FrameSize(short=32, keep_aspect=False, interpolation=name)(frame)
    expected = np.asarray(picture.resize((32, 32), number)).transpose(2, 0, 1).astype(int)
    assert np.abs(squeezed.numpy().astype(int) - expected).max() <= 1
    cut = FrameSize(short=36, crop=32, interpolation=name)(frame)
    expected = np.asarray(picture.resize((48, 36), number)).transpose(2, 0, 1).astype(int)[:, 2:34, 8:40]
    assert np.abs(cut.numpy().astype(int) - expected).max() <= 1


# -- sources -----------------------------------------------------------------------------------------------------


def test_models_of_videos_remain_those(tmp_path: Path) -> None:
    config = transformers.VideoMAEConfig(patch_size=8, num_frames=4, intermediate_size=32, **SMALL)
    transformers.VideoMAEModel(config).save_pretrained(tmp_path)
    assert isinstance(build_backbone(f"hf:{tmp_path}", BackboneOptions()), HuggingFaceBackbone)
    with pytest.raises(InputError, match=r"image:.*: expected an image model \(dinov2, .*\), found videomae"):
        build_backbone(f"image:{tmp_path}", BackboneOptions())


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    folder = save(build("siglip_vision_model"), tmp_path)
    weights = safetensors.load_file(tmp_path / "model.safetensors")
    dropped = next(name for name in weights if "head.probe" in name)
    del weights[dropped]
    safetensors.save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"expected weights for the whole model, found no weights for .*head\.probe"):
        build_backbone(f"hf:{folder}", BackboneOptions())


def test_a_moved_model_is_the_same_and_other_weights_or_sizes_are_not(tmp_path: Path) -> None:
    model = build("dinov2")
    folders = [save(model, tmp_path / name) for name in "ab"]
    settings = choose_extraction(f"hf:{folders[0]}")[1]
    moved = choose_extraction(f"hf:{folders[1]}")[1]
    assert settings.difference(moved) is None
    rebuild_backbone(moved)
    resized = save(model, tmp_path / "c", size={"shortest_edge": 24})
    assert "weights" in (settings.difference(choose_extraction(f"hf:{resized}")[1]) or "")
    next(model.parameters()).data += 1
    save(model, tmp_path / "b")
    with pytest.raises(InputError, match="expected the weights that the features were extracted with"):
        rebuild_backbone(moved)


# -- ONNX --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", ["N", 1, 4])
def test_onnx_frame_by_frame(batch: int | str, tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "x.onnx", [batch, 3, "H", "W"], axes=(2, 3), rank=4)
    backbone = build_backbone(f"image:{path}", BackboneOptions(size=8, mean=MEAN, std=STD))
    clips = snippets(3, size=8)
    normalized = (clips / 255 - torch.tensor(MEAN).view(3, 1, 1, 1)) / torch.tensor(STD).view(3, 1, 1, 1)
    red, green, blue = normalized.mean((3, 4)).unbind(1)  # (B, L)
    each = torch.stack((red + green, blue, 2 * blue, green), 2)
    torch.testing.assert_close(backbone(clips), pooled(each), atol=1e-5, rtol=1e-5)


def test_onnx_sizes_and_errors(tmp_path: Path) -> None:
    fixed = write_onnx(tmp_path / "fixed.onnx", ["N", 3, 32, 32], axes=(2, 3), rank=4)
    assert build_backbone(f"image:{fixed}", BackboneOptions()).frame_size == FrameSize(short=32, crop=32)
    video = write_onnx(tmp_path / "video.onnx", ["N", 3, "L", 8, 8])
    with pytest.raises(
        InputError, match=r"video.onnx: expected one input of float32 \(batch, 3, height, width\), found"
    ):
        build_backbone(f"image:{video}", BackboneOptions())
    with pytest.raises(
        InputError, match=r"fixed\.onnx: expected .*; use image:.*fixed\.onnx, which runs it frame by frame"
    ):
        build_backbone(f"onnx:{fixed}", BackboneOptions())
    with pytest.raises(InputError, match="--pooling: expected an option of the backbone image"):
        build_backbone(f"image:{fixed}", BackboneOptions(pooling="mean"))
    with pytest.raises(InputError, match=r"none\.onnx: expected a file, found no such file"):
        build_backbone(f"image:{tmp_path / 'none.onnx'}", BackboneOptions())


def test_features_of_a_video_from_an_onnx_file_that_moves(tmp_path: Path) -> None:
    render(tmp_path / "x.mp4", frames=25, rate=10)
    path = write_onnx(tmp_path / "x.onnx", ["N", 3, 32, 32], axes=(2, 3), rank=4)
    backbone, settings = choose_extraction(f"image:{path}")
    features = extract_features(tmp_path / "x.mp4", backbone, settings).features
    assert features.shape == (12, 8)
    moved = path.rename(tmp_path / "moved.onnx")
    again = rebuild_backbone(settings.model_copy(update={"backbone": f"image:{moved}"}))
    np.testing.assert_array_equal(extract_features(tmp_path / "x.mp4", again, settings).features, features)
    write_onnx(moved, ["N", 3, "H", "W"], axes=(2, 3), rank=4)
    with pytest.raises(InputError, match="expected the weights that the features were extracted with"):
        rebuild_backbone(settings.model_copy(update={"backbone": f"image:{moved}"}))
