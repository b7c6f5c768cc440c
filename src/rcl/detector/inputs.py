"""The videos in what a detector is given: videos, packs and feature files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rcl.data import feature_files
from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.feature_store import FeatureStore
from rcl.data.features import open_features
from rcl.data.formats.load import load_annotations
from rcl.data.pack import find_annotations, is_pack
from rcl.data.preparation import Preparation
from rcl.data.stores import Store, open_store, stored_timeline
from rcl.data.streams import STREAMS
from rcl.data.timeline import Timeline
from rcl.detector.given_rates import rate_of_video
from rcl.detector.progress import Progress
from rcl.detector.video_detector import VideoDetector
from rcl.system.errors import InputError
from rcl.system.paths import PathLike, exists, is_dir, is_file
from rcl.video.extractor import takes_recording
from rcl.video.inside import file_of

log = logging.getLogger("rcl")

Prepared = tuple[Any, Timeline]


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


def open_store_for(
    localizer: VideoDetector,
    pack: PathLike,
    annotations: Annotations,
    *,
    features: PathLike | None = None,
    layout: str | None = None,
) -> Store:
    """The features of a pack as a detector takes them: its streams, as far as the pack has them.

    Args:
        localizer: the detector.
        pack: its folder.
        annotations: of its videos.
        features: the folder or file of the features, if it is not in the pack.
        layout: of feature files, by default that of the training features.

    Raises:
        InputError: see :func:`rcl.data.stores.open_store`.
    """
    return open_store(
        pack,
        annotations,
        features=features,
        streams=localizer.streams,
        channels=localizer.in_channels,
        layout=layout or localizer.preparation.layout,
    )


def jobs_of(path: Path, localizer: VideoDetector, subset: str | None, layout: str, rate: float | None) -> list[Job]:
    """A job for every video of an input; see :func:`jobs_of_all`."""
    return jobs_of_all([path], localizer, subset, layout, rate)


def jobs_of_all(
    paths: Sequence[Path], localizer: VideoDetector, subset: str | None, layout: str, rate: float | None
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
    path: Path, localizer: VideoDetector, subset: str | None, layout: str, rate: float | None
) -> list[Job] | None:
    """The jobs of a feature file or a pack; ``None`` for videos and other recordings."""
    if takes_recording(localizer.extractor, path):
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


def _of_videos(paths: Sequence[Path], localizer: VideoDetector, rate: float | None) -> dict[Path, list[Job]]:
    """The jobs of each video or folder. All are named together: their names may have to tell folders apart."""
    for path in paths:
        if not exists(path):
            raise InputError.missing(path, "videos, or a folder of them")
    from rcl.video.composed import find_recordings  # here, since features are found without torch

    videos = find_recordings(paths, localizer.extractor)
    if rate is not None:
        raise rate_of_video("--snippets-per-second", paths[0])
    if localizer.extractor:
        localizer.extractor.open()  # an unavailable backbone fails before the first video
    jobs: dict[Path, list[Job]] = {path: [] for path in paths}
    for name, files in videos.items():
        given = next(place for place in (files[0], *files[0].parents) if place in jobs)
        read = partial(_read_video, tuple(file.absolute() for file in files), name)
        jobs[given].append(Job(name, read, (*map(file_of, files),), localizer.snippets_per_second))
    return jobs


def _of_features(name: str, path: Path, layout: str, rate: float | None, localizer: VideoDetector) -> Job:
    read = partial(_read_features, path.absolute(), name, layout, rate)
    return Job(name, read, (path,), rate or localizer.snippets_per_second)


def _of_pack(path: Path, localizer: VideoDetector, subset: str | None, layout: str, rate: float | None) -> list[Job]:
    path = path.absolute()
    annotations = load_annotations(find_annotations(path))
    store = open_store_for(localizer, path, annotations, layout=layout)
    if store.streams and rate is not None:
        fix = "leave it out: the pack states the rate of each stream"
        raise InputError("--snippets-per-second", expected="a pack of a single stream", found=str(path), fix=fix)
    rate = rate or localizer.preparation.snippets_per_second
    chosen = annotations.subset(subset) if subset else annotations
    preparation = replace(localizer.preparation, snippets_per_second=rate)
    read = partial(_read_packed, store.timed(chosen), preparation)
    for sentence in store.doubts([*chosen.videos]):
        log.warning("%s", sentence)
    shared = [find_annotations(path), *([path / STREAMS] if is_file(path / STREAMS) else [])]
    return [
        # A video without features fails in its turn, not here.
        Job(
            video.name,
            partial(read, video),
            (*shared, *store.files(video.name)),
            rate or video.snippets_per_second,
        )
        for video in chosen.videos.values()
    ]


def _read_video(
    files: tuple[Path, ...], video: str, localizer: VideoDetector, progress: Progress | None = None
) -> Prepared:
    return localizer.prepare(files, None, video=video, progress=progress)


def _read_features(
    path: Path, video: str, layout: str, rate: float | None, localizer: VideoDetector, progress: Progress | None = None
) -> Prepared:
    return localizer.prepare(open_features(path, layout=layout, video=video), rate, video=video)


def _read_packed(
    store: Store,
    preparation: Preparation,
    video: VideoAnnotation,
    localizer: VideoDetector,
    progress: Progress | None = None,
) -> Prepared:
    stored = store.open(video.name)
    return localizer.open(stored, stored_timeline(video, stored.shape, store, preparation))
