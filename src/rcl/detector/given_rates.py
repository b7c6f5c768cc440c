"""The rates that a user gives for features."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rcl.system.errors import Defect, InputError

SLOWEST, FASTEST = 0.1, 10.0  # rates at which a detector may look at a video, times that of its features


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


def check_rates(rates: Sequence[float], where: str = "rates") -> tuple[float, ...]:
    """The rates, if they are valid.

    Raises:
        InputError: there are none, or one is out of range.
    """
    rates = tuple(rates)
    if not rates or not all(SLOWEST <= rate <= FASTEST for rate in rates):
        expected, fix = f"numbers from {SLOWEST:g} to {FASTEST:g}", "write e.g. 0.7,1,1.4; 1 is that of the features"
        raise InputError(where, expected=expected, found=",".join(f"{rate:g}" for rate in rates), fix=fix)
    return rates
