"""A pack of made-up features with exact ground truth, for tests of everything that begins with features."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.load import save_annotations

SNIPPETS_PER_SECOND = 5.0
CHANNELS = 32
# Typical length of each action in seconds: from under a second to half a minute.
ACTIONS = {"clap": 0.8, "wave": 2.0, "jump": 4.0, "walk": 10.0, "dance": 25.0}


def make_pack(root: Path, *, training: int = 24, validation: int = 8, seed: int = 0) -> Path:
    """Write a pack of made-up videos of about two minutes, with exact ground truth.

    Every action has a direction in feature space and a profile in time (it begins and ends with a mark of its own);
    scenes differ by an offset, and slow drift, noise and half-strength look-alikes have to be told apart from actions.

    Args:
        root: folder of the pack.
        training: number of training videos.
        validation: number of validation videos.
        seed: the same seed makes the same pack.

    Returns:
        ``root``.
    """
    random = np.random.default_rng(seed)
    looks = random.normal(size=(len(ACTIONS), 3, CHANNELS)).astype(np.float32)  # (L, begin · middle · end, C)
    videos = {}
    (root / "features").mkdir(parents=True, exist_ok=True)
    for number in range(training + validation):
        name = f"video-{number:03d}"
        features, video = _make_video(name, "training" if number < training else "validation", looks, random)
        np.save(root / "features" / f"{name}.npy", features)
        videos[name] = video
    save_annotations(Annotations(videos), root / "annotations.json")
    return root


def _make_video(
    name: str, subset: str, looks: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, VideoAnnotation]:
    snippets = int(random.integers(400, 800))
    time = np.arange(snippets)
    drift = np.sin(time[:, None] / random.uniform(30, 120, CHANNELS) + random.uniform(0, 6, CHANNELS))  # (T, C)
    features = 0.5 * drift + 0.5 * random.normal(size=CHANNELS) + 0.6 * random.normal(size=(snippets, CHANNELS))
    names, lengths = list(ACTIONS), list(ACTIONS.values())
    segments, labels = [], []
    start = float(random.exponential(10))
    while True:
        action = int(random.integers(len(ACTIONS)))
        end = start + lengths[action] * SNIPPETS_PER_SECOND * float(np.exp(random.normal(0, 0.3)))
        if end > snippets:
            break
        alike = random.random() < 0.2  # half of an action's look is not the action
        features += (0.45 if alike else 1.0) * _appearance(looks[action], start, end, snippets)
        if not alike:
            segments.append((start / SNIPPETS_PER_SECOND, end / SNIPPETS_PER_SECOND))
            labels.append(names[action])
        start = end + 2 + float(random.exponential(15))
    video = VideoAnnotation(
        name,
        subset,
        duration_seconds=snippets / SNIPPETS_PER_SECOND,
        snippets_per_second=SNIPPETS_PER_SECOND,
        segments_seconds=np.array(segments, dtype=np.float64).reshape(-1, 2),
        labels=tuple(labels),
    )
    return features.astype(np.float32), video


def _appearance(look: np.ndarray, start: float, end: float, snippets: int) -> np.ndarray:
    """``(T, C)``: the begin, middle and end of an action, each snippet by the share of it that the action covers."""
    time = np.arange(snippets)
    share = np.clip(np.minimum(time + 1, end) - np.maximum(time, start), 0, 1)[:, None]  # (T, 1)
    phase = np.clip((time + 0.5 - start) / (end - start), 0, 1)  # (T,)
    third = np.minimum((phase * 3).astype(int), 2)  # (T,)
    return share * look[third]
