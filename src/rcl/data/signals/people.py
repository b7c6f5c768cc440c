"""Persons found in frames, in the order in which a network wrote them, as tracks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rcl.data.signals.cleaning import Rows
from rcl.data.signals.pose import COORDINATES, pose_columns, pose_recording
from rcl.data.signals.recording import OpenRecording
from rcl.data.signals.signal import BLOCK_BYTES, RecordingOptions
from rcl.system.errors import InputError, counted

MOST_PEOPLE = 5
"""Persons without identity that are kept of a frame: those with the highest scores."""
MOST_INDIVIDUALS = 50


class Person(NamedTuple):
    """What was found in a frame.

    Args:
        frame: its place among the frames.
        owner: the identity, empty if it has none.
        score: how sure it is.
        points: ``(K, 3)`` x, y and likelihood, NaN where a part was not found.
    """

    frame: int
    owner: str
    score: float
    points: np.ndarray


def tracks(
    where: str,
    people: Sequence[Person],
    parts: Sequence[str],
    times: np.ndarray,
    options: RecordingOptions,
    *,
    timed: bool = False,
) -> OpenRecording:
    """The recording of persons: a column of its own for each identity, or for the surest, the second, … of each frame.

    Args:
        where: the file, for messages.
        people: the persons of all frames.
        parts: names of the K body parts.
        times: of all frames, as numbers from 0 or, if ``timed``, in seconds.
        options: what the file does not say.
        timed: whether ``times`` are seconds.

    Raises:
        InputError: no frame has a person, one person has other body parts, or there are too many identities.
    """
    if not people:
        raise InputError(where, expected="poses", found="no person in any frame", fix="give another file")
    if odd := next((person for person in people if len(person.points) != len(parts)), None):
        found, fix = f"{len(odd.points)} in frame {odd.frame}", "give the poses of one network"
        raise InputError(where, expected=f"{len(parts)} body parts of each person", found=found, fix=fix)
    people = sorted(people, key=lambda person: person.frame)
    frames = np.array([person.frame for person in people])
    owners, owner_of, notes = _owners(where, people, frames)
    points = np.stack([person.points for person in people]).astype(np.float32)  # (N, K, 3)
    step = max(1, BLOCK_BYTES // (4 * len(owners) * len(parts) * 3))

    def rows(rate: float) -> Iterator[Rows]:
        for first in range(0, len(times), step):
            own = slice(*np.searchsorted(frames, [first, first + step]))
            kept = owner_of[own] < len(owners)
            part = times[first : first + step]
            values = np.full((len(part), len(owners), len(parts), 3), np.nan, dtype=np.float32)
            values[frames[own][kept] - first, owner_of[own][kept]] = points[own][kept]
            yield Rows(first, part if timed else part / rate, values.reshape(len(part), -1))

    named = bool(people[0].owner) and owners != ("",)
    columns = pose_columns(owners, parts, COORDINATES)
    individuals = owners if named else ()
    return pose_recording(where, columns, rows, options, individuals=individuals, notes=notes, timed=timed)


def _owners(
    where: str, people: Sequence[Person], frames: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray, tuple[str, ...]]:
    """The names of the tracks, the place among them of each person, and notes."""
    if all(person.owner for person in people):
        owners = sorted({person.owner for person in people}, key=_natural)
        if len(owners) > MOST_INDIVIDUALS:
            found = f"{len(owners):,}"
            fix = "join the tracks of each person, or remove the identities"
            raise InputError(where, expected=f"at most {MOST_INDIVIDUALS} identities", found=found, fix=fix)
        places = {owner: place for place, owner in enumerate(owners)}
        return tuple(owners), np.array([places[person.owner] for person in people]), ()
    scores = np.array([person.score for person in people])
    order = np.lexsort((-scores, frames))
    starts = np.flatnonzero(np.diff(frames[order], prepend=frames[order[0]] - 1))
    ranks = np.empty(len(people), dtype=np.int64)
    ranks[order] = np.arange(len(people)) - np.repeat(starts, np.diff(np.append(starts, len(people))))
    most = min(int(ranks.max()) + 1, MOST_PEOPLE)
    if most == 1:
        return ("",), ranks, ()
    said = f"persons have no identity: of each frame, up to {most} are kept, ordered by their scores"
    if left := int((ranks >= most).sum()):
        said += f", and {counted(left, 'person', 'persons')} left out"
    return tuple(f"person{number}" for number in range(1, most + 1)), ranks, (said,)


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that orders ``2`` before ``10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]
