"""Backbones by name. This module imports a backbone's own module, and torch with it, only to build it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from rcl.system.errors import InputError, located
from rcl.system.plugins import import_class, is_class_name
from rcl.video.backbones.options import BackboneOptions

if TYPE_CHECKING:
    import torch

    from rcl.video.backbones.base import Backbone

KINDS = {
    "motion": "rcl.video.backbones.motion:MotionBackbone",
    "lite0": "rcl.video.backbones.lite0:Lite0Backbone",
    "hf": "rcl.video.backbones.huggingface:HuggingFaceBackbone",
    "i3d": "rcl.video.backbones.i3d:I3DBackbone",
    "onnx": "rcl.video.backbones.exported:ONNXBackbone",
    "torchscript": "rcl.video.backbones.exported:TorchScriptBackbone",
}
REGIONS = ("crop", "tiles")  # options that are not a backbone's own
WITHOUT_SOURCE = ("motion", "lite0")
NAMES = "motion, lite0, hf:NAME_OR_FOLDER, i3d:CHECKPOINT, onnx:FILE, torchscript:FILE or package.module:Class"


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
        name: ``motion``, ``lite0``, ``hf:NAME_OR_FOLDER``, ``i3d:CHECKPOINT``, ``onnx:FILE``, ``torchscript:FILE``, or
            ``package.module:Class`` for a class that follows ``Backbone``.
        options: passed to the backbone as keyword arguments, where they are not ``None``; ``crop`` and ``tiles`` choose
            what parts of the frame any backbone sees.
        device: where networks run (ONNX models, ``lite0`` among them, and the motion descriptor run on the CPU).

    Raises:
        InputError: there is no such backbone, its file cannot be used, or it does not take one of the options.
    """
    kind, source = split_name(name)
    backbone_class = _class_of(kind)
    if not any("__call__" in vars(base) for base in backbone_class.__mro__):
        raise _not_a_backbone(name, "__call__")
    accepted = inspect.signature(backbone_class).parameters.keys()
    keywords = {key: value for key, value in options if value is not None and key not in REGIONS}
    _refuse_unknown(kind, keywords.keys() - accepted, [key for key in accepted_options(name) if key not in REGIONS])
    if "device" in accepted:
        keywords["device"] = device
    backbone = backbone_class(*filter(None, [source]), **keywords)
    if kind not in KINDS:
        _check_interface(backbone, name)
    return _with_regions(backbone, options)


def _with_regions(backbone: Backbone, options: BackboneOptions) -> Backbone:
    if options.crop is None and options.tiles is None:
        return backbone
    from rcl.video.backbones.regions import RegionsBackbone

    return RegionsBackbone(backbone, crop=options.crop, tiles=options.tiles)


def accepted_options(name: str) -> list[str]:
    """The options that the backbone of a name takes, with those of regions, which suit any.

    Raises:
        InputError: there is no such backbone.
    """
    parameters = inspect.signature(_class_of(split_name(name)[0])).parameters
    return [key for key in BackboneOptions.model_fields if key in parameters or key in REGIONS]


def _class_of(kind: str) -> type[Any]:
    with located("--backbone"):
        return import_class(KINDS.get(kind, kind))


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
