"""``rcl convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rcl.system.errors import InputError


def convert(
    weights: Annotated[Path, typer.Argument(help="Weights of BMN or G-TAD that public code saved.")],
    output: Annotated[Path, typer.Option(help="The checkpoint, for rcl detect.")],
    network: Annotated[str, typer.Option(help="bmn or gtad.")] = "bmn",
    snippets: Annotated[
        int | None, typer.Option(min=1, help="T, which videos are resized to; what the file says, or 100, by default.")
    ] = None,
) -> None:
    """Make a checkpoint of weights of public implementations of BMN and G-TAD; it proposes segments without labels."""
    from rcl.detector.convert import convert as run

    if network not in ("bmn", "gtad"):
        raise InputError("--network", expected="bmn or gtad", found=network, fix="correct it")
    length = run(weights, output, network=network, snippets=snippets)  # type: ignore[arg-type]
    print(f"{network}, {length} snippets: {output}")
