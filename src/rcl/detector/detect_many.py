"""Detect in many videos, on this machine or on a cluster. A video that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from traceback import format_exc
from typing import TYPE_CHECKING, Any, NamedTuple

from rcl.data.detections import Detections
from rcl.data.timeline import Timeline, end_snippet
from rcl.detector.inputs import Job
from rcl.detector.progress import Progress, no_progress, part_of
from rcl.detector.video_detector import VideoDetector
from rcl.system.errors import InputError, describe_error
from rcl.system.ray_cluster import Cluster, Work

if TYPE_CHECKING:
    from rcl.detector.checkpoint import Checkpoint


class Found(NamedTuple):
    """The detections in a video, or the error that prevented them.

    ``traceback`` is set if the error is probably a defect of this program. ``end_seconds``: where the video ends.
    """

    video: str
    detections: Detections | None = None
    error: InputError | None = None
    traceback: str = ""
    end_seconds: float | None = None


def detect_here(
    localizer: VideoDetector,
    jobs: Sequence[Job],
    *,
    steps: int | None = None,
    rates: Sequence[float] | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Iterator[Found]:
    """Detect in one video after another, in this process.

    Args:
        localizer: the detector.
        jobs: the videos.
        steps: M, or fewer refinement steps.
        rates: see ``Localizer.detect_prepared``.
        progress: called with the position of a job and the share of it that is done.
    """
    for position, job in enumerate(jobs):
        yield _detect(localizer, job, steps, rates, partial(progress, position) if progress else no_progress)


def detect_on_cluster(
    checkpoint: Checkpoint,
    jobs: Sequence[Job],
    cluster: Cluster,
    *,
    backbone: str | None = None,
    flow: str | None = None,
    video_fps: float | None = None,
    steps: int | None = None,
    rates: Sequence[float] | None = None,
    segments_above: float | None = None,
) -> Iterator[Found]:
    """Detect on a cluster; results come in the order in which they are ready.

    The checkpoint is sent to the workers. The inputs must have the same paths on all machines.

    Args:
        checkpoint: of the detector.
        jobs: the videos.
        cluster: where to run.
        backbone, flow, video_fps: see ``Localizer.load``.
        steps: M, or fewer refinement steps.
        rates: see ``Localizer.detect_prepared``.
        segments_above: the lowest score of a segmentation, in place of detections; see ``Localizer.segment``.
    """
    options = {"backbone": backbone, "flow": flow, "video_fps": video_fps}
    start = _ClusterWork(checkpoint, jobs, steps=steps, rates=rates, segments_above=segments_above, **options)
    for position, found in cluster.map(start, len(jobs)) if jobs else ():
        yield found or _worker_died(jobs[position].video)


def end_of(features: Any, timeline: Timeline) -> float:
    """The end of a video in seconds, or of its features if that of the video is unknown."""
    return timeline.start_seconds + end_snippet(features, timeline) / timeline.snippets_per_second


def _worker_died(video: str) -> Found:
    error = InputError(
        f"video {video!r}",
        expected="a video that can be searched",
        found="one at which the worker process died",
        fix="give the machine more memory, or cut the video",
    )
    return Found(video, error=error)


class _ClusterWork:
    """Detection for :meth:`Cluster.map`; each worker builds the detector once."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        jobs: Sequence[Job],
        *,
        steps: int | None,
        rates: Sequence[float] | None,
        segments_above: float | None = None,
        **options: Any,
    ) -> None:
        self.checkpoint, self.jobs, self.steps, self.rates, self.options = checkpoint, jobs, steps, rates, options
        self.segments_above = segments_above

    def __call__(self, threads: int) -> Work:
        from rcl.detector.localizer import Localizer

        localizer = Localizer.from_checkpoint(self.checkpoint, **self.options)
        if self.segments_above is not None:
            localizer.search = localizer.search.segmenter(self.segments_above)
        return lambda position: _detect(localizer, self.jobs[position], self.steps, self.rates, no_progress)


def _detect(
    localizer: VideoDetector, job: Job, steps: int | None, rates: Sequence[float] | None, progress: Progress
) -> Found:
    """The outcome for one video. Errors become part of it."""
    read = 0.0  # share of the work for a video file that is reading it

    def report_reading(share: float) -> None:
        nonlocal read
        read = share
        progress(share)

    try:
        features, timeline = job.read(localizer, report_reading)
        rest = part_of(progress, read, 1.0)
        found = localizer.detect_prepared(features, timeline, video=job.video, steps=steps, rates=rates, progress=rest)
        return Found(job.video, found, end_seconds=end_of(features, timeline))
    except InputError as error:
        return Found(job.video, error=error)
    except Exception as error:  # such as too little memory: the other videos may still work
        fix, expected = "see whether other videos work", "a video that can be searched"
        refused = InputError(f"video {job.video!r}", expected=expected, found=describe_error(error), fix=fix)
        return Found(job.video, error=refused, traceback=format_exc())
