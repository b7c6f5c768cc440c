"""``rcl export`` and ``rcl import``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from rcl.cli.console import notes
from rcl.data.annotations import Annotations, to_subset
from rcl.data.detections import Detections
from rcl.data.formats import elan, label_studio, table, via
from rcl.data.formats.exported import FORMATS, Exported
from rcl.data.formats.load import import_annotations, load_content, save_annotations
from rcl.data.formats.results import save_detections
from rcl.data.pack import find_annotations
from rcl.system.errors import Defect, InputError, listed
from rcl.system.text_files import extension_of

MAX_FPS = 10**6  # beyond, numbers of frames do not fit into 64 bits


def export(
    input_: Annotated[
        Path, typer.Argument(metavar="INPUT", help="Detections, annotations, or a pack; or a file of another tool.")
    ],
    format_: Annotated[str, typer.Option("--format", help="label-studio, via, elan or csv.")],
    output: Annotated[Path, typer.Option(help=".json for label-studio and via, .csv for csv, a folder for elan.")],
    min_score: Annotated[float | None, typer.Option(help="Without detections of a lower score.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Only the K best detections of each video.")] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the videos, to link them and to know their rate.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second of the videos, for label-studio, which counts in frames.")
    ] = None,
) -> None:
    """Write detections or annotations for an annotation tool, to be seen and corrected there."""
    if format_ not in FORMATS:
        raise InputError("--format", expected=listed(FORMATS), found=format_, fix="correct it")
    _check_rate(fps)
    path = find_annotations(input_) if input_.is_dir() else input_
    content = load_content(path, fps=fps)
    if isinstance(content, Detections):
        content = _best(content, min_score, top)
    elif min_score is not None or top is not None:
        option = "--min-score" if min_score is not None else "--top"
        raise InputError(option, expected="detections", found="annotations, without scores", fix="leave it out")
    files = _files_of([*content.videos], videos) if videos else {}
    exported = Exported.of(content, files)
    if format_ == "label-studio":
        rates = _frame_rates(exported, fps)
        lost = label_studio.write(exported, output, fps=rates, folder=videos)
    elif format_ == "via":
        lost = via.write(exported, output)
    elif format_ == "elan":
        lost = elan.write(exported, output)
    else:
        lost = _write_table(content, output)
    if lost:
        notes.print(f"rcl: not kept: {'; '.join(lost)}.", markup=False)
    guessed = [exported.media_of(name) for name in exported.videos if name not in exported.files]
    if guessed and format_ != "csv":
        fix = "" if videos else "; with --videos FOLDER they have the names of their files"
        notes.print(f"rcl: the videos are taken to be called {listed(guessed, 2)}{fix}.", markup=False)
    count = len(exported.all())
    print(f"{count} {'detections' if exported.scored else 'instances'} in {len(exported.videos)} videos: {output}")


def import_(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Of Label Studio or VIA (.json), ELAN (.eaf), or a table.")
    ],
    output: Annotated[Path, typer.Option(help="The annotations: .json or .csv.")],
    subset: Annotated[
        str | None, typer.Option(help="Put all videos into this subset; training by default, unless the files say.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second of Label Studio's frames; by default what the tasks say.")
    ] = None,
) -> None:
    """Read what an annotation tool saved, and write annotations to train and evaluate on."""
    _check_rate(fps)
    extension_of(output, (".json", ".csv"))
    annotations = Annotations.merge([import_annotations(path, fps=fps) for path in inputs])
    if subset:
        try:
            annotations = annotations.with_subset(to_subset(subset))
        except Defect as defect:
            raise defect.at("--subset") from None
    if output.suffix.lower() == ".csv":
        lost = table.write(annotations, output)
        if lost:
            notes.print(f"rcl: not kept: {'; '.join(lost)}.", markup=False)
    else:
        save_annotations(annotations, output)
    count = sum(len(video.labels) for video in annotations.videos.values())
    print(f"{count} instances in {len(annotations.videos)} videos: {output}")


def _check_rate(fps: float | None) -> None:
    if fps is not None and not 0 < fps <= MAX_FPS:
        expected = f"frames per second above 0, at most {MAX_FPS:,}"
        raise InputError("--fps", expected=expected, found=str(fps), fix="correct it")


def _best(detections: Detections, min_score: float | None, top: int | None) -> Detections:
    if min_score is not None:
        kept = detections.scores >= min_score  # (K,)
        detections = Detections(
            detections.videos,
            detections.video_index[kept],
            detections.segments_seconds[kept],
            detections.labels,
            detections.label_index[kept],
            np.asarray(detections.scores)[kept],
        )
    return detections if top is None else detections.top(top)


def _files_of(names: list[str], folder: Path) -> dict[str, Path]:
    """The files of the videos; those that are missing are told."""
    from rcl.video.finding import find_videos

    found, _ = find_videos([folder])
    files = {name: file for name in names if (file := found.get(name) or found.get(Path(name).stem))}
    missing = [name for name in names if name not in files]
    if missing:
        notes.print(f"rcl: no file in {folder} of {listed(missing)}.", markup=False)
    return files


def _frame_rates(exported: Exported, fps: float | None) -> Mapping[str, float]:
    """Frames per second of every video. The fps of annotations is none: it counts snippets."""
    from rcl.video.decoding import VideoReader

    rates = {}
    for name in exported.videos:
        file = exported.files.get(name)
        if fps is None and file is None:
            fix = "give the folder of the videos with --videos, or their rate with --fps"
            expected = "its frames per second, as Label Studio counts in frames"
            raise InputError(f"video {name!r}", expected=expected, found="neither its file nor a rate", fix=fix)
        rates[name] = VideoReader(file).rate if fps is None and file is not None else float(fps or 0)
    return rates


def _write_table(content: Annotations | Detections, output: Path) -> list[str]:
    extension_of(output, (".csv",))
    if isinstance(content, Annotations):
        return table.write(content, output)
    save_detections(content, output)
    return []
