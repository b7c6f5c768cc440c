"""The labels that ``rcl.fit`` trains on if it is given a pack: those of the pack, or others in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.feature_store import FeatureStore
from rcl.data.formats.load import load_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.matching import match_annotations, no_video_has_labels
from rcl.data.names import NameMatch, match_names
from rcl.data.pack import find_annotations
from rcl.data.stores import Store, open_store
from rcl.data.time_units import Extent
from rcl.system.errors import InputError
from rcl.system.paths import PathLike, exists
from rcl.training.labels import leave_out_points
from rcl.training.plan import LabelledVideos
from rcl.video.label_times import check_times
from rcl.video.settings import read_settings


def open_pack(
    pack: Path,
    labels: PathLike | Annotations | None,
    reading: ReadOptions | None,
    *,
    features: PathLike | None = None,
    streams: Sequence[str] | None = None,
    layout: str = "TC",
) -> Store:
    """The features of a pack that is fitted to its own labels or to others, which name its videos if it does not.

    Raises:
        InputError: the annotations cannot be read; or see :func:`rcl.data.stores.open_store`.
    """
    path = find_annotations(pack)
    if exists(path) or labels is None:
        known = load_annotations(path, clip=False, options=reading if labels is None else None)
    else:
        known = labels if isinstance(labels, Annotations) else load_annotations(labels, clip=False, options=reading)
    return open_store(pack, known, features=features, streams=streams, layout=layout)


def own_labels(pack: Path, store: Store, reading: ReadOptions | None) -> LabelledVideos:
    """The videos that the annotations of a pack name, under their names there, as far as they have features.

    Raises:
        InputError: the annotations cannot be read, no labelled video has features, or a length or rate is missing.
    """
    annotations = load_annotations(find_annotations(pack), clip=False, options=reading)
    return _labelled(pack, annotations, match_names(annotations.videos, store.names()), store)


def other_labels(
    pack: Path, labels: PathLike | Annotations, store: Store, reading: ReadOptions | None
) -> LabelledVideos:
    """Labels in place of those of a pack, under the names of the features.

    What they do not say of a video comes from the pack: its length, the rate of its features, its group, and, if they
    name no subset at all, its subset.

    Raises:
        InputError: the labels cannot be read or match no features, their times cannot be seconds or have no length, or
            a length or rate is missing.
    """
    given = labels if isinstance(labels, Annotations) else load_annotations(labels, clip=False, options=reading)
    annotations, match = match_annotations(given, store.names())
    path = find_annotations(pack)
    known = _under_names_of(store, load_annotations(path, clip=False)) if exists(path) else {}
    annotations = _with_subsets_of(known, _with_facts_of(known, annotations))
    labelled = _labelled(pack, annotations, match, store)
    check_times(labelled.annotations, _extents(labelled.annotations, store), reading)
    return leave_out_points(labelled)


def _labelled(pack: Path, annotations: Annotations, match: NameMatch, store: Store) -> LabelledVideos:
    found = {name: video for name, video in annotations.videos.items() if name in store}
    if not any(video.labels for video in found.values()):
        error = no_video_has_labels(annotations, match)
        fix = f"name the videos in the labels as their features in {store.root}"
        raise InputError(error.where, expected=error.expected, found=error.found, fix=fix)
    used = {name for name, video in annotations.videos.items() if video.labels or video.subset != "testing"}
    match = replace(match, missing=tuple(name for name in match.missing if name in used))
    annotations = replace(annotations, videos=found)
    if isinstance(store, FeatureStore):  # several streams have rates of their own
        settings = read_settings(pack)
        annotations = _with_rates(annotations, settings.snippets_per_second if settings else None)
    return LabelledVideos({name: store.file(name) for name in found}, annotations, match)


def _under_names_of(store: Store, annotations: Annotations) -> dict[str, VideoAnnotation]:
    pairs = match_names(annotations.videos, store.names()).pairs
    return {name: annotations.videos[own] for own, name in pairs.items()}


def _with_facts_of(known: Mapping[str, VideoAnnotation], annotations: Annotations) -> Annotations:
    """The annotations with lengths, rates and groups that they lack."""
    videos = dict(annotations.videos)
    for name in videos.keys() & known.keys():
        video, other = videos[name], known[name]
        videos[name] = replace(
            video,
            duration_seconds=video.duration_seconds or other.duration_seconds,
            snippets_per_second=video.snippets_per_second or other.snippets_per_second,
            group=video.group if video.group is not None else other.group,
        )
    return replace(annotations, videos=videos)


def _with_subsets_of(known: Mapping[str, VideoAnnotation], annotations: Annotations) -> Annotations:
    """The annotations in the subsets of the pack, if they name none. A pack lists videos without labels under testing,
    whatever they are for."""
    if any(video.subset != "training" for video in annotations.videos.values()):
        return annotations
    videos = {
        name: replace(video, subset=known[name].subset) if name in known and known[name].labels else video
        for name, video in annotations.videos.items()
    }
    learned = any(video.labels and video.subset == "training" for video in videos.values())
    return replace(annotations, videos=videos) if learned else annotations


def _with_rates(annotations: Annotations, rate: float | None) -> Annotations:
    """The annotations with the rate that the pack was extracted with, where they state neither rate nor length.

    Raises:
        InputError: there is none.
    """
    videos = dict(annotations.videos)
    for name, video in videos.items():
        if video.duration_seconds or video.snippets_per_second:
            continue
        if rate is None:
            expected, found = "the rate of its features or the length of the video", "neither"
            fix = "add 'fps' (snippets per second of the features) or 'duration' (seconds) to the labels"
            raise InputError(f"{annotations.source}, video {name!r}", expected=expected, found=found, fix=fix)
        videos[name] = replace(video, snippets_per_second=rate)
    return replace(annotations, videos=videos)


def _extents(annotations: Annotations, store: Store) -> dict[str, Extent]:
    """The lengths of labelled videos, as stated or by their features."""
    extents, store = dict[str, Extent](), store.timed(annotations)
    for name, video in annotations.videos.items():
        if video.labels:
            seconds = video.duration_seconds or store.shape(name)[0] / (
                store.rate(name) or video.snippets_per_second or 1.0
            )
            extents[name] = Extent(seconds)
    return extents
