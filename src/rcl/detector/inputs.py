"""What a detector can be given: videos, packs and feature files, one job for each video."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rcl.data import feature_files
from rcl.data.datasets import VideoDataset
from rcl.data.feature_store import FeatureStore
from rcl.data.features import Features, open_features
from rcl.data.formats.load import load_annotations
from rcl.data.pack import find_annotations, find_features, is_pack
from rcl.data.segments import Timeline
from rcl.detector.localizer import Localizer, Progress
from rcl.system.errors import InputError
from rcl.system.paths import is_dir
from rcl.video.finding import find_videos

Prepared = tuple[Features, Timeline]


class Job(NamedTuple):
    """A video to detect in: its name, how a detector reads it, and the files that its features depend on. Picklable.

    ``read (localizer, progress=None)``; see ``Localizer.prepare``.
    """

    video: str
    read: Callable[..., Prepared]
    files: tuple[Path, ...]


def jobs_of(path: Path, localizer: Localizer, subset: str | None, layout: str, rate: float | None) -> list[Job]:
    """A job for every video of an input: a pack, videos or a folder of them, a feature file of one or many.

    Raises:
        InputError: there is no such input, a pack is damaged, or the backbone that videos need cannot be had.
    """
    if path.suffix.lower() in (".h5", ".hdf5", ".npz"):
        store = FeatureStore(path, layout=layout)
        names = store.names() if len(store) > 1 else [path.stem]
        return [_of_features(name, path, layout, rate) for name in names]
    if path.suffix.lower() in feature_files.EXTENSIONS and not is_dir(path):
        return [_of_features(path.stem, path, layout, rate)]
    if is_pack(path):
        return _of_pack(path, localizer, subset, layout, rate)
    videos, _ = find_videos([path])
    if rate is not None:
        fix = "leave it out for videos"
        raise InputError("--snippets-per-second", expected="feature files", found=str(path), fix=fix)
    if localizer.extractor:
        localizer.extractor.backbone()  # before the first video: if it cannot be had, none can be used
    return [Job(name, partial(_read_video, file.absolute(), name), (file,)) for name, file in videos.items()]


def _of_features(name: str, path: Path, layout: str, rate: float | None) -> Job:
    return Job(name, partial(_read_features, path.absolute(), name, layout, rate), (path,))


def _of_pack(path: Path, localizer: Localizer, subset: str | None, layout: str, rate: float | None) -> list[Job]:
    path = path.absolute()
    annotations = load_annotations(find_annotations(path))
    store = FeatureStore(find_features(path), layout=layout, channels=localizer.in_channels)
    dataset = VideoDataset(
        annotations.subset(subset) if subset else annotations,
        store,
        labels=(),
        snippets_per_second=rate or localizer.declared_rate,
        resize=localizer.resize,  # for the timeline; the localizer resizes and scales what is read
    )
    return [
        # A video without features is told when its turn comes.
        Job(
            video.name,
            partial(_read_packed, dataset, index),
            (find_annotations(path), *([store.file(video.name)] if video.name in store else [])),
        )
        for index, video in enumerate(dataset.videos)
    ]


def _read_video(path: Path, video: str, localizer: Localizer, progress: Progress | None = None) -> Prepared:
    return localizer.prepare(path, None, video=video, progress=progress)


def _read_features(
    path: Path, video: str, layout: str, rate: float | None, localizer: Localizer, progress: Progress | None = None
) -> Prepared:
    return localizer.prepare(open_features(path, layout=layout, video=video), rate, video=video)


def _read_packed(dataset: VideoDataset, index: int, localizer: Localizer, progress: Progress | None = None) -> Prepared:
    stored, timeline = dataset.open(index)
    return localizer.open(stored), timeline
