"""Delivers the lines of a journal in order, in a thread of its own, and goes on where it was after a restart."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from rcl.detector.live.events.journal import Journal
from rcl.detector.live.events.journal_lines import Entry, parse_line
from rcl.detector.live.events.messages import Kind
from rcl.system.errors import InputError, counted
from rcl.system.text_files import read_json, write_json

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds between two tries
REFUSALS = 3  # so many tries of a message that is refused
_LOOK_AGAIN = 5.0  # seconds

log = logging.getLogger("rcl")


class DeliveryError(Exception):
    """A message was not delivered.

    Args:
        why: in words, without secrets.
        is_refused: trying again is of little use; after three tries the message is skipped. Others are tried for ever.
        wait_seconds: that the receiver asks for.
    """

    def __init__(self, why: str, *, is_refused: bool = False, wait_seconds: float = 0.0) -> None:
        super().__init__(why)
        self.is_refused, self.wait_seconds = is_refused, wait_seconds


class Target(Protocol):
    """Takes messages. ``name`` is for messages to the user, ``key`` for a file name; neither tells secrets."""

    name: str
    key: str

    def send(self, line: bytes, entry: Entry, key: str) -> None:
        """Deliver one message.

        Args:
            line: of the journal, without its line feed.
            entry: what it says.
            key: names the message for ever; one that is sent twice has the same.

        Raises:
            DeliveryError: it was not delivered.
        """


class Delivery:
    """Delivers the messages of a journal to one target, each at least once.

    The journal is the queue. How far it was delivered is kept in a file, so that a new process goes on there. A target
    that was never delivered to gets what is written from now on.

    Args:
        target: to deliver to.
        journal: whose messages.
        folder: of the file that keeps how far it was delivered.
        kinds: of the messages; all by default.
        queue_limit: if more messages wait, the oldest are skipped.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        target: Target,
        journal: Journal,
        folder: Path,
        *,
        kinds: Collection[Kind] | None = None,
        queue_limit: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._target, self._journal = target.name, target, journal
        self._kinds, self._queue_limit, self._clock = kinds, queue_limit, clock
        self.delivered = self.skipped = 0
        self.problem = ""  # in words, while messages wait because of it
        self._failures = self._refusals = 0
        self._again_at = -math.inf
        self._cursor, self._is_kept = folder / f"{target.key}.json", True
        self._position = 0  # in the journal, in bytes
        self._next: tuple[bytes, Entry] | None = None  # that is being delivered
        self._seq = self._seq_before()  # of the last message that was passed
        self._keep()
        self._wake, self._is_stopped, self._ends_at = threading.Event(), threading.Event(), math.inf
        self._thread = threading.Thread(target=self._run, name=f"rcl {target.key}", daemon=True)
        journal.on_written(self._wake.set)

    @property
    def undelivered(self) -> int:
        """So many messages of the journal wait; not all of them may be of the wanted kinds."""
        return max(self._journal.written_seq - self._seq, 0)

    # -- the thread --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Deliver in a thread of its own."""
        self._thread.start()

    def close(self, wait_seconds: float = 0.0) -> None:
        """End the thread, once all is delivered or the time is up. What is left waits for the next process."""
        self._ends_at = self._clock() + wait_seconds
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(wait_seconds)
        self._is_stopped.set()
        self._wake.set()
        if self.undelivered:
            log.warning("%s: %s not delivered; the next start goes on there", self.name, self._left(self._seq))

    def _run(self) -> None:
        while not self._is_stopped.is_set():
            self._wake.clear()
            wait = self.step()
            if wait and self._clock() + wait > self._ends_at:  # nothing waits, or not for this process
                return
            if wait:
                self._wake.wait(min(wait, _LOOK_AGAIN))

    # -- one message after the other ---------------------------------------------------------------------------------

    def step(self) -> float:
        """Deliver the next message, if there is one and it is time.

        Returns:
            Seconds until there is something to do; infinite if nothing waits.
        """
        if (wait := self._again_at - self._clock()) > 0:
            return wait
        try:
            self._next = self._next or self._next_wanted()
            if self._next is None:
                return math.inf
            line, entry = self._next
            self._target.send(line.rstrip(b"\n"), entry, f"{self._journal.id}-{entry.seq}")
        except DeliveryError as error:
            return self._failed(error)
        except Exception as error:  # one message that is not understood must not end all deliveries
            self._position = 0
            return self._failed(DeliveryError(type(error).__name__, is_refused=True))
        self.delivered += 1
        self._pass(entry.seq, "works again")
        return 0.0

    def _failed(self, error: DeliveryError) -> float:
        if not self.problem:
            log.warning("%s: %s; it is tried again, and messages wait", self.name, error)
        self.problem = str(error)
        self._refusals += error.is_refused
        if self._next and self._refusals >= REFUSALS:
            self.skipped += 1
            self._pass(self._next[1].seq, f"did not take a message in {REFUSALS} tries, which is skipped")
            return 0.0
        wait = min(max(FIRST_WAIT * 2 ** min(self._failures, 10), error.wait_seconds), LONGEST_WAIT)
        self._failures += 1
        self._again_at = self._clock() + wait
        return wait

    def _pass(self, seq: int, words: str) -> None:
        """Go on after a message."""
        if self.problem:
            log.warning("%s %s; %s left", self.name, words, self._left(seq))
        self.problem, self._next, self._failures, self._refusals = "", None, 0, 0
        self._seq = seq
        self._keep()

    def _next_wanted(self) -> tuple[bytes, Entry] | None:
        """The next message of a wanted kind; the oldest are skipped if there are too many."""
        skipped = 0
        for line, position in self._journal.lines(self._position):
            entry = parse_line(line, self._journal.path)
            self._position = position
            if entry.seq <= self._seq:
                continue
            is_wanted = self._kinds is None or entry.message.kind in self._kinds
            if is_wanted and entry.seq > self._journal.written_seq - self._queue_limit:
                self._say_skipped(skipped)
                return line, entry
            skipped += is_wanted
            self._seq = entry.seq
        self._say_skipped(skipped)
        return None

    def _say_skipped(self, count: int) -> None:
        if count:
            self.skipped += count
            log.warning("%s: more messages wait than are kept; the oldest %s are skipped", self.name, f"{count:,}")
            self._keep()

    def _left(self, seq: int) -> str:
        return counted(max(self._journal.written_seq - seq, 0), "message")

    # -- how far it was delivered ------------------------------------------------------------------------------------

    def _seq_before(self) -> int:
        if not self._cursor.exists():
            return self._journal.written_seq
        try:
            kept = read_json(self._cursor)
            seq = int(kept["seq"])
            return seq if kept["journal"] == self._journal.id else 0  # of another journal, nothing was delivered
        except (InputError, KeyError, TypeError, ValueError):
            log.warning("%s is damaged: %s gets what is written from now on", self._cursor, self.name)
            return self._journal.written_seq

    def _keep(self) -> None:
        try:
            write_json(self._cursor, {"journal": self._journal.id, "seq": self._seq})
            self._is_kept = True
        except InputError as error:
            if self._is_kept:
                log.warning("%s After a restart, messages may be delivered twice to %s.", error, self.name)
            self._is_kept = False
