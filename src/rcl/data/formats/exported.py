"""Content on its way to and from annotation tools: instances, file names, and what the tools have no place for."""

from __future__ import annotations

import mimetypes
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation, to_subset
from rcl.data.detections import Detections
from rcl.data.formats.values import (
    VideoDraft,
    check_times,
    reviewed_pairs,
    to_group,
    to_label,
    to_optional,
    to_reviewed,
)
from rcl.data.names import plain_name, without_extension
from rcl.system.errors import Defect, InputError, counted

FORMATS = ("label-studio", "via", "elan", "boris", "fiftyone", "audacity", "csv")
"""What ``rcl export`` writes."""
UNLABELLED = "action"
"""Label of proposals, which have none, in tools that need one."""
KEY = "rcl"
"""Key of what only we know in the files of tools, which keep it."""


class Instance(NamedTuple):
    """One labelled segment; ``score`` is that of a detection."""

    start_seconds: float
    end_seconds: float
    label: str
    score: float | None = None


@dataclass(frozen=True, eq=False)
class Exported:
    """Annotations or detections to be written, with labels and times that every tool takes.

    Args:
        videos: by name; those of detections have the subset ``""``.
        instances: of each video, in order.
        scored: whether these are detections.
        changed: what was changed to fit, in words for the user.
        files: of the videos, where they are known.
    """

    videos: Mapping[str, VideoAnnotation]
    instances: Mapping[str, Sequence[Instance]]
    scored: bool
    changed: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Annotations | Detections, files: Mapping[str, Path] | None = None) -> Exported:
        """Annotations or detections, ready to be written.

        Raises:
            InputError: a video has no name, two names mean one file, or a time is later than any video lasts.
        """
        scored = isinstance(content, Detections)
        if isinstance(content, Detections):
            found: dict[str, list[Instance]] = {name: [] for name in content.videos}
            for item in content:
                found[item.video].append(Instance(item.start_seconds, item.end_seconds, item.label, item.score))
            none = np.zeros((0, 2))
            videos = {name: VideoAnnotation(name, "", None, None, none, ()) for name in found}
        else:
            videos = dict(content.videos)
            found = {name: _instances_of(video) for name, video in videos.items()}
        if any(not name.strip() for name in videos):
            raise InputError("videos", expected="a name for each", found="one without", fix="give it a name")
        for name, items in found.items():
            check_times((item[:2] for item in items), f"video {name!r}")
        fitted = {name: [_fitted(instance) for instance in items] for name, items in found.items()}
        exported = cls(videos, fitted, scored, tuple(_changes(found)), dict(files or {}))
        _check_files(exported)
        return exported

    def all(self) -> list[Instance]:
        """The instances of all videos."""
        return [instance for items in self.instances.values() for instance in items]

    def labels(self) -> list[str]:
        """The distinct labels, sorted."""
        return sorted({instance.label for instance in self.all()})

    def media_of(self, name: str) -> str:
        """The file name of a video; a guess where its file is not known."""
        if name in self.files:
            return self.files[name].name
        return name if (mimetypes.guess_type(name)[0] or "").startswith("video/") else f"{name}.mp4"

    def facts(self, name: str) -> dict[str, Any]:
        """What the formats of tools have no place for; :func:`video_of` reads it back."""
        video = self.videos[name]
        facts = {
            "video": name,
            "subset": video.subset or None,
            "duration": video.duration_seconds,
            "snippets_per_second": video.snippets_per_second,
            "group": video.group,
            "reviewed": reviewed_pairs(video) or None,
        }
        return {key: value for key, value in facts.items() if value is not None}


def _instances_of(video: VideoAnnotation) -> list[Instance]:
    pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
    return [Instance(start, end, label) for (start, end), label in pairs]


def _check_files(exported: Exported) -> None:
    """Check that no two names mean one file, as ``a`` and ``a.mp4`` do where files are guessed."""
    owners = dict[str, str]()
    for name in exported.videos:
        file = str(exported.files[name]) if name in exported.files else plain_name(exported.media_of(name))
        other = owners.setdefault(file, name)
        if other != name:
            found, fix = f"{other!r} and {name!r}", "write its name the same everywhere"
            raise InputError("videos", expected=f"one name for the video {other!r}", found=found, fix=fix)


def _fitted(instance: Instance) -> Instance:
    start, end = max(instance.start_seconds, 0.0), max(instance.end_seconds, 0.0)
    return instance._replace(start_seconds=start, end_seconds=end, label=instance.label.strip() or UNLABELLED)


def _changes(found: Mapping[str, Sequence[Instance]]) -> list[str]:
    instances = [instance for items in found.values() for instance in items]
    changes = []
    if any(instance.start_seconds < 0 for instance in instances):
        changes.append("times before 0")
    before = sum(instance.start_seconds < 0 >= instance.end_seconds for instance in instances)
    if before:
        changes.append(f"the lengths of {counted(before, 'segment')} before the start of the video")
    if any(instance.label != instance.label.strip() for instance in instances):
        changes.append("blanks around labels")
    if any(not instance.label.strip() for instance in instances):
        changes.append(f"that proposals have no label (it is {UNLABELLED!r} here)")
    return changes


# -- reading -----------------------------------------------------------------------------------------------------


def instance_of(start: float, end: float, label: object) -> Instance:
    """An instance of a file, without blanks around its label, which some tools let users type."""
    return Instance(start, end, to_label(label).strip())


def video_of(name: str, instances: Sequence[Instance], facts: object) -> VideoAnnotation:
    """A video as an annotation, with the facts that :meth:`Exported.facts` put into its file.

    Raises:
        Defect: one of the facts is not what we wrote.
    """
    known = facts if isinstance(facts, dict) else {}
    draft = VideoDraft(
        to_subset(known.get("subset") or "training"),  # annotation tools have no subsets
        to_optional(known.get("duration"), "duration"),
        to_optional(known.get("snippets_per_second"), "snippets_per_second"),
        group=to_group(known.get("group")),
        reviewed={*to_reviewed(known.get("reviewed"))},
    )
    for instance in instances:
        draft.add(instance[:2], instance.label)
    return draft.finish(name_in(facts) or name)


def name_in(facts: object) -> str | None:
    """The name of the video that we wrote into a file."""
    name = facts.get("video") if isinstance(facts, dict) else None
    return name if isinstance(name, str) and name.strip() else None


def add_video(videos: dict[str, VideoAnnotation], video: VideoAnnotation) -> None:
    """Add a video to the others of its file.

    Raises:
        Defect: one of them has the same name.
    """
    if video.name in videos:
        raise Defect(expected="each video once", found=f"{video.name!r} twice", fix="remove or rename one of the two")
    videos[video.name] = video


def stem_of(file: str) -> str:
    """The name of a video, from that of its file: without folders and extension.

    >>> stem_of("C:\\\\videos\\\\walk 1.5.mp4"), stem_of("walk 1.5")
    ('walk 1.5', 'walk 1.5')

    Raises:
        Defect: nothing is left.
    """
    name = PurePosixPath(file.replace("\\", "/")).name
    stem = without_extension(name)
    if stem == name and not PurePosixPath(name).suffix[1:].isdigit():  # the point of a number
        stem = PurePosixPath(name).stem
    if not stem.strip() or stem == "..":
        raise Defect(expected="the file name of its video", found=repr(file), fix="name the video in the tool")
    return stem


def names_of(files: Sequence[str]) -> list[str]:
    """Names of videos, from those of their files: the stem, with the folders that tell it from the others.

    >>> names_of(["day/cam1/001.mp4", "day/cam2/001.mp4", "day/cam2/002.mp4"])
    ['cam1/001', 'cam2/001', '002']
    """
    return shortest_tails([(*plain_name(file).split("/")[:-1], stem_of(file)) for file in files])


def shortest_tails(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """The last parts of paths, as few as tell each from the others."""
    owners = Counter(path[-length:] for path in {*paths} for length in range(1, len(path) + 1))
    shortest = [next((n for n in range(1, len(path)) if owners[path[-n:]] == 1), len(path)) for path in paths]
    return ["/".join(path[-length:]) for path, length in zip(paths, shortest, strict=True)]


# -- writing -----------------------------------------------------------------------------------------------------


def file_names(names: Sequence[str], extension: str) -> dict[str, str]:
    """Names of videos as names of files in one folder, on any system.

    Raises:
        InputError: two of them become the same.
    """
    return _distinct({name: _safe(name) + extension for name in names})


def nested_file_names(names: Sequence[str], extension: str) -> dict[str, str]:
    """Names of videos as paths of files, with the folders that are in the names, on any system.

    Raises:
        InputError: two of them become the same.
    """
    parts = {name: [_safe(part) for part in re.split(r"[/\\]", name) if part.strip()] for name in names}
    return _distinct({name: "/".join(own or [_safe(name)]) + extension for name, own in parts.items()})


def check_new(folder: Path, files: Iterable[str]) -> None:
    """Check that a folder has none of the files that are to be written.

    Raises:
        InputError: it has one, which may hold corrections.
    """
    for name in files:
        if os.path.exists(folder / name):  # unlike Path.exists, this takes names of any length
            fix = "choose another folder or remove it"
            raise InputError(folder / name, expected="no file yet", found="one that may hold corrections", fix=fix)


def _safe(name: str) -> str:
    safe = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]', "_", name)
    return re.sub(r"^\.|[. ]$", "_", safe)  # no hidden file, no folder above


def _distinct(files: dict[str, str]) -> dict[str, str]:
    owners = dict[str, str]()
    for name, file in files.items():
        other = owners.setdefault(unicodedata.normalize("NFC", file).casefold(), name)
        if other != name:
            found = f"{other!r} and {name!r}, which would both be {file!r}"
            expected = "names that differ as file names"
            raise InputError("videos", expected=expected, found=found, fix="rename one of them")
    return files
