"""The section ``model`` of the configuration: an encoder and a head, each with its own options."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, SerializeAsAny, create_model
from pydantic_core import PydanticCustomError

from rcl.detector.heads import ContinuousHeadConfig, HeadConfig
from rcl.models import bmn, gtad, temporal  # noqa: F401, each registers its encoder
from rcl.models.encoders import Encoder, find_encoder
from rcl.models.streams import StreamEmbedding
from rcl.system.errors import Defect
from rcl.system.options import Section, Share, Weight


class EncoderConfig(Section):
    """An encoder and its options, which are the keyword arguments of its constructor."""

    name: str

    def build(self, in_channels: int) -> Encoder:
        """The encoder, with new weights, for features of ``in_channels``.

        Raises:
            InputError: the encoder refuses its options.
        """
        return find_encoder(self.name)(in_channels, **self.model_dump(exclude={"name"}))


@cache
def encoder_config(name: str) -> type[EncoderConfig]:
    """The section of an encoder: types and defaults are those of its constructor, after ``in_channels``.

    Raises:
        Defect: there is no such encoder.
    """
    encoder = find_encoder(name)
    _, *parameters = inspect.signature(encoder, eval_str=True).parameters.values()
    fields: dict[str, Any] = {
        parameter.name: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for parameter in parameters
    }
    fields["name"] = (Literal[name], name)
    return create_model(f"{encoder.__name__}Config", __base__=EncoderConfig, **fields)


def _parse_encoder(value: Any) -> Any:
    """The section of the encoder that a mapping names; without a name, that of the default encoder."""
    if not isinstance(value, dict):
        return value
    try:
        section = encoder_config(str(value.get("name", "temporal")))
    except Defect as defect:
        context = {"expected": defect.expected, "found": defect.found, "fix": defect.fix}
        raise PydanticCustomError("no_encoder", "{expected}", context) from None
    return section.model_validate(value)


class StreamsConfig(Section):
    """How several streams of features become the input of the encoder. Of a single stream, this has no effect."""

    channels: PositiveInt = 128
    """Width of the embedding of each stream, and of their sum."""
    dropout: Share = 0.5
    """Share of the streams that training leaves out of a video, though never all: so a detector still works, less
    accurately, where one is missing."""
    input_dropout: Share = 0.1
    """Share of the channels of each stream that is dropped, one draw for the whole video. Only of streams that are
    wider than the embedding."""
    noise: Weight = 0.0
    """Standard deviation of Gaussian noise on every (scaled) feature of these wide streams, in training."""

    def build(self, widths: Sequence[int]) -> StreamEmbedding:
        """The embedding of streams of these widths, with new weights."""
        return StreamEmbedding(widths, **self.model_dump())


def _name_alone(value: Any) -> Any:
    """``head: grid`` is short for ``head: {name: grid}``, and a head without a name is the default one."""
    if isinstance(value, str):
        return {"name": value}
    return {"name": "continuous", **value} if isinstance(value, dict) else value


class ModelConfig(Section):
    """The network: an encoder, a head on top of it, and whether it scores labels."""

    encoder: Annotated[SerializeAsAny[EncoderConfig], BeforeValidator(_parse_encoder)] = Field(
        default_factory=lambda: encoder_config("temporal")()  # type: ignore[call-arg]
    )
    """``temporal``, ``bmn``, ``gtad``, or ``package.module:Class``."""
    streams: StreamsConfig = StreamsConfig()
    """The embedding of several streams, in front of the encoder."""
    head: Annotated[
        Annotated[HeadConfig, Field(discriminator="name")],
        BeforeValidator(_name_alone),
    ] = ContinuousHeadConfig()
    """``continuous``, ``grid``, ``anchors``, ``points`` or ``queries``."""
    labels: Literal["joint", "none"] = "joint"
    """``joint``: label scores for every segment; ``none``: proposals."""
