"""SGAlign of G-TAD (Xu et al., CVPR 2020), projected before it is sampled."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rcl.models.alignment import Alignment, Projected, project
from rcl.models.table_sums import BagSums

_ANCHORS = 256  # segments whose samples are placed at a time, in a core's cache


class GraphAlignment(Alignment):
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

    empty_segment = (0.0, -1.0)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        inner_bins: int = 32,
        context_bins: int = 4,
        context: float = 0.5,
    ) -> None:
        # (O, C, P), inner bins first, but laid out in memory as (P, C, O): as the projection reads it.
        weight = torch.empty(inner_bins + context_bins, in_channels // 2, out_channels).permute(2, 1, 0)
        super().__init__(weight, context=context, convention="bmn")
        self.bins = (inner_bins, context_bins)

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
        sums = BagSums.apply(rows, weights, counts, *projected.tables)  # (B·K, O)
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
