"""``rcl convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rcl.cli.options import Overwrite
from rcl.system.errors import InputError


def convert(
    weights: Annotated[Path, typer.Argument(help="Weights saved by a public implementation of BMN or G-TAD.")],
    output: Annotated[Path, typer.Option(help="The checkpoint, for rcl detect.")],
    network: Annotated[str, typer.Option(help="bmn or gtad.")] = "bmn",
    snippets: Annotated[
        int | None,
        typer.Option(min=1, help="Length that videos are resized to (T); by default what the file says, or 100."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a checkpoint from public weights of BMN or G-TAD. It proposes segments without labels."""
    from rcl.cli.outputs import replacing_only_equal
    from rcl.detector.convert import convert as convert_weights

    if network not in ("bmn", "gtad"):
        raise InputError("--network", expected="bmn or gtad", found=network, fix="correct it")
    with replacing_only_equal(overwrite=overwrite, inputs=[weights]):
        length = convert_weights(weights, output, network=network, snippets=snippets)  # type: ignore[arg-type]
    print(f"{network}, {length} snippets: {output}")
