"""The segments that a detector scores: in training (paper 3.3) and at inference (grid, lattice, pairs)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from rcl.data.reviewed import unreviewed_share
from rcl.data.segments import clip, length, tiou

MOST_UNREVIEWED = 0.1
"""The share of a segment that nobody looked at, and in which nothing is labelled, up to which it counts in training."""
OWN_TIOU = 0.5
"""Segments that overlap an instance more than this belong to it, and count wherever they reach."""


class Anchors(NamedTuple):
    """Regular segments ``(K, 2)`` in snippet time, and the distance of each to the next, ``spacing (K,)``."""

    segments: Tensor
    spacing: Tensor


def grid(snippets: int, *, longest: float | None = None, finer: int = 1) -> Anchors:
    """All segments of up to ``longest`` whole snippets: the paper's regular grid, ``T (T + 1) / 2`` without a bound.

    Args:
        snippets: T.
        longest: length of the longest segment.
        finer: the same grid of steps of a ``finer``-th snippet.
    """
    start, last = torch.triu_indices(snippets * finer, snippets * finer)
    if longest is not None:
        start, last = torch.stack((start, last))[:, last - start < longest * finer]
    segments = torch.stack((start, last + 1), dim=-1) / finer
    return Anchors(segments, torch.full((len(segments),), 1 / finer))


@dataclass(frozen=True)
class Lattice:
    """Segments of geometrically growing length, placed at a stride in proportion to it: ``O(T)`` of them.

    Args:
        shortest: first length, in snippets.
        longest: the last length is the first of the series that reaches it, but never more than T.
        ratio: between two lengths, above 1.
        stride: between two starts, as a share of the length.
    """

    shortest: float
    longest: float
    ratio: float
    stride: float

    def __call__(self, snippets: int) -> Anchors:
        """All segments, inside ``[0, T]``, by length and then by start; the last one of every length ends at T."""
        rows = self.rows(snippets)
        spacing = [torch.full((row.number,), row.length * self.stride) for row in rows]
        return Anchors(torch.cat([row.segments(0, row.number) for row in rows]), torch.cat(spacing))

    def rows(self, snippets: int) -> list[Row]:
        """The rows of the lattice of T ``snippets``, one per length, the shortest first."""
        longest = min(max(self.longest, self.shortest), snippets)
        octaves = math.log(longest / self.shortest) / math.log(self.ratio)
        powers = range(1 + max(0, math.ceil(octaves - 1e-9)))
        lengths = {min(self.shortest * self.ratio**power, float(snippets)) for power in powers}
        return [Row.of(length, snippets, length * self.stride) for length in sorted(lengths)]

    def groups(self, snippets: int, tile: Callable[[float], int]) -> Iterator[tuple[Tensor, Tensor]]:
        """All segments, one tile of the video at a time, which bounds the memory.

        Args:
            snippets: T.
            tile: width of the tiles in which the middles of segments of this length lie, in snippets.

        Yields:
            Positions ``(K,)`` among all segments, ascending, and the segments ``(K, 2)``.
        """
        rows = self.rows(snippets)
        offsets = [0, *accumulate(row.number for row in rows)]
        widths = [tile(row.length) for row in rows]
        for width in sorted(set(widths)):
            own = [(row, offset) for row, offset, other in zip(rows, offsets, widths, strict=False) if other == width]
            for start in range(0, snippets, width):
                end = start + width if start + width < snippets else math.inf
                places = [(row, offset, row.before(start), row.before(end)) for row, offset in own]
                positions = torch.cat([torch.arange(first, last) + offset for _, offset, first, last in places])
                if len(positions):
                    yield positions, torch.cat([row.segments(first, last) for row, _, first, last in places])


class Row(NamedTuple):
    """A ``number`` of segments of one ``length``, whose starts are evenly spaced from 0 to ``room``, the last start."""

    length: float
    number: int
    room: float

    @classmethod
    def of(cls, length: float, snippets: int, spacing: float) -> Row:
        """The row of fewest segments whose starts are at most ``spacing`` apart, in a video of ``snippets``."""
        room = snippets - length
        return cls(length, 1 + math.ceil(room / spacing - 1e-9), room)

    def segments(self, first: int, last: int) -> Tensor:
        """Segments ``first`` to ``last``, without the last: ``(last − first, 2)``."""
        # The whole row for any part, so that parts equal the lattice bit for bit. It takes 1 ms for ten hours.
        start = torch.linspace(0, self.room, self.number)[first:last]
        return torch.stack((start, start + self.length), dim=-1)

    def before(self, place: float) -> int:
        """The number of segments whose middle lies before ``place``."""
        start = place - self.length / 2
        if start <= 0 or not self.room:
            return self.number * (start > 0)
        return math.ceil(min(start * (self.number - 1) / self.room, self.number))


def pairs(snippets: int, *, longest: float | None = None) -> Anchors:
    """The segments of up to ``longest`` snippets from the centre of a snippet to that of a later one (eq. 1)."""
    start, end = torch.triu_indices(snippets, snippets, offset=1)
    if longest is not None:
        start, end = torch.stack((start, end))[:, end - start <= longest]
    if not len(start):  # a video of one snippet has one segment
        return grid(snippets)
    segments = torch.stack((start, end), dim=-1) + 0.5
    return Anchors(segments, torch.ones(len(segments)))


def centred(snippets: int, *, lengths: Sequence[float]) -> Anchors:
    """Segments of all ``lengths`` around the centre of every snippet (eq. 2); they may reach beyond the video."""
    centre = torch.arange(snippets)[:, None, None] + 0.5  # (T, 1, 1)
    half = torch.tensor(lengths)[:, None] / 2 * torch.tensor([-1.0, 1.0])  # (S, 2)
    segments = (centre + half).flatten(0, 1)  # (T · S, 2)
    return Anchors(segments, torch.ones(len(segments)))


def slots(snippets: int, *, count: int) -> Anchors:
    """The ``count`` equal parts of a video, one for each action query."""
    edges = torch.arange(count + 1) * (snippets / count)
    return Anchors(torch.stack((edges[:-1], edges[1:]), dim=-1), torch.full((count,), snippets / count))


def jittered(segments: Tensor, spread: Tensor | float, end: float, generator: Generator) -> Tensor:
    """Move both ends of each segment by up to ± ``spread`` (paper 3.3, random samples around the grid).

    Args:
        segments: ``(K, 2)``.
        spread: a number, or one per segment ``(K,)``, in snippets.
        end: T.
        generator: source of randomness.

    Returns:
        ``(K, 2)`` inside ``[0, end]``.
    """
    noise = torch.rand(segments.shape, generator=generator) * 2 - 1  # (K, 2)
    moved = segments + noise * torch.as_tensor(spread)[..., None]
    return clip(moved.sort(dim=-1).values, end, minimum_length=1.0)


def scale_invariant(targets: Tensor, count: int, spread: float, end: float, generator: Generator) -> Tensor:
    """``count`` segments around each ground truth, as far from it as it is long (paper 3.3, scale-invariant samples).

    Args:
        targets: ``(N, 2)``, ground truth in snippet time.
        count: n of the paper.
        spread: standard deviation of both ends, in lengths of the ground truth.
        end: T.
        generator: source of randomness.

    Returns:
        ``(N · count, 2)`` inside ``[0, end]``.
    """
    around = targets.repeat_interleave(count, dim=0)  # (N · count, 2)
    noise = torch.randn(around.shape, generator=generator) * spread * length(around)[..., None]
    return clip((around + noise).sort(dim=-1).values, end, minimum_length=1.0)


@dataclass(frozen=True)
class TrainingSegments:
    """The three kinds of training segments of paper 3.3; a count of 0 switches a kind off.

    Args:
        regular: segments of the regular grid, a random choice where there are more.
        jittered: random segments around the grid.
        scale_invariant: segments around each ground truth.
        spread: standard deviation of these, in lengths of the ground truth.
        anchors: ``T → (K, 2)``, the segments that the model scores at inference.
    """

    regular: int
    jittered: int
    scale_invariant: int
    spread: float
    anchors: Callable[[int], Anchors]

    def __call__(self, snippets: int, targets: Tensor, generator: Generator, reviewed: Tensor | None = None) -> Tensor:
        """Draw the segments of one video, all of which count in the losses.

        Args:
            snippets: T.
            targets: ``(N, 2)``, ground truth in snippet time.
            generator: source of randomness.
            reviewed: ``(R, 2)``, what somebody looked at, in snippet time: only segments that lie there, or belong to
                an instance, are drawn. ``None`` for the whole video.

        Returns:
            ``(K, 2)``, at least one; inside ``[0, T]`` unless the regular ones reach beyond it.
        """
        anchors = self.anchors(snippets)
        if reviewed is not None:
            kept = looked_at(anchors.segments, reviewed, snippets)
            anchors = Anchors(anchors.segments[kept], anchors.spacing[kept])
        regular = _choose(anchors, self.regular, generator)
        around = _choose(anchors, self.jittered, generator)
        drawn = torch.cat(
            (
                regular.segments,
                jittered(around.segments, around.spacing / 2, snippets, generator),
                scale_invariant(targets, self.scale_invariant, self.spread, snippets, generator),
            )
        )
        if reviewed is not None:
            near = (tiou(drawn, targets) > OWN_TIOU).any(dim=1)  # (K,)
            drawn = drawn[near | looked_at(drawn, reviewed, snippets)]
        # A video without ground truth has no scale-invariant segments, but every video needs a segment.
        drawn = drawn if len(drawn) else _choose(anchors, 1, generator).segments
        return drawn if reviewed is None or len(drawn) else _longest(reviewed)


def looked_at(segments: Tensor, reviewed: Tensor, snippets: int) -> Tensor:
    """The segments that lie where somebody looked, but for :data:`MOST_UNREVIEWED`: ``(K,)`` bool.

    Args:
        segments: ``(K, 2)``.
        reviewed: ``(R, 2)``, sorted and disjoint.
        snippets: T.
    """
    share = unreviewed_share(segments.double().numpy(), reviewed.double().numpy(), snippets)
    return torch.from_numpy(share <= MOST_UNREVIEWED)


def _longest(intervals: Tensor) -> Tensor:
    """The longest of intervals ``(R, 2)``, as the only segment ``(1, 2)``."""
    return intervals[length(intervals).argmax()][None].float()


def _choose(anchors: Anchors, count: int, generator: Generator) -> Anchors:
    order = torch.randperm(len(anchors.segments), generator=generator)[:count]
    return Anchors(anchors.segments[order], anchors.spacing[order])
