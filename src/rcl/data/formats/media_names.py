"""Names of videos, from the files that other tools and users give: short where that is enough, with folders else."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePath

from rcl.data.annotations import to_subset
from rcl.data.formats.exported import names_of
from rcl.data.names import plain_name
from rcl.system.errors import Defect, InputError, located
from rcl.system.paths import is_hidden

log = logging.getLogger("rcl")


def names_of_files(files: Iterable[str]) -> dict[str, str]:
    r"""A name for each file: without folders and extension, and with as many folders as it takes to tell two apart.

    >>> names_of_files(["C:\\v\\cam1\\001.mp4", "C:\\v\\cam2\\001.mp4", "C:\\v\\dinner.mp4"])
    {'C:\\v\\cam1\\001.mp4': 'cam1/001', 'C:\\v\\cam2\\001.mp4': 'cam2/001', 'C:\\v\\dinner.mp4': 'dinner'}

    Args:
        files: paths or ``file://`` addresses, of any system.

    Raises:
        Defect: a file has no name, or two are one and the same.
    """
    files = list(dict.fromkeys(files))
    names = dict(zip(files, names_of(files), strict=True))
    shared = _shared(names)
    names |= {file: plain_name(file) for file in files if names[file] in shared}  # they differ in the extension
    if shared := _shared(names):
        found = " and ".join(repr(file) for file in files if names[file] in shared)
        raise Defect(expected="files with different names", found=found, fix="rename one of the two files")
    return names


def _shared(names: Mapping[str, str]) -> set[str]:
    return {name for name, count in Counter(names.values()).items() if count > 1}


def named_files(inputs: Iterable[Path], extensions: Collection[str]) -> list[tuple[Path, str]]:
    """The files of inputs, each with the name of its video, for formats that leave that to the name of the file.

    Args:
        inputs: files, and folders that are searched with all folders in them, except hidden ones. What is in a
            folder is named as seen from it.
        extensions: of the files to take from folders.

    Raises:
        InputError: a folder has no such file.
    """
    files, inside = list[Path](), dict[Path, str]()
    for path in inputs:
        if not path.is_dir():
            files.append(path)
            continue
        files_of_path = (file for file in path.rglob("*") if not is_hidden(file.relative_to(path)))
        found = sorted(file for file in files_of_path if file.suffix.lower() in extensions and file.is_file())
        if not found:
            fix = "give a folder that has some"
            raise InputError(path, expected=f"files that end in {', '.join(extensions)}", found="none", fix=fix)
        files += found
        inside |= {file: file.relative_to(path).with_suffix("").as_posix() for file in found}
    with located("files"):
        names = names_of_files(f"{file.with_suffix('')}.txt" for file in files if file not in inside)
    return [(file, inside.get(file) or names[f"{file.with_suffix('')}.txt"]) for file in files]


def subset_of(source: str, wanted: str | None) -> str:
    """The subset of all videos of a public file: the wanted one, else what the name of the file says, with a warning.

    What public code calls the test set is what it evaluates on: ``validation`` here.

    >>> subset_of("Charades_v1_test.csv", None), subset_of("contest.csv", None), subset_of("a_test.csv", "train")
    ('validation', 'training', 'training')

    Raises:
        Defect: the wanted one is none.
    """
    if wanted:
        return to_subset(wanted)
    words = set(re.split(r"[^a-z]+", PurePath(source).stem.lower()))
    subset = "validation" if {"test", "val", "validation"} & words else "training"
    if subset == "validation" or {"train", "training"} & words:
        message = "%s: its videos are in the subset %s, by the name of the file; --subset decides otherwise"
        log.warning(message, source, subset)
    return subset
