"""The labels of a pack made from videos. A later command adds and replaces labels, but drops none."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.names import plain_name, without_extension
from rcl.system.errors import counted, listed
from rcl.system.paths import is_file
from rcl.system.transfer import remove
from rcl.video.records import Record

log = logging.getLogger("rcl")

WAITING = "labels-without-features.json"


class PackLabels:
    """The labels of a pack: those of its videos in ``annotations.json``, which training and detection read, and those
    of videos that have no features (yet) in ``labels-without-features.json``.

    Args:
        root: the pack.
    """

    def __init__(self, root: Path) -> None:
        self.path, self.waiting_path = root / "annotations.json", root / WAITING
        self.kept = _load(self.path)
        self.waiting = _load(self.waiting_path)

    def update(self, records: Mapping[str, Record], given: Annotations | None) -> Annotations:
        """Write both files, and return the annotations of the videos of the pack.

        A video that is not given keeps its labels, also without features. A new video without any becomes a testing
        video without instances.

        Args:
            records: by name, of the videos that have features.
            given: labels and subsets that replace those in the pack, video by video.

        Raises:
            InputError: a file of the pack is damaged or cannot be written.
        """
        new = dict(given.videos) if given else {}
        names = dict.fromkeys([*records, *new])
        before = {**_renamed(self.waiting, names), **_renamed(self.kept, names)}
        self._warn_of_fewer(before, new)
        left = {**before, **new}
        videos = {}
        for name, record in records.items():
            video = left.pop(name, None) or VideoAnnotation(name, "testing", None, None, np.zeros((0, 2)), ())
            rate = record.snippets_per_second
            videos[name] = replace(video, name=name, duration_seconds=record.duration_seconds, snippets_per_second=rate)
        left = {name: video for name, video in left.items() if name in new or _says_something(video)}
        result = Annotations(videos, source=str(self.path))
        self._write(result, Annotations(left, source=str(self.waiting_path)))
        return result

    def _write(self, annotations: Annotations, waiting: Annotations) -> None:
        """Write both files. Labels that move from one to the other are in both for a moment, so none is ever lost."""
        if waiting.videos:
            save_annotations(replace(waiting, videos={**self.waiting, **waiting.videos}), self.waiting_path)
        if annotations.videos or self.kept:
            save_annotations(annotations, self.path)
        if not waiting.videos:
            remove(self.waiting_path)
            return
        save_annotations(waiting, self.waiting_path)
        names, what = listed([repr(name) for name in waiting.videos]), counted(len(waiting.videos), "video")
        log.warning("%s keeps the labels of %s without features: %s", self.waiting_path, what, names)

    def _warn_of_fewer(self, before: Mapping[str, VideoAnnotation], new: Mapping[str, VideoAnnotation]) -> None:
        fewer = [
            f"{name!r} ({len(before[name].labels)} before, {len(video.labels)} now)"
            for name, video in new.items()
            if name in before and len(video.labels) < len(before[name].labels)
        ]
        if fewer:
            log.warning("%s: fewer labelled segments replace those of %s", self.path, listed(fewer))


def _load(path: Path) -> dict[str, VideoAnnotation]:
    return dict(load_annotations(path, clip=False).videos) if is_file(path) else {}


def _says_something(video: VideoAnnotation) -> bool:
    """Whether somebody annotated the video; a new one is a testing video without instances."""
    return bool(video.labels) or video.subset != "testing" or video.reviewed_seconds is not None


def _renamed(videos: Mapping[str, VideoAnnotation], names: Collection[str]) -> dict[str, VideoAnnotation]:
    """Labels under the names of their videos, which may have been given as file names."""
    meant = defaultdict[str, list[str]](list)
    for name in names:
        meant[_key(name)].append(name)
    renamed = dict(videos)
    for old in videos:
        others = meant[_key(old)]
        if old not in names and len(others) == 1 and others[0] not in renamed:
            renamed[others[0]] = replace(renamed.pop(old), name=others[0])
    return renamed


def _key(name: str) -> str:
    return without_extension(plain_name(name))
