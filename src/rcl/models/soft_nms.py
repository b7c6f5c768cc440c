"""Soft non-maximum suppression in time that is linear in the number of segments, and not quadratic."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rcl.models.soft_nms_selection import SoftNMSMethod, select

__all__ = ["SoftNMSMethod", "soft_nms"]


@torch.no_grad()
def soft_nms(
    segments: Tensor,
    scores: Tensor,
    labels: Tensor | None,
    *,
    method: SoftNMSMethod,
    sigma: float = 0.5,
    threshold: float | Tensor = 0.0,
    min_score: float = 0.0,
    top: int,
) -> tuple[Tensor, Tensor]:
    """Soft non-maximum suppression: select the best segment, lower the scores of those that overlap it, and repeat.

    A selection lowers the segments of its own label whose tIoU with it is above its threshold, by a factor of
    ``1 − tIoU`` (linear), ``exp(−tIoU² / sigma)`` (gaussian; Bodla et al., 2017) or 0 (hard: classical NMS).
    Of equal scores the first in the input goes first.

    Known differences from public code, given the same factors: BMN's loop never returns the last segment that is left;
    G-TAD rounds what it writes; ActionFormer also returns scores that are exactly ``min_score``.

    Args:
        segments: ``(N, 2)``, in any unit.
        scores: ``(N)``.
        labels: ``(N)`` integers, or None to let every segment compete with every other.
        method: how an overlap lowers a score.
        sigma: width of the gaussian; the others ignore it.
        threshold: tIoU up to which an overlap is free; or one threshold per segment ``(N)``, which holds where that
            segment is the selected one. BMN's is ``t1 + (t2 − t1) · length / duration``.
        min_score: only lowered scores above it are returned.
        top: how many segments to return at most.

    Returns:
        The input positions of the selected segments ``(Q)`` and their lowered scores ``(Q)``, highest first.
    """
    if method not in ("linear", "gaussian", "hard"):
        raise ValueError(f"method must be 'linear', 'gaussian' or 'hard', not {method!r}")
    if method == "gaussian" and sigma <= 0:
        raise ValueError(f"sigma must be positive, not {sigma}")
    groups = torch.zeros_like(scores, dtype=torch.long) if labels is None else labels
    free = torch.as_tensor(threshold, dtype=segments.dtype, device=segments.device).expand(len(scores))
    positions, lowered = select(
        segments.numpy(force=True),
        scores.numpy(force=True),
        groups.numpy(force=True),
        method=method,
        sigma=sigma,
        threshold=free.numpy(force=True),
        min_score=min_score,
        top=top,
        exp=_exp,
    )
    return torch.from_numpy(positions).to(scores.device), torch.from_numpy(lowered).to(scores.device)


def _exp(values: np.ndarray) -> np.ndarray:
    return torch.from_numpy(values).exp().numpy()  # NumPy's exp differs in the last bit
