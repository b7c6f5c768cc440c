"""How far a source was read, in a file: a restart goes on there."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from pathlib import Path
from typing import Any

from rcl.detector.live.sources.source import Source
from rcl.system.errors import InputError
from rcl.system.text_files import read_json, write_json

log = logging.getLogger("rcl")

_BEGINNING = 4096  # bytes of a file by which it is known again; fewer while it is shorter


class PlaceFile:
    """The place up to which a source was read, as ``Feed.position`` gives it.

    A file that was replaced by another recording is read as a new part, and so is another source of the same name.

    Args:
        path: of the file.
        source: whose place it is.
    """

    def __init__(self, path: Path, source: Source) -> None:
        self.path, self._source = path, source
        self._written: dict[str, Any] | None = None
        self._known_bytes, self._is_kept = 0, True

    def resume(self, last_part: int | None) -> dict[str, Any] | None:
        """From where a feed goes on; ``None`` for the beginning.

        Args:
            last_part: the newest part of this source that anything was said of, if there is one.
        """
        kept = self._read()
        newest = max(last_part or 0, int(kept["position"].get("part", 0)) if kept else 0)
        if kept and kept["source"] == self._identity(kept["bytes"])[0]:
            position = dict(kept["position"])
            return position if self._source.kind != "address" else {**position, "part": newest}
        if not newest:
            return None
        return {"part": newest if self._source.kind == "address" else newest + 1}

    def keep(self, position: dict[str, Any]) -> None:
        """Write the place, if it has changed, or the file is known by more than before."""
        if not position or (position == self._written and self._known_bytes == _BEGINNING):
            return
        identity, known_bytes = self._identity()
        if position == self._written and self._known_bytes == known_bytes:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, {"source": identity, "bytes": known_bytes, "position": position})
            self._written, self._known_bytes, self._is_kept = dict(position), known_bytes, True
        except (InputError, OSError) as error:
            if self._is_kept:
                log.warning("%s; after a restart, the source is read from an earlier place", error)
            self._is_kept = False

    def _identity(self, most: int = _BEGINNING) -> tuple[str, int]:
        """What tells the source from another one of its name, and the number of bytes of a file by which it does so.

        Passwords cannot be read from it.
        """
        digest, beginning = hashlib.sha256(self._source.place.encode("utf-8", "backslashreplace")), b""
        if self._source.kind == "file":
            with contextlib.suppress(OSError), open(self._source.place, "rb") as file:
                beginning = file.read(most)
        digest.update(beginning)
        return digest.hexdigest(), len(beginning) if self._source.kind == "file" else _BEGINNING

    def _read(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        try:
            kept = read_json(self.path)
            int(kept["position"].get("part", 0))
            known_bytes = max(int(kept["bytes"]), 0)
            return {"source": str(kept["source"]), "bytes": known_bytes, "position": dict(kept["position"])}
        except (InputError, AttributeError, KeyError, TypeError, ValueError):
            log.warning("%s is damaged: the source is read as a new part", self.path)
            return None
