"""Annotations as a table, which spreadsheets and ``load_annotations`` read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from rcl.data.annotations import Annotations
from rcl.system.text_files import PathLike, extension_of, write_text


def write(annotations: Annotations, path: PathLike) -> list[str]:
    """Write ``video,start,end,label,subset,duration,fps`` at full precision; a video without instances has one row.

    Returns:
        What is not kept, in words for the user.

    Raises:
        InputError: the path does not end in ``.csv`` or cannot be written.
    """
    extension_of(Path(path), (".csv",))
    table = io.StringIO(newline="")
    writer = csv.writer(table)  # its line ends are \r\n, so that labels with either of the two are put in quotes
    writer.writerow(("video", "start", "end", "label", "subset", "duration", "fps"))
    for video in annotations.videos.values():
        rest = video.subset, video.duration_seconds, video.snippets_per_second
        rows = [(*pair, label) for pair, label in zip(video.segments_seconds.tolist(), video.labels, strict=True)]
        writer.writerows((video.name, *row, *rest) for row in rows or [("", "", "")])
    write_text(path, table.getvalue())
    words = [word for video in annotations.videos.values() for word in (video.name, *video.labels)]
    return ["blanks around names and labels"] if any(word != word.strip() for word in words) else []
