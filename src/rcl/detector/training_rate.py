"""Features become what the network knows from training: their rate, and the number of snippets of long videos."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from rcl.data.preparation import Preparation
from rcl.data.timeline import Timeline

SAME_RATE = 0.02  # share by which a rate may differ and still be that of training


LONGER = 2.0  # a video so many times as long as any in training is not squeezed into as many snippets


class _Shaped(Protocol):
    @property
    def shape(self) -> Sequence[int]: ...


T = TypeVar("T", bound=_Shaped)


def at_training_rate(
    opened: Callable[[Preparation], T],
    resampled: Callable[[T, int], T],
    timeline: Timeline,
    preparation: Preparation,
    training_rate: float | None,
    longest_seconds: float | None,
) -> tuple[T, Timeline]:
    """Prepare features at the rate of training: means over exact intervals if they come faster, else linear between.

    Where all training videos were resized to one number of snippets, a much longer one gets more of them: so many
    that a second has as many as in the longest training video.

    Args:
        opened: the features ``(C, T)`` after a preparation.
        resampled: features ``(C, T)`` at another number of snippets.
        timeline: of the features after the preparation, see :meth:`rcl.data.preparation.Preparation.timeline`.
        preparation: of training.
        training_rate: of the files in training, in snippets per second; ``None`` leaves features at their rate.
        longest_seconds: length of the longest training video; ``None`` leaves the number of snippets.

    Returns:
        ``(C, T')`` and their timeline.
    """
    if preparation.resize:
        own, timeline = _resized(timeline, preparation, preparation.resize, longest_seconds)
        return opened(own), timeline
    rate = timeline.snippets_per_second * preparation.downsample  # of the file
    if training_rate is None or abs(rate / training_rate - 1) <= SAME_RATE:
        return opened(preparation), timeline
    wanted = training_rate / preparation.downsample  # snippets per second of the network
    own = replace(preparation, downsample=max(int(rate / wanted + SAME_RATE), 1))
    features = opened(own)
    snippets = max(round(features.shape[1] * own.downsample * wanted / rate), 1)
    exact = rate / own.downsample * snippets / features.shape[1]
    return resampled(features, snippets), timeline._replace(snippets_per_second=exact)


def _resized(
    timeline: Timeline, preparation: Preparation, snippets: int, longest_seconds: float | None
) -> tuple[Preparation, Timeline]:
    seconds = snippets / timeline.snippets_per_second
    if longest_seconds is None or seconds <= LONGER * longest_seconds:
        return preparation, timeline
    more = math.ceil(snippets * seconds / longest_seconds)
    return replace(preparation, resize=more), timeline._replace(snippets_per_second=more / seconds)
