"""The files of videos that results or labels name."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from rcl.cli.console import warn
from rcl.system.errors import InputError, listed


def files_of(names: Collection[str], folder: Path, *, what: object) -> dict[str, Path]:
    """The files of videos in a folder, with a warning of those that are missing.

    Args:
        names: of the videos.
        folder: of the files, searched with the folders in it.
        what: the file that has the names, for messages.

    Raises:
        InputError: no video has a file, or two names mean the same one.
    """
    from rcl.video.finding import find_videos

    found, _ = find_videos([folder])
    return {name: found[file] for name, file in joined(names, found, where=folder, what=what, noun="file").items()}


def joined(names: Collection[str], known: Collection[str], *, where: object, what: object, noun: str) -> dict[str, str]:
    """Name of a video to the known name that it means, with a warning of those that mean none.

    Args:
        names: of the videos.
        known: what there is of videos, by name.
        where: the place of these, for messages.
        what: the file that has the names, for messages.
        noun: what there is of a video: a file.

    Raises:
        InputError: no name means a known one, or two mean the same.
    """
    from rcl.data.names import match_names, share_with

    match = match_names(names, known)
    for other, doubled in match.doubled.items():
        found, fix = " and ".join(map(repr, doubled)), "write its name the same everywhere"
        raise InputError(what, expected=f"one name for the video {other!r}", found=found, fix=fix)
    if match.missing and not match.pairs:
        expected = f"{noun}s of the videos in {what}: {match.describe_missing()}"
        fix = "give those of the same videos"
        raise InputError(where, expected=expected, found=listed([repr(name) for name in known]), fix=fix)
    if match.missing:
        count = share_with(len(match.pairs), len(names), f"a {noun} in {where}")
        warn(f"{count}; without: {match.describe_missing()}.")
    return dict(match.pairs)
