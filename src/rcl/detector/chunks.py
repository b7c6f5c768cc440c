"""A video of any length in pieces: which segments belong together, and what a piece has to hold to answer for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from rcl.data.segments import length
from rcl.models.detector import Sight
from rcl.models.predictions import AnchorScores, Predictions

MOVEMENT = 0.5  # lengths that a segment may move within its piece; what moves further may be asked again
_PART = 1 << 18  # segments whose place is computed at a time


class Answer(NamedTuple):
    """``predictions`` of a batch of one, about the segments at ``positions (K,)`` of the input."""

    positions: Tensor
    predictions: Predictions


Ask = Callable[[int, int, Tensor], Predictions]
Group: TypeAlias = tuple[Tensor, Tensor]
"""Segments that share a piece: their positions ``(K,)`` among all, ascending, and themselves ``(K, 2)``."""


def looked_up(segments: Tensor, context: float, snippets: int) -> Tensor:
    """The snippets that a look-up of ``segments (..., 2)`` reads, from the first to before the last: ``(..., 2)``."""
    # One snippet longer, as the convention ``bmn`` has it, and two for interpolation and rounding.
    margin = context * (length(segments).clamp(min=0) + 1) + 2
    first, last = (segments[..., 0] - margin).floor(), (segments[..., 1] + margin).ceil()
    return torch.stack((first, last), dim=-1).clamp(0, snippets)


def tiles(spans: Tensor, chunk: int) -> Tensor:
    """Which spans ``(K, 2)`` share a piece: a number for each ``(K,)``, such that neighbours have neighbouring numbers.

    The middles of those that are no longer than ``chunk`` lie in one tile of ``chunk`` snippets. The tiles of longer
    ones are 2, 4, 8 … times as wide, so that no piece is longer than twice its chunk or four times its longest span,
    and a video has no more pieces of all widths together than twice its chunks, and one of each width.
    """
    octave = (length(spans) / chunk).clamp(min=1).log2().ceil()  # (K,)
    tile = (spans.mean(dim=-1) / (chunk * 2**octave)).floor()
    return (octave.int() << 24) + tile.int()


def tile_width(length: float, chunk: int, context: float) -> int:
    """The tiles in which the middles of segments of that length may lie, as in :func:`tiles`."""
    moved = (1 + 2 * MOVEMENT) * length
    seen = moved + 2 * (context * (moved + 1) + 2)
    return chunk << max(0, math.ceil(math.log2(seen / chunk)))


def span(segments: Tensor, context: float, snippets: int) -> Tensor:
    """The snippets that a segment ``(K, 2)`` sees, if it moves no further than foreseen: ``(K, 2)``."""
    moved = segments + MOVEMENT * length(segments)[:, None] * segments.new_tensor([-1.0, 1.0])
    return looked_up(moved, context, snippets)


def groups(segments: Tensor, chunk: int, span: Callable[[Tensor], Tensor]) -> Iterator[Group]:
    """Those of ``segments (K, 2)`` whose ``span`` shares a piece."""
    number = torch.cat([tiles(span(part), chunk) for part in segments.split(_PART)])  # (K,)
    number, order = number.sort(stable=True)
    counts = number.unique_consecutive(return_counts=True)[1]
    for positions in order.split(counts.tolist()):
        yield positions, segments[positions]


def answers(groups: Iterable[Group], ask: Ask, *, snippets: int, chunk: int, sight: Sight) -> Iterator[Answer]:
    """Answers about all segments, each from a piece of the video that holds all that the answer depends on.

    A segment that refinement moves to where its piece does not reach is asked again, in a piece that holds the place.

    Args:
        groups: the segments, in snippet time of the video, inside it.
        ask: ``(first, last, segments)``: what a piece from snippet ``first`` to before ``last`` says of segments of it.
        snippets: length of the video.
        chunk: length of the pieces, without what is added at their ends; longer segments get longer ones.
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
    """The answers about ``segments (K, 2)`` from one piece with all of their ``spans (K, 2)``, and about the rest."""
    first = max(int(spans[:, 0].min()) - sight.radius, 0)
    last = min(int(spans[:, 1].max()) + sight.radius, snippets)
    predictions = ask(first, last, segments)
    # What the encoder says near an end of the piece that is not one of the video, it would not say within the whole.
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
    """Which segments saw ``known`` snippets alone ``(K,)``, and their spans with the first step that did not."""
    valid = torch.ones(len(spans), dtype=torch.bool)
    for step in steps:
        seen = looked_up(step.anchors[0], context, snippets)  # (K, 2)
        wider = torch.stack((torch.minimum(spans[:, 0], seen[:, 0]), torch.maximum(spans[:, 1], seen[:, 1])), dim=-1)
        spans = torch.where(valid[:, None], wider, spans)  # where a step was beyond, the next ones mean nothing
        valid = valid & (seen[:, 0] >= known[0]) & (seen[:, 1] <= known[1])
    return valid, spans


def chosen(predictions: Predictions, which: Tensor) -> Predictions:
    """The predictions of some of the segments, of a batch of one."""
    if which.all():
        return predictions
    steps = tuple(AnchorScores(*(field[:, which] for field in step)) for step in predictions.steps)
    return Predictions(steps, predictions.segments[:, which], predictions.boundaries)


def pieces(snippets: int, chunk: int, radius: int) -> Iterator[tuple[slice, slice]]:
    """The chunks of a video: what to encode of it, and which part of the encoding is the chunk."""
    for start in range(0, snippets, chunk):
        first, last = max(start - radius, 0), min(start + chunk + radius, snippets)
        yield slice(first, last), slice(start - first, min(start + chunk, snippets) - first)
