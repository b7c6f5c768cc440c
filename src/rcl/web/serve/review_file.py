"""What a review remembers beside the labels: rejected detections, and the segments of videos that are not finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from rcl.data.formats.values import to_label, to_number
from rcl.data.names import match_names
from rcl.system.errors import Defect, InputError, located
from rcl.system.text_files import read_json, write_json
from rcl.web.serve.file_content import Entry, Segment, video_in

FORMAT = "RCL review"


class VideoReview(NamedTuple):
    """What is remembered of one video.

    Args:
        segments: those of a video that is not in the labels yet.
        rejected: detections that the user rejected.
        entry: what the annotation file said of the video before it was taken out of it.
    """

    segments: tuple[Segment, ...] = ()
    rejected: tuple[Segment, ...] = ()
    entry: Entry | None = None

    @property
    def revision(self) -> str:
        """A digest, which changes when the segments or rejections do; empty if there are none."""
        if not self.segments and not self.rejected:
            return ""
        return hashlib.sha256(json.dumps([self.segments, self.rejected]).encode()).hexdigest()[:16]


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
        self.read()

    def read(self) -> dict[str, VideoReview]:
        """The reviews by the name of the video.

        Raises:
            InputError: the file is damaged.
        """
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
        if review == reviews.get(name, VideoReview()):
            return
        reviews[name] = review
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
    content: dict[str, Any] = {key: [one._asdict() for one in segments] for key, segments in lists.items() if segments}
    return {**content, "entry": review.entry} if review.entry else content


def _review_of(item: Any) -> VideoReview:
    try:
        segments = tuple(_segment(one, to_label(one["label"])) for one in item.get("segments", ()))
        rejected = tuple(_segment(one, str(one["label"])) for one in item.get("rejected", ()))
        return VideoReview(segments, rejected, _checked(item.get("entry")))
    except (AttributeError, KeyError, TypeError, IndexError):
        expected, fix = "lists of segments", "correct this video, or remove it from the file"
        raise Defect(expected=expected, found="something else", fix=fix) from None


def _checked(entry: Any) -> Entry | None:
    """What the annotation file said; an error of Python's if it is something else."""
    if entry is None:
        return None
    try:
        video_in(entry, "video")
    except ValueError:
        raise TypeError from None
    if not all(isinstance(row, dict) for row in entry.get("rows", ())) or not isinstance(entry.get("entry", {}), dict):
        raise TypeError
    return dict(entry)


def _segment(item: Any, label: str) -> Segment:
    return Segment(to_number(item["start"], "start"), to_number(item["end"], "end"), label)
