"""How good detections are: mAP, AR@AN, and why they are wrong."""

from rcl.evaluation.detad import diagnose
from rcl.evaluation.diagnosis import Diagnosis
from rcl.evaluation.leaderboard import Leaderboard, leaderboard
from rcl.evaluation.matching import match
from rcl.evaluation.metrics import Evaluation, average_precision, evaluate
from rcl.evaluation.recall import RecallCurve, average_recall

__all__ = [
    "Diagnosis",
    "Evaluation",
    "Leaderboard",
    "RecallCurve",
    "average_precision",
    "average_recall",
    "diagnose",
    "evaluate",
    "leaderboard",
    "match",
]
