"""A matrix that grows row by row for ever: its latest rows, in memory and in a file."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from rcl.system.errors import InputError
from rcl.system.text_files import write_file

_HEAD = struct.Struct("<4sIq")  # magic, channels, number of the first row
_MAGIC = b"rows"
_FEWEST = 256  # rows of a block of memory, and rows that a file may have too many


class RowBuffer:
    """The latest rows ``(T, c)`` float32 of a matrix that grows. Appending a row takes constant time on average.

    Args:
        keep: at least so many of the latest rows, 1 or more; infinite for all.
        first: number of the first row that it will hold.

    Attributes:
        count: number of the next row: of all rows that there were.
    """

    def __init__(self, keep: float = math.inf, *, first: int = 0) -> None:
        self.keep, self.count = keep, first
        self._block, self._used = np.empty((0, 0), dtype=np.float32), 0

    @property
    def first(self) -> int:
        """Number of the first row that is in memory."""
        return self.count - self._used

    @property
    def channels(self) -> int:
        """The width; 0 before the first row."""
        return self._block.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self._block.nbytes

    def append(self, rows: np.ndarray) -> None:
        """Add ``rows (n, c)``."""
        if not len(rows):
            return
        if self._used + len(rows) > len(self._block):
            self._make_room(*rows.shape)
        self._block[self._used : self._used + len(rows)] = rows
        self._used += len(rows)
        self.count += len(rows)

    def rows(self, first: int, last: int | None = None) -> np.ndarray:
        """Rows ``first`` to before ``last``, by default all from ``first`` on; valid until the next :meth:`append`.

        Raises:
            ValueError: ``first`` is not in memory.
        """
        last = self.count if last is None else min(last, self.count)
        if not self.first <= first <= last:
            raise ValueError(f"first must be from {self.first} to {last}, not {first}")
        return self._block[first - self.first : last - self.first]

    def cut(self, count: int) -> None:
        """Forget all rows from number ``count`` on."""
        self._used = max(self._used - max(self.count - count, 0), 0)
        self.count = min(self.count, count)

    def _make_room(self, number: int, channels: int) -> None:
        kept = int(min(self._used, self.keep))
        old = self._block[self._used - kept : self._used] if kept else np.empty((0, channels), dtype=np.float32)
        if 2 * (kept + number) > len(self._block):  # else moving is cheap enough
            self._block = np.empty((2 * (kept + number) + _FEWEST, channels), dtype=np.float32)
        self._block[:kept] = old
        self._used = kept


class RowFile:
    """The rows of a :class:`RowBuffer` in a file, so that they outlive the process.

    The file begins with the width of a row and the number of its first one, then has one float32 after the other. Rows
    are added at its end, and a row that a kill or a full disk has torn is cut off. Once it has more than twice the rows
    that the buffer has to keep, it is replaced by one without the oldest.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._first = self._end = 0  # numbers of the first row, and of the one after the last
        self._exists = False

    def load(self, keep: float) -> RowBuffer:
        """The rows of the file, as many as are whole.

        Raises:
            InputError: the file cannot be read, or is another one.
        """
        try:
            size = self.path.stat().st_size if self.path.exists() else 0
            if size < _HEAD.size:
                return RowBuffer(keep)
            with self.path.open("rb") as file:
                magic, channels, self._first = _HEAD.unpack(file.read(_HEAD.size))
                if magic != _MAGIC or not channels or self._first < 0:
                    raise self._damaged("another file")
                rows = np.fromfile(file, dtype="<f4", count=(size - _HEAD.size) // (4 * channels) * channels)
        except OSError as error:
            raise self._damaged(f"a file that cannot be read ({error.strerror})") from None
        self._exists, self._end = True, self._first + len(rows) // channels
        buffer = RowBuffer(keep, first=self._first)
        buffer.append(rows.reshape(-1, channels))
        return buffer

    def save(self, buffer: RowBuffer) -> None:
        """Bring the file up to date.

        Raises:
            OSError, InputError: there is no space, or it cannot be written. A later call tries again.
        """
        if not buffer.channels or (self._exists and self._end == buffer.count):
            return
        self._end = min(self._end, buffer.count)  # some may have been cut
        too_many = buffer.count - self._first > 2 * buffer.keep + _FEWEST
        if too_many or self._end < buffer.first or not (self._exists and self.path.exists()):
            self._replace(buffer)
        else:
            self._append(buffer.rows(self._end))

    def _append(self, rows: np.ndarray) -> None:
        content = memoryview(rows.tobytes())
        place = _HEAD.size + (self._end - self._first) * rows.strides[0]
        with self.path.open("r+b", buffering=0) as file:
            file.truncate(place)  # what is torn
            file.seek(place)
            while content:
                content = content[file.write(content) :]
        self._end += len(rows)

    def _replace(self, buffer: RowBuffer) -> None:
        first = int(max(buffer.count - buffer.keep, buffer.first))
        head = _HEAD.pack(_MAGIC, buffer.channels, first)
        write_file(self.path, lambda file: (file.write(head), file.write(buffer.rows(first).tobytes())))
        self._first, self._end, self._exists = first, buffer.count, True

    def _damaged(self, found: str) -> InputError:
        fix = "remove it; the features of this part are then made again, or lost if the source is gone"
        return InputError(self.path, expected="features of a watched source", found=found, fix=fix)
