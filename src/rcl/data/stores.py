"""The features of a pack, of one stream or of several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.feature_files import EXTENSIONS
from rcl.data.feature_store import FeatureStore
from rcl.data.names import plain_name, without_extension
from rcl.data.pack import find_features
from rcl.data.preparation import Preparation
from rcl.data.stream_store import StreamStore, named_streams
from rcl.data.streams import Stream, StreamTiming, read_streams
from rcl.data.timeline import Timeline
from rcl.system.errors import InputError, listed, located
from rcl.system.paths import PathLike, files_below, is_dir, is_hidden, to_path

Store: TypeAlias = FeatureStore | StreamStore


def open_store(
    pack: PathLike,
    annotations: Annotations,
    *,
    features: PathLike | None = None,
    streams: Sequence[str] | Sequence[Stream] | None = None,
    layout: str = "TC",
    channels: int | None = None,
) -> Store:
    """The features of a pack, of one stream or of several.

    Args:
        pack: its folder.
        annotations: of the videos. Without ``streams.json``, folders of features are streams if a video is in several
            of them; and the lengths of videos give the rates of streams.
        features: the folder or file of the features, if it is not in the pack.
        streams: those to open: names, or what a detector knows; ``None`` for all, empty for a single one.
        layout: as in ``read_features``.
        channels: the width C that is required of a single stream.

    Raises:
        InputError: the features are missing or damaged, ``streams.json`` is damaged or names a stream without a folder,
            or there is none of ``streams``.
    """
    root = find_features(to_path(pack)) if features is None else to_path(features)
    timing = read_streams(pack) if features is None else None
    if timing is None and is_dir(root):
        wanted = [str(getattr(stream, "name", stream)) for stream in streams or ()]
        folders = stream_folders(root, annotations.videos) or [name for name in wanted if is_dir(root / name)]
        timing = dict.fromkeys(folders, StreamTiming())
    if timing and streams is not None and not streams:
        one = root / next(iter(timing))
        fix = f"use a detector that was trained on streams, or give the features of one of them, such as {one}"
        raise InputError(root, expected="features of a single stream", found=named_streams([*timing]), fix=fix)
    if timing:
        return StreamStore(root, timing, annotations, streams=streams, layout=layout)
    if streams and isinstance(streams[0], str):
        fix = "leave out the streams, or put the features of each into a folder with its name"
        raise InputError(root, expected=f"the streams {listed([*map(str, streams)])}", found="a single one", fix=fix)
    return FeatureStore(root, layout=layout, channels=channels)


def stored_timeline(video: VideoAnnotation, shape: tuple[int, int], store: Store, preparation: Preparation) -> Timeline:
    """Timeline of a video of a pack after the preparation, from its annotation and the shape of its stored features.

    Raises:
        InputError: the rate of the features is unknown, or contradicts their number.
    """
    rate, duration = video.snippets_per_second, video.duration_seconds
    if common := store.rate(video.name):  # of several streams, which may reach beyond the video
        return preparation.timeline(shape[0], common, end_seconds=duration or math.inf)
    with located(f"video {video.name!r}"):
        return preparation.annotated_timeline(shape[0], rate=rate, duration_seconds=duration, channels=shape[1])


def stream_folders(root: Path, videos: Iterable[str]) -> list[str]:
    """The folders of features that are streams, sorted: those with annotated videos, if a video is in several of them.

    Where videos are named with their folders (``cam1/001``), the folders are no streams.
    """
    names = {without_extension(plain_name(name)) for name in videos}
    held = dict[str, set[str]]()
    for _, below in files_below(root):
        if below.suffix.lower() in EXTENSIONS and not is_hidden(below):
            folder, _, name = str(below.with_suffix("")).partition("/")
            if folder in names or f"{folder}/{name}" in names:
                return []
            if name in names:
                held.setdefault(folder, set()).add(name)
    several = sum(map(len, held.values())) > len(set().union(*held.values()))
    return sorted(held) if several else []
