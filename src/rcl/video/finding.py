"""Finding the videos among files and folders, and naming them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rcl.system.errors import InputError, listed
from rcl.system.paths import PathLike, exists, files_below, is_dir, is_hidden, is_remote, key_of, to_path
from rcl.video.kinds import VIDEO, has_known_ending, kind_of

_TRACKS = re.compile(r"DLC_.*|\.analysis")  # of DeepLabCut and of SLEAP


def is_video(path: Path) -> bool:
    """Whether a file is a video by its ending, or of no known kind."""
    return kind_of(path) == VIDEO


def find_videos(
    paths: Sequence[PathLike], *, takes: Callable[[Path], bool] = is_video
) -> tuple[dict[str, Path], list[Path]]:
    """Find the videos, or recordings of another kind, among files and, recursively, in folders.

    A video is named after its path in the given folder, without the extension: ``cam1/001``. So its name stays when
    videos are added. Where files of one folder differ only in their extension, such as ``clip.mp4`` and ``clip.avi``,
    the names keep it; where videos of two given folders would have the same name, the names begin with the folders.
    Names are composed Unicode (NFC), whatever the file system writes.

    Args:
        paths: files, which are all taken for recordings, and folders.
        takes: whether a file of a folder, one with the ending of a recording, is wanted; see ``Extractor.takes``.

    Returns:
        Name to file, sorted by name; and the other files in the folders.

    Raises:
        InputError: none of the paths exists, there is no video, or the names of two differ in nothing but their Unicode
            normalization.
    """
    if not any(exists(to_path(path)) for path in paths):
        raise InputError.missing(listed([str(path) for path in paths]), "videos, or a folder of them")
    videos, others = search(paths, takes)
    if not videos:
        raise no_videos(paths, others)
    return videos, others


def search(paths: Sequence[PathLike], takes: Callable[[Path], bool]) -> tuple[dict[str, Path], list[Path]]:
    """What :func:`find_videos` finds, which may be nothing.

    Raises:
        InputError: the names of two differ in nothing but their Unicode normalization.
    """
    found, others = dict[Path, _Found](), list[Path]()
    for place in map(to_path, paths):
        if not is_dir(place):  # it may be missing; then only this video fails
            found.setdefault(place.absolute(), _Found(place, folders_of(place)[:-1], (place.name,)))
            continue
        for file, below in files_below(place):
            if is_hidden(below):
                continue
            if has_known_ending(file) and _is_plain(below) and takes(file):
                inside = tuple(part for part in below.parts if part != "/")
                found.setdefault(file.absolute(), _Found(file, folders_of(place), inside))
            else:
                others.append(file)
    videos = dict(zip(_names([*found.values()]), (video.file for video in found.values()), strict=True))
    return dict(sorted(videos.items())), others


class _Found(NamedTuple):
    """A video.

    Args:
        file: its path.
        above: the folders above the given one and this itself, the outermost first.
        inside: its path in the given folder.
    """

    file: Path
    above: tuple[str, ...]
    inside: tuple[str, ...]

    def name(self, *, extension: bool, above: int = 0) -> str:
        """The name with or without the extension, and with the last folders of those above."""
        folders = self.above[len(self.above) - above :] if above < len(self.above) else self.above
        path = PurePosixPath(*folders, *self.inside)
        return unicodedata.normalize("NFC", str(path if extension else path.with_name(_stem(path))))


def _stem(path: PurePosixPath) -> str:
    """The name of a file without its extension, and without what programs add to the name of a video for its tracks.

    >>> _stem(PurePosixPath("cam1/s1DLC_resnet50_mice_shuffle1_50000.h5")), _stem(PurePosixPath("take 1.5.csv"))
    ('s1', 'take 1.5')
    """
    stem = path.stem
    return (_TRACKS.sub("", stem) or stem) if kind_of(Path(path)) != VIDEO else stem


def _names(videos: Sequence[_Found]) -> list[str]:
    """A name for each video, as short as they are all different."""
    extensions = _ambiguous_stems(videos)
    names = [video.name(extension=extension) for video, extension in zip(videos, extensions, strict=True)]
    above = 0
    while double := {name for name, count in Counter(names).items() if count > 1}:
        above += 1
        longer = [
            video.name(extension=extension, above=above) if name in double else name
            for video, extension, name in zip(videos, extensions, names, strict=True)
        ]
        if longer == names:
            same = next(name for name in names if name in double)
            first, second = [video.file for video, name in zip(videos, names, strict=True) if name == same][:2]
            where, found = f"video {same!r}", f"{first} and {second}"
            raise InputError(where, expected="one file of this name", found=found, fix="rename one of them")
        names = longer
    return names


def _ambiguous_stems(videos: Sequence[_Found]) -> list[bool]:
    """Whether each video needs its extension, because another file of its folder has the same name without it."""
    stems = Counter((video.file.absolute().parent, video.name(extension=False)) for video in videos)
    shared = {video.name(extension=True) for video in videos}  # a.mp4 next to a.mp4.mkv
    return [
        stems[video.file.absolute().parent, stem] > 1 or stem in shared
        for video in videos
        for stem in (video.name(extension=False),)
    ]


def folders_of(place: Path) -> tuple[str, ...]:
    """The parts of a path, the outermost first."""
    if is_remote(place):
        return tuple(part for part in key_of(place).split("/") if part)
    return Path(os.path.abspath(place)).parts[1:]


def _is_plain(path: PurePosixPath) -> bool:
    """Whether the parts of a path are valid names on this machine; those from an object store may contain a path
    separator of Windows."""
    return all(part == "/" or Path(part).name == part for part in path.parts)


def no_videos(paths: Sequence[PathLike], others: Sequence[Path]) -> InputError:
    """The error for paths without a video, but with other files."""
    return InputError(
        listed([str(path) for path in paths]),
        expected="video files",
        found=listed([path.name for path in others]) or "none",
        fix="name videos or a folder of them (or, to detect, a pack: annotations.json and features)",
    )
