"""The classes of a page with their colours and keys, in a file beside the annotations."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rcl.data.formats.values import composed
from rcl.system.errors import Defect, InputError, located
from rcl.system.text_files import read_json, write_json
from rcl.web.serve.file_content import Renaming
from rcl.web.serve.sent_segments import checked_label, checked_renaming

FORMAT = "RCL classes"
KEYS = "123456789abeghjkqtuwxyz"  # those of the alphabet that the page does not use itself, see keys.js
COLOURS = (  # of Paul Tol's muted and bright schemes, which people with any colour vision tell apart
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377",
    "#cc6677", "#332288", "#ddcc77", "#117733", "#88ccee", "#882255", "#44aa99", "#999933", "#aa4499", "#bbbbbb",
)  # fmt: skip


class LabelClass(NamedTuple):
    """A class: its name, its colour as ``#rrggbb``, and the key that labels with it; empty if there is none."""

    name: str
    colour: str
    key: str = ""


class ClassFile:
    """The classes of an annotation file: ``labels.classes.json`` beside ``labels.csv``.

    Args:
        annotations: the annotation file.

    Raises:
        InputError: there is such a file already, but it is no file of classes, or damaged.
    """

    def __init__(self, annotations: Path) -> None:
        self.path = annotations.with_suffix(".classes.json")
        self._lock = threading.Lock()
        self.read()
        self._renaming = self._announced()

    def read(self, labels: Iterable[str] = ()) -> list[LabelClass]:
        """The classes in the file, and those of other labels with the colours and keys that are left.

        Raises:
            InputError: the file is damaged.
        """
        classes = self._stored()
        known = {one.name for one in classes}
        for label in labels:
            if label and label not in known:
                known.add(label)
                classes.append(_next_class(label, classes))
        return classes

    def add(self, labels: Collection[str]) -> None:
        """Store the colours and keys of labels that are new, so that they stay.

        Raises:
            InputError: the file is damaged or cannot be written.
        """
        with self._lock:
            classes = self.read(labels)
            if len(classes) > len(self._stored()):
                self._write(classes)

    def put(self, sent: Any, labels: Collection[str]) -> list[LabelClass]:
        """Add a class or change its colour and key; a key that another class has is taken from it.

        Args:
            sent: ``{"name"}``, perhaps with ``"colour"`` and ``"key"``.
            labels: those that are in use; they are stored too.

        Returns:
            All classes.

        Raises:
            InputError: it is something else, or the file is damaged or cannot be written.
        """
        with self._lock, located(str(self.path)):
            name = checked_label(composed(str(sent.get("name", ""))))
            if not name:
                raise Defect(expected="the name of a class", found="none", fix="enter one")
            classes = self.read([*labels, name])
            before = next(one for one in classes if one.name == name)
            changed = _checked(LabelClass(name, sent.get("colour", before.colour), sent.get("key", before.key)))
            others = [one._replace(key="") if one.key == changed.key else one for one in classes]
            classes = [changed if one.name == name else other for one, other in zip(classes, others, strict=True)]
            self._write(classes)
            return classes

    def remove(self, name: str) -> None:
        """Take a class out of the file.

        Raises:
            InputError: the file is damaged or cannot be written.
        """
        with self._lock:
            self._write([one for one in self._stored() if one.name != name])

    def rename(self, renaming: Renaming) -> None:
        """Give a class another name; if there is one of that name, they become one. An announced renaming is over.

        If only some segments get the name, both classes stay.

        Raises:
            InputError: the file is damaged or cannot be written.
        """
        old, new, only = renaming
        with self._lock:
            classes = self.read([old] if only is None else [old, new])
            if only is None:
                if any(one.name == new for one in classes):
                    classes = [one for one in classes if one.name != old]
                classes = [one._replace(name=new) if one.name == old else one for one in classes]
            self._renaming = None
            self._write(classes)

    # -- a renaming that takes several files ----------------------------------------------------------------------

    @property
    def renaming(self) -> Renaming | None:
        """The renaming that was announced and did not come to its end."""
        return self._renaming

    def announce(self, renaming: Renaming | None) -> None:
        """Note that a renaming begins, or is given up, so that the next start completes one that was interrupted.

        Raises:
            InputError: the file is damaged or cannot be written.
        """
        with self._lock:
            classes, self._renaming = self._stored(), renaming
            self._write(classes)

    def _stored(self) -> list[LabelClass]:
        if not self.path.exists():
            return []
        data = read_json(self.path)
        if data.get("format") != FORMAT or not isinstance(data.get("classes"), list):
            fix = "rename this file, or give another one to --annotations"
            raise InputError(self.path, expected="classes of rcl serve", found="another content", fix=fix)
        with located(str(self.path)):
            return [_checked(_class_of(item)) for item in data["classes"]]

    def _announced(self) -> Renaming | None:
        stated = read_json(self.path).get("renaming") if self.path.exists() else None
        if stated is None:
            return None
        with located(f"{self.path}, renaming"):
            return checked_renaming(stated)

    def _write(self, classes: Sequence[LabelClass]) -> None:
        content: dict[str, Any] = {"format": FORMAT, "classes": [one._asdict() for one in classes]}
        content |= {"renaming": self._renaming.to_json()} if self._renaming else {}
        write_json(self.path, content, indent=1)


def _next_class(name: str, classes: Sequence[LabelClass]) -> LabelClass:
    """A class with the first colour and key that no other has."""
    colours, keys = ({one.colour for one in classes}, {one.key for one in classes})
    colour = next((one for one in COLOURS if one not in colours), COLOURS[len(classes) % len(COLOURS)])
    return LabelClass(name, colour, next((key for key in KEYS if key not in keys), ""))


def _class_of(item: Any) -> LabelClass:
    try:
        return LabelClass(str(item["name"]), item["colour"], item.get("key", ""))
    except (AttributeError, KeyError, TypeError):
        fix = "correct it, or remove it from the file"
        raise Defect(expected="a class with a name and a colour", found=repr(item)[:40], fix=fix) from None


def _checked(one: LabelClass) -> LabelClass:
    if not isinstance(one.colour, str) or not re.fullmatch("#[0-9a-f]{6}", one.colour):
        raise Defect(expected="a colour #rrggbb", found=repr(one.colour)[:40], fix="choose another")
    if not isinstance(one.key, str) or (one.key and (len(one.key) != 1 or one.key not in KEYS)):
        raise Defect(expected=f"one of the keys {' '.join(KEYS)}", found=repr(one.key)[:40], fix="choose another")
    return one
