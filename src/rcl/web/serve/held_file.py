"""What a file says, which is read again only once the file has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

Said = TypeVar("Said")
Stamp: TypeAlias = "tuple[int, int, int] | None"
"""Inode, time and size of a file; ``None`` if there is no such file."""


class HeldFile(Generic[Said]):
    """What a file says, as of now.

    Args:
        path: the file; it need not exist.
        read: reads it, and is called again when another program, too, has changed the file. Nobody may change what it
            returns.
    """

    def __init__(self, path: Path, read: Callable[[], Said]) -> None:
        self._path, self._read = path, read
        self._lock = threading.Lock()
        self._held: tuple[Stamp, Said] | None = None

    def get(self) -> Said:
        """What the file says; an error of ``read`` is raised each time."""
        with self._lock:
            stamp = self._stamp()  # before it is read: what changes meanwhile is read next time
            if self._held is None or self._held[0] != stamp:
                self._held = stamp, self._read()
            return self._held[1]

    def _stamp(self) -> Stamp:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
