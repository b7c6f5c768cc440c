"""BMN in the textbook order, with the names of its public code: what ours is compared with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


def sampling_mask(snippets: int, layout: str, points: int = 32, subpoints: int = 3) -> Tensor:
    """The dense matrix ``(T, points, rows, columns)`` of the public code, in its own arithmetic."""
    start, last = np.triu_indices(snippets)  # (N,)
    end = last if layout == "durations" else last + 1
    row, column = (last - start, start) if layout == "durations" else (start, last)
    reach = 0.5 * (end - start + 1)
    step = (end - start + 2 * reach) / (points * subpoints - 1)
    mask = np.zeros((snippets, points, snippets, snippets))
    for sample in range(points * subpoints):
        decimal, whole = np.modf(start - reach + step * sample)  # (N,)
        for index, weight in ((whole, 1 - decimal), (np.ceil(whole + decimal), decimal)):
            there = (index >= 0) & (index < snippets)
            place = (index.astype(int)[there], sample // subpoints, row[there], column[there])
            np.add.at(mask, place, weight[there] / subpoints)
    return torch.from_numpy(mask).float()


class PlainBMN(nn.Module):
    """BMN in the textbook order, with the public names: a mask matrix, then Conv3d."""

    def __init__(self, in_channels: int, snippets: int, layout: str = "durations") -> None:
        super().__init__()
        conv, points = nn.Conv1d, 32
        self.sample_mask = nn.Parameter(sampling_mask(snippets, layout).flatten(1), requires_grad=False)
        self.size = (points, snippets, snippets)
        self.x_1d_b = nn.Sequential(
            conv(in_channels, 256, 3, padding=1, groups=4), nn.ReLU(), conv(256, 256, 3, padding=1, groups=4), nn.ReLU()
        )
        self.x_1d_s, self.x_1d_e = (
            nn.Sequential(conv(256, 256, 3, padding=1, groups=4), nn.ReLU(), conv(256, 1, 1), nn.Sigmoid())
            for _ in range(2)
        )
        self.x_1d_p = nn.Sequential(conv(256, 256, 3, padding=1), nn.ReLU())
        self.x_3d_p = nn.Sequential(nn.Conv3d(256, 512, (points, 1, 1)), nn.ReLU())
        self.x_2d_p = nn.Sequential(
            nn.Conv2d(512, 128, 1),
            nn.ReLU(),
            nn.Conv2d(128, 128, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(128, 128, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(128, 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(B, C, T)`` → confidence map ``(B, 2, rows, columns)``, start ``(B, T)``, end ``(B, T)``."""
        base = self.x_1d_b(features)
        sampled = (self.x_1d_p(base) @ self.sample_mask).unflatten(2, self.size)  # (B, C, P, rows, columns)
        confidence = self.x_2d_p(self.x_3d_p(sampled).squeeze(2))
        return confidence, self.x_1d_s(base).squeeze(1), self.x_1d_e(base).squeeze(1)
