"""Whether the place of an action in its video tells its label, as in recipes and procedures."""

from __future__ import annotations

import numpy as np

BANDWIDTH = 0.1  # of the kernel, as a share of the video
MOST_INSTANCES = 2000  # that are compared with each other


def information_of_place(videos: np.ndarray, centres: np.ndarray, labels: np.ndarray) -> float:
    """How much better the place of an instance in its video predicts its label than the label's frequency does.

    The prediction is a kernel estimate from the instances of all other videos, so that instances of one video do not
    vouch for each other. Around 0, the place says nothing.

    >>> centres, labels = np.tile([0.25, 0.75], 20), np.tile([0, 1], 20)
    >>> round(information_of_place(np.arange(40) // 2, centres, labels), 2)  # log 2 is 0.69
    0.67

    Args:
        videos: ``(N,)`` the video of each instance.
        centres: ``(N,)`` of the instances, as shares of their video.
        labels: ``(N,)`` int.

    Returns:
        Nats per instance; 0 without instances.
    """
    kept = np.arange(0, len(labels), -(-max(len(labels), 1) // MOST_INSTANCES))
    videos, centres, labels = videos[kept], centres[kept], labels[kept]
    if not len(labels):
        return 0.0
    own = np.eye(labels.max() + 1)[labels]  # (N, L)
    others = (videos[:, None] != videos[None]).astype(float)  # (N, N)
    near = others * np.exp(-0.5 * np.square((centres[:, None] - centres[None]) / BANDWIDTH))
    frequency = (others @ own + 1) / (others.sum(axis=1, keepdims=True) + own.shape[1])  # (N, L)
    at_place = (near @ own + frequency) / (near.sum(axis=1, keepdims=True) + 1)  # (N, L)
    instance = np.arange(len(labels))
    return float(np.mean(np.log(at_place[instance, labels]) - np.log(frequency[instance, labels])))
