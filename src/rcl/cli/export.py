"""``rcl export``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.console import warn, warn_of
from rcl.cli.options import Overwrite
from rcl.cli.read_options import LabelFileOptions, ToolFileOptions
from rcl.cli.video_files import files_of
from rcl.system.errors import InputError, counted, listed

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations
    from rcl.data.detections import Detections
    from rcl.data.formats.exported import Exported
    from rcl.data.formats.options import ReadOptions

_LINKING = ("label-studio", "via", "elan", "boris")
"""Formats that name the files of the videos."""


def export(
    input_: Annotated[
        Path, typer.Argument(metavar="INPUT", help="Detections, annotations, a pack, or another tool's file.")
    ],
    format_: Annotated[
        str, typer.Option("--format", help="label-studio, via, elan, boris, fiftyone, audacity or csv.")
    ],
    output: Annotated[
        Path,
        typer.Option(help=".json (label-studio, via, fiftyone), .boris, .csv, or a folder (elan, audacity)."),
    ],
    reading: LabelFileOptions,
    tools: ToolFileOptions,
    min_score: Annotated[float | None, typer.Option(help="Leave out detections with a lower score.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Only the K best detections of each video.")] = None,
    videos: Annotated[Path | None, typer.Option(help="Folder of the videos, for their file names and rates.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write detections or annotations for an annotation tool, to look at and correct there."""
    from rcl.cli.outputs import replacing_only_equal
    from rcl.data.detections import Detections
    from rcl.data.formats.exported import FORMATS, Exported

    if format_ not in FORMATS:
        raise InputError("--format", expected=listed(FORMATS, 10), found=format_, fix="correct it")
    options = replace(reading.read_options(tools), writes_frames=format_ == "label-studio")
    content = _read(input_, min_score=min_score, top=top, options=options)
    if isinstance(content, Detections) and not len(content):
        empty = "it holds no detections" if min_score is None else f"no detection has a score of at least {min_score:g}"
        warn(f"{input_}: {empty}.")
    exported = Exported.of(content, files_of([*content.videos], videos, what=input_) if videos else {})
    with replacing_only_equal(overwrite=overwrite, inputs=[input_]):
        lost = _write(exported, content, output, format_=format_, videos=videos, fps=options.fps)
    if lost:
        warn(f"not kept: {'; '.join(lost)}.")
    guessed = [exported.media_of(name) for name in exported.videos if name not in exported.files]
    if guessed and format_ in _LINKING:
        fix = "" if videos else "; give the folder of the videos with --videos to use the names of the files"
        warn(f"guessed the file names of the videos: {listed(guessed, 2)}{fix}.")
    count = counted(len(exported.all()), "detection" if exported.scored else "instance")
    print(f"{count} in {counted(len(exported.videos), 'video')}: {output}")


def _read(source: Path, *, min_score: float | None, top: int | None, options: ReadOptions) -> Annotations | Detections:
    from rcl.data.detections import Detections
    from rcl.data.formats import outcome
    from rcl.data.formats.load import load_content
    from rcl.data.pack import find_annotations

    content = load_content(find_annotations(source) if source.is_dir() else source, options=options)
    if isinstance(content, Detections):
        if min_score is not None:
            content = content[content.scores >= min_score]
        return content if top is None else content.top(top)
    warn_of((*outcome.doubts(content), *outcome.lengthless(content)))
    if min_score is not None or top is not None:
        option = "--min-score" if min_score is not None else "--top"
        raise InputError(option, expected="detections", found="annotations, without scores", fix="leave it out")
    return content


def _write(
    exported: Exported,
    content: Annotations | Detections,
    output: Path,
    *,
    format_: str,
    videos: Path | None,
    fps: float | None,
) -> list[str]:
    """Write the file of a tool. Returns what its format cannot keep."""
    from rcl.data.annotations import Annotations
    from rcl.data.formats import audacity, fiftyone
    from rcl.data.formats.boris import writing as boris_project
    from rcl.data.formats.elan import writing as elan
    from rcl.data.formats.label_studio import writing as label_studio
    from rcl.data.formats.results import save_detections
    from rcl.data.formats.tables import table
    from rcl.data.formats.via import project as via
    from rcl.system.text_files import extension_of

    if format_ == "label-studio":
        return label_studio.write(exported, output, fps=_frame_rates(exported, fps), folder=videos)
    files = {"via": via, "boris": boris_project, "fiftyone": fiftyone}
    if format_ in files:
        return files[format_].write(exported, output)
    folders = {"elan": elan, "audacity": audacity}
    if format_ in folders:
        return folders[format_].write(exported, output, replace=True)  # the caller compares with what is there
    extension_of(output, (".csv",))
    if isinstance(content, Annotations):
        return table.write(content, output)
    save_detections(content, output)
    return []


def _frame_rates(exported: Exported, fps: float | None) -> Mapping[str, float]:
    """Frames per second of every video. The ``fps`` of an annotation file counts snippets, so it does not help."""
    from rcl.video.decoding import VideoReader

    if fps is not None:
        return dict.fromkeys(exported.videos, float(fps))
    rates = {}
    for name in exported.videos:
        if name not in exported.files:
            fix = "give the folder of the videos with --videos, or their rate with --fps"
            expected = "its frames per second, because Label Studio counts in frames"
            raise InputError(f"video {name!r}", expected=expected, found="neither its file nor a rate", fix=fix)
        rates[name] = VideoReader(exported.files[name]).rate
    return rates
