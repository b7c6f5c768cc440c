"""Sliding windows: cut long sequences into pieces of one length, and merge the detections of the pieces.

Snippet ``i`` covers ``[i, i + 1)`` in snippet time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rcl.data import window_places
from rcl.data.segments import coverage, length

INSTANCES_AT_ONCE = 512  # bounds the memory: a long sequence has thousands of windows


def window_starts(snippets: int, window: int, stride: int | None = None) -> Tensor:
    """Starts of the windows of a sequence: ``(W,)`` int64.

    Every snippet lies in a window, and the last window ends with the sequence. A sequence that is shorter than a window
    has one window, which starts at 0. (Public code loses the ends of sequences: G-TAD up to a fifth of a window,
    OpenTAD if windows overlap by less than a half.)

    Args:
        snippets: length of the sequence, at least 1.
        window: length of a window, T.
        stride: from one window to the next, 1 to ``window``; ``None`` is half a window.

    Raises:
        ValueError: an argument is outside its range.

    >>> window_starts(10, 4)
    tensor([0, 2, 4, 6])
    >>> window_starts(10, 4, stride=4), window_starts(3, 4)
    (tensor([0, 4, 6]), tensor([0]))
    """
    return torch.tensor(window_places.window_starts(snippets, window, stride))


def centred_starts(segments: Tensor, snippets: int, window: int) -> Tensor:
    """Start of the window, inside the sequence, whose centre is closest to the centre of each segment.

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
    """Membership of instances in windows, ``(W, N)`` bool: the ground truth that each window is trained on.

    An instance is *complete* in a window if more than ``minimum_share`` of it lies inside. The members of a window are

    - its complete instances (OpenTAD; share 0.75, and 0.9 in its BMN and G-TAD for THUMOS14), or
    - with ``with_partial``, all instances that overlap it, if at least one is complete (G-TAD; share 0.9).

    An instance that is much longer than a window is complete in none. An instance of length 0 is a member of none.

    Args:
        segments: ``(N, 2)``, in snippets of the sequence.
        starts: ``(W,)``, see :func:`window_starts`.
        window: T.
        minimum_share: 0 or more, less than 1.
        with_partial: see above.

    Raises:
        ValueError: the share is outside its range.

    >>> segments = torch.tensor([[1.0, 3.0], [3.0, 7.0]])
    >>> window_members(segments, torch.tensor([0, 4]), 4)
    tensor([[ True, False],
            [False, False]])
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
    """The windows of many sequences that have a complete instance (see :func:`window_members`), and these instances.

    Args:
        segments: ``(I, 2)``, each in snippets of its sequence.
        sequence: ``(I,)`` int64, the sequence of each instance.
        starts: ``(W_s,)`` of every sequence, see :func:`window_starts`.
        window: T.
        minimum_share: as in :func:`window_members`.

    Returns:
        ``(W,)`` bool, whether a window has a complete instance, for the windows of one sequence after the other; and
        ``(I,)`` bool, whether an instance is complete in some window.
    """
    counts = torch.tensor([len(part) for part in starts], dtype=torch.long)
    offsets, all_starts = counts.cumsum(0) - counts, torch.cat(list(starts))
    windows = torch.stack((all_starts, all_starts + window), dim=-1).to(segments)  # (W, 2)
    holds, held = (torch.zeros(count, dtype=torch.bool) for count in (len(windows), len(segments)))
    for chunk in torch.arange(len(segments)).split(INSTANCES_AT_ONCE):
        own = counts[sequence[chunk]]  # number of windows of each instance's sequence
        instance = chunk.repeat_interleave(own)  # (pairs,)
        within = torch.arange(len(instance)) - (own.cumsum(0) - own).repeat_interleave(own)
        at = offsets[sequence[instance]] + within
        share = coverage(segments[instance, None], windows[at, None])[:, 0, 0]
        complete = share > minimum_share
        holds[at[complete]] = True
        held[instance[complete]] = True
    return holds, held


def window_segments(segments: Tensor, starts: Tensor, window: int) -> Tensor:
    """Segments in snippets of each window, clipped to it: ``(N, 2)``, ``(W,)`` → ``(W, N, 2)``."""
    return (segments - starts[:, None, None].to(segments)).clamp(0, window)


def merge_windows(
    starts: Tensor | Sequence[float],
    segments: Sequence[Tensor],
    labels: Sequence[Tensor],
    scores: Sequence[Tensor],
    *,
    end: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Merge the detections of windows into detections of their sequence, before NMS.

    An action that was found in several windows keeps all its detections: NMS chooses among them. Detections that lie
    wholly outside the sequence are left out.

    Args:
        starts: of ``W`` windows, in snippets of the sequence.
        segments: ``(Q_w, 2)`` of each window, in snippets of the window.
        labels: ``(Q_w,)`` of each window.
        scores: ``(Q_w,)`` of each window.
        end: end of the sequence, in snippets.

    Returns:
        Segments ``(Q, 2)`` in snippets of the sequence and clipped to it, labels ``(Q,)``, scores ``(Q,)``; higher
        score first, then the order of the windows.
    """
    counts = torch.tensor([len(part) for part in segments])
    joined = torch.cat([part.reshape(-1, 2) for part in segments])  # (Q, 2)
    offsets = torch.as_tensor(starts).to(joined).repeat_interleave(counts.to(joined.device))  # (Q,)
    placed = (joined + offsets[:, None]).clamp(0, end)
    order = torch.cat(list(scores)).argsort(descending=True, stable=True)
    order = order[length(placed)[order] > 0]
    return placed[order], torch.cat(list(labels))[order], torch.cat(list(scores))[order]
