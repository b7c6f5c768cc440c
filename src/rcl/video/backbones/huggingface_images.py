"""Image encoders from Hugging Face, frame by frame: DINOv2, DINOv3, CLIP and SigLIP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from rcl.system.errors import InputError
from rcl.video.backbones.base import FrameSize
from rcl.video.backbones.frame_by_frame import FrameByFrame
from rcl.video.backbones.huggingface_files import (
    Processor,
    digest_of,
    load_model,
    normalization,
    read_config,
    read_processor,
)

if TYPE_CHECKING:
    from transformers import PretrainedConfig

IMAGE_MODELS = {
    "dinov2": True,
    "dinov2_with_registers": True,
    "dinov3_vit": True,
    "dinov3_convnext": False,
    "clip": True,
    "clip_vision_model": True,
    "siglip": False,
    "siglip_vision_model": False,
}
"""The supported model types, and whether they have a token (CLS) that stands for the whole image."""

FIXED_POSITIONS = ("clip_vision_model", "siglip_vision_model")
"""Models that are told to interpolate their positions where frames have another size than in training."""

LANCZOS, BICUBIC = 1, 3  # PIL's numbers of filters, as preprocessor files give them
EXPECTED = f"an image model ({', '.join(IMAGE_MODELS)})"


def huggingface_images(
    source: str,
    *,
    size: int | None = None,
    pooling: Literal["mean", "cls"] | None = None,
    device: torch.device | str = "cpu",
) -> FrameByFrame:
    """The backbone of a model of images.

    Frames are resized, cropped and normalized as the preprocessor file of the model states. Of a model of images and
    texts only the part for images runs.

    Args:
        source: a folder with a model, or else its name on the hub. A folder is used without access to the network.
        size: side of the square frames; by default that of the preprocessor file, else that of the model.
        pooling: ``mean`` over the tokens of the patches, or the token ``cls``; by default the model's own summary of an
            image, which is CLS where the model has one.
        device: where the model runs.

    Raises:
        InputError: the model cannot be loaded, is not one of images, lacks weights, or does not take ``size`` or
            ``pooling``.
    """
    config = read_config(source, expected=EXPECTED)
    kind = config.model_type
    if kind not in IMAGE_MODELS:
        raise InputError(f"image:{source}", expected=EXPECTED, found=kind, fix="choose another model")
    if pooling == "cls" and not IMAGE_MODELS[kind]:
        found, fix = f"{kind}, which has no such token", "leave --pooling out, or use --pooling mean"
        raise InputError("--pooling", expected="a model with a CLS token", found=found, fix=fix)
    config = getattr(config, "vision_config", config)
    processor = read_processor(source)
    frame_size = frame_size_of(processor, config, size)
    encoder = HuggingFaceImages(source, config, processor, frame_size, pooling=pooling, device=torch.device(device))
    return FrameByFrame(encoder, frame_size=frame_size)


class HuggingFaceImages:
    """A model of images, as ``huggingface_images`` describes it."""

    def __init__(
        self,
        source: str,
        config: PretrainedConfig,
        processor: Processor,
        frame_size: FrameSize,
        *,
        pooling: Literal["mean", "cls"] | None,
        device: torch.device,
    ) -> None:
        self.pooling, self.device = pooling, device
        scale, shift = normalization(source, processor, config.model_type)
        self._scale, self._shift = scale.to(device), shift.to(device)
        self._model = load_model(source, config).to(device)
        fixed = config.model_type in FIXED_POSITIONS and _side(frame_size) != config.image_size
        self._more = {"interpolate_pos_encoding": True} if fixed else {}
        has_cls = IMAGE_MODELS[config.model_type] or config.model_type == "dinov3_convnext"  # whose first one is a mean
        self._before_patches = int(has_cls) + getattr(config, "num_register_tokens", 0)
        tensors = {**self._model.state_dict(), "scale": scale, "shift": shift}
        self.weights_digest = digest_of(tensors, frame_size.model_dump_json())

    @torch.inference_mode()
    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(N, 3, H, W)`` uint8 → features ``(N, C)`` float32 on the CPU."""
        output = self._model(pixel_values=frames.to(self.device).float() * self._scale + self._shift, **self._more)
        if self.pooling == "mean":
            return output.last_hidden_state[:, self._before_patches :].mean(dim=1).cpu()
        return output.pooler_output.cpu()


def frame_size_of(processor: Processor, config: PretrainedConfig, size: int | None) -> FrameSize:
    """How frames are resized, from a preprocessor file; without one, to the size of the model, and cropped.

    Args:
        processor: the file.
        config: of the model.
        size: side of the square frames; by default as the file or the model says.

    Raises:
        InputError: the file says something else than squares, or the model does not take ``size``.
    """
    says = processor.content
    patch = getattr(config, "patch_size", 1)
    if size is not None and size % patch:
        raise InputError("--size", expected=f"a multiple of {patch}", found=str(size), fix="change or omit it")
    resized, crop = says.get("size"), says.get("crop_size")
    cropped = bool(crop) and says.get("do_center_crop", True)
    side = _square(processor, crop if cropped else resized) or config.image_size
    short = _square(processor, resized) or side
    if size is not None:
        side, short = size, round(short * size / side)
    squeezed = not cropped and isinstance(resized, dict) and "height" in resized
    filters = says.get("resample")
    interpolation: Any = "bicubic" if filters in (LANCZOS, BICUBIC) else "bilinear"
    return FrameSize(short=max(short, side), crop=side, keep_aspect=not squeezed, interpolation=interpolation)


def _square(processor: Processor, value: Any) -> int | None:
    """The side of ``224``, ``{"shortest_edge": 224}`` or ``{"height": 224, "width": 224}``; ``None`` for nothing."""
    sides = set(value.values()) if isinstance(value, dict) else {value}
    side = sides.pop() if len(sides) == 1 else ""
    if side is not None and not (isinstance(side, int) and side > 0):
        fix = "correct the file, or choose another model"
        raise InputError(processor.path, expected="size and crop_size of squares", found=str(value), fix=fix)
    return side


def _side(frame_size: FrameSize) -> int:
    return frame_size.crop or frame_size.short
