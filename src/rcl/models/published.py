"""BMN and G-TAD with the layer sizes of their publications."""

from __future__ import annotations

from rcl.models.alignment import SegmentAlignment
from rcl.models.bmn import BMNEncoder
from rcl.models.grid import GridDetector, GridHead
from rcl.models.grid_cells import Cells
from rcl.models.gtad import GTADEncoder


def bmn(
    in_channels: int,
    *,
    channels: int = 256,
    proposal_channels: int | None = None,
    groups: int = 4,
    num_labels: int = 0,
    cells: Cells | None = None,
) -> GridDetector:
    """BMN as published, 4.98 million parameters with 400 input channels.

    Args:
        in_channels: width of the snippet features.
        channels: of the encoder.
        proposal_channels: of its proposal branch, if different (128 in OpenTAD).
        groups: of the encoder's convolutions.
        num_labels: L, joint label scores; 0 for proposals.
        cells: the segments of the cells.
    """
    encoder = BMNEncoder(in_channels, channels=channels, proposal_channels=proposal_channels, groups=groups)
    alignment = SegmentAlignment(encoder.channels, 512, points=32, subpoints=3, context=0.5, convention="bmn")
    return GridDetector(encoder, alignment, GridHead(512, num_labels=num_labels), cells=cells)


def gtad(
    in_channels: int,
    *,
    channels: int = 256,
    inner_bins: int = 32,
    context_bins: int = 4,
    kernel: int = 1,
    num_labels: int = 0,
    longest: int | None = None,
) -> GridDetector:
    """G-TAD as its authors' code has it for ActivityNet, 5.56 million parameters with 400 input channels.

    Args:
        in_channels: width of the snippet features.
        channels: of the encoder.
        inner_bins: of SGAlign, along the segment; 16 on THUMOS14.
        context_bins: of SGAlign, of the neighbours' means; 16 on THUMOS14.
        kernel: of the convolutions over the map; 3 on THUMOS14.
        num_labels: L, joint label scores; 0 for proposals.
        longest: D, the number of durations; 64 on THUMOS14.
    """
    encoder = GTADEncoder(in_channels, channels=channels, inner_bins=inner_bins, context_bins=context_bins)
    alignment = encoder.alignment(512, points=1, subpoints=1, context=0.5, convention="bmn")
    head = GridHead(512, kernel=kernel, num_labels=num_labels)
    return GridDetector(encoder, alignment, head, cells=Cells(longest=longest))
