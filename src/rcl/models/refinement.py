"""Recurrent refinement (paper 3.4): look the features up again at the segments that the last step predicted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rcl.data.segments import clip, length, tiou_pairs
from rcl.models.anchoring import Readout
from rcl.models.predictions import AnchorScores


class RecurrentRefinement(nn.Module):
    """The update operator: from look-ups at the moved segments and a hidden state to updated scores.

    Confidences are updated, not predicted anew (``G_{m+1} = G_m + ΔG``, as in Figure 6 and in RAFT), by a layer that
    starts at zero: an untrained refinement returns the scores of continuous anchoring. No gradient flows through its
    look-ups (paper 3.5), so that continuous anchoring is the same with and without it.

    Args:
        channels: width of a look-up and of the hidden state.
        num_labels: L.
    """

    def __init__(self, *, channels: int, num_labels: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(channels, channels)
        self.update = Readout(channels, num_labels=num_labels)
        for layer in (self.update.confidences, self.update.offsets, self.update.labels):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, looked_up: Tensor, hidden: Tensor, anchors: Tensor, previous: AnchorScores
    ) -> tuple[AnchorScores, Tensor]:
        """One step.

        Args:
            looked_up: ``(B, K, channels)``, the look-ups at ``anchors``.
            hidden: ``(B, K, channels)``.
            anchors: ``(B, K, 2)``, where the segments are now.
            previous: scores of the last step.

        Returns:
            Scores at ``anchors``, and the new hidden state.
        """
        hidden = self.cell(looked_up.flatten(0, 1), hidden.flatten(0, 1)).view_as(hidden)
        change = self.update(hidden, anchors)
        scores = AnchorScores(
            anchors,
            previous.classification + change.classification,
            previous.regression + change.regression,
            change.offsets,
            previous.labels + change.labels,
        )
        return scores, hidden


class Movement(nn.Module):
    """Moves the segments between two steps.

    A segment moves as in eq. 4, unless it has arrived: a very small move only adds noise to the boundaries that
    continuous anchoring found. In training, a random error is added to the moved segments, because the model predicts
    far better on training videos than on others.

    Args:
        arrived: a segment stays if its tIoU with its next place is at least this.
        jitter: standard deviation of the error in training, in lengths of the segment.
    """

    def __init__(self, *, arrived: float, jitter: float) -> None:
        super().__init__()
        self.arrived = arrived
        self.jitter = jitter

    def forward(self, scores: AnchorScores, end: Tensor, *, first: bool) -> Tensor:
        """The next segments ``(B, K, 2)``, inside ``[0, end]`` with ``end (B, 1)``; the ``first`` step always moves."""
        present, aim = scores.anchors, clip(scores.segments.detach(), end, minimum_length=1.0)
        if first:
            return aim
        stays = tiou_pairs(present, aim) >= self.arrived  # (B, K)
        return torch.where(stays[..., None], present, aim)

    def with_error(self, segments: Tensor, end: Tensor) -> Tensor:
        """In training, the segments with an error as on unseen videos; otherwise unchanged."""
        if not self.training or not self.jitter:
            return segments
        noise = self.jitter * torch.randn_like(segments) * length(segments)[..., None]
        return clip((segments + noise).sort(dim=-1).values, end, minimum_length=1.0)
