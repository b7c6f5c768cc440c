"""The average of several answers about the same anchors, such as answers at several rates of the features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rcl.models.predictions import AnchorScores, Predictions


def average(answers: Sequence[Predictions]) -> Predictions:
    """The average of predictions for the same anchors; a single one is returned as it is.

    Segments and boundary logits are arithmetic means, confidences and label scores geometric ones. The average has one
    step, which stands for all of them as in :class:`rcl.models.decoding.Decoder`: its confidences are also means over
    the steps, and its labels those of the first step.

    Args:
        answers: in the snippet time of one video, for anchors in one order.
    """
    if len(answers) == 1:
        return answers[0]
    segments = torch.stack([answer.segments for answer in answers]).mean(dim=0)  # (B, K, 2)
    anchors = torch.stack([answer.steps[0].anchors for answer in answers]).mean(dim=0)  # (B, K, 2)
    lengths = (anchors[..., 1:] - anchors[..., :1]).clamp(min=torch.finfo(anchors.dtype).tiny)  # (B, K, 1)
    steps = [step for answer in answers for step in answer.steps]
    scores = AnchorScores(
        anchors,
        mean_logit([step.classification for step in steps]),
        mean_logit([step.regression for step in steps]),
        (segments - anchors) / lengths,
        mean_logit([answer.steps[0].labels for answer in answers]),
    )
    boundaries = [answer.boundaries for answer in answers if answer.boundaries is not None]
    return Predictions((scores,), segments, torch.stack(boundaries).mean(dim=0) if boundaries else None)


def mean_logit(logits: Sequence[Tensor]) -> Tensor:
    """The logit of the geometric mean of the probabilities that some ``logits`` of one shape stand for.

    >>> mean_logit([torch.tensor(0.1).logit(), torch.tensor(0.4).logit()]).sigmoid()
    tensor(0.2000)
    """
    logs = sum(functional.logsigmoid(own) for own in logits[1:]) + functional.logsigmoid(logits[0])
    log = (logs / len(logits)).clamp(max=-torch.finfo(logits[0].dtype).tiny)  # below 0, where the logit is infinite
    return log - torch.log(-torch.expm1(log))
