"""Ground truth and detections as tables, for the tests of evaluation."""

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections


def make_annotations(videos, durations=None):
    """From ``{video: [(start, end, label)]}`` and ``{video: seconds}``."""
    return Annotations(
        {
            name: VideoAnnotation(
                name,
                "validation",
                (durations or {}).get(name, 100.0),
                None,
                np.array([row[:2] for row in instances], dtype=np.float64).reshape(-1, 2),
                tuple(row[2] for row in instances),
            )
            for name, instances in videos.items()
        }
    )


def make_detections(rows):
    """From ``[(video, start, end, label, score)]``."""
    videos, labels = (tuple(dict.fromkeys(row[i] for row in rows)) for i in (0, 3))
    return Detections(
        videos,
        np.array([videos.index(row[0]) for row in rows], dtype=np.int64),
        np.array([row[1:3] for row in rows], dtype=np.float64).reshape(-1, 2),
        labels,
        np.array([labels.index(row[3]) for row in rows], dtype=np.int64),
        np.array([row[4] for row in rows], dtype=np.float64),
    )
