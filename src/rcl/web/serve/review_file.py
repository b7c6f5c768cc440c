"""What a review remembers beside the labels: rejections, drafts, and the segments of videos that are not finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rcl.data.formats.values import Pair, to_label, to_number, to_reviewed
from rcl.data.names import match_names
from rcl.system.errors import Defect, InputError, located
from rcl.system.text_files import read_json, write_json
from rcl.web.serve.file_content import REMARKS, Entry, Intervals, Renaming, Segment, union
from rcl.web.serve.file_entry import checked_entry, entry_renamed, times_in
from rcl.web.serve.held_file import HeldFile

FORMAT = "RCL review"


class VideoReview(NamedTuple):
    """What is remembered of one video.

    Args:
        segments: those of a video that is not in the labels yet.
        rejected: detections that the user rejected.
        entry: what the annotation file said of the video before it was taken out of it.
        draft: all its segments as the page shows them, where these differ from what was saved; a label may be empty.
        reviewed: the parts that the user looked at, in a draft or in a video that is not in the labels yet.
    """

    segments: tuple[Segment, ...] = ()
    rejected: tuple[Segment, ...] = ()
    entry: Entry | None = None
    draft: tuple[Segment, ...] | None = None
    reviewed: Intervals = ()

    @property
    def revision(self) -> str:
        """A digest, which changes when anything does that a page shows; empty if there is nothing."""
        shown = (self.segments, self.rejected, self.draft, self.reviewed)
        if shown == ((), (), None, ()):
            return ""
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]

    def times_of(self, label: str) -> set[Pair]:
        """The segments that have a label, be it in the draft or beside it."""
        segments = [*self.segments, *self.rejected, *(self.draft or ())]
        times = {(one.start, one.end) for one in segments if one.label == label}
        return times | (times_in(self.entry, label) if self.entry else set())

    def renamed(self, name: str, renaming: Renaming) -> VideoReview:
        """The same with another name of a label; ``name`` is that of the video."""

        def under(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
            return tuple(one._replace(label=renaming.new) if renaming.concerns(name, one) else one for one in segments)

        draft = None if self.draft is None else under(self.draft)
        entry = self.entry and entry_renamed(self.entry, name, renaming)
        return VideoReview(under(self.segments), under(self.rejected), entry, draft, self.reviewed)


class ReviewFile:
    """The reviews of the videos of an annotation file: ``labels.review.json`` beside ``labels.csv``.

    Args:
        annotations: the annotation file.
        videos: names of the videos.

    Raises:
        InputError: there is such a file already, but it is no file of reviews, or damaged.
    """

    def __init__(self, annotations: Path, videos: Collection[str]) -> None:
        self.path = annotations.with_suffix(".review.json")
        self._videos = videos
        self._file = HeldFile(self.path, self._parse)
        self.read()

    def read(self) -> Mapping[str, VideoReview]:
        """The reviews by the name of the video. The file is read again whenever it has changed.

        Raises:
            InputError: the file is damaged.
        """
        return self._file.get()

    def _parse(self) -> dict[str, VideoReview]:
        reviews = self._read()
        names = match_names(reviews, self._videos).pairs
        known = {key: names.get(key, key) for key in reviews}
        return {key if known[key] in reviews else known[key]: review for key, review in reviews.items()}

    def write(self, name: str, review: VideoReview) -> None:
        """Replace the review of one video, atomically; an empty one is dropped.

        Raises:
            InputError: the file is damaged or cannot be written.
        """
        reviews = self.read()
        if review != reviews.get(name, VideoReview()):
            self._write({**reviews, name: review})

    def rename(self, renaming: Renaming) -> None:
        """Give a label another name, atomically.

        Raises:
            InputError: the file is damaged or cannot be written.
        """
        reviews = self.read()
        renamed = {name: review.renamed(name, renaming) for name, review in reviews.items()}
        if renamed != reviews:
            self._write(renamed)

    def _write(self, reviews: Mapping[str, VideoReview]) -> None:
        videos = {key: _to_json(one) for key, one in reviews.items() if one != VideoReview()}
        write_json(self.path, {"format": FORMAT, "videos": videos}, indent=1)

    def _read(self) -> dict[str, VideoReview]:
        if not self.path.exists():
            return {}
        data = read_json(self.path)
        if data.get("format") != FORMAT or not isinstance(data.get("videos"), dict):
            fix = "rename this file, or give another one to --annotations"
            raise InputError(self.path, expected="reviews of rcl serve", found="another content", fix=fix)
        reviews = {}
        for name, item in data["videos"].items():
            with located(f"{self.path}, video {name!r}"):
                reviews[name] = _review_of(item)
        return reviews


def _to_json(review: VideoReview) -> dict[str, Any]:
    lists = {"segments": review.segments, "rejected": review.rejected}
    content: dict[str, Any] = {key: [one.to_json() for one in segments] for key, segments in lists.items() if segments}
    content |= {"entry": review.entry} if review.entry else {}
    content |= {} if review.draft is None else {"draft": [one.to_json() for one in review.draft]}
    return content | ({"reviewed": review.reviewed} if review.reviewed else {})


def _review_of(item: Any) -> VideoReview:
    try:
        segments = tuple(_segment(one, to_label(one["label"])) for one in item.get("segments", ()))
        rejected = tuple(_segment(one, str(one["label"])) for one in item.get("rejected", ()))
        draft = tuple(_segment(one, str(one["label"])) for one in item["draft"]) if "draft" in item else None
        reviewed = union(to_reviewed(item.get("reviewed")))
        return VideoReview(segments, rejected, checked_entry(item.get("entry")), draft, reviewed)
    except (AttributeError, KeyError, TypeError, IndexError):
        expected, fix = "lists of segments", "correct this video, or remove it from the file"
        raise Defect(expected=expected, found="something else", fix=fix) from None


def _segment(item: Any, label: str) -> Segment:
    remarks = (str(item.get(title, "")) for title in REMARKS)
    return Segment(to_number(item["start"], "start"), to_number(item["end"], "end"), label, *remarks)
