"""The state of the server: videos, running detections, features in memory and annotations. Independent of HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rcl.data.formats.subtitles import MIN_SCORE
from rcl.data.formats.values import to_label
from rcl.detector.localizer import Localizer
from rcl.detector.scoring import SegmentScores
from rcl.system.errors import InputError, located
from rcl.web.serve.annotation_file import AnnotationFile, segments_of
from rcl.web.serve.class_file import KEYS, ClassFile
from rcl.web.serve.decisions import Decided, Decisions
from rcl.web.serve.detecting import Detecting
from rcl.web.serve.file_content import Segment
from rcl.web.serve.intervals import Intervals, to_intervals, union
from rcl.web.serve.learning import Learning
from rcl.web.serve.media import Header, Media, read_header
from rcl.web.serve.review_file import ReviewFile
from rcl.web.serve.sent_segments import checked_label, checked_segments
from rcl.web.serve.suggestions import Suggestions
from rcl.web.serve.videos import Video, folder_of, labels_of, list_videos


class Session:
    """One folder of videos, one file of annotations, and perhaps a detector.

    Args:
        localizer: the detector; ``None`` to label without one.
        root: a folder of videos, a video, or a pack of features.
        annotations: the file of corrected segments; by default ``rcl-annotations.csv`` in the folder.

    Raises:
        InputError: there is no video, or the annotations cannot be read or written.
    """

    def __init__(self, localizer: Localizer | None, root: Path, annotations: Path | None = None) -> None:
        self.folder = folder_of(root)
        self.videos = list_videos(root, localizer)
        names = [video.name for video in self.videos.values()]
        self.annotations = AnnotationFile(labels_of(root, annotations), names)
        self.decisions = Decisions(self.annotations, ReviewFile(self.annotations.path, names))
        self.classes = ClassFile(self.annotations.path)
        self.detecting = Detecting(localizer, self.videos)
        self.learning = Learning(root, self.annotations, self.videos, self.detecting)
        self.suggestions = Suggestions(root, self.videos, self.decisions, self.detecting, self.learning)
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
                    **_state(decided.get(video.name, Decided())),
                }
                for video in self.videos.values()
            ],
        }

    def _labels(self, decided: Mapping[str, Decided]) -> list[str]:
        """The labels in use: those of the detector first."""
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
            "reviewed": decided.reviewed,
            "revision": decided.revision,
            **_state(decided),
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
                video; ``finished``, false if the video stays out of the labels; ``nothing_happens``, true for a video
                without actions.

        Returns:
            The new revision, and the state of the video.

        Raises:
            InputError: a segment is something else, or there is none and ``nothing_happens`` is not true; or see
                :meth:`Decisions.finish`.
        """
        video = self._video(key)
        segments, rejected, reviewed = self._sent(video, sent, unlabelled=False)
        self.classes.add({segment.label for segment in segments})
        revision = sent.get("revision")
        if sent.get("finished", True) is False:
            kept = self.decisions.keep(video.name, segments, rejected, revision=revision, reviewed=reviewed or ())
            return _saved(kept)
        _check_decided(segments, sent.get("nothing_happens", False), f"video {video.name!r}")
        if reviewed is not None:  # a segment was looked at, too
            reviewed = union([*reviewed, *((one.start, one.end) for one in segments if one.start < one.end)])
            _check_looked_at(reviewed, f"video {video.name!r}")
        finished = self.decisions.finish(
            video.name, segments, rejected, revision=revision, known=video.known, reviewed=reviewed
        )
        return _saved(finished)

    def draft(self, key: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what a page shows of a video, which is not decided yet, so that nothing is lost; see :meth:`save`.

        Raises:
            InputError: a segment is something else; or see :meth:`Decisions.draft`.
        """
        video = self._video(key)
        segments, rejected, reviewed = self._sent(video, sent, unlabelled=True)
        self.classes.add({segment.label for segment in segments})
        revision = sent.get("revision")
        drafted = self.decisions.draft(
            video.name, segments, rejected, revision=revision, known=video.known, reviewed=reviewed or ()
        )
        return _saved(drafted)

    def _sent(
        self, video: Video, sent: Mapping[str, Any], *, unlabelled: bool
    ) -> tuple[list[Segment], list[Segment] | None, Intervals | None]:
        """The segments, rejections and reviewed intervals that a page sent."""
        where = f"video {video.name!r}"
        before = self.decisions.of(video.name)
        stored = {one.plain for one in (*before.saved, *before.segments, *segments_of(video.known))}
        segments = checked_segments(sent.get("segments"), where, stored, unlabelled=unlabelled)
        rejected, reviewed = sent.get("rejected"), sent.get("reviewed")
        if rejected is not None:
            rejected = checked_segments(rejected, f"{where}, rejected", {*before.review.rejected}, unlabelled=True)
        with located(where):
            return segments, rejected, None if reviewed is None else to_intervals(reviewed)

    def take_out(self, key: str, revision: str | None) -> dict[str, Any]:
        """Take a video out of the labels and keep its segments; return what :meth:`save` does.

        Raises:
            InputError: see :meth:`Decisions.take_out`.
        """
        return _saved(self.decisions.take_out(self._video(key).name, revision=revision))

    def rename(self, old: str, new: Any) -> dict[str, Any]:
        """Give a class another name in all videos; return how many segments in the labels have it, and all classes.

        Raises:
            InputError: it is no name, or a file is damaged or cannot be written.
        """
        with located(f"class {old!r}"):
            name = checked_label(to_label(new))
        count = self.decisions.rename(old, name)
        self.classes.add([old])
        self.classes.rename(old, name)
        return {"segments": count, **self._classes()}

    def put_class(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Add a class or change its colour and key; return all classes. See :meth:`ClassFile.put`."""
        self.classes.put(sent, self._labels(self.decisions.read()))
        return self._classes()

    def remove_class(self, name: str) -> dict[str, Any]:
        """Remove a class that no segment has; return all classes.

        Raises:
            InputError: a segment has it, or a file is damaged or cannot be written.
        """
        if name in self._labels(self.decisions.read()):
            fix = "rename it, or delete its segments first"
            raise InputError(f"class {name!r}", expected="a class without segments", found="one in use", fix=fix)
        self.classes.remove(name)
        return self._classes()

    def _classes(self) -> dict[str, Any]:
        return {"classes": [one._asdict() for one in self.classes.read(self._labels(self.decisions.read()))]}

    def _video(self, key: str) -> Video:
        if key not in self.videos:
            fix = "load the page again"
            raise InputError("videos", expected="the key of a listed video", found=f"{key[:40]!r}", fix=fix)
        return self.videos[key]


def _state(decided: Decided) -> dict[str, Any]:
    """How many segments a video has in the labels, and how many wait beside them; ``None`` where it is not.

    ``draft``: whether there are changes that were not decided yet. ``partial``: whether the labels are those of parts.
    """
    return {
        "saved": None if decided.labelled is None else len(decided.labelled.labels),
        "unfinished": len(decided.segments) if decided.is_unfinished else None,
        "draft": decided.review.draft is not None,
        "partial": decided.labelled is not None and decided.remarks.reviewed is not None,
    }


def _saved(decided: Decided) -> dict[str, Any]:
    return {"revision": decided.revision, **_state(decided)}


def _as_json(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    return [segment.to_json() for segment in segments]


def _check_looked_at(reviewed: Intervals, where: str) -> None:
    """No interval would mean the whole video."""
    if not reviewed:
        fix = "look at a part, or say that you have looked at all of it"
        raise InputError(where, expected="the parts that were looked at", found="none", fix=fix)


def _check_decided(segments: Sequence[Segment], nothing_happens: Any, where: str) -> None:
    """A video without segments counts as one without actions, so somebody must have said so."""
    if bool(segments) == (nothing_happens is True):
        found, fix = ("both", "send one of them") if segments else ("none", "decide which, or leave the video unsaved")
        raise InputError(where, expected='segments, or "nothing_happens"', found=found, fix=fix)
