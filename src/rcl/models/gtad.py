"""G-TAD (Xu et al., CVPR 2020): graph convolutions over snippets, and the alignment of sub-graphs (SGAlign)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from rcl.models.alignment import Projected, project
from rcl.models.encoding import Encoding

_QUERIES = 1024  # snippets whose distances to all others are in memory at a time
_ANCHORS = 256  # segments whose samples are placed at a time, in a core's cache


class Graph(NamedTuple):
    """Edges from every snippet to its nearest ones in feature space.

    ``nodes (B, T, k)``; ``exists (B, T, k)``, false where a video has fewer than ``k`` snippets: such an edge leads
    back to the snippet itself.
    """

    nodes: Tensor
    exists: Tensor


def nearest(features: Tensor, mask: Tensor, count: int) -> Graph:
    """The ``count`` nearest snippets of each by Euclidean distance of features, itself among them.

    Args:
        features: ``(B, C, T)``.
        mask: ``(B, T)``, the snippets that exist; others are nobody's neighbours.
        count: neighbours per snippet, k.

    Returns:
        edges to ``min(k, T)`` snippets.
    """
    with torch.no_grad(), torch.autocast(features.device.type, enabled=False):  # half precision cannot tell distances
        nodes = features.float() if features.dtype.itemsize < 4 else features
        # −|a − b|² less what is the same for all b.
        penalty = torch.where(mask, nodes.square().sum(dim=1), math.inf)[:, None]  # (B, 1, T)
        found = [
            (2 * queries.mT @ nodes - penalty).topk(min(count, features.shape[2]), dim=-1)
            for queries in nodes.split(_QUERIES, dim=2)
        ]
        closeness, index = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))  # (B, T, k)
        exists = closeness > -math.inf
        itself = torch.arange(features.shape[2], device=index.device)[:, None]  # (T, 1)
        return Graph(torch.where(exists, index, itself), exists)


def _at_neighbours(features: Tensor, graph: Graph) -> Tensor:
    """``(B, C, T) → (B, C, T, k)``."""
    index = graph.nodes.flatten(1)[:, None].expand(-1, features.shape[1], -1)  # (B, C, T·k)
    return features.gather(2, index).unflatten(2, graph.nodes.shape[1:])


def neighbour_means(features: Tensor, graph: Graph) -> Tensor:
    """The mean of each snippet's neighbours, ``(B, C, T) → (B, C, T)``."""
    exists = graph.exists[:, None].to(features.dtype)  # (B, 1, T, k)
    return (_at_neighbours(features, graph) * exists).sum(dim=-1) / exists.sum(dim=-1).clamp(min=1)


class GCNeXt(nn.Module):
    """``relu(x + temporal(x) + max over neighbours of semantic(neighbour, x))``, grouped as in ResNeXt.

    Args:
        channels: width of input and output.
        width: inner width; 128 in G-TAD.
        groups: of the inner convolutions; 32 in G-TAD.
    """

    def __init__(self, channels: int, *, width: int = 128, groups: int = 32) -> None:
        super().__init__()
        self.temporal = nn.Sequential(
            nn.Conv1d(channels, width, 1),
            nn.ReLU(),
            nn.Conv1d(width, width, 3, padding=1, groups=groups),
            nn.ReLU(),
            nn.Conv1d(width, channels, 1),
        )
        self.edges = nn.Conv1d(2 * channels, width, 1)  # of a neighbour and the snippet itself, in this order
        self.semantic = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, width, 1, groups=groups), nn.ReLU(), nn.Conv2d(width, channels, 1)
        )

    def forward(self, x: Tensor, mask: Tensor, graph: Graph) -> Tensor:
        """``x (B, C, T)``, zero where ``mask (B, T)`` is false → ``(B, C, T)``, likewise."""
        exists = mask[:, None].to(x.dtype)  # (B, 1, T)
        temporal = self.temporal[2:](self.temporal[:2](x) * exists)  # biases must not leak from the padding
        # A linear layer on a concatenation is the sum of two, so each snippet is projected once, not once per edge.
        of_neighbour, of_itself = self.edges.weight.chunk(2, dim=1)  # (width, C, 1)
        edges = _at_neighbours(functional.conv1d(x, of_neighbour), graph)  # (B, width, T, k)
        edges = edges + functional.conv1d(x, of_itself, self.edges.bias)[..., None]
        semantic = self.semantic(edges).amax(dim=-1)  # (B, C, T)
        return functional.relu(temporal + x + semantic) * exists


class GTADEncoder(nn.Module):
    """G-TAD's backbone and node classifier; to every snippet it appends the mean of its nearest neighbours' features.

    The neighbours of a layer are those of its own input, those of the means are found in the final features. A
    snippet counts among its own neighbours. As in the public code, the boundary head (a GCNeXt and a 1×1 convolution
    for each kind) sits between the two GCNeXt blocks.

    Args:
        in_channels: width of the snippet features.
        channels: width of every layer, and half of the width of the encoding; 256 in G-TAD.
        groups: groups of the first convolution; 4 in G-TAD.
        neighbours: k; 3 in G-TAD.
        width: inner width of a GCNeXt block; 128 in G-TAD.
        inner_groups: groups inside a GCNeXt block; 32 in G-TAD.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: int = 256,
        groups: int = 4,
        neighbours: int = 3,
        width: int = 128,
        inner_groups: int = 32,
    ) -> None:
        super().__init__()
        self.channels = 2 * channels
        self.neighbours = neighbours
        self.embed = nn.Conv1d(in_channels, channels, 3, padding=1, groups=groups)
        self.base, self.start, self.end, self.final = (
            GCNeXt(channels, width=width, groups=inner_groups) for _ in range(4)
        )
        self.start_logit, self.end_logit = (nn.Conv1d(channels, 1, 1) for _ in range(2))

    def forward(self, features: Tensor, mask: Tensor) -> Encoding:
        """Encode ``features (B, in_channels, T)`` where ``mask (B, T)`` is true: features ``(B, 2·channels, T)``."""
        exists = mask[:, None].to(features.dtype)  # (B, 1, T)
        x = functional.relu(self.embed(features * exists)) * exists  # (B, C, T)
        x = self.base(x, mask, nearest(x, mask, self.neighbours))
        graph = nearest(x, mask, self.neighbours)
        start = self.start_logit(self.start(x, mask, graph))  # (B, 1, T)
        end = self.end_logit(self.end(x, mask, graph))
        x = self.final(x, mask, graph)
        means = neighbour_means(x, nearest(x, mask, self.neighbours)) * exists
        return Encoding(torch.cat((x, means), dim=1), mask, torch.cat((start, end), dim=1))


class GraphAlignment(nn.Module):
    """SGAlign and the 1×1 convolution after it, ``(B, 2·C, T), (B, K, 2) → (B, K, O)``, projected before sampled.

    The first half of the channels is averaged in ``inner_bins`` bins along the segment, the second half, the
    neighbours' means, in ``context_bins``. Segments and samples are in snippet indices, as the ``bmn`` convention of
    :mod:`rcl.models.alignment` has them: cell (d, s) of the public map is the segment ``[s, s + d]``, and its empty
    cells read what the segment ``[0, −1]`` reads.

    The rule is that of the public 1-D RoI alignment: with ``L = end − start + 1`` the window reaches from
    ``start − context·L`` to ``end + context·L`` and is one snippet long at least. A bin is the mean of ``S`` samples,
    the midpoints of equal parts, with the smallest ``S`` that puts them no more than a snippet apart. Features are
    linear between snippets, constant for one snippet beyond the first and the last of a video, and zero further out.

    Args:
        in_channels: ``2·C``.
        out_channels: ``O``; 512 in G-TAD.
        inner_bins: 32 in G-TAD on ActivityNet, 16 on THUMOS14.
        context_bins: 4 on ActivityNet, 16 on THUMOS14.
        context: how far the window reaches beyond each end, as a share of the length; a half in G-TAD.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        inner_bins: int = 32,
        context_bins: int = 4,
        context: float = 0.5,
    ) -> None:
        super().__init__()
        self.bins, self.context = (inner_bins, context_bins), context
        # (O, C, P), inner bins first, but laid out in memory as (P, C, O): as the projection reads it.
        weight = torch.empty(inner_bins + context_bins, in_channels // 2, out_channels)
        self.weight = nn.Parameter(weight.permute(2, 1, 0))
        self.bias = nn.Parameter(torch.empty(out_channels))  # (O)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights as ``nn.Conv2d`` does, with a fan-in of ``C·P``."""
        bound = 1 / math.sqrt(self.weight[0].numel())
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, features: Tensor, segments: Tensor) -> Tensor:
        """Look up ``segments (B, K, 2)``, any real values, in ``features (B, 2·C, T)``: ``(B, K, O)``."""
        return self.sample(self.project(features), segments)

    def project(self, features: Tensor) -> Projected:
        """Project ``features (B, 2·C, T)`` once, to sample them at several sets of segments."""
        parts = zip(features.chunk(2, dim=1), self.weight.split(self.bins, dim=2), strict=True)
        projected = [project(part, weight) for part, weight in parts]
        tables = tuple(torch.cat(blocks) for blocks in zip(*(part.tables for part in projected), strict=True))
        return Projected(tables, len(features), features.shape[2])

    def sample(self, projected: Projected, segments: Tensor) -> Tensor:
        """Look up ``segments (B, K, 2)`` in a projected sequence: ``(B, K, O)``."""
        if projected.batch != len(segments):
            raise ValueError(f"features of {projected.batch} videos, but segments of {len(segments)}")
        anchors = segments.flatten(0, 1)  # (B·K, 2)
        video = torch.arange(len(segments), device=segments.device).repeat_interleave(segments.shape[1])  # (B·K)
        lengths = torch.full_like(video, projected.snippets) if projected.lengths is None else projected.lengths[video]
        reads = [
            _table_reads(anchor, place, length, projected.batch, projected.snippets, self.bins, self.context)
            for anchor, place, length in zip(*(part.split(_ANCHORS) for part in (anchors, video, lengths)), strict=True)
        ]
        rows, weights, counts = (torch.cat(parts) for parts in zip(*reads, strict=True))
        weights = weights.to(projected.tables[0].dtype)  # half precision under autocast
        sums = _BagSums.apply(rows, weights, counts, *projected.tables)  # (B·K, O)
        return (sums + self.bias.to(sums.dtype)).unflatten(0, segments.shape[:2])


class _Samples(NamedTuple):
    """The samples that lie within reach, of each segment and part ``(A, parts)``.

    Sample ``i`` lies at ``start + spacing · (i + 0.5)``, in bin ``i // per_bin``; ``number`` of them from ``first``.
    """

    start: Tensor
    spacing: Tensor
    per_bin: Tensor
    first: Tensor
    number: Tensor


def _samples(segments: Tensor, lengths: Tensor, bins: Tensor, context: float) -> _Samples:
    """Where segments ``(A, 2)`` of videos of ``lengths (A)`` are sampled, with ``bins (parts)``."""
    start, end = segments.split(1, dim=1)  # (A, 1)
    margin = context * (end - start + 1)
    start, length = start - margin, (end - start + 2 * margin).clamp(min=1)
    per_bin = (length.detach() / bins).nan_to_num(1).clamp(max=2**24).ceil()  # (A, parts)
    number, spacing = bins * per_bin, length / (bins * per_bin)
    lowest, highest = ((reach - start.detach()) / spacing.detach() - 0.5 for reach in (-1, lengths[:, None]))
    first = lowest.ceil().nan_to_num(0).clamp(min=0)
    count = (torch.minimum(highest.floor().nan_to_num(0) + 1, number) - first).clamp(min=0)
    return _Samples(start.expand_as(spacing), spacing, per_bin, first, count.long())


def _table_reads(
    segments: Tensor,
    video: Tensor,
    lengths: Tensor,
    batch: int,
    snippets: int,
    bins: tuple[int, ...],
    context: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """What segments read of a table of ``(P, B, T + 2)`` rows.

    Args:
        segments: ``(A, 2)`` in snippet indices.
        video: ``(A)``, the place of each in the batch.
        lengths: ``(A)``, snippets that exist in its video.
        batch: B.
        snippets: T.
        bins: of each part, ``P`` in all.
        context: see :class:`GraphAlignment`.

    Returns:
        rows ``(N)`` and their weights ``(N)``, for one segment after the other, and how many each has ``(A)``.
    """
    part_bins = torch.tensor(bins, device=segments.device)
    samples = _samples(segments, lengths, part_bins, context)
    table = ((part_bins.cumsum(0) - part_bins) * batch + video[:, None]) * (snippets + 2)  # (A, parts), first row
    counts = samples.number.flatten()  # (A·parts)
    part = torch.repeat_interleave(counts)  # (N / 2), one per sample
    skipped = samples.first.long().flatten() - (counts.cumsum(0) - counts)
    number = skipped[part].add_(torch.arange(len(part), device=part.device))  # within the part

    start, spacing = (field.flatten().index_select(0, part) for field in (samples.start, samples.spacing))
    last = (lengths - 1).to(start).repeat_interleave(len(bins))[part]
    index = (start + spacing * (number + 0.5)).clamp(torch.zeros_like(last), last)
    lower = index.detach().floor()
    share = (1 / samples.per_bin).flatten()[part]
    upper_weight = (index - lower) * share
    weights = torch.stack((share - upper_weight, upper_weight), dim=1)  # (N / 2, 2)

    rows = number.div_(samples.per_bin.long().flatten()[part], rounding_mode="floor").mul_(batch * (snippets + 2))
    rows.add_(table.flatten()[part]).add_(lower.long().add_(1).clamp_(1, snippets))
    return torch.stack((rows, rows + 1), dim=1).flatten().int(), weights.flatten(), 2 * samples.number.sum(dim=1)


class _BagSums(torch.autograd.Function):
    """Weighted sums of table rows, of as many rows as each bag has.

    ``rows (N)``, ``weights (N)``, ``counts (A)`` and column blocks ``(R, O_i)`` of one table ``→ (A, O)``.
    Backward, the gradient of ``embedding_bag`` for the table would be several times slower on a CPU than this one,
    which is a weighted sum of rows again.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weights: Tensor, counts: Tensor, *tables: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weights, counts, *(tables if ctx.needs_input_grad[1] else ()))
        ctx.widths, ctx.table_rows = [table.shape[1] for table in tables], len(tables[0])
        return torch.cat([_bag_sums(table, rows, weights, counts) for table in tables], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weights, counts, *tables = ctx.saved_tensors
        blocks = [block.contiguous() for block in gradient.split(ctx.widths, dim=1)]
        for_weights: Tensor | None = None
        if tables:
            with torch.enable_grad():
                leaf = weights.detach().requires_grad_()
                sums = [_bag_sums(table, rows, leaf, counts) for table in tables]
            (for_weights,) = torch.autograd.grad(sums, leaf, blocks)
        for_tables: list[Tensor | None] = [None] * len(blocks)
        if any(ctx.needs_input_grad[3:]):
            order = torch.sort(rows, stable=True).indices  # (N)
            bags, weights = torch.repeat_interleave(counts)[order], weights[order]
            readers = torch.bincount(rows, minlength=ctx.table_rows)  # (R)
            for_tables = [_bag_sums(block, bags, weights, readers) for block in blocks]
        return None, for_weights, None, *for_tables


def _bag_sums(table: Tensor, rows: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
    """Sums over bags of ``counts (A)`` entries each, ``rows (N)`` of a table and ``weights (N)``: ``(A, O)``."""
    edges = functional.pad(counts.cumsum(0), (1, 0)).to(rows.dtype)  # (A + 1)
    return functional.embedding_bag(
        rows, table, edges, per_sample_weights=weights, mode="sum", include_last_offset=True
    )
