"""Which video a task of Label Studio is about."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from rcl.data.formats.exported import stem_of
from rcl.data.formats.media import is_audio, is_media, path_of
from rcl.system.errors import Defect, listed, shown

_USUAL = ("video", "video_url", "videoSource", "url", "audio", "file")
"""Keys of the templates of Label Studio."""


def media_file(data: dict[str, Any], upload: object, shown_in: Iterable[str], key: str | None) -> str:
    """The path of a task's video: a video file before one of sound, and what labels refer to before the rest.

    Args:
        data: of the task.
        upload: the uploaded file, which need not be the media.
        shown_in: the names of the tags of the interface that the labels refer to.
        key: of the data that names the video, if the user gave it.

    Raises:
        Defect: there is none, or it is not clear which.
    """
    addresses = {name: value for name, value in data.items() if isinstance(value, str) and value.strip()}
    if key is not None:
        if key not in addresses:
            found = f"the keys {listed([repr(name) for name in data]) or '(none)'}"
            raise Defect(expected=f"the video as {key!r}", found=found, fix="correct --data-key")
        return _path_in(addresses[key])
    paths = _media_in(addresses)
    usual = [name for name in (*shown_in, *_USUAL) if name in addresses]
    if paths:
        chosen = next((paths[name] for name in usual if name in paths), None)
        if chosen is None and len({stem_of(path) for path in paths.values()}) > 1:
            keys = listed([repr(name) for name in paths])
            fix = "say which one with --data-key"
            raise Defect(expected="one video", found=f"the media files {keys}", fix=fix)
        return chosen or next(iter(paths.values()))
    if isinstance(upload, str) and is_media(upload):
        return _without_number(upload)
    if not usual:
        keys = listed([repr(name) for name in data]) or "none"
        fix = "say with --data-key which key names the video"
        raise Defect(expected="the file name of its video", found=f"the keys {keys}", fix=fix)
    return _path_in(addresses[usual[0]])


def _media_in(addresses: Mapping[str, str]) -> dict[str, str]:
    """The paths of media files by key: those of sound only where there is no other."""
    paths = {name: path for name, value in addresses.items() if is_media(path := _path_in(value))}
    return {name: path for name, path in paths.items() if not is_audio(path)} or paths


def shown_elsewhere(data: Mapping[str, Any], file: str, tags: Collection[str]) -> set[str]:
    """Which tags of the interface show another video of a task than the one that was chosen.

    What a tag shows is not in an export, but tags are often named as the key of the data.

    Args:
        data: of the task.
        file: the path of the chosen video.
        tags: the names of those that labels refer to.

    Raises:
        Defect: it is not clear which of several shows the chosen video.
    """
    paths = _media_in({name: value for name, value in data.items() if isinstance(value, str) and value.strip()})
    own = {name for name, path in paths.items() if stem_of(path) == stem_of(file)}
    if own == paths.keys():
        return set()
    if own & {*tags}:
        return {*tags} - own
    others = {*tags} & paths.keys()
    if len(unknown := sorted({*tags} - others)) > 1:
        found = f"labels of {listed([repr(name) for name in unknown])}, and several videos"
        fix = "say with --tier which control labels the video"
        raise Defect(expected="labels of one video", found=found, fix=fix)
    return others


def _path_in(address: str) -> str:
    """The path of a file out of an upload, a local file, a link, or HTML that shows it."""
    if source := re.search(r"<(?:video|audio|source)\b[^>]*?\bsrc\s*=\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s>]+))", address):
        address = html.unescape(next(filter(None, source.groups())))
    try:
        parts = urlsplit(address)
    except ValueError:
        raise Defect(expected="the address of a video", found=shown(address), fix="correct it") from None
    local = parse_qs(parts.query).get("d")
    file = local[0] if local else path_of(address) if "://" in address else unquote(parts.path)
    return _without_number(file) if "/upload/" in file else file


def _without_number(file: str) -> str:
    """An uploaded file without the random number that Label Studio puts before its name."""
    return re.sub(r"(?<![^/])[0-9a-f]{8}-(?=[^/]+$)", "", file)
