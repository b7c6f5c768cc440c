"""The options that a user may give to a backbone. This module needs no torch."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from rcl.system.errors import InputError, shown


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def _to_text(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


class BackboneOptions(BaseModel):
    """Options of a backbone besides its name; ``None`` leaves the choice to the backbone.

    A backbone takes those that its constructor has as keyword arguments.

    Args:
        size: side of the frames that the backbone sees, in pixels.
        mean: per channel, subtracted from values in [0, 1] (``onnx`` and ``torchscript``); a text ``R,G,B`` will do.
        std: per channel, by which the difference is divided.
        pooling: of the tokens of a transformer (``hf``).
        flow: checkpoint of the flow stream (``i3d``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: PositiveInt | None = Field(default=None, description="a positive number of pixels")
    mean: Annotated[tuple[float, float, float] | None, BeforeValidator(_split)] = Field(
        default=None, description="three numbers R,G,B such as 0.485,0.456,0.406"
    )
    std: Annotated[tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None, BeforeValidator(_split)] = Field(
        default=None, description="three positive numbers R,G,B such as 0.229,0.224,0.225"
    )
    pooling: Literal["mean", "cls"] | None = Field(default=None, description="mean or cls")
    flow: Annotated[str | None, BeforeValidator(_to_text)] = Field(default=None, description="a path")


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
