"""The kinds of recordings, told apart by the endings of their files, and what extracts features from each."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rcl.data.names import SIGNAL_EXTENSIONS, VIDEO_EXTENSIONS


class Kind(NamedTuple):
    """A kind of recordings.

    Args:
        extensions: of its files, in lower case.
        settings: ``package.module:Class`` of its settings, which follow ``rcl.video.settings.Settings``.
        extractor: ``package.module:Class`` of what extracts its features, see ``rcl.video.extractor.Extractor``.
    """

    extensions: tuple[str, ...]
    settings: str
    extractor: str


VIDEO = "video"
KINDS = {
    VIDEO: Kind(VIDEO_EXTENSIONS, "rcl.video.settings:ExtractionSettings", "rcl.video.extraction:VideoExtractor"),
    "signal": Kind(
        SIGNAL_EXTENSIONS,
        "rcl.video.signals.settings:SignalSettings",
        "rcl.video.signals.extraction:SignalExtractor",
    ),
}
"""The kinds by the name that their settings have as ``kind``; settings without one are those of videos."""


def kind_of(path: Path) -> str:
    """The kind of a file by its ending. A file with an unknown ending counts as a video: FFmpeg may read it.

    >>> kind_of(Path("cam1/001.MP4")), kind_of(Path("imu/001.csv")), kind_of(Path("001"))
    ('video', 'signal', 'video')
    """
    extension = path.suffix.lower()
    return next((name for name, kind in KINDS.items() if extension in kind.extensions), VIDEO)


def has_known_ending(path: Path) -> bool:
    """Whether a file is a recording by its ending. Files of a folder that are none are left out."""
    return any(path.suffix.lower() in kind.extensions for kind in KINDS.values())
