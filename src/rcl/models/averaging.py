"""The average of several answers about the same anchors, such as answers at several rates of the features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rcl.models.predictions import AnchorScores, Predictions


def average(answers: Sequence[Predictions]) -> Predictions:
    """The average of predictions for the same anchors, step by step; a single one is returned as it is.

    Segments and boundary logits are arithmetic means, confidences and label scores geometric ones. From the second step
    on, answers are about different places; the anchor of a step is the smallest segment that holds them all, since an
    average depends on everything that one of them saw.

    Args:
        answers: in the snippet time of one video, for anchors in one order, of equally many steps.
    """
    if len(answers) == 1:
        return answers[0]
    segments = torch.stack([answer.segments for answer in answers]).mean(dim=0)  # (B, K, 2)
    *before, last = zip(*(answer.steps for answer in answers), strict=True)
    steps = [_average_step(step, torch.stack([own.segments for own in step]).mean(dim=0)) for step in before]
    boundaries = [answer.boundaries for answer in answers if answer.boundaries is not None]
    return Predictions(
        (*steps, _average_step(last, segments)),
        segments,
        torch.stack(boundaries).mean(dim=0) if boundaries else None,
    )


def _average_step(steps: Sequence[AnchorScores], segments: Tensor) -> AnchorScores:
    """One step of the average, whose offsets lead to ``segments (B, K, 2)``."""
    places = torch.stack([step.anchors for step in steps])  # (N, B, K, 2)
    anchors = torch.stack((places[..., 0].amin(dim=0), places[..., 1].amax(dim=0)), dim=-1)  # (B, K, 2)
    lengths = (anchors[..., 1:] - anchors[..., :1]).clamp(min=torch.finfo(anchors.dtype).tiny)  # (B, K, 1)
    return AnchorScores(
        anchors,
        mean_logit([step.classification for step in steps]),
        mean_logit([step.regression for step in steps]),
        (segments - anchors) / lengths,
        mean_logit([step.labels for step in steps]),
    )


def mean_logit(logits: Sequence[Tensor]) -> Tensor:
    """The logit of the geometric mean of the probabilities that some ``logits`` of one shape stand for.

    >>> mean_logit([torch.tensor(0.1).logit(), torch.tensor(0.4).logit()]).sigmoid()
    tensor(0.2000)
    """
    logs = sum(functional.logsigmoid(own) for own in logits[1:]) + functional.logsigmoid(logits[0])
    log = (logs / len(logits)).clamp(max=-torch.finfo(logits[0].dtype).tiny)  # below 0, where the logit is infinite
    return log - torch.log(-torch.expm1(log))
