"""Detections in the held-out videos of a pack, by any detector of its features."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rcl.data.annotations import Annotations
from rcl.data.datasets import VideoDataset
from rcl.data.detections import Detections
from rcl.detector.inputs import open_store_for
from rcl.detector.localizer import Localizer
from rcl.system.paths import PathLike


class HeldOut(NamedTuple):
    """What a detector found in the held-out videos, and their features as it takes them."""

    detections: Detections
    videos: VideoDataset


def detect_held_out(
    localizer: Localizer,
    truth: Annotations,
    pack: PathLike,
    *,
    features: PathLike | None = None,
    progress: Callable[[], None] = lambda: None,
) -> HeldOut:
    """Detect in the videos of ``truth``, whose features are in the pack or in ``features``; ``progress`` is called
    after each."""
    store = open_store_for(localizer, pack, truth, features=features)
    videos = VideoDataset(truth, store, (), localizer.preparation)
    found = list[Detections]()
    for index, video in enumerate(videos.videos):
        found.append(localizer.detect_prepared(*localizer.open(*videos.open(index)), video=video.name))
        progress()
    return HeldOut(Detections.concatenate(found), videos)
