"""The look-up around both ends of a segment, at one resolution whatever its length."""

from __future__ import annotations

from torch import Tensor, nn

from rcl.models.alignment import Projected, interpolation, padded, table_rows
from rcl.models.table_sums import row_sums


class EndAlignment(nn.Module):
    """Features in a window around the start and in one around the end: ``(B, C, T), (B, K, 2) → (B, K, O)``.

    The points of :class:`~rcl.models.alignment.SegmentAlignment` lie further apart the longer the segment is, further
    than the error of its ends. Here they are one snippet apart. A weighted sum of points at fixed distances from a
    position is a convolution, looked up at that position by linear interpolation: two look-ups for each segment.

    Args:
        in_channels: ``C``.
        out_channels: ``O``.
        reach: how many snippets on either side of an end are looked at.
    """

    def __init__(self, in_channels: int, out_channels: int, *, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.windows = nn.Conv1d(in_channels, 2 * out_channels, 2 * reach + 1, padding=reach)

    def forward(self, features: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        """Look ``segments (B, K, 2)`` up in ``features (B, C, T)``, which are zero where ``mask (B, T)`` is false."""
        return self.sample(self.project(features, mask), segments)

    def project(self, features: Tensor, mask: Tensor) -> Projected:
        """The sums of all windows of ``features (B, C, T)``, once for all segments: tables ``(2·B·(T + 2), O)``."""
        sums = padded(self.windows(features) * mask[:, None])  # (B, 2·O, T + 2)
        table = sums.unflatten(1, (2, -1)).permute(1, 0, 3, 2)  # (2, B, T + 2, O)
        return Projected((table.flatten(0, 2),), *features.shape[::2])

    def sample(self, projected: Projected, segments: Tensor) -> Tensor:
        """The windows around the ends of ``segments (B, K, 2)``, in snippet time: ``(B, K, O)``."""
        cells, fractions = interpolation(segments, projected.snippets, "centered")  # (B, K, 2)
        (table,) = projected.tables
        rows = table_rows(cells, 2, projected.snippets + 2).flatten(0, 1)  # (B·K, 2)
        nothing = table.new_zeros(table.shape[1])
        sums = row_sums(rows, fractions.to(table.dtype).flatten(0, 1), nothing, table)
        return sums.view(*segments.shape[:2], table.shape[1])
