"""Paths of files on this machine, or in an object store that fsspec can read, such as ``s3://bucket/x``."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple, TypeAlias, cast

from rcl.system.errors import InputError, describe_error
from rcl.system.extras import how_to_install

PathLike: TypeAlias = str | os.PathLike[str]

_ADDRESS = re.compile(r"(?:[A-Za-z0-9]+::)*([A-Za-z][A-Za-z0-9+.-]+)://")  # one letter is a drive of Windows
_ETAGS = ("ETag", "etag", "md5Hash", "checksum")  # S3, Azure and Google, Google, others


log = logging.getLogger("rcl")


class StorageError(InputError):
    """An object store cannot be used, so it is unknown which files it holds."""


class Fingerprint(NamedTuple):
    """What distinguishes a file from a later version of it; ``modified_ns`` is 0 and ``etag`` empty if unknown."""

    bytes: int
    modified_ns: int
    etag: str


# -- names -------------------------------------------------------------------------------------------------------


def to_path(text: PathLike) -> Path:
    """Turn a file name or an address into a path.

    Args:
        text: a file name on this machine; an address that fsspec can read, ``file://`` or of an object store, taken
            literally (``%20`` is not decoded); or a path, which stays as it is.

    Returns:
        A ``pathlib`` path for files on this machine. For others a ``UPath`` of universal-pathlib, which has the methods
        of a path but is not one for the operating system: ``is_remote`` tells them apart.

    Raises:
        InputError: universal-pathlib, or the package that reads such addresses, is not installed.
    """
    if not isinstance(text, str):
        return Path(text) if isinstance(text, os.PathLike) else text
    address = _ADDRESS.match(text)
    if address is None:
        return Path(text)
    if address[1] in ("file", "local") and address.start(1) == 0:
        name = text[address.end() :]
        return Path(name[1:] if re.match(r"/[A-Za-z]:", name) and os.name == "nt" else name)
    return _remote_path(text, address[1])


def _remote_path(address: str, scheme: str) -> Path:
    try:
        from fsspec.registry import get_filesystem_class
        from upath import UPath
    except ModuleNotFoundError:
        fix = how_to_install("cluster")
        raise InputError(address, expected="universal-pathlib, to read it", found="no such package", fix=fix) from None
    try:
        path = UPath(address)
        get_filesystem_class(path.protocol)
        if not is_remote(path):
            raise ValueError(f"Protocol not known: {scheme}")
    except ImportError as error:
        plugin = getattr(error.__cause__, "name", None) or getattr(error, "name", None)
        fix = f"run pip install {plugin}" if plugin else "install it"
        expected = f"the package that reads {scheme}:// ({plugin or describe_error(error)})"
        raise InputError(address, expected=expected, found="no such package", fix=fix) from None
    except ValueError as error:
        expected = "an address that fsspec can read, such as s3://BUCKET/NAME"
        raise InputError(address, expected=expected, found=describe_error(error), fix="correct it") from None
    return cast(Path, path)


def is_address(text: str) -> bool:
    """Whether ``to_path`` would read a text as an address."""
    return _ADDRESS.match(text) is not None


def is_remote(path: object) -> bool:
    """Whether a path (not a text) is in an object store, where the operating system cannot open it."""
    return hasattr(path, "fs") and not isinstance(path, os.PathLike)


def filesystem_of(path: Path) -> Any:
    """The fsspec file system of a remote path."""
    return path.fs  # type: ignore[attr-defined]


def key_of(path: Path) -> str:
    """The name of a remote path within its store."""
    return path.path  # type: ignore[attr-defined]


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn whatever the library of an object store raises inside into an ``InputError`` about ``path``."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError.missing(path) from None
    except Exception as error:  # each library has exceptions of its own
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            expected, found = f"room for a copy in {tempfile.gettempdir()}", error.strerror or "none"
            raise InputError(path, expected=expected, found=found, fix="make room, or set TMPDIR") from None
        fix = "check the address, the credentials and the connection"
        raise StorageError(
            path, expected="an object store that answers", found=describe_error(error), fix=fix
        ) from None


# -- queries -----------------------------------------------------------------------------------------------------


def exists(path: Path) -> bool:
    """Whether a file or folder of this name exists; ``False``, as in all queries here, for names that are too long.

    Raises:
        InputError: the object store does not answer.
    """
    return _stat(path) is not None if is_remote(path) else os.path.exists(path)


def is_file(path: Path) -> bool:
    """Whether there is a file of this name; see ``exists``."""
    return _kind(path) == "file" if is_remote(path) else os.path.isfile(path)


def is_dir(path: Path) -> bool:
    """Whether there is a folder of this name (in an object store: a file below it); see ``exists``."""
    return _kind(path) == "directory" if is_remote(path) else os.path.isdir(path)


def _stat(path: Path) -> Any:
    """What a store knows about a name; ``None`` if there is no such file."""
    with store_errors(path):
        try:
            return path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None


def _kind(path: Path) -> str | None:
    found = _stat(path)
    return found and found.as_info().get("type")


def check_is_file(path: Path) -> None:
    """Raise an ``InputError`` if ``path`` is missing, or is not a file but a folder or a pipe."""
    if not is_file(path):
        found = "a folder" if is_dir(path) else "no such file"
        raise InputError(path, expected="a file", found=found, fix="check the path")


def fingerprint(path: Path) -> Fingerprint | None:
    """Size, time and (in stores that have it) tag of a file; ``None`` if there is no such file.

    Raises:
        InputError: the object store does not answer.
    """
    if not is_remote(path):
        try:
            stat = path.stat()
        except OSError:
            return None
        return Fingerprint(stat.st_size, stat.st_mtime_ns, "")
    found = _stat(path)
    if found is None:
        return None
    known = found.as_info()
    tag = next((str(known[key]) for key in _ETAGS if known.get(key)), "")
    return Fingerprint(found.st_size, found.st_mtime_ns, tag)


def files_in(folder: Path) -> list[Path]:
    """The entries of a folder, sorted; empty if there is no such folder.

    Raises:
        InputError: the object store does not answer.
    """
    if not is_remote(folder):
        return sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else []
    with store_errors(folder):
        filesystem_of(folder).invalidate_cache()  # other processes write to it, too
        try:
            found = filesystem_of(folder).ls(key_of(folder), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
    return sorted(_named(folder, [item["name"] for item in found if item["type"] == "file"]))


def files_below(folder: Path) -> list[tuple[Path, PurePosixPath]]:
    """All files below a folder, sorted, each with its path relative to the folder.

    Raises:
        InputError: the object store does not answer.
    """
    if not is_remote(folder):
        start = len(folder.parts)
        files = sorted(Path(place) / name for place, _, names in os.walk(folder) for name in names)
        return [(file, PurePosixPath(*file.parts[start:])) for file in files]
    with store_errors(folder):
        filesystem_of(folder).invalidate_cache()
        found = filesystem_of(folder).find(
            key_of(folder)
        )  # one listing with sizes and times instead of a query per file
    base = key_of(folder).rstrip("/") + "/"
    return [(file, PurePosixPath(key_of(file).removeprefix(base))) for file in sorted(_named(folder, found))]


def is_hidden(below: PurePath) -> bool:
    """Whether a path in a folder is one that systems and programs put there for themselves.

    >>> is_hidden(Path("day/._clip.csv")), is_hidden(Path(".cache/clip.csv")), is_hidden(Path("~$clip.xlsx"))
    (True, True, True)
    """
    return below.name.startswith("~$") or any(part.startswith(".") for part in below.parts)


def _named(folder: Path, names: list[str]) -> Iterator[Path]:
    """The paths of names that a store listed."""
    for name in names:
        path = folder.with_segments(name)  # type: ignore[attr-defined]
        if key_of(path) == name.rstrip("/"):
            yield path
        else:  # a name with ::, which fsspec reads as an address within another
            log.warning("%s: the file %r is skipped, because no address can name it", folder, name)
