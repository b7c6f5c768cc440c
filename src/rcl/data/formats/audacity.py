"""Labels of Audacity: lines of start, end and label, one file for each recording."""

from __future__ import annotations

import re
from pathlib import Path

from rcl.data.annotations import Annotations
from rcl.data.formats.exported import Exported, Instance, check_new, instance_of, nested_file_names, stem_of, video_of
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import to_segment
from rcl.system.errors import Defect, Problems, counted, located
from rcl.system.paths import PathLike
from rcl.system.text_files import write_text

_LINE = re.compile(r"(-?\d+(?:[.,]\d+)?)\t(-?\d+(?:[.,]\d+)?)(?:\t(.*))?")
_FREQUENCIES = "\\"  # begins the line below a label that has a range of frequencies


def is_audacity(text: str) -> bool:
    """Whether a text is a label track, judged by its first line; an empty one is."""
    first = next((line for line in text.split("\n") if line.strip()), None)
    return first is None or _LINE.fullmatch(first.rstrip("\r")) is not None


def parse(text: str, source: str, *, file_name: str, options: ReadOptions | None = None) -> Annotations:
    """Annotations of a label track: one video, named as the file. Ranges of frequencies are left out.

    Args:
        text: the content of the file.
        source: the file, for messages.
        file_name: of the file.
        options: nothing here depends on them.

    Raises:
        InputError: a line is no label, or a value is wrong.
    """
    problems, instances = Problems(), list[Instance]()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith(_FREQUENCIES):
            continue
        with problems.located(f"{source}, line {number}"):
            match = _LINE.fullmatch(line.rstrip("\r"))
            if match is None:
                fix = "export the labels again, or correct the line"
                raise Defect(expected="start, end and label, with tabs between", found=repr(line[:40]), fix=fix)
            start, end = (value.replace(",", ".") for value in match.group(1, 2))
            instances.append(instance_of(*to_segment(start, end), match[3]))
    problems.raise_first()
    with located(source):
        video = video_of(stem_of(file_name), instances, None)
    return Annotations({video.name: video}, source=source)


def write(exported: Exported, folder: PathLike, *, replace: bool = False) -> list[str]:
    """Write a file for every video, ``VIDEO.txt``, in the folders that the names of the videos have.

    Args:
        exported: the content.
        folder: to write to; made if missing.
        replace: files that exist already.

    Returns:
        What is lost, in words for the user.

    Raises:
        InputError: two videos would have the same file, a file exists already (it may hold corrections) and is not to
            be replaced, or the folder cannot be written to.
    """
    folder = Path(folder)
    files = nested_file_names([*exported.instances], ".txt")
    if not replace:
        check_new(folder, files.values())
    lost = set[str]()
    for name, file in files.items():
        lines = list[str]()
        for start, end, label, _ in exported.instances[name]:
            plain = " ".join(label.split())
            lost |= {"line breaks and tabs in labels"} if plain != label else set()
            finer = max(abs(round(time, 6) - time) for time in (start, end)) > 1e-9
            lost |= {"times finer than a microsecond"} if finer else set()
            lines.append(f"{start:.6f}\t{end:.6f}\t{plain}\n")
        write_text(folder / file, "".join(lines))
    renamed = sum(file != f"{name}.txt" for name, file in files.items())
    lost |= {f"{counted(renamed, 'name')} of videos with characters that no file can have"} if renamed else set()
    return [*exported.changed, *_facts_lost(exported), *sorted(lost)]


def _partly_reviewed(exported: Exported) -> list[str]:
    number = sum(video.reviewed_seconds is not None for video in exported.videos.values())
    return [f"what was reviewed of {counted(number, 'video')}, all of which count as reviewed here"] if number else []


def _facts_lost(exported: Exported) -> list[str]:
    videos = exported.videos.values()
    return [
        *(["scores"] if exported.scored and exported.all() else []),
        *(["subsets"] if any(video.subset not in ("", "training") for video in videos) else []),
        *(["groups"] if any(video.group for video in videos) else []),
        *_partly_reviewed(exported),
        *(["durations"] if any(video.duration_seconds for video in videos) else []),
        *(["rates of snippets"] if any(video.snippets_per_second for video in videos) else []),
    ]
