"""Frame labels: one label for every frame of a video, and the segments that say the same.

Frame ``i`` covers ``[i, i + 1) / fps`` seconds. Snippets are frames, too: a pack's ``fps`` is its rate of snippets.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from rcl.data.detections import Detections

BACKGROUND = "background"
"""The label of frames in which no action happens, as the public data sets call it."""


def number_of_frames(duration_seconds: float, fps: float) -> int:
    """How many frames a video of this length has, at least one.

    >>> number_of_frames(52.6667, 15)  # a duration that was rounded
    790
    """
    return max(round(duration_seconds * fps), 1)


def run_starts(labels: np.ndarray) -> np.ndarray:
    """Where each run of one label begins: ``(T,) → (N,)``.

    >>> run_starts(np.array(["cut", "cut", "peel", "cut"]))
    array([0, 2, 3])
    """
    return np.flatnonzero(np.append(labels[:1] == labels[:1], labels[1:] != labels[:-1]))


def to_segments(
    labels: np.ndarray, fps: float, *, background: Collection[str] = (BACKGROUND,)
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The segments of a video: every run of one label, except those of the background.

    >>> to_segments(np.array(["background", "cut", "cut", "peel"]), fps=2)
    (array([[0.5, 1.5],
           [1.5, 2. ]]), ('cut', 'peel'))

    Args:
        labels: ``(T,)``, a label for every frame.
        fps: frames per second.
        background: labels that are no action.

    Returns:
        ``(N, 2)`` in seconds, and the ``N`` labels.
    """
    starts = run_starts(labels)
    ends = np.append(starts[1:], len(labels))[: len(starts)]
    names = labels[starts].tolist()
    kept = [row for row, name in enumerate(names) if name not in background]
    return np.stack((starts, ends), axis=1)[kept] / fps, tuple(names[row] for row in kept)


def to_frames(
    segments_seconds: np.ndarray, labels: Sequence[str], count: int, fps: float, *, background: str = BACKGROUND
) -> np.ndarray:
    """The label of every frame: that of the segment that contains the centre of the frame.

    Where segments overlap, the one that comes first in the list has the frame. Detections by falling score thus give
    each frame the label of the best one.

    >>> to_frames(np.array([[0.5, 1.5], [1.0, 2.0]]), ("cut", "peel"), count=5, fps=2).tolist()
    ['background', 'cut', 'cut', 'peel', 'background']

    Args:
        segments_seconds: ``(N, 2)``.
        labels: ``N`` labels.
        count: T, the number of frames.
        fps: frames per second.
        background: the label of frames in no segment.

    Returns:
        ``(T,)``.
    """
    names = {name: number for number, name in enumerate(dict.fromkeys((background, *labels)))}
    limits = np.clip(np.ceil(np.asarray(segments_seconds).reshape(-1, 2) * fps - 0.5), 0, count).astype(np.int64)
    index = np.zeros(count, dtype=np.int64)
    for (first, last), label in zip(limits[::-1].tolist(), reversed(labels), strict=True):
        index[first:last] = names[label]
    return np.array([*names])[index]


def to_detections(
    videos: Mapping[str, np.ndarray], fps: float, *, background: Collection[str] = (BACKGROUND,)
) -> Detections:
    """The runs of frame labels as detections, all with the score 1, because frame labels have none.

    >>> to_detections({"clip": np.array(["cut", "cut", "background"])}, fps=2)[0]
    Detection(video='clip', start_seconds=0.0, end_seconds=1.0, label='cut', score=1.0)

    Args:
        videos: ``(T,)`` labels of each.
        fps: frames per second.
        background: labels that are no action.
    """
    found = [to_segments(labels, fps, background=background) for labels in videos.values()]
    counts = [len(labels) for _, labels in found]
    names = sorted({label for _, labels in found for label in labels})
    position = {name: number for number, name in enumerate(names)}
    return Detections(
        videos=tuple(videos),
        video_index=np.repeat(np.arange(len(found)), counts),
        segments_seconds=np.concatenate([np.empty((0, 2)), *(segments for segments, _ in found)]),
        labels=tuple(names),
        label_index=np.array([position[label] for _, labels in found for label in labels], dtype=np.int64),
        scores=np.ones(sum(counts)),
    )
