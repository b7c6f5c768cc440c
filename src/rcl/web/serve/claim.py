"""One server for one file of labels."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rcl.system.errors import InputError
from rcl.system.text_files import check_place

log = logging.getLogger("rcl")


@contextmanager
def claimed(annotations: Path) -> Iterator[None]:
    """Keep other servers from a file of labels, and from those beside it: each would overwrite what another one keeps.

    The lock is one of the system's, on ``labels.lock`` beside ``labels.csv``: it ends with this process, also with one
    that is killed.

    Raises:
        InputError: another server has it, or nothing can be written there.
    """
    try:
        check_place(annotations)
    except InputError as error:
        fix = "give another file to --annotations"
        raise InputError(annotations, expected=error.expected, found=error.found, fix=fix) from None
    lock = FileLock(annotations.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        fix = "use the page of that one, end it, or give another file to --annotations"
        expected, found = "labels that no other rcl serve has open", "one that has"
        raise InputError(annotations, expected=expected, found=found, fix=fix) from None
    except (OSError, NotImplementedError) as error:  # a network's file system may know no locks
        log.warning("%s cannot be locked (%s): open it in one rcl serve at a time", annotations, error)
    try:
        yield
    finally:
        lock.release()
