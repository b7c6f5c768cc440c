"""``rcl clips``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.clip_options import ClipOptions, Job, jobs_of
from rcl.cli.console import warn
from rcl.cli.options import Overwrite
from rcl.cli.segments_file import SegmentOptions
from rcl.cli.video_files import files_of
from rcl.system.errors import InputError, counted

if TYPE_CHECKING:
    from rcl.video.clips import Made

_COLUMNS = ("file", "video", "start", "end", "label", "score", "clip_start", "clip_end")
INDEX = "index.csv"


def clips(
    segments: Annotated[
        Path, typer.Argument(metavar="SEGMENTS", help="Detections, annotations of any format, a pack, or a folder.")
    ],
    videos: Annotated[Path, typer.Option(help="Folder of the videos.")],
    output: Annotated[Path, typer.Option(help="Folder for the clips, their thumbnails and index.csv.")],
    chosen: SegmentOptions,
    cutting: ClipOptions,
    overwrite: Overwrite = False,
) -> None:
    """Cut segments out of videos: clips, thumbnails and contact sheets; or whole videos with the labels burnt in.

    After an interruption, run the same command again to continue.
    """
    from rcl.cli.progress import progress_bar
    from rcl.data.fonts import fonts_for

    cutting.check()
    loaded, labels = chosen.load(segments)
    names = [name for name, items in loaded.instances.items() if items]
    jobs = jobs_of(loaded, files_of(names, videos, what=segments), labels, cutting)
    _check_output(output, jobs, cutting, overwrite=overwrite)
    if cutting.draws and (problem := fonts_for(labels).problem()):
        warn(f"{problem}.")
    work = _Work(output, overwrite)
    with progress_bar("Cutting", len(jobs), noun="video" if cutting.whole else "clip") as advance:
        for job in jobs:
            work.do(job)
            advance()
    _write_index(work.rows, output)
    if cutting.contact_sheet:
        _write_sheets(work.done, labels, output)
    work.report(cutting)


@dataclass
class _Work:
    """What is made so far.

    Args:
        output: the folder.
        overwrite: whether files of another origin are replaced.
    """

    output: Path
    overwrite: bool

    def __post_init__(self) -> None:
        self.done: list[tuple[Job, Made]] = []
        self.failed, self.said = 0, set[str]()

    def do(self, job: Job) -> None:
        """Make a clip and its thumbnail, or say once what is wrong with its video."""
        from rcl.video.clips import make
        from rcl.video.contact_sheet import THUMBNAIL_WIDTH, save_picture
        from rcl.video.pictures import picture_at

        try:
            made = make(job.cut(), self.output, job.name, overwrite=self.overwrite)
            picture = self.output / job.thumbnail
            if not job.whole and (made.is_new or not picture.exists()):
                middle = min(
                    job.middle_seconds, (made.start_seconds + made.end_seconds) / 2
                )  # the video may end before
                save_picture(picture_at(job.source, middle, width=THUMBNAIL_WIDTH), picture)
        except InputError as error:
            self.failed += 1
            if str(error) not in self.said:
                warn(error)
            self.said.add(str(error))
        else:
            self.done.append((job, made))

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """Those of the index."""
        return [
            (
                made.path.name,
                job.video,
                *job.facts(made.end_seconds),
                round(made.start_seconds, 3),
                round(made.end_seconds, 3),
            )
            for job, made in self.done
        ]

    def report(self, cutting: ClipOptions) -> None:
        """Say what was made, and exit with status 2 if something could not."""
        noun = "video" if cutting.whole else "clip"
        new = sum(made.is_new for _, made in self.done)
        before = f", {len(self.done) - new} of them by an earlier run" if new < len(self.done) else ""
        if self.done:
            print(f"{self.output}: {counted(len(self.done), noun)}{before}")
        if cutting.copy and self.done:
            moved = [max(job.start_seconds - made.start_seconds, 0) for job, made in self.done]
            mean = sum(moved) / len(moved)
            print(f"copies begin at key frames: {mean:.2f} s early on average, {max(moved):.2f} s at most")
        if self.failed:
            warn(f"{self.failed} of {counted(self.failed + len(self.done), noun)} could not be made; see above.")
            sys.exit(2)


def _check_output(output: Path, jobs: Sequence[Job], cutting: ClipOptions, *, overwrite: bool) -> None:
    from rcl.cli.output_kinds import CLIP_INDEX, PICTURE
    from rcl.cli.outputs import NEW_FOLDER, check_all_replaceable, check_replaceable
    from rcl.system.text_files import check_place

    check_place(output / INDEX)
    check_replaceable(output / INDEX, CLIP_INDEX, overwrite=overwrite, fix=NEW_FOLDER)
    pictures = [] if cutting.whole else [job.thumbnail for job in jobs]
    sheets = [_sheet_name(1)] if cutting.contact_sheet else []
    check_all_replaceable(output, [*pictures, *sheets], PICTURE, overwrite=overwrite)


def _write_index(rows: Sequence[tuple[object, ...]], output: Path) -> None:
    """Write the rows, with those of earlier runs whose files are still there."""
    from rcl.system.text_files import read_text, write_text
    from rcl.system.text_formats import columns_of, csv_text, parse_csv

    path, earlier = output / INDEX, list[tuple[object, ...]]()
    written = {row[0] for row in rows}
    text = read_text(path) if path.is_file() else ""
    if columns_of(text) == _COLUMNS:
        kept = [row for _, row in parse_csv(text, path, _COLUMNS) if row["file"] not in written]
        earlier = [tuple(row[name] for name in _COLUMNS) for row in kept if (output / row["file"]).is_file()]
    ordered = sorted([*earlier, *rows], key=lambda row: str(row[0]))
    if ordered:
        write_text(path, csv_text([_COLUMNS, *ordered], line_end="\r\n"))


def _write_sheets(done: Sequence[tuple[Job, Made]], labels: Sequence[str], output: Path) -> None:
    from rcl.video.contact_sheet import Thumbnail, save_picture, sheets

    thumbnails = [Thumbnail(output / job.thumbnail, job.label, job.line) for job, _ in done]
    for number, sheet in enumerate(sheets(thumbnails, known_labels=labels), 1):
        save_picture(sheet, output / _sheet_name(number))


def _sheet_name(number: int) -> str:
    return f"contact_sheet-{number:02d}.jpg"
