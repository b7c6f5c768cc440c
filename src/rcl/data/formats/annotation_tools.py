"""Annotations to and from the tools that people label videos with."""

from __future__ import annotations

from pathlib import Path

from rcl.data.annotations import Annotations
from rcl.data.formats import elan, label_studio, via
from rcl.data.formats.exported import Exported
from rcl.data.formats.load import load_annotations
from rcl.system.errors import InputError
from rcl.system.paths import PathLike
from rcl.system.text_files import extension_of, read_json, read_text

FORMATS = ("label-studio", "via", "elan", "csv")

__all__ = ["FORMATS", "Exported", "format_of", "merge", "read"]


def format_of(path: PathLike) -> str:
    """What a file is, by its extension and what is in it.

    Returns:
        ``label-studio``, ``via``, ``elan``, ``detections``, or ``annotations`` for all that ``load_annotations`` knows
        or has to refuse.

    Raises:
        InputError: the file cannot be read, or has another extension.
    """
    path = Path(path)
    extension = extension_of(path, (".json", ".csv", ".eaf"))
    if extension == ".eaf":
        return "elan"
    if extension == ".csv":
        header = read_text(path).partition("\n")[0].lower().split(",")
        return "detections" if "score" in [name.strip() for name in header] else "annotations"
    if read_text(path).lstrip().startswith("["):
        return "label-studio"
    data = read_json(path)
    if via.is_via(data):
        return "via"
    if label_studio.is_task(data):
        return "label-studio"
    return "detections" if isinstance(data.get("results"), dict) else "annotations"


def read(path: PathLike, *, fps: float | None = None) -> Annotations:
    """Read ground truth from a file of one of the tools, or from one of ours.

    Args:
        path: what Label Studio (``.json``), VIA 3 (``.json``) or ELAN (``.eaf``) saved, or what ``load_annotations``
            reads. A table of detections is read without its scores.
        fps: frames per second of Label Studio's frames; by default what the file says.

    Raises:
        InputError: the file cannot be read, is damaged or of another kind, or a value is wrong.
    """
    path, kind = Path(path), format_of(path)
    if kind == "label-studio":
        return label_studio.read(path, fps=fps)
    if kind in ("via", "elan"):
        return via.read(path) if kind == "via" else elan.read(path)
    return load_annotations(path, clip=False)


def merge(parts: list[Annotations]) -> Annotations:
    """The videos of several files, in order.

    Raises:
        InputError: two files have the same video.
    """
    videos, sources = {}, dict[str, str]()
    for part in parts:
        for name, video in part.videos.items():
            if name in videos:
                found = f"it in {sources[name]} and in {part.source}"
                fix = "leave one of them out"
                raise InputError(f"video {name!r}", expected="each video in one file", found=found, fix=fix)
            videos[name], sources[name] = video, part.source
    return Annotations(videos, source=", ".join(part.source for part in parts))
