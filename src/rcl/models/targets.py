"""Training targets: the ground truth that an anchor, a point or a snippet is trained on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rcl.data.segments import coverage, length, tiou, tiou_pairs
from rcl.models.predictions import AnchorScores
from rcl.system.distributed import over_processes


class Targets(NamedTuple):
    """The ground truth of each anchor.

    ``tiou (B, K)`` with the closest ground truth (eq. 5), ``segments (B, K, 2)`` that ground truth, ``labels
    (B, K, L)`` the largest tIoU with a ground truth of each label. All zero where a video has no ground truth.
    ``truth (B, K)``: which ground truth it is, −1 for none.
    """

    tiou: Tensor
    segments: Tensor
    labels: Tensor
    truth: Tensor


def assign(anchors: Tensor, segments: Tensor, labels: Tensor, num_labels: int) -> Targets:
    """Compare every anchor with every ground truth of its video.

    Args:
        anchors: ``(B, K, 2)``.
        segments: ``(B, N, 2)`` ground truth, padded.
        labels: ``(B, N)`` int64, −1 where padded.
        num_labels: L.
    """
    batch, anchors_count, targets_count = *anchors.shape[:2], segments.shape[1]
    by_label = anchors.new_zeros(batch, anchors_count, num_labels + 1)  # one more for the padding
    if targets_count == 0:
        nothing = by_label[..., 0]
        return Targets(nothing, torch.zeros_like(anchors), by_label[..., :num_labels], nothing.long() - 1)
    overlap = tiou(anchors, segments) * (labels >= 0)[:, None]  # (B, K, N)
    best, index = overlap.max(dim=-1)  # (B, K)
    closest = segments.gather(1, index[..., None].expand(-1, -1, 2))  # (B, K, 2)
    known = (labels >= 0) & (labels < num_labels)  # none without a label head
    column = labels.where(known, num_labels)[:, None].expand_as(overlap)  # (B, K, N)
    by_label = by_label.scatter_reduce(2, column, overlap, "amax")
    return Targets(best, closest, by_label[..., :num_labels], index.where(best > 0, -1))


def assign_points(scores: AnchorScores, segments: Tensor, labels: Tensor) -> Targets:
    """Compare every point, the centre of an anchor, with the shortest action that it lies in.

    A point has no length, so ``tiou`` is that of the segment that it predicts. ``labels`` is 1 for the label of
    the action.

    Args:
        scores: of the points.
        segments: ``(B, N, 2)`` ground truth, padded.
        labels: ``(B, N)`` int64, −1 where padded.
    """
    nothing = assign(scores.anchors, segments[:, :0], labels[:, :0], scores.labels.shape[-1])
    if segments.shape[1] == 0:
        return nothing
    centre = scores.anchors.mean(dim=-1)[..., None]  # (B, K, 1)
    inside = (segments[:, None, :, 0] <= centre) & (centre <= segments[:, None, :, 1]) & (labels >= 0)[:, None]
    span, index = torch.where(inside, length(segments)[:, None], torch.inf).min(dim=-1)  # (B, K)
    closest = segments.gather(1, index[..., None].expand(-1, -1, 2))  # (B, K, 2)
    found = span.isfinite()
    overlap = tiou_pairs(scores.segments.detach(), closest) * found
    own = labels.gather(1, index)  # (B, K)
    by_label = own[..., None] == torch.arange(scores.labels.shape[-1], device=labels.device)  # (B, K, L)
    found_label = (by_label & found[..., None]).to(nothing.labels.dtype)  # (B, K, L)
    return Targets(overlap, closest, found_label, index.where(found, -1))


def unreviewed_share(segments: Tensor, unreviewed: Tensor) -> Tensor:
    """The share of each of ``segments (B, K, 2)`` that covers snippets of ``unreviewed (B, T)``: ``(B, K)``.

    :func:`rcl.data.reviewed.unreviewed_share` for predicted segments, by whole snippets.
    """
    before = F.pad(unreviewed.to(segments.dtype).cumsum(dim=1), (1, 0))  # (B, T + 1), so many snippets before a time
    places = segments.clamp(0, unreviewed.shape[1]).flatten(1)  # (B, 2 · K)
    low = places.floor().clamp(max=unreviewed.shape[1] - 1).long()
    start, end = before.gather(1, low), before.gather(1, low + 1)
    passed = (start + (places - low) * (end - start)).unflatten(1, (-1, 2))  # (B, K, 2)
    return (passed[..., 1] - passed[..., 0]) / length(segments).clamp(min=1e-6)


def scale_invariant_weights(targets: Targets, near: Tensor, count: int) -> Tensor:
    """Weights of the anchors that give every ground truth the same weight, however many anchors are near it.

    A long action has hundreds of anchors nearby, a short one a few. The loss of TSI (Liu et al., ACCV 2020) divides by
    their number; here, they weigh 1 on average.

    Args:
        targets: of ``(B, K)`` anchors.
        near: ``(B, K)`` bool, those that are near their ground truth; the others weigh 1.
        count: N, ground truths per video.
    """
    index = targets.truth.clamp(min=0)  # (B, K)
    sizes = near.new_zeros((len(near), count + 1), dtype=targets.tiou.dtype)  # (B, N + 1), as N may be 0
    sizes = sizes.scatter_add(1, index, near.to(sizes.dtype))
    anchors, instances = over_processes(near.sum(), (sizes > 0).sum())
    share = anchors / instances.clamp(min=1)
    return torch.where(near, share / sizes.gather(1, index).clamp(min=1), 1.0)


def boundary_targets(segments: Tensor, labels: Tensor, snippets: int, *, tolerance: Tensor | float) -> Tensor:
    """Snippets that lie more than half inside the start or end of an action ± ``tolerance`` (BMN 2019).

    Returns:
        ``(B, 2, T)`` bool.
    """
    cells = torch.arange(snippets, device=segments.device, dtype=segments.dtype)
    cells = torch.stack((cells, cells + 1), dim=-1)  # (T, 2)
    spread = torch.as_tensor(tolerance, dtype=segments.dtype, device=segments.device)
    if spread.ndim:
        spread = spread[..., None]
    edges = torch.stack((segments - spread, segments + spread), dim=-1)  # (B, N, 2 edges, 2)
    inside = coverage(cells, edges.transpose(1, 2)) > 0.5  # (B, 2, T, N)
    return (inside & (labels >= 0)[:, None, None]).any(dim=-1)
