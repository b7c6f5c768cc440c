"""Times of annotation files of ELAN: its time slots, some of which have no time of their own."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple
from xml.etree.ElementTree import Element

from rcl.data.formats.values import to_number
from rcl.system.errors import Defect, counted

log = logging.getLogger("rcl")


class Times(NamedTuple):
    """Time slots in seconds; ``None`` for those that have no time, and lie between none that have."""

    slots: Mapping[str, float | None]

    def at(self, slot: str | None) -> float | None:
        """The time of a slot.

        Raises:
            Defect: the file has no such slot.
        """
        if slot is None or slot not in self.slots:
            raise Defect(expected="a time slot of the file", found=repr(slot), fix="save it again in ELAN")
        return self.slots[slot]


def read_times(root: Element, source: str, *, unit: float, offset: float) -> Times:
    """The time slots of a file.

    Those without a time are spread evenly between their neighbours that have one, as ELAN shows them: neighbours are
    those of annotations that follow each other on a tier, else those of the list of slots.

    Args:
        root: of the file.
        source: the file, for messages.
        unit: milliseconds of a step of the times.
        offset: milliseconds to add.

    Raises:
        Defect: a time is no number.
    """
    times: dict[str, float | None] = {}
    for slot in root.iterfind("TIME_ORDER/TIME_SLOT"):
        value, key = slot.get("TIME_VALUE"), slot.get("TIME_SLOT_ID", "")
        milliseconds = None if value is None else to_number(value, f"TIME_VALUE of time slot {key!r}") * unit
        times[key] = None if milliseconds is None else (milliseconds + offset) / 1000
    empty = [key for key, time in times.items() if time is None]
    if empty:
        for chain in (*_chains(root), [*times]):
            _spread(times, [slot for slot in chain if slot in times])
    if spread := sum(times[key] is not None for key in empty):
        message = "%s: %s without a time %s spread evenly between the neighbours, as ELAN does"
        log.warning(message, source, counted(spread, "time slot"), "is" if spread == 1 else "are")
    return Times(times)


def _chains(root: Element) -> Iterator[list[str]]:
    """The slots of annotations of a tier that follow each other: where one ends, the next begins."""
    for tier in root.iterfind("TIER"):
        items = [*tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION")]
        following = {item.get("TIME_SLOT_REF1", ""): item.get("TIME_SLOT_REF2", "") for item in items}
        for first in [slot for slot in following if slot not in {*following.values()}]:
            chain = dict.fromkeys([first])  # in order, and without an end where the file has a circle
            slot = first
            while (slot := following.get(slot, first)) not in chain:
                chain[slot] = None
            yield [*chain]


def _spread(times: dict[str, float | None], chain: Sequence[str]) -> None:
    known = [(place, time) for place, slot in enumerate(chain) if (time := times[slot]) is not None]
    for (first, start), (last, end) in pairwise(known):
        for place in range(first + 1, last):
            times[chain[place]] = start + (end - start) * (place - first) / (last - first)
