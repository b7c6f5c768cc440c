"""Losses of action queries: every ground truth is matched with one query, and the others learn to be no action.

As in DETR (Carion et al. 2020), with the weights of Deformable DETR (Zhu et al. 2021), which RTD-Net and TadTR share
in essence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rcl.data.segments import length
from rcl.models.losses import balanced_mse, boundary_loss, quality_focal_loss
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.sampling import MOST_UNREVIEWED
from rcl.models.targets import assign, unreviewed_share
from rcl.system.distributed import over_processes, processes

CLASS, DISTANCE, OVERLAP = 2.0, 5.0, 2.0
"""Weights of scores, of L1 and of generalized tIoU, in the matching and in the losses."""


class Matched(NamedTuple):
    """The ground truth of each query: ``segments (B, Q, 2)``, and ``labels (B, Q)``, −1 for a query without one."""

    segments: Tensor
    labels: Tensor


def generalized_tiou(a: Tensor, b: Tensor) -> Tensor:
    """tIoU, less the share of the common hull that neither covers (GIoU, Rezatofighi et al. 2019).

    >>> generalized_tiou(torch.tensor([0.0, 2.0]), torch.tensor([[1.0, 3.0], [3.0, 4.0]]))
    tensor([ 0.3333, -0.2500])

    Args:
        a, b: ``(..., 2)``, of shapes that broadcast.

    Returns:
        ``(...)`` in [−1, 1].
    """
    common = torch.minimum(a[..., 1], b[..., 1]) - torch.maximum(a[..., 0], b[..., 0])  # negative: a gap
    hull = torch.maximum(a[..., 1], b[..., 1]) - torch.minimum(a[..., 0], b[..., 0])
    union = length(a) + length(b) - common.clamp(min=0)
    tiny = torch.finfo(hull.dtype).tiny
    return common.clamp(min=0) / union.clamp(min=tiny) - (hull - union) / hull.clamp(min=tiny)


def distance(a: Tensor, b: Tensor) -> Tensor:
    """L1 distance of centres and of lengths, added up, of ``a`` and ``b (..., 2)``, which broadcast: ``(...)``."""
    return (a.mean(dim=-1) - b.mean(dim=-1)).abs() + (length(a) - length(b)).abs()


@torch.no_grad()
def match(cost: Tensor, labels: Tensor) -> Tensor:
    """The one-to-one matching of least total cost (Hungarian algorithm), video by video.

    Args:
        cost: ``(B, Q, N)`` of a query and a ground truth.
        labels: ``(B, N)``, −1 where padded.

    Returns:
        ``(B, Q)`` int64, the ground truth of each query, −1 for none. As many are matched as there are of the fewer.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and only needed here

    found = np.full(cost.shape[:2], -1)  # (B, Q)
    finite = cost.float().nan_to_num().cpu().numpy()
    for own, video, exists in zip(found, finite, (labels >= 0).cpu().numpy(), strict=True):
        columns = exists.nonzero()[0]
        query, truth = linear_sum_assignment(video[:, columns])
        own[query] = columns[truth]
    return torch.from_numpy(found).to(cost.device)


@dataclass(frozen=True)
class SetCriterion:
    """The objective of action queries: the sum over the layers of the decoder, each matched on its own.

    Args:
        classification, offsets, labels: weights of the scores and segments of queries, in the matching, too: focal
            losses of p1 and of the labels; L1 and generalized tIoU, in shares of the video.
        regression: weight of the error of p2, the tIoU of the predicted segment with the closest ground truth.
        boundaries: weight of the boundary head; see :func:`rcl.models.losses.boundary_loss`.
    """

    classification: float = 1.0
    regression: float = 10.0
    offsets: float = 1.0
    labels: float = 1.0
    boundaries: float = 1.0

    def __call__(
        self,
        predictions: Predictions,
        segments: Tensor,
        labels: Tensor,
        *,
        mask: Tensor,
        anchor_mask: Tensor | None = None,
        reviewed: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Weighted losses by name; their sum is the objective.

        Args:
            predictions: of all queries, with one step per layer of the decoder.
            segments: ``(B, N, 2)`` ground truth in snippet time, padded.
            labels: ``(B, N)`` int64, −1 where padded.
            mask: ``(B, T)`` bool, the snippets that exist.
            anchor_mask: not used, since every query counts.
            reviewed: ``(B, T)`` bool, the snippets that somebody looked at; by default all. A query without a ground
                truth does not count where it answers with a segment that reaches outside them.
        """
        losses: dict[str, Tensor] = {}
        snippets = mask.sum(dim=1)[:, None, None]  # (B, 1, 1)
        unreviewed = None if reviewed is None else mask & ~reviewed
        for scores in predictions.steps:
            for name, value in self.layer(scores, segments, labels, snippets, unreviewed).items():
                losses[name] = losses.get(name, torch.zeros_like(value)) + value
        if self.boundaries and predictions.boundaries is not None:
            value = boundary_loss(predictions.boundaries, segments, labels, mask, reviewed)
            losses["boundaries"] = self.boundaries * value
        return losses

    def layer(
        self,
        scores: AnchorScores,
        segments: Tensor,
        labels: Tensor,
        snippets: Tensor,
        unreviewed: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The losses of one layer by name.

        Args:
            scores: of all queries.
            segments, labels: the ground truth, as in the objective.
            snippets: ``(B, 1, 1)``, the lengths of the videos.
            unreviewed: ``(B, T)`` bool, the snippets that nobody looked at.
        """
        matched = self.match(scores, segments, labels, snippets)
        positive, every = matched.labels >= 0, torch.ones_like(scores.regression)  # (B, Q)
        if unreviewed is not None:
            share = unreviewed_share(scores.segments.detach(), unreviewed)  # (B, Q)
            every = (positive | (share <= MOST_UNREVIEWED)).to(every.dtype)
        losses = {}
        if self.classification:
            loss = quality_focal_loss(scores.classification[..., None], positive[..., None].float(), every)
            losses["classification"] = CLASS * self.classification * loss
        if self.regression:
            overlap = assign(scores.segments.detach(), segments, labels, 0).tiou  # (B, Q)
            losses["regression"] = self.regression * balanced_mse(scores.regression.sigmoid(), overlap, every)
        if self.offsets:
            (total,) = over_processes(positive.sum())
            error = _misfit(scores.segments / snippets, matched.segments / snippets) * positive  # (B, Q)
            losses["offsets"] = self.offsets * processes() * error.sum() / total.clamp(min=1)
        if self.labels and scores.labels.shape[-1]:
            own = matched.labels[..., None] == torch.arange(scores.labels.shape[-1], device=labels.device)  # (B, Q, L)
            losses["labels"] = CLASS * self.labels * quality_focal_loss(scores.labels, own.float(), every)
        return losses

    @torch.no_grad()
    def match(self, scores: AnchorScores, segments: Tensor, labels: Tensor, snippets: Tensor) -> Matched:
        """The ground truths of the queries; arguments as in :meth:`layer`."""
        own, truth = (scores.segments / snippets)[:, :, None], (segments / snippets)[:, None]  # (B, Q, 1, 2), …
        cost = self.offsets * _misfit(own, truth)  # (B, Q, N)
        if scores.labels.shape[-1]:
            column = labels.clamp(min=0)[:, None].expand_as(cost)  # (B, Q, N)
            cost = cost - CLASS * self.labels * scores.labels.sigmoid().gather(2, column)
        else:
            cost = cost - CLASS * self.classification * scores.classification.sigmoid()[..., None]
        # One more ground truth, which is none, for queries that are not matched.
        segments, labels = F.pad(segments, (0, 0, 0, 1)), F.pad(labels, (0, 1), value=-1)
        index = match(cost, labels[:, :-1])  # (B, Q)
        index = index.where(index >= 0, labels.shape[1] - 1)
        return Matched(segments.gather(1, index[..., None].expand(-1, -1, 2)), labels.gather(1, index))


def _misfit(a: Tensor, b: Tensor) -> Tensor:
    """How far ``a`` and ``b (..., 2)``, in shares of a video, are apart: ``(...)``."""
    return DISTANCE * distance(a, b) + OVERLAP * (1 - generalized_tiou(a, b))
