"""Continuous 1-D RoI alignment: look the features up along any real-valued segment.

Every anchor is described by ``P`` points along its segment and one convolution over them (BMN's BM layer and Conv3d,
G-TAD's SGAlign and its first 1×1 convolution, CAR's lookup)::

    out[k, o] = bias[o] + Σ_p Σ_c W[o, c, p] · F~[c, t_p(k)]     sample, then convolve:  C × P × K values in memory
              = bias[o] + Σ_p (W_p F)~[o, t_p(k)]                project, then sample:   O × P × T values in memory

``F~`` is linear interpolation along time, so both steps are linear and may be swapped.
:class:`SegmentAlignment` projects first; :func:`sample_then_convolve` is the textbook order, kept as the reference.
Both give the same values and gradients, also with respect to the segments.

Two conventions say where the points lie:

``centered``
    Snippet ``i`` has its centre at ``i + 0.5``. The segment is widened by ``context`` of its length on both sides and
    cut into ``P·S`` equal bins; the samples are the midpoints of the bins. Features are linear between snippet centres
    and fall to zero within one snippet of the outer centres.
``bmn``
    What the public BMN code does, for its weights: with ``d = end − start`` and ``L = d + 1``, ``P·S`` samples from
    ``start − context·L`` to ``end + context·L``, both included, are snippet *indices*; a sample ``t`` takes
    ``1 − frac`` of ``trunc(t)`` and ``frac`` of ``ceil(t)``, where they exist. So all of (−1, 0) reads index 0 in
    full (``frac`` is negative there), and beyond ``T − 1`` features fall to zero.
    BMN itself has ``P = 32``, ``S = 3``, ``context = 0.5``.

In both, a point is the mean of its ``S`` subpoints, and zero snippets appended to a sequence change nothing.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from rcl.models.table_sums import row_sums

Convention = Literal["centered", "bmn"]

_BLOCK = 256  # output channels looked up at a time: a block of the table nearly fits a core's cache


def sampling_positions(segments: Tensor, points: int, subpoints: int, context: float, convention: Convention) -> Tensor:
    """Where the features of each segment are sampled.

    Args:
        segments: ``(B, K, 2)`` in snippet time.
        points: points per segment, ``P``.
        subpoints: samples per point, ``S``.
        context: how far the samples reach beyond each end, as a share of the length.
        convention: ``centered`` or ``bmn``, see the module.

    Returns:
        ``(B, K, P·S)``: snippet time in ``centered``, snippet indices in ``bmn``.
    """
    number = points * subpoints
    if convention == "bmn":
        return _bmn_positions(segments, number, context)
    start, end = segments[..., :1], segments[..., 1:]  # (B, K, 1)
    margin = context * (end - start)
    bins = torch.arange(number, device=segments.device, dtype=segments.dtype)  # (P·S)
    return (start - margin) + (end - start + 2 * margin) / number * (bins + 0.5)


def _bmn_positions(segments: Tensor, number: int, context: float) -> Tensor:
    """:func:`sampling_positions` of ``bmn``, with all of (−1, 0) already moved to 0, which reads the same."""
    # Features jump at −1, where many samples of a grid lie. Only the public code's own arithmetic, in float64, puts
    # each on the right side.
    wide = segments if segments.device.type == "mps" else segments.double()
    start, end = wide[..., :1], wide[..., 1:]  # (B, K, 1)
    margin = context * (end - start + 1)
    steps = torch.arange(number, device=wide.device, dtype=wide.dtype)  # (P·S)
    index = (start - margin) + (end - start + 2 * margin) / max(number - 1, 1) * steps
    return torch.where((index > -1) & (index < 0), 0.0, index).to(segments.dtype)


def interpolation(positions: Tensor, snippets: int, convention: Convention) -> tuple[Tensor, Tensor]:
    """The cell that each position lies in, and how far.

    Cell ``i`` lies between snippets ``i`` and ``i + 1`` of the sequence *with one zero snippet added at either end*
    (:func:`padded`), which makes "zero outside" a matter of clamping. A feature is ``(1 − fraction)`` of the one and
    ``fraction`` of the other.

    Args:
        positions: ``(...)`` from :func:`sampling_positions`.
        snippets: length of the sequence, ``T``.
        convention: ``centered`` or ``bmn``.

    Returns:
        cells ``(...)``, int32 in [0, T], and fractions ``(...)`` in [0, 1], differentiable.
    """
    index = positions if convention == "bmn" else positions - 0.5
    index = index.clamp(-1, snippets)
    lower = index.detach().floor().clamp(max=snippets - 1)
    cells = (lower.int() + 1).clamp(0, snippets)  # a position of NaN gets a valid cell and a fraction of NaN
    return cells, index - lower


def padded(features: Tensor) -> Tensor:
    """Add the zero snippets that :func:`interpolation` counts on: ``(B, C, T) → (B, C, T + 2)``."""
    return functional.pad(features, (1, 1))


def sample_then_convolve(
    features: Tensor,
    segments: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    subpoints: int = 1,
    context: float = 0.25,
    convention: Convention = "centered",
) -> Tensor:
    """The textbook order, with ``C × P × K`` values in memory: the reference for :class:`SegmentAlignment`.

    Args:
        features: ``(B, C, T)``.
        segments: ``(B, K, 2)`` in snippet time.
        weight: ``(O, C, P)``.
        bias: ``(O)``.
        subpoints: samples per point.
        context: see :func:`sampling_positions`.
        convention: ``centered`` or ``bmn``.

    Returns:
        ``(B, K, O)``.
    """
    channels, points = weight.shape[1:]
    positions = sampling_positions(segments, points, subpoints, context, convention)  # (B, K, P·S)
    cells, fractions = interpolation(positions, features.shape[2], convention)  # (B, K, P·S)
    fractions = fractions.to(features.dtype)[:, None]  # (B, 1, K, P·S)
    index = cells.long().flatten(1)[:, None].expand(-1, channels, -1)  # (B, C, K·P·S)
    lower, upper = (padded(features).gather(2, i).unflatten(2, cells.shape[1:]) for i in (index, index + 1))
    samples = (1 - fractions) * lower + fractions * upper  # (B, C, K, P·S)
    sampled = samples.unflatten(3, (points, subpoints)).mean(-1)  # (B, C, K, P)
    return torch.einsum("bckp,ocp->bko", sampled, weight) + bias


class Projected(NamedTuple):
    """A projected sequence, ready to be sampled at any segments: ``O × P × T`` values in memory.

    ``tables``: column blocks ``(P·B·(T + 2), O_i)`` of ``W_p F``, with a zero snippet at either end; ``batch`` B and
    ``snippets`` T; ``lengths (B,)``: how many of them exist in each video, all where it is ``None``. (Features are zero
    where none exists, so it matters only to a look-up that reads something else beyond the end.)
    """

    tables: tuple[Tensor, ...]
    batch: int
    snippets: int
    lengths: Tensor | None = None


def project(features: Tensor, weight: Tensor) -> Projected:
    """The first half: ``W_p F`` for every point and snippet. It is the costly one, and does not depend on the segments.

    Args:
        features: ``(B, C, T)``.
        weight: ``(O, C, P)``.
    """
    batch, channels, snippets = features.shape
    sequence = padded(features).transpose(1, 2).reshape(1, -1, channels)  # (1, B·(T + 2), C)
    blocks = weight.permute(2, 1, 0).split(_BLOCK, dim=2)  # of (P, C, O)
    points = weight.shape[2]
    tables = tuple(torch.bmm(sequence.expand(points, -1, -1), block).flatten(0, 1) for block in blocks)
    return Projected(tables, batch, snippets)


def sample_projected(
    projected: Projected,
    segments: Tensor,
    bias: Tensor,
    *,
    points: int,
    subpoints: int = 1,
    context: float = 0.25,
    convention: Convention = "centered",
) -> Tensor:
    """The second half: each segment ``(B, K, 2)`` is a weighted sum of a few rows, ``(B, K, O)``.

    The mean over the ``S`` subpoints is taken of the features: project ``features / subpoints``.
    """
    if projected.batch != len(segments):
        raise ValueError(f"features of {projected.batch} videos, but segments of {len(segments)}")
    positions = sampling_positions(segments, points, subpoints, context, convention)  # (B, K, P·S)
    cells, fractions = interpolation(positions, projected.snippets, convention)  # (B, K, P·S)
    rows = table_rows(cells, points, projected.snippets + 2).flatten(0, 1)  # (B·K, P·S)
    fractions = fractions.flatten(0, 1).to(projected.tables[0].dtype)  # (B·K, P·S), half precision under autocast
    return row_sums(rows, fractions, bias, *projected.tables).view(*segments.shape[:2], len(bias))


def table_rows(cells: Tensor, points: int, length: int) -> Tensor:
    """Cells ``(B, K, P·S)`` as rows of a table of ``(P, B, length)`` rows."""
    batch, _, samples = cells.shape
    point = torch.arange(points, dtype=cells.dtype, device=cells.device).repeat_interleave(samples // points)
    video = torch.arange(batch, dtype=cells.dtype, device=cells.device)[:, None]
    return cells + ((point * batch + video) * length)[:, None]


class Alignment(nn.Module):
    """A look-up of segments in a sequence, ``(B, C, T), (B, K, 2) → (B, K, O)``: projected once, then sampled.

    Args:
        weight: ``(O, C, P)``.
        context: how far it reaches beyond each end, in lengths of the segment.
        convention: where its samples lie.

    Attributes:
        empty_segment: what the cells of a grid that stand for no segment look up; ``None``: they have zero features.
    """

    empty_segment: tuple[float, float] | None = None

    def __init__(self, weight: Tensor, *, context: float, convention: Convention) -> None:
        super().__init__()
        self.context, self.convention = context, convention
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.empty(len(weight)))  # (O)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights as torch's convolutions do, with a fan-in of ``C·P``."""
        bound = 1 / math.sqrt(self.weight[0].numel())
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, features: Tensor, segments: Tensor) -> Tensor:
        """Look up ``segments (B, K, 2)``, any real values in snippet time, in ``features (B, C, T)``: ``(B, K, O)``."""
        return self.sample(self.project(features), segments)

    def project(self, features: Tensor) -> Projected:
        """Project ``features (B, C, T)`` once, to sample them at several sets of segments."""
        raise NotImplementedError

    def sample(self, projected: Projected, segments: Tensor) -> Tensor:
        """Look up ``segments (B, K, 2)`` in a projected sequence: ``(B, K, O)``."""
        raise NotImplementedError


class SegmentAlignment(Alignment):
    """Features along continuous segments, convolved over the points.

    Args:
        in_channels: ``C``.
        out_channels: ``O``.
        points: points per segment, ``P``.
        subpoints: samples per point, whose mean the point is.
        context: how far the points reach beyond each end, as a share of the length.
        convention: ``centered`` or ``bmn``, see the module.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        points: int,
        subpoints: int = 1,
        context: float = 0.25,
        convention: Convention = "centered",
    ) -> None:
        if convention not in ("centered", "bmn"):
            raise ValueError(f"convention must be 'centered' or 'bmn', not {convention!r}")
        # (O, C, P), but laid out in memory as (P, C, O): as the projection reads it.
        weight = torch.empty(points, in_channels, out_channels).permute(2, 1, 0)
        super().__init__(weight, context=context, convention=convention)
        self.subpoints = subpoints

    def project(self, features: Tensor) -> Projected:
        """Project ``features (B, C, T)`` once, to sample them at several sets of segments."""
        return project(features / self.subpoints, self.weight)

    def sample(self, projected: Projected, segments: Tensor) -> Tensor:
        """Look up ``segments (B, K, 2)`` in a projected sequence: ``(B, K, O)``."""
        return sample_projected(
            projected,
            segments,
            self.bias,
            points=self.weight.shape[2],
            subpoints=self.subpoints,
            context=self.context,
            convention=self.convention,
        )
