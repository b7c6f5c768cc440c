"""``rcl agreement``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.console import note, print_table, warn
from rcl.cli.extraction_options import checked_rate
from rcl.cli.options import Location, Overwrite, location
from rcl.cli.segments_file import read_labels
from rcl.system.errors import InputError, located

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations


@dataclass(frozen=True)
class AnnotatorOptions:
    """What of the two annotations is compared."""

    subset: Annotated[str | None, typer.Option(help="Only the videos of this subset; by default all.")] = None
    leave_out: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Leave out the instances of this label; may be repeated."),
    ] = None
    point_length: Annotated[
        float | None,
        typer.Option(help="Length in seconds for events that have none, centred on their time; by default none."),
    ] = None

    def load(self, source: Path) -> Annotations:
        """The annotations of one annotator.

        Raises:
            InputError: they cannot be read, or an option does not fit.
        """
        from rcl.data.annotations import to_subset
        from rcl.data.formats.values import composed

        if self.point_length is not None and not 0 < self.point_length < 1e6:
            expected, found = "a length in seconds above 0", str(self.point_length)
            raise InputError("--point-length", expected=expected, found=found, fix="correct it")
        annotations = read_labels(source, point_length=self.point_length)
        if self.subset is not None:
            with located("--subset"):
                to_subset(self.subset)
            annotations = annotations.subset(self.subset)
        return annotations.without_labels([composed(label) for label in self.leave_out or []])


def agreement(
    first: Annotated[Path, typer.Argument(metavar="A", help="Annotations of one annotator: a file, folder or pack.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Annotations of the other, of the same videos.")],
    compared: AnnotatorOptions,
    tiou: Annotated[float, typer.Option(help="tIoU from which on two instances are the same one.")] = 0.5,
    frames: Annotated[float, typer.Option(help="Frames per second in which labels are compared for kappa.")] = 25.0,
    background: Annotated[str, typer.Option(help="Label that means that no action happens.")] = "background",
    draws: Annotated[int, typer.Option(min=100, help="Draws of videos, from which the intervals come.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    output: Annotated[
        Location | None, typer.Option("--output", "--json", help="Write every number here.", parser=location)
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure how well two annotators agree: F1 of their instances, their ends, and Cohen's kappa per frame."""
    from rcl.cli.outcome_tables import agreement_table, confusion_table
    from rcl.cli.output_kinds import AGREEMENT
    from rcl.cli.outputs import check_replaceable
    from rcl.evaluation.agreement import agreement as agreement_of
    from rcl.evaluation.joining import join_annotations
    from rcl.system.text_files import check_place, write_json

    checked_rate("--frames", frames)
    if output:
        check_replaceable(output, AGREEMENT, overwrite=overwrite, inputs=[first, second])
        check_place(output)
    one = compared.load(first)
    other, sentences = join_annotations(compared.load(second), one)
    for sentence in sentences:
        warn(sentence)
    found = agreement_of(one, other, tiou=tiou, fps=frames, background=background, draws=draws, seed=seed)
    print_table(agreement_table(found))
    if table := confusion_table(found):
        print_table(table)
    for sentence in found.notes():
        note(sentence)
    if output:
        write_json(output, {"agreement_of": [str(first), str(second)], **found.to_json()}, indent=1)
