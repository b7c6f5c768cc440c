"""Finding the recordings of signals among files and folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rcl.data.names import SIGNAL_EXTENSIONS
from rcl.data.signals.opening import is_recording, open_recording
from rcl.data.signals.signal import RecordingOptions
from rcl.system.errors import InputError
from rcl.system.paths import PathLike, is_dir, is_file
from rcl.system.transfer import local
from rcl.video.finding import find_videos, search
from rcl.video.kinds import VIDEO, kind_of
from rcl.video.signals.settings import SignalSettings

_PREFERRED = (".h5", ".hdf5", ".parquet", ".pq")  # DeepLabCut writes the same tracks as .h5 and .csv


def is_signal(path: Path, reading: RecordingOptions | None = None) -> bool:
    """Whether a file holds signals, by its ending and its beginning, and is not the second copy of a recording."""
    if kind_of(path) == VIDEO or not is_recording(path, reading):
        return False
    others = [path.with_suffix(extension) for extension in _PREFERRED] if path.suffix.lower() not in _PREFERRED else []
    return not any(is_file(other) and is_recording(other, reading) for other in others)


def are_signals(paths: Sequence[PathLike], reading: RecordingOptions | None = None) -> bool:
    """Whether what is given are recordings of signals: some, and no video among them."""
    found, _ = search(paths, lambda path: True)
    files = [*found.values()]
    if not all(file.suffix.lower() in SIGNAL_EXTENSIONS for file in files):
        return False
    return any(is_file(file) and is_recording(file, reading) for file in files)


def find_signals(
    paths: Sequence[PathLike], reading: RecordingOptions | None = None
) -> tuple[dict[str, Path], list[Path]]:
    """Find the recordings of signals among files and, recursively, in folders; see ``find_videos``.

    Args:
        paths: files, which are all taken for recordings, and folders.
        reading: what the files do not say about themselves.

    Returns:
        Name to file, sorted by name; and the other files in the folders.

    Raises:
        InputError: see ``find_videos``.
    """
    return find_videos(paths, takes=lambda path: is_signal(path, reading))


def each_individual(recordings: Mapping[str, Path], settings: SignalSettings) -> dict[str, Path]:
    """The recordings as the settings divide them: ``NAME/INDIVIDUAL`` to ``FILE/INDIVIDUAL`` where each individual is a
    sequence of its own. A recording of tracks without identity stays as it is, and so does one that cannot be read:
    its extraction reports the error.
    """
    if not settings.per_individual:
        return dict(recordings)
    divided = dict[str, Path]()
    for name, path in recordings.items():
        own = _individuals_of(path, settings.reading)
        divided |= {f"{name}/{individual}": path / individual for individual in own} or {name: path}
    return divided


def _individuals_of(path: Path, reading: RecordingOptions) -> tuple[str, ...]:
    if is_dir(path) or not is_file(path):
        return ()
    try:
        with local(path) as file:
            return open_recording(file, reading).individuals
    except InputError:
        return ()
