"""The rates that a user gives for features."""

from __future__ import annotations

import math

from rcl.system.errors import Defect, InputError


def rate_of_video(where: str, path: object) -> InputError:
    """The error for a rate given for a video: the checkpoint determines the rate of its features."""
    return InputError(where, expected="feature files", found=str(path), fix="leave it out for videos")


def checked_rate(rate: float | None) -> float:
    """A rate that is known and possible.

    Raises:
        Defect: it is not.
    """
    if rate is None or not 0 < rate < math.inf:
        expected = "a positive number of snippets per second"
        raise Defect(expected=expected, found=repr(rate), fix="pass the rate of the features")
    return rate
