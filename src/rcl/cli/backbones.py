"""``rcl backbones``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from rcl.video.backbones.catalogue import Entry
    from rcl.video.backbones.speed import Speed


def backbones(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Backbones as --backbone takes them; by default every kind."),
    ] = None,
    speed: Annotated[
        bool, typer.Option(help="Measure for about a second each; without it, no backbone is loaded.")
    ] = True,
) -> None:
    """List the backbones: what each needs, how wide and how fast its features are, and what it is good for.

    With names, the list has these alone: rcl backbones lite0 hf:facebook/dinov2-small.
    """
    from rcl.cli.console import print_table
    from rcl.video.backbones.catalogue import CATALOGUE, entry_of

    entries = [entry_of(name) for name in names] if names else CATALOGUE
    found = {}
    for entry in entries if speed else ():
        if names or (entry.is_complete and not entry.missing_packages()):
            found[entry.name] = _measured(entry.name)
    print_table(_table(entries, found))


def _measured(name: str) -> Speed:
    """The speed of a backbone on the device that an extraction would use.

    Raises:
        InputError: it cannot be built.
    """
    from rcl.system.device import best_device
    from rcl.video.backbones.build import build_backbone
    from rcl.video.backbones.options import BackboneOptions
    from rcl.video.backbones.speed import measure_speed

    return measure_speed(build_backbone(name, BackboneOptions(), device=best_device()))


def _table(entries: Sequence[Entry], found: Mapping[str, Speed]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from rcl.system.device import usable_cores

    table = Table()
    speeds = ("frames/s", "× real time") if found else ()
    for column in ("backbone", "numbers", *speeds, "good for", "licence of the weights", "installed"):
        table.add_column(column, justify="right" if column in speeds else "left")
    for entry in entries:
        speed = found.get(entry.name)
        numbers = str(speed.channels) if speed else entry.width
        measured = [f"{speed.frames_per_second:.0f}", f"{speed.times_real_time:.1f}"] if speed else ["–"] * len(speeds)
        table.add_row(
            *map(escape, (entry.name, numbers, *measured, entry.good_for, entry.licence, entry.installation()))
        )
    if found:
        table.caption = (
            f"numbers: of a snippet. Speed: one process on this machine ({usable_cores()} cores), frames of 320 × 240 "
            "at the backbone's own rate, without decoding"
        )
    return table
