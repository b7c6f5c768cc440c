"""Media files that an annotation tool links: which of several is the video."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from rcl.data.names import AUDIO_EXTENSIONS, VIDEO_EXTENSIONS, match_names, plain_name
from rcl.system.errors import Defect, listed


def is_media(file: str) -> bool:
    """Whether a path is that of a video or of sound, by its extension."""
    return file.lower().endswith(VIDEO_EXTENSIONS + AUDIO_EXTENSIONS)


def is_audio(file: str) -> bool:
    """Whether a path is that of sound, by its extension."""
    return file.lower().endswith(AUDIO_EXTENSIONS)


def choose_media(files: Sequence[str], wanted: str | None) -> tuple[int, bool]:
    """Which of several media files is the video.

    Args:
        files: at least one.
        wanted: a name, a pattern such as ``*_front*``, or a number from 1; by default the first that is not sound.

    Returns:
        Its index, and whether it is clear that this is the video: no if there are others, or only sound.

    Raises:
        Defect: none is what was wanted, or several are.
    """
    if wanted is None:
        videos = [index for index, file in enumerate(files) if not is_audio(file)]
        return (videos or [0])[0], len({plain_name(files[index]) for index in videos}) == 1
    pairs = match_names([wanted], files).pairs
    names = [plain_name(file).rpartition("/")[2] for file in files]
    pattern = plain_name(wanted).rpartition("/")[2]
    found = [files.index(pairs[wanted])] if pairs else [i for i, name in enumerate(names) if _fits(name, pattern)]
    if not found and wanted.isdecimal() and 1 <= int(wanted) <= len(files):
        found = [int(wanted) - 1]
    if len(found) != 1:
        fix = "correct --media: a name, a pattern such as '*front*', or a number from 1"
        raise Defect(expected=f"one file {wanted!r}", found=listed([repr(name) for name in names]), fix=fix)
    return found[0], True


def _fits(name: str, pattern: str) -> bool:
    return "*" in pattern and fnmatch.fnmatch(name.casefold(), pattern.casefold())
