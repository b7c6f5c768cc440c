"""Transfer of files to and from object stores."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from rcl.system.errors import Defect, InputError
from rcl.system.paths import filesystem_of, is_remote, key_of, store_errors

CONCURRENT_QUERIES = 32  # to an object store


@contextlib.contextmanager
def local(path: Path) -> Iterator[Path]:
    """Context that gives a file of this machine with the same content: the file itself, or a temporary copy of it.

    An ``InputError`` or a ``Defect`` raised inside names ``path`` instead of the copy.

    Raises:
        InputError: the object store has no such file or does not answer, or there is no space for the copy.
    """
    if not is_remote(path):
        yield path
        return
    suffix = path.suffix if re.fullmatch(r"\.\w{1,16}", path.suffix) else ""  # the whole name may be too long
    with tempfile.TemporaryDirectory(prefix="rcl-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / f"copy{suffix}"
        with store_errors(path):
            filesystem_of(path).get_file(key_of(path), str(copy))
        try:
            yield copy
        except (Defect, InputError) as error:
            parts = {part: getattr(error, part).replace(str(copy), str(path)) for part in ("expected", "found", "fix")}
            if isinstance(error, Defect):
                raise Defect(**parts) from None
            raise InputError(error.where.replace(str(copy), str(path)), **parts) from None


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        InputError: the object store does not deliver it.
        OSError: it cannot be read on this machine.
    """
    if not is_remote(path):
        return path.read_bytes()
    with store_errors(path):
        return filesystem_of(path).cat_file(key_of(path))


def upload(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file to an object store, completely or not at all: it is finished on this machine first.

    Args:
        path: the target.
        write: called with the open file.

    Raises:
        InputError: the store refuses it.
        OSError: this machine has no space for it.
    """
    with tempfile.TemporaryDirectory(prefix="rcl-", ignore_cleanup_errors=True) as folder:
        aside = Path(folder) / "file"
        with aside.open("wb") as file:
            write(file)
        with store_errors(path):
            try:
                filesystem_of(path).put_file(str(aside), key_of(path))
            except FileNotFoundError:
                fix = "create it, or correct the address"
                raise InputError(path, expected="an existing bucket", found="no such bucket", fix=fix) from None


def query_pool(*places: Path) -> ThreadPoolExecutor:
    """Threads to query many files: several if one of the places is in an object store, where a query takes long."""
    return ThreadPoolExecutor(CONCURRENT_QUERIES if any(is_remote(place) for place in places) else 1)


def remove(path: Path) -> None:
    """Remove a file if it exists.

    Raises:
        InputError: the object store refuses.
        OSError: the operating system refuses.
    """
    if not is_remote(path):
        path.unlink(missing_ok=True)
        return
    with store_errors(path), contextlib.suppress(FileNotFoundError):
        filesystem_of(path).rm_file(key_of(path))  # not rm, which would expand the name as a pattern
