"""How good detections are: mAP, AR@AN and what they are made of."""

from rcl.evaluation.matching import match
from rcl.evaluation.metrics import Evaluation, average_precision, evaluate
from rcl.evaluation.recall import RecallCurve, average_recall

__all__ = ["Evaluation", "RecallCurve", "average_precision", "average_recall", "evaluate", "match"]
