"""The grid head of BMN and G-TAD: the scores of all segments of whole snippets, computed as one map."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rcl.models.alignment import Alignment
from rcl.models.detector import Detector
from rcl.models.encoders import Encoder
from rcl.models.grid_cells import Cells
from rcl.models.predictions import AnchorScores, Predictions

CELLS_PER_LOOKUP = 16384  # bounds the memory of a large map, since a look-up has more channels than the map


class GridEncoding(NamedTuple):
    """A video and its map of scores.

    ``maps (B, 2 + L, rows, columns)`` are logits of regression, classification and labels; ``mask (B, T)`` and
    ``boundaries (B, 2, T)`` as in :class:`rcl.models.encoding.Encoding`.
    """

    maps: Tensor
    mask: Tensor
    boundaries: Tensor | None


class GridHead(nn.Module):
    """BMN's and G-TAD's convolutions over the map. The first one (1 × 1) is separate, because it sees single cells.

    Args:
        in_channels: width of what is looked up at a cell; 512 in both.
        channels: width of the map; 128 in both.
        kernel: of the two convolutions that mix cells; 3 in BMN, and 1 in G-TAD on ActivityNet.
        num_labels: L, joint label scores in addition to the two confidences; 0 in both.
    """

    def __init__(self, in_channels: int, *, channels: int = 128, kernel: int = 3, num_labels: int = 0) -> None:
        super().__init__()
        self.cell = nn.Linear(in_channels, channels)
        self.convolutions = nn.ModuleList(nn.Conv2d(channels, channels, kernel, padding=kernel // 2) for _ in range(2))
        self.scores = nn.Conv2d(channels, 2 + num_labels, 1)
        with torch.no_grad():
            self.scores.bias[2:] = -4.0  # type: ignore[index]  # an untrained network scores no action

    def embed(self, looked_up: Tensor) -> Tensor:
        """Embed look-ups ``(..., in_channels)``, before activation, as ``(..., channels)``."""
        return torch.relu(self.cell(torch.relu(looked_up)))

    def forward(self, embedded: Tensor, inside: Tensor) -> Tensor:
        """Map ``(B, rows, columns, channels)`` of which ``inside (B, rows, columns)`` exist → ``(B, 2 + L, …)``."""
        exists = inside[:, None].to(embedded.dtype)  # (B, 1, rows, columns)
        x = embedded.permute(0, 3, 1, 2) * exists  # (B, channels, rows, columns)
        for layer in self.convolutions:
            # Masked after every layer, so that a video gets the same scores in any batch.
            x = torch.relu(layer(x)) * exists
        return self.scores(x)


class GridDetector(Detector):
    """BMN (Lin et al., ICCV 2019), and G-TAD (Xu et al., CVPR 2020) with its own encoder and alignment.

    An anchor gets the scores of the nearest cell and stays where it is.

    Args:
        encoder: ``(features (B, C, T), mask (B, T)) → Encoding``.
        alignment: the look-up.
        head: the convolutions over the map.
        cells: the segments of the cells.
        finer: how many times the map of scores is enlarged, by linear interpolation (paper, Table 4).
    """

    def __init__(
        self,
        encoder: Encoder,
        alignment: Alignment,
        head: GridHead,
        *,
        cells: Cells | None = None,
        finer: int = 1,
    ) -> None:
        super().__init__(encoder)
        self.alignment = alignment
        self.head = head
        self.cells = cells or Cells()
        self.finer = finer

    def encode(self, features: Tensor, mask: Tensor) -> GridEncoding:
        """Compute the map of ``features (B, C, T)``, of which ``mask (B, T)`` exist.

        Raises:
            InputError: see :meth:`Cells.shape`.
        """
        rows, columns = self.cells.shape(mask.shape[1])
        encoding = self.encoder(features, mask)
        snippets = mask.sum(dim=1)  # (B,)
        start, duration = self.cells.all(columns, mask.device)  # (N,)
        fits = start + duration < snippets[:, None]  # (B, N)
        embedded, empty = self._embed(
            encoding.features, snippets, start, duration
        )  # (B, N, channels), (B or 1, 1, channels)
        embedded = torch.where(fits[..., None], embedded, empty)
        filled = empty.expand(len(mask), rows * columns, -1)
        filled = filled.index_copy(1, self.cells.place(start, duration, columns), embedded)
        steps = torch.arange(columns, device=mask.device)
        within = steps < snippets[:, None]  # (B, T); of a square map, rows as well
        inside = within[:, :rows, None] & within[:, None]  # (B, rows, columns)
        maps = self.head(filled.unflatten(1, (rows, columns)), inside)
        if self.finer > 1:
            maps = self._enlarged(maps, inside)
        return GridEncoding(maps, mask, encoding.boundaries)

    def _enlarged(self, maps: Tensor, inside: Tensor) -> Tensor:
        """``maps (B, 2 + L, rows, columns)`` of which ``inside (B, rows, columns)`` exist, ``finer`` times as large."""

        def matrix(size: int, *, of_starts: bool) -> Tensor:
            step = torch.arange(size * self.finer, device=maps.device, dtype=maps.dtype)
            # The position of the same start, or of the same end or duration, in the coarse map.
            return _interpolation(step / self.finer if of_starts else (step + 1) / self.finer - 1, size)

        starts_are_rows = self.cells.rows == "starts"
        rows = matrix(maps.shape[2], of_starts=starts_are_rows)
        columns = matrix(maps.shape[3], of_starts=not starts_are_rows)
        exists = inside[:, None].to(maps.dtype)
        values, shares = (rows @ x @ columns.T for x in (maps * exists, exists))
        # Next to padding, only existing cells count, as at the edge of a map without padding.
        return values / shares.clamp(min=torch.finfo(maps.dtype).eps)

    def _embed(self, features: Tensor, snippets: Tensor, start: Tensor, duration: Tensor) -> tuple[Tensor, Tensor]:
        """Cells ``(N,)`` of ``features (B, C, T)``: ``(B, N, channels)``; and an empty one: ``(…, 1, channels)``."""
        projected = self.alignment.project(features)._replace(lengths=snippets)
        segments = self.cells.looked_up(start, duration).expand(len(features), -1, -1)  # (B, N, 2)
        parts = [
            self.head.embed(self.alignment.sample(projected, part)) for part in segments.split(CELLS_PER_LOOKUP, dim=1)
        ]
        if self.alignment.empty_segment is None:
            empty = self.alignment.bias[None, None]  # (1, 1, O)
        else:
            segment = segments.new_tensor(self.alignment.empty_segment)
            empty = self.alignment.sample(projected, segment.expand(len(features), 1, -1))
        return torch.cat(parts, dim=1), self.head.embed(empty)

    def query(self, encoding: GridEncoding, anchors: Tensor, *, steps: int | None = None) -> Predictions:
        """Read the cells next to ``anchors (B, K, 2)``. ``steps`` has no effect: there is one."""
        snippets = encoding.mask.sum(dim=1)[:, None]  # (B, 1)
        start, duration = self.cells.nearest(anchors * self.finer, snippets * self.finer, finer=self.finer)  # (B, K)
        place = self.cells.place(start, duration, encoding.maps.shape[3])  # (B, K)
        channels = encoding.maps.shape[1]
        read = encoding.maps.flatten(2).gather(2, place[:, None].expand(-1, channels, -1))  # (B, 2 + L, K)
        regression, classification = read[:, 0], read[:, 1]
        scores = AnchorScores(
            anchors, classification, regression, torch.zeros_like(anchors), read[:, 2:].transpose(1, 2)
        )
        return Predictions((scores,), anchors, encoding.boundaries)


def _interpolation(places: Tensor, size: int) -> Tensor:
    """The matrix ``(N, size)`` that interpolates a sequence at real ``places (N,)``, clamped to its ends."""
    places = places.clamp(0, size - 1)
    lower = places.floor().long()
    fraction = (places - lower)[:, None]
    matrix = places.new_zeros(len(places), size)
    matrix.scatter_add_(1, lower[:, None], 1 - fraction)
    return matrix.scatter_add_(1, (lower + 1).clamp(max=size - 1)[:, None], fraction)
