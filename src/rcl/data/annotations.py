"""Ground truth: which actions happen when in which videos."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rcl.data import reviewed
from rcl.data.names import plain_name, without_extension
from rcl.system.errors import Defect, InputError, counted, listed, located, shown

log = logging.getLogger("rcl")

_SUBSETS = {
    alias: name
    for name, aliases in {
        "training": ("train", "training"),
        "validation": ("val", "validation", "valid", "validate", "dev", "eval"),
        "testing": ("test", "testing"),
    }.items()
    for alias in aliases
}


@dataclass(frozen=True, eq=False)
class VideoAnnotation:
    """One video and its ground truth.

    Args:
        name: the video's key in the annotation file and the stem of its feature file.
        subset: ``training``, ``validation`` or ``testing``.
        duration_seconds: length of the video, ``None`` if not in the file.
        snippets_per_second: snippet rate of its features, ``None`` if not in the file.
        segments_seconds: ``(N, 2)`` float64, start and end of every instance.
        labels: ``N`` label names.
        group: what videos have in common that new ones will not, such as the person or the camera; ``None`` if not in
            the file.
        reviewed_seconds: ``(R, 2)`` float64, what was looked at, sorted and disjoint: outside, nothing is known. What
            an instance covers is part of it. ``None``: the whole video was looked at.
    """

    name: str
    subset: str
    duration_seconds: float | None
    snippets_per_second: float | None
    segments_seconds: np.ndarray
    labels: tuple[str, ...]
    group: str | None = None
    reviewed_seconds: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.reviewed_seconds is not None:
            intervals = reviewed.joined(self.reviewed_seconds, self.segments_seconds)
            object.__setattr__(self, "reviewed_seconds", intervals)


@dataclass(frozen=True, eq=False)
class Annotations:
    """Annotated videos, in the order of their file.

    >>> segments = np.array([[1.5, 4.0]])
    >>> video = VideoAnnotation("clip", "training", 10.0, None, segments, ("jump",))
    >>> annotations = Annotations({"clip": video})
    >>> annotations.labels
    ('jump',)
    >>> [*annotations.subset("train").videos]
    ['clip']

    Args:
        videos: by name.
        clipped: how many segments of the file were shortened to fit their video; a subset keeps the file's count.
        source: the file that this was read from, for messages.
    """

    videos: Mapping[str, VideoAnnotation]
    clipped: int = 0
    source: str = "annotations"

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted({label for video in self.videos.values() for label in video.labels}))

    def unlabelled(self) -> Annotations:
        """The same segments under one label, the empty one: the ground truth of class-agnostic proposals."""
        videos = {name: replace(video, labels=("",) * len(video.labels)) for name, video in self.videos.items()}
        return replace(self, videos=videos)

    def without_labels(self, labels: Collection[str]) -> Annotations:
        """The same videos without the instances of these labels."""
        videos = dict[str, VideoAnnotation]()
        for name, video in self.videos.items():
            kept = [row for row, label in enumerate(video.labels) if label not in labels]
            left = tuple(video.labels[row] for row in kept)
            videos[name] = replace(video, segments_seconds=video.segments_seconds[kept], labels=left)
        return replace(self, videos=videos)

    def subset(self, name: str) -> Annotations:
        """The videos of one subset.

        Args:
            name: ``training``, ``validation`` or ``testing``, or the short ``train``, ``val``, ``test``.

        Raises:
            InputError: the name is not one of these, or the subset is empty.
        """
        with located(self.source):
            wanted = to_subset(name)
        videos = {key: video for key, video in self.videos.items() if video.subset == wanted}
        if not videos:
            counts = Counter(video.subset for video in self.videos.values())
            found = ", ".join(f"{count} in {subset}" for subset, count in counts.items()) or "no videos"
            raise InputError(
                self.source,
                expected=f"videos in the subset {wanted}",
                found=found,
                fix="choose a subset that the file has, or mark videos as such in the file",
            )
        return replace(self, videos=videos)

    def with_subset(self, name: str) -> Annotations:
        """The same videos, all in the subset ``training``, ``validation`` or ``testing``."""
        return replace(self, videos={key: replace(video, subset=name) for key, video in self.videos.items()})

    def renamed(self, names: Mapping[str, str]) -> Annotations:
        """The same videos under other names.

        Args:
            names: old name to new name; a video that is not in it keeps its name.

        Raises:
            InputError: two videos would have the same name.
        """
        videos, owners = dict[str, VideoAnnotation](), dict[str, str]()
        for old, video in self.videos.items():
            new = names.get(old, old)
            if new in videos:
                found, fix = f"{owners[new]!r} and {old!r}", "write its name the same everywhere"
                raise InputError(self.source, expected=f"one name for the video {new!r}", found=found, fix=fix)
            videos[new], owners[new] = replace(video, name=new), old
        return replace(self, videos=videos)

    @classmethod
    def merge(cls, parts: Sequence[Annotations]) -> Annotations:
        """The videos of several files, in order.

        Raises:
            InputError: two files have the same video, be it as ``clip`` in one and as ``clip.mp4`` in the other.
        """
        videos, owners = dict[str, VideoAnnotation](), dict[str, tuple[str, str]]()
        for part in parts:
            own = {name: without_extension(plain_name(name)) for name in part.videos}
            for name, key in own.items():
                if key in owners:
                    other, source = owners[key]
                    found = f"it{'' if other == name else f' as {other!r}'} in {source} and in {part.source}"
                    fix = "leave one of them out"
                    raise InputError(f"video {name!r}", expected="each video in one file", found=found, fix=fix)
            videos |= part.videos
            owners |= {key: (name, part.source) for name, key in own.items()}
        return cls(videos, source=", ".join(part.source for part in parts))


def check_labels(training: Annotations, other: Annotations) -> None:
    """Check that every label of ``other`` occurs in ``training``.

    Raises:
        InputError: a label does not; the message names the first video that has it.
    """
    unseen = sorted(set(other.labels) - set(training.labels))
    if not unseen:
        return
    name, label = next((v.name, x) for v in other.videos.values() for x in v.labels if x in unseen)
    similar = difflib.get_close_matches(label, training.labels, n=1)
    raise InputError(
        f"{other.source}, video {name!r}",
        expected=f"labels that occur in training ({listed(training.labels)})",
        found=repr(label) + (f" (in all, {len(unseen)} labels do not occur in training)" if len(unseen) > 1 else ""),
        fix=(f"did you mean {similar[0]!r}? Otherwise " if similar else "")
        + "correct the label, add training instances of it, or set data.unseen_labels=missed",
    )


def is_subset(value: object) -> bool:
    """Whether :func:`to_subset` takes a value."""
    return isinstance(value, str) and value.strip().lower() in _SUBSETS


def to_subset(value: object) -> str:
    """The subset ``training``, ``validation`` or ``testing``, from its name or an abbreviation.

    Raises:
        Defect: it is neither.
    """
    if isinstance(value, str) and is_subset(value):
        return _SUBSETS[value.strip().lower()]
    raise Defect(
        expected="the subset training, validation or testing (train, val, test)",
        found="none" if value is None else shown(value),
        fix="correct the subset",
    )


def _fitted(video: VideoAnnotation) -> np.ndarray:
    """The segments ``(N, 2)``, clipped to the video."""
    limit = np.inf if video.duration_seconds is None else video.duration_seconds
    return np.clip(video.segments_seconds, 0, limit)


def _take(video: VideoAnnotation, segments: np.ndarray, kept: np.ndarray) -> VideoAnnotation:
    """The video with those of other ``segments (N, 2)`` for which ``kept (N,)`` holds."""
    labels = tuple(video.labels[index] for index in np.flatnonzero(kept))
    return replace(video, segments_seconds=segments[kept], labels=labels)


def clip(annotations: Annotations) -> Annotations:
    """The annotations with segments inside their videos: the rest is clipped or dropped, with one warning."""
    videos, clipped, dropped, first = {}, 0, 0, ""
    for name, video in annotations.videos.items():
        videos[name] = video
        raw = video.segments_seconds  # (N, 2)
        fitted = _fitted(video)  # (N, 2)
        outside = (fitted != raw).any(axis=1)  # (N,)
        if not outside.any():
            continue
        lengthless = (fitted[:, 0] == fitted[:, 1]) & outside  # nothing of it lies inside
        videos[name] = _take(video, fitted, ~lengthless)
        clipped += int((outside & ~lengthless).sum())
        dropped += int(lengthless.sum())
        start, end = raw[outside][0].tolist()
        length = "unknown length" if video.duration_seconds is None else f"{video.duration_seconds} s"
        first = first or f"first: {start} to {end} s in video {name!r} of {length}"
    if first:
        message = "%s: clipped %s at the ends of its video, dropped %s wholly outside; %s"
        log.warning(message, annotations.source, counted(clipped, "segment"), counted(dropped, "segment"), first)
    return replace(annotations, videos=videos, clipped=clipped)


def with_point_length(annotations: Annotations, seconds: float | None) -> Annotations:
    """The annotations, with a length for every instance whose end is its start; the others stay as they are.

    Args:
        annotations: in seconds.
        seconds: the length, centred on the instance and clipped to the video; ``None`` to leave all as they are.

    >>> points = np.array([[1.0, 3.0], [4.0, 4.0], [5.0, 5.0]])
    >>> video = VideoAnnotation("clip", "training", 5.0, None, points, ("jump", "land", "end"))
    >>> with_point_length(Annotations({"clip": video}), 1.0).videos["clip"].segments_seconds.tolist()
    [[1.0, 3.0], [3.5, 4.5], [4.5, 5.0]]
    """
    if seconds is None:
        return annotations
    around = np.array([-seconds / 2, seconds / 2])
    videos = dict[str, VideoAnnotation]()
    for name, video in annotations.videos.items():
        raw = video.segments_seconds
        fitted = _fitted(replace(video, segments_seconds=raw + around))
        lengthened = (raw[:, 0] == raw[:, 1]) & (fitted[:, 0] < fitted[:, 1])  # (N,); not those outside the video
        videos[name] = replace(video, segments_seconds=np.where(lengthened[:, None], fitted, raw))
    return replace(annotations, videos=videos)


def without_points(annotations: Annotations) -> Annotations:
    """The annotations without the instances whose end is their start. All videos stay."""
    videos = {
        name: _take(video, video.segments_seconds, video.segments_seconds[:, 1] > video.segments_seconds[:, 0])
        for name, video in annotations.videos.items()
    }
    return replace(annotations, videos=videos)


def inside_videos(annotations: Annotations) -> Annotations:
    """What is left of the annotations inside their videos and has a length, without a word; see :func:`clip`."""
    fitted = {name: replace(video, segments_seconds=_fitted(video)) for name, video in annotations.videos.items()}
    return without_points(replace(annotations, videos=fitted))


def with_durations(annotations: Annotations, seconds: Mapping[str, float]) -> Annotations:
    """The annotations with the lengths of videos, by name; a video that is not in it keeps its own."""
    videos = {
        name: replace(video, duration_seconds=seconds.get(name, video.duration_seconds))
        for name, video in annotations.videos.items()
    }
    return replace(annotations, videos=videos)
