"""Finding the videos among files and folders, and matching labels to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rcl.data.annotations import Annotations
from rcl.data.names import VIDEO_EXTENSIONS
from rcl.system.errors import InputError, listed
from rcl.system.paths import PathLike, exists, files_below, is_dir, to_path


def find_videos(paths: Sequence[PathLike]) -> tuple[dict[str, Path], list[Path]]:
    """Find the videos among files and, recursively, in folders.

    A video is named after its file without the extension, or with it if several files differ only in their extension,
    such as ``clip.mp4`` and ``clip.avi``.

    Returns:
        Name to file, sorted by name; and the other files in the folders.

    Raises:
        InputError: two videos have the same name, none of the paths exists, or there is no video.
    """
    places = [to_path(path) for path in paths]
    if not any(exists(place) for place in places):
        raise InputError.missing(listed([str(path) for path in paths]), "videos, or a folder of them")
    files, others = list[Path](), list[Path]()
    for place in places:
        if not is_dir(place):
            files.append(place)  # it may be missing; then only this video fails
            continue
        for file, below in files_below(place):
            if not any(part.startswith(".") for part in below.parts):
                (files if file.suffix.lower() in VIDEO_EXTENSIONS and _is_plain(file.name) else others).append(file)
    stems = Counter(path.stem for path in {file.absolute() for file in files})
    videos: dict[str, Path] = {}
    for file in files:
        name = file.stem if stems[file.stem] == 1 else file.name
        other = videos.setdefault(name, file)
        if other.absolute() != file.absolute():
            found, fix = f"{other} and {file}", "rename one of them"
            raise InputError(f"video {name!r}", expected="one file of this name", found=found, fix=fix)
    if not videos:
        found = listed([path.name for path in others]) or "none"
        where = listed([str(path) for path in paths])
        raise InputError(
            where,
            expected="video files",
            found=found,
            fix="name videos or a folder of them (or, to detect, a pack: annotations.json and features)",
        )
    return dict(sorted(videos.items())), others


def _is_plain(name: str) -> bool:
    """Whether a name is valid on this machine; one from an object store may contain a path separator of Windows."""
    return Path(name).name == name


def match_videos(annotations: Annotations, videos: Mapping[str, Path]) -> Annotations:
    """Annotations under the names of the videos: a table may call the video ``clip`` by its file name ``clip.mp4``.

    Raises:
        InputError: a video is named in both ways.
    """
    renamed = {}
    for name, video in annotations.videos.items():
        stem = name if name in videos or Path(name).suffix.lower() not in VIDEO_EXTENSIONS else Path(name).stem
        if stem in renamed:
            fix = "write its name the same in all rows"
            found = f"the names {stem!r} and {name!r}" if stem != name else f"{name!r} and its file name"
            raise InputError(annotations.source, expected=f"one name for {stem!r}", found=found, fix=fix)
        renamed[stem] = replace(video, name=stem)
    return Annotations(renamed, clipped=annotations.clipped, source=annotations.source)
