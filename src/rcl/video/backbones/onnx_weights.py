"""The files in which an ONNX model keeps its weights (external data), found without the package ``onnx``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

# The fields of onnx.proto3, by number, that lead from a model to its tensors. All others are skipped.
_FIELDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse_tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse_tensor", 23: "sparse_tensor"},
    "sparse_tensor": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external_data"},
    "external_data": {},
}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of Protocol Buffers


def external_data(path: Path) -> list[Path]:
    """Files in the folder of an ONNX model, or below it, that the model takes weights from; sorted.

    A damaged model has none: what is wrong with it shows when it is opened.
    """
    folder = path.parent.resolve()
    files = {path.parent / location for location in _locations(path)}
    # ONNX Runtime refuses a model that names a file outside its folder.
    return sorted(file for file in files if file.is_file() and file.resolve().is_relative_to(folder))


def _locations(path: Path) -> set[str]:
    try:
        return {value for key, value in _external_entries(memoryview(path.read_bytes())) if key == "location"}
    except (ValueError, LookupError):  # cut short, or not a model
        return set()


def _external_entries(model: memoryview) -> Iterator[tuple[str, str]]:
    """Keys and values that the tensors of a model say about their external data."""
    left = [("model", model)]
    while left:
        kind, message = left.pop()
        fields = _fields(message)
        if kind == "external_data":
            entry = {number: bytes(value).decode() for number, value in fields}
            yield entry.get(1, ""), entry.get(2, "")
        else:
            left += [(_FIELDS[kind][number], value) for number, value in fields if number in _FIELDS[kind]]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of the fields of a message that hold bytes: strings, and messages within it."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        wire_type, size = tag & 7, 0
        if wire_type == _VARINT:
            _, place = _varint(message, place)
        elif wire_type == _BYTES:
            size, place = _varint(message, place)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}[wire_type]
        if place + size > len(message):
            raise ValueError("a field that is longer than its message")
        if wire_type == _BYTES:
            yield tag >> 3, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """An integer of seven bits per byte, the lowest first, and the place after it."""
    value = 0
    for count in range(10):
        byte = message[place + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, place + count + 1
    raise ValueError("an integer of more than 64 bits")
