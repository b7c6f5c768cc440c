"""Places of files: on this machine, or in an object store that fsspec knows, such as ``s3://bucket/x``."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeAlias, cast

from rcl.system.errors import InputError, describe_error

PathLike: TypeAlias = str | os.PathLike[str]

_ADDRESS = re.compile(r"(?:[A-Za-z0-9]+::)*([A-Za-z][A-Za-z0-9+.-]+)://")  # one letter is a drive of Windows
_ETAGS = ("ETag", "etag", "md5Hash", "checksum")  # S3, Azure and Google, Google, others


log = logging.getLogger("rcl")


class StorageError(InputError):
    """An object store does not do what it is asked, so nobody knows what is there."""


class Fingerprint(NamedTuple):
    """What tells a file from a later version of it; ``modified_ns`` and ``etag`` are 0 and empty where nobody knows."""

    bytes: int
    modified_ns: int
    etag: str


# -- names -------------------------------------------------------------------------------------------------------


def to_path(text: PathLike) -> Path:
    """The path that a name or an address means.

    Args:
        text: a name on this machine; an address that fsspec knows, ``file://`` or of an object store, taken literally
            (``%20`` is no blank); or a path, which stays as it is.

    Returns:
        A plain path for what is on this machine. For the rest a ``UPath`` of universal-pathlib, which has the methods
        of a path but is none: ``is_remote`` tells them apart.

    Raises:
        InputError: universal-pathlib is not installed, or nothing that reads such addresses.
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
        fix = 'run pip install "rcl-tad[cluster]"'
        raise InputError(address, expected="universal-pathlib, to read it", found="no such package", fix=fix) from None
    try:
        path = UPath(address)
        get_filesystem_class(path.protocol)
        if not is_remote(path):
            raise ValueError(f"Protocol not known: {scheme}")
    except ImportError as error:
        plugin = getattr(error.__cause__, "name", None) or getattr(error, "name", None)
        fix = f"run pip install {plugin}" if plugin else "install it"
        expected = f"what reads {scheme}:// ({plugin or describe_error(error)})"
        raise InputError(address, expected=expected, found="no such package", fix=fix) from None
    except ValueError as error:
        expected = "an address that fsspec knows, such as s3://BUCKET/NAME"
        raise InputError(address, expected=expected, found=describe_error(error), fix="correct it") from None
    return cast(Path, path)


def is_address(text: str) -> bool:
    """Whether ``to_path`` takes a text for an address."""
    return _ADDRESS.match(text) is not None


def is_remote(path: object) -> bool:
    """Whether a path (not a text) is in an object store: then it is none that the operating system knows."""
    return hasattr(path, "fs") and not isinstance(path, os.PathLike)


def _fs(path: Path) -> Any:
    return path.fs  # type: ignore[attr-defined]


def _key(path: Path) -> str:
    """The name that the store knows."""
    return path.path  # type: ignore[attr-defined]


@contextlib.contextmanager
def _asked(path: Path) -> Iterator[None]:
    """Around a question to a store: whatever its library raises says that it cannot be used."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(path, expected="a file", found="no such file", fix="check the path") from None
    except Exception as error:  # each library has exceptions of its own
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            expected, found = f"room for a copy in {tempfile.gettempdir()}", error.strerror or "none"
            raise InputError(path, expected=expected, found=found, fix="make room, or set TMPDIR") from None
        fix = "check the address, the credentials and the connection"
        raise StorageError(
            path, expected="an object store that answers", found=describe_error(error), fix=fix
        ) from None


# -- what there is -----------------------------------------------------------------------------------------------


def exists(path: Path) -> bool:
    """Whether there is anything of this name; like all questions here, also where it is too long to be one.

    Raises:
        InputError: the object store does not answer.
    """
    return _stat(path) is not None if is_remote(path) else os.path.exists(path)


def is_file(path: Path) -> bool:
    """Whether there is a file of this name; see ``exists``."""
    return _kind(path) == "file" if is_remote(path) else os.path.isfile(path)


def is_dir(path: Path) -> bool:
    """Whether there is a folder of this name, in an object store something below it; see ``exists``."""
    return _kind(path) == "directory" if is_remote(path) else os.path.isdir(path)


def _stat(path: Path) -> Any:
    """What a store knows of a name; ``None`` if nothing."""
    with _asked(path):
        try:
            return path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None


def _kind(path: Path) -> str | None:
    found = _stat(path)
    return found and found.as_info().get("type")


def check_is_file(path: Path) -> None:
    """Raise an ``InputError`` where ``path`` is missing or something other than a file, such as a folder or a pipe."""
    if not is_file(path):
        found = "a folder" if is_dir(path) else "no such file"
        raise InputError(path, expected="a file", found=found, fix="check the path")


def fingerprint(path: Path) -> Fingerprint | None:
    """Size, time and, in stores that have one, tag of a file; ``None`` where there is none.

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
    """What lies directly in a folder, sorted; nothing where there is no such folder.

    Raises:
        InputError: the object store does not answer.
    """
    if not is_remote(folder):
        return sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else []
    with _asked(folder):
        _fs(folder).invalidate_cache()  # other processes write, too
        try:
            found = _fs(folder).ls(_key(folder), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
    return sorted(_named(folder, [item["name"] for item in found if item["type"] == "file"]))


def files_below(folder: Path) -> list[tuple[Path, PurePosixPath]]:
    """All files below a folder, sorted, each with its name as seen from there.

    Raises:
        InputError: the object store does not answer.
    """
    if not is_remote(folder):
        files = [file for file in sorted(folder.rglob("*")) if file.is_file() or file.is_symlink()]
        return [(file, PurePosixPath(*file.relative_to(folder).parts)) for file in files]
    with _asked(folder):
        _fs(folder).invalidate_cache()
        found = _fs(folder).find(_key(folder))  # one listing with sizes and times, not a question for every file
    base = _key(folder).rstrip("/") + "/"
    return [(file, PurePosixPath(_key(file).removeprefix(base))) for file in sorted(_named(folder, found))]


def _named(folder: Path, names: list[str]) -> Iterator[Path]:
    """The paths of names that a store listed."""
    for name in names:
        path = folder.with_segments(name)  # type: ignore[attr-defined]
        if _key(path) == name.rstrip("/"):
            yield path
        else:  # one with ::, which fsspec takes for an address within another
            log.warning("%s: the name %r is left out, as it cannot be addressed", folder, name)


# -- content -----------------------------------------------------------------------------------------------------
