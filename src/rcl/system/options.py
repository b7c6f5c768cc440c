"""Sections of a configuration and the types of their values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, lt=1)]
"""At least 0 and below 1."""

Weight = Annotated[float, Field(ge=0)]
"""At least 0."""

Count = Annotated[int, Field(ge=0)]
"""A whole number, at least 0."""


class Section(BaseModel):
    """A part of a configuration. An unknown key is an error, and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)
