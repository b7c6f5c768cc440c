"""Work that takes a while: done one after the other in a thread of its own, watched and cancelled from others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from rcl.system.errors import InputError

log = logging.getLogger("rcl")

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
Report: TypeAlias = Callable[[str, "float | None"], None]


class Cancelled(Exception):
    """Nobody wants the result any more."""


@dataclass
class Job:
    """One piece of work.

    Args:
        key: what it is about.
        state: waiting, running, done, failed or cancelled.
        stage: what is being done, in a word.
        share: how much of the stage is done, in [0, 1]; ``None`` where nobody knows.
        message: why it failed, in a sentence.
    """

    key: str
    state: str = WAITING
    stage: str = ""
    share: float | None = None
    message: str = ""
    _unwanted: threading.Event = field(default_factory=threading.Event, repr=False)

    def report(self, stage: str, share: float | None) -> None:
        """Say how far the work is.

        Raises:
            Cancelled: nobody wants it any more.
        """
        if self._unwanted.is_set():
            raise Cancelled
        self.stage, self.share = stage, None if share is None else min(max(share, 0.0), 1.0)

    def cancel(self) -> None:
        """Have the work end at its next report."""
        self._unwanted.set()


class Jobs:
    """A queue and the one thread that works it off.

    Args:
        work: ``(key, report)``; is to call ``report(stage, share)`` often, which raises where the job is cancelled.
    """

    def __init__(self, work: Callable[[str, Report], None]) -> None:
        self._work = work
        self._jobs: dict[str, Job] = {}  # the latest of every key
        self._queue: list[Job] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="rcl-jobs", daemon=True)
        self._thread.start()

    def submit(self, key: str) -> Job:
        """Begin or queue the work on ``key``; where it waits or runs already, that job."""
        with self._changed:
            job = self._jobs.get(key)
            if job is None or job.state not in (WAITING, RUNNING) or job._unwanted.is_set():
                job = self._jobs[key] = Job(key)
                self._queue.append(job)
                self._changed.notify()
            return job

    def get(self, key: str) -> Job | None:
        """The latest job of ``key``."""
        return self._jobs.get(key)

    def ahead(self, job: Job) -> int:
        """How many jobs come before a waiting one, with the one that runs."""
        with self._changed:
            before = self._queue.index(job) if job in self._queue else 0
            return before + any(other.state == RUNNING for other in self._jobs.values()) if job.state == WAITING else 0

    def cancel(self, key: str) -> None:
        """Take the job of ``key`` from the queue, or end it where it runs. Nothing where there is none."""
        with self._changed:
            job = self._jobs.get(key)
            if job is None:
                return
            job.cancel()
            if job in self._queue:
                self._queue.remove(job)
                job.state = CANCELLED

    def close(self) -> None:
        """End all work; waits for what runs to notice."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            for job in self._jobs.values():
                job.cancel()
            self._changed.notify()
        self._thread.join(timeout=10)

    def _run(self) -> None:
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
        except Exception as error:  # a format that nobody thought of, no memory: the others go on
            log.exception("video %r", job.key)
            return FAILED, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
