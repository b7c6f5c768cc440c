"""Strict reading and safe writing of text files."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

from rcl.system.errors import InputError, shown
from rcl.system.paths import PathLike, check_is_file, fingerprint, is_dir, is_file, is_remote, to_path
from rcl.system.text_formats import check_object, parse_json
from rcl.system.transfer import local, read_bytes, remove, upload

LARGEST_TEXT = 2**29
"""Bytes of a text file: parsed, JSON takes ten to thirty times as many."""
_PACKED = {b"\x1f\x8b": "a gzip archive", b"PK\x03\x04": "a zip archive, such as a spreadsheet (.xlsx)"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # Excel's "Unicode text"


# -- reading -----------------------------------------------------------------------------------------------------


def extension_of(path: Path, allowed: Sequence[str], *, fix: str = "rename or convert it") -> str:
    """The lower-case extension of a path.

    Raises:
        InputError: it is not one of those allowed.
    """
    extension = path.suffix.lower()
    if extension not in allowed:
        raise InputError(
            path,
            expected=f"a file that ends in {' or '.join(allowed)}",
            found=f"the extension {extension!r}",
            fix=fix,
        )
    return extension


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, or of a UTF-16 file that starts with a byte order mark, without that mark.

    Lines that end as on old Macs, with ``\\r`` alone, end with ``\\n``.

    Raises:
        InputError: the file is missing, a folder, not readable, too large, packed, or in another encoding.
    """
    raw = read_raw(path)
    if packed := next((what for first, what in _PACKED.items() if raw.startswith(first)), None):
        fix = "unpack it, or give it the extension of what it is"
        raise InputError(path, expected="UTF-8 text", found=packed, fix=fix)
    if b"\0" in raw[:2]:
        found, fix = "UTF-16 without its first bytes", "save the file as UTF-8"
        raise InputError(path, expected="UTF-8 text", found=found, fix=fix)
    try:
        text = raw.decode("utf-16" if raw.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        expected = "UTF-16 text, as its first bytes say" if raw.startswith(_UTF16) else "UTF-8 text"
        fix = "save the file as UTF-8"
        fix += " (in Excel: 'CSV UTF-8')" if path.suffix.lower() in (".csv", ".tsv", ".txt") else ""
        raise InputError(path, expected=expected, found=_undecodable(error), fix=fix) from None
    return text.replace("\r", "\n") if "\n" not in text else text


def read_raw(path: Path) -> bytes:
    """The content of a file that is not too large to be parsed in memory.

    Raises:
        InputError: the file is missing, a folder, not readable or too large.
    """
    check_is_file(path)
    try:
        found_there = fingerprint(path)
        size = found_there.bytes if found_there else 0
        if size > LARGEST_TEXT:
            expected, fix = f"a text of at most {LARGEST_TEXT:,} bytes", "split the file"
            raise InputError(path, expected=expected, found=f"{size:,}", fix=fix)
        return read_bytes(path)
    except OSError as error:
        found = error.strerror or str(error)
        raise InputError(path, expected="a readable file", found=found, fix="check its permissions") from None


def _undecodable(error: UnicodeDecodeError) -> str:
    """The byte that is no text, and how its line reads in the encoding that most files of this kind have.

    Another encoding is not read: a file of Windows-1252 is a valid one of Windows-1250, with other letters.
    """
    raw = error.object  # without the byte order mark
    first = raw.rfind(b"\n", 0, error.start) + 1
    found = f"the byte 0x{raw[error.start]:02x} in line {raw.count(10, 0, error.start) + 1}"
    line = " ".join(raw[first : first + 200].partition(b"\n")[0].decode("cp1252", "replace").split())
    readable = error.encoding == "utf-8" and line.isprintable()
    return f"{found} (in Windows-1252 the line is {shown(line)})" if readable else found


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: the file cannot be read, see :func:`parse_json`, or holds something other than an object.
    """
    return check_object(parse_json(read_text(path), path), path)


def file_digest(*paths: Path) -> str:
    """SHA-256 of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with local(path) as file, file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()


# -- writing -----------------------------------------------------------------------------------------------------


def write_text(path: PathLike, text: str) -> None:
    """Write a UTF-8 file whole or not at all, as ``write_file`` does."""
    # A file name that is no valid Unicode reaches us as lone surrogates: written as \udcXX, JSON reads them back.
    content = text.encode("utf-8", "backslashreplace")
    write_file(path, lambda file: file.write(content))


def write_file(path: PathLike, write: Callable[[BinaryIO], object]) -> None:
    """Write a file completely or not at all: to a temporary file that is then renamed or uploaded.

    Args:
        path: the file; missing folders are created, and a link stays a link.
        write: called with the open file.

    Raises:
        InputError: the file cannot be written.
    """
    target = to_path(path)
    _check_name(target)
    held = _HELD.get()
    if held is not None:
        write(content := io.BytesIO())
        held[target] = content.getvalue()
        return
    try:
        if is_remote(target):
            upload(target, write)
        else:
            _replace(Path(os.path.realpath(target)), write)  # a link stays a link
    except (FileExistsError, NotADirectoryError):
        raise InputError(_file_above(target), expected="a folder", found="a file", fix="choose another name") from None
    except OSError as error:
        found = error.strerror or f"space for a part of it ({error})"  # numpy counts what it could write
        fix = "choose another place or free some space"
        raise InputError(path, expected="a file that can be written", found=found, fix=fix) from None


_HELD: ContextVar[dict[Path, bytes] | None] = ContextVar("held", default=None)


@contextlib.contextmanager
def held_writes() -> Iterator[dict[Path, bytes]]:
    """Context that holds back what ``write_file`` is given inside, for the caller to look at before it is written.

    Yields:
        The files with their content, in order.
    """
    held: dict[Path, bytes] = {}
    token = _HELD.set(held)
    try:
        yield held
    finally:
        _HELD.reset(token)


def _replace(target: Path, write: Callable[[BinaryIO], object]) -> None:
    aside = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            write(file)
        os.replace(aside, target)
    finally:
        with contextlib.suppress(OSError):  # it is renamed already, or could not be created
            aside.unlink()


def _file_above(path: Path) -> Path:
    """The file where a path would have a folder."""
    return next((parent for parent in path.parents if is_file(parent)), path)


def _check_name(path: Path) -> None:
    """Refuse a name that no file system accepts: names may come from annotation files and archives."""
    try:
        encoded = str(path).encode() if is_remote(path) else os.fsencode(path)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        expected, fix = "a valid file name", "rename the video"
        raise InputError(repr(str(path)), expected=expected, found="invalid characters", fix=fix)


def check_place(path: PathLike) -> None:
    """Check that a file can be written, before the work whose result it will hold. Missing folders are created.

    Raises:
        InputError: there is a folder of this name, or the file cannot be written.
    """
    path = to_path(path)
    if is_dir(path):
        raise InputError(path, expected="the name of a file", found="a folder", fix="choose another name")
    probe = path.with_name(f".{uuid.uuid4().hex}.part")
    write_file(probe, lambda file: None)
    with contextlib.suppress(InputError):  # of a store that allows writing, but not removal
        remove(probe)


def write_json(path: PathLike, data: object, *, indent: int | None = None) -> None:
    """Write JSON with numbers at full precision, as ``write_text`` does."""
    write_text(path, json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")
