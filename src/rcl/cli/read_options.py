"""Options that decide how a file of labels is read, where it does not say so itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from rcl.system.errors import InputError

if TYPE_CHECKING:
    from rcl.data.formats.options import ReadOptions

MAX_FPS = 10**6  # frame numbers at a higher rate do not fit into 64 bits
_COLUMNS = ("video", "start", "end", "label", "length", "subset", "duration", "fps", "group", "score", "individual")


@dataclass(frozen=True)
class LabelFileOptions:
    """How a table of labels is read."""

    columns: Annotated[
        str | None, typer.Option(help="Names of a table's columns, e.g. video=File,start=Begin,label=Behavior.")
    ] = None
    times: Annotated[
        str | None,
        typer.Option(
            help="Unit of the times: seconds, milliseconds, minutes or frames; by default what the file says."
        ),
    ] = None
    fps: Annotated[
        float | None, typer.Option(help="Frames per second of times in frames; by default what the file says.")
    ] = None
    point_length: Annotated[
        float | None,
        typer.Option(help="Length in seconds for events that have none, centred on their time; by default none."),
    ] = None

    def read_options(self, tools: ToolFileOptions | None = None, *, subset: str | None = None) -> ReadOptions:
        """The options as the readers take them.

        Raises:
            InputError: a value is wrong.
        """
        from rcl.data.formats.options import ReadOptions, Times

        check_fps(self.fps)
        if self.times not in (None, *get_args(Times)):
            expected = ", ".join(get_args(Times))
            raise InputError("--times", expected=expected, found=str(self.times), fix="use one of them")
        if self.point_length is not None and not 0 < self.point_length < 1e6:
            expected = "a length in seconds above 0"
            raise InputError("--point-length", expected=expected, found=str(self.point_length), fix="correct it")
        tools = tools or ToolFileOptions()
        return ReadOptions(
            columns=_parse_columns(self.columns),
            times=cast("Times | None", self.times),
            fps=self.fps,
            point_length=self.point_length,
            subset=subset,
            tiers=tuple(tools.tier or ()),
            tier_as_label=tools.tier_as_label,
            annotator=tools.annotator,
            data_key=tools.data_key,
            media=tools.media,
        )


@dataclass(frozen=True)
class ToolFileOptions:
    """How the file of an annotation tool is read."""

    tier: Annotated[
        list[str] | None,
        typer.Option(help="A tier of ELAN, attribute of VIA or control of Label Studio to read; repeated for several."),
    ] = None
    tier_as_label: Annotated[bool, typer.Option("--tier-as-label", help="ELAN: the label is the name of the tier.")] = (
        False
    )
    annotator: Annotated[
        str | None,
        typer.Option(
            help="Whose annotations of Label Studio (number or e-mail; by default the latest) or tiers of ELAN to read."
        ),
    ] = None
    data_key: Annotated[
        str | None, typer.Option(help="Label Studio: the key of the data that names the video; found by default.")
    ] = None
    media: Annotated[
        str | None, typer.Option(help="ELAN, VIA: which of several media is the video: a name, '*side*' or a number.")
    ] = None


def check_fps(fps: float | None) -> None:
    """Check the option ``--fps``.

    Raises:
        InputError: it is not above 0, or too large.
    """
    if fps is not None and not 0 < fps <= MAX_FPS:
        expected = f"frames per second above 0, at most {MAX_FPS:,}"
        raise InputError("--fps", expected=expected, found=str(fps), fix="correct it")


def _parse_columns(text: str | None) -> dict[str, str]:
    """``video=File,start=Begin`` as a mapping."""
    if not text:
        return {}
    pairs = [part.partition("=") for part in text.split(",")]
    columns = {name.strip().lower(): given.strip() for name, _, given in pairs}
    if len(columns) < len(pairs) or not all(columns.values()) or not columns.keys() <= set(_COLUMNS):
        expected = f"NAME=COLUMN,… with names out of {', '.join(_COLUMNS)}"
        raise InputError("--columns", expected=expected, found=text, fix="e.g. --columns video=File,start=Begin")
    return columns
