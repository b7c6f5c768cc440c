"""RCL: an encoder, the continuous anchoring function on top of it, and its recurrent refinement."""

from __future__ import annotations

from torch import Tensor, nn

from rcl.models.anchoring import AnchorEmbedding, Readout
from rcl.models.encoding import Encoding
from rcl.models.refinement import RecurrentRefinement
from rcl.predictions import AnchorScores, Predictions
from rcl.segments import clip


class RCL(nn.Module):
    """The continuous function ``G(F; x)`` of paper eq. 4, evaluated M times while the segments move (3.4).

    Args:
        encoder: ``(features (B, C, T), mask (B, T)) → Encoding``.
        embedding: ``(Encoding, anchors (B, K, 2)) → (B, K, D)``.
        readout: ``(B, K, D) → AnchorScores``.
        refinement: the update operator; ``None`` for a single step.
        steps: M; 1 is continuous anchoring alone.
    """

    def __init__(
        self,
        encoder: nn.Module,
        embedding: AnchorEmbedding,
        readout: Readout,
        refinement: RecurrentRefinement | None = None,
        *,
        steps: int = 1,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.embedding = embedding
        self.readout = readout
        self.refinement = refinement
        self.steps = steps

    def forward(self, features: Tensor, mask: Tensor, anchors: Tensor) -> Predictions:
        """Ask ``features (B, C, T)`` about ``anchors (B, K, 2)``, in snippet time."""
        encoding = self.encoder(features, mask)
        return Predictions(self.query(encoding, anchors), encoding.boundaries)

    def query(self, encoding: Encoding, anchors: Tensor, *, steps: int | None = None) -> tuple[AnchorScores, ...]:
        """Ask an encoded video about ``anchors (B, K, 2)``; one ``AnchorScores`` for each of M, or fewer, steps."""
        hidden = self.embedding(encoding, anchors)  # (B, K, D)
        scores = self.readout(hidden, anchors)
        answers = [scores]
        end = encoding.mask.sum(dim=1)[:, None]  # (B, 1)
        for _ in range(1, steps or self.steps):
            assert self.refinement is not None  # or M is 1
            # Each step is trained as it is used: on segments that it takes as given (truncated gradient, paper 3.5).
            anchors = clip(scores.segments.detach(), end, minimum_length=1.0)
            scores, hidden = self.refinement(encoding, anchors, hidden, scores)
            answers.append(scores)
        return tuple(answers)
