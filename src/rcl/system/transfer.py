"""Files to and from object stores."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from rcl.system.errors import Defect, InputError
from rcl.system.paths import _asked, _fs, _key, is_remote

QUESTIONS = 32  # to an object store at a time


@contextlib.contextmanager
def local(path: Path) -> Iterator[Path]:
    """A file of this machine with the same content: the file itself, or else a copy, which is removed at the end.

    Where what is done with the copy ends in an ``InputError`` or a ``Defect``, it tells of ``path``.

    Raises:
        InputError: there is no such file in the object store, the store does not answer, or the copy has no room.
    """
    if not is_remote(path):
        yield path
        return
    suffix = path.suffix if re.fullmatch(r"\.\w{1,16}", path.suffix) else ""  # the rest of the name may be too long
    with tempfile.TemporaryDirectory(prefix="rcl-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / f"copy{suffix}"
        with _asked(path):
            _fs(path).get_file(_key(path), str(copy))
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
        InputError: it cannot be had from the object store.
        OSError: it cannot be read on this machine.
    """
    if not is_remote(path):
        return path.read_bytes()
    with _asked(path):
        return _fs(path).cat_file(_key(path))


def upload(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Put a file into an object store, whole or not at all: it is finished on this machine first.

    Args:
        path: where to.
        write: is given the open file.

    Raises:
        InputError: the store does not take it.
        OSError: this machine has no room for it.
    """
    with tempfile.TemporaryDirectory(prefix="rcl-", ignore_cleanup_errors=True) as folder:
        aside = Path(folder) / "file"
        with aside.open("wb") as file:
            write(file)
        with _asked(path):
            try:
                _fs(path).put_file(str(aside), _key(path))
            except FileNotFoundError:
                fix = "make it, or correct the address"
                raise InputError(path, expected="a bucket to write to", found="none of this name", fix=fix) from None


def questions(*places: Path) -> ThreadPoolExecutor:
    """Threads to ask about many files with: many at a time where one of the places is in an object store."""
    return ThreadPoolExecutor(QUESTIONS if any(is_remote(place) for place in places) else 1)


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        InputError: the object store does not do it.
        OSError: this machine does not.
    """
    if not is_remote(path):
        path.unlink(missing_ok=True)
        return
    with _asked(path), contextlib.suppress(FileNotFoundError):
        _fs(path).rm_file(_key(path))  # not rm, which would take a name for a pattern
