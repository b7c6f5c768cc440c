"""G-TAD (Xu et al., CVPR 2020): graph convolutions over snippets, and the alignment of sub-graphs (SGAlign)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from rcl.models.alignment import Convention
from rcl.models.encoders import Encoder, check_groups
from rcl.models.encoding import Encoding
from rcl.models.graph_alignment import GraphAlignment

QUERIES_AT_A_TIME = 1024  # snippets whose distances to all others are in memory at a time


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
        mask: ``(B, T)``, the snippets that exist; others are never neighbours.
        count: neighbours per snippet, k.

    Returns:
        edges to ``min(k, T)`` snippets.
    """
    with (
        torch.no_grad(),
        torch.autocast(features.device.type, enabled=False),
    ):  # half precision cannot resolve the distances
        nodes = features.float() if features.dtype.itemsize < 4 else features
        # −|a − b|² without the term that is the same for all b.
        penalty = torch.where(mask, nodes.square().sum(dim=1), math.inf)[:, None]  # (B, 1, T)
        found = [
            (2 * queries.mT @ nodes - penalty).topk(min(count, features.shape[2]), dim=-1)
            for queries in nodes.split(QUERIES_AT_A_TIME, dim=2)
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
        self.edges = nn.Conv1d(2 * channels, width, 1)  # of a neighbour and of the snippet, in this order
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


class GTADEncoder(Encoder, name="gtad"):
    """G-TAD's backbone and node classifier; to every snippet it appends the mean of its nearest neighbours' features.

    The neighbours of a layer are those of its own input, those of the means are found in the final features. A
    snippet counts among its own neighbours. As in the public code, the boundary head (a GCNeXt and a 1×1 convolution
    for each kind) sits between the two GCNeXt blocks.

    Args:
        in_channels: width of the snippet features.
        channels: width of every layer, and half of the width of the encoding; 256 in G-TAD.
        groups: groups of the first convolution; 4 in G-TAD.
        neighbours: k; 3 in G-TAD.
        inner_bins: of its look-up, along the segment; 16 on THUMOS14.
        context_bins: of its look-up, of the neighbours' means; 16 on THUMOS14.
        width: inner width of a GCNeXt block; 128 in G-TAD.
        inner_groups: groups inside a GCNeXt block; 32 in G-TAD.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: PositiveInt = 256,
        groups: PositiveInt = 4,
        neighbours: PositiveInt = 3,
        inner_bins: PositiveInt = 32,
        context_bins: PositiveInt = 4,
        width: PositiveInt = 128,
        inner_groups: PositiveInt = 32,
    ) -> None:
        super().__init__()
        check_groups(groups, in_channels, channels)
        self.bins = {"inner_bins": inner_bins, "context_bins": context_bins}
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

    def alignment(
        self, out_channels: int, *, points: int, subpoints: int, context: float, convention: Convention
    ) -> GraphAlignment:
        """SGAlign, which has bins in place of points and a convention of its own."""
        return GraphAlignment(self.channels, out_channels, context=context, **self.bins)
