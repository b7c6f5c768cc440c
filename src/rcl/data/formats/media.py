"""Media files that an annotation tool links: which of several is the video."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from urllib.parse import parse_qs, unquote, urlsplit

from rcl.data.names import AUDIO_EXTENSIONS, VIDEO_EXTENSIONS, match_names, plain_name
from rcl.system.errors import Defect, listed, shown


def is_media(file: str) -> bool:
    """Whether a path is that of a video or of sound, by its extension."""
    return file.lower().endswith(VIDEO_EXTENSIONS + AUDIO_EXTENSIONS)


def is_audio(file: str) -> bool:
    """Whether a path is that of sound, by its extension."""
    return file.lower().endswith(AUDIO_EXTENSIONS)


def path_of(address: str) -> str:
    """The path that an address leads to, decoded; of a video of YouTube, its id. A path stays as it is.

    >>> path_of("https://x.org/a/clip%20one.mp4?t=3"), path_of("file:///v/clip%20one.mp4"), path_of("100%.mp4")
    ('/a/clip one.mp4', '/v/clip one.mp4', '100%.mp4')

    Raises:
        Defect: it is no address.
    """
    scheme, is_address, rest = address.partition("://")
    if not is_address or not scheme.isalnum():
        return address
    if scheme.lower() == "file":  # whole: tools write characters that have a meaning in addresses of the web
        return unquote(rest)
    try:
        parts = urlsplit(address)
    except ValueError:
        raise Defect(expected="the address of a video", found=shown(address), fix="correct it") from None
    shown_video = parse_qs(parts.query).get("v") if parts.path.rstrip("/").endswith("/watch") else None
    return shown_video[0] if shown_video else unquote(parts.path)


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
