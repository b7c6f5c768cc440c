"""Detection in many videos: here or on a cluster, one that fails told and the others done, and what is done kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from traceback import format_exc
from typing import Any, NamedTuple

import numpy as np

from rcl.data.detections import Detections
from rcl.detector.checkpoint import Checkpoint
from rcl.detector.inputs import Job
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError, describe_error
from rcl.system.paths import StorageError, files_in, fingerprint, is_remote
from rcl.system.ray_cluster import Cluster, Work
from rcl.system.text_files import read_json, write_json
from rcl.system.transfer import query_pool, remove

log = logging.getLogger("rcl")

Progress = Callable[[int, float], None]


class Found(NamedTuple):
    """What was found in a video, or the error that stands in place of it.

    ``traceback`` is there where the error is, as far as we know, a fault of ours.
    """

    video: str
    detections: Detections | None = None
    error: InputError | None = None
    traceback: str = ""


def detect_here(
    localizer: Localizer, jobs: Sequence[Job], *, steps: int | None = None, progress: Progress | None = None
) -> Iterator[Found]:
    """Detect in one video after the other.

    Args:
        localizer: the detector.
        jobs: what to detect in.
        steps: M or fewer.
        progress: told the position of a job and the share of it that is done.
    """
    for position, job in enumerate(jobs):

        def tell(share: float, position: int = position) -> None:
            if progress:
                progress(position, share)

        yield _detect(localizer, job, steps, tell)


def detect_on_cluster(
    checkpoint: Checkpoint,
    jobs: Sequence[Job],
    cluster: Cluster,
    *,
    backbone: str | None = None,
    flow: str | None = None,
    steps: int | None = None,
) -> Iterator[Found]:
    """The same where a cluster has room, in the order in which it comes.

    The checkpoint travels; the inputs have to be at the same paths on all machines.

    Args:
        checkpoint: of the detector.
        jobs: what to detect in.
        cluster: where.
        backbone, flow: see ``Localizer.load``.
        steps: M or fewer.
    """
    start = _ClusterWork(checkpoint, jobs, backbone=backbone, flow=flow, steps=steps)
    for position, found in cluster.map(start, len(jobs)) if jobs else ():
        yield found or _deadly(jobs[position].video)


def _deadly(video: str) -> Found:
    fix = "give the machine more memory, or cut the video"
    found = "one that ends the process that searches it"
    where = f"video {video!r}"
    return Found(video, error=InputError(where, expected="a video that can be searched", found=found, fix=fix))


class _ClusterWork:
    """Detection as a :class:`Cluster` takes it; the detector is made in each worker."""

    def __init__(self, checkpoint: Checkpoint, jobs: Sequence[Job], *, steps: int | None, **options: Any) -> None:
        self.checkpoint, self.jobs, self.steps, self.options = checkpoint, jobs, steps, options

    def __call__(self, threads: int) -> Work:
        localizer = Localizer.from_checkpoint(self.checkpoint, **self.options)
        return lambda position: _detect(localizer, self.jobs[position], self.steps, lambda share: None)


def _detect(localizer: Localizer, job: Job, steps: int | None, progress: Callable[[float], None]) -> Found:
    """The outcome of one video. What goes wrong is its outcome, not an exception."""
    done = 0.0  # of a video file, much is done when it is read

    def tell_reading(share: float) -> None:
        nonlocal done
        done = share
        progress(share)

    def tell(share: float) -> None:
        progress(done + (1 - done) * share)

    try:
        features, timeline = job.read(localizer, tell_reading)
        found = localizer.detect_prepared(features, timeline, video=job.video, steps=steps, progress=tell)
        return Found(job.video, found)
    except InputError as error:
        return Found(job.video, error=error)
    except Exception as error:  # out of memory, or what nobody thought of: the others go on
        fix, expected = "see whether other videos work", "a video that can be searched"
        refused = InputError(f"video {job.video!r}", expected=expected, found=describe_error(error), fix=fix)
        return Found(job.video, error=refused, traceback=format_exc())


class Unfinished:
    """What was found so far, kept beside the output until everything is done: a rerun does what is left.

    A video is taken from there if its files and all that the result depends on are as they were. Where nothing can be
    written, the rerun does it again.

    Args:
        output: the file that the results will be in.
        made_with: what all results depend on, plain values.
    """

    def __init__(self, output: Path, made_with: Mapping[str, Any]) -> None:
        self.folder = output.with_name(f"{output.name}.unfinished")
        self.made_with = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()
        self.writable = True
        self._stamps: dict[Path, list[Any]] = {}

    def load(self, jobs: Sequence[Job]) -> list[Detections | None]:
        """What was found in each of the videos before."""
        try:
            there = {path.name for path in files_in(self.folder)}
        except (InputError, OSError):
            there = set()
        with query_pool(self.folder, *(path for job in jobs for path in job.files)) as pool:
            return list(pool.map(lambda job: self._load(job, there), jobs))

    def _load(self, job: Job, there: Collection[str]) -> Detections | None:
        path, key = self._path(job), self._key(job)
        try:
            content = read_json(path) if path.name in there else {}
            if content.get("key") != key:
                return None
            return Detections(
                videos=(job.video,),
                video_index=np.zeros(len(content["scores"]), dtype=np.int64),
                segments_seconds=np.array(content["segments"], dtype=np.float64).reshape(-1, 2),
                labels=tuple(content["labels"]),
                label_index=np.array(content["label_index"], dtype=np.int64),
                scores=np.array(content["scores"], dtype=np.float64),
            )
        except (InputError, OSError, KeyError, TypeError, ValueError):  # damaged: as if it were not there
            return None

    def keep(self, job: Job, found: Detections) -> None:
        """Keep what was found in a video."""
        if not self.writable:
            return
        content = {
            "key": self._key(job),
            "segments": found.segments_seconds.tolist(),
            "labels": list(found.labels),
            "label_index": found.label_index.tolist(),
            "scores": found.scores.tolist(),
        }
        try:
            write_json(self._path(job), content)
        except InputError as error:
            self.writable = False
            log.warning("what is done so far is not kept for a rerun: %s", error)

    def clear(self) -> None:
        """Remove everything, once it is in the output."""
        with contextlib.suppress(InputError, OSError):
            for path in files_in(self.folder):  # also what a kill left half written
                remove(path)
            if not is_remote(self.folder):  # where there are no folders
                self.folder.rmdir()

    def _path(self, job: Job) -> Path:
        return self.folder / f"{hashlib.sha256(job.video.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"

    def _key(self, job: Job) -> list[Any]:
        for path in job.files:
            if path not in self._stamps:  # as it was before it was read
                self._stamps[path] = _stamp(path)
        return [self.made_with, job.video, *(self._stamps[path] for path in job.files)]


def _stamp(path: Path) -> list[Any]:
    """By which a file is known to be as it was."""
    try:
        found = fingerprint(path)
    except StorageError:  # which is told when the file is read
        found = None
    return [str(path.absolute()), *(found or ())]
