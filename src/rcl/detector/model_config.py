"""The section ``model`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

Share = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """A part of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class TemporalEncoderConfig(Section):
    """Dilated convolutions for whole videos."""

    name: Literal["temporal"] = "temporal"
    channels: PositiveInt = 128
    """Width of every layer."""
    layers: PositiveInt = 9
    """Layer i has dilation 2^i, so that L layers see 2^(L+1) − 1 snippets."""
    dropout: Share = 0.1
    """Inside every layer."""
    input_dropout: Share = 0.1
    """Share of the feature channels that is dropped, one draw per video and step."""
    boundaries: bool = False
    """Add a boundary head, as BMN has it."""


class BMNEncoderConfig(Section):
    """The convolutions of BMN, for sequences of a fixed length."""

    name: Literal["bmn"] = "bmn"
    channels: PositiveInt = 256
    """Width of every layer."""
    groups: PositiveInt = 4
    """Groups of the base and boundary convolutions."""
    proposal_channels: PositiveInt | None = None
    """Width of the last layer, where it is another one (128 in OpenTAD)."""


class GTADEncoderConfig(Section):
    """The graph convolutions of G-TAD, for sequences of a fixed length."""

    name: Literal["gtad"] = "gtad"
    channels: PositiveInt = 256
    """Width of every layer; a multiple of groups."""
    groups: PositiveInt = 4
    """Groups of the first convolution."""
    neighbours: PositiveInt = 3
    """k, nearest snippets in feature space."""
    inner_bins: PositiveInt = 32
    """Of its look-up along the segment (16 on THUMOS14)."""
    context_bins: PositiveInt = 4
    """Of its look-up of the neighbours' means (16 on THUMOS14)."""


class ModelConfig(Section):
    """The encoder and the function on top of it."""

    encoder: Annotated[TemporalEncoderConfig | BMNEncoderConfig | GTADEncoderConfig, Field(discriminator="name")] = (
        TemporalEncoderConfig()
    )
    head: Literal["continuous", "grid", "anchors", "points"] = "continuous"
    """``continuous``: a function of any segment, as in RCL; ``grid``: a map of all segments of whole snippets;
    ``anchors``: some lengths at every snippet; ``points``: centre and length of the action that a snippet lies in."""
    conditioned: bool = True
    """With ``continuous``: the function is told the coordinates of the segment."""
    map_channels: PositiveInt = 128
    """With ``grid``: width of the map."""
    map_kernel: Literal[1, 3] = 3
    """With ``grid``: size of the convolutions over the map."""
    map_rows: Literal["durations", "starts"] = "durations"
    """With ``grid``: what the rows of the map are; ``starts`` as in the BMN code of JJBOY, whose weights need it."""
    map_finer: PositiveInt = 1
    """With ``grid``: enlarge the map of scores so many times, by linear interpolation."""
    lengths: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
    """With ``anchors``: their lengths, in snippets; ``points`` start with the geometric mean of them."""
    longest: PositiveInt | None = None
    """With a ``grid`` (head or anchors) or ``pairs``: D, the longest segment, in snippets; null: the whole video."""
    points: PositiveInt = 16
    """P, points along an anchor at which the features are looked up."""
    subpoints: PositiveInt = 1
    """Samples whose mean a point is."""
    context: Weight = 0.25
    """How far the points reach beyond each end, in lengths of the segment."""
    convention: Literal["centered", "bmn"] = "centered"
    """Where the points lie; ``bmn`` as in the public BMN code. See ``rcl.models.alignment``."""
    channels: PositiveInt = 128
    """Width of what is known of an anchor, and of the hidden state."""
    dropout: Share = 0.1
    """On what is known of an anchor."""
    labels: Literal["joint", "none"] = "joint"
    """``joint``: a label head on every anchor; ``none``: proposals."""
    steps: PositiveInt = 3
    """M, the number of refinement steps; 1 is continuous anchoring alone."""
    arrived: Annotated[float, Field(gt=0, le=1)] = 0.6
    """tIoU of a segment with the next one from which on it stays where it is."""
    jitter: Weight = 0.2
    """Error of the moved segments in training, in lengths of the segment."""

    @model_validator(mode="after")
    def _others_have_one_step(self) -> ModelConfig:
        if self.head != "continuous" and self.steps > 1:
            raise ValueError(f"steps=1 with head={self.head}, which has nothing to refine")
        return self

    @field_validator("encoder", mode="before")
    @classmethod
    def _default_encoder(cls, value: Any) -> Any:
        """Without a name it is the default encoder, so that ``model.encoder.channels=64`` is enough."""
        return {"name": "temporal", **value} if isinstance(value, dict) else value
