"""How a worker talks to the process that started it: lines of JSON, and an end when that process ends."""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil

from rcl.system.errors import InputError

NICENESS = 10  # the page, and whatever else the user does, comes first
LEAST_SECONDS = 0.1  # between two reports of the same stage
_arrived = queue.SimpleQueue[dict[str, Any]]()


class Reports:
    """Writes the reports of a worker on stdout, one JSON object per line. Whatever else prints goes to stderr."""

    def __init__(self) -> None:
        self._lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._last = ("", 0.0)

    def send(self, **values: Any) -> None:
        """Write a report."""
        with self._lock:
            print(json.dumps(values), file=self._lines, flush=True)

    def progress(self, stage: str, share: float, **values: Any) -> None:
        """Report how much of a stage is done, in [0, 1]; not more often than anybody can read."""
        now, (before, at) = time.monotonic(), self._last
        if stage != before or share >= 1 or now - at >= LEAST_SECONDS:
            self._last = stage, now
            self.send(stage=stage, share=min(max(share, 0.0), 1.0), **values)


def listen() -> None:
    """Take what arrives on stdin from now on. It ends when the process that started this one does, also if that was
    killed: then this one ends, too, with all that it has started."""
    threading.Thread(target=_listen, daemon=True).start()


def run_worker(work: Callable[[Reports, dict[str, Any]], None], received: Callable[[dict[str, Any]], None]) -> None:
    """Do the work of a worker whose last argument is a JSON object; :func:`listen` comes before.

    An error of the user's is reported as ``{"error": sentence}``, with exit status 2.

    Args:
        work: ``(reports, arguments)``.
        received: called, in another thread, with every JSON object that arrives on stdin.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr)
    reports, arguments = Reports(), json.loads(sys.argv[-1])
    process = psutil.Process()  # of which none but root may lower the niceness
    process.nice(max(process.nice(), NICENESS) if os.name == "posix" else psutil.BELOW_NORMAL_PRIORITY_CLASS)
    threading.Thread(target=_pass_on, args=(received,), daemon=True).start()
    try:
        work(reports, arguments)
    except InputError as error:
        reports.send(error=str(error))
        sys.exit(2)


def _listen() -> None:
    for line in sys.stdin:
        _arrived.put(json.loads(line))
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)


def _pass_on(received: Callable[[dict[str, Any]], None]) -> None:
    while True:
        received(_arrived.get())
