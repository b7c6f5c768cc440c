"""The one kind of error that is the user's to mend, and what becomes one."""

from __future__ import annotations


class InputError(ValueError):
    """Something that the user gave us is wrong.

    The message is one sentence that says where, what was expected, what was found and what to do.
    The command line prints it and exits with status 2; anything else that is raised is a fault of ours.

    Args:
        where: the file, the video, the configuration key.
        expected: what should have been there.
        found: what was there instead.
        fix: what the user can do about it, as an imperative without a full stop.
    """

    def __init__(self, where: object, *, expected: str = "", found: str = "", fix: str = "") -> None:
        self.where, self.expected, self.found, self.fix = str(where), expected, found, fix
        super().__init__(
            f"{where}: expected {expected}, found {found}; {fix}." if expected else _message_in(self.where)
        )

    def __reduce__(self) -> tuple:
        """Rebuild from the parts, so that the error can cross processes."""
        return _rebuild, (self.where, self.expected, self.found, self.fix)


class Defect(Exception):
    """A defect of one value, found where the file and the video are not known; ``at`` adds the place."""

    def __init__(self, *, expected: str, found: str, fix: str) -> None:
        super().__init__(f"expected {expected}, found {found}; {fix}")
        self.expected, self.found, self.fix = expected, found, fix

    def at(self, where: object) -> InputError:
        """The same defect as an error that the user sees."""
        return InputError(where, expected=self.expected, found=self.found, fix=self.fix)


def told(error: BaseException, limit: int = 150) -> str:
    """An exception of a library as an error message tells it: its kind and its words, short, on one line."""
    words = " ".join(str(error).split())[:limit]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _rebuild(where: str, expected: str, found: str, fix: str) -> InputError:
    return InputError(where, expected=expected, found=found, fix=fix)


def _message_in(report: str) -> str:
    # A data-loading worker's error is raised again by torch as type(error)(text of the whole traceback).
    return report.rpartition(f"{InputError.__name__}: ")[2].strip()
