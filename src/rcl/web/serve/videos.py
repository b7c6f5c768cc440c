"""The videos of a folder or a pack, and how to read the features of each."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from rcl.data.annotations import VideoAnnotation
from rcl.data.datasets import VideoDataset
from rcl.data.features import Features
from rcl.data.formats.load import load_annotations
from rcl.data.pack import find_annotations, is_pack
from rcl.data.segments import Timeline
from rcl.detector.inputs import open_store_for
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError, counted
from rcl.video.composed import extract_recordings, find_recordings
from rcl.video.finding import is_video
from rcl.web.serve.job_queue import Report

log = logging.getLogger("rcl")

ANNOTATIONS = "rcl-annotations.csv"


class Prepared(NamedTuple):
    """Features of one video.

    Args:
        features: ``(C, T)``, as the network takes them.
        timeline: of the features.
        problems: defects of the video file, each a clause such as ``"ends early"``.
    """

    features: Features
    timeline: Timeline
    problems: tuple[str, ...] = ()

    @property
    def duration_seconds(self) -> float:
        """The end of the video, or of its features where the video's is not known."""
        end = self.timeline.end_seconds
        return end if math.isfinite(end) else self.features.shape[1] / self.timeline.snippets_per_second


Reader: TypeAlias = Callable[[Localizer, Report], Prepared]


class Video(NamedTuple):
    """A video that the page lists.

    Args:
        key: identifies the video in addresses. It is derived from the name, so a page that stays open while the server
            restarts still means the same video.
        name: of the video.
        path: the file to play; ``None`` for a video of a pack.
        read: reads or extracts the features that a detector needs.
        known: the annotation in the pack.
        files: all recordings of the video.
    """

    key: str
    name: str
    path: Path | None
    read: Reader
    known: VideoAnnotation | None = None
    files: tuple[Path, ...] = ()

    def playable(self, folder: Path) -> Path | None:
        """The file to play, if it exists and, links resolved, lies in ``folder``."""
        path = self.path
        return path.resolve() if path and _is_inside(path, folder) and path.is_file() else None


def list_videos(root: Path, localizer: Localizer | None) -> dict[str, Video]:
    """The videos of ``root`` by key, in order.

    Args:
        root: a folder of videos, a video, or a pack of features.
        localizer: the detector that needs the features; ``None`` to list what can be labelled without one.

    Raises:
        InputError: there is no video, or the checkpoint cannot extract features from videos.
    """
    videos = _of_pack(root, localizer) if is_pack(root) else _of_folder(root, localizer)
    return {video.key: video for video in videos}


def video_of(videos: Mapping[str, Video], key: str) -> Video:
    """The video of a key.

    Raises:
        InputError: there is none.
    """
    if key not in videos:
        expected, fix = "the key of a listed video", "load the page again"
        raise InputError("videos", expected=expected, found=f"{key[:40]!r}", fix=fix)
    return videos[key]


def folder_of(root: Path) -> Path:
    """The folder of a root that may be a single video."""
    return (root if root.is_dir() else root.parent).resolve()


def labels_of(root: Path, annotations: Path | None = None) -> Path:
    """The file of labels of a root: the one that is given, else one in its folder."""
    return annotations or folder_of(root) / ANNOTATIONS


def key_of(name: str) -> str:
    """The key of a video in addresses."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # links in a circle
        return False


def _of_folder(root: Path, localizer: Localizer | None) -> list[Video]:
    if localizer is not None:
        _check_extractor(root, localizer)
    folder = folder_of(root)
    found = find_recordings([root], localizer.extractor if localizer else None)
    kept = {name: files for name, files in found.items() if all(_is_inside(file, folder) for file in files)}
    if len(kept) < len(found):
        log.warning("%s: skipped %s to files outside the folder", root, counted(len(found) - len(kept), "link"))
    if not kept:
        links = "only links to files outside it"
        raise InputError(root, expected="videos in the folder", found=links, fix="copy the videos into it")
    return [
        Video(key_of(name), name, next(filter(is_video, files), None), partial(_extract, name, files), files=files)
        for name, files in kept.items()
    ]


def _check_extractor(root: Path, localizer: Localizer) -> None:
    if localizer.extractor is None:
        expected = "a pack of features, because this checkpoint does not say how its features were extracted"
        raise InputError(root, expected=expected, found="videos", fix="make a pack with rcl extract and give that")
    localizer.extractor.open()  # fails now and not at the first video


def _of_pack(root: Path, localizer: Localizer | None) -> list[Video]:
    pack = _Pack(root)
    if localizer is not None:
        pack.dataset(localizer)  # damaged features fail now and not at the first video
    return [
        Video(key_of(name), name, None, partial(pack.read, index), video)
        for index, (name, video) in enumerate(pack.annotations.videos.items())
    ]


class _Pack:
    """A pack, whose features are opened as a detector needs them."""

    def __init__(self, root: Path) -> None:
        self.root, self.annotations = root, load_annotations(find_annotations(root), clip=False)
        self._opened: tuple[Localizer, VideoDataset] | None = None

    def dataset(self, localizer: Localizer) -> VideoDataset:
        if self._opened is None or self._opened[0] is not localizer:
            store = open_store_for(localizer, self.root, self.annotations)
            dataset = VideoDataset(self.annotations, store, labels=(), preparation=localizer.preparation)
            self._opened = localizer, dataset
        return self._opened[1]

    def read(self, index: int, localizer: Localizer, report: Report) -> Prepared:
        report("reading", None)
        return Prepared(*localizer.open(*self.dataset(localizer).open(index)))


def _extract(name: str, files: tuple[Path, ...], localizer: Localizer, report: Report) -> Prepared:
    report("extracting", None)
    assert localizer.extractor is not None  # checked by _of_folder
    extracted = extract_recordings(localizer.extractor, files, progress=lambda share: report("extracting", share))
    features, timeline = localizer.prepare(extracted.features, extracted.snippets_per_second, video=name)
    return Prepared(features, timeline._replace(end_seconds=extracted.duration_seconds), extracted.problems)
