"""The videos that a training can use: those of which something was reviewed."""

from __future__ import annotations

import logging

from rcl.data.datasets import VideoDataset
from rcl.system.errors import counted, listed

log = logging.getLogger("rcl")


def where_reviewed(videos: VideoDataset, where: str) -> VideoDataset:
    """The videos without those of which nothing was reviewed, and a warning of them.

    Args:
        videos: of the training.
        where: the file of the annotations, for the message.
    """
    chosen = videos.where_reviewed()
    kept = {video.name for video in chosen.videos}
    if left := [repr(video.name) for video in videos.videos if video.name not in kept]:
        message = "%s: left out %s for training, of which nothing was reviewed: %s"
        log.warning(message, where, counted(len(left), "video"), listed(left))
    return chosen
