"""The settings that features of recordings depend on, and their file in a pack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
STREAMS_FORMAT = 2


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


@dataclass(frozen=True)
class StreamSettings:
    """The settings of each stream of a pack, by name. They are settings themselves, of all streams together."""

    streams: Mapping[str, Settings]
    kind: ClassVar[str] = "pack of streams"

    @property
    def snippets_per_second(self) -> float:
        """The snippet rate of the aligned features: the highest of the streams."""
        return max(settings.snippets_per_second for settings in self.streams.values())

    def difference(self, other: StreamSettings) -> str | None:
        """The first difference of a stream that both have."""
        for name in self.streams.keys() & other.streams.keys():
            if found := difference(self.streams[name], other.streams[name]):
                return f"stream {name}: {found}"
        return None

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """The plain values that :func:`parse_settings` reads."""
        return {"streams": {name: settings.model_dump(mode=mode) for name, settings in self.streams.items()}}


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
    if content.get("format") == STREAMS_FORMAT:
        return parse_settings({"streams": content.get("streams")}, where=path)
    if content.get("format") != FORMAT:
        expected, found = f"format {FORMAT} or {STREAMS_FORMAT}", f"format {shown(content.get('format'))}"
        raise InputError(path, expected=expected, found=found, fix="upgrade rcl-tad, or extract the features again")
    return parse_settings(content.get("settings"), where=path)


def parse_settings(values: object, *, where: object) -> Settings:
    """Settings of any kind from the plain values in a pack or a checkpoint.

    Raises:
        InputError: a value is not valid, or the kind is unknown.
    """
    if isinstance(values, dict) and "streams" in values:
        return _parse_streams(values["streams"], where=where)
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


def streams_in(settings: Settings) -> dict[str | None, Settings]:
    """The settings of each stream of a pack; those of a single, unnamed one under ``None``."""
    if isinstance(settings, StreamSettings):
        return dict[str | None, Settings](settings.streams.items())
    return {None: settings}


def _parse_streams(streams: object, *, where: object) -> StreamSettings:
    if not isinstance(streams, dict) or not streams:
        expected = "settings of an extraction for each stream, by name"
        raise InputError(where, expected=expected, found=shown(streams), fix="correct it")
    return StreamSettings(
        {name: parse_settings(values, where=f"{where}, stream {name!r}") for name, values in streams.items()}
    )


def write_settings(settings: Settings, pack: PathLike) -> None:
    """Write the settings into a pack."""
    values = settings.model_dump(mode="json")
    several = isinstance(settings, StreamSettings)
    content = {"format": STREAMS_FORMAT, **values} if several else {"format": FORMAT, "settings": values}
    write_json(to_path(pack) / SETTINGS, content, indent=1)
