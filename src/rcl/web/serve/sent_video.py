"""What a page sends of a video: all its segments, and what the user looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rcl.system.errors import InputError, located
from rcl.web.serve.annotation_file import segments_of
from rcl.web.serve.decisions import Decided
from rcl.web.serve.file_content import Intervals, Segment, union
from rcl.web.serve.sent_segments import attributed, checked_intervals, checked_name, checked_segments
from rcl.web.serve.videos import Video


class SentVideo(NamedTuple):
    """What a page sent of a video.

    Args:
        where: the video, for messages.
        segments: all its segments, with the names of their annotators.
        rejected: detections that the user rejected; ``None`` leaves those of before.
        reviewed: the parts that the user looked at; ``None`` for the whole video.
        annotator: the name of the user; empty if it is not known.
        revision: that the page began with; ``None`` overwrites any.
    """

    where: str
    segments: list[Segment]
    rejected: list[Segment] | None
    reviewed: Intervals | None
    annotator: str
    revision: str | None

    @property
    def looked_at(self) -> Intervals:
        """The parts that the user looked at, also those that a segment covers.

        Raises:
            InputError: there is none, which would mean the whole video.
        """
        parts = union([*(self.reviewed or ()), *((one.start, one.end) for one in self.segments)])
        if not parts:
            fix = "look at a part, or say that you have looked at all of it"
            raise InputError(self.where, expected="the parts that were looked at", found="none", fix=fix)
        return parts

    def check_decided(self, nothing_happens: Any) -> None:
        """Check that somebody said so of a video without segments, which counts as one without actions.

        Raises:
            InputError: there are no segments and ``nothing_happens`` is not true, or both.
        """
        if bool(self.segments) == (nothing_happens is True):
            both, none = ("both", "send one of them"), ("none", "decide which, or leave the video unsaved")
            found, fix = both if self.segments else none
            raise InputError(self.where, expected='segments, or "nothing_happens"', found=found, fix=fix)


def read_sent(video: Video, before: Decided, sent: Mapping[str, Any], *, unlabelled: bool) -> SentVideo:
    """What a page sent of a video, checked.

    Args:
        video: the video.
        before: what is saved of it; segments that are the same as there stay those of their annotators.
        sent: see :meth:`rcl.web.serve.session.Session.save`.
        unlabelled: whether a label may be empty, as in a draft.

    Raises:
        InputError: a value is something else.
    """
    where = f"video {video.name!r}"
    stored = [*before.segments, *before.saved, *segments_of(video.known)]
    plain = {one.plain for one in stored}
    segments = checked_segments(sent.get("segments"), where, plain, unlabelled=unlabelled)
    rejected, reviewed = sent.get("rejected"), sent.get("reviewed")
    if rejected is not None:
        rejected = checked_segments(rejected, f"{where}, rejected", {*before.review.rejected}, unlabelled=True)
    with located(where):
        annotator = checked_name(sent.get("annotator", ""))
    parts = None if reviewed is None else checked_intervals(reviewed, where)
    return SentVideo(where, attributed(segments, stored, annotator), rejected, parts, annotator, sent.get("revision"))
