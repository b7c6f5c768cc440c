"""Several files of one recording, with a common clock, as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rcl.data.signals.cleaning import Repairs
from rcl.data.signals.merging import merge
from rcl.data.signals.recording import OpenRecording
from rcl.data.signals.signal import Block
from rcl.system.errors import InputError


def combined(where: str, recordings: Sequence[tuple[Path, OpenRecording]]) -> OpenRecording:
    """Recordings with a common clock, side by side; their columns are named ``FILE/COLUMN``.

    Raises:
        InputError: some have times, others only a rate.
    """
    if len(recordings) == 1:
        return recordings[0][1]
    counted = [path.name for path, each in recordings if each.rate is not None]
    if counted and len(counted) < len(recordings):
        fix = "give all of them a column with times"
        raise InputError(where, expected="times in all files of a recording", found=f"none in {counted[0]}", fix=fix)
    columns = tuple(f"{path.stem}/{column}" for path, each in recordings for column in each.columns)
    notes = tuple(f"{path.name}: {note}" for path, each in recordings for note in each.notes)
    return OpenRecording(where, columns, _Files(recordings), rate=recordings[0][1].rate, notes=notes)


@dataclass
class _Files:
    recordings: Sequence[tuple[Path, OpenRecording]]

    def __call__(self, repairs: Repairs) -> Iterator[Block]:
        own = [Repairs() for _ in self.recordings]
        series = [each.read(mine) for (_, each), mine in zip(self.recordings, own, strict=True)]
        yield from merge(series, [len(each.columns) for _, each in self.recordings])
        for (path, _), mine in zip(self.recordings, own, strict=True):
            repairs.others += [f"{path.name}: {words}" for words in mine.words()]
