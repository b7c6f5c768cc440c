"""Features that are collected while a recording is read, however long it is."""

from __future__ import annotations

import io
import tempfile
from typing import IO

import numpy as np

from rcl.system.errors import InputError, describe_error
from rcl.system.paths import PathLike

SPOOLED_BYTES = 2**26  # features of a recording that take more go to a temporary file


class FeatureBuffer:
    """Features of a recording that grow in one block of memory, and beyond a size in an unnamed temporary file.

    Args:
        path: the recording, for messages.
        made_by: what computes the features, likewise.
        snippets_per_second: of the features, likewise.
        fix: what to do about features that are not finite.
    """

    def __init__(self, path: PathLike, *, made_by: str, snippets_per_second: float, fix: str) -> None:
        self.path, self.made_by, self.snippets_per_second, self.fix = path, made_by, snippets_per_second, fix
        self.channels, self.count = 0, 0
        self._file: IO[bytes] = io.BytesIO()  # many small blocks would fragment the heap

    def add(self, features: np.ndarray) -> None:
        """Append ``features (B, C)`` float32.

        Raises:
            InputError: one is not finite, or there is no space left.
        """
        begin = self.count / self.snippets_per_second
        check_finite(features, self.path, self.made_by, begin, self.snippets_per_second, fix=self.fix)
        self.channels, self.count = features.shape[1], self.count + len(features)
        try:
            self._file.write(features.tobytes())
            if isinstance(self._file, io.BytesIO) and self._file.tell() > SPOOLED_BYTES:
                in_memory, self._file = self._file, tempfile.TemporaryFile()  # noqa: SIM115  # as long as it is mapped
                self._file.write(in_memory.getbuffer())
        except OSError as error:
            raise self._no_space(error) from None

    def features(self) -> np.ndarray:
        """All features, ``(T, C)``.

        Raises:
            InputError: there is no space left.
        """
        if isinstance(self._file, io.BytesIO):
            return np.frombuffer(self._file.getbuffer(), dtype=np.float32).reshape(-1, self.channels)
        try:
            self._file.flush()
            shape = self._file.tell() // (4 * self.channels), self.channels
            return np.memmap(self._file, dtype=np.float32, mode="r+", shape=shape)
        except OSError as error:
            raise self._no_space(error) from None

    def _no_space(self, error: OSError) -> InputError:
        fix = "free some space there, or set TMPDIR to a folder with more"
        return InputError(
            tempfile.gettempdir(),
            expected=f"space for the features of {self.path}",
            found=describe_error(error),
            fix=fix,
        )


def check_finite(
    features: np.ndarray, where: object, made_by: str, begin_seconds: float, snippets_per_second: float, *, fix: str
) -> None:
    """Check new ``features (B, C)``, which begin at some second, so that a defect is reported at once, not after hours.

    Raises:
        InputError: one is not finite.
    """
    finite = np.isfinite(features).all(axis=1)  # (B,)
    if not finite.all():
        seconds = begin_seconds + int(finite.argmin()) / snippets_per_second
        found = f"NaN or infinity at {seconds:.1f} s"
        raise InputError(where, expected=f"finite features from {made_by}", found=found, fix=fix)
