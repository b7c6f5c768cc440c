"""Features of another rate than that of training become features of that rate, as far as they can."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from rcl.data.features import Features, StoredFeatures
from rcl.data.preparation import Preparation
from rcl.data.resampled import ResampledFeatures
from rcl.data.segments import Timeline

SAME_RATE = 0.02  # share by which a rate may differ and still be that of training


def prepared(
    features: Tensor | StoredFeatures,
    timeline: Timeline,
    preparation: Preparation,
    training_rate: float | None,
    *,
    at_once: int,
) -> tuple[Features, Timeline]:
    """Prepare features at the rate of training: means over exact intervals if they come faster, else linear between.

    Args:
        features: ``(T, C)``.
        timeline: of them after the preparation, see :meth:`rcl.data.preparation.Preparation.timeline`.
        preparation: of training.
        training_rate: of the files in training, in snippets per second; ``None`` leaves features at their rate.
        at_once: stored features of more snippets are read later, slice by slice.

    Returns:
        ``(C, T')`` and their timeline.

    Raises:
        InputError: see :meth:`rcl.data.features.StoredFeatures.read`.
    """
    rate = timeline.snippets_per_second * preparation.downsample  # of the file
    if preparation.resize or training_rate is None or abs(rate / training_rate - 1) <= SAME_RATE:
        return _open(features, preparation, at_once), timeline
    wanted = training_rate / preparation.downsample  # snippets per second of the network
    own = replace(preparation, downsample=max(int(rate / wanted + SAME_RATE), 1))
    opened = _open(features, own, at_once)
    snippets = max(round(opened.shape[1] * own.downsample * wanted / rate), 1)
    resampled = ResampledFeatures(opened, snippets)  # is indexed like any features
    exact = rate / own.downsample * snippets / opened.shape[1]
    timeline = timeline._replace(snippets_per_second=exact)
    return resampled[:, :] if isinstance(opened, Tensor) else cast(Features, resampled), timeline


def _open(features: Tensor | StoredFeatures, preparation: Preparation, at_once: int) -> Features:
    if isinstance(features, StoredFeatures):
        return preparation.open(features, at_once=at_once)
    return preparation.apply(torch.as_tensor(features))
