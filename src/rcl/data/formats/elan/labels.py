"""Labels of annotation files of ELAN: what was read as one, and sentences where that can be doubted."""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rcl.data.formats.exported import Instance
from rcl.system.errors import counted, listed

log = logging.getLogger("rcl")


class Row(NamedTuple):
    """An annotation of a tier.

    Args:
        tier: its name.
        instance: what was read; its label is the value, or the name of the tier.
        value: the text of the annotation, ``""`` if it has none.
        refers: whether it refers to an entry of a vocabulary.
    """

    tier: str
    instance: Instance
    value: str
    refers: bool = False


def warn_of_left_out(refers: Mapping[str, int], timeless: Mapping[str, int], source: str, *, asked: bool) -> None:
    """Name the annotations that were left out, by tier.

    Args:
        refers: those that refer to others, whose times they have.
        timeless: those of time slots without a time.
        source: the file, for messages.
        asked: whether the tiers were asked for.
    """
    hint = "" if asked else "; --tier reads it with the times of those it refers to"
    _warn_of_counts("%s: left out %s without times of their own, in %s%s", refers, source, hint)
    _warn_of_counts("%s: left out %s without a time, in %s%s", timeless, source, ": place it in ELAN and save again")


def _warn_of_counts(message: str, counts: Mapping[str, int], source: str, hint: str) -> None:
    if total := sum(counts.values()):
        tiers = listed([repr(name) for name, count in counts.items() if count])
        log.warning(message, source, counted(total, "annotation"), tiers, hint)


def warn_of_labels(rows: Sequence[Row], source: str, *, asked: bool) -> None:
    """Say what can be doubted where the values are the labels.

    Args:
        rows: what was read.
        source: the file, for messages.
        asked: whether the tiers were asked for.
    """
    if not _warn_of_marks(rows, source) and not asked:
        _warn_of_several(rows, source)
    _warn_of_empty(rows, source)


def _warn_of_marks(rows: Sequence[Row], source: str) -> bool:
    """Name values that tell nothing apart while tiers would, one mark or numbers, and return whether there are any."""
    tiers = list(dict.fromkeys(row.tier for row in rows))
    values = {row.value for row in rows if row.value}
    if len(tiers) < 2 or not values or not _have_values(rows):
        return False
    numbers = all(re.fullmatch(r"\W*\d+\W*", value) for value in values)
    if len(values) == 1 or numbers:
        what = "a number" if numbers and len(values) > 1 else repr(next(iter(values)))
        message = "%s: every annotation of the tiers %s says %s: if the tier is the label, add --tier-as-label"
        log.warning(message, source, listed([repr(tier) for tier in tiers]), what)
        return True
    return False


def _warn_of_several(rows: Sequence[Row], source: str) -> None:
    """Name the tiers, of which one may hold remarks."""
    labels = defaultdict[str, set[str]](set)
    for row in rows:
        labels[row.tier].add(row.instance.label)
    if len(labels) > 1 and _have_values(rows):
        tiers = [f"{tier!r} ({counted(len(found), 'label')})" for tier, found in labels.items()]
        message = "%s: the labels are the values of %s: %s; --tier chooses"
        log.warning(message, source, counted(len(tiers), "tier"), listed(tiers))


def _warn_of_empty(rows: Sequence[Row], source: str) -> None:
    """Name annotations that have their label from the tier, which may not be meant."""
    filled = {row.tier for row in rows if row.value}
    empty = [row for row in rows if not row.value and (row.refers or row.tier in filled)]
    if empty:
        tiers = [f"{tier!r} ({count})" for tier, count in Counter(row.tier for row in empty).items()]
        refer = "; no vocabulary of the file has the entry" if any(row.refers for row in empty) else ""
        message = "%s: %s without a value %s the name of the tier as label: %s%s"
        have = "has" if len(empty) == 1 else "have"
        log.warning(message, source, counted(len(empty), "annotation"), have, listed(tiers), refer)


def _have_values(rows: Sequence[Row]) -> bool:
    """Whether a value says something else than the name of its tier."""
    return any(row.value not in ("", row.tier) for row in rows)
