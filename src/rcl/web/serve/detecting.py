"""The detector of a session: jobs that find the actions of videos, and scores of segments while they are edited."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from rcl.data.detections import Detections
from rcl.detector.encoded_video import EncodedVideo
from rcl.detector.localizer import Localizer
from rcl.detector.operating_points import OperatingPoints, without_duplicates
from rcl.detector.scoring import SegmentScores
from rcl.system.errors import InputError
from rcl.web.serve.job_queue import DONE, JobQueue, Report
from rcl.web.serve.sent_segments import check_list
from rcl.web.serve.videos import Prepared, Video

ENCODED_KEPT, BYTES_KEPT = 8, 2**30  # limits of the encoded videos in memory
BYTES_PER_SNIPPET = 12 * 2**10  # of an encoding, in addition to the features
MAX_SCORED = 2000  # segments in one request


class NotReadyError(InputError):
    """The features of the video are not in memory, or there is no detector."""


class Result(NamedTuple):
    """The result of detecting in a video: ``detections`` as the page takes them, ``found`` as they are."""

    duration_seconds: float
    snippet_seconds: float
    problems: tuple[str, ...]
    detections: list[dict[str, Any]]
    found: Detections


class Detecting:
    """Detection in the videos of a session, one at a time, in a thread of its own.

    Args:
        localizer: the detector; ``None`` if there is none, so that nothing can be found or scored.
        videos: by key.
    """

    def __init__(self, localizer: Localizer | None, videos: Mapping[str, Video]) -> None:
        self.localizer = localizer
        self.version = 0  # of the detector: each replacement is a new one
        self.stored: Callable[[Video, Localizer, Report], Prepared | None] = lambda video, localizer, report: None
        self._videos = videos
        self._wanted = set[str]()  # videos that the user has opened, whose features stay in memory
        self._results: dict[str, Result] = {}
        self._encoded: OrderedDict[str, EncodedVideo] = OrderedDict()  # the one used last is last
        self._lock = threading.Lock()
        self._jobs = JobQueue(self._detect)

    def close(self) -> None:
        """Cancel all detections."""
        self._jobs.close()

    def replace(self, localizer: Localizer) -> None:
        """Use another detector from now on. What the one before found is forgotten."""
        for key in self._videos:
            self._jobs.cancel(key)
        with self._lock:
            self.localizer, self.version = localizer, self.version + 1
            self._results.clear()
            self._encoded.clear()

    def result(self, key: str) -> Result | None:
        """What was found in a video; ``None`` before that."""
        return self._results.get(key)

    def is_encoded(self, key: str) -> bool:
        """Whether the features of a video are in memory, so that segments can be scored."""
        return key in self._encoded

    def job(self, key: str) -> dict[str, Any] | None:
        """The progress of detecting in a video; ``None`` before the first request."""
        job = self._jobs.get(key)
        if job is None:
            return None
        return {**job.to_json(), "ahead": self._jobs.ahead(job)}

    def submit(self, key: str, *, in_background: bool = False) -> None:
        """Queue the detection in a video, unless its result and features are in memory.

        Args:
            key: of the video.
            in_background: after those that the user has asked for; its features need not stay in memory.

        Raises:
            NotReadyError: there is no detector.
        """
        self._detector()
        job = self._jobs.get(key)
        if in_background:
            if key not in self._results:
                self._jobs.submit(key)
        elif not (job and job.state == DONE and key in self._encoded):
            self._wanted.add(key)
            self._jobs.submit(key, first=True)

    def cancel(self, key: str) -> None:
        """Cancel the detection in a video."""
        self._jobs.cancel(key)

    def score(self, key: str, segments_seconds: Any) -> SegmentScores:
        """The scores of segments, ``K`` pairs in seconds.

        Raises:
            NotReadyError: the features of the video are not in memory, or no longer; or there is no detector.
            InputError: see :meth:`rcl.detector.localizer.Localizer.score`.
        """
        localizer = self._detector()
        check_list(segments_seconds, MAX_SCORED, "segments")
        with self._lock:
            encoded = self._encoded.get(key)
            if encoded is None:
                where, fix = f"video {self._videos[key].name!r}", "find its actions (again)"
                raise NotReadyError(where, expected="features in memory", found="none", fix=fix)
            self._encoded.move_to_end(key)
            return localizer.score_encoded(encoded, segments_seconds)

    def _detect(self, key: str, report: Report) -> None:
        video, localizer = self._videos[key], self._detector()
        prepared = self.stored(video, localizer, report) or video.read(localizer, report)
        report("detecting", None)
        detections = localizer.detect_prepared(
            prepared.features, prepared.timeline, video=video.name, progress=partial(report, "detecting")
        )
        snippet_seconds = 1 / prepared.timeline.snippets_per_second
        rows = rows_of(detections, localizer.operating_points)
        result = Result(prepared.duration_seconds, snippet_seconds, prepared.problems, rows, detections)
        with self._lock:
            if localizer is not self.localizer:  # replaced in the meantime
                return
            self._results[key] = result
        if key in self._wanted:
            self._keep(key, EncodedVideo(prepared.features, prepared.timeline))

    def _keep(self, key: str, encoded: EncodedVideo) -> None:
        with self._lock:
            self._encoded[key] = encoded
            self._encoded.move_to_end(key)
            while len(self._encoded) > 1 and (
                len(self._encoded) > ENCODED_KEPT or sum(map(_bytes_of, self._encoded.values())) > BYTES_KEPT
            ):
                self._encoded.popitem(last=False)

    def _detector(self) -> Localizer:
        if self.localizer is None:
            fix = "train one, or start rcl serve with --checkpoint"
            raise NotReadyError("rcl serve", expected="a detector", found="none", fix=fix)
        return self.localizer


def rows_of(detections: Detections, points: OperatingPoints | None) -> list[dict[str, Any]]:
    """Detections as the page takes them: with the probability that each is right, if there are operating points, and
    with ``duplicate`` where a better one of the label overlaps it."""
    kept = {(one.start_seconds, one.end_seconds, one.label) for one in without_duplicates(detections)}
    right = points.calibration(detections.scores).round(4).tolist() if points else [None] * len(detections)
    return [
        {
            "start": round(one.start_seconds, 3),
            "end": round(one.end_seconds, 3),
            "label": one.label,
            "score": one.score,
            "probability": probability,
            "duplicate": (one.start_seconds, one.end_seconds, one.label) not in kept,
        }
        for one, probability in zip(detections, right, strict=True)
    ]


def _bytes_of(encoded: EncodedVideo) -> int:
    features = encoded.features
    return features.nbytes + BYTES_PER_SNIPPET * features.shape[1]
