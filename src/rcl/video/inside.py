"""Recordings that are a part of a file: the tracks of one individual, ``session.h5/mouse1``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rcl.data.names import SIGNAL_EXTENSIONS
from rcl.system.paths import is_file
from rcl.system.transfer import local


def file_of(path: Path) -> Path:
    """The file of a recording: the path itself, or the file that it leads into."""
    above = path.parent
    return above if above.suffix.lower() in SIGNAL_EXTENSIONS and is_file(above) else path


@contextlib.contextmanager
def local_recording(path: Path) -> Iterator[Path]:
    """Context that gives the recording on this machine, as ``rcl.system.transfer.local`` gives a file.

    Raises:
        InputError: see ``local``.
    """
    file = file_of(path)
    with local(file) as opened:
        yield opened if file == path else opened / path.name
