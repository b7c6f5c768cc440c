"""The state of the server: videos, running detections, features in memory and annotations. Independent of HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rcl.data.formats.subtitles import MIN_SCORE
from rcl.detector.localizer import Localizer
from rcl.detector.scoring import SegmentScores
from rcl.web.serve.annotation_file import AnnotationFile, segments_of
from rcl.web.serve.assignment_file import AssignmentFile
from rcl.web.serve.class_changes import ClassChanges
from rcl.web.serve.class_file import KEYS, ClassFile
from rcl.web.serve.decisions import Decided, Decisions
from rcl.web.serve.detecting import Detecting
from rcl.web.serve.file_content import Segment, reviewed_of
from rcl.web.serve.learning import Learning
from rcl.web.serve.media import Header, Media, read_header
from rcl.web.serve.people import People
from rcl.web.serve.review_file import ReviewFile
from rcl.web.serve.sent_video import SentVideo, read_sent
from rcl.web.serve.suggestions import Suggestions
from rcl.web.serve.videos import Video, folder_of, labels_of, list_videos, video_of


class Session:
    """One folder of videos, one file of annotations, and perhaps a detector.

    Args:
        localizer: the detector; ``None`` to label without one.
        root: a folder of videos, a video, or a pack of features.
        annotations: the file of corrected segments; by default ``rcl-annotations.csv`` in the folder.
        annotator: the name that is kept with segments; by default each page has its own, if any.

    Raises:
        InputError: there is no video, or the annotations cannot be read or written.
    """

    def __init__(
        self, localizer: Localizer | None, root: Path, annotations: Path | None = None, *, annotator: str = ""
    ) -> None:
        self.folder = folder_of(root)
        self.videos = list_videos(root, localizer)
        names = [video.name for video in self.videos.values()]
        self.annotations = AnnotationFile(labels_of(root, annotations), names)
        self.decisions = Decisions(self.annotations, ReviewFile(self.annotations.path, names))
        self.classes = ClassFile(self.annotations.path)
        self.people = People(AssignmentFile(self.annotations.path), self.videos, annotator)
        self.detecting = Detecting(localizer, self.videos)
        self.learning = Learning(root, self.annotations, self.videos, self.detecting)
        self.suggestions = Suggestions(root, self.videos, self.decisions, self.detecting, self.learning)
        self.class_changes = ClassChanges(self.classes, self.decisions, self._labels)
        self.media = Media()

    def close(self) -> None:
        """Cancel all detections, and end all processes."""
        self.learning.close()
        self.detecting.close()

    # -- what the page shows ------------------------------------------------------------------------------------------

    def overview(self) -> dict[str, Any]:
        """The videos and classes of the whole session."""
        decided = self.decisions.read()
        return {
            **self.people.overview(decided),
            "folder": str(self.folder),
            "annotations": str(self.annotations.path),
            "min_score": MIN_SCORE,
            "classes": [one._asdict() for one in self.classes.read(self._labels(decided))],
            "keys": KEYS,
            "detector": self.detecting.localizer is not None,
            "videos": [
                {
                    "key": video.key,
                    "name": video.name,
                    "detected": self.detecting.result(video.key) is not None,
                    "revision": decided.get(video.name, Decided()).revision,
                    **_state(decided.get(video.name, Decided()), video),
                }
                for video in self.videos.values()
            ],
        }

    def _labels(self, decided: Mapping[str, Decided] | None = None) -> list[str]:
        """The labels in use: those of the detector first."""
        decided = self.decisions.read() if decided is None else decided
        first = self.detecting.localizer.labels if self.detecting.localizer else ()
        used = {segment.label for one in decided.values() for segment in one.segments}
        used |= {label for video in self.videos.values() if video.known for label in video.known.labels}
        return [*first, *sorted(used - {*first, ""})]

    def file(self, key: str) -> Path | None:
        """The file of a video to play, if there is one and it lies in the folder."""
        video = self.videos.get(key)
        return video.playable(self.folder) if video else None

    def unfinished(self) -> list[str]:
        """The names of the videos whose review was begun and that are not in the labels."""
        decided = self.decisions.read()
        names = (video.name for video in self.videos.values())
        return [name for name in names if name in decided and decided[name].is_unfinished]

    def video(self, key: str) -> dict[str, Any]:
        """The annotations, detections and job of one video."""
        video = self._video(key)
        decided = self.decisions.of(video.name)
        is_new = decided.labelled is None and not decided.is_unfinished
        return {
            "key": key,
            "name": video.name,
            "file": video.path.name if video.path else None,
            "annotations": _as_json(segments_of(video.known) if is_new else decided.segments),
            "rejected": _as_json(decided.review.rejected),
            "reviewed": reviewed_of(video.known) or () if is_new else decided.reviewed,
            "revision": decided.revision,
            **_state(decided, video),
            "job": self.job(key),
            **self._result(key),
        }

    def job(self, key: str) -> dict[str, Any] | None:
        """The progress of detecting in a video; ``None`` before the first request."""
        return self.detecting.job(self._video(key).key)

    def _result(self, key: str) -> dict[str, Any]:
        result, known = self.detecting.result(key), self.videos[key].known
        path = self.file(key)
        header = read_header(path) if path else Header(known.duration_seconds if known else None)
        return {
            "duration": result.duration_seconds if result else header.duration_seconds,
            "frame_rate": header.frames_per_second,
            "sound": header.has_sound,
            "snippet": result.snippet_seconds if result else None,
            "problems": list(result.problems) if result else [],
            "detections": result.detections if result else None,
            "scored": self.detecting.is_encoded(key),
        }

    # -- detection ----------------------------------------------------------------------------------------------------

    def detect(self, key: str) -> dict[str, Any] | None:
        """Queue the detection in a video; return :meth:`job`.

        Raises:
            NotReadyError: there is no detector.
        """
        self.detecting.submit(self._video(key).key)
        return self.job(key)

    def cancel(self, key: str) -> dict[str, Any] | None:
        """Cancel the detection in a video; return :meth:`job`."""
        self.detecting.cancel(self._video(key).key)
        return self.job(key)

    def score(self, key: str, segments_seconds: Any) -> SegmentScores:
        """The scores of segments; see :meth:`Detecting.score`."""
        return self.detecting.score(self._video(key).key, segments_seconds)

    # -- annotations --------------------------------------------------------------------------------------------------

    def save(self, key: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Save what the user decided in one video.

        Args:
            key: of the video.
            sent: ``segments`` and ``rejected`` detections, each ``{"start", "end", "label"}`` in seconds; the
                ``revision`` that the page began with; ``reviewed``, the parts that the user looked at, if not the whole
                video; ``annotator``, the name of who changed what is new; ``finished``, false if the video stays out of
                the labels; ``nothing_happens``, true for a video without actions.

        Returns:
            The new revision, and the state of the video.

        Raises:
            InputError: a segment is something else, or there is none and ``nothing_happens`` is not true; or see
                :meth:`Decisions.finish`.
        """
        video = self._video(key)
        read = self._sent(video, sent, unlabelled=False)
        if sent.get("finished", True) is False:
            kept = self.decisions.keep(
                video.name, read.segments, read.rejected, revision=read.revision, reviewed=read.reviewed or ()
            )
            return _saved(kept, video)
        read.check_decided(sent.get("nothing_happens", False))
        finished = self.decisions.finish(
            video.name,
            read.segments,
            read.rejected,
            revision=read.revision,
            known=video.known,
            reviewed=None if read.reviewed is None else read.looked_at,
            annotator=read.annotator,
        )
        return _saved(finished, video)

    def draft(self, key: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what a page shows of a video, which is not decided yet, so that nothing is lost; see :meth:`save`.

        Raises:
            InputError: a segment is something else; or see :meth:`Decisions.draft`.
        """
        video = self._video(key)
        read = self._sent(video, sent, unlabelled=True)
        facts = read.segments, read.rejected
        drafted = self.decisions.draft(
            video.name, *facts, revision=read.revision, known=video.known, reviewed=read.reviewed or ()
        )
        return _saved(drafted, video)

    def _sent(self, video: Video, sent: Mapping[str, Any], *, unlabelled: bool) -> SentVideo:
        """What a page sent of a video; its classes are stored."""
        read = read_sent(video, self.decisions.of(video.name), sent, unlabelled=unlabelled)
        self.classes.add({segment.label for segment in read.segments})
        return read

    def take_out(self, key: str, revision: str | None) -> dict[str, Any]:
        """Take a video out of the labels and keep its segments; return what :meth:`save` does.

        Raises:
            InputError: see :meth:`Decisions.take_out`.
        """
        video = self._video(key)
        return _saved(self.decisions.take_out(video.name, revision=revision), video)

    def _video(self, key: str) -> Video:
        return video_of(self.videos, key)


def _state(decided: Decided, video: Video) -> dict[str, Any]:
    """How many segments a video has in the labels, and how many wait beside them; ``None`` where it is not.

    ``draft``: whether there are changes that were not decided yet. ``partial``: whether the labels are those of parts.
    """
    is_known = decided.labelled is None and decided.review.entry is None
    return {
        "saved": None if decided.labelled is None else len(decided.labelled.labels),
        "unfinished": len(decided.segments) if decided.is_unfinished else None,
        "draft": decided.review.draft is not None,
        "partial": reviewed_of(video.known) is not None if is_known else decided.is_partial,
    }


def _saved(decided: Decided, video: Video) -> dict[str, Any]:
    return {"revision": decided.revision, **_state(decided, video)}


def _as_json(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    return [segment.to_json() for segment in segments]
