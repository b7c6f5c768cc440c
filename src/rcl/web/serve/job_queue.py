"""A queue of long jobs that run one after the other in a thread of their own."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rcl.system.errors import InputError, describe_error
from rcl.system.progress_lines import LEAST_SHARE

log = logging.getLogger("rcl")

NICENESS = 5
WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
Report: TypeAlias = Callable[[str, "float | None"], None]


class Cancelled(Exception):
    """The job was cancelled while it ran."""


@dataclass
class Job:
    """One job.

    Args:
        key: what it works on.
        state: waiting, running, done, failed or cancelled.
        stage: what it is doing, in a word.
        share: how much of the stage is done, in [0, 1]; ``None`` if unknown.
        message: why it failed, in a sentence.
    """

    key: str
    state: str = WAITING
    stage: str = ""
    share: float | None = None
    message: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event, repr=False)
    _began: tuple[float, float] = field(default=(0.0, 0.0), repr=False)  # when the stage did, and its share then

    def to_json(self) -> dict[str, Any]:
        """The state of the job, and about how many seconds are left of its stage, if that is known."""
        fields = {"state": self.state, "stage": self.stage, "share": self.share, "message": self.message}
        return {**fields, "seconds_left": self._seconds_left()}

    def _seconds_left(self) -> float | None:
        if self.state != RUNNING or self.share is None:
            return None
        began, first = self._began
        done = self.share - first
        return (time.monotonic() - began) * (1 - self.share) / done if done >= LEAST_SHARE else None

    def report(self, stage: str, share: float | None) -> None:
        """Record the progress of the job.

        Raises:
            Cancelled: the job was cancelled.
        """
        if self.cancelled.is_set():
            raise Cancelled
        before = self.stage, self.share is None
        self.stage, self.share = stage, None if share is None else min(max(share, 0.0), 1.0)
        if before != (stage, share is None):
            self._began = time.monotonic(), self.share or 0.0


class JobQueue:
    """A queue and the one thread that works through it.

    Args:
        work: ``(key, report)``. It should call ``report(stage, share)`` often, which raises ``Cancelled`` once the job
            is cancelled.
    """

    def __init__(self, work: Callable[[str, Report], None]) -> None:
        self._work = work
        self._latest: dict[str, Job] = {}  # by key
        self._queue: list[Job] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="rcl-jobs", daemon=True)
        self._thread.start()

    def submit(self, key: str, *, first: bool = False) -> Job:
        """Queue the work on ``key``, unless it already waits or runs; ``first``: before all that waits."""
        with self._changed:
            job = self._latest.get(key)
            if job is None or job.state not in (WAITING, RUNNING) or job.cancelled.is_set():
                job = self._latest[key] = Job(key)
                self._queue.append(job)
                self._changed.notify()
            if first and job in self._queue:
                self._queue.remove(job)
                self._queue.insert(0, job)
            return job

    def get(self, key: str) -> Job | None:
        """The latest job of ``key``."""
        return self._latest.get(key)

    def ahead(self, job: Job) -> int:
        """The number of jobs before a waiting one, including the one that runs."""
        with self._changed:
            if job not in self._queue:
                return 0
            return self._queue.index(job) + any(other.state == RUNNING for other in self._latest.values())

    def cancel(self, key: str) -> None:
        """Cancel the latest job of ``key``, if any: one that runs ends at its next report."""
        with self._changed:
            job = self._latest.get(key)
            if job is None:
                return
            job.cancelled.set()
            if job in self._queue:
                self._queue.remove(job)
                job.state = CANCELLED

    def close(self) -> None:
        """Cancel all jobs and wait for the one that runs."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            for job in self._latest.values():
                job.cancelled.set()
            self._changed.notify()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        if sys.platform == "linux":  # elsewhere, a thread cannot give way to those that answer the page
            thread = threading.get_native_id()
            niceness = max(os.getpriority(os.PRIO_PROCESS, thread), NICENESS)  # less than before is a right of root's
            os.setpriority(os.PRIO_PROCESS, thread, niceness)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if self._closed:
                    return
                job = self._queue.pop(0)
                job.state = RUNNING
            state, message = self._outcome(job)
            with self._changed:
                job.state, job.message = state, message

    def _outcome(self, job: Job) -> tuple[str, str]:
        try:
            self._work(job.key, job.report)
            return DONE, ""
        except Cancelled:
            return CANCELLED, ""
        except InputError as error:
            return FAILED, str(error)
        except Exception as error:  # a decoder's bug or lack of memory must not stop the other jobs
            log.exception("video %r", job.key)
            return FAILED, describe_error(error, 200)
