"""What is watched: an address or a device, a file that is being written, or a folder of segments."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from rcl.system.errors import InputError
from rcl.video.clip_names import safe

SourceKind = Literal["address", "file", "folder"]

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_NAMED = re.compile(r"([^/\\:?=]+)=(.+)", re.DOTALL)
_VIDEO_DEVICE = re.compile(r"/dev/video\d+")
_SECRETS = (
    (re.compile(r"(?<=://)\S*@"), ""),  # user and password, also one with an unquoted slash
    (re.compile(r"\?[^\s#]*"), "?…"),  # tokens
    (re.compile(r"(?i)(pass\w*|pwd|token|secret|key)=[^\s/?#]*"), r"\1=…"),  # in the path, as some cameras have it
)


@dataclass(frozen=True)
class Source:
    """Something that is watched.

    Args:
        name: short and safe in the name of a file; of one source only.
        kind: ``address`` (or a device), which cannot be read again; ``file``; ``folder`` of segments.
        place: the address or path. It may hold a password: show :attr:`shown` instead.
        format: of FFmpeg, for devices and where it cannot be guessed.
        options: of FFmpeg, such as ``rtsp_transport: tcp``.
    """

    name: str
    kind: SourceKind
    place: str = field(repr=False)
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """The address or path without what is secret."""
        return without_secrets(self.place) if self.kind == "address" else self.place


def parse_sources(
    texts: Sequence[str], *, format: str | None = None, options: Mapping[str, str] | None = None
) -> list[Source]:
    """The sources that a user named, each ``PLACE`` or ``NAME=PLACE``, with names that differ.

    Args:
        texts: what the user wrote.
        format: of FFmpeg, for all addresses and devices among them.
        options: of FFmpeg, likewise.

    Raises:
        InputError: see :func:`parse_source`; or two sources have the same name or place.
    """
    sources = [parse_source(text, format=format, options=options) for text in texts]
    places = Counter(source.place for source in sources)
    if twice := [source.shown for source in sources if places[source.place] > 1]:
        raise InputError(twice[0], expected="a source once", found="it twice", fix="leave one of them out")
    given = [bool(_split(text, format)[0]) for text in texts]
    names = Counter(source.name.casefold() for source in sources)
    taken = {source.name.casefold() for source, is_given in zip(sources, given, strict=True) if is_given}
    unique = list[Source]()
    for source, is_given in zip(sources, given, strict=True):
        name = source.name
        if not is_given and (names[name.casefold()] > 1 or name.casefold() in taken):
            name = safe(f"{_above(source)}-{name}")
        unique.append(replace(source, name=name))
    found = Counter(source.name.casefold() for source in unique)
    if double := [source.name for source in unique if found[source.name.casefold()] > 1]:
        fix = f"name them apart, as in {double[0]}-2=rtsp://…"
        raise InputError("sources", expected="names that differ", found=f"{double[0]!r} twice", fix=fix)
    return unique


def parse_source(text: str, *, format: str | None = None, options: Mapping[str, str] | None = None) -> Source:
    """The source that a user named: ``PLACE`` or ``NAME=PLACE``.

    >>> parse_source("rtsp://ann:secret@cam1.local/stream1?token=abc")
    Source(name='stream1', kind='address', format=None)
    >>> parse_source("door=rtsp://ann:secret@cam1.local/stream1?token=abc").shown
    'rtsp://cam1.local/stream1?…'

    Args:
        text: what the user wrote.
        format: of FFmpeg; the place is then whatever this format takes.
        options: of FFmpeg.

    Raises:
        InputError: the name cannot be in the name of a file, or there is no such file or folder.
    """
    name, place = _split(text, format)
    if not place:
        raise InputError("source", expected="an address, a file or a folder", found="nothing", fix="name one")
    if name and safe(name) != name:
        expected, fix = "a name of letters, digits, '.', '+', '-' and '_'", f"write {safe(name)}=…"
        raise InputError(f"source {without_secrets(text)!r}", expected=expected, found=repr(name), fix=fix)
    place = _without_file_scheme(place)
    kind = _kind(place, format)
    if kind == "address" and not format and _VIDEO_DEVICE.fullmatch(place):
        format = "v4l2"
    source = Source(name, kind, place, format if kind == "address" else None, dict(options or {}))
    return source if name else replace(source, name=_name_of(source))


def parse_options(texts: Sequence[str]) -> dict[str, str]:
    """Options of FFmpeg from ``KEY=VALUE``.

    >>> parse_options(["rtsp_transport=tcp"])
    {'rtsp_transport': 'tcp'}

    Raises:
        InputError: one of them is something else.
    """
    options = dict[str, str]()
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            fix = "write it as in rtsp_transport=tcp"
            raise InputError("--input-option", expected="KEY=VALUE", found=repr(text), fix=fix)
        options[key] = value
    return options


def without_secrets(text: str) -> str:
    """A text in which addresses have neither a user and password nor a query.

    >>> without_secrets("srt://ann:pw@host:9000?passphrase=abc")
    'srt://host:9000?…'
    """
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _split(text: str, format: str | None) -> tuple[str, str]:
    """The name, which may be empty, and the place."""
    named = _NAMED.fullmatch(text)
    if named is None or (format is None and os.path.lexists(text)):
        return "", text
    return named[1], named[2]


def _without_file_scheme(place: str) -> str:
    return unquote(urlsplit(place).path) if place.lower().startswith("file://") else place


def _kind(place: str, format: str | None) -> SourceKind:
    if format or _ADDRESS.match(place):
        return "address"
    try:
        mode = os.stat(place).st_mode
    except (OSError, ValueError):
        if _VIDEO_DEVICE.fullmatch(place):
            return "address"  # it may be plugged in later
        fix = "check the path, or write an address as in rtsp://HOST/PATH"
        raise InputError.missing(place, "an address, a file or a folder", fix=fix) from None
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "address"  # a device, or a pipe


def _name_of(source: Source) -> str:
    """A name from the last part of the address or path."""
    if _ADDRESS.match(source.place):
        parts = urlsplit(without_secrets(source.place))
        last = unquote(parts.path).rstrip("/").rpartition("/")[2]
        return safe(Path(last).stem if last else parts.netloc)
    path = Path(os.path.abspath(source.place))
    return safe(path.name if source.kind == "folder" else path.stem)


def _above(source: Source) -> str:
    """What tells sources apart whose last parts are equal: the host, or the folder above."""
    if _ADDRESS.match(source.place):
        parts = urlsplit(without_secrets(source.place))
        above = unquote(parts.path).rstrip("/").rpartition("/")[0]
        return f"{parts.netloc}{above}"
    return Path(os.path.abspath(source.place)).parent.name
