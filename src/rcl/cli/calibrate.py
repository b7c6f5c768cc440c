"""``rcl calibrate``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.arguments import check_checkpoint_first
from rcl.cli.console import note, print_table, warn
from rcl.cli.detect import CheckpointFile
from rcl.cli.options import Location, Overwrite, Threads, location
from rcl.system.errors import InputError, listed

if TYPE_CHECKING:
    from rcl.detector.detect_many import Found

LabelledPack = Annotated[
    Location | None, typer.Argument(help="Features and annotations of labelled videos.", parser=location)
]
NewCheckpoint = Annotated[
    Location | None,
    typer.Option(help="The new checkpoint. Without it, --overwrite replaces the old one.", parser=location),
]


@dataclass(frozen=True)
class PointOptions:
    """On which videos thresholds are chosen, and for what."""

    annotations: Annotated[
        Location | None, typer.Option(help="Annotation file in place of the pack's.", parser=location)
    ] = None
    subset: Annotated[str, typer.Option(help="The subset of the labelled videos; not that of the training.")] = (
        "validation"
    )
    tiou: Annotated[float, typer.Option(help="A detection is right from this tIoU on.")] = 0.5
    precision: Annotated[
        float | None,
        typer.Option(help="Reach this precision, e.g. 0.9, by the lowest thresholds; by default the best F1."),
    ] = None


def calibrate(
    checkpoint: CheckpointFile,
    points: PointOptions,
    pack: LabelledPack = None,
    output: NewCheckpoint = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Choose a score threshold per class, and calibrate scores, on labelled videos that were not trained on.

    They are kept in the checkpoint, for rcl detect --decide. rcl fit chooses them itself, on the held-out videos.
    """
    from rcl.cli.event_tables import event_table, points_summary
    from rcl.detector.checkpoint import find_checkpoint
    from rcl.training.calibrate import calibrate as choose

    (pack,) = check_checkpoint_first("calibrate", checkpoint, [pack] if pack else None, wanted="a pack")
    path = find_checkpoint(checkpoint)
    _check_output(output, path, overwrite=overwrite)
    result = choose(path, pack, output, **asdict(points), detected=_report_error)
    print_table(event_table(result.same, result.points.thresholds))
    for line in points_summary(result):
        note(line)
    if result.points.unreachable:
        warn(f"no score reaches the precision for {listed(result.points.unreachable)}: nothing of them is kept.")
    print(f"checkpoint  {output or path}")


def _check_output(output: Path | None, checkpoint: Path, *, overwrite: bool) -> None:
    from rcl.cli.output_kinds import NOTHING
    from rcl.cli.outputs import check_replaceable
    from rcl.system.text_files import check_place

    if output is None and not overwrite:
        fix = "name a new checkpoint with --output, or add --overwrite to replace the old one"
        raise InputError("rcl calibrate", expected="a place for the checkpoint", found="none", fix=fix)
    if output is not None:
        check_replaceable(output, NOTHING, overwrite=overwrite, inputs=[checkpoint])
    check_place(output or checkpoint)


def _report_error(outcome: Found) -> None:
    if outcome.traceback:
        note(outcome.traceback)
    if outcome.error:
        warn(outcome.error)
