"""``rcl calibrate``."""

from __future__ import annotations

from typing import Annotated

import typer

from rcl.cli.arguments import check_checkpoint_first
from rcl.cli.console import note, print_table, warn
from rcl.cli.options import Location, Overwrite, Threads, location
from rcl.system.errors import InputError, listed


def calibrate(
    checkpoint: Annotated[
        Location, typer.Argument(help="last.ckpt of a training run, or its folder.", parser=location)
    ],
    pack: Annotated[
        Location | None, typer.Argument(help="Features and annotations of labelled videos.", parser=location)
    ] = None,
    output: Annotated[
        Location | None,
        typer.Option(help="The new checkpoint. Without it, --overwrite replaces the old one.", parser=location),
    ] = None,
    annotations: Annotated[
        Location | None, typer.Option(help="Annotation file in place of the pack's.", parser=location)
    ] = None,
    subset: Annotated[
        str, typer.Option(help="The subset of the labelled videos; not that of the training.")
    ] = "validation",
    tiou: Annotated[float, typer.Option(help="A detection is right from this tIoU on.")] = 0.5,
    precision: Annotated[
        float | None,
        typer.Option(help="Reach this precision, e.g. 0.9, by the lowest thresholds; by default the best F1."),
    ] = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Choose a score threshold per class, and calibrate scores, on labelled videos that were not trained on.

    They are kept in the checkpoint, for rcl detect --decide. rcl fit chooses them itself, on the held-out videos.
    """
    from rcl.cli.event_tables import event_table, points_summary
    from rcl.cli.output_kinds import NOTHING
    from rcl.cli.outputs import check_replaceable
    from rcl.detector.checkpoint import find_checkpoint
    from rcl.detector.detect_many import Found
    from rcl.system.text_files import check_place
    from rcl.training.calibrate import calibrate as choose

    (pack,) = check_checkpoint_first("calibrate", checkpoint, [pack] if pack else None, wanted="a pack")
    path = find_checkpoint(checkpoint)
    if output is None and not overwrite:
        fix = "name a new checkpoint with --output, or add --overwrite to replace the old one"
        raise InputError("rcl calibrate", expected="a place for the checkpoint", found="none", fix=fix)
    if output is not None:
        check_replaceable(output, NOTHING, overwrite=overwrite, inputs=[path])
    check_place(output or path)

    def told(outcome: Found) -> None:
        if outcome.traceback:
            note(outcome.traceback)
        if outcome.error:
            warn(outcome.error)

    result = choose(
        path, pack, output, annotations=annotations, subset=subset, tiou=tiou, precision=precision, told=told
    )
    print_table(event_table(result.same, result.points.thresholds))
    for line in points_summary(result):
        note(line)
    if result.points.unreachable:
        warn(f"no score reaches the precision for {listed(result.points.unreachable)}: nothing of them is kept.")
    print(f"checkpoint  {output or path}")
