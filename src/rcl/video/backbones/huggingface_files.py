"""Configurations, weights and preprocessor files of Hugging Face models."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from rcl.system.errors import InputError, describe_error, listed
from rcl.system.extras import how_to_install
from rcl.system.text_files import read_json

if TYPE_CHECKING:
    from transformers import PretrainedConfig

log = logging.getLogger("rcl")

UNUSED = ("pooler.", "predictor.")
"""Parts of a model that its last tokens do not depend on."""

PROCESSORS = ("video_preprocessor_config.json", "preprocessor_config.json")
DEFAULTS = {"do_rescale": True, "rescale_factor": 1 / 255, "offset": False, "do_normalize": True}
VIVIT_DEFAULTS = {**DEFAULTS, "rescale_factor": 1 / 127.5, "offset": True}  # offset: [-1, 1] before mean and std
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def read_config(source: str, *, expected: str) -> PretrainedConfig:
    """The configuration of a model.

    Args:
        source: a folder, or a name on the hub.
        expected: the kinds of models that will do, for messages.

    Raises:
        InputError: there is none, it is damaged, or transformers is not installed.
    """
    try:
        from transformers import AutoConfig
    except ImportError:
        fix = how_to_install("video")
        raise InputError(
            f"hf:{source}", expected="the package transformers to read it", found="no such package", fix=fix
        ) from None
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
    config._attn_implementation = None  # the file may name a kernel, a program that would be downloaded
    return config


def load_model(source: str, config: PretrainedConfig) -> torch.nn.Module:
    """The model of a configuration, frozen, with weights from a folder or the hub.

    Raises:
        InputError: the weights are missing, incomplete or damaged.
    """
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


class Processor(NamedTuple):
    """The preprocessor file of a model, if it has one: its path and its content."""

    path: Path | None
    content: dict[str, Any]


def read_processor(source: str) -> Processor:
    """The file that says how a model's frames are prepared.

    Raises:
        InputError: it is not JSON.
    """
    path = next(filter(None, (_fetched(source, name) for name in PROCESSORS)), None)
    return Processor(path, read_json(path) if path else {})


def normalization(source: str, processor: Processor, kind: str) -> tuple[Tensor, Tensor]:
    """Scale and shift of pixel values, each ``(3, 1, 1)``, from the model's preprocessor file.

    Raises:
        InputError: its values are of no use.
    """
    path = processor.path
    defaults = VIVIT_DEFAULTS if path and kind == "vivit" else DEFAULTS
    options = {**defaults, **processor.content}
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


def digest_of(tensors: dict[str, Tensor], *texts: str) -> str:
    """SHA-256 of all that the features depend on; it does not depend on where it was read from."""
    digest = hashlib.sha256("".join(texts).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
