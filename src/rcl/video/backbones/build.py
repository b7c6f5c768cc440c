"""Backbones: what turns a snippet of frames into a feature vector, chosen by name."""

from __future__ import annotations

import torch

from rcl.system.errors import InputError
from rcl.video.backbones.base import Backbone, BackboneOptions

KINDS = ("motion", "hf", "onnx", "torchscript", "i3d")


def build_backbone(name: str, options: BackboneOptions, *, device: torch.device | str = "cpu") -> Backbone:
    """The backbone of a name.

    Args:
        name: ``motion``, ``hf:NAME_OR_FOLDER``, ``onnx:FILE``, ``torchscript:FILE`` or ``i3d:CHECKPOINT``.
        options: those that its kind does not know are refused.
        device: where networks run (ONNX models and the motion descriptor run on the CPU).

    Raises:
        InputError: there is no such backbone, its file cannot be used, or an option does not fit.
    """
    kind, _, source = name.partition(":")
    if kind not in KINDS or (name != "motion" if kind == "motion" else not source):
        expected = "motion, hf:NAME_OR_FOLDER, onnx:FILE, torchscript:FILE or i3d:CHECKPOINT"
        raise InputError("--backbone", expected=expected, found=name, fix="choose one of these")
    _refuse_foreign(kind, options)
    if kind == "motion":
        from rcl.video.backbones.motion import MotionBackbone

        return MotionBackbone(options.size)
    if kind == "hf":
        from rcl.video.backbones.huggingface import HuggingFaceBackbone

        return HuggingFaceBackbone(source, size=options.size, pooling=options.pooling or "mean", device=device)
    if kind == "i3d":
        from rcl.video.backbones.i3d import I3DBackbone

        return I3DBackbone(source, flow=options.flow, size=options.size, device=device)
    from rcl.video.backbones.exported import ONNXBackbone, TorchScriptBackbone

    mean, std = options.mean or (0.0, 0.0, 0.0), options.std or (1.0, 1.0, 1.0)
    if kind == "onnx":
        return ONNXBackbone(source, size=options.size, mean=mean, std=std)
    return TorchScriptBackbone(source, size=options.size, mean=mean, std=std, device=device)


_OPTIONS = {
    "motion": {"size"},
    "hf": {"size", "pooling"},
    "onnx": {"size", "mean", "std"},
    "torchscript": {"size", "mean", "std"},
    "i3d": {"size", "flow"},
}


def _refuse_foreign(kind: str, options: BackboneOptions) -> None:
    given = {key for key, value in options if value is not None}
    for key in sorted(given - _OPTIONS[kind]):
        fix = "leave it out"
        expected = f"an option of the backbone {kind} ({', '.join(sorted(_OPTIONS[kind]))})"
        raise InputError(f"--{key}", expected=expected, found="one of another backbone", fix=fix)
