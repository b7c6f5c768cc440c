"""What a reader of signals gives: samples in blocks, with their times and the names of their columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import Field

from rcl.system.options import Section

Kind = Literal["sensor", "pose"]
TimeUnit = Literal["s", "ms", "us", "ns"]

BLOCK_BYTES = 2**22
"""Bytes of the values of a block, at most: a reader holds a few blocks, however long the recording is."""


class Block(NamedTuple):
    """Consecutive samples of a recording.

    Args:
        times_seconds: ``(n,)`` float64, strictly increasing within a block and from block to block; 0 is the first
            sample of the file, or its first frame.
        values: ``(n, C)`` float32, NaN where nothing was measured.
    """

    times_seconds: np.ndarray
    values: np.ndarray


class RecordingOptions(Section):
    """What a file does not say about itself. Everything is found out where it is not given.

    Args:
        time_column: name of the column with the times.
        time_unit: unit of numbers in that column.
        rate: samples per second where no column has times; of pose tracks, frames per second.
        columns: the columns that are read, in this order; all with numbers if not given. Of pose tracks, as
            ``Recording.columns`` names them, or the names of body parts.
    """

    time_column: str | None = None
    time_unit: TimeUnit | None = None
    rate: Annotated[float, Field(gt=0)] | None = None
    columns: tuple[str, ...] | None = None


class Recording(Protocol):
    """An open recording. Nothing but its beginning has been read; ``blocks`` reads it from start to end, any time."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the C columns: ``ax``, or of pose tracks ``mouse1/nose/x``, ``nose/likelihood``."""

    @property
    def kind(self) -> Kind:
        """Whether it is of sensors or of body parts."""

    @property
    def rate(self) -> float | None:
        """Samples per second, if the file or the options state them; else the times tell."""

    @property
    def individuals(self) -> tuple[str, ...]:
        """Whose pose tracks these are; empty for sensors and for tracks without identity."""

    @property
    def problems(self) -> list[str]:
        """What was repaired or left out, in words with counts; complete once ``blocks`` was read to its end."""

    def blocks(self) -> Iterator[Block]:
        """The samples, in blocks of bounded size.

        Raises:
            InputError: the file is damaged, or its times cannot be put in order.
        """
