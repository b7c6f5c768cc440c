"""Classes that users name as ``package.module:Class``."""

from __future__ import annotations

import importlib
from typing import TypeVar

from rcl.system.errors import Defect, describe_error

T = TypeVar("T")


def load_class(path: str, base: type[T]) -> type[T]:
    """Import the class that ``package.module:Class`` names.

    Args:
        path: the module, a colon, and the class in it. The module must be importable: installed, or on ``PYTHONPATH``.
        base: what the class has to inherit from.

    Raises:
        Defect: there is no such module or class, its import fails, or it does not inherit from ``base``.
    """
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # a module may raise anything while it is imported
        fix = "correct the name, or install the package (a file of your own needs its folder on PYTHONPATH)"
        raise Defect(expected=f"an importable class {path}", found=describe_error(error), fix=fix) from None
    if not (isinstance(found, type) and issubclass(found, base)):
        expected = f"a subclass of {base.__module__}.{base.__name__}"
        raise Defect(expected=expected, found=f"{path}, which is not one", fix="inherit from it")
    return found
