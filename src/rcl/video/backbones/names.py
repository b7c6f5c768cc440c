"""Several backbones in one name, ``motion+hf:NAME``, and the names of their streams. This module needs no torch."""

from __future__ import annotations

from collections.abc import Mapping

from rcl.system.errors import InputError, listed
from rcl.video.backbones.build import split_name


def split_backbones(name: str) -> list[str]:
    """The backbones that ``+`` joins. A ``+`` within the name of a file stays.

    >>> split_backbones("motion+onnx:a+b.onnx+hf:org/model"), split_backbones("motion")
    (['motion', 'onnx:a+b.onnx', 'hf:org/model'], ['motion'])

    Raises:
        InputError: one of them is no name of a backbone.
    """
    found = list[str]()
    for part in name.split("+"):
        if found and split_name(found[-1])[1] and not _is_backbone(part):
            found[-1] = f"{found[-1]}+{part}"
        else:
            split_name(part)
            found.append(part)
    return found


def _is_backbone(name: str) -> bool:
    try:
        split_name(name)
    except InputError:
        return False
    return True


def streams_of(backbones: list[str]) -> dict[str, str]:
    """The name of a stream for each backbone: its kind, or its class; numbered where several have the same.

    >>> streams_of(["motion", "onnx:a.onnx", "onnx:b.onnx", "my_package.networks:Slow"])
    {'motion': 'motion', 'onnx': 'onnx:a.onnx', 'onnx2': 'onnx:b.onnx', 'Slow': 'my_package.networks:Slow'}
    """
    streams = dict[str, str]()
    for backbone in backbones:
        kind = split_name(backbone)[0].rpartition(":")[2]
        names = (kind, *(f"{kind}{number}" for number in range(2, len(backbones) + 2)))
        streams[next(name for name in names if name not in streams)] = backbone
    return streams


def backbone_of_each(streams: Mapping[str, str], moved: str | None) -> dict[str, str]:
    """The new names of backbones whose files have moved, by stream.

    Args:
        streams: name of a stream to its backbone.
        moved: the new names, joined by ``+``; each is that of a stream of its kind, in order.

    Raises:
        InputError: a name is that of no stream.
    """
    found = dict[str, str]()
    for name in split_backbones(moved) if moved else []:
        kind = split_name(name)[0]
        same = [stream for stream, own in streams.items() if split_name(own)[0] == kind and stream not in found]
        if not same:
            expected = f"a backbone of the checkpoint ({listed([*streams.values()])})"
            raise InputError("--backbone", expected=expected, found=name, fix="leave it out, or correct it")
        found[same[0]] = name
    return found
