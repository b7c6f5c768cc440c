"""Errors in the user's input: where, what was expected, what was found, what to do."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class InputError(ValueError):
    """Something is wrong with the user's input.

    The message is one sentence that says where, what was expected, what was found and what to do.
    The command line prints it and exits with status 2; any other exception is a fault of the program.

    Args:
        where: the file, the video, the configuration key.
        expected: what is expected there.
        found: what was found instead.
        fix: what the user can do about it, in the imperative, without a full stop.
    """

    def __init__(self, where: object, *, expected: str = "", found: str = "", fix: str = "") -> None:
        self.where, self.expected, self.found, self.fix = str(where), expected, found, fix
        super().__init__(
            f"{where}: expected {expected}, found {found}; {fix}." if expected else _message_in(self.where)
        )

    @classmethod
    def missing(cls, path: object, expected: str = "a file", *, fix: str = "check the path") -> InputError:
        """The error for a file or folder that does not exist."""
        return cls(path, expected=expected, found="no such file", fix=fix)

    def __reduce__(self) -> tuple:
        """Rebuild from the parts, so that the error can cross processes."""
        return _rebuild, (self.where, self.expected, self.found, self.fix)


class Defect(Exception):
    """A defect of one value, raised where the file or video is not known; ``at`` adds the place."""

    def __init__(self, *, expected: str, found: str, fix: str) -> None:
        super().__init__(f"expected {expected}, found {found}; {fix}")
        self.expected, self.found, self.fix = expected, found, fix

    def at(self, where: object) -> InputError:
        """The same defect as an error that the user sees."""
        return InputError(where, expected=self.expected, found=self.found, fix=self.fix)


@contextmanager
def located(where: object) -> Iterator[None]:
    """Turn a ``Defect`` that is raised inside into an ``InputError`` that says where it is."""
    try:
        yield
    except Defect as defect:
        raise defect.at(where) from None


class Problems:
    """The defects of one file, collected so that its error can say how many there are.

    >>> problems = Problems()
    >>> for line, text in enumerate(["1.5", "x", "y"], 1):
    ...     with problems.located(f"times.csv, line {line}"):
    ...         if text.isalpha():
    ...             raise Defect(expected="a number", found=repr(text), fix="correct it")
    >>> problems.raise_first()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    rcl.system.errors.InputError: times.csv, line 2: expected a number, found 'x'; correct it (1 more such problem...
    """

    def __init__(self) -> None:
        self.errors: list[InputError] = []

    @contextmanager
    def located(self, where: object) -> Iterator[None]:
        """Keep a ``Defect`` that is raised inside, and go on."""
        try:
            yield
        except Defect as defect:
            self.errors.append(defect.at(where))

    def raise_first(self) -> None:
        """Raise the first error, if any, with the number of the others.

        Raises:
            InputError: a defect was collected.
        """
        raise_first(self.errors)


def describe_error(error: BaseException, limit: int = 150) -> str:
    """An exception of a library in an error message: its type and its text, short, on one line."""
    words = " ".join(str(error).split())[:limit].rstrip(".")
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _rebuild(where: str, expected: str, found: str, fix: str) -> InputError:
    return InputError(where, expected=expected, found=found, fix=fix)


def _message_in(report: str) -> str:
    # A data-loading worker's error is raised again by torch as type(error)(text of the whole traceback).
    return report.rpartition(f"{InputError.__name__}: ")[2].strip()


def raise_first(problems: Sequence[InputError]) -> None:
    """Raise the first problem of a file, if any, with the number of the others."""
    if not problems:
        return
    first = problems[0]
    if len(problems) > 1:
        fix = f"{first.fix} ({counted(len(problems) - 1, 'more such problem')} in this file)"
        first = InputError(first.where, expected=first.expected, found=first.found, fix=fix)
    raise first


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "video"), counted(1200, "video"), counted(0, "class", "classes")
    ('1 video', '1,200 videos', '0 classes')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


_SHORT = reprlib.Repr()  # a value out of a pickle or YAML may hold one list a billion times
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxdict = 4, 20, 20, 20
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 300


def shown(value: object, limit: int = 60) -> str:
    """A value as an error message quotes it: short, on one line."""
    text = _SHORT.repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def listed(names: Sequence[str], limit: int = 5) -> str:
    """Names as an error message lists them: the first few, then how many more."""
    few = ", ".join(names[:limit])
    return few if len(names) <= limit else f"{few} and {len(names) - limit} more"
