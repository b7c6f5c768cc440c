"""The journal of a watch: all messages, one JSON object per line. Users read it, and it is the truth after a kill."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from io import FileIO
from pathlib import Path

from rcl.detector.live.events.journal_lines import Entry, line_of, parse_line
from rcl.detector.live.events.known_parts import KnownPart, KnownParts
from rcl.detector.live.events.messages import Message
from rcl.system.claims import exclusive
from rcl.system.errors import InputError, counted, shown
from rcl.system.paths import PathLike, exists, is_file, is_remote, to_path
from rcl.system.text_files import check_place

MOST_WAITING = 10_000  # messages, while the file cannot be written
_LONGEST_LINE = 2**20  # bytes: a longer one is no message, and the file perhaps not even a text
_AT_ONCE = 100  # lines that are written together
_BEGINNING = b'{"seq": '

log = logging.getLogger("rcl")


def write_through(file: FileIO, data: bytes) -> None:
    """Write all of it, down to the disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


class Journal:
    """A file of messages, to which any thread appends. :func:`line_of` has its format.

    While the file cannot be written, messages wait in memory, and every ``append`` and ``tick`` tries again. Of more
    than ten thousand the oldest are lost, which shows as a gap in ``seq``.

    Args:
        path: the file, on this machine; created if it is missing. A last line that a kill has cut off is removed.
        clock: Unix time.
        write: all of some bytes, durably; raises ``OSError``.

    Raises:
        InputError: another process has it open, it is not a journal or damaged, or it cannot be written. Nothing is
            changed then.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        clock: Callable[[], float] = time.time,
        write: Callable[[FileIO, bytes], None] = write_through,
    ) -> None:
        self.path, self._clock, self._write = to_path(path), clock, write
        self.id, self.lost = "", 0  # the id is that of the first line
        self._seq = self.written_seq = self._length = 0
        self._known, self._waiting = KnownParts(), deque[tuple[int, bytes]]()
        self.problem = ""  # in words, while the file cannot be written
        self._is_torn = False  # it may end with a part of a line
        self._lock, self._wakes = threading.RLock(), list[Callable[[], None]]()
        with ExitStack() as stack:
            stack.enter_context(_claimed(self.path))
            try:
                self._read()
                self._file = stack.enter_context(self.path.open("ab", buffering=0))
            except OSError as error:
                found, fix = error.strerror or str(error), "correct its permissions, or give another file"
                raise InputError(self.path, expected="a file to write to", found=found, fix=fix) from None
            self._open = stack.pop_all()

    def close(self) -> None:
        """Try once more to write what waits, and let others use the file."""
        self.tick()
        if self._waiting:
            log.warning("%s: %s could not be written", self.path, counted(len(self._waiting), "message"))
        self._file.close()
        self._open.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def waiting(self) -> int:
        """So many messages wait because the file cannot be written."""
        return len(self._waiting)

    def last_part(self, source: str) -> KnownPart | None:
        """The last part of a source, with its events; ``None`` if nothing was said of it yet."""
        return self._known.last.get(source)

    # -- writing -----------------------------------------------------------------------------------------------------

    def append(self, messages: Iterable[Message]) -> None:
        """Write messages, each with the next ``seq`` and the time."""
        with self._lock:
            for message in messages:
                self._seq += 1
                self._known.take(message)
                started_at = self._known.started_at(message.source, message.event.part) if message.event else None
                self._waiting.append((self._seq, line_of(Entry(self._seq, self._clock(), message), started_at)))
                if len(self._waiting) > MOST_WAITING:
                    self._waiting.popleft()
                    self.lost += 1
            self.tick()

    def tick(self) -> None:
        """Try again to write what waits, if anything does."""
        with self._lock:
            waited = len(self._waiting)
            if not waited:
                return
            try:
                while self._waiting:
                    self._write_some([*itertools.islice(self._waiting, _AT_ONCE)])
            except OSError as error:
                self._say_away(error)
            else:
                self._say_back(waited)
        for wake in self._wakes:
            wake()

    def on_written(self, wake: Callable[[], None]) -> None:
        """Have something called after messages were written, in the thread that wrote them."""
        self._wakes.append(wake)

    def _write_some(self, lines: list[tuple[int, bytes]]) -> None:
        self._reopen_if_moved()
        size = os.fstat(self._file.fileno()).st_size
        if size < self._length:
            log.warning("%s was cut off by somebody: what was cut is lost", self.path)
            self._length, self.id = size, self.id if size else ""
        if self._is_torn:
            self._file.truncate(self._length)
        data = b"".join(line for _, line in lines)
        self._is_torn = True
        self._write(self._file, data)
        self._is_torn = False
        self.id = self.id or _id_of(lines[0][1])
        self._length += len(data)
        self.written_seq = lines[-1][0]
        for _ in lines:
            self._waiting.popleft()

    def _reopen_if_moved(self) -> None:
        """Begin a new file where the old one was renamed or removed, as those do who keep old messages elsewhere."""
        try:
            if os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno())):
                return
        except FileNotFoundError:
            pass
        log.warning("%s was moved or removed by somebody: a new one begins", self.path)
        moved, self._file = self._file, self.path.open("ab", buffering=0)
        moved.close()
        self._length, self.id, self._is_torn = os.fstat(self._file.fileno()).st_size, "", False

    def _say_away(self, error: OSError) -> None:
        if not self.problem:
            message = "%s cannot be written (%s): messages wait in memory; free some space, or correct its permissions"
            log.warning(message, self.path, error.strerror or error)
        self.problem = f"{self.path.name} cannot be written ({error.strerror or error})"

    def _say_back(self, waited: int) -> None:
        if self.problem:
            lost = f"; {counted(self.lost, 'message')} in all were lost" if self.lost else ""
            log.warning("%s is written again: %s had waited%s", self.path, counted(waited, "message"), lost)
        self.problem = ""

    # -- reading -----------------------------------------------------------------------------------------------------

    def lines(self, position: int = 0) -> Iterator[tuple[bytes, int]]:
        """The lines that are written, from a position in bytes on, each with the position after it.

        Raises:
            OSError: the file cannot be read.
        """
        position = position if position <= self._length else 0  # somebody has emptied the file
        if position == self._length:
            return
        with self.path.open("rb") as file:
            file.seek(position)
            while position < self._length and (line := file.readline(_LONGEST_LINE)).endswith(b"\n"):
                position += len(line)
                yield line, position

    def _read(self) -> None:
        """Read what is there, and cut off a torn last line."""
        if not exists(self.path):
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
                where = f"{self.path}, line {number}"
                if not line.endswith(b"\n") and not file.read(1):
                    self._mend(line, where)
                    break
                self._take(line, where)
        self.written_seq = self._seq

    def _take(self, line: bytes, where: str) -> None:
        entry = parse_line(line, where)
        if entry.seq <= self._seq:
            expected, fix = f"a seq above {self._seq}", "correct that line, or give another file"
            raise InputError(where, expected=expected, found=str(entry.seq), fix=fix)
        self._seq, self.id = entry.seq, self.id or _id_of(line)
        self._known.take(entry.message)
        self._length += len(line)

    def _mend(self, rest: bytes, where: str) -> None:
        """Remove the line that a kill has cut off; one that misses only its line feed gets it."""
        whole = self._length
        with contextlib.suppress(InputError):
            self._take(rest + b"\n", where)
        with self.path.open("r+b") as file:
            if self._length > whole:
                file.seek(0, os.SEEK_END)
                file.write(b"\n")
                return
            file.truncate(whole)
        log.warning("%s: removed a last line that was not written to its end", where)


def _claimed(path: Path) -> ExitStack:
    """Check the place of a journal, and keep other processes from it."""
    if is_remote(path):
        raise InputError(path, expected="a file on this machine", found="an address", fix="give another name")
    if exists(path) and not is_file(path):
        raise InputError(path, expected="an ordinary file", found="something else", fix="give another name")
    check_place(path)
    _check_beginning(path)
    fix = "end that one, or give another file to --output"
    in_use = InputError(path, expected="a journal that no other rcl watch has open", found="one that has", fix=fix)
    stack = ExitStack()
    stack.enter_context(exclusive(path.with_name(f"{path.name}.lock"), in_use=in_use, extra="watch"))
    return stack


def _check_beginning(path: Path) -> None:
    """Check that a file can be a journal, before a lock is put beside it."""
    beginning = b""
    with contextlib.suppress(OSError), path.open("rb") as file:  # one that cannot be read is reported later
        beginning = file.readline(80).rstrip(b"\0")  # which a loss of power leaves behind
    if not beginning.startswith(_BEGINNING) and not _BEGINNING.startswith(beginning):
        found, fix = shown(beginning.decode("utf-8", "replace")), "give another file to --output"
        raise InputError(f"{path}, line 1", expected="a message of rcl watch", found=found, fix=fix)


def _id_of(first_line: bytes) -> str:
    return hashlib.sha256(first_line).hexdigest()[:12]
