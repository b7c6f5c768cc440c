"""What all formats of annotation tools have in common: instances, the names of files, and facts that only we know."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation, to_subset
from rcl.data.detections import Detections
from rcl.data.formats.values import check_times, to_label, to_number
from rcl.system.errors import Defect, InputError

UNLABELLED = "action"
"""What a proposal, which has no label, is called in tools that need one."""
KEY = "rcl"
"""Under which files of tools hold what only we know; the tools pass it on."""


class Instance(NamedTuple):
    """One labelled segment; ``score`` is that of a detection."""

    start_seconds: float
    end_seconds: float
    label: str
    score: float | None = None


@dataclass(frozen=True, eq=False)
class Exported:
    """What is to be written: annotations or detections, with labels and times that every tool takes.

    Args:
        videos: name to video; detections are given the subset ``""``.
        instances: name to instances, in order.
        scored: whether these are detections.
        changed: what was changed to fit, in words for the user.
        files: name to the file of the video, where it is known.
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
            InputError: a video has no name, or a time is none of a video.
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
        return cls(videos, fitted, scored, tuple(_changes(found)), dict(files or {}))

    def all(self) -> list[Instance]:
        """The instances of all videos."""
        return [instance for items in self.instances.values() for instance in items]

    def labels(self) -> list[str]:
        """The distinct labels, sorted."""
        return sorted({instance.label for instance in self.all()})

    def media_of(self, name: str) -> str:
        """The file name of a video: that of its file where there is one, else a guess."""
        if name in self.files:
            return self.files[name].name
        return name if (mimetypes.guess_type(name)[0] or "").startswith("video/") else f"{name}.mp4"

    def facts(self, name: str) -> dict[str, Any]:
        """What the formats of tools have no place for; :func:`video_of` takes it back."""
        video = self.videos[name]
        facts = {
            "video": name,
            "subset": video.subset or None,
            "duration": video.duration_seconds,
            "snippets_per_second": video.snippets_per_second,
        }
        return {key: value for key, value in facts.items() if value is not None}


def _instances_of(video: VideoAnnotation) -> list[Instance]:
    pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
    return [Instance(start, end, label) for (start, end), label in pairs]


def _fitted(instance: Instance) -> Instance:
    start, end = max(instance.start_seconds, 0.0), max(instance.end_seconds, 0.0)
    return instance._replace(start_seconds=start, end_seconds=end, label=instance.label.strip() or UNLABELLED)


def _changes(found: Mapping[str, Sequence[Instance]]) -> list[str]:
    instances = [instance for items in found.values() for instance in items]
    changes = []
    if any(instance.start_seconds < 0 for instance in instances):
        changes.append("times before 0")
    if any(instance.label != instance.label.strip() for instance in instances):
        changes.append("blanks around labels")
    if any(not instance.label.strip() for instance in instances):
        changes.append(f"that proposals have no label (they are called {UNLABELLED!r})")
    return changes


# -- reading -----------------------------------------------------------------------------------------------------


def instance_of(start: float, end: float, label: object) -> Instance:
    """An instance of a file; labels are typed by hand in some tools, so blanks around them do not count."""
    return Instance(start, end, to_label(label).strip())


def video_of(name: str, instances: Sequence[Instance], facts: object) -> VideoAnnotation:
    """A video that was read, with the facts that :meth:`Exported.facts` put into its file.

    Raises:
        Defect: one of the facts is not what we wrote.
    """
    known = facts if isinstance(facts, dict) else {}
    segments = np.array([instance[:2] for instance in instances], dtype=np.float64).reshape(-1, 2)  # (N, 2)
    return VideoAnnotation(
        name_in(facts) or name,
        to_subset(known.get("subset") or "training"),  # whoever labels videos wants to train
        _to_positive(known.get("duration"), "duration"),
        _to_positive(known.get("snippets_per_second"), "snippets_per_second"),
        segments,
        tuple(instance.label for instance in instances),
    )


def name_in(facts: object) -> str | None:
    """The name of the video that we wrote into a file."""
    name = facts.get("video") if isinstance(facts, dict) else None
    return name if isinstance(name, str) and name.strip() else None


def add_video(videos: dict[str, VideoAnnotation], video: VideoAnnotation) -> None:
    """Put a video to the others of its file.

    Raises:
        Defect: there is one of this name.
    """
    if video.name in videos:
        raise Defect(expected="each video once", found=f"{video.name!r} twice", fix="remove or rename one of the two")
    videos[video.name] = video


def checked(videos: dict[str, VideoAnnotation], path: Path) -> Annotations:
    """The videos of a file.

    Raises:
        InputError: there is none.
    """
    if not videos:
        raise InputError(path, expected="annotated videos", found="none", fix="give a file with some")
    return Annotations(videos, source=str(path))


def stem_of(file: str) -> str:
    """The name of a video by its file, as ``rcl extract`` names it: without folders and ending.

    Raises:
        Defect: there is no name.
    """
    name = PurePosixPath(file.replace("\\", "/")).stem
    if not name.strip() or name == "..":
        raise Defect(expected="the file name of its video", found=repr(file), fix="name the video in the tool")
    return name


def with_subset(annotations: Annotations, subset: str) -> Annotations:
    """The same videos, all of one subset."""
    videos = {name: replace(video, subset=subset) for name, video in annotations.videos.items()}
    return replace(annotations, videos=videos)


def _to_positive(value: object, what: str) -> float | None:
    number = None if value is None else to_number(value, what)
    if number is not None and number <= 0:
        raise Defect(expected=f"a positive {what}", found=str(value), fix=f"correct or remove the {what}")
    return number


# -- writing -----------------------------------------------------------------------------------------------------


def file_names(names: Sequence[str], extension: str) -> dict[str, str]:
    """Video names as names of files in one folder, on any system.

    Raises:
        InputError: two of them become the same.
    """
    files, owners = dict[str, str](), dict[str, str]()
    for name in names:
        safe = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]', "_", name)
        safe = re.sub(r"^\.|[. ]$", "_", safe) + extension  # no hidden file, no folder above
        other = owners.setdefault(unicodedata.normalize("NFC", safe).casefold(), name)
        if other != name:
            found = f"{other!r} and {name!r}, which would both be {safe!r}"
            expected = "names that differ as file names"
            raise InputError("videos", expected=expected, found=found, fix="rename one of them")
        files[name] = safe
    return files
