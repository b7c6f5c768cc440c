"""Results of an unfinished run, kept so that a rerun continues it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rcl.data.detections import Detections
from rcl.detector.inputs import Job
from rcl.system.errors import InputError
from rcl.system.paths import StorageError, files_in, fingerprint, is_remote
from rcl.system.text_files import read_json, write_json
from rcl.system.transfer import query_pool, remove

log = logging.getLogger("rcl")


class PartialResults:
    """The detections in the videos that are done, in a folder next to the output.

    They are valid as long as the files of the video and everything in ``made_with`` stay the same. If the folder cannot
    be written, a rerun starts anew.

    Args:
        output: the file that will hold the results.
        made_with: everything that all results depend on, as plain values.

    ``ends_seconds``: the end of each video that was loaded, where it was kept.
    """

    def __init__(self, output: Path, made_with: Mapping[str, Any]) -> None:
        self.folder = output.with_name(f"{output.name}.unfinished")
        self.made_with = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()
        self.writable = True
        self.ends_seconds: dict[str, float | None] = {}
        self._stamps: dict[Path, list[Any]] = {}

    def load(self, jobs: Sequence[Job]) -> list[Detections | None]:
        """The valid detections of each job, or ``None``."""
        try:
            names = {path.name for path in files_in(self.folder)}
        except (InputError, OSError):
            names = set()
        with query_pool(self.folder, *(path for job in jobs for path in job.files)) as pool:
            return list(pool.map(lambda job: self._load(job, names), jobs))

    def _load(self, job: Job, names: Collection[str]) -> Detections | None:
        path, key = self._path(job), self._key(job)
        try:
            content = read_json(path) if path.name in names else {}
            if content.get("key") != key:
                return None
            self.ends_seconds[job.video] = content.get("end_seconds")
            return Detections(
                videos=(job.video,),
                video_index=np.zeros(len(content["scores"]), dtype=np.int64),
                segments_seconds=np.array(content["segments"], dtype=np.float64).reshape(-1, 2),
                labels=tuple(content["labels"]),
                label_index=np.array(content["label_index"], dtype=np.int64),
                scores=np.array(content["scores"], dtype=np.float64),
            )
        except (InputError, OSError, KeyError, TypeError, ValueError):  # a damaged file counts as missing
            return None

    def keep(self, job: Job, detections: Detections, end_seconds: float | None = None) -> None:
        """Keep the detections in a video, and where it ends."""
        if not self.writable:
            return
        content = {
            "key": self._key(job),
            "segments": detections.segments_seconds.tolist(),
            "labels": list(detections.labels),
            "label_index": detections.label_index.tolist(),
            "scores": detections.scores.tolist(),
            "end_seconds": end_seconds,
        }
        try:
            write_json(self._path(job), content)
        except InputError as error:
            self.writable = False
            log.warning("partial results are not kept for a rerun: %s", error)

    def clear(self) -> None:
        """Remove everything, once the output is written."""
        with contextlib.suppress(InputError, OSError):
            for path in files_in(self.folder):  # includes files that a killed run left half written
                remove(path)
            if not is_remote(self.folder):  # an object store has no folders
                self.folder.rmdir()

    def _path(self, job: Job) -> Path:
        return self.folder / f"{hashlib.sha256(job.video.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"

    def _key(self, job: Job) -> list[Any]:
        for path in job.files:
            if path not in self._stamps:  # taken before the file is read, so that a later change is noticed
                self._stamps[path] = _stamp(path)
        return [self.made_with, job.video, *(self._stamps[path] for path in job.files)]


def _stamp(path: Path) -> list[Any]:
    """Values that change with the content of a file."""
    try:
        found = fingerprint(path)
    except StorageError:  # reported when the file is read
        found = None
    return [str(path.absolute()), *(found or ())]
