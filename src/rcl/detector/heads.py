"""The heads of a detector: the options of each in the configuration, and the detector that it makes of an encoder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import geometric_mean
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from rcl.models.alignment import Alignment, Convention
from rcl.models.anchoring import AnchorEmbedding, Readout
from rcl.models.anchors_and_points import AnchorDetector, LocationHead, PointDetector
from rcl.models.encoders import Encoder
from rcl.models.end_alignment import EndAlignment
from rcl.models.grid import GridDetector, GridHead
from rcl.models.grid_cells import Cells
from rcl.models.queries import QueryDetector, QueryHead
from rcl.models.rcl import RCL
from rcl.models.refinement import Movement, RecurrentRefinement
from rcl.models.sampling import Anchors, centred, grid, slots
from rcl.system.options import Count, Section, Share, Weight

AnchorGenerator: TypeAlias = Callable[[int], Anchors]
"""``T → Anchors``: the segments of a video that a detector scores."""

LENGTHS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)


class LookUpHead(Section):
    """A head that looks segments up in the encoding."""

    channels: PositiveInt = 128
    """Width of a look-up, and of the hidden state of the refinement."""
    points: PositiveInt = 16
    """P, points along a segment at which the features are looked up. G-TAD's encoder has bins instead."""
    subpoints: PositiveInt = 1
    """Samples whose mean a point is."""
    context: Weight = 0.25
    """How far the points reach beyond each end, in lengths of the segment."""
    convention: Convention = "centered"
    """Where the points lie; ``bmn`` as in the public BMN code. See ``rcl.models.alignment``."""

    def alignment(self, encoder: Encoder) -> Alignment:
        """The look-up of these options in what the encoder makes."""
        return encoder.alignment(
            self.channels,
            points=self.points,
            subpoints=self.subpoints,
            context=self.context,
            convention=self.convention,
        )


class ContinuousHeadConfig(LookUpHead):
    """The continuous function of any segment, refined recurrently (paper 3.2 and 3.4)."""

    name: Literal["continuous"] = "continuous"
    conditioned: bool = True
    """The coordinates of the segment are an input of the function."""
    dropout: Share = 0.1
    """On the embedding of a segment."""
    ends: Count = 0
    """Snippets on either side of both ends that are looked at one by one, however long the segment is; 0: none."""
    steps: PositiveInt = 3
    """M, the number of refinement steps; 1 is continuous anchoring alone."""
    arrived: Annotated[float, Field(gt=0, le=1)] = 0.6
    """A segment stays where it is if its tIoU with its next place is at least this."""
    jitter: Weight = 0.2
    """Standard deviation of the error that moved segments get in training, in lengths of the segment."""

    def build(self, encoder: Encoder, num_labels: int) -> RCL:
        """The detector of an encoder and this head, with new weights; L is 0 for proposals."""
        embedding = AnchorEmbedding(
            self.alignment(encoder),
            EndAlignment(encoder.channels, self.channels, reach=self.ends) if self.ends else None,
            channels=self.channels,
            conditioned=self.conditioned,
            dropout=self.dropout,
        )
        readout = Readout(self.channels, num_labels=num_labels)
        # Drawn last, so that the other weights start the same with and without it.
        refinement = RecurrentRefinement(channels=self.channels, num_labels=num_labels) if self.steps > 1 else None
        movement = Movement(arrived=self.arrived, jitter=self.jitter)
        return RCL(encoder, embedding, readout, refinement, movement, steps=self.steps)

    def anchors(self, configured: AnchorGenerator, kind: str) -> AnchorGenerator:
        """Any segments: those of section ``inference``."""
        return configured


class GridHeadConfig(LookUpHead):
    """A map of all segments of whole snippets, as in BMN and G-TAD."""

    name: Literal["grid"] = "grid"
    map_channels: PositiveInt = 128
    """Width of the map."""
    kernel: Literal[1, 3] = 3
    """Size of the convolutions over the map."""
    rows: Literal["durations", "starts"] = "durations"
    """What the rows of the map are; ``starts`` as in the BMN code of JJBOY, whose weights need it."""
    finer: PositiveInt = 1
    """The map of scores is enlarged so many times, by linear interpolation (paper, Table 4)."""
    longest: PositiveInt | None = None
    """D, the longest segment of the map, in snippets; null: the whole video."""

    def build(self, encoder: Encoder, num_labels: int) -> GridDetector:
        """The detector of an encoder and this head, with new weights; L is 0 for proposals."""
        alignment = self.alignment(encoder)
        head = GridHead(self.channels, channels=self.map_channels, kernel=self.kernel, num_labels=num_labels)
        # Most public code samples up to the last snippet of a segment; JJBOY's BMN and ``centered`` up to its end.
        last = 0.0 if alignment.convention == "bmn" and self.rows == "durations" else 1.0
        cells = Cells(self.rows, longest=self.longest, last=last)
        return GridDetector(encoder, alignment, head, cells=cells, finer=self.finer)

    def anchors(self, configured: AnchorGenerator, kind: str) -> AnchorGenerator:
        """The cells of the map where section ``inference`` has ``anchors: grid``, else what it says."""
        return partial(grid, longest=self.longest, finer=self.finer) if kind == "grid" else configured


class AnchorHeadConfig(Section):
    """Anchors of several lengths at every snippet (paper, eq. 2)."""

    name: Literal["anchors"] = "anchors"
    channels: PositiveInt = 128
    """Width of the convolutions along time."""
    dropout: Share = 0.1
    """Before the answers."""
    lengths: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = LENGTHS
    """Of the anchors, in snippets."""

    def build(self, encoder: Encoder, num_labels: int) -> AnchorDetector:
        """The detector of an encoder and this head, with new weights; L is 0 for proposals."""
        head = LocationHead(
            encoder.channels,
            channels=self.channels,
            hypotheses=len(self.lengths),
            num_labels=num_labels,
            dropout=self.dropout,
        )
        return AnchorDetector(encoder, head, lengths=self.lengths)

    def anchors(self, configured: AnchorGenerator, kind: str) -> AnchorGenerator:
        """The anchors of the head, whatever section ``inference`` says."""
        return partial(centred, lengths=self.lengths)


class PointHeadConfig(Section):
    """Centre and length of the action that a snippet lies in (paper, eq. 3)."""

    name: Literal["points"] = "points"
    channels: PositiveInt = 128
    """Width of the convolutions along time."""
    dropout: Share = 0.1
    """Before the answers."""
    typical: PositiveFloat = geometric_mean(LENGTHS)
    """The length that an untrained network answers with, in snippets."""

    def build(self, encoder: Encoder, num_labels: int) -> PointDetector:
        """The detector of an encoder and this head, with new weights; L is 0 for proposals."""
        head = LocationHead(
            encoder.channels, channels=self.channels, hypotheses=1, num_labels=num_labels, dropout=self.dropout
        )
        return PointDetector(encoder, head, typical=self.typical)

    def anchors(self, configured: AnchorGenerator, kind: str) -> AnchorGenerator:
        """The snippets, whatever section ``inference`` says."""
        return partial(centred, lengths=(1.0,))


class QueryHeadConfig(Section):
    """A set of learned queries, each of which answers with one action or none (paper, Figure 2 (e))."""

    name: Literal["queries"] = "queries"
    queries: PositiveInt = 50
    """Q, more than a video has actions: so many are found at most."""
    channels: PositiveInt = 128
    """Width of the transformer decoder."""
    layers: PositiveInt = 3
    """Of the decoder."""
    attention_heads: PositiveInt = 8
    """Of a layer."""
    dropout: Share = 0.1
    """In the decoder."""

    @model_validator(mode="after")
    def _channels_can_be_shared(self) -> QueryHeadConfig:
        if self.channels % 2 or self.channels % self.attention_heads:
            raise ValueError(f"an even number of channels that attention_heads={self.attention_heads} divides")
        return self

    def build(self, encoder: Encoder, num_labels: int) -> QueryDetector:
        """The detector of an encoder and this head, with new weights; L is 0 for proposals."""
        head = QueryHead(
            encoder.channels,
            channels=self.channels,
            queries=self.queries,
            layers=self.layers,
            attention_heads=self.attention_heads,
            num_labels=num_labels,
            dropout=self.dropout,
        )
        return QueryDetector(encoder, head)

    def anchors(self, configured: AnchorGenerator, kind: str) -> AnchorGenerator:
        """The slots that the queries start from, whatever section ``inference`` says."""
        return partial(slots, count=self.queries)


HeadConfig: TypeAlias = ContinuousHeadConfig | GridHeadConfig | AnchorHeadConfig | PointHeadConfig | QueryHeadConfig
