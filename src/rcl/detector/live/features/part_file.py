"""What a folder of features says about the part that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from rcl.system.errors import InputError, listed
from rcl.system.text_files import read_json, write_json
from rcl.video.extraction import VideoExtractor
from rcl.video.settings import difference, parse_settings


class StreamFacts(BaseModel):
    """The features of a stream. ``channels`` is 0 before the first; ``settings`` are those of the extraction.

    ``whole``: of a part that has ended, the number of snippets whose windows lie before its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channels: NonNegativeInt
    snippets_per_second: float
    settings: dict[str, Any]
    whole: NonNegativeInt | None = None


class PartFacts(BaseModel):
    """A part: its number, the Unix time of its second 0, its streams, and its end once it has ended."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1] = 1
    number: int
    started_at: float
    streams: dict[str, StreamFacts]
    end_seconds: float | None = None

    def write(self, path: Path) -> None:
        """Write them to a file.

        Raises:
            InputError: it cannot be written.
        """
        write_json(path, self.model_dump(mode="json"), indent=1)


def read_part(path: Path, extractors: Mapping[str, VideoExtractor]) -> PartFacts:
    """The part that a file describes, beside its features.

    Raises:
        InputError: the file is missing or damaged, or the features are not those that the extractors make.
    """
    fix = "remove its folder, or use another folder for this detector"
    try:
        facts = PartFacts.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        found = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(path, expected="a part of a watched source", found=found, fix=fix) from None
    if facts.streams.keys() != extractors.keys():
        expected, found = f"features of {listed([*extractors])}", f"those of {listed([*facts.streams])}"
        raise InputError(path, expected=expected, found=found, fix=fix)
    for name, own in extractors.items():
        if other := difference(own.settings, parse_settings(facts.streams[name].settings, where=path)):
            expected = f"features as the detector takes them, stream {name}"
            raise InputError(path, expected=expected, found=f"other settings: {other}", fix=fix)
    return facts
