"""Lengths of time as people type them."""

from __future__ import annotations

import math
import re

from rcl.system.errors import InputError

_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
_LONGEST = 366 * 24 * 3600


def parse_duration(text: str, *, option: str) -> float:
    """Seconds of ``90s``, ``10m``, ``1.5h`` or ``600``.

    >>> [parse_duration(text, option="--budget") for text in ("90s", "10m", "1.5h", "600")]
    [90.0, 600.0, 5400.0, 600.0]

    Args:
        text: a number, with or without a unit.
        option: that has it, for the message.

    Raises:
        InputError: it is something else, is not above 0, or more than a year.
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(s|m|min|h|)", text.strip().lower(), re.ASCII)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else math.nan
    if not 0 < seconds <= _LONGEST:
        expected, fix = "a length of time above 0", "write e.g. 90s, 10m, 1.5h, or a number of seconds"
        raise InputError(option, expected=expected, found=text or "nothing", fix=fix)
    return seconds
