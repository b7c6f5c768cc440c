"""The videos in what a detector is given: videos, packs and feature files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
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
from rcl.detector.localizer import Localizer
from rcl.detector.prepare import rate_of_video
from rcl.detector.progress import Progress
from rcl.system.errors import InputError
from rcl.system.paths import exists, is_dir
from rcl.video.finding import find_videos, is_video
from rcl.video.inside import file_of
from rcl.video.signals.finding import each_individual, takes_signal
from rcl.video.signals.settings import SignalSettings

Prepared = tuple[Features, Timeline]


class Job(NamedTuple):
    """A video to detect in. Picklable.

    ``video``: its name; ``read (localizer, progress=None)``: reads and prepares its features, see
    ``Localizer.prepare``; ``files``: the files that the features depend on; ``fps``: the rate of the features as they
    are given, in snippets per second, ``None`` if it is not known before they are read.
    """

    video: str
    read: Callable[..., Prepared]
    files: tuple[Path, ...]
    fps: float | None = None


def jobs_of(path: Path, localizer: Localizer, subset: str | None, layout: str, rate: float | None) -> list[Job]:
    """A job for every video of an input; see :func:`jobs_of_all`."""
    return jobs_of_all([path], localizer, subset, layout, rate)


def jobs_of_all(
    paths: Sequence[Path], localizer: Localizer, subset: str | None, layout: str, rate: float | None
) -> list[Job]:
    """A job for every video of the inputs.

    Args:
        paths: packs, videos, folders of videos, or feature files of one or many videos.
        localizer: the detector.
        subset: of a pack; ``None`` for all.
        layout: of feature files.
        rate: of feature files, in snippets per second; ``None`` if the checkpoint or the pack states it.

    Raises:
        InputError: there is no such input, a pack is damaged, a rate is given for videos, the backbone for videos is
            unavailable, or two videos have the same name.
    """
    stored = [_of_stored(path, localizer, subset, layout, rate) for path in paths]
    videos = [path for path, known in zip(paths, stored, strict=True) if known is None]
    found = _of_videos(videos, localizer, rate) if videos else {}
    jobs = [job for path, known in zip(paths, stored, strict=True) for job in known or found.pop(path, [])]
    for video, count in Counter(job.video for job in jobs).items():
        if count > 1:  # their detections would be mixed up
            fix = "rename or remove one of them"
            raise InputError("INPUT", expected="every video once", found=f"{video!r} more than once", fix=fix)
    return jobs


def _of_stored(
    path: Path, localizer: Localizer, subset: str | None, layout: str, rate: float | None
) -> list[Job] | None:
    """The jobs of a feature file or a pack; ``None`` for videos and other recordings."""
    if not is_dir(path) and takes_signal(localizer.extractor, path):
        return None
    if path.suffix.lower() in (".h5", ".hdf5", ".npz"):
        store = FeatureStore(path, layout=layout)
        names = store.names() if len(store) > 1 else [path.stem]
        return [_of_features(name, path, layout, rate, localizer) for name in names]
    if path.suffix.lower() in feature_files.EXTENSIONS and not is_dir(path):
        return [_of_features(path.stem, path, layout, rate, localizer)]
    if is_pack(path):
        return _of_pack(path, localizer, subset, layout, rate)
    return None


def _of_videos(paths: Sequence[Path], localizer: Localizer, rate: float | None) -> dict[Path, list[Job]]:
    """The jobs of each video or folder. All are named together: their names may have to tell folders apart."""
    for path in paths:
        if not exists(path):
            raise InputError.missing(path, "videos, or a folder of them")
    takes = localizer.extractor.takes if localizer.extractor else is_video
    videos, _ = find_videos(paths, takes=takes)
    if rate is not None:
        raise rate_of_video("--snippets-per-second", paths[0])
    if localizer.extractor:
        localizer.extractor.open()  # an unavailable backbone fails before the first video
    if localizer.extractor and isinstance(settings := localizer.extractor.settings, SignalSettings):
        videos = each_individual(videos, settings)
    jobs: dict[Path, list[Job]] = {path: [] for path in paths}
    for name, file in videos.items():
        given = next(place for place in (file, *file.parents) if place in jobs)
        read = partial(_read_video, file.absolute(), name)
        jobs[given].append(Job(name, read, (file_of(file),), localizer.snippets_per_second))
    return jobs


def _of_features(name: str, path: Path, layout: str, rate: float | None, localizer: Localizer) -> Job:
    read = partial(_read_features, path.absolute(), name, layout, rate)
    return Job(name, read, (path,), rate or localizer.snippets_per_second)


def _of_pack(path: Path, localizer: Localizer, subset: str | None, layout: str, rate: float | None) -> list[Job]:
    path = path.absolute()
    annotations = load_annotations(find_annotations(path))
    store = FeatureStore(find_features(path), layout=layout, channels=localizer.in_channels)
    rate = rate or localizer.preparation.snippets_per_second
    dataset = VideoDataset(
        annotations.subset(subset) if subset else annotations,
        store,
        labels=(),
        preparation=replace(localizer.preparation, snippets_per_second=rate),
    )
    return [
        Job(
            video.name,
            partial(_read_packed, dataset, index),
            # A video without features fails in its turn, not here.
            (find_annotations(path), *([store.file(video.name)] if video.name in store else [])),
            rate or video.snippets_per_second,
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
    return localizer.open(stored, timeline)
