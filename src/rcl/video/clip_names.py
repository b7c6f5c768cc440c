"""Names of clips: they say what is in the file, work on every system, and differ from each other."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

_LONGEST_VIDEO, _LONGEST_LABEL = 110, 60  # bytes, of the 255 that file systems allow


class ClipKey(NamedTuple):
    """What a clip shows: a video, a part of it, and its label."""

    video: str
    start_seconds: float
    end_seconds: float
    label: str


def clip_names(keys: Sequence[ClipKey]) -> list[str]:
    """A name without an extension for each clip, such as ``figure-001_0012.34-0015.60_kick``.

    Where two would have the same name, also to a system that ignores case, some letters of a digest follow. So the
    name of a clip hardly depends on the others.

    >>> clip_names([ClipKey("cam1/001", 12.34, 15.6, "pick up"), ClipKey("cam1/001", 12.341, 15.6, "pick up")])
    ['cam1-001_0012.34-0015.60_pick-up_a40b', 'cam1-001_0012.34-0015.60_pick-up_9d53']

    Args:
        keys: of the clips; equal ones get one name.
    """
    plain = [
        f"{safe(key.video, _LONGEST_VIDEO)}_{key.start_seconds:07.2f}-{key.end_seconds:07.2f}"
        f"_{safe(key.label, _LONGEST_LABEL)}"
        for key in keys
    ]
    owners = Counter(name.casefold() for name in dict(zip(keys, plain, strict=True)).values())
    return [
        f"{name}_{_digest(key)}" if owners[name.casefold()] > 1 else name for key, name in zip(keys, plain, strict=True)
    ]


def safe(text: str, longest: int = _LONGEST_VIDEO) -> str:
    """A text as a part of a file name of at most so many bytes: letters and digits of all scripts, ``.``, ``+``, ``-``.

    >>> safe("cam 1/Öffnen: ja?"), safe("...")
    ('cam-1-Öffnen-ja', 'x')
    """
    letters = re.sub(r"[^\w.+]+", "-", unicodedata.normalize("NFC", text)).strip("-. ")
    return letters.encode()[:longest].decode(errors="ignore").strip("-. ") or "x"


def _digest(key: ClipKey) -> str:
    return hashlib.sha256(repr(tuple(key)).encode()).hexdigest()[:4]
