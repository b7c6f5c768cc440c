"""Annotations as a table, which spreadsheets and ``load_annotations`` read."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from rcl.data.annotations import Annotations, VideoAnnotation, to_subset
from rcl.data.formats.values import VideoDraft, to_label, to_positive, to_segment
from rcl.system.errors import Defect, InputError, raise_first
from rcl.system.paths import PathLike
from rcl.system.text_files import extension_of, read_csv, write_text


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


def read_table(path: Path) -> dict[str, VideoAnnotation]:
    rows = read_csv(path, ("video", "start", "end", "label"), ("subset", "duration", "fps"))
    drafts, problems = dict[str, VideoDraft](), list[InputError]()
    for line, fields in rows:
        row = {key: value.strip() for key, value in fields.items()}
        draft = drafts.setdefault(row["video"], VideoDraft())
        try:
            _add_row(draft, row)
        except Defect as defect:
            problems.append(defect.at(f"{path}, line {line}, video {row['video']!r}"))
    raise_first(problems)
    return {name: draft.finish(name) for name, draft in drafts.items()}


def _add_row(draft: VideoDraft, row: dict[str, str]) -> None:
    if not row["video"]:
        raise Defect(expected="the name of a video", found="none", fix="add it")
    draft.subset = _agreed("subset", draft.subset or None, to_subset(row.get("subset", "training")))
    draft.duration = _agreed("duration", draft.duration, to_positive(row.get("duration") or None, "duration"))
    draft.fps = _agreed("fps", draft.fps, to_positive(row.get("fps") or None, "fps"))
    if row["start"] or row["end"] or row["label"]:  # otherwise the row only names its video
        segment, label = to_segment(row["start"], row["end"]), to_label(row["label"])
        draft.segments.append(segment)
        draft.labels.append(label)


def _agreed(what: str, known: Any, stated: Any) -> Any:
    """A video's one value of a column: earlier rows' or this row's, which may not differ."""
    if known is not None and stated is not None and known != stated:
        fix = f"give all rows of the video the same {what}"
        raise Defect(expected=f"the {what} {known} of its earlier rows", found=str(stated), fix=fix)
    return stated if known is None else known
