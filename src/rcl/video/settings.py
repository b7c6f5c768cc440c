"""The settings that features of recordings depend on, and their file in a pack."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, cast

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError

from rcl.system.errors import InputError, shown
from rcl.system.paths import PathLike, is_file, to_path
from rcl.system.plugins import import_class
from rcl.system.text_files import read_json, write_json
from rcl.video.backbones.build import split_name
from rcl.video.backbones.options import BackboneOptions
from rcl.video.kinds import KINDS, VIDEO

SETTINGS = "extraction.json"
FORMAT = 1


class Settings(Protocol):
    """Everything that features depend on except the recording. Packs of equal settings can be mixed.

    Those of a kind are a frozen pydantic model. Of all kinds but videos, ``kind`` is a field with one value, by which
    :func:`parse_settings` tells them apart.
    """

    @property
    def kind(self) -> str:
        """Of the recordings; see ``rcl.video.kinds.KINDS``."""

    @property
    def snippets_per_second(self) -> float:
        """The snippet rate of the features."""

    def difference(self, other: Any) -> str | None:
        """The first difference that changes features; ``None`` if there is none. The other ones have the same kind."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """The plain values that :func:`parse_settings` reads."""


class ExtractionSettings(BaseModel):
    """The settings of features of videos.

    Args:
        backbone: name of the backbone; see ``build_backbone``.
        rate: frames per second.
        window: L, frames that a snippet sees.
        stride: σ, frames from one snippet to the next.
        options: of the backbone.
        video_fps: frames per second of streams without a container, such as ``.h264``; ``None``: what they state, or
            25. The record of such a video keeps it, so that packs with other videos can be mixed.
        weights: SHA-256 of the backbone's files (of its parameters if they may come from a hub), under its kind and
            ``flow``; empty for a backbone without weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    kind: ClassVar[str] = VIDEO

    backbone: str
    rate: PositiveFloat
    window: PositiveInt
    stride: PositiveInt
    options: BackboneOptions = BackboneOptions()
    video_fps: PositiveFloat | None = None
    weights: dict[str, str] = {}

    @property
    def snippets_per_second(self) -> float:
        """The snippet rate of the features."""
        return self.rate / self.stride

    def difference(self, other: ExtractionSettings) -> str | None:
        """The first difference that changes features; ``None`` if there is none."""
        mine, yours = self._compared(), other._compared()
        return next((f"{key} {mine[key]} and {yours[key]}" for key in mine if mine[key] != yours[key]), None)

    def _compared(self) -> dict[str, object]:
        values = self.model_dump(exclude={"options", "weights", "video_fps"}) | self.options.model_dump()
        if self.weights:  # the same file elsewhere is the same backbone
            values |= {"backbone": split_name(self.backbone)[0], "flow": None, "weights": self.weights}
        return values


def difference(one: Settings, other: Settings) -> str | None:
    """The first difference of settings of any kinds that changes features; ``None`` if there is none."""
    if one.kind != other.kind:
        return f"those of a {one.kind} and of a {other.kind}"
    return one.difference(other)


def read_settings(pack: PathLike) -> Settings | None:
    """The settings of a pack's features; ``None`` if the pack has no such file.

    Raises:
        InputError: the file is damaged.
    """
    path = to_path(pack) / SETTINGS
    if not is_file(path):
        return None
    content = read_json(path)
    if content.get("format") != FORMAT:
        found = f"format {content.get('format')!r}"
        raise InputError(
            path, expected=f"format {FORMAT}", found=found, fix="upgrade rcl-tad, or extract the features again"
        )
    return parse_settings(content.get("settings"), where=path)


def parse_settings(values: object, *, where: object) -> Settings:
    """Settings of any kind from the plain values in a pack or a checkpoint.

    Raises:
        InputError: a value is not valid, or the kind is unknown.
    """
    kind = values.get("kind", VIDEO) if isinstance(values, dict) else VIDEO
    if not isinstance(kind, str) or kind not in KINDS:
        found = f"settings of a {shown(kind)}"
        raise InputError(where, expected=f"settings of a {' or '.join(KINDS)}", found=found, fix="upgrade rcl-tad")
    try:
        return cast(Settings, import_class(KINDS[kind].settings).model_validate(values))
    except ValidationError as error:
        first = error.errors()[0]
        found = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(where, expected="settings of an extraction", found=found, fix="correct it") from None


def write_settings(settings: Settings, pack: PathLike) -> None:
    """Write the settings into a pack."""
    write_json(to_path(pack) / SETTINGS, {"format": FORMAT, "settings": settings.model_dump(mode="json")}, indent=1)
