"""Detections where nobody looked are neither right nor wrong, in every measure."""

from dataclasses import replace

import numpy as np
import pytest
from made import make_annotations, make_detections

from rcl.data.annotations import Annotations
from rcl.detector.operating_points import choose_operating_points
from rcl.evaluation.bootstrap import compare, mean_of_trainings
from rcl.evaluation.detad import diagnose
from rcl.evaluation.events import evaluate_events
from rcl.evaluation.frames import evaluate_frames
from rcl.evaluation.framing import frames_of_detections, reviewed_parts, true_frames
from rcl.evaluation.ground_truths import reviewed_detections
from rcl.evaluation.leaderboard import leaderboard
from rcl.evaluation.metrics import evaluate
from rcl.evaluation.recall import average_recall
from rcl.web.report.matches import match_videos
from rcl.web.report.summary import summarize

WHOLE = make_annotations({"a": [(5, 10, "jump"), (40, 50, "walk")], "b": [(0, 9, "walk")], "c": [(2, 4, "jump")]})
INSIDE = [
    ("a", 5, 10, "jump", 0.9),
    ("a", 12, 14, "walk", 0.8),
    ("a", 41, 52, "walk", 0.7),
    ("b", 1, 9, "walk", 0.6),
    ("c", 50, 60, "jump", 0.55),
]
OUTSIDE = [("a", 70, 80, "jump", 0.95), ("a", 15, 38, "walk", 0.85), ("b", 30, 31, "jump", 0.5)]
TIOU = [0.3, 0.5]


def partly() -> Annotations:
    """``a`` and ``b`` are reviewed in part, ``c`` as a whole."""
    reviewed = {"a": [[0.0, 20.0], [40.0, 60.0]], "b": [[0.0, 20.0]]}
    videos = {
        name: replace(video, reviewed_seconds=np.array(reviewed[name]) if name in reviewed else None)
        for name, video in WHOLE.videos.items()
    }
    return replace(WHOLE, videos=videos)


ALL, JUDGED = make_detections(INSIDE + OUTSIDE), make_detections(INSIDE)


def test_more_than_half_outside_is_not_judged():
    found = reviewed_detections(ALL, partly())
    assert [*found] == [*JUDGED]
    assert reviewed_detections(ALL, WHOLE) is ALL
    beyond = make_detections([("a", 55, 200, "walk", 0.5), ("b", 99, 300, "walk", 0.4), ("z", 0, 1, "walk", 0.3)])
    reviewed_to_the_end = replace(partly().videos["a"], reviewed_seconds=np.array([[90.0, 100.0]]))
    annotations = Annotations({"a": reviewed_to_the_end, "b": partly().videos["b"]})
    # Of what reaches beyond the end of the video, everybody knows that it is wrong.
    assert [found.video for found in reviewed_detections(beyond, annotations)] == ["a", "b", "z"]


def plain(value):
    """All numbers of a result, but for how many detections were ignored."""
    found = value.to_json()
    found.get("counts", {}).pop("not_reviewed", None)
    return found


MEASURES = {
    "mAP": lambda found, truth: plain(evaluate(found, truth, tiou_thresholds=TIOU, short_seconds=6.0)),
    "AR": lambda found, truth: average_recall(found, truth).average.tolist(),
    "events": lambda found, truth: plain(evaluate_events(found, truth)),
    "DETAD": lambda found, truth: plain(diagnose(found, truth, tiou_thresholds=TIOU)),
    "compare": lambda found, truth: plain(compare(found, JUDGED, truth, tiou_thresholds=TIOU, draws=20)),
    "trainings": lambda found, truth: plain(mean_of_trainings([found, found], truth, tiou_thresholds=TIOU, draws=20)),
    "points": lambda found, truth: choose_operating_points(found, truth).calibration(np.linspace(0, 1, 9)).tolist(),
    "board": lambda found, truth: [
        entry.measured.to_json(("jump", "walk"))
        for entry in leaderboard({"x": found, "y": JUDGED}, truth, tiou_thresholds=TIOU, draws=20).entries.values()
    ],
    "page": lambda found, truth: [own.kinds.tolist() for own in match_videos(found, truth, TIOU).videos],
    "summary": lambda found, truth: plain(summarize(found, truth, tiou_thresholds=TIOU).evaluation),
}


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_is_that_without_what_was_not_reviewed(name):
    measure = MEASURES[name]
    assert measure(ALL, partly()) == measure(JUDGED, WHOLE)
    assert measure(ALL, WHOLE) != measure(JUDGED, WHOLE)


def test_the_evaluation_says_how_many_were_ignored():
    assert evaluate(ALL, partly(), tiou_thresholds=TIOU).counts["not_reviewed"] == 3
    assert "not_reviewed" not in evaluate(ALL, WHOLE, tiou_thresholds=TIOU).counts


def test_frames_count_inside_each_reviewed_part():
    truth = true_frames(partly(), fps=1.0)
    found = frames_of_detections(ALL, truth)
    labels = {video: own.labels for video, own in truth.items()}
    found, labels = (reviewed_parts(videos, partly(), truth) for videos in (found, labels))
    assert {name: len(own) for name, own in labels.items()} == {
        "a, frames 0 to 19": 20,
        "a, frames 40 to 59": 20,
        "b, frames 0 to 19": 20,
        "c": 100,
    }
    # Wrong: 12 to 14 and 15 to 20, 40 and 50 to 52 in a, 0 in b, 2 to 4 and 50 to 60 in c.
    assert evaluate_frames(found, labels).accuracy == pytest.approx(1 - (2 + 5 + 1 + 2 + 1 + 2 + 10) / 160)
