"""The state of the server: videos, running detections, features in memory and annotations. Independent of HTTP."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rcl.data.formats.subtitles import MIN_SCORE
from rcl.detector.encoded_video import EncodedVideo
from rcl.detector.localizer import Localizer
from rcl.detector.scoring import SegmentScores
from rcl.system.errors import InputError
from rcl.web.serve.annotation_file import AnnotationFile, segments_of
from rcl.web.serve.decisions import Decided, Decisions
from rcl.web.serve.file_content import Segment
from rcl.web.serve.job_queue import DONE, JobQueue, Report
from rcl.web.serve.review_file import ReviewFile
from rcl.web.serve.sent_segments import check_list, checked_segments
from rcl.web.serve.videos import Video, folder_of, list_videos

ANNOTATIONS = "rcl-annotations.csv"
ENCODED_KEPT, BYTES_KEPT = 8, 2**30  # limits of the encoded videos in memory
BYTES_PER_SNIPPET = 12 * 2**10  # of an encoding, in addition to the features
MAX_SCORED = 2000  # segments in one request


class NotReadyError(InputError):
    """The features of the video are not in memory."""


class Result(NamedTuple):
    """The result of detecting in a video."""

    duration_seconds: float
    snippet_seconds: float
    problems: tuple[str, ...]
    detections: list[dict[str, Any]]


class Session:
    """One checkpoint, one folder of videos, one file of annotations.

    Args:
        localizer: the detector.
        root: a folder of videos, a video, or a pack of features.
        annotations: the file of corrected segments; by default ``rcl-annotations.csv`` in the folder.

    Raises:
        InputError: there is no video, or the annotations cannot be read or written.
    """

    def __init__(self, localizer: Localizer, root: Path, annotations: Path | None = None) -> None:
        self.localizer = localizer
        self.folder = folder_of(root)
        self.videos = list_videos(root, localizer)
        names = [video.name for video in self.videos.values()]
        self.annotations = AnnotationFile(annotations or self.folder / ANNOTATIONS, names)
        self.decisions = Decisions(self.annotations, ReviewFile(self.annotations.path, names))
        self._results: dict[str, Result] = {}
        self._encoded: OrderedDict[str, EncodedVideo] = OrderedDict()  # the one used last is last
        self._lock = threading.Lock()
        self._jobs = JobQueue(self._detect)

    def close(self) -> None:
        """Cancel all detections."""
        self._jobs.close()

    # -- what the page shows ------------------------------------------------------------------------------------------

    def overview(self) -> dict[str, Any]:
        """The videos and labels of the whole session."""
        decided = self.decisions.read()
        used = {segment.label for one in decided.values() for segment in one.segments}
        used |= {label for video in self.videos.values() if video.known for label in video.known.labels}
        return {
            "folder": str(self.folder),
            "annotations": str(self.annotations.path),
            "min_score": MIN_SCORE,
            "labels": [*self.localizer.labels, *sorted(used - set(self.localizer.labels))],
            "videos": [
                {
                    "key": video.key,
                    "name": video.name,
                    "detected": video.key in self._results,
                    **_state(decided.get(video.name, Decided())),
                }
                for video in self.videos.values()
            ],
        }

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
            "revision": decided.revision,
            **_state(decided),
            "job": self.job(key),
            **self._result(key),
        }

    def job(self, key: str) -> dict[str, Any] | None:
        """The progress of detecting in a video; ``None`` before the first request."""
        job = self._jobs.get(self._video(key).key)
        if job is None:
            return None
        fields = {"state": job.state, "stage": job.stage, "share": job.share, "message": job.message}
        return {**fields, "ahead": self._jobs.ahead(job)}

    def _result(self, key: str) -> dict[str, Any]:
        result = self._results.get(key)
        known = self.videos[key].known
        stated = known.duration_seconds if known else None
        return {
            "duration": result.duration_seconds if result else stated,
            "snippet": result.snippet_seconds if result else None,
            "problems": list(result.problems) if result else [],
            "detections": result.detections if result else None,
            "scored": key in self._encoded,
        }

    # -- detection ----------------------------------------------------------------------------------------------------

    def detect(self, key: str) -> dict[str, Any] | None:
        """Queue the detection in a video, unless its result and features are in memory; return :meth:`job`."""
        job = self._jobs.get(self._video(key).key)
        if not (job and job.state == DONE and key in self._encoded):
            self._jobs.submit(key)
        return self.job(key)

    def cancel(self, key: str) -> dict[str, Any] | None:
        """Cancel the detection in a video; return :meth:`job`."""
        self._jobs.cancel(self._video(key).key)
        return self.job(key)

    def _detect(self, key: str, report: Report) -> None:
        video = self.videos[key]
        prepared = video.read(report)
        report("detecting", None)
        detections = self.localizer.detect_prepared(
            prepared.features, prepared.timeline, video=video.name, progress=partial(report, "detecting")
        )
        rows = [
            {"start": round(d.start_seconds, 3), "end": round(d.end_seconds, 3), "label": d.label, "score": d.score}
            for d in detections
        ]
        snippet_seconds = 1 / prepared.timeline.snippets_per_second
        self._results[key] = Result(prepared.duration_seconds, snippet_seconds, prepared.problems, rows)
        self._keep(key, EncodedVideo(prepared.features, prepared.timeline))

    def _keep(self, key: str, encoded: EncodedVideo) -> None:
        with self._lock:
            self._encoded[key] = encoded
            self._encoded.move_to_end(key)
            while len(self._encoded) > 1 and (
                len(self._encoded) > ENCODED_KEPT or sum(map(_bytes_of, self._encoded.values())) > BYTES_KEPT
            ):
                self._encoded.popitem(last=False)

    # -- scores and annotations ---------------------------------------------------------------------------------------

    def score(self, key: str, segments_seconds: Any) -> SegmentScores:
        """The scores of segments, ``K`` pairs in seconds.

        Raises:
            NotReadyError: the features of the video are not in memory, or no longer.
            InputError: see :meth:`rcl.detector.localizer.Localizer.score`.
        """
        video = self._video(key)
        check_list(segments_seconds, MAX_SCORED, "segments")
        with self._lock:
            encoded = self._encoded.get(key)
            if encoded is None:
                fix = "find its actions (again)"
                raise NotReadyError(f"video {video.name!r}", expected="features in memory", found="none", fix=fix)
            self._encoded.move_to_end(key)
            return self.localizer.score_encoded(encoded, segments_seconds)

    def save(self, key: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Save what the user decided in one video.

        Args:
            key: of the video.
            sent: ``segments`` and ``rejected`` detections, each ``{"start", "end", "label"}`` in seconds; the
                ``revision`` that the page began with; ``reviewed``, false if the review is not finished, so that the
                video stays out of the labels; ``nothing_happens``, true for a video without actions.

        Returns:
            The new revision, and the state of the video.

        Raises:
            InputError: a segment is something else, or there is none and ``nothing_happens`` is not true; or see
                :meth:`Decisions.finish`.
        """
        video = self._video(key)
        where = f"video {video.name!r}"
        before = self.decisions.of(video.name)
        stored = {*before.segments, *segments_of(video.known)}
        segments = checked_segments(sent.get("segments"), where, stored)
        rejected = sent.get("rejected")
        if rejected is not None:
            rejected = checked_segments(rejected, f"{where}, rejected", {*before.review.rejected}, unlabelled=True)
        revision = sent.get("revision")
        if sent.get("reviewed", True) is False:
            return _saved(self.decisions.keep(video.name, segments, rejected, revision=revision))
        _check_decided(segments, sent.get("nothing_happens", False), where)
        known = video.known
        return _saved(self.decisions.finish(video.name, segments, rejected, revision=revision, known=known))

    def take_out(self, key: str, revision: str | None) -> dict[str, Any]:
        """Take a video out of the labels and keep its segments; return what :meth:`save` does.

        Raises:
            InputError: see :meth:`Decisions.take_out`.
        """
        return _saved(self.decisions.take_out(self._video(key).name, revision=revision))

    def _video(self, key: str) -> Video:
        if key not in self.videos:
            fix = "load the page again"
            raise InputError("videos", expected="the key of a listed video", found=f"{key[:40]!r}", fix=fix)
        return self.videos[key]


def _bytes_of(encoded: EncodedVideo) -> int:
    features = encoded.features
    return features.nbytes + BYTES_PER_SNIPPET * features.shape[1]


def _state(decided: Decided) -> dict[str, Any]:
    """How many segments a video has in the labels, and how many wait beside them; ``None`` where it is not."""
    return {
        "saved": None if decided.labelled is None else len(decided.labelled.labels),
        "unfinished": len(decided.review.segments) if decided.is_unfinished else None,
    }


def _saved(decided: Decided) -> dict[str, Any]:
    return {"revision": decided.revision, **_state(decided)}


def _as_json(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    return [segment._asdict() for segment in segments]


def _check_decided(segments: Sequence[Segment], nothing_happens: Any, where: str) -> None:
    """A video without segments counts as one without actions, so somebody must have said so."""
    if bool(segments) == (nothing_happens is True):
        found, fix = ("both", "send one of them") if segments else ("none", "decide which, or leave the video unsaved")
        raise InputError(where, expected='segments, or "nothing_happens"', found=found, fix=fix)
