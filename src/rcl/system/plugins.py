"""Classes of other packages, which users name as ``package.module:Class``."""

from __future__ import annotations

import importlib
import re
from typing import Any

from rcl.system.errors import Defect

_PLACE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def is_class_name(text: str) -> bool:
    """Whether a text has the form ``package.module:Class``.

    >>> is_class_name("my_package.networks:Slow"), is_class_name("motion"), is_class_name("onnx:a/b.onnx")
    (True, False, False)
    """
    return _PLACE.fullmatch(text) is not None


def import_class(name: str) -> type[Any]:
    """The class that ``package.module:Class`` names. Its module is imported, which runs it.

    Raises:
        Defect: there is no such module, or no such class in it. Errors inside the module are raised as they are.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if not error.name or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module exists, and lacks another one
        fix = "install its package, or put its folder on PYTHONPATH"
        raise Defect(expected=f"the module of {name}", found=f"no module {error.name}", fix=fix) from None
    if not isinstance(found, type):
        expected = f"the class {attribute} in {module}"
        raise Defect(expected=expected, found="no such class", fix="check the name")
    return found
