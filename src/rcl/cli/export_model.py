"""``rcl export-model``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from rcl.cli.console import note
from rcl.cli.detect import CheckpointFile
from rcl.cli.options import Location, Overwrite, location
from rcl.system.errors import InputError
from rcl.system.extras import how_to_install


class ModelFormat(str, Enum):
    """The formats of an exported detector."""

    onnx = "onnx"


def export_model(
    checkpoint: CheckpointFile,
    format: Annotated[ModelFormat, typer.Option(help="Of the network.")] = ModelFormat.onnx,
    output: Annotated[
        Location | None,
        typer.Option(help="The new .onnx, or a folder; by default model.onnx next to the checkpoint.", parser=location),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Export a detector, to use it without PyTorch: the network as ONNX, everything else as JSON next to it.

    rcl detect takes the new file in place of a checkpoint. The export is compared with the detector before it is
    written.
    """
    from importlib.metadata import version

    from rcl.detector.checkpoint import find_checkpoint, read_checkpoint

    try:
        from rcl.detector.exported.exporting import LENGTHS, export, save
    except ModuleNotFoundError as error:
        if error.name not in ("onnx", "onnxruntime"):
            raise
        missing = f"no {error.name}"
        raise InputError(
            "rcl export-model", expected="onnx and onnxruntime", found=missing, fix=how_to_install("export")
        ) from None

    path = find_checkpoint(checkpoint)
    target = _target(output, path)
    _check_output(target, path, overwrite=overwrite)
    exported = export(read_checkpoint(path), version=version("rcl-tad"))
    save(exported, target)
    found = exported.comparison
    moved = 1 - found.steady
    others = f", apart from one answer in {1 / moved:,.0f}, which rounding changes" if moved else ""
    lengths = f"{LENGTHS[0]} to {LENGTHS[-1]:,} snippets"
    note(f"The largest difference from the detector is {found.difference:.1g}, in videos of {lengths}{others}.")
    print(f"detector  {target} ({len(exported.graph) / 1e6:.1f} MB) and {target.with_suffix('.json').name}")


def _target(output: Path | None, checkpoint: Path) -> Path:
    if output is None:
        return checkpoint.parent / "model.onnx"
    if not output.suffix:
        return output / "model.onnx"
    if output.suffix.lower() != ".onnx":
        raise InputError(output, expected="a file name in .onnx, or a folder", found=output.name, fix="rename it")
    return output


def _check_output(target: Path, checkpoint: Path, *, overwrite: bool) -> None:
    from rcl.cli import output_kinds as kinds
    from rcl.cli.outputs import check_replaceable
    from rcl.system.paths import is_file
    from rcl.system.text_files import check_place

    description = target.with_suffix(".json")
    check_place(target)
    check_replaceable(description, kinds.EXPORTED, overwrite=overwrite, inputs=[checkpoint])
    if not is_file(description):  # a graph next to our description is ours
        check_replaceable(target, kinds.NOTHING, overwrite=overwrite, inputs=[checkpoint])
