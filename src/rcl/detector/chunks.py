"""Split a video of any length into pieces that give the same answers as the whole.

A segment is queried in a piece that contains everything its answer depends on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from rcl.data.segments import length
from rcl.models.detector import Sight
from rcl.models.predictions import AnchorScores, Predictions

MOVEMENT = 0.5  # lengths that a segment may move within its piece; one that moves further may be queried again
_PART = 1 << 18  # segments whose tile is computed at a time


class Answer(NamedTuple):
    """``predictions``, as a batch of one, for the segments at ``positions (K,)`` of the input."""

    positions: Tensor
    predictions: Predictions


Ask = Callable[[int, int, Tensor], Predictions]
Group: TypeAlias = tuple[Tensor, Tensor]
"""Segments that share a piece: ascending positions ``(K,)`` among all segments, and the segments ``(K, 2)``."""


def looked_up(segments: Tensor, context: float, snippets: int) -> Tensor:
    """The snippets that a look-up of ``segments (..., 2)`` reads, as first and end: ``(..., 2)``.

    >>> looked_up(torch.tensor([[10.0, 14.0]]), 0.25, 100)
    tensor([[ 6., 18.]])
    """
    # The convention ``bmn`` counts one snippet more; two are for interpolation and rounding.
    margin = context * (length(segments).clamp(min=0) + 1) + 2
    first, last = (segments[..., 0] - margin).floor(), (segments[..., 1] + margin).ceil()
    return torch.stack((first, last), dim=-1).clamp(0, snippets)


def tiles(spans: Tensor, chunk: int) -> Tensor:
    """The number of the tile of each span: ``(K, 2) → (K,)``. Spans in one tile share a piece.

    The middles of spans up to ``chunk`` long lie in tiles of ``chunk`` snippets. Tiles for longer spans are 2, 4, 8, …
    times as wide. So no piece is longer than twice its chunk or four times its longest span, and the number of pieces
    is at most twice the number of chunks, plus one for each width. Neighbouring tiles have neighbouring numbers.
    """
    octave = (length(spans) / chunk).clamp(min=1).log2().ceil()  # (K,)
    tile = (spans.mean(dim=-1) / (chunk * 2**octave)).floor()
    return (octave.int() << 24) + tile.int()


def tile_width(length: float, chunk: int, context: float) -> int:
    """Width of the tiles for segments of this length, as in :func:`tiles`."""
    moved = (1 + 2 * MOVEMENT) * length
    seen = moved + 2 * (context * (moved + 1) + 2)
    return chunk << max(0, math.ceil(math.log2(seen / chunk)))


def span(segments: Tensor, context: float, snippets: int) -> Tensor:
    """The snippets that segments ``(K, 2)`` see if they move by at most ``MOVEMENT`` lengths: ``(K, 2)``."""
    moved = segments + MOVEMENT * length(segments)[:, None] * segments.new_tensor([-1.0, 1.0])
    return looked_up(moved, context, snippets)


def groups(segments: Tensor, chunk: int, span: Callable[[Tensor], Tensor]) -> Iterator[Group]:
    """The ``segments (K, 2)`` in groups whose ``span`` lies in one tile."""
    number = torch.cat([tiles(span(part), chunk) for part in segments.split(_PART)])  # (K,)
    number, order = number.sort(stable=True)
    counts = number.unique_consecutive(return_counts=True)[1]
    for positions in order.split(counts.tolist()):
        yield positions, segments[positions]


def answers(groups: Iterable[Group], ask: Ask, *, snippets: int, chunk: int, sight: Sight) -> Iterator[Answer]:
    """Predictions for all segments, each from a piece of the video that contains everything it depends on.

    A segment that refinement moves out of its piece is queried again, in a piece that contains its new place.

    Args:
        groups: the segments, inside the video, in its snippet time.
        ask: ``(first, end, segments) → Predictions`` from the piece of snippets ``first`` to before ``end``.
        snippets: length of the video.
        chunk: length of a piece without its margins; longer segments get longer pieces.
        sight: how far an answer sees.

    Yields:
        Every segment once, in groups.
    """
    for positions, segments in groups:
        spans = span(segments, sight.context, snippets)
        yield from _answered(segments, positions, spans, ask, snippets, chunk, sight)


def _answered(
    segments: Tensor, positions: Tensor, spans: Tensor, ask: Ask, snippets: int, chunk: int, sight: Sight
) -> Iterator[Answer]:
    """Predictions for ``segments (K, 2)`` from one piece with all their ``spans (K, 2)``, or from others if needed."""
    first = max(int(spans[:, 0].min()) - sight.radius, 0)
    last = min(int(spans[:, 1].max()) + sight.radius, snippets)
    predictions = ask(first, last, segments)
    # Near an end of the piece inside the video, the encoding differs from that of the whole video.
    known = (first + sight.radius if first else 0, last - sight.radius if last < snippets else snippets)
    valid, spans = _follow(predictions.steps, spans, known, sight.context, snippets)
    if valid.any():
        yield Answer(positions[valid], chosen(predictions, valid))
    if valid.all():
        return
    del predictions
    segments, positions, spans = segments[~valid], positions[~valid], spans[~valid]
    for again, own in groups(spans, chunk, lambda part: part):
        yield from _answered(segments[again], positions[again], own, ask, snippets, chunk, sight)


def _follow(
    steps: tuple[AnchorScores, ...], spans: Tensor, known: tuple[int, int], context: float, snippets: int
) -> tuple[Tensor, Tensor]:
    """Whether each segment saw only ``known`` snippets ``(K,)``, and its span with the first step that did not."""
    valid = torch.ones(len(spans), dtype=torch.bool)
    for step in steps:
        seen = looked_up(step.anchors[0], context, snippets)  # (K, 2)
        wider = torch.stack((torch.minimum(spans[:, 0], seen[:, 0]), torch.maximum(spans[:, 1], seen[:, 1])), dim=-1)
        spans = torch.where(valid[:, None], wider, spans)  # after a step beyond, the next ones mean nothing
        valid = valid & (seen[:, 0] >= known[0]) & (seen[:, 1] <= known[1])
    return valid, spans


def joined(answers: Iterable[Answer]) -> Predictions:
    """All answers about some segments in one, in the order of their positions, which are 0 to K − 1."""
    parts = list(answers)
    if len(parts) == 1:  # whose positions ascend
        return parts[0].predictions
    order = torch.cat([part.positions for part in parts]).argsort()
    predictions = [part.predictions for part in parts]
    steps = tuple(
        AnchorScores(*(torch.cat(field, dim=1)[:, order] for field in zip(*step, strict=True)))
        for step in zip(*(part.steps for part in predictions), strict=True)
    )
    segments = torch.cat([part.segments for part in predictions], dim=1)[:, order]
    return Predictions(steps, segments, predictions[0].boundaries)


def chosen(predictions: Predictions, which: Tensor) -> Predictions:
    """The predictions for the segments where ``which (K,)`` is true, of a batch of one."""
    if which.all():
        return predictions
    steps = tuple(AnchorScores(*(field[:, which] for field in step)) for step in predictions.steps)
    return Predictions(steps, predictions.segments[:, which], predictions.boundaries)


def pieces(snippets: int, chunk: int, radius: int) -> Iterator[tuple[slice, slice]]:
    """Each chunk of a video with its margins, and the part of that which is the chunk itself.

    >>> list(pieces(10, 6, 2))
    [(slice(0, 8, None), slice(0, 6, None)), (slice(4, 10, None), slice(2, 6, None))]
    """
    for start in range(0, snippets, chunk):
        first, last = max(start - radius, 0), min(start + chunk + radius, snippets)
        yield slice(first, last), slice(start - first, min(start + chunk, snippets) - first)
