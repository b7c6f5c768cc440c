"""Convert weights of public code into a checkpoint."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import torch

from rcl.detector.checkpoint import KEY, Facts, describe
from rcl.detector.load_config import parse_config
from rcl.detector.public_weights import BMNFacts, GTADFacts, read_bmn, read_gtad
from rcl.system.errors import InputError
from rcl.system.paths import PathLike
from rcl.system.text_files import write_file

# Decoding of BMN and G-TAD: the product of all four probabilities, soft-NMS, the best hundred.
_INFERENCE = {
    "anchors": "grid",
    "classification_power": 1.0,
    "regression_power": 1.0,
    "boundary_power": 1.0,
    "nms_sigma": 0.4,
    "top": 100,
}


def convert(source: PathLike, output: PathLike, *, network: Literal["bmn", "gtad"], snippets: int | None = None) -> int:
    """Write a checkpoint with the weights that a public implementation saved.

    Args:
        source: file of weights; see ``rcl.detector.public_weights``.
        output: the checkpoint, for ``rcl detect`` and ``Localizer.load``.
        network: the network whose weights they are.
        snippets: T, the length to which videos are resized; by default that of the file, or 100.

    Returns:
        T.

    Raises:
        InputError: the file holds other weights, or weights for another T.
    """
    weights, facts = read_bmn(Path(source)) if network == "bmn" else read_gtad(Path(source))
    stated = facts.snippets if isinstance(facts, BMNFacts) else None
    if snippets is not None and stated not in (None, snippets):
        raise InputError("--snippets", expected=f"{stated}, as in the file", found=str(snippets), fix="leave it out")
    snippets = snippets or stated or 100
    inference = {**_INFERENCE, "candidates": snippets * (snippets + 1) // 2}  # the whole grid
    values = {"data": {"resize": snippets}, "model": _model(facts), "inference": inference, "loss": {"offsets": 0}}
    config = parse_config(values, where=str(source))
    kept = Facts(labels=(), in_channels=facts.in_channels, longest=float(snippets), snippets_per_second=None)
    state = {f"model.{name}": tensor for name, tensor in weights.items()}
    buffer = io.BytesIO()  # torch reports a full disk in words that help no user
    torch.save({"state_dict": state, KEY: describe(config, kept)}, buffer)
    write_file(output, lambda file: file.write(buffer.getbuffer()))
    return snippets


def _model(facts: BMNFacts | GTADFacts) -> dict[str, Any]:
    """Section ``model`` for the network that the facts describe."""
    head: dict[str, Any] = {"name": "grid", "channels": 512, "context": 0.5}
    if isinstance(facts, GTADFacts):
        bins = {"inner_bins": facts.inner_bins, "context_bins": facts.context_bins}
        encoder: dict[str, Any] = {"name": "gtad", "channels": facts.channels, **bins}
        head |= {"kernel": facts.kernel}
    else:
        encoder = {"name": "bmn", "channels": facts.channels, "proposal_channels": facts.proposal_channels}
        head |= {"points": 32, "subpoints": 3, "convention": "bmn", "rows": facts.rows}
    return {"encoder": encoder, "head": head, "labels": "none"}
