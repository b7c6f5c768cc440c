"""Annotations of several files as one."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rcl.data.annotations import Annotations
from rcl.data.formats.exported import shortest_tails
from rcl.data.formats.load import import_annotations
from rcl.data.formats.media_names import named_files
from rcl.data.formats.opening import READABLE
from rcl.data.formats.options import ReadOptions
from rcl.system.errors import listed

log = logging.getLogger("rcl")


def import_files(paths: Sequence[Path], *, options: ReadOptions | None = None) -> Annotations:
    """Read ground truth from files of annotation tools, or annotations, or from folders of them.

    Where tools write a file for each video, files of one name in several folders are about several videos: those of
    ``cam1/001.eaf`` and ``cam2/001.eaf`` are called ``cam1/001`` and ``cam2/001``.

    Raises:
        InputError: a file cannot be read, see :func:`import_annotations`, or two files have the same video.
    """
    files = named_files(paths, READABLE)
    parts = [import_annotations(path, options=options, name=name) for path, name in files]
    return Annotations.merge(_told_apart([path for path, _ in files], parts))


def _told_apart(paths: Sequence[Path], parts: Sequence[Annotations]) -> list[Annotations]:
    same = defaultdict[tuple[str, str], list[int]](list)
    for number, (path, part) in enumerate(zip(paths, parts, strict=True)):
        if len(part.videos) == 1:
            same[path.name, next(iter(part.videos))].append(number)
    renamed = [*parts]
    for (_, name), numbers in same.items():
        folders = [Path(os.path.abspath(paths[number])).parent.parts[1:] for number in numbers]
        if len({*folders}) < len(folders) or len(folders) < 2:
            continue
        names = shortest_tails([(*folder, *name.split("/")) for folder in folders])
        log.warning("%r in several folders is taken for several videos: %s", name, listed([repr(new) for new in names]))
        for number, new in zip(numbers, names, strict=True):
            renamed[number] = parts[number].renamed({name: new})
    return renamed
