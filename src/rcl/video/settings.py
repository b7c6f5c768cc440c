"""What the features of a video depend on, and the file of a pack that keeps it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError

from rcl.system.errors import InputError
from rcl.system.paths import PathLike, is_file, to_path
from rcl.system.text_files import read_json, write_json
from rcl.video.backbones.build import split_name
from rcl.video.backbones.options import BackboneOptions

SETTINGS = "extraction.json"
FORMAT = 1


class ExtractionSettings(BaseModel):
    """Everything that the features of a video depend on, beside the video. Two packs of equal settings can be mixed.

    Args:
        backbone: its name; see ``build_backbone``.
        rate: frames per second.
        window: L, frames that a snippet sees.
        stride: σ, frames from one snippet to the next.
        options: of the backbone.
        weights: SHA-256 of the backbone's files (of its parameters where they may come from a hub), by what they are
            of it; empty where it has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    backbone: str
    rate: PositiveFloat
    window: PositiveInt
    stride: PositiveInt
    options: BackboneOptions = BackboneOptions()
    weights: dict[str, str] = {}

    @property
    def snippets_per_second(self) -> float:
        """Snippet rate of the features."""
        return self.rate / self.stride

    def difference(self, other: ExtractionSettings) -> str | None:
        """The first setting in which features of the two would differ, ``None`` where they are the same."""
        mine, yours = self._compared(), other._compared()
        return next((f"{key} {mine[key]} and {yours[key]}" for key in mine if mine[key] != yours[key]), None)

    def _compared(self) -> dict[str, object]:
        values = self.model_dump(exclude={"options", "weights"}) | self.options.model_dump()
        if self.weights:  # the same file elsewhere is the same backbone
            values |= {"backbone": split_name(self.backbone)[0], "flow": None, "weights": self.weights}
        return values


def read_settings(pack: PathLike) -> ExtractionSettings | None:
    """The settings that the features of a pack were extracted with; ``None`` where the pack does not say.

    Raises:
        InputError: the file that says it is damaged.
    """
    path = to_path(pack) / SETTINGS
    if not is_file(path):
        return None
    content = read_json(path)
    if content.get("format") != FORMAT:
        found = f"format {content.get('format')!r}"
        raise InputError(path, expected=f"format {FORMAT}", found=found, fix="upgrade rcl-tad, or extract anew")
    return parse_settings(content.get("settings"), where=path)


def parse_settings(values: object, *, where: object) -> ExtractionSettings:
    """Settings from the plain values that a pack or a checkpoint keeps.

    Raises:
        InputError: they are something else.
    """
    try:
        return ExtractionSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        found = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(where, expected="settings of an extraction", found=found, fix="correct it") from None


def write_settings(settings: ExtractionSettings, pack: PathLike) -> None:
    """Keep the settings with the pack."""
    write_json(to_path(pack) / SETTINGS, {"format": FORMAT, "settings": settings.model_dump(mode="json")}, indent=1)
