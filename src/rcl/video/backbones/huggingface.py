"""Backbones from Hugging Face: the video transformers VideoMAE, V-JEPA 2, TimeSformer and ViViT."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from rcl.system.errors import InputError, describe_error, listed
from rcl.system.extras import how_to_install
from rcl.system.text_files import read_json
from rcl.video.backbones.base import FrameSize

if TYPE_CHECKING:
    from transformers import PretrainedConfig

log = logging.getLogger("rcl")

HAS_CLS = {"videomae": False, "vjepa2": False, "timesformer": True, "vivit": True}
"""The supported model types, and whether their first token (CLS) stands for the whole snippet."""

UNUSED = ("pooler.", "predictor.")
"""Parts of a model that its last tokens do not depend on."""

PROCESSORS = ("video_preprocessor_config.json", "preprocessor_config.json")
DEFAULTS = {"do_rescale": True, "rescale_factor": 1 / 255, "offset": False, "do_normalize": True}
VIVIT_DEFAULTS = {**DEFAULTS, "rescale_factor": 1 / 127.5, "offset": True}  # offset: [-1, 1] before mean and std
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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
        config = _read_config(source)
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
        scale, shift = _read_normalization(source, self._kind)
        self._scale, self._shift = scale.to(self.device), shift.to(self.device)
        self._model = _load_model(source, config).to(self.device)
        self.weights_digest = _digest({**self._model.state_dict(), "scale": scale, "shift": shift})

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


def _read_config(source: str) -> PretrainedConfig:
    try:
        from transformers import AutoConfig
    except ImportError:
        fix = how_to_install("video")
        raise InputError(
            f"hf:{source}", expected="the package transformers to read it", found="no such package", fix=fix
        ) from None
    expected = f"a video model ({', '.join(HAS_CLS)})"
    local = os.path.isdir(source)
    try:
        with _quiet():
            config = AutoConfig.from_pretrained(source, local_files_only=local, trust_remote_code=False)
    except Exception as error:  # damaged files make transformers raise anything
        nothing = "no such model in this folder" if local else "neither a folder nor a model on the hub"
        fix = "give a folder that save_pretrained wrote" if local else "check the name and the network"
        raise InputError(
            f"hf:{source}", expected=expected, found=f"{nothing} ({describe_error(error)})", fix=fix
        ) from None
    space_only = getattr(config, "attention_type", None) == "space_only"
    config._attn_implementation = None  # the file may name a kernel, a program that would be downloaded
    if config.model_type not in HAS_CLS or space_only:
        found = f"{config.model_type}{' without attention over time' if space_only else ''}"
        raise InputError(f"hf:{source}", expected=expected, found=found, fix="choose another model")
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


def _load_model(source: str, config: PretrainedConfig) -> torch.nn.Module:
    from transformers import AutoModel

    try:
        with _quiet():
            model, info = AutoModel.from_pretrained(
                source,
                config=config,
                dtype=torch.float32,
                local_files_only=Path(source).is_dir(),
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:  # damaged files make transformers raise anything
        fix = "download the files again"
        raise InputError(
            f"hf:{source}", expected="the weights of a model", found=describe_error(error), fix=fix
        ) from None
    missing = sorted(name for name in info["missing_keys"] if not name.startswith(UNUSED))
    if missing:
        found, fix = f"no weights for {listed(missing)}", "download the files again or choose another model"
        raise InputError(f"hf:{source}", expected="weights for the whole model", found=found, fix=fix)
    return model.eval().requires_grad_(False)


def _read_normalization(source: str, kind: str) -> tuple[Tensor, Tensor]:
    """Scale and shift of pixel values, each ``(3, 1, 1)``, from the model's preprocessor file."""
    path = next(filter(None, (_fetched(source, name) for name in PROCESSORS)), None)
    defaults = VIVIT_DEFAULTS if path and kind == "vivit" else DEFAULTS
    options = {**defaults, **(read_json(path) if path else {})}
    mean, std = (options.get("image_mean"), options.get("image_std")) if options["do_normalize"] else (0.0, 1.0)
    if mean is None or std is None:
        log.warning("hf:%s: no preprocessor file with mean and std; using those of ImageNet", source)
        mean, std = IMAGENET_MEAN, IMAGENET_STD
    factor, offset = (options["rescale_factor"], bool(options["offset"])) if options["do_rescale"] else (1.0, False)
    try:
        means, stds = (torch.tensor(value, dtype=torch.float64).expand(3).view(3, 1, 1) for value in (mean, std))
        scale, shift = factor / stds, -(offset + means) / stds
        if not (scale.isfinite().all() and shift.isfinite().all()):
            raise ValueError
    except (TypeError, ValueError, RuntimeError):
        expected, found = (
            "image_mean, image_std and rescale_factor as numbers, std not 0",
            f"{mean}, {std} and {factor}",
        )
        raise InputError(path, expected=expected, found=found, fix="correct them") from None
    return scale.float(), shift.float()


def _fetched(source: str, name: str) -> Path | None:
    from transformers.utils import cached_file

    with _quiet():
        path = cached_file(
            source,
            name,
            local_files_only=Path(source).is_dir(),
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    return Path(path) if path else None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Context without progress bars, reports and warnings of the libraries; errors are still raised."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as model_logging

    levels = [(module, module.get_verbosity()) for module in (hub_logging, model_logging)]
    bars = model_logging.is_progress_bar_enabled()
    for module, _ in levels:
        module.set_verbosity_error()
    model_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for module, level in levels:
            module.set_verbosity(level)
        if bars:
            model_logging.enable_progress_bar()


def _digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of all tensors that the features depend on; it does not depend on where they were read from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
