"""What the user decided: the labels of finished videos, and the reviews of those that are not."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rcl.data.annotations import VideoAnnotation
from rcl.data.formats.values import Pair
from rcl.web.serve.annotation_file import NEW, AnnotationFile, check_revision, revision_of, segments_of
from rcl.web.serve.file_content import REVIEWED, Intervals, Renaming, Replacement, Segment, reviewed_of
from rcl.web.serve.review_file import ReviewFile, VideoReview


class Decided(NamedTuple):
    """What is saved of one video.

    Args:
        labelled: its annotation in the annotation file, which training reads; ``None`` if it is not in there.
        review: what is remembered beside it.
        remarked: its segments in the annotation file with the remarks on them.
    """

    labelled: VideoAnnotation | None = None
    review: VideoReview = VideoReview()
    remarked: Sequence[Segment] = ()

    @property
    def segments(self) -> list[Segment]:
        """The draft if there is one; otherwise the labels, and the segments that are not among them yet."""
        return self.saved if self.review.draft is None else [*self.review.draft]

    @property
    def saved(self) -> list[Segment]:
        """The segments without the draft."""
        labelled = segments_of(self.labelled, self.remarked)
        known = {*labelled}
        return [*labelled, *(segment for segment in self.review.segments if segment not in known)]

    @property
    def reviewed(self) -> Intervals:
        """The parts that the user looked at, as far as known; of a video in the labels, none means all of it."""
        is_open = self.labelled is None or self.review.draft is not None
        return self.review.reviewed if is_open else reviewed_of(self.labelled) or ()

    @property
    def is_partial(self) -> bool:
        """Whether the labels of the video, or those that it was taken out with, are those of parts of it."""
        if self.labelled is None:
            return REVIEWED in (self.review.entry or {})
        return self.labelled.reviewed_seconds is not None

    @property
    def is_unfinished(self) -> bool:
        """Whether the review was begun, and the video is not in the labels."""
        return self.labelled is None and self.review != VideoReview(entry=self.review.entry)

    @property
    def revision(self) -> str:
        """Changes when anything does that a page shows; ``NEW`` if nothing is saved."""
        parts = (
            "" if self.labelled is None else revision_of(self.labelled, self.remarked),
            self.review.revision,
        )
        return "-".join(part for part in parts if part) or NEW


class Decisions:
    """An annotation file and the file of reviews beside it, changed together.

    Two files cannot be written at once. So what the page shows is written as a draft first: an interruption before the
    last step leaves a segment in both files, never in none, and the page shows it as before.
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
            remarked = self.annotations.remarked()
        return {
            name: Decided(labelled.get(name), reviews.get(name, VideoReview()), remarked.get(name, ()))
            for name in {**labelled, **reviews}
        }

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
        reviewed: Intervals | None = None,
        annotator: str = "",
    ) -> Decided:
        """Put a video in the labels: these are all its segments, and nothing else happens in what was looked at.

        Args:
            name: of the video.
            segments: all its segments.
            rejected: detections that the user rejected; ``None`` leaves those of before.
            revision: that the page began with; ``None`` overwrites any.
            known: the annotation of a video that is not in the file yet.
            reviewed: the parts that the user looked at; ``None`` for the whole video.
            annotator: the name of who decides that; segments have their own.

        Raises:
            OutdatedError: another page or program saved the video in the meantime.
            InputError: a file is damaged or cannot be written.
        """
        with self._lock:
            before = self._current(name, revision)
            if before.review.draft is not None or before.review.segments:
                self._write_draft(name, before.review, segments, reviewed or ())
            new = Replacement(name, segments, known, before.review.entry, reviewed, annotator)
            self.annotations.save(new, revision=None)
            self.reviews.write(name, VideoReview(rejected=_or_before(rejected, before)))
            return self.of(name)

    def keep(
        self,
        name: str,
        segments: list[Segment],
        rejected: list[Segment] | None,
        *,
        revision: str | None,
        reviewed: Intervals = (),
    ) -> Decided:
        """Keep the segments of a video that is not finished; if it is in the labels, it is taken out of them.

        Raises:
            OutdatedError: another page or program saved the video in the meantime.
            InputError: a file is damaged or cannot be written.
        """
        with self._lock:
            return self._keep(name, segments, rejected, self._current(name, revision), reviewed)

    def draft(
        self,
        name: str,
        segments: list[Segment],
        rejected: list[Segment] | None,
        *,
        revision: str | None,
        known: VideoAnnotation | None = None,
        reviewed: Intervals = (),
    ) -> Decided:
        """Keep what a page shows of a video; whether it is in the labels, and with what, stays as it is.

        Args:
            name: of the video.
            segments: all its segments; a label may be empty.
            rejected: detections that the user rejected; ``None`` leaves those of before.
            revision: that the page began with; ``None`` overwrites any.
            known: the annotation of a video of which nothing is saved.
            reviewed: the parts that the user looked at.

        Raises:
            OutdatedError: another page or program saved the video in the meantime.
            InputError: a file is damaged or cannot be written.
        """
        with self._lock:
            before = self._current(name, revision)
            is_new = before.labelled is None and not before.is_unfinished
            saved = segments_of(known) if is_new else before.saved
            stated = known if is_new else before.labelled  # it says what was reviewed
            parts = reviewed if stated is None else reviewed_of(stated) or ()
            is_same = sorted(segments) == sorted(saved) and reviewed == parts
            draft = None if is_same else tuple(sorted(segments))
            parts = reviewed if stated is None or draft is not None else ()
            review = before.review._replace(draft=draft, rejected=_or_before(rejected, before), reviewed=parts)
            self.reviews.write(name, review)
            return self.of(name)

    def times_of(self, label: str) -> dict[str, list[Pair]]:
        """The segments that have a label, in the labels or beside them, by the name of the video.

        Raises:
            InputError: a file is damaged.
        """
        with self._lock:
            labelled, reviews = self.annotations.times_of(label), self.reviews.read()
        times = {
            name: {*labelled.get(name, ()), *reviews.get(name, VideoReview()).times_of(label)}
            for name in {*labelled, *reviews}
        }
        return {name: sorted(pairs) for name, pairs in times.items() if pairs}

    def rename(self, renaming: Renaming) -> int:
        """Give a label another name, and return how many segments of the labels got it.

        Raises:
            InputError: a file is damaged or cannot be written.
        """
        with self._lock:
            count = self.annotations.rename(renaming)
            self.reviews.rename(renaming)
            return count

    def take_out(self, name: str, *, revision: str | None) -> Decided:
        """Take a video out of the labels; its segments are kept.

        Raises:
            OutdatedError: another page or program saved the video in the meantime.
            InputError: a file is damaged or cannot be written.
        """
        with self._lock:
            before = self._current(name, revision)
            return self._keep(name, before.segments, None, before, before.reviewed)

    def _keep(
        self,
        name: str,
        segments: list[Segment],
        rejected: list[Segment] | None,
        before: Decided,
        reviewed: Intervals,
    ) -> Decided:
        entry = self.annotations.entry_of(name) or before.review.entry
        unlabelled = any(not segment.label for segment in segments)
        kept = tuple(sorted(segments))  # a segment without a label can only be in a draft
        kept, draft = ((), kept) if unlabelled else (kept, None)
        review = VideoReview(kept, _or_before(rejected, before), entry, draft, reviewed)
        if before.labelled is not None:
            self._write_draft(name, review, segments, reviewed)
            self.annotations.remove(name)
        self.reviews.write(name, review)
        return self.of(name)

    def _write_draft(self, name: str, review: VideoReview, segments: list[Segment], reviewed: Intervals) -> None:
        self.reviews.write(name, review._replace(draft=tuple(sorted(segments)), reviewed=reviewed))

    def _current(self, name: str, revision: str | None) -> Decided:
        decided = self.of(name)
        check_revision(self.annotations.path, name, revision, decided.revision)
        return decided


def _or_before(rejected: list[Segment] | None, before: Decided) -> tuple[Segment, ...]:
    return before.review.rejected if rejected is None else tuple(sorted(rejected))
