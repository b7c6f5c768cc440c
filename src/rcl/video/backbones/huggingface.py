"""Backbones from Hugging Face: the video transformers VideoMAE, V-JEPA 2, TimeSformer and ViViT, and image encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from rcl.system.errors import InputError
from rcl.video.backbones.base import Backbone, FrameSize
from rcl.video.backbones.huggingface_files import (
    digest_of,
    load_model,
    normalization,
    read_config,
    read_processor,
)
from rcl.video.backbones.huggingface_images import IMAGE_MODELS, huggingface_images

if TYPE_CHECKING:
    from transformers import PretrainedConfig

HAS_CLS = {"videomae": False, "vjepa2": False, "timesformer": True, "vivit": True}
"""The supported model types, and whether their first token (CLS) stands for the whole snippet."""

EXPECTED = f"a video model ({', '.join(HAS_CLS)}) or an image model ({', '.join(IMAGE_MODELS)})"


def huggingface_backbone(
    source: str,
    *,
    size: int | None = None,
    pooling: Literal["mean", "cls"] | None = None,
    device: torch.device | str = "cpu",
) -> Backbone:
    """The backbone of a model of videos, or of a model of images, which runs frame by frame.

    Args:
        source: a folder with a model, or else its name on the hub. A folder is used without access to the network.
        size: side of the square frames; by default that of the model.
        pooling: see the two kinds of backbones.
        device: where the model runs.

    Raises:
        InputError: the model is of neither kind; see the two for more.
    """
    if read_config(source, expected=EXPECTED).model_type in IMAGE_MODELS:
        return huggingface_images(source, size=size, pooling=pooling, device=device)
    return HuggingFaceBackbone(source, size=size, pooling=pooling or "mean", device=device)


class HuggingFaceBackbone:
    """Features of a Hugging Face video model: its last tokens, pooled.

    Frames are resized and cropped to the size of the model, and normalized as its preprocessor file states; the
    resizing in that file is not used. Of V-JEPA 2 only the encoder runs; it takes snippets and frames of any size,
    because its positions are rotary.

    Args:
        source: a folder with a model, or else its name on the hub. A folder is used without access to the network.
        size: side of the square frames; by default that of the model.
        pooling: ``mean`` over all tokens except CLS, or the token ``cls`` of TimeSformer and ViViT.
        device: where the model runs.

    Raises:
        InputError: the model cannot be loaded, is not a video model, lacks weights, or does not take ``size`` or
            ``pooling``.
    """

    rate: float = 15.0

    def __init__(
        self,
        source: str,
        *,
        size: int | None = None,
        pooling: Literal["mean", "cls"] = "mean",
        device: torch.device | str = "cpu",
    ) -> None:
        self.source, self.pooling, self.device = source, pooling, torch.device(device)
        config = _video_config(source)
        self._kind = config.model_type
        if pooling == "cls" and not HAS_CLS[self._kind]:
            found, fix = f"{self._kind}, which has no such token", "use --pooling mean"
            raise InputError("--pooling", expected="a model with a CLS token", found=found, fix=fix)
        size = _fitted_size(config, size)
        self.frame_size = FrameSize(short=size, crop=size)
        rotary = self._kind == "vjepa2"
        self.window = config.frames_per_clip if rotary else config.num_frames
        self.fixed_window = None if rotary else self.window
        self.stride = max(1, self.window // 4)
        self._tubelet = config.tubelet_size if rotary else 1
        scale, shift = normalization(source, read_processor(source), self._kind)
        self._scale, self._shift = scale.to(self.device), shift.to(self.device)
        self._model = load_model(source, config).to(self.device)
        self.weights_digest = digest_of({**self._model.state_dict(), "scale": scale, "shift": shift})

    @torch.inference_mode()
    def __call__(self, frames: Tensor) -> Tensor:
        """RGB frames ``(B, 3, L, H, W)`` uint8 → features ``(B, C)`` float32 on the CPU.

        Raises:
            InputError: the model does not take this number of frames.
        """
        length = frames.shape[2]
        if length != (self.fixed_window or length) or length % self._tubelet:
            expected = f"{self.fixed_window} frames" if self.fixed_window else f"a multiple of {self._tubelet} frames"
            raise InputError("--window", expected=f"{expected} for {self.source}", found=str(length), fix="change it")
        videos = frames.transpose(1, 2).to(self.device).float() * self._scale + self._shift  # (B, L, 3, H, W)
        if self._kind == "vjepa2":
            tokens = self._model(pixel_values_videos=videos, skip_predictor=True).last_hidden_state
        else:
            tokens = self._model(pixel_values=videos).last_hidden_state  # (B, tokens, C)
        chosen = tokens[:, :1] if self.pooling == "cls" else tokens[:, int(HAS_CLS[self._kind]) :]
        return chosen.mean(1).cpu()


def _video_config(source: str) -> PretrainedConfig:
    config = read_config(source, expected=EXPECTED)
    space_only = getattr(config, "attention_type", None) == "space_only"
    if config.model_type not in HAS_CLS or space_only:
        found = f"{config.model_type}{' without attention over time' if space_only else ''}"
        raise InputError(f"hf:{source}", expected=EXPECTED, found=found, fix="choose another model")
    return config


def _fitted_size(config: PretrainedConfig, size: int | None) -> int:
    """The side of the frames; ``config`` is changed if a V-JEPA 2 model should take another one than in training."""
    rotary = config.model_type == "vjepa2"
    native = config.crop_size if rotary else config.image_size
    if not isinstance(native, int):
        if native[0] != native[1]:
            found, fix = f"{native[0]} × {native[1]}", "choose another model"
            raise InputError(config.name_or_path, expected="a model of square frames", found=found, fix=fix)
        native = native[0]
    if size is None or size == native:
        return native
    if not rotary or size % config.patch_size:
        expected = f"a multiple of {config.patch_size}" if rotary else f"{native}, the size of the model"
        raise InputError("--size", expected=expected, found=str(size), fix="change or omit it")
    config.crop_size = size
    return size
