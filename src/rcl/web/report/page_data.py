"""The data of the page as JSON: one index for all videos, then one block per video."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from rcl.evaluation.diagnosis import KINDS
from rcl.web.report.charts import Chart
from rcl.web.report.matches import Matches, VideoMatches

_USUAL_TIOU = 0.5  # the threshold that the page begins with, or the nearest one


def to_block(data: object) -> str:
    """JSON for a script element, without ``<``, which could end the element.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def video_json(video: VideoMatches, link: str | None) -> dict[str, Any]:
    """The block of one video, by columns to keep it small; times are rounded to milliseconds."""
    return {
        "duration": round(video.duration_seconds, 3),
        "annotated": video.annotated,
        "file": link,
        "truths": video.truths_seconds.round(3).ravel().tolist(),
        "truthLabels": video.truth_labels.tolist(),
        "segments": video.segments_seconds.round(3).ravel().tolist(),
        "labels": video.labels.tolist(),
        "scores": video.scores.tolist(),
        "taken": video.taken.tolist() if video.annotated else [],
        "kinds": ["".join(map(str, row)) for row in video.kinds.tolist()],
    }


def usual_row(thresholds: np.ndarray) -> int:
    """The position of the tIoU threshold that the page begins with, in ``thresholds (T,)``."""
    return int(np.abs(thresholds - _USUAL_TIOU).argmin())


def index_json(matches: Matches, charts: Sequence[Chart], *, has_maps: bool) -> dict[str, Any]:
    """The block that the page needs before a video is opened."""
    thresholds = matches.tiou_thresholds
    row = usual_row(thresholds)
    scores = np.concatenate([np.empty(0), *(video.scores for video in matches.videos)])
    return {
        "labels": list(matches.labels),
        "kinds": list(KINDS),
        "thresholds": [round(float(threshold), 4) for threshold in thresholds],
        "tiou": row,
        "threshold": matches.threshold,
        "scores": [float(scores.min(initial=0.0)), float(scores.max(initial=0.0))],
        "maps": has_maps,
        "videos": [
            {
                "name": video.name,
                "annotated": video.annotated,
                "errors": video.errors(matches.threshold, row) if video.annotated else None,
                "best": float(video.scores[0]) if len(video.scores) else None,
                "truths": len(video.truths_seconds),
                "detections": len(video.scores),
            }
            for video in matches.videos
        ],
        "charts": {chart.key: chart.figure for chart in charts},
    }
