"""Recurrent refinement (paper 3.4): look again where the last step pointed."""

from __future__ import annotations

from torch import Tensor, nn

from rcl.models.anchoring import Readout
from rcl.models.encoding import Encoding
from rcl.predictions import AnchorScores


class RecurrentRefinement(nn.Module):
    """The update operator: features at the moved segment and a hidden state per anchor → updated scores and state.

    Confidences are updated, not predicted anew (``G_{m+1} = G_m + ΔG``, as in Figure 6 and in RAFT), by a layer
    that starts at zero: an untrained refinement returns the scores of continuous anchoring.
    """

    def __init__(self, embedding: nn.Module, *, channels: int, num_labels: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.cell = nn.GRUCell(channels, channels)
        self.update = Readout(channels, num_labels=num_labels)
        for layer in (self.update.confidences, self.update.offsets, self.update.labels):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, encoding: Encoding, anchors: Tensor, hidden: Tensor, previous: AnchorScores
    ) -> tuple[AnchorScores, Tensor]:
        """One step.

        Args:
            encoding: the video.
            anchors: ``(B, K, 2)``, where the segments are now.
            hidden: ``(B, K, channels)``.
            previous: scores of the last step.

        Returns:
            Scores at ``anchors``, and the new hidden state.
        """
        looked_up = self.embedding(encoding, anchors)  # (B, K, channels)
        hidden = self.cell(looked_up.flatten(0, 1), hidden.flatten(0, 1)).view_as(hidden)
        change = self.update(hidden, anchors)
        return (
            AnchorScores(
                anchors,
                previous.classification + change.classification,
                previous.regression + change.regression,
                change.offsets,
                previous.labels + change.labels,
            ),
            hidden,
        )
