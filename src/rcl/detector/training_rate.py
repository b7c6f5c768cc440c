"""Features become what the network knows from training: their rate, and the number of snippets of long videos."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

from torch import Tensor

from rcl.data.features import Features, ReadableFeatures
from rcl.data.preparation import Preparation
from rcl.data.resampled import ResampledFeatures
from rcl.data.segments import Timeline

SAME_RATE = 0.02  # share by which a rate may differ and still be that of training


LONGER = 2.0  # a video so many times as long as any in training is not squeezed into as many snippets


def prepared(
    features: Tensor | ReadableFeatures,
    timeline: Timeline,
    preparation: Preparation,
    training_rate: float | None,
    longest_seconds: float | None,
    *,
    at_once: int,
) -> tuple[Features, Timeline]:
    """Prepare features at the rate of training: means over exact intervals if they come faster, else linear between.

    Where all training videos were resized to one number of snippets, a much longer one gets more of them: so many
    that a second has as many as in the longest training video.

    Args:
        features: ``(T, C)``.
        timeline: of them after the preparation, see :meth:`rcl.data.preparation.Preparation.timeline`.
        preparation: of training.
        training_rate: of the files in training, in snippets per second; ``None`` leaves features at their rate.
        longest_seconds: length of the longest training video; ``None`` leaves the number of snippets.
        at_once: stored features of more snippets are read later, slice by slice.

    Returns:
        ``(C, T')`` and their timeline.

    Raises:
        InputError: see :meth:`rcl.data.features.StoredFeatures.read`.
    """
    if preparation.resize:
        return _resized(features, timeline, preparation, preparation.resize, longest_seconds, at_once)
    rate = timeline.snippets_per_second * preparation.downsample  # of the file
    if training_rate is None or abs(rate / training_rate - 1) <= SAME_RATE:
        return _open(features, preparation, at_once), timeline
    wanted = training_rate / preparation.downsample  # snippets per second of the network
    own = replace(preparation, downsample=max(int(rate / wanted + SAME_RATE), 1))
    opened = _open(features, own, at_once)
    snippets = max(round(opened.shape[1] * own.downsample * wanted / rate), 1)
    resampled = ResampledFeatures(opened, snippets)  # is indexed like any features
    exact = rate / own.downsample * snippets / opened.shape[1]
    timeline = timeline._replace(snippets_per_second=exact)
    return resampled[:, :] if isinstance(opened, Tensor) else cast(Features, resampled), timeline


def _resized(
    features: Tensor | ReadableFeatures,
    timeline: Timeline,
    preparation: Preparation,
    snippets: int,
    longest_seconds: float | None,
    at_once: int,
) -> tuple[Features, Timeline]:
    seconds = snippets / timeline.snippets_per_second
    if longest_seconds is None or seconds <= LONGER * longest_seconds:
        return _open(features, preparation, at_once), timeline
    more = math.ceil(snippets * seconds / longest_seconds)
    timeline = timeline._replace(snippets_per_second=more / seconds)
    return _open(features, replace(preparation, resize=more), at_once), timeline


def _open(features: Tensor | ReadableFeatures, preparation: Preparation, at_once: int) -> Features:
    if isinstance(features, Tensor):
        return preparation.apply(features)
    return preparation.open(features, at_once=at_once)
