"""Frame label files of data sets for temporal action segmentation: a file per video with a label for every frame.

The public code of MS-TCN (Abu Farha and Gall, CVPR 2019), ASFormer and others has two forms. The ground truth
``VIDEO.txt`` has one label per line. The results, in a file ``VIDEO`` without an ending, have a first line ``### Frame
level recognition: ###`` and all labels in the second one, with blanks between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias, get_args

import numpy as np

from rcl.data.formats.values import composed
from rcl.system.errors import Defect, InputError, Problems, counted, located, shown
from rcl.system.paths import PathLike, files_below, is_dir, is_hidden, to_path
from rcl.system.text_files import read_text, write_text

Form: TypeAlias = Literal["lines", "results"]
"""``lines``: ``VIDEO.txt`` with one label per line. ``results``: what the public evaluation script reads."""

_FIRST_LINE = "### Frame level recognition: ###"
_ENDING = ".txt"


def parse(text: str) -> np.ndarray:
    """The labels ``(T,)`` of a file in either form.

    >>> parse("cut\\ncut\\npeel\\n").tolist(), parse("### Frame level recognition: ###\\ncut peel").tolist()
    (['cut', 'cut', 'peel'], ['cut', 'peel'])

    Raises:
        Defect: there is no label, or a line is empty.
    """
    lines = [line.strip() for line in text.rstrip().split("\n")]
    if lines[0].lower() == _FIRST_LINE.lower():
        if any(lines[2:]):
            found, fix = f"{len(lines)} lines", "write all labels into the second line"
            raise Defect(expected=f"two lines, the first of them {_FIRST_LINE!r}", found=found, fix=fix)
        lines = lines[1].split() if len(lines) > 1 else [""]
    if not any(lines):
        raise Defect(expected="a label for every frame", found="none", fix="remove the file, or write its labels")
    if "" in lines:
        found, fix = f"nothing in line {lines.index('') + 1}", "write the label, or remove the line"
        raise Defect(expected="a label in every line", found=found, fix=fix)
    return np.array([*map(composed, lines)])


def text_of(labels: np.ndarray, form: Form = "lines") -> str:
    """The content of a file with labels ``(T,)``.

    Raises:
        Defect: a label that the form cannot hold.
    """
    for label in dict.fromkeys(labels.tolist()):
        parts = label.split() if form == "results" else label.strip().splitlines()
        if parts != [label]:
            blanks = "blanks" if form == "results" else "line breaks or blanks around it"
            fix = "write one label per line, or rename it" if form == "results" else "rename it"
            raise Defect(expected=f"a label without {blanks}", found=shown(label), fix=fix)
    if form == "results":
        return f"{_FIRST_LINE}\n{' '.join(labels.tolist())}"
    return "".join(f"{label}\n" for label in labels.tolist())


def file_name(video: str, form: Form = "lines") -> str:
    """The name of a video's file in the folder."""
    return f"{video}{_ENDING}" if form == "lines" else video


def is_frame_labels(text: str) -> bool:
    """Whether a file is one of results, by its first line; one label per line may be any text."""
    return text.lstrip("\ufeff").lower().startswith(_FIRST_LINE.lower())


def load_frame_labels(folder: PathLike) -> dict[str, np.ndarray]:
    """The frame labels of every video in a folder of files: name → ``(T,)`` labels.

    Files that end in ``.txt`` are read, and those without any ending that begin as results do; a video is named as its
    file without ``.txt``, with the folders below the one that is given.

    >>> from pathlib import Path
    >>> Path("labels").mkdir(); _ = Path("labels/clip.txt").write_text("cut\\ncut\\npeel\\n")
    >>> load_frame_labels("labels")["clip"].tolist()
    ['cut', 'cut', 'peel']

    Raises:
        InputError: there is no such folder or no such file in it, a file has no labels, or two are of one video.
    """
    folder = to_path(folder)
    if not is_dir(folder):
        raise InputError.missing(folder, "a folder of frame label files")
    videos, owners, problems = dict[str, np.ndarray](), dict[str, Path](), Problems()
    for path, below in files_below(folder):
        if is_hidden(below) or (text := _text_of(path, below)) is None:
            continue
        name = str(below).removesuffix(_ENDING)
        with problems.located(path):
            if name in owners:
                raise Defect(expected=f"one file for the video {name!r}", found=str(owners[name]), fix="remove one")
            owners[name] = path
            videos[name] = parse(text)
    problems.raise_first()
    if not videos:
        expected, fix = "VIDEO.txt with one label per line, or results of MS-TCN", "check the folder"
        raise InputError(folder, expected=expected, found="no such files", fix=fix)
    return videos


def _text_of(path: Path, below: PurePosixPath) -> str | None:
    """The content of a file that may hold frame labels."""
    if below.suffix == _ENDING:
        return read_text(path)
    if re.search("[A-Za-z]", below.suffix):  # an ending, unlike that of "take 1.5"
        return None
    try:
        text = read_text(path)
    except InputError:  # no text, so of another kind
        return None
    return text if is_frame_labels(text) else None


def save_frame_labels(videos: Mapping[str, np.ndarray], folder: PathLike, *, form: Form = "lines") -> None:
    """Write a frame label file per video into a folder, replacing earlier ones.

    Args:
        videos: ``(T,)`` labels of each.
        folder: is created if it is missing.
        form: ``lines`` writes ``VIDEO.txt`` with one label per line; ``results`` what the public evaluation script
            reads, a file ``VIDEO``, whose labels have no blanks.

    Raises:
        InputError: the form is unknown, a label or a name of a video does not fit, or a file cannot be written.
    """
    if form not in get_args(Form):
        raise InputError("form", expected=" or ".join(get_args(Form)), found=repr(form), fix="use one of them")
    folder = to_path(folder)
    for video, labels in videos.items():
        place = PurePosixPath(file_name(video, form))
        with located(f"video {video!r}, {counted(len(labels), 'frame')}"):
            if place.is_absolute() or ".." in place.parts or not video.strip("."):
                raise Defect(expected="a name inside the folder", found="one that leads out of it", fix="rename it")
            content = text_of(labels, form)
        write_text(folder / str(place), content)
