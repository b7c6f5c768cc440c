"""What a source's past tells about changes, in a file."""

from __future__ import annotations

import logging
from pathlib import Path

from rcl.detector.live.events.expected_change import ExpectedChange
from rcl.system.errors import InputError
from rcl.system.text_files import read_json, write_json

log = logging.getLogger("rcl")


class ExpectedFile:
    """Keeps an :class:`~rcl.detector.live.events.expected_change.ExpectedChange` over restarts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> ExpectedChange:
        """What was kept; nothing if there is no such file, or it is damaged."""
        if not self.path.exists():
            return ExpectedChange()
        try:
            return ExpectedChange.from_json(read_json(self.path))
        except (InputError, KeyError, TypeError, ValueError):
            log.warning("%s is damaged: how much events change is learned again from the start", self.path)
            return ExpectedChange()

    def write(self, expected: ExpectedChange) -> None:
        """Keep it; nothing is lost but time if that fails."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, expected.to_json())
        except (InputError, OSError) as error:
            log.info("%s", error)
