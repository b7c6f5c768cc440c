"""Which segments the cells of a grid map stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rcl.data.segments import length
from rcl.system.errors import InputError

MOST_CELLS = 512 * 512  # of a map whose durations are not bounded; published maps have 100 × 100 to 256 × 256


@dataclass(frozen=True)
class Cells:
    """The segment of each cell of a map, and the segment that is looked up there.

    The segment of a start ``s`` and a duration index ``d`` is ``[s, s + d + 1]``. Half the cells of a map have no
    segment, because it would end beyond the video.

    Args:
        rows: ``durations``: cell ``(d, s)``, as in the papers; ``starts``: cell ``(s, s + d)``, as in the BMN code of
            JJBOY. It matters, because the convolutions mix neighbours.
        longest: D, the number of durations; ``None``: as many as there are snippets.
        last: the alignment looks ``[s, s + d + last]`` up. In convention ``bmn``, 0 samples as most public BMN code
            does (and G-TAD), 1 as that of JJBOY; in ``centered``, 1 is the segment itself.
    """

    rows: Literal["durations", "starts"] = "durations"
    longest: int | None = None
    last: float = 0.0

    def shape(self, snippets: int) -> tuple[int, int]:
        """Rows and columns of the map of ``T`` snippets.

        Raises:
            InputError: the map would be very large, and ``longest`` is not set.
        """
        if self.longest is None and snippets**2 > MOST_CELLS:
            raise InputError(
                f"a video of {snippets} snippets",
                expected=f"at most {int(MOST_CELLS**0.5)} for a map of all durations and starts",
                found=str(snippets),
                fix="resize the features, or bound the durations of the map",
            )
        return (self.durations(snippets) if self.rows == "durations" else snippets), snippets

    def durations(self, snippets: int) -> int:
        """D of a video of ``T`` snippets."""
        return min(self.longest or snippets, snippets)

    def all(self, snippets: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Starts and duration indices of the cells that have a segment: two ``(N,)`` int64."""
        steps = torch.arange(snippets, device=device)
        duration, start = steps[: self.durations(snippets), None], steps[None]  # (D, 1), (1, T)
        duration, start = (duration + start < snippets).nonzero(as_tuple=True)
        return start, duration

    def place(self, start: Tensor, duration: Tensor, columns: int) -> Tensor:
        """Positions of the cells ``(...)`` in a flattened map."""
        if self.rows == "durations":
            return duration * columns + start
        return start * columns + start + duration

    def looked_up(self, start: Tensor, duration: Tensor) -> Tensor:
        """Segments ``(..., 2)`` that the alignment looks up."""
        return torch.stack((start, start + duration + self.last), dim=-1).float()

    def nearest(self, anchors: Tensor, snippets: Tensor, *, finer: int = 1) -> tuple[Tensor, Tensor]:
        """Start and duration index ``(B, K)`` of the cell next to ``anchors (B, K, 2)``; ``snippets (B, 1)`` are T.

        In a ``finer`` map, all of them are in its smaller steps.
        """
        start = torch.minimum(anchors[..., 0].round().long().clamp(min=0), snippets - 1)
        most = snippets - start  # (B, K), durations that fit
        if self.longest is not None:
            most = most.clamp(max=self.longest * finer)
        return start, torch.minimum(length(anchors).round().long().clamp(min=1), most) - 1
