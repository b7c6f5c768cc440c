"""A recording that was opened: what is known about it, and the function that reads it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rcl.data.signals.cleaning import Repairs
from rcl.data.signals.signal import Block, Kind
from rcl.system.errors import InputError, listed, shown


@dataclass
class OpenRecording:
    """See :class:`rcl.data.signals.signal.Recording`.

    Args:
        where: the file, for messages.
        columns: names of the C columns.
        read: gives the blocks; called with the object that counts repairs.
        kind: sensors or poses.
        rate: samples per second, if stated.
        individuals: whose tracks these are.
        notes: what was left out or assumed when the file was opened.
    """

    where: str
    columns: tuple[str, ...]
    read: Callable[[Repairs], Iterator[Block]]
    kind: Kind = "sensor"
    rate: float | None = None
    individuals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    repairs: Repairs = field(default_factory=Repairs, repr=False)

    @property
    def problems(self) -> list[str]:
        """What was repaired or left out, in words with counts; complete once ``blocks`` was read to its end."""
        return [*self.notes, *self.repairs.words()]

    def blocks(self) -> Iterator[Block]:
        """The samples, in blocks of bounded size.

        Raises:
            InputError: the file is damaged, or its times cannot be put in order.
        """
        self.repairs = Repairs()
        yield from self.read(self.repairs)

    def selected(self, columns: Sequence[str] | None) -> OpenRecording:
        """The recording with some of its columns, in the order given; body parts stand for all that is known of them.

        Raises:
            InputError: it has no such column.
        """
        if columns is None:
            return self
        places = [place for name in columns for place in self._places_of(name)]
        read = self.read

        def read_selected(repairs: Repairs) -> Iterator[Block]:
            for times, values in read(repairs):
                yield Block(times, np.ascontiguousarray(values[:, places]))

        return replace(self, columns=tuple(self.columns[place] for place in places), read=read_selected)

    def _places_of(self, name: str) -> list[int]:
        if name in self.columns:
            return [self.columns.index(name)]
        found = [place for place, column in enumerate(self.columns) if f"/{name}/" in f"/{column}"]
        if not found or self.kind == "sensor":
            raise missing_column(self.where, name, self.columns)
        return found


def missing_column(where: str, name: str, columns: Sequence[str]) -> InputError:
    """The error for a column that a file does not have; it names the most similar ones."""
    similar = difflib.get_close_matches(name.casefold(), [column.casefold() for column in columns], n=3)
    nearest = [column for column in columns if column.casefold() in similar]
    found = f"{listed([shown(column) for column in nearest or columns], 8)}"
    return InputError(where, expected=f"a column {name!r}", found=found, fix="correct the name")
