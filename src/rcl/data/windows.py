"""Sliding windows: long sequences cut into pieces of one length, and the answers put together again.

As everywhere, snippet ``i`` covers ``[i, i + 1)`` in snippet time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rcl.data.segments import coverage, length

INSTANCES_AT_A_TIME = 512  # whose windows are looked at at a time: a long sequence has thousands


def window_starts(snippets: int, window: int, stride: int | None = None) -> Tensor:
    """Where the windows of a sequence start: ``(W,)`` int64.

    Every snippet lies in a window. The last window ends where the sequence ends; where the sequence is shorter than a
    window there is one, from 0, as long as the sequence. (Public code loses tails: G-TAD's up to a fifth of a window,
    OpenTAD's where windows overlap by less than a half.)

    Args:
        snippets: length of the sequence, at least 1.
        window: length of a window, T.
        stride: from one window to the next, 1 to ``window``; half a window where it is ``None``.

    Raises:
        ValueError: an argument is outside its range.
    """
    stride = max(window // 2, 1) if stride is None else stride
    if snippets < 1:
        raise ValueError(f"snippets must be at least 1, not {snippets}")
    if not 1 <= stride <= window:
        raise ValueError(f"stride must be from 1 to the window of {window} snippets, not {stride}")
    last = max(snippets - window, 0)
    return torch.cat((torch.arange(0, last, stride), torch.tensor([last])))


def centred_starts(segments: Tensor, snippets: int, window: int) -> Tensor:
    """The start of that window, of all inside the sequence, whose middle is next to the middle of a segment.

    Args:
        segments: ``(K, 2)``, in snippets of the sequence.
        snippets: length of the sequence.
        window: T.

    Returns:
        ``(K,)`` int64.
    """
    return (segments.mean(dim=-1) - window / 2).round().clamp(0, max(snippets - window, 0)).long()


def window_members(
    segments: Tensor, starts: Tensor, window: int, *, minimum_share: float = 0.75, with_partial: bool = False
) -> Tensor:
    """Which instances are the ground truth of which window: ``(W, N)`` bool. A window without any is not trained on.

    An instance is *complete* in a window if more than ``minimum_share`` of it lies inside. Its members are

    - the complete ones (OpenTAD; share 0.75, and 0.9 in its BMN and G-TAD for THUMOS14), or
    - ``with_partial``: if one is complete, all that reach into the window at all (G-TAD; share 0.9).

    Instances that are much longer than a window are complete nowhere, those without length belong nowhere.

    Args:
        segments: ``(N, 2)``, in snippets of the sequence.
        starts: ``(W,)``, see :func:`window_starts`.
        window: T.
        minimum_share: 0 or more, less than 1.
        with_partial: see above.

    Raises:
        ValueError: the share is outside its range.
    """
    if not 0 <= minimum_share < 1:
        raise ValueError(f"minimum_share must be at least 0 and less than 1, not {minimum_share}")
    windows = torch.stack((starts, starts + window), dim=-1).to(segments)  # (W, 2)
    share = coverage(segments, windows).T  # (W, N)
    complete = share > minimum_share
    return (share > 0) & complete.any(dim=1, keepdim=True) if with_partial else complete


def windows_with_instances(
    segments: Tensor, sequence: Tensor, starts: Sequence[Tensor], window: int, *, minimum_share: float = 0.75
) -> tuple[Tensor, Tensor]:
    """What :func:`window_members` says of many sequences at once: which windows hold an instance that is complete.

    Args:
        segments: ``(I, 2)``, in snippets of its sequence each.
        sequence: ``(I,)`` int64, the sequence of each.
        starts: ``(W_s,)`` of every sequence; see :func:`window_starts`.
        window: T.
        minimum_share: as in :func:`window_members`.

    Returns:
        Of all windows, one sequence after the other, whether they hold one: ``(W,)``; and of the instances whether some
        window holds them: ``(I,)``.
    """
    counts = torch.tensor([len(part) for part in starts], dtype=torch.long)
    offsets, all_starts = counts.cumsum(0) - counts, torch.cat(list(starts))
    windows = torch.stack((all_starts, all_starts + window), dim=-1).to(segments)  # (W, 2)
    holds, held = (torch.zeros(count, dtype=torch.bool) for count in (len(windows), len(segments)))
    for chunk in torch.arange(len(segments)).split(INSTANCES_AT_A_TIME):
        own = counts[sequence[chunk]]  # windows of its sequence
        instance = chunk.repeat_interleave(own)  # (pairs,)
        within = torch.arange(len(instance)) - (own.cumsum(0) - own).repeat_interleave(own)
        at = offsets[sequence[instance]] + within
        share = coverage(segments[instance, None], windows[at, None])[:, 0, 0]
        complete = share > minimum_share
        holds[at[complete]] = True
        held[instance[complete]] = True
    return holds, held


def window_segments(segments: Tensor, starts: Tensor, window: int) -> Tensor:
    """Segments as each window sees them, cut off at its ends: ``(N, 2)``, ``(W,)`` → ``(W, N, 2)``."""
    return (segments - starts[:, None, None].to(segments)).clamp(0, window)


def merge_windows(
    starts: Tensor | Sequence[float],
    segments: Sequence[Tensor],
    labels: Sequence[Tensor],
    scores: Sequence[Tensor],
    *,
    end: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Detections of windows as detections of their sequence, ready for NMS.

    What was found of one action in several windows stays: NMS over the result decides. What lies wholly beyond the end
    is left out.

    Args:
        starts: of ``W`` windows, in snippets of the sequence.
        segments: per window ``(Q_w, 2)``, in snippets of the window.
        labels: per window ``(Q_w,)``.
        scores: per window ``(Q_w,)``.
        end: of the sequence, in snippets.

    Returns:
        Segments ``(Q, 2)`` in snippets of the sequence and inside it, labels ``(Q,)``, scores ``(Q,)``; higher score
        first, then the order of the windows.
    """
    counts = torch.tensor([len(part) for part in segments])
    joined = torch.cat([part.reshape(-1, 2) for part in segments])  # (Q, 2)
    offsets = torch.as_tensor(starts).to(joined).repeat_interleave(counts.to(joined.device))  # (Q,)
    placed = (joined + offsets[:, None]).clamp(0, end)
    order = torch.cat(list(scores)).argsort(descending=True, stable=True)
    order = order[length(placed)[order] > 0]
    return placed[order], torch.cat(list(labels))[order], torch.cat(list(scores))[order]
