"""``rcl import``. The underscore is there because ``import`` is a keyword of Python."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.console import few_of_each, warn, warn_of
from rcl.cli.options import Overwrite
from rcl.cli.read_options import LabelFileOptions, ToolFileOptions
from rcl.system.errors import counted, located

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations
    from rcl.data.formats.outcome import Class

_MOST_CLASSES = 50


def import_(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Files of annotation tools, tables, or folders of them (docs/formats.md)."
        ),
    ],
    output: Annotated[Path, typer.Option(help="The annotations: .json or .csv.")],
    reading: LabelFileOptions,
    tools: ToolFileOptions,
    subset: Annotated[
        str | None, typer.Option(help="The subset of all videos; by default what the files say, or training.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Read the files of an annotation tool, and write annotations to train and evaluate on."""
    from rcl.cli.outputs import replacing_only_equal
    from rcl.data.annotations import to_subset
    from rcl.data.formats import outcome
    from rcl.data.formats.import_files import import_files
    from rcl.system.text_files import extension_of

    options = reading.read_options(tools, subset=subset)
    extension_of(output, (".json", ".csv"))
    with few_of_each():
        annotations = import_files(inputs, options=options)
    if subset:
        with located("--subset"):
            annotations = annotations.with_subset(to_subset(subset))
    outcome.check(annotations)
    looks = outcome.doubts, outcome.lengthless, outcome.doubled, outcome.similar, outcome.negatives
    warn_of(chain.from_iterable(look(annotations) for look in looks))
    with replacing_only_equal(overwrite=overwrite, inputs=inputs):
        _write(annotations, output)
    count = sum(len(video.labels) for video in annotations.videos.values())
    print(f"{counted(count, 'instance')} in {counted(len(annotations.videos), 'video')}: {output}")
    _print_classes(outcome.classes(annotations))


def _write(annotations: Annotations, output: Path) -> None:
    from rcl.data.formats.load import save_annotations
    from rcl.data.formats.tables import table

    if output.suffix.lower() == ".json":
        save_annotations(annotations, output)
    elif lost := table.write(annotations, output):
        warn(f"not kept: {'; '.join(lost)}.")


def _print_classes(classes: Sequence[Class]) -> None:
    """A line for each label, the most frequent first."""
    ordered = sorted(classes, key=lambda item: -item.instances)
    for label, instances, videos in ordered[:_MOST_CLASSES]:
        print(f"  {label!r}: {counted(instances, 'instance')} in {counted(videos, 'video')}")
    if len(ordered) > _MOST_CLASSES:
        print(f"  and {counted(len(ordered) - _MOST_CLASSES, 'more label')}")
