"""How much an event will still change, as this source's past tells."""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

AGES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # seconds, between the bins
CHANGES = (0.01, 0.05, 0.2)  # likewise; an event that was seen once has a bin of its own
PRIOR, PRIOR_WEIGHT = 0.5, 4.0  # as if four samples had changed by half: some twenty that stay bring it below 0.1
KEPT = 1 - 1 / 200  # of a sample's weight with each further one, so that about the last 200 count

Bin: TypeAlias = tuple[int, int]


class Form(NamedTuple):
    """How an event looks in one look."""

    start_seconds: float
    end_seconds: float
    score: float


def change_between(one: Form, other: Form) -> float:
    """1 − tIoU of two segments: 0 if they are equal, 1 if they share nothing.

    >>> change_between(Form(0, 4, 0.9), Form(1, 4, 0.5))
    0.25
    """
    if one[:2] == other[:2]:
        return 0.0  # also of two segments without a length
    common = min(one.end_seconds, other.end_seconds) - max(one.start_seconds, other.start_seconds)
    union = one.end_seconds - one.start_seconds + other.end_seconds - other.start_seconds - common
    return 1 - common / union if common > 0 else 1.0


def bin_of(age_seconds: float, change: float | None) -> Bin:
    """The bin of an event.

    Args:
        age_seconds: from its end until now.
        change: 1 − tIoU between the last two looks; ``None`` if it was seen once.
    """
    return bisect_right(AGES, age_seconds), len(CHANGES) + 1 if change is None else bisect_right(CHANGES, change)


class ExpectedChange:
    """The mean change, from a look to the final form, of events like this one: 1 − tIoU, or 1 if the event vanished.

    Events are alike if they are in the same bin: of their age (octaves of seconds) and of the change between the last
    two looks. The estimate of a bin with samples ``c_i`` of weights ``w_i`` is

    ``(4 · 0.5 + Σ w_i c_i) / (4 + Σ w_i)``

    and so 0.5 without samples. The newest sample has the weight 1. With each that follows in its bin, a sample loses a
    two-hundredth of its weight.

    Several sources, also in several threads, can share one.
    """

    def __init__(self) -> None:
        self._sums = dict[Bin, tuple[float, float]]()  # Σ w and Σ w·c
        self._lock = threading.Lock()

    def __getitem__(self, at: Bin) -> float:
        weight, total = self._sums.get(at, (0.0, 0.0))
        return (PRIOR_WEIGHT * PRIOR + total) / (PRIOR_WEIGHT + weight)

    def learn(self, at: Bin, change: float) -> None:
        """Add the change, in [0, 1], of an event that was in a bin from its form then to its final one."""
        with self._lock:
            weight, total = self._sums.get(at, (0.0, 0.0))
            self._sums[at] = (KEPT * weight + 1, KEPT * total + change)

    def to_json(self) -> dict[str, Any]:
        """What is known, as plain Python types."""
        with self._lock:
            return {"bins": [[*at, *sums] for at, sums in sorted(self._sums.items())]}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> ExpectedChange:
        """What :meth:`to_json` returned, checked, since a file may hold anything.

        Raises:
            KeyError, TypeError, ValueError: a value is missing, of another type or out of range.
        """
        expected = cls()
        for age, change, weight, total in kept["bins"]:
            if not (0 <= int(age) <= len(AGES) and 0 <= int(change) <= len(CHANGES) + 1):
                raise ValueError("a bin that does not exist")
            if not 0 <= float(total) <= float(weight) < math.inf:
                raise ValueError("sums out of range")
            expected._sums[int(age), int(change)] = (float(weight), float(total))
        return expected
