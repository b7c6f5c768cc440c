"""A program of its own that works for the page, and reports in lines of JSON."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import psutil

from rcl.system.errors import InputError
from rcl.web.serve.job_queue import Report

log = logging.getLogger("rcl")

FIT, FEATURES, CURVES = (f"rcl.training.workers.{name}" for name in ("fit", "features", "curve"))
POLL_SECONDS = 0.2
END_SECONDS = 10.0  # that a killed process may take to go

Message = dict[str, Any]
Command: TypeAlias = Callable[[str, Message], list[str]]


def module_command(module: str, arguments: Message) -> list[str]:
    """The command that runs a worker of :mod:`rcl.training.workers`."""
    return [sys.executable, "-m", module.rpartition(".")[0], module, json.dumps(arguments)]


class UnexpectedEnd(InputError):
    """A program ended and did not say why; its log may tell."""


class Worker:
    """A running program. It ends with this process at the latest: its stdin is then closed.

    Args:
        command: the program with its arguments.
        place: an existing folder: the working directory, and where what the program writes on stderr is kept.
        said: called in a thread with every JSON object that it writes on stdout.
        ended: called in that thread, after the last of them, with an error message; ``""`` if all went well.
    """

    def __init__(
        self, command: Sequence[str], place: Path, said: Callable[[Message], None], ended: Callable[[str], None]
    ) -> None:
        self.log = place / "log.txt"
        with self.log.open("a", encoding="utf-8") as stderr:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=place,
                encoding="utf-8",
            )
        self._said, self._ended = said, ended
        self._error = ""
        self._thread = threading.Thread(target=self._follow, name="rcl-worker", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def has_said_why(self) -> bool:
        """Whether the program has reported what went wrong."""
        return bool(self._error)

    def tell(self, message: Message) -> None:
        """Send a message to the program; one that has ended gets none."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            print(json.dumps(message), file=self._process.stdin, flush=True)

    def kill(self) -> None:
        """End the program and all that it has started, and wait until they are gone."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            every = [*process.children(recursive=True), process]
            for one in every:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(every, timeout=END_SECONDS)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=END_SECONDS)

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except ValueError:  # not a report: printed by a library
                continue
            self._error = message.get("error", "") if "video" not in message else self._error
            try:
                self._said(message)
            except Exception:  # whoever waits for the end must hear of it
                log.exception("%s", self.log)
        status = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe and pipe.close()
        self._ended(self._error or ("" if status == 0 else self._describe(status)))

    def _describe(self, status: int) -> str:
        """Why the program ended without saying so, as far as known."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "")
            return f"It ended unexpectedly (status {status}). The last line of {self.log}: {last[:300]}"
        return f"It ended unexpectedly (status {status})."


def follow(command: list[str], place: Path, report: Report) -> None:
    """Run a worker to its end, and report its progress. If ``report`` raises, the worker is ended.

    Raises:
        InputError: it failed; the message is its own.
        UnexpectedEnd: it failed without a message.
    """
    messages = queue.SimpleQueue[Message]()
    worker = Worker(command, place, messages.put, lambda error: messages.put({"ended": error}))
    progress: tuple[str, float | None] = "", None
    try:
        while True:
            try:
                message = messages.get(timeout=POLL_SECONDS)
            except queue.Empty:
                message = {}
            if "ended" in message:
                break
            if "stage" in message:
                progress = message["stage"], message["share"]
            report(*progress)
    finally:
        worker.kill()
    if message["ended"]:
        raise (InputError if worker.has_said_why else UnexpectedEnd)(message["ended"])
