"""``rcl import``. The underscore is there because ``import`` is a keyword of Python."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rcl.cli.console import warn
from rcl.cli.read_options import LabelFileOptions, ToolFileOptions
from rcl.system.errors import counted, located


def import_(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files of Label Studio or VIA (.json) or ELAN (.eaf), or tables."),
    ],
    output: Annotated[Path, typer.Option(help="The annotations: .json or .csv.")],
    reading: LabelFileOptions,
    tools: ToolFileOptions,
    subset: Annotated[
        str | None, typer.Option(help="The subset of all videos; by default what the files say, or training.")
    ] = None,
) -> None:
    """Read the files of an annotation tool, and write annotations to train and evaluate on."""
    from rcl.data.annotations import Annotations, to_subset
    from rcl.data.formats import table
    from rcl.data.formats.load import import_annotations, save_annotations
    from rcl.system.text_files import extension_of

    options = reading.read_options(tools, subset=subset)
    extension = extension_of(output, (".json", ".csv"))
    annotations = Annotations.merge([import_annotations(path, options=options) for path in inputs])
    if subset:
        with located("--subset"):
            annotations = annotations.with_subset(to_subset(subset))
    if extension == ".csv":
        lost = table.write(annotations, output)
        if lost:
            warn(f"not kept: {'; '.join(lost)}.")
    else:
        save_annotations(annotations, output)
    count = sum(len(video.labels) for video in annotations.videos.values())
    print(f"{counted(count, 'instance')} in {counted(len(annotations.videos), 'video')}: {output}")
