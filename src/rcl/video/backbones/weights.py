"""Digests of a backbone's weights: whether they are those that features were extracted with."""

from __future__ import annotations

from pathlib import Path

from rcl.system.text_files import file_digest
from rcl.video.backbones.base import Backbone
from rcl.video.backbones.build import split_name
from rcl.video.backbones.onnx_weights import external_data
from rcl.video.backbones.options import BackboneOptions

_KINDS_OF_FILES = ("onnx", "torchscript", "i3d")


def file_digests(name: str, options: BackboneOptions) -> dict[str, str]:
    """SHA-256 of the files that a backbone is read from, under its kind and ``flow``; missing files are left out.

    Other kinds have none: weights from a hub are the same in a folder (see ``own_digest``).
    """
    kind, source = split_name(name)
    if kind not in _KINDS_OF_FILES:
        return {}
    files = {kind: Path(source)} | ({"flow": Path(options.flow)} if options.flow else {})
    return {
        key: file_digest(file, *(external_data(file) if key == "onnx" else ()))
        for key, file in files.items()
        if file.is_file()
    }


def own_digest(name: str, backbone: Backbone) -> dict[str, str]:
    """The digest that a backbone computes of its weights, under its kind; empty for one without ``weights_digest``."""
    digest = getattr(backbone, "weights_digest", None)
    return {split_name(name)[0]: digest} if digest else {}
