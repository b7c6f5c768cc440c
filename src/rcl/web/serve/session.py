"""What the page works on: videos, running detections, encoded videos and annotations. Nothing of the web is in here."""

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
from rcl.detector.localizer import EncodedVideo, Localizer, SegmentScores
from rcl.system.errors import Defect, InputError
from rcl.web.serve.annotation_file import AnnotationFile, Segment, revision_of, segments_of
from rcl.web.serve.job_queue import DONE, Jobs, Report
from rcl.web.serve.videos import Catalogue, Video, duration_of

ANNOTATIONS = "rcl-annotations.csv"
ENCODED_KEPT, BYTES_KEPT = 8, 2**30  # of encoded videos, in memory
BYTES_PER_SNIPPET = 12 * 2**10  # that an encoding takes beside the features
MAX_SEGMENTS, MAX_LABEL = 20_000, 200
MAX_QUESTIONS = 2000


class NotReadyError(InputError):
    """The features of the video are not in memory."""


class Found(NamedTuple):
    """What a detection found out about a video."""

    duration_seconds: float
    snippet_seconds: float
    problems: tuple[str, ...]
    detections: list[dict[str, Any]]


class Session:
    """One checkpoint, one folder of videos, one file of annotations.

    Args:
        localizer: the detector.
        root: a folder of videos, a video, or a pack of features.
        annotations: where corrected segments are kept; ``rcl-annotations.csv`` in the folder by default.

    Raises:
        InputError: there is no video, or the annotations cannot be read or written.
    """

    def __init__(self, localizer: Localizer, root: Path, annotations: Path | None = None) -> None:
        self.localizer = localizer
        self.catalogue = Catalogue(root, localizer)
        names = [video.name for video in self.catalogue.videos.values()]
        self.annotations = AnnotationFile(annotations or self.catalogue.folder / ANNOTATIONS, names)
        self.found: dict[str, Found] = {}
        self._encoded: OrderedDict[str, EncodedVideo] = OrderedDict()
        self._lock = threading.Lock()
        self.jobs = Jobs(self._detect)

    def close(self) -> None:
        """End what runs."""
        self.jobs.close()

    # -- what there is ------------------------------------------------------------------------------------------------

    def overview(self) -> dict[str, Any]:
        """The videos and the labels."""
        saved = self.annotations.read()
        named = {label for video in saved.values() for label in video.labels}
        known = {label for video in self.catalogue.videos.values() if video.known for label in video.known.labels}
        return {
            "folder": str(self.catalogue.folder),
            "annotations": str(self.annotations.path),
            "min_score": MIN_SCORE,
            "labels": [*self.localizer.labels, *sorted((named | known) - set(self.localizer.labels))],
            "videos": [
                {
                    "key": video.key,
                    "name": video.name,
                    "saved": len(saved[video.name].labels) if video.name in saved else None,
                    "detected": video.key in self.found,
                }
                for video in self.catalogue.videos.values()
            ],
        }

    def video(self, key: str) -> dict[str, Any]:
        """All that is known of a video."""
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
        """How far the detection in a video is; ``None`` where none was asked for."""
        job = self.jobs.get(self._video(key).key)
        if job is None:
            return None
        fields = {"state": job.state, "stage": job.stage, "share": job.share, "message": job.message}
        return {**fields, "ahead": self.jobs.ahead(job)}

    def _result(self, key: str) -> dict[str, Any]:
        found = self.found.get(key)
        known = self.catalogue.videos[key].known
        stated = known.duration_seconds if known else None
        return {
            "duration": found.duration_seconds if found else stated,
            "snippet": found.snippet_seconds if found else None,
            "problems": list(found.problems) if found else [],
            "detections": found.detections if found else None,
            "scored": key in self._encoded,
        }

    # -- detection ----------------------------------------------------------------------------------------------------

    def detect(self, key: str) -> dict[str, Any] | None:
        """Have the actions of a video found; see :meth:`job`. What is in memory is not done again."""
        job = self.jobs.get(self._video(key).key)
        if not (job and job.state == DONE and key in self._encoded):
            self.jobs.submit(key)
        return self.job(key)

    def cancel(self, key: str) -> dict[str, Any] | None:
        """End the detection in a video, or take it from the queue."""
        self.jobs.cancel(self._video(key).key)
        return self.job(key)

    def _detect(self, key: str, report: Report) -> None:
        video = self.catalogue.videos[key]
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
        self.found[key] = Found(duration_of(prepared), snippet_seconds, prepared.problems, rows)
        self._keep(key, EncodedVideo(prepared.features, prepared.timeline))

    def _keep(self, key: str, encoded: EncodedVideo) -> None:
        with self._lock:
            self._encoded[key] = encoded
            self._encoded.move_to_end(key)
            while len(self._encoded) > 1 and (
                len(self._encoded) > ENCODED_KEPT or sum(map(_bytes_of, self._encoded.values())) > BYTES_KEPT
            ):
                self._encoded.popitem(last=False)

    # -- questions ----------------------------------------------------------------------------------------------------

    def score(self, key: str, segments_seconds: Any) -> SegmentScores:
        """What the continuous function says of segments, ``K`` pairs in seconds.

        Raises:
            NotReadyError: the video was not searched yet, or so many others since that it is out of memory.
            InputError: see :meth:`rcl.detector.localizer.Localizer.score`.
        """
        video = self._video(key)
        if not isinstance(segments_seconds, list) or len(segments_seconds) > MAX_QUESTIONS:
            expected = f"a list of at most {MAX_QUESTIONS} segments"
            raise InputError("segments", expected=expected, found="something else", fix="ask about fewer")
        with self._lock:
            encoded = self._encoded.get(key)
            if encoded is None:
                expected = "features in memory"
                found = "none, or those of videos that were searched since"
                raise NotReadyError(f"video {video.name!r}", expected=expected, found=found, fix="detect in it (again)")
            self._encoded.move_to_end(key)
            return self.localizer.score_encoded(encoded, segments_seconds)

    def save(self, key: str, segments: Any, revision: str | None) -> str:
        """Replace the segments of one video in the file of annotations, and return their revision.

        Raises:
            InputError: a segment is not ``{"start", "end", "label"}`` in seconds; or see :meth:`AnnotationFile.save`.
        """
        video = self._video(key)
        there = segments_of(self.annotations.read().get(video.name) or video.known)
        checked = _checked(segments, f"video {video.name!r}", set(there))
        return self.annotations.save(video.name, checked, revision=revision, known=video.known)

    def _video(self, key: str) -> Video:
        if key not in self.catalogue.videos:
            fix = "load the page again"
            raise InputError("videos", expected="one of the list", found=f"{key[:40]!r}", fix=fix)
        return self.catalogue.videos[key]


def _bytes_of(encoded: EncodedVideo) -> int:
    features = encoded.features
    return features.nbytes + BYTES_PER_SNIPPET * features.shape[1]


def _checked(segments: Any, where: str, there: Collection[Segment]) -> list[Segment]:
    """What a page sent. A segment that the file has may stay, whatever it is like."""
    if not isinstance(segments, list) or len(segments) > MAX_SEGMENTS:
        expected = f"a list of at most {MAX_SEGMENTS} segments"
        raise InputError(where, expected=expected, found="something else", fix="send less")
    checked = []
    for number, item in enumerate(segments, 1):
        try:
            checked.append(_segment(item if isinstance(item, dict) else {}, there))
        except Defect as defect:
            raise defect.at(f"{where}, segment {number} of {len(segments)}") from None
    return checked


def _segment(item: dict[str, Any], there: Collection[Segment]) -> Segment:
    start, end = to_number(item.get("start"), "start"), to_number(item.get("end"), "end")
    label = to_label(item.get("label"))
    if (kept := Segment(start, end, label)) in there:
        return kept
    if not 0 <= start < end < math.inf:
        expected = "a start of 0 or more before its end"
        raise Defect(expected=expected, found=f"{start:g} to {end:g}", fix="correct the times")
    label = label.strip()
    if len(label) > MAX_LABEL or not label.isprintable():
        expected = f"a label of at most {MAX_LABEL} printable characters"
        raise Defect(expected=expected, found=repr(label[:40]), fix="shorten or correct it")
    return Segment(start, end, label)
