"""Changes of the classes of a session, which concern several files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rcl.system.errors import InputError, located
from rcl.web.serve.class_file import ClassFile
from rcl.web.serve.decisions import Decisions
from rcl.web.serve.file_content import Renaming
from rcl.web.serve.sent_segments import checked_renaming


class ClassChanges:
    """Adding, changing, renaming and removing classes. A renaming that was interrupted is completed at the start.

    Args:
        file: the classes with their colours and keys.
        decisions: the segments that have them.
        labels: returns the labels in use.

    Raises:
        InputError: a file is damaged, or cannot be written.
    """

    def __init__(self, file: ClassFile, decisions: Decisions, labels: Callable[[], list[str]]) -> None:
        self._file, self._decisions, self._labels = file, decisions, labels
        if file.renaming:
            self._rename(file.renaming)

    def all(self) -> list[dict[str, str]]:
        """All classes, each ``{"name", "colour", "key"}``."""
        return [one._asdict() for one in self._file.read(self._labels())]

    def put(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Add a class or change its colour and key; return all classes. See :meth:`ClassFile.put`."""
        self._file.put(sent, self._labels())
        return {"classes": self.all()}

    def remove(self, name: str) -> dict[str, Any]:
        """Remove a class that no segment has; return all classes.

        Raises:
            InputError: a segment has it, or a file is damaged or cannot be written.
        """
        if name in self._labels():
            fix = "rename it, or delete its segments first"
            raise InputError(f"class {name!r}", expected="a class without segments", found="one in use", fix=fix)
        self._file.remove(name)
        return {"classes": self.all()}

    def rename(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Give a class another name in all videos, or in some segments; see :func:`checked_renaming`.

        Returns:
            How many segments in the labels got it, and all classes; ``renamed``, if there was a class of that name
            already: the starts and ends of the segments that got it, by the name of the video, to take it back.

        Raises:
            InputError: it is no name, or a file is damaged or cannot be written.
        """
        with located(f"class {sent.get('from', '')!r}"):
            renaming = checked_renaming(sent)
        joins = renaming.only is None and any(one["name"] == renaming.new for one in self.all())
        renamed = {"renamed": self._decisions.times_of(renaming.old)} if joins else {}
        return {"segments": self._rename(renaming), "classes": self.all(), **renamed}

    def _rename(self, renaming: Renaming) -> int:
        """Give a class another name in all files: each is written at once, but not all together."""
        self._file.announce(renaming)
        try:
            count = self._decisions.rename(renaming)
        except InputError:
            self._file.announce(None)
            raise
        self._file.rename(renaming)
        return count
