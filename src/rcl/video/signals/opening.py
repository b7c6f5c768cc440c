"""Recordings of signals, opened with what the settings of their features say about them."""

from __future__ import annotations

from rcl.data.signals.opening import open_recording
from rcl.data.signals.signal import Recording, RecordingOptions
from rcl.system.errors import InputError
from rcl.system.paths import PathLike


def open_timed(path: PathLike, reading: RecordingOptions) -> Recording:
    """Open a recording. Its own times count; ``reading.rate`` is that of a recording that has none.

    Raises:
        InputError: it is damaged, no recording, or has neither times nor a rate.
    """
    if reading.rate is not None:
        try:
            recording = open_recording(path, reading.model_copy(update={"rate": None}))
            next(iter(recording.blocks()))  # the times of a table are judged where they are read
            return recording
        except InputError:
            pass  # with the rate, the next lines say what else is wrong
    return open_recording(path, reading)
