"""Losses of the continuous function (paper 3.5, eq. 5 to 8).

Every loss is a sum over anchors divided by a count of them. If several processes share a batch, the count is that of
the whole batch, and each process multiplies its own sum by the number of processes. The mean over the processes, of
losses and of gradients, is then the loss of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from rcl.data.segments import length
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.sampling import MOST_UNREVIEWED, OWN_TIOU
from rcl.models.targets import (
    Targets,
    assign,
    assign_points,
    boundary_targets,
    scale_invariant_weights,
    unreviewed_share,
)
from rcl.system.distributed import over_processes, processes


def balanced_bce(logits: Tensor, positive: Tensor, mask: Tensor) -> Tensor:
    """Binary cross-entropy in which positives and negatives weigh the same (BSN 2018; ``L_bce`` of eq. 5).

    With ``r = N / N⁺`` positives weigh ``r / 2`` and negatives ``r / (2 (r − 1))``. If one of the two is absent, the
    other keeps its weight, so there is no NaN.

    Args:
        logits: any shape.
        positive: bool, same shape.
        mask: bool or weights, same shape; 0 for what does not count.
    """
    total, positives = over_processes(mask.sum(), (positive * mask).sum())
    total = total.clamp(min=1)
    ratio = total / positives.clamp(min=1)
    negative_weight = 0.5 * ratio / (ratio - 1).clamp(min=1 / total)
    weight = torch.where(positive, 0.5 * ratio, negative_weight) * mask
    loss = F.binary_cross_entropy_with_logits(logits, positive.to(logits.dtype), reduction="none")
    return processes() * (weight * loss).sum() / total


def balanced_mse(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean square error of tIoU over high, middle and low anchors in equal parts (``L_mse`` of eq. 5; BMN 2019).

    BMN draws as many anchors of ``(0.3, 0.7]`` and of ``(0, 0.3]`` as there are above 0.7; here each of the three
    groups has that weight instead, which is the same in expectation and needs no draw.
    """
    high = (target > 0.7) * mask
    middle = ((target > 0.3) & (target <= 0.7)) * mask
    low = ((target > 0.0) & (target <= 0.3)) * mask
    groups = (high, middle, low)
    counts = over_processes(*(group.sum() for group in groups))
    wanted = counts[0].clamp(min=1)
    weight = torch.zeros_like(target)
    for group, count in zip(groups, counts, strict=True):
        weight = weight + group * (wanted / count.clamp(min=1)).clamp(max=1.0)
    (total,) = over_processes(weight.sum())
    return processes() * (weight * (prediction - target).square()).sum() / total.clamp(min=1)


def offset_loss(scores: AnchorScores, targets: Tensor, mask: Tensor, unit: Tensor | float = 1.0) -> Tensor:
    """``|Δx − (g* − x)|`` in anchor lengths, mean over the anchors in ``mask`` (``L_offset`` of eq. 6).

    Args:
        scores: of ``(B, K)`` anchors.
        targets: ``(B, K, 2)``, the ground truth of each.
        mask: ``(B, K)`` bool or weights.
        unit: ``(B, K)``, factor that turns anchor lengths into the unit of the loss.
    """
    wanted = (targets - scores.anchors) / length(scores.anchors)[..., None]  # (B, K, 2)
    error = (scores.offsets - wanted).abs().sum(dim=-1) * unit  # (B, K)
    (total,) = over_processes(mask.sum())
    return processes() * (error * mask).sum() / total.clamp(min=1)


def quality_focal_loss(logits: Tensor, target: Tensor, mask: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Focal cross-entropy for soft targets (Li et al. 2020), summed over labels, per positive anchor.

    Args:
        logits: ``(B, K, L)``.
        target: ``(B, K, L)`` in [0, 1].
        mask: ``(B, K)`` bool or weights.
        gamma: exponent of the distance between probability and target.
    """
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    loss = loss * (logits.sigmoid() - target).abs().pow(gamma) * mask[..., None]
    (positives,) = over_processes((target * mask[..., None]).sum())
    return processes() * loss.sum() / positives.clamp(min=1)


@dataclass(frozen=True)
class Criterion:
    """The objective, ``L_all = Σ_m w_m · L_reg,m + L_boundary`` (paper, eq. 8).

    Args:
        classification, regression, offsets, labels, boundaries: weights of the losses (λ1 and λ2 of the paper are
            ``regression`` and ``offsets``); a weight of 0 switches a loss off.
        foreground: τ of eq. 5.
        label_foreground: an anchor has a label if its tIoU with a ground truth of that label is larger.
        offset_foreground: an anchor learns offsets if its tIoU is larger.
        alpha: attenuation per step.
        order: ``first``: ``w_m = α^m``, as printed; ``last``: ``w_m = α^(M − m + 1)``, the last step weighs most.
        scale_invariant: all ground truths weigh the same; see :func:`scale_invariant_weights`.
        points: the anchors are points, which learn the action that they lie in; see :func:`assign_points`.
    """

    classification: float = 1.0
    regression: float = 10.0
    offsets: float = 1.0
    labels: float = 1.0
    boundaries: float = 1.0
    foreground: float = 0.7
    label_foreground: float = 0.5
    offset_foreground: float = 0.3
    alpha: float = 0.8
    order: Literal["first", "last"] = "first"
    scale_invariant: bool = False
    points: bool = False

    def __call__(
        self,
        predictions: Predictions,
        segments: Tensor,
        labels: Tensor,
        *,
        mask: Tensor,
        anchor_mask: Tensor,
        reviewed: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Weighted losses by name; their sum is the objective.

        Args:
            predictions: of the model.
            segments: ``(B, N, 2)`` ground truth in snippet time, padded.
            labels: ``(B, N)`` int64, −1 where padded.
            mask: ``(B, T)`` bool, the snippets that exist.
            anchor_mask: ``(B, K)`` bool, the anchors that count.
            reviewed: ``(B, T)`` bool, the snippets that somebody looked at; by default all. An anchor that moved out
                of them no longer counts, unless it overlaps a ground truth by more than ``OWN_TIOU``.
        """
        count = len(predictions.steps)
        exponents = range(1, count + 1) if self.order == "first" else range(count, 0, -1)
        losses: dict[str, Tensor] = {}
        unreviewed = None if reviewed is None else mask & ~reviewed
        for exponent, scores in zip(exponents, predictions.steps, strict=True):
            for name, value in self.step(scores, segments, labels, anchor_mask, unreviewed).items():
                losses[name] = losses.get(name, torch.zeros_like(value)) + self.alpha**exponent * value
        if self.boundaries and predictions.boundaries is not None:
            value = boundary_loss(predictions.boundaries, segments, labels, mask, reviewed)
            losses["boundaries"] = self.boundaries * value
        return losses

    def step(
        self,
        scores: AnchorScores,
        segments: Tensor,
        labels: Tensor,
        mask: Tensor,
        unreviewed: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """``L_reg`` of one step (eq. 5 and 6) and its label loss, by name; ``unreviewed (B, T)`` snippets."""
        if self.points:
            targets = assign_points(scores, segments, labels)
            own = targets.truth >= 0
            near = mask & own
            # Offsets are in lengths of the action, because a point has no length.
            unit = length(scores.anchors) / length(targets.segments).clamp(min=1e-3)  # (B, K)
        else:
            targets = assign(scores.anchors, segments, labels, scores.labels.shape[-1])
            own = targets.tiou > OWN_TIOU
            near = mask & (targets.tiou > self.offset_foreground)
            unit = torch.ones_like(targets.tiou)
        if unreviewed is not None:
            mask = mask & (own | (unreviewed_share(scores.anchors, unreviewed) <= MOST_UNREVIEWED))  # (B, K)
            near = near & mask
        weight = mask.to(targets.tiou.dtype)
        if self.scale_invariant:
            weight = weight * scale_invariant_weights(targets, near, segments.shape[1])
        losses = self._terms(scores, targets, near=near, unit=unit, weight=weight)
        return {name: coefficient * loss() for name, (coefficient, loss) in losses.items() if coefficient}

    def _terms(
        self, scores: AnchorScores, targets: Targets, *, near: Tensor, unit: Tensor, weight: Tensor
    ) -> dict[str, tuple[float, Callable[[], Tensor]]]:
        """Coefficient and value of every loss; the value is computed on demand."""
        return {
            "classification": (
                self.classification,
                lambda: balanced_bce(scores.classification, targets.tiou > self.foreground, weight),
            ),
            "regression": (
                self.regression,
                lambda: balanced_mse(scores.regression.sigmoid(), targets.tiou, weight),
            ),
            "offsets": (self.offsets, lambda: offset_loss(scores, targets.segments, near * weight, unit)),
            "labels": (
                self.labels if scores.labels.shape[-1] else 0.0,
                lambda: quality_focal_loss(scores.labels, (targets.labels > self.label_foreground).float(), weight),
            ),
        }


def boundary_loss(
    boundaries: Tensor, segments: Tensor, labels: Tensor, mask: Tensor, reviewed: Tensor | None = None
) -> Tensor:
    """Balanced cross-entropy of starts and ends, ``boundaries (B, 2, T)`` logits (``L_boundary`` of eq. 7).

    Of the snippets that are not ``reviewed (B, T)``, only those next to the start or end of an instance count.
    """
    # BMN's tolerance of 1.5 snippets on either side.
    targets = boundary_targets(segments, labels, boundaries.shape[-1], tolerance=1.5)  # (B, 2, T)
    counts = mask[:, None].expand_as(targets)  # (B, 2, T)
    if reviewed is not None:
        counts = counts & (reviewed[:, None] | targets)
    return sum(
        (balanced_bce(boundaries[:, side], targets[:, side], counts[:, side]) for side in (0, 1)),
        start=boundaries.new_zeros(()),
    )
