"""One server for one file of labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rcl.system.claims import exclusive
from rcl.system.errors import InputError
from rcl.system.text_files import check_place


@contextmanager
def claimed(annotations: Path) -> Iterator[None]:
    """Keep other servers from a file of labels, and from those beside it: each would overwrite what another one keeps.

    The lock is on ``labels.lock`` beside ``labels.csv``.

    Raises:
        InputError: another server has it, or nothing can be written there.
    """
    try:
        check_place(annotations)
    except InputError as error:
        fix = "give another file to --annotations"
        raise InputError(annotations, expected=error.expected, found=error.found, fix=fix) from None
    fix = "use the page of that one, end it, or give another file to --annotations"
    expected, found = "labels that no other rcl serve has open", "one that has"
    in_use = InputError(annotations, expected=expected, found=found, fix=fix)
    with exclusive(annotations.with_suffix(".lock"), in_use=in_use, extra="serve"):
        yield
