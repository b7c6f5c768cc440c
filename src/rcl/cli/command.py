"""How a function becomes a command: groups of options, refused addresses, interruptions and full disks."""

from __future__ import annotations

import dataclasses
import errno
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_type_hints

import typer

from rcl.cli.console import note
from rcl.system.errors import InputError

HOW_TO_CONTINUE = {
    "detect": "; run the same command again to continue",
    "extract": "; run the same command again to continue",
    "clips": "; run the same command again to continue",
    "crossval": "; run the same command again to continue",
    "learning_curve": "; run the same command again to continue",
    "train": "; add --resume to the same command to continue from the last epoch",
    "fit": "; run the same command again to continue, with --resume if the training had started",
}


def as_command(function: Callable[..., None]) -> Callable[..., None]:
    """The function as ``typer`` takes it; it reports an interruption and a full disk in one sentence.

    A parameter whose type is a dataclass becomes one option for each of the dataclass's fields, so that commands can
    share options.
    """
    signature = inspect.signature(function, eval_str=True)
    groups = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if dataclasses.is_dataclass(parameter.annotation) and isinstance(parameter.annotation, type)
    }
    parameters = list[inspect.Parameter]()
    for name, parameter in signature.parameters.items():
        # Keywords alone, because typer does not mind an optional one before a required one, and inspect does.
        parameters += (
            _parameters_of(groups[name]) if name in groups else [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
        )

    def command(**values: Any) -> None:
        for name, value in values.items():
            for part in value if isinstance(value, list) else [value]:
                _refuse_address(name, part)
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in dataclasses.fields(group)})
        with _orderly_end(function.__name__):
            function(**values)

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _parameters_of(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in dataclasses.fields(group)
    ]


@contextmanager
def _orderly_end(name: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        note(f"rcl: interrupted{HOW_TO_CONTINUE.get(name, '')}.")
        raise typer.Exit(130) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where, found = error.filename or "the output", error.strerror or str(error)
        raise InputError(where, expected="a place to write to", found=found, fix="make room") from None


def _refuse_address(name: str, value: object) -> None:
    """Refuse an address where only a path will do; ``s3://…`` would become a folder named ``s3:``."""
    if isinstance(value, Path) and (address := re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/", str(value))):
        fix = "give a local path, and copy the files from the object store first"
        raise InputError(name, expected="a path on this machine", found=f"an address ({address[1]}://)", fix=fix)
