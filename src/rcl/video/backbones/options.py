"""The options that a user may give to a backbone. This module needs no torch."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from rcl.system.errors import InputError, shown

MOST_TILES = 8  # per side


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def _to_text(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _check_rectangle(value: Rectangle | None) -> Rectangle | None:
    if value is None:
        return None
    x, y, width, height = value
    in_shares = max(value) <= 1
    if in_shares and max(x + width, y + height) > 1 + 1e-9:
        raise ValueError
    if not in_shares and any(part != int(part) for part in value):
        raise ValueError
    return value


Rectangle: TypeAlias = tuple[NonNegativeFloat, NonNegativeFloat, PositiveFloat, PositiveFloat]
"""x, y, width and height: in whole pixels, or in shares of a frame if all four are at most 1."""


class BackboneOptions(BaseModel):
    """Options of a backbone besides its name; ``None`` leaves the choice to the backbone.

    A backbone takes those that its constructor has as keyword arguments.

    Args:
        size: side of the frames that the backbone sees, in pixels.
        mean: per channel, subtracted from values in [0, 1] (``onnx`` and ``torchscript``); a text ``R,G,B`` will do.
        std: per channel, by which the difference is divided.
        pooling: of the tokens of a transformer (``hf``).
        flow: checkpoint of the flow stream (``i3d``).
        crop: the part of the frame that a backbone sees, of any backbone: x, y, width and height in pixels of the
            upright frame, or in shares of it if all are at most 1; a text ``X,Y,WIDTH,HEIGHT`` will do.
        tiles: N, for features of N × N tiles of the frame, pooled by maximum, of any backbone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    size: PositiveInt | None = Field(default=None, description="a positive number of pixels")
    mean: Annotated[tuple[float, float, float] | None, BeforeValidator(_split)] = Field(
        default=None, description="three numbers R,G,B such as 0.485,0.456,0.406"
    )
    std: Annotated[tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None, BeforeValidator(_split)] = Field(
        default=None, description="three positive numbers R,G,B such as 0.229,0.224,0.225"
    )
    pooling: Literal["mean", "cls"] | None = Field(default=None, description="mean or cls")
    flow: Annotated[str | None, BeforeValidator(_to_text)] = Field(default=None, description="a path")
    crop: Annotated[Rectangle | None, BeforeValidator(_split), AfterValidator(_check_rectangle)] = Field(
        default=None, description="X,Y,WIDTH,HEIGHT in whole pixels, or in shares of the frame such as 0.25,0,0.5,1"
    )
    tiles: Annotated[int | None, Field(ge=2, le=MOST_TILES)] = Field(
        default=None, description=f"2 to {MOST_TILES} tiles per side"
    )


def parse_options(**values: Any) -> BackboneOptions:
    """Options from the texts and numbers of a command line.

    >>> parse_options(size=224, mean="0.5,0.4,0.3").mean
    (0.5, 0.4, 0.3)

    Raises:
        InputError: a value is not valid.
    """
    try:
        return BackboneOptions(**values)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        expected = BackboneOptions.model_fields[name].description or ""
        raise InputError(f"--{name}", expected=expected, found=shown(values[name]), fix="correct it") from None
