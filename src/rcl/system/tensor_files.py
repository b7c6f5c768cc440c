"""Reading of files that ``torch.save`` wrote. No code in them is executed, and they take no more memory than bytes."""

from __future__ import annotations

import mmap
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rcl.system.errors import Defect, describe_error
from rcl.system.paths import check_is_file
from rcl.system.transfer import local

# The one other type that ``torch.load`` lets a file build: ten bytes of it can take memory of any size.
_GROWS = b"\nbytearray\n"
_CODE = "Python objects (a pickle, which could run code) or damaged bytes"


def read_tensors(path: Path, *, expected: str, fix: str) -> Any:
    """Read tensors, and the plain values around them, that ``torch.save`` put into a file; they are on the CPU.

    Args:
        path: the file.
        expected: what should be in it, for messages.
        fix: what to do if it holds something else, for messages.

    Raises:
        InputError: there is no such file.
        Defect: the file is damaged, holds code, or promises more numbers than it has.
    """
    check_is_file(path)
    with local(path) as file:
        return _read(file, expected, fix)


def _read(path: Path, expected: str, fix: str) -> Any:
    try:
        _check_size(path, expected, fix)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles, which are refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Defect:
        raise
    except pickle.UnpicklingError:
        raise Defect(expected=expected, found=_CODE, fix=fix) from None
    except Exception as error:  # damaged bytes make the parsers of this format raise anything
        raise Defect(expected=expected, found=f"one that cannot be read ({describe_error(error)})", fix=fix) from None
    size = path.stat().st_size
    for tensor in _tensors_in(content):
        # A tensor expanded from one number can claim any shape, and one without a storage can claim any storage.
        claimed = max(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes() or claimed > size:
            found = f"a tensor {tuple(tensor.shape)} in {size:,} bytes"
            raise Defect(
                expected=f"{expected} with all the bytes that the head of the file promises", found=found, fix=fix
            )
    return content


def _check_size(path: Path, expected: str, fix: str) -> None:
    """Refuse a file that would take more memory than it has bytes, before it is read."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            packed = any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist())
        if packed:  # torch writes no such files, but reads them
            raise Defect(expected=expected, found="a compressed archive", fix=fix)
    elif _is_text(path):
        raise Defect(expected=expected, found="a text file", fix=fix)
    if not path.stat().st_size:
        raise Defect(expected=expected, found="an empty file", fix=fix)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(_GROWS) >= 0:
            raise Defect(expected=expected, found=_CODE, fix=fix)


def _is_text(path: Path) -> bool:
    """Whether a file begins as text does; what ``torch.save`` writes never does."""
    with path.open("rb") as file:
        start = file.read(512)
    try:
        text = start[: start.rfind(b"\n") + 1].decode()  # whole lines, so that no character is cut
    except UnicodeDecodeError:
        return False
    return bool(text) and all(letter.isprintable() or letter in "\t\r\n\ufeff" for letter in text)


def _tensors_in(content: Any) -> Iterator[Tensor]:
    """The dense tensors in nested lists and mappings, each once; a file may nest them in a circle."""
    seen, left = set[int](), [content]
    while left:
        item = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Tensor):
            if item.layout == torch.strided:
                yield item
        elif isinstance(item, Mapping):
            left += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple | set):
            left += item
