"""The axis and the joints of a body, by the names of its parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

FRONTS = ("nose", "snout", "head", "headtop", "forehead", "mouth", "neck")
BACKS = ("tailbase", "tailroot", "tailstart", "basetail", "rump", "hip", "tail1", "tail", "abdomen", "thorax")
_SIDES = (("left", "right"), ("l", "r"))
_LIMBS = (  # of people: the middle one is the joint
    ("hip", "shoulder", "elbow"),
    ("shoulder", "elbow", "wrist"),
    ("shoulder", "hip", "knee"),
    ("hip", "knee", "ankle"),
)


@dataclass(frozen=True)
class Body:
    """How the points of a body belong together.

    Args:
        axis: numbers of the points at its front and its back; ``None``: along the largest spread of the points.
        joints: numbers of three points each, the joint in the middle.
        upright: whether "up" in the picture means something for it, as for people, so that it must not be turned.
    """

    axis: tuple[int, int] | None
    joints: tuple[tuple[int, int, int], ...]
    upright: bool

    @classmethod
    def of(cls, parts: Sequence[str]) -> Body:
        """The body with these parts.

        The joints are those of people where the parts have their names, else any three parts in a row.

        >>> Body.of(["nose", "left_ear", "right_ear", "tail_base"])
        Body(axis=(0, 3), joints=((0, 1, 2), (1, 2, 3)), upright=False)
        """
        numbers = {_plain(part): number for number, part in enumerate(parts)}
        front = next((numbers[name] for name in FRONTS if name in numbers), None)
        back = next((numbers[name] for name in BACKS if name in numbers), None)
        limbs = _limbs(numbers)
        row = tuple((number, number + 1, number + 2) for number in range(len(parts) - 2))
        axis = None if front is None or back is None else (front, back)
        return cls(axis, limbs or row, upright=bool(limbs))


def _limbs(numbers: dict[str, int]) -> tuple[tuple[int, int, int], ...]:
    names = [[f"{side}{part}" for part in limb] for sides in _SIDES for side in sides for limb in _LIMBS]
    first, middle, last = 0, 1, 2
    return tuple(
        (numbers[limb[first]], numbers[limb[middle]], numbers[limb[last]])
        for limb in names
        if all(name in numbers for name in limb)
    )


def _plain(part: str) -> str:
    return re.sub(r"[^a-z0-9]", "", part.lower())
