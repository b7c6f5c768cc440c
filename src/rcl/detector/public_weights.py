"""Read weights of public implementations of BMN and G-TAD."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from rcl.detector.public_names import BMN, GTAD, OPENTAD_BMN
from rcl.models.grid import GridDetector
from rcl.models.grid_cells import Cells
from rcl.models.published import bmn, gtad
from rcl.system.errors import Defect, listed, located
from rcl.system.tensor_files import read_tensors

Weights = dict[str, Tensor]
"""Tensors by name."""
Rows = Literal["durations", "starts"]

_KEYS = ("state_dict_ema", "state_dict", "model_state_dict", "model", "net")  # averaged weights first
_MASK = "sample_mask"


class BMNFacts(NamedTuple):
    """The sizes of a BMN.

    ``in_channels`` of the features; ``channels`` and ``proposal_channels`` of the encoder; ``snippets``: T, or ``None``
    if the file does not determine it; ``rows`` of the map, see :class:`rcl.models.grid_cells.Cells`.
    """

    in_channels: int
    channels: int
    proposal_channels: int
    snippets: int | None
    rows: Rows

    def model(self) -> GridDetector:
        """The network, with new weights."""
        cells = Cells("starts", last=1.0) if self.rows == "starts" else Cells()
        return bmn(self.in_channels, channels=self.channels, proposal_channels=self.proposal_channels, cells=cells)


class GTADFacts(NamedTuple):
    """The sizes of a G-TAD.

    ``in_channels`` of the features; ``channels`` of the encoder; ``inner_bins`` and ``context_bins`` of SGAlign;
    ``kernel`` of the convolutions over the map.
    """

    in_channels: int
    channels: int
    inner_bins: int
    context_bins: int
    kernel: int

    def model(self) -> GridDetector:
        """The network, with new weights."""
        return gtad(
            self.in_channels,
            channels=self.channels,
            inner_bins=self.inner_bins,
            context_bins=self.context_bins,
            kernel=self.kernel,
        )


def read_bmn(path: Path | str) -> tuple[Weights, BMNFacts]:
    """Read weights of BMN that JJBOY's code, MMAction2 or OpenTAD saved. Nothing in the file is executed.

    The state dict may lie under a key such as ``state_dict``, and its names may have any prefix (``module.``) and the
    suffixes ``_f`` or ``_e``. A sampling mask determines T and the layout of the map; without it, the layout is that of
    MMAction2 and OpenTAD. OpenTAD stores the two confidences in the other order; they are swapped.

    Returns:
        State dict of ``facts.model()``, and the facts.

    Raises:
        InputError: the file is missing, damaged or holds code; a parameter of BMN is missing or has another shape.
    """
    with located(path):
        names, state = _select(_without_suffixes(_tensors(path)), BMN, OPENTAD_BMN)
        snippets, rows = _layout(state.pop(_MASK, None))
        found = _renamed(state, names)
        base, proposal = found["encoder.base.0.weight"], found["encoder.proposal.0.weight"]
        facts = BMNFacts(_grouped(base), len(base), len(proposal), snippets, rows)
        weights = _fitted(found, facts, names)
    if names is OPENTAD_BMN:
        for kind in ("weight", "bias"):
            weights[f"head.scores.{kind}"] = weights[f"head.scores.{kind}"].flip(0)
    return weights, facts


def read_gtad(path: Path | str) -> tuple[Weights, GTADFacts]:
    """Read weights of G-TAD that the code of its authors saved, like :func:`read_bmn`.

    The file does not say how the bins of SGAlign divide: 36 are taken as 32 + 4 (ActivityNet), other numbers as two
    halves (THUMOS14).

    Returns:
        State dict of ``facts.model()``, and the facts.

    Raises:
        InputError: the file is missing, damaged or holds code; a parameter of G-TAD is missing or has another shape.
    """
    with located(path):
        names, state = _select(_tensors(path), GTAD)
        found = _renamed(state, names)
        embed, aligned = found["encoder.embed.weight"], found["alignment.weight"].flatten(1)  # (O, C·P)
        bins = aligned.shape[1] // len(embed)
        if bins * len(embed) != aligned.shape[1] or bins < 2:
            expected = f"{names['alignment.weight']} of several bins of {len(embed)} channels"
            raise _wrong(expected, str(aligned.shape[1]))
        found["alignment.weight"] = aligned.unflatten(1, (len(embed), bins))
        context = 4 if bins == 36 else bins // 2
        kernel = found["head.convolutions.0.weight"].shape[-1]
        facts = GTADFacts(_grouped(embed), len(embed), bins - context, context, kernel)
        return _fitted(found, facts, names), facts


def _tensors(path: Path | str) -> Weights:
    """The tensors of a file by name, from whichever key holds them."""
    fix = "use a whole file; if it holds more than tensors, save only its state dict"
    content: Any = read_tensors(Path(path), expected="weights as plain data", fix=fix)
    tensors: Weights = {}
    if isinstance(content, Mapping):
        content = next((content[key] for key in _KEYS if isinstance(content.get(key), Mapping)), content)
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise _wrong("a state dict", f"a {type(content).__name__} without tensors")
    return tensors


def _without_suffixes(tensors: Weights) -> Weights:
    """Rename ``x_1d_b_f.0.weight`` to ``x_1d_b.0.weight``."""
    plain = {re.sub(r"\b(x_[123]d_[bsep])_[fe]\.", r"\1.", name): value for name, value in tensors.items()}
    if len(plain) < len(tensors):
        raise _wrong("one layer of each name", "layers that differ only in _f and _e")
    return plain


def _select(tensors: Weights, *formats: dict[str, str]) -> tuple[dict[str, str], Weights]:
    """The format whose names the file uses, and the tensors without their common prefix."""
    for names in formats:
        for theirs in names.values():
            for name in tensors:
                prefix = name.removesuffix(theirs)
                if name.endswith(theirs) and (not prefix or prefix.endswith(".")):
                    return names, {key.removeprefix(prefix): value for key, value in tensors.items()}
    expected = " or ".join(next(iter(names.values())) for names in formats)
    raise _wrong(f"names such as {expected}", listed(sorted(tensors), 3))


def _renamed(state: Weights, names: dict[str, str]) -> Weights:
    """All parameters of a network under our names."""
    missing = [theirs for theirs in names.values() if theirs not in state]
    if missing:
        raise _wrong(f"parameter {listed(missing, 3)}", "none of that name")
    unknown = sorted(state.keys() - set(names.values()))
    if unknown:
        raise _wrong("the parameters of the published network and no others", listed(unknown, 3))
    found = {ours: state[theirs].float() for ours, theirs in names.items()}
    for ours, tensor in found.items():
        if ours.endswith("weight") and not (tensor.ndim > 1 and tensor.numel()):
            raise _wrong(f"{names[ours]} of two axes or more", f"shape {tuple(tensor.shape)}")
        if not tensor.isfinite().all():
            raise _wrong(f"finite numbers in {names[ours]}", "NaN or infinity")
    return found


def _fitted(found: Weights, facts: BMNFacts | GTADFacts, names: dict[str, str]) -> Weights:
    """The parameters, reshaped to those of our network."""
    try:
        with torch.device("meta"):
            model: nn.Module = facts.model()
    except (ValueError, RuntimeError) as error:
        raise _wrong("the widths of the published network", str(error)[:120]) from None
    weights = {}
    for name, wanted in model.named_parameters():
        # Axes of size 1 may be missing: a linear layer is a convolution with kernel 1, (O, C, P, 1, 1) is (O, C, P).
        if _without_ones(found[name]) != _without_ones(wanted):
            raise _wrong(f"{names[name]} of shape {tuple(wanted.shape)}", str(tuple(found[name].shape)))
        weights[name] = found[name].reshape(wanted.shape)
    return weights


def _without_ones(tensor: Tensor) -> list[int]:
    return [size for size in tensor.shape if size != 1]


def _grouped(first: Tensor) -> int:
    """Input channels of a first layer ``(O, C / 4, 3)`` with four groups."""
    return first.shape[1] * 4


def _layout(mask: Tensor | None) -> tuple[int | None, Rows]:
    """T and the layout of the map, from a sampling mask ``(T, 32·rows·columns)``."""
    if mask is None:
        return None, "durations"
    snippets = len(mask) if mask.ndim else 0
    if not snippets or mask.numel() != 32 * snippets**3:
        raise _wrong(f"{_MASK} of shape (T, 32 · T · T)", str(tuple(mask.shape)))
    # A map (start, last snippet) is empty below the diagonal.
    weights = mask.reshape(snippets, 32, snippets, snippets).abs().sum(dim=(0, 1))
    return snippets, "starts" if snippets > 1 and not weights.tril(-1).any() else "durations"


def _wrong(expected: str, found: str) -> Defect:
    return Defect(expected=expected, found=found, fix="use weights that the public code saved")
