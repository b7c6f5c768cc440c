"""What only one process may have open."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rcl.system.errors import InputError
from rcl.system.extras import how_to_install

log = logging.getLogger("rcl")


@contextmanager
def exclusive(lock_file: Path, *, in_use: InputError, extra: str) -> Iterator[None]:
    """Keep other processes, and others in this one, from what a file stands for.

    The lock is one of the system's: it ends with this process, also with one that is killed.

    Args:
        lock_file: is created; it holds nothing.
        in_use: the error if somebody else has the lock.
        extra: the group of packages that the user needs here.

    Raises:
        InputError: somebody else has the lock, or the package is not installed.
    """
    try:
        from filelock import FileLock, Timeout
    except ModuleNotFoundError:
        fix = how_to_install(extra)
        raise InputError(f"rcl {extra}", expected="filelock", found="no such package", fix=fix) from None
    lock = FileLock(lock_file, thread_local=False)  # it may be another thread that ends it
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise in_use from None
    except (OSError, NotImplementedError) as error:  # a network's file system may know no locks
        log.warning("%s cannot be locked (%s): do not use it in two processes at a time", lock_file, error)
    try:
        yield
    finally:
        lock.release()
