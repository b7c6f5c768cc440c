"""The state of the server: videos, running detections, features in memory and annotations. Independent of HTTP."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rcl.data.formats.subtitles import MIN_SCORE
from rcl.data.formats.values import to_label, to_number
from rcl.detector.encoded_video import EncodedVideo
from rcl.detector.localizer import Localizer
from rcl.detector.scoring import SegmentScores
from rcl.system.errors import Defect, InputError, located
from rcl.web.serve.annotation_file import AnnotationFile, Segment, revision_of, segments_of
from rcl.web.serve.job_queue import DONE, JobQueue, Report
from rcl.web.serve.videos import Video, folder_of, list_videos

ANNOTATIONS = "rcl-annotations.csv"
ENCODED_KEPT, BYTES_KEPT = 8, 2**30  # limits of the encoded videos in memory
BYTES_PER_SNIPPET = 12 * 2**10  # of an encoding, in addition to the features
MAX_SEGMENTS, MAX_LABEL = 20_000, 200
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
        saved = self.annotations.read()
        used = {label for video in saved.values() for label in video.labels}
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
                    "saved": len(saved[video.name].labels) if video.name in saved else None,
                    "detected": video.key in self._results,
                }
                for video in self.videos.values()
            ],
        }

    def video(self, key: str) -> dict[str, Any]:
        """The annotations, detections and job of one video."""
        video = self._video(key)
        saved = self.annotations.read().get(video.name)
        return {
            "key": key,
            "name": video.name,
            "file": video.path.name if video.path else None,
            "annotations": [segment._asdict() for segment in segments_of(saved or video.known)],
            "revision": revision_of(saved),
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
        _check_list(segments_seconds, MAX_SCORED, "segments")
        with self._lock:
            encoded = self._encoded.get(key)
            if encoded is None:
                fix = "find its actions (again)"
                raise NotReadyError(f"video {video.name!r}", expected="features in memory", found="none", fix=fix)
            self._encoded.move_to_end(key)
            return self.localizer.score_encoded(encoded, segments_seconds)

    def save(self, key: str, segments: Any, revision: str | None) -> str:
        """Replace the segments of one video in the annotation file and return their revision.

        Raises:
            InputError: a segment is not ``{"start", "end", "label"}`` in seconds; or see :meth:`AnnotationFile.save`.
        """
        video = self._video(key)
        stored = segments_of(self.annotations.read().get(video.name) or video.known)
        checked = _checked(segments, f"video {video.name!r}", set(stored))
        return self.annotations.save(video.name, checked, revision=revision, known=video.known)

    def _video(self, key: str) -> Video:
        if key not in self.videos:
            fix = "load the page again"
            raise InputError("videos", expected="the key of a listed video", found=f"{key[:40]!r}", fix=fix)
        return self.videos[key]


def _bytes_of(encoded: EncodedVideo) -> int:
    features = encoded.features
    return features.nbytes + BYTES_PER_SNIPPET * features.shape[1]


def _check_list(segments: Any, most: int, where: str) -> None:
    if not isinstance(segments, list) or len(segments) > most:
        found = f"{len(segments):,}" if isinstance(segments, list) else type(segments).__name__
        raise InputError(where, expected=f"a list of at most {most:,} segments", found=found, fix="send fewer")


def _checked(segments: Any, where: str, stored: Collection[Segment]) -> list[Segment]:
    """Segments that a page sent. Those that the file already has are accepted as they are."""
    _check_list(segments, MAX_SEGMENTS, where)
    checked = []
    for number, item in enumerate(segments, 1):
        with located(f"{where}, segment {number} of {len(segments)}"):
            checked.append(_segment(item if isinstance(item, dict) else {}, stored))
    return checked


def _segment(item: dict[str, Any], stored: Collection[Segment]) -> Segment:
    start, end = to_number(item.get("start"), "start"), to_number(item.get("end"), "end")
    label = to_label(item.get("label"))
    if (segment := Segment(start, end, label)) in stored:
        return segment
    if not 0 <= start < end < math.inf:
        expected = "a start of 0 or later, before the end"
        raise Defect(expected=expected, found=f"{start:g} to {end:g}", fix="correct the times")
    label = label.strip()
    if len(label) > MAX_LABEL or not label.isprintable():
        expected = f"a label of at most {MAX_LABEL} printable characters"
        raise Defect(expected=expected, found=repr(label[:40]), fix="shorten or correct it")
    return Segment(start, end, label)
