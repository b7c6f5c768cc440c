"""The videos of a folder or a pack, and how the features of each are had."""

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
from rcl.data.feature_store import FeatureStore
from rcl.data.features import Features
from rcl.data.formats.load import load_annotations
from rcl.data.pack import find_annotations, find_features, is_pack
from rcl.data.segments import Timeline
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError
from rcl.video.extraction import extract_features, stated_seconds
from rcl.video.finding import find_videos
from rcl.web.serve.job_queue import Report

log = logging.getLogger("rcl")


class Prepared(NamedTuple):
    """Features ``(C, T)`` as the network takes them, where they lie in time, and what was wrong with the file."""

    features: Features
    timeline: Timeline
    problems: tuple[str, ...] = ()


Reader: TypeAlias = Callable[[Report], Prepared]


class Video(NamedTuple):
    """A video that can be chosen.

    ``key`` stands for it in addresses: it follows from the name, so that a page that outlives the program means the
    same video. ``path`` is the file to play, ``None`` where there are features only; ``known`` is what the pack says.
    """

    key: str
    name: str
    path: Path | None
    read: Reader
    known: VideoAnnotation | None = None


class Catalogue:
    """All videos, in order.

    Args:
        root: a folder of videos, a video, or a pack of features.
        localizer: whose features are needed.

    Raises:
        InputError: there is no video, or the features of videos cannot be made.
    """

    def __init__(self, root: Path, localizer: Localizer) -> None:
        self.folder = (root if root.is_dir() else root.parent).resolve()
        videos = _of_pack(root, localizer) if is_pack(root) else _of_folder(root, self.folder, localizer)
        self.videos: Mapping[str, Video] = {video.key: video for video in videos}

    def file(self, key: str) -> Path | None:
        """The file to play: one that lies in the folder, wherever its name leads by now."""
        path = self.videos[key].path
        return path.resolve() if path and _inside(path, self.folder) and path.is_file() else None


def key_of(name: str) -> str:
    """What stands for a video in addresses."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # links in a circle
        return False


def _of_folder(root: Path, folder: Path, localizer: Localizer) -> list[Video]:
    if localizer.extractor is None:
        expected = "a pack of features, as nobody told this checkpoint how to make features"
        fix = "extract the features of training with rcl extract, or give a pack"
        raise InputError(root, expected=expected, found="videos", fix=fix)
    localizer.extractor.backbone()  # if it cannot be had, no video can be used
    found, _ = find_videos([root])
    kept = {name: path for name, path in found.items() if _inside(path, folder)}
    if len(kept) < len(found):
        log.warning("%s: %d links lead out of the folder and are left out", root, len(found) - len(kept))
    if not kept:
        found_instead = "only links that lead out of it"
        raise InputError(root, expected="videos in the folder", found=found_instead, fix="copy the videos into it")
    return [Video(key_of(name), name, path, partial(_extract, localizer, name, path)) for name, path in kept.items()]


def _of_pack(root: Path, localizer: Localizer) -> list[Video]:
    annotations = load_annotations(find_annotations(root), clip=False)
    dataset = VideoDataset(
        annotations,
        FeatureStore(find_features(root), layout=localizer.preparation.layout, channels=localizer.in_channels),
        labels=(),
        preparation=localizer.preparation,
    )
    return [
        Video(key_of(video.name), video.name, None, partial(_read, dataset, index), video)
        for index, video in enumerate(dataset.videos)
    ]


def _read(dataset: VideoDataset, index: int, report: Report) -> Prepared:
    report("reading", None)
    return Prepared(*dataset.read(index))


def _extract(localizer: Localizer, name: str, path: Path, report: Report) -> Prepared:
    report("extracting", None)
    assert localizer.extractor is not None  # or this would be a pack
    whole = stated_seconds(path)
    extracted = extract_features(
        path,
        localizer.extractor.backbone(),
        localizer.extractor.settings,
        progress=lambda seconds: report("extracting", seconds / whole if whole else None),
    )
    features, timeline = localizer.prepare(extracted.features, extracted.snippets_per_second, video=name)
    return Prepared(features, timeline._replace(end_seconds=extracted.duration_seconds), extracted.problems)


def duration_of(prepared: Prepared) -> float:
    """The end of a video in seconds: as it was read, or else that of its features."""
    timeline = prepared.timeline
    end = timeline.end_seconds
    return end if math.isfinite(end) else prepared.features.shape[1] / timeline.snippets_per_second
