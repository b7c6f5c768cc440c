"""A pack of a few short videos, for tests that train for a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.load import save_annotations

RATE, SNIPPETS, CHANNELS = 2.0, 40, 6
SEGMENTS = np.array([[2.0, 6.0], [10.0, 15.0]])


def tiny_annotations(
    count: int = 5,
    *,
    subsets: Mapping[int, str] | None = None,
    groups: Sequence[str] = (),
    without: Sequence[int] = (),
    rate: float | None = RATE,
) -> Annotations:
    """Videos ``v0``, ``v1``, … with two instances each.

    Args:
        count: of videos.
        subsets: of videos that are not for training.
        groups: of the videos.
        without: videos without instances.
        rate: snippets per second.
    """
    videos = {}
    for number in range(count):
        name, own = f"v{number}", SEGMENTS[:0] if number in without else SEGMENTS
        subset, group = (subsets or {}).get(number, "training"), groups[number] if groups else None
        videos[name] = VideoAnnotation(name, subset, None, rate, own, ("jump", "walk")[: len(own)], group)
    return Annotations(videos)


def tiny_features(count: int = 5) -> dict[str, np.ndarray]:
    """Features ``(T, C)`` of these videos."""
    random = np.random.default_rng(0)
    features = {}
    for number in range(count):
        array = random.normal(size=(SNIPPETS, CHANNELS)).astype(np.float32)
        for place, (start, end) in enumerate(SEGMENTS * RATE):
            array[int(start) : int(end), place] += 3
        features[f"v{number}"] = array
    return features


def write_features(root: Path, count: int = 5) -> Path:
    """Write ``features/``."""
    (root / "features").mkdir(parents=True)
    for name, array in tiny_features(count).items():
        np.save(root / "features" / f"{name}.npy", array)
    return root


def tiny_pack(root: Path, annotations: Annotations | None = None) -> Path:
    """Write the features of videos, and their annotations."""
    content = annotations or tiny_annotations()
    write_features(root, len(content.videos))
    save_annotations(content, root / "annotations.json")
    return root
