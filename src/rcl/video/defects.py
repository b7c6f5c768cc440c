"""Counting the defects of a video."""

from __future__ import annotations

from fractions import Fraction


class Defects:
    """The number of defects of each kind, and the place of the first."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._place: dict[str, str] = {}

    def note(self, kind: str, seconds: Fraction | None) -> None:
        """Count a defect at a time in seconds, if known."""
        self._number[kind] = self._number.get(kind, 0) + 1
        self._place.setdefault(kind, "" if seconds is None else f", the first at {float(seconds):.1f} s")

    def descriptions(self) -> list[str]:
        """One sentence per kind."""
        return [f"{kind}: {number}{self._place[kind]}" for kind, number in self._number.items()]
