"""Annotations as a table, for spreadsheets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rcl.data.annotations import Annotations, to_subset
from rcl.data.formats.values import VideoDraft, to_label, to_optional, to_segment
from rcl.system.errors import Defect, Problems
from rcl.system.paths import PathLike
from rcl.system.text_files import extension_of, write_text
from rcl.system.text_formats import csv_text, parse_csv

_REQUIRED, _OPTIONAL = ("video", "start", "end", "label"), ("subset", "duration", "fps")


def write(annotations: Annotations, path: PathLike) -> list[str]:
    """Write ``video,start,end,label,subset,duration,fps`` at full precision; a video without instances has one row.

    Returns:
        What is lost, in words for the user.

    Raises:
        InputError: the path does not end in ``.csv`` or cannot be written.
    """
    extension_of(Path(path), (".csv",))
    rows: list[tuple[object, ...]] = [(*_REQUIRED, *_OPTIONAL)]
    for video in annotations.videos.values():
        pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
        instances = [(*segment, label) for segment, label in pairs] or [("", "", "")]
        rest = video.subset, video.duration_seconds, video.snippets_per_second
        rows += [(video.name, *instance, *rest) for instance in instances]
    write_text(path, csv_text(rows, line_end="\r\n"))
    words = [word for video in annotations.videos.values() for word in (video.name, *video.labels)]
    return ["blanks around names and labels"] if any(word != word.strip() for word in words) else []


def parse(text: str, source: str) -> Annotations:
    """Annotations of a table ``video,start,end,label[,subset][,duration][,fps]``.

    Args:
        text: the content of the file.
        source: the file, for messages.

    Raises:
        InputError: it is damaged or of another kind, or a value is wrong.
    """
    drafts, problems = dict[str, VideoDraft](), Problems()
    for line, fields in parse_csv(text, source, _REQUIRED, _OPTIONAL):
        row = {key: value.strip() for key, value in fields.items()}
        with problems.located(f"{source}, line {line}, video {row['video']!r}"):
            _add_row(drafts.setdefault(row["video"], VideoDraft()), row)
    problems.raise_first()
    return Annotations({name: draft.finish(name) for name, draft in drafts.items()}, source=source)


def _add_row(draft: VideoDraft, row: dict[str, str]) -> None:
    if not row["video"]:
        raise Defect(expected="the name of a video", found="none", fix="add it")
    draft.subset = _agreed("subset", draft.subset or None, to_subset(row.get("subset", "training")))
    draft.duration = _agreed("duration", draft.duration, to_optional(row.get("duration") or None, "duration"))
    draft.fps = _agreed("fps", draft.fps, to_optional(row.get("fps") or None, "fps"))
    if row["start"] or row["end"] or row["label"]:  # otherwise the row only names its video
        draft.add(to_segment(row["start"], row["end"]), to_label(row["label"]))


def _agreed(what: str, known: Any, stated: Any) -> Any:
    """The value of a column that all rows of a video share; either of the two may be ``None``."""
    if known is not None and stated is not None and known != stated:
        fix = f"give all rows of the video the same {what}"
        raise Defect(expected=f"the {what} {known} of its earlier rows", found=str(stated), fix=fix)
    return stated if known is None else known
