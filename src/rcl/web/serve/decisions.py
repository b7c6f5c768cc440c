"""What the user decided: the labels of finished videos, and the reviews of those that are not."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple

from rcl.data.annotations import VideoAnnotation
from rcl.web.serve.annotation_file import NEW, AnnotationFile, check_revision, revision_of, segments_of
from rcl.web.serve.file_content import Segment
from rcl.web.serve.review_file import ReviewFile, VideoReview


class Decided(NamedTuple):
    """What is saved of one video.

    Args:
        labelled: its annotation in the annotation file, which training reads; ``None`` if it is not in there.
        review: what is remembered beside it.
    """

    labelled: VideoAnnotation | None = None
    review: VideoReview = VideoReview()

    @property
    def segments(self) -> list[Segment]:
        """The labels, and the segments that are not among them yet."""
        labelled = segments_of(self.labelled)
        known = {*labelled}
        return [*labelled, *(segment for segment in self.review.segments if segment not in known)]

    @property
    def is_unfinished(self) -> bool:
        """Whether the review was begun, and the video is not in the labels."""
        return self.labelled is None and bool(self.review.segments or self.review.rejected)

    @property
    def revision(self) -> str:
        """Changes when anything does that a page shows; ``NEW`` if nothing is saved."""
        parts = ("" if self.labelled is None else revision_of(self.labelled), self.review.revision)
        return "-".join(part for part in parts if part) or NEW


class Decisions:
    """An annotation file and the file of reviews beside it, changed together.

    Of two files that cannot be written at once, the one that holds more is written first: an interruption in between
    leaves a segment in both, never in none.
    """

    def __init__(self, annotations: AnnotationFile, reviews: ReviewFile) -> None:
        self.annotations, self.reviews = annotations, reviews
        self._lock = threading.RLock()

    def read(self) -> Mapping[str, Decided]:
        """All that is saved, by the name of the video.

        Raises:
            InputError: a file is damaged.
        """
        with self._lock:  # not between the two files of a change
            labelled, reviews = self.annotations.read(), self.reviews.read()
        names = {**labelled, **reviews}
        return {name: Decided(labelled.get(name), reviews.get(name, VideoReview())) for name in names}

    def of(self, name: str) -> Decided:
        """What is saved of one video.

        Raises:
            InputError: a file is damaged.
        """
        return self.read().get(name, Decided())

    def finish(
        self,
        name: str,
        segments: list[Segment],
        rejected: list[Segment] | None,
        *,
        revision: str | None,
        known: VideoAnnotation | None = None,
    ) -> Decided:
        """Put a video in the labels: these are all its segments, and nothing else happens in it.

        Args:
            name: of the video.
            segments: all its segments.
            rejected: detections that the user rejected; ``None`` leaves those of before.
            revision: that the page began with; ``None`` overwrites any.
            known: the annotation of a video that is not in the file yet.

        Raises:
            OutdatedError: another page or program saved the video in the meantime.
            InputError: a file is damaged or cannot be written.
        """
        with self._lock:
            before = self._current(name, revision)
            entry = before.review.entry
            self.annotations.save(name, segments, revision=None, known=known, entry=entry)
            self.reviews.write(name, VideoReview(rejected=_or_before(rejected, before)))
            return self.of(name)

    def keep(
        self, name: str, segments: list[Segment], rejected: list[Segment] | None, *, revision: str | None
    ) -> Decided:
        """Keep the segments of a video that is not finished; if it is in the labels, it is taken out of them.

        Raises:
            OutdatedError: another page or program saved the video in the meantime.
            InputError: a file is damaged or cannot be written.
        """
        with self._lock:
            return self._keep(name, segments, rejected, self._current(name, revision))

    def take_out(self, name: str, *, revision: str | None) -> Decided:
        """Take a video out of the labels; its segments are kept.

        Raises:
            OutdatedError: another page or program saved the video in the meantime.
            InputError: a file is damaged or cannot be written.
        """
        with self._lock:
            before = self._current(name, revision)
            return self._keep(name, before.segments, None, before)

    def _keep(self, name: str, segments: list[Segment], rejected: list[Segment] | None, before: Decided) -> Decided:
        entry = self.annotations.entry_of(name) or before.review.entry
        self.reviews.write(name, VideoReview(tuple(sorted(segments)), _or_before(rejected, before), entry))
        self.annotations.remove(name)
        return self.of(name)

    def _current(self, name: str, revision: str | None) -> Decided:
        decided = self.of(name)
        check_revision(self.annotations.path, name, revision, decided.revision)
        return decided


def _or_before(rejected: list[Segment] | None, before: Decided) -> tuple[Segment, ...]:
    return before.review.rejected if rejected is None else tuple(sorted(rejected))
