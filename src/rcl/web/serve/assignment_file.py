"""Which videos are whose to label, in a file beside the annotations."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from rcl.system.errors import InputError
from rcl.system.text_files import read_json, write_json

FORMAT = "RCL assignments"


class AssignmentFile:
    """The assignments of an annotation file: ``labels.assigned.json`` beside ``labels.csv``.

    Args:
        annotations: the annotation file.

    Raises:
        InputError: there is such a file already, but it is no file of assignments, or damaged.
    """

    def __init__(self, annotations: Path) -> None:
        self.path = annotations.with_suffix(".assigned.json")
        self._lock = threading.Lock()
        self.read()

    def read(self) -> dict[str, str]:
        """The name of the annotator of each video that has one, by the name of the video.

        Raises:
            InputError: the file is damaged.
        """
        if not self.path.exists():
            return {}
        data = read_json(self.path)
        assigned = data.get("assigned")
        if data.get("format") != FORMAT or not isinstance(assigned, dict):
            fix = "rename this file, or give another one to --annotations"
            raise InputError(self.path, expected="assignments of rcl serve", found="another content", fix=fix)
        return {video: str(annotator) for video, annotator in assigned.items() if annotator}

    def assign(self, videos: Iterable[str], annotator: str) -> dict[str, str]:
        """Assign videos to somebody, atomically, or to nobody if the name is empty; return :meth:`read`.

        Raises:
            InputError: the file is damaged or cannot be written.
        """
        with self._lock:
            assigned = self.read() | dict.fromkeys(videos, annotator)
            assigned = {video: name for video, name in sorted(assigned.items()) if name}
            write_json(self.path, {"format": FORMAT, "assigned": assigned}, indent=1)
            return assigned
