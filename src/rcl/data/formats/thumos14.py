"""The tables of ground truth that public THUMOS14 code uses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.values import VideoDraft, to_label, to_segment
from rcl.system.errors import Defect, Problems, located, shown
from rcl.system.text_formats import parse_csv

AMBIGUOUS = "Ambiguous"
# Test videos that published evaluations leave out: two are annotated wrongly, 1292 has only ambiguous instances.
THUMOS14_LEFT_OUT = ("video_test_0000270", "video_test_0001292", "video_test_0001496")


def is_thumos14(text: str) -> bool:
    """Whether a table is one that :func:`parse` takes, judged by its header."""
    return is_header(text.partition("\n")[0].split(","))


def is_header(names: Iterable[str]) -> bool:
    """Whether a table has the columns of public THUMOS14 code."""
    header = {name.strip().lower() for name in names}
    return {"video", "type", "start", "end"} <= header and "label" not in header


def parse(
    *tables: tuple[str, str], stride_frames: int | None = None, ambiguous: bool = False, leave_out: Collection[str] = ()
) -> Annotations:
    """Annotations of tables ``video,type,type_idx,start,end,startFrame,endFrame``, one row per instance.

    Args:
        tables: content and file, for messages, of one table or several, each with videos of its own.
        stride_frames: frames from one snippet to the next.
        ambiguous: keep the instances with the label ``Ambiguous``.
        leave_out: videos to skip.

    Raises:
        InputError: a table is damaged or of another kind, a value is wrong, or two tables have the same video.
    """
    drafts, problems = dict[str, _Draft](), Problems()
    required = ("video", "type", "start", "end", *(("startframe", "endframe") if stride_frames else ()))
    for text, source in tables:
        earlier = set(drafts)
        for line, fields in parse_csv(text, source, required, ("type_idx", "startframe", "endframe")):
            row = {key: value.strip() for key, value in fields.items()}
            if row["video"] in leave_out:
                continue
            with problems.located(f"{source}, line {line}, video {row['video']!r}"):
                if row["video"] in earlier:
                    raise Defect(expected="each video in one file", found="it in two", fix="give each file once")
                _add_row(drafts, row, keep=ambiguous or row["type"] != AMBIGUOUS, frames=bool(stride_frames))
    problems.raise_first()
    if stride_frames:
        for name, draft in drafts.items():
            with located(f"video {name!r}"):
                draft.fps = draft.frame_rate() / stride_frames
    videos: dict[str, VideoAnnotation] = {name: draft.finish(name) for name, draft in drafts.items()}
    return Annotations(videos, source=", ".join(source for _, source in tables))


@dataclass
class _Draft(VideoDraft):
    """A video, with the times and the frames of all its instances, from which its frame rate follows."""

    times: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)

    def frame_rate(self) -> float:
        """The frames per second that best fit the times and their frames (least squares)."""
        seconds, frames = np.array(self.times), np.array(self.frames)  # (2N,) both
        rate = float(seconds @ frames) / max(float(seconds @ seconds), np.finfo(float).tiny)
        if not 1 <= rate <= 1000:
            fix = "correct the columns start, end, startFrame and endFrame"
            found = f"{rate:.3g} by its instances"
            raise Defect(expected="a number of frames per second", found=found, fix=fix)
        return rate


def _add_row(drafts: dict[str, _Draft], row: Mapping[str, str], *, keep: bool, frames: bool) -> None:
    name = row["video"]
    if not name:
        raise Defect(expected="the name of a video", found="none", fix="add it")
    draft = drafts.setdefault(name, _Draft(_subset_of(name)))
    segment, label = to_segment(row["start"], row["end"]), to_label(row["type"])
    if frames:
        draft.frames.extend(to_segment(row["startframe"], row["endframe"]))
        draft.times.extend(segment)
    if keep:
        draft.add(segment, label)


def _subset_of(name: str) -> str:
    if name.startswith("video_validation_"):
        return "training"
    if name.startswith("video_test_"):
        return "validation"
    expected = "a video of THUMOS14 (video_validation_…, video_test_…)"
    raise Defect(expected=expected, found=shown(name), fix="write own videos as video,start,end,label,subset")
