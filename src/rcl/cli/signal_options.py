"""Options about recordings of sensors and pose tracks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.system.errors import InputError

if TYPE_CHECKING:
    from rcl.data.signals.signal import RecordingOptions
    from rcl.video.signals.choosing import SignalOptions

_PANEL = "Signals (tables of sensors, pose tracks)"


class TimeUnit(str, Enum):
    """The units of times."""

    s = "s"
    ms = "ms"
    us = "us"
    ns = "ns"


class Individuals(str, Enum):
    """How pose tracks of several individuals become sequences."""

    together = "together"
    each = "each"


@dataclass(frozen=True)
class SignalFileOptions:
    """How recordings of signals are read. Their rate, window and stride are those of ``ExtractionOptions``."""

    signal_columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="Columns of sensors or body parts to describe; by default all that all recordings have.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    time_column: Annotated[
        str | None, typer.Option(help="Column with the times; found by default.", rich_help_panel=_PANEL)
    ] = None
    time_unit: Annotated[TimeUnit | None, typer.Option(help="Its unit; found by default.", rich_help_panel=_PANEL)] = (
        None
    )
    individuals: Annotated[
        Individuals | None,
        typer.Option(
            help="Pose tracks of several individuals: one sequence of all together, or NAME/INDIVIDUAL for each. By "
            "default, what the labels name.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    def options(self) -> SignalOptions | None:
        """The options as ``choose_signal`` and ``rcl.fit`` take them; ``None`` if none is given.

        Raises:
            InputError: a value is wrong.
        """
        if not self.given():
            return None
        from rcl.video.signals.choosing import SignalOptions

        columns = None if self.signal_columns is None else tuple(map(str.strip, self.signal_columns.split(",")))
        if columns is not None and not (all(columns) and len({*columns}) == len(columns)):
            found, fix = repr(self.signal_columns), "write e.g. acc_x,acc_y,acc_z"
            raise InputError("--signal-columns", expected="different names, separated by commas", found=found, fix=fix)
        each = None if self.individuals is None else self.individuals is Individuals.each
        return SignalOptions(columns, each, self.reading(None))

    def reading(self, rate: float | None) -> RecordingOptions:
        """How the files are read, at this rate if they have no times."""
        from rcl.data.signals.signal import RecordingOptions

        usable = rate if rate is not None and 0 < rate < math.inf else None  # others are refused with the other options
        values = {"time_unit": self.time_unit.value if self.time_unit else None, "rate": usable}
        return RecordingOptions.model_validate({"time_column": self.time_column, **values})

    def given(self) -> list[str]:
        """The options that are given, as the command line names them."""
        return [f"--{name.replace('_', '-')}" for name, value in vars(self).items() if value is not None]
