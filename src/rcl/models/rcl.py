"""RCL: an encoder, the continuous anchoring function on top of it, and its recurrent refinement."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rcl.models.anchoring import AnchorEmbedding, Readout
from rcl.models.detector import Detector, Sight
from rcl.models.encoders import Encoder
from rcl.models.encoding import ProjectedEncoding
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.refinement import Movement, RecurrentRefinement


class RCL(Detector):
    """The continuous function ``G(F; x)`` of paper eq. 4, evaluated M times while the segments move (3.4).

    Args:
        encoder: ``(features (B, C, T), mask (B, T)) → Encoding``.
        embedding: ``(ProjectedEncoding, anchors (B, K, 2)) → (B, K, D)``, the look-up.
        readout: ``(B, K, D) → AnchorScores``.
        refinement: the update operator of steps 2 to M; ``None`` where M is 1.
        movement: moves the segments between two steps.
        steps: M; 1 is continuous anchoring alone.
    """

    def __init__(
        self,
        encoder: Encoder,
        embedding: AnchorEmbedding,
        readout: Readout,
        refinement: RecurrentRefinement | None,
        movement: Movement,
        *,
        steps: int,
    ) -> None:
        super().__init__(encoder, steps=steps)
        self.embedding = embedding
        self.readout = readout
        self.refinement = refinement
        self.movement = movement

    @property
    def sight(self) -> Sight | None:
        """How much of a video an answer depends on; ``None`` where the encoder sees all of it."""
        seen = self.encoder.receptive_field
        return None if seen is None else Sight(self.embedding.alignment.context, seen // 2 + self.embedding.reach)

    def gradient_groups(self) -> list[list[nn.Parameter]]:
        """The refinement, and the rest: refinement takes its look-ups as given, so its errors are its own."""
        refinement = list(self.refinement.parameters()) if self.refinement else []
        apart = {id(parameter) for parameter in refinement}
        return [refinement, [parameter for parameter in self.parameters() if id(parameter) not in apart]]

    def encode(self, features: Tensor, mask: Tensor) -> ProjectedEncoding:
        """Encode ``features (B, C, T)``, of which ``mask (B, T)`` exist, for any number of queries."""
        return self.embedding.project(self.encoder(features, mask))

    def query(self, encoding: ProjectedEncoding, anchors: Tensor, *, steps: int | None = None) -> Predictions:
        """Score ``anchors (B, K, 2)`` of an encoded video, in M or fewer ``steps``."""
        end = encoding.snippets[:, None].to(anchors.dtype)  # (B, 1)
        hidden = self.embedding(encoding, anchors)  # (B, K, D)
        scores = self.readout(hidden, anchors)
        answers = [scores]
        segments = self.movement(scores, end, first=True)  # (B, K, 2)
        hidden, scores = hidden.detach(), AnchorScores(*(field.detach() for field in scores))
        for _ in range(1, steps or self.steps):
            assert self.refinement is not None  # or M is 1
            place = self.movement.with_error(segments, end)
            with torch.no_grad():
                looked_up = self.embedding(encoding, place)  # (B, K, D)
            scores, hidden = self.refinement(looked_up, hidden, place, scores)
            answers.append(scores)
            segments = self.movement(scores, end, first=False)
        return Predictions(tuple(answers), segments, encoding.boundaries)
