"""Weights of public implementations of BMN and G-TAD, under our names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from rcl.models.grid import GridDetector
from rcl.models.grid_cells import Cells
from rcl.models.published import bmn, gtad
from rcl.system.errors import Defect, InputError
from rcl.system.tensor_files import read_tensors

_KEYS = ("state_dict_ema", "state_dict", "model_state_dict", "model", "net")  # averaged weights first
_MASK = "sample_mask"


def _parameters(*layers: tuple[str, str]) -> dict[str, str]:
    """Names of the weights and biases of layers: ours → theirs."""
    return {f"{ours}.{kind}": f"{theirs}.{kind}" for ours, theirs in layers for kind in ("weight", "bias")}


# JJBOY's code and mmaction2.
_BMN = _parameters(
    ("encoder.base.0", "x_1d_b.0"),
    ("encoder.base.2", "x_1d_b.2"),
    ("encoder.start.0", "x_1d_s.0"),
    ("encoder.start.2", "x_1d_s.2"),
    ("encoder.end.0", "x_1d_e.0"),
    ("encoder.end.2", "x_1d_e.2"),
    ("encoder.proposal.0", "x_1d_p.0"),
    ("alignment", "x_3d_p.0"),
    ("head.cell", "x_2d_p.0"),
    ("head.convolutions.0", "x_2d_p.2"),
    ("head.convolutions.1", "x_2d_p.4"),
    ("head.scores", "x_2d_p.6"),
)
_BMN_OPENTAD = _parameters(
    ("encoder.base.0", "projection.convs.0.conv"),
    ("encoder.base.2", "projection.convs.1.conv"),
    ("encoder.start.0", "rpn_head.tem.0.0.conv"),
    ("encoder.start.2", "rpn_head.tem.0.1.conv"),
    ("encoder.end.0", "rpn_head.tem.1.0.conv"),
    ("encoder.end.2", "rpn_head.tem.1.1.conv"),
    ("encoder.proposal.0", "roi_head.proposal_roi_extractor.reduce_dim.0"),
    ("alignment", "roi_head.proposal_roi_extractor.conv3d.0"),
    ("head.cell", "roi_head.proposal_roi_extractor.conv2d.0"),
    ("head.convolutions.0", "roi_head.proposal_head.head.0.0"),
    ("head.convolutions.1", "roi_head.proposal_head.head.1.0"),
    ("head.scores", "roi_head.proposal_head.head.2"),
)
_GCNEXT = (
    ("temporal.0", "tconvs.0"),
    ("temporal.2", "tconvs.2"),
    ("temporal.4", "tconvs.4"),
    ("edges", "sconvs.0"),
    ("semantic.1", "sconvs.2"),
    ("semantic.3", "sconvs.4"),
)
# The code of its authors.
_GTAD = _parameters(
    ("encoder.embed", "backbone1.0"),
    *(
        (f"encoder.{ours}.{layer}", f"{theirs}.{public}")
        for ours, theirs in (
            ("base", "backbone1.2"),
            ("start", "regu_s.0"),
            ("end", "regu_e.0"),
            ("final", "backbone2.0"),
        )
        for layer, public in _GCNEXT
    ),
    ("encoder.start_logit", "regu_s.1"),
    ("encoder.end_logit", "regu_e.1"),
    ("alignment", "localization.0"),
    ("head.cell", "localization.2"),
    ("head.convolutions.0", "localization.4"),
    ("head.convolutions.1", "localization.6"),
    ("head.scores", "localization.8"),
)


class BMNFacts(NamedTuple):
    """What a file of BMN's weights says of the network.

    ``in_channels`` of the features; ``channels`` and ``proposal_channels`` of the encoder; ``snippets``: T, where the
    file says it; ``rows``: how the map is laid out, see :class:`rcl.models.grid.Cells`.
    """

    in_channels: int
    channels: int
    proposal_channels: int
    snippets: int | None
    rows: Literal["durations", "starts"]

    def model(self) -> GridDetector:
        """The network, with new weights."""
        cells = Cells("starts", last=1.0) if self.rows == "starts" else Cells()
        return bmn(self.in_channels, channels=self.channels, proposal_channels=self.proposal_channels, cells=cells)


class GTADFacts(NamedTuple):
    """What a file of G-TAD's weights says of the network.

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


def read_bmn(path: Path | str) -> tuple[dict[str, Tensor], BMNFacts]:
    """Weights of BMN as JJBOY's code, mmaction2 and OpenTAD save them. Nothing in the file is executed.

    Their names may stand behind any prefix (``module.``) and have the suffixes ``_f`` or ``_e``, the whole under
    ``state_dict`` or the like. A sampling mask is not read as weights, but it tells T and the layout of the map;
    without one the layout is that of mmaction2 and OpenTAD. OpenTAD has the two confidences in the other order; they
    are put into ours.

    Returns:
        state dict of ``facts.model()``, and the facts.

    Raises:
        InputError: the file is missing, damaged, holds code, or lacks a parameter of BMN or has another shape of it.
    """
    path = Path(path)
    names, state = _select(_without_suffixes(_tensors(path), path), (_BMN, _BMN_OPENTAD), path)
    snippets, rows = _layout(state.pop(_MASK, None), path)
    found = _renamed(state, names, path)
    base, proposal = found["encoder.base.0.weight"], found["encoder.proposal.0.weight"]
    facts = BMNFacts(_grouped(base), len(base), len(proposal), snippets, rows)
    weights = _fitted(found, facts, names, path)
    if names is _BMN_OPENTAD:
        for kind in ("weight", "bias"):
            weights[f"head.scores.{kind}"] = weights[f"head.scores.{kind}"].flip(0)
    return weights, facts


def read_gtad(path: Path | str) -> tuple[dict[str, Tensor], GTADFacts]:
    """Weights of G-TAD as the code of its authors saves them, like :func:`read_bmn`.

    How the bins of SGAlign divide is not in the file: 36 are taken for 32 + 4 (ActivityNet), others for two halves
    (THUMOS14).

    Returns:
        state dict of ``facts.model()``, and the facts.

    Raises:
        InputError: the file is missing, damaged, holds code, or lacks a parameter of G-TAD or has another shape of it.
    """
    path = Path(path)
    names, state = _select(_tensors(path), (_GTAD,), path)
    found = _renamed(state, names, path)
    embed, aligned = found["encoder.embed.weight"], found["alignment.weight"].flatten(1)  # (O, C·P)
    bins = aligned.shape[1] // len(embed)
    if bins * len(embed) != aligned.shape[1] or bins < 2:
        raise _wrong(
            path, f"{names['alignment.weight']} of several bins of {len(embed)} channels", str(aligned.shape[1])
        )
    found["alignment.weight"] = aligned.unflatten(1, (len(embed), bins))
    context = 4 if bins == 36 else bins // 2
    kernel = found["head.convolutions.0.weight"].shape[-1]
    facts = GTADFacts(_grouped(embed), len(embed), bins - context, context, kernel)
    return _fitted(found, facts, names, path), facts


def _tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, wherever in it they are kept."""
    if not os.path.isfile(path):
        raise InputError(path, expected="a file of weights", found="no such file", fix="check the path")
    try:
        fix = "use a whole file; if it holds more than tensors, save its state dict alone"
        content: Any = read_tensors(path, expected="weights as plain data", fix=fix)
    except Defect as defect:
        raise defect.at(path) from None
    tensors: dict[str, Tensor] = {}
    if isinstance(content, Mapping):
        content = next((content[key] for key in _KEYS if isinstance(content.get(key), Mapping)), content)
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise _wrong(path, "a state dict", f"a {type(content).__name__} without tensors")
    return tensors


def _without_suffixes(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """``x_1d_b_f.0.weight`` as ``x_1d_b.0.weight``."""
    plain = {re.sub(r"\b(x_[123]d_[bsep])_[fe]\.", r"\1.", name): value for name, value in tensors.items()}
    if len(plain) < len(tensors):
        raise _wrong(path, "one layer of each name", "layers that differ in _f and _e only")
    return plain


def _select(
    tensors: dict[str, Tensor], formats: tuple[dict[str, str], ...], path: Path
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The format whose names a file has, and its tensors without the prefix that stands before them."""
    for names in formats:
        for theirs in names.values():
            for name in tensors:
                prefix = name.removesuffix(theirs)
                if name.endswith(theirs) and (not prefix or prefix.endswith(".")):
                    return names, {key.removeprefix(prefix): value for key, value in tensors.items()}
    expected = " or ".join(next(iter(names.values())) for names in formats)
    raise _wrong(path, f"names such as {expected}", _some(sorted(tensors)))


def _renamed(state: dict[str, Tensor], names: dict[str, str], path: Path) -> dict[str, Tensor]:
    """All parameters of a network under our names, and nothing else."""
    missing = [theirs for theirs in names.values() if theirs not in state]
    if missing:
        raise _wrong(path, f"parameter {_some(missing)}", "none of that name")
    unknown = sorted(state.keys() - set(names.values()))
    if unknown:
        raise _wrong(path, "the parameters of the published network and no others", _some(unknown))
    found = {ours: state[theirs].float() for ours, theirs in names.items()}
    for ours, tensor in found.items():
        if ours.endswith("weight") and not (tensor.ndim > 1 and tensor.numel()):
            raise _wrong(path, f"{names[ours]} of two axes or more", f"shape {tuple(tensor.shape)}")
        if not tensor.isfinite().all():
            raise _wrong(path, f"finite numbers in {names[ours]}", "NaN or infinity")
    return found


def _fitted(
    found: dict[str, Tensor], facts: BMNFacts | GTADFacts, names: dict[str, str], path: Path
) -> dict[str, Tensor]:
    """The parameters in the shapes that ours have."""
    try:
        with torch.device("meta"):
            model: nn.Module = facts.model()
    except (ValueError, RuntimeError) as error:
        raise _wrong(path, "the widths of the published network", str(error)[:120]) from None
    weights = {}
    for name, wanted in model.named_parameters():
        # Kernels of 1 may or may not be written out: a linear layer is a convolution, (O, C, P, 1, 1) is (O, C, P).
        if _without_ones(found[name]) != _without_ones(wanted):
            raise _wrong(path, f"{names[name]} of shape {tuple(wanted.shape)}", str(tuple(found[name].shape)))
        weights[name] = found[name].reshape(wanted.shape)
    return weights


def _without_ones(tensor: Tensor) -> list[int]:
    return [size for size in tensor.shape if size != 1]


def _grouped(first: Tensor) -> int:
    """Channels that enter a first layer ``(O, C / 4, 3)`` of four groups."""
    return first.shape[1] * 4


def _layout(mask: Tensor | None, path: Path) -> tuple[int | None, Literal["durations", "starts"]]:
    """T and layout, from a sampling mask ``(T, 32·rows·columns)``."""
    if mask is None:
        return None, "durations"
    snippets = len(mask) if mask.ndim else 0
    if not snippets or mask.numel() != 32 * snippets**3:
        raise _wrong(path, f"{_MASK} of shape (T, 32 · T · T)", str(tuple(mask.shape)))
    # Of a map [start, last snippet] everything below the diagonal is empty.
    weights = mask.reshape(snippets, 32, snippets, snippets).abs().sum(dim=(0, 1))
    return snippets, "starts" if snippets > 1 and not weights.tril(-1).any() else "durations"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _wrong(path: Path, expected: str, found: str) -> InputError:
    return InputError(path, expected=expected, found=found, fix="use weights that the public code saved")
