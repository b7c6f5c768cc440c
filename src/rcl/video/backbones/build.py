"""Backbones by name. This module imports a backbone's own module, and torch with it, only to build it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from rcl.system.errors import InputError, located
from rcl.system.plugins import import_class, is_class_name
from rcl.video.backbones.options import BackboneOptions

if TYPE_CHECKING:
    import torch

    from rcl.video.backbones.base import Backbone

KINDS = {
    "motion": "rcl.video.backbones.motion:MotionBackbone",
    "cuts": "rcl.video.backbones.cuts:CutsBackbone",
    "lite0": "rcl.video.backbones.lite0:Lite0Backbone",
    "lite0-change": "rcl.video.backbones.lite0:Lite0ChangeBackbone",
    "hf": "rcl.video.backbones.huggingface:huggingface_backbone",
    "image": "rcl.video.backbones.huggingface_images:huggingface_images",
    "i3d": "rcl.video.backbones.i3d:I3DBackbone",
    "onnx": "rcl.video.backbones.exported:ONNXBackbone",
    "torchscript": "rcl.video.backbones.exported:TorchScriptBackbone",
}
IMAGES_IN_ONNX = "rcl.video.backbones.exported:onnx_images"  # image:FILE.onnx
REGIONS = ("crop", "tiles")  # options that are not a backbone's own
WITHOUT_SOURCE = ("motion", "cuts", "lite0", "lite0-change")
NAMES = (
    "motion, cuts, lite0, lite0-change, hf:NAME_OR_FOLDER, image:NAME_OR_FOLDER, image:FILE.onnx, i3d:CHECKPOINT, "
    "onnx:FILE, torchscript:FILE or package.module:Class"
)


def split_name(name: str) -> tuple[str, str]:
    """The kind of a backbone and its source, such as a file; the source is empty where the kind has none.

    >>> split_name("onnx:network.onnx"), split_name("motion"), split_name("my_package.networks:Slow")
    (('onnx', 'network.onnx'), ('motion', ''), ('my_package.networks:Slow', ''))

    Raises:
        InputError: the name has another form.
    """
    kind, _, source = name.partition(":")
    if name in WITHOUT_SOURCE or (kind in KINDS and kind not in WITHOUT_SOURCE and source):
        return kind, source
    if kind not in KINDS and is_class_name(name):
        return name, ""
    raise InputError("--backbone", expected=NAMES, found=name, fix="choose one of these")


def build_backbone(name: str, options: BackboneOptions, *, device: torch.device | str = "cpu") -> Backbone:
    """Build the backbone of a name.

    Args:
        name: ``motion``, ``cuts``, ``lite0``, ``lite0-change``, ``hf:NAME_OR_FOLDER``, ``image:NAME_OR_FOLDER``,
            ``image:FILE.onnx``, ``i3d:CHECKPOINT``, ``onnx:FILE``, ``torchscript:FILE``, or ``package.module:Class``
            for a class that follows ``Backbone``.
        options: passed to the backbone as keyword arguments, where they are not ``None``; ``crop`` and ``tiles`` choose
            what parts of the frame any backbone sees.
        device: where networks run (ONNX models, ``lite0`` among them, and the motion descriptor run on the CPU).

    Raises:
        InputError: there is no such backbone, its file cannot be used, or it does not take one of the options.
    """
    kind, source = split_name(name)
    builder = _builder(name)
    accepted = inspect.signature(builder).parameters.keys()
    keywords = {key: value for key, value in options if value is not None and key not in REGIONS}
    _refuse_unknown(kind, keywords.keys() - accepted, [key for key in accepted_options(name) if key not in REGIONS])
    if "device" in accepted:
        keywords["device"] = device
    backbone = builder(*filter(None, [source]), **keywords)
    if kind not in KINDS:
        _check_interface(backbone, name)
    return _with_regions(backbone, options)


def accepted_options(name: str) -> list[str]:
    """The options that the backbone of a name takes, with those of regions, which suit any.

    Raises:
        InputError: there is no such backbone.
    """
    parameters = inspect.signature(_builder(name)).parameters
    return [key for key in BackboneOptions.model_fields if key in parameters or key in REGIONS]


def _builder(name: str) -> Callable[..., Backbone]:
    """What builds the backbones of a kind: a class, or a function where the source decides on the class."""
    kind, source = split_name(name)
    if kind in KINDS:
        is_onnx_image = kind == "image" and source.lower().endswith(".onnx")
        module, _, attribute = (IMAGES_IN_ONNX if is_onnx_image else KINDS[kind]).partition(":")
        return getattr(importlib.import_module(module), attribute)
    with located("--backbone"):
        backbone_class = import_class(kind)
    if not any("__call__" in vars(base) for base in backbone_class.__mro__):
        raise _not_a_backbone(name, "__call__")
    return backbone_class


def _with_regions(backbone: Backbone, options: BackboneOptions) -> Backbone:
    if options.crop is None and options.tiles is None:
        return backbone
    from rcl.video.backbones.regions import RegionsBackbone

    return RegionsBackbone(backbone, crop=options.crop, tiles=options.tiles)


def _refuse_unknown(kind: str, unknown: set[str], accepted: list[str]) -> None:
    for key in sorted(unknown):
        expected = f"an option of the backbone {kind} ({', '.join(sorted(accepted)) or 'it has none'})"
        raise InputError(f"--{key}", expected=expected, found="one of another backbone", fix="leave it out")


def _check_interface(backbone: Backbone, name: str) -> None:
    from rcl.video.backbones.base import Backbone

    needed = ("frame_size", *Backbone.__annotations__)
    missing = next((attribute for attribute in needed if not hasattr(backbone, attribute)), None)
    if missing:
        raise _not_a_backbone(name, missing)


def _not_a_backbone(name: str, missing: str) -> InputError:
    fix = "see rcl.video.backbones.base.Backbone for what it needs"
    return InputError(name, expected="a class that follows the interface of backbones", found=f"no {missing}", fix=fix)
