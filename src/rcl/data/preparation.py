"""How stored features become the input of a network: their rate, their length and their scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rcl.data.features import Features, FeatureSequence, ReadableFeatures, other_layout, propose_transposing
from rcl.data.standardization import ChannelScale
from rcl.data.timeline import Timeline
from rcl.system.errors import Defect

if TYPE_CHECKING:
    from torch import Tensor

LENGTH_TOLERANCE = 0.1  # share by which a feature file may be longer or shorter than its video


@dataclass(frozen=True)
class Preparation:
    """What is done to the features of every video, in training and in detection.

    >>> import torch
    >>> preparation = Preparation(resize=4, scale=2.0)
    >>> preparation.apply(torch.ones(8, 3)).shape  # (T, C) → (C, T)
    torch.Size([3, 4])
    >>> preparation.annotated_timeline(8, rate=2.0)
    Timeline(snippets_per_second=1.0, start_seconds=0.0, end_seconds=4.0)

    Args:
        layout: of feature files: ``TC``, or ``CT`` for the transpose.
        snippets_per_second: rate of the features, in place of the one in annotation files.
        resize: number of snippets that every video is resized to; ``None`` keeps its length.
        resize_method: a name in ``rcl.data.resizing.METHODS``.
        downsample: so many snippets in a row become one, their mean; not together with ``resize``.
        scale: features are divided by this.
        channels: mean and deviation of every channel, to standardize by in place of ``scale``.
    """

    layout: str = "TC"
    snippets_per_second: float | None = None
    resize: int | None = None
    resize_method: str = "linear"
    downsample: int = 1
    scale: float = 1.0
    channels: ChannelScale | None = None

    def snippets(self, stored: int) -> int:
        """Length of a video after resizing or downsampling, from the number of its stored snippets."""
        return self.resize or -(-stored // self.downsample)

    def scaled(self, features: Tensor) -> Tensor:
        """Stored features ``(T, C)``, divided or standardized: ``(T, C)``."""
        return self.channels.apply(features) if self.channels else features / self.scale

    def apply(self, features: Tensor) -> Tensor:
        """Stored features ``(T, C)``, scaled and resized or downsampled: ``(C, T)``."""
        from rcl.data.resizing import METHODS, downsample  # here, since the times of a video are known without torch

        scaled = self.scaled(features).T
        if self.resize:
            return METHODS[self.resize_method](scaled, self.resize)
        return downsample(scaled, self.downsample)

    def read(self, stored: ReadableFeatures, first: int = 0, last: int | None = None) -> Tensor:
        """Features ``(C, T)`` of the snippets from ``first`` to before ``last``, contiguous.

        Without resizing, only these snippets are read.

        Raises:
            InputError: see :meth:`rcl.data.features.StoredFeatures.read`.
        """
        import torch  # see :meth:`apply`

        if self.resize:
            return self.apply(torch.from_numpy(stored.read()))[:, first:last].contiguous()
        last = None if last is None else last * self.downsample
        return self.apply(torch.from_numpy(stored.read(first * self.downsample, last))).contiguous()

    def open(self, stored: ReadableFeatures, *, at_once: int) -> Features:
        """Features ``(C, T)``, read now if a video has at most ``at_once`` snippets or is resized, else slice by slice.

        Raises:
            InputError: see :meth:`rcl.data.features.StoredFeatures.read`.
        """
        if len(stored) > at_once and not self.resize:
            return FeatureSequence(stored, prepare=self.scaled, downsample=self.downsample)
        return self.read(stored)

    def timeline(self, snippets: int, rate: float, *, end_seconds: float = math.inf) -> Timeline:
        """Timeline of a video with ``snippets`` stored snippets at a known ``rate``."""
        share = self.resize / snippets if self.resize else 1 / self.downsample
        return Timeline(rate * share, end_seconds=self._end_seconds(snippets, rate, end_seconds))

    def annotated_timeline(
        self,
        snippets: int,
        *,
        rate: float | None = None,
        duration_seconds: float | None = None,
        channels: int | None = None,
    ) -> Timeline:
        """Timeline of a video with ``snippets`` stored snippets, from the rate or the duration in its annotations.

        Args:
            snippets: T of the stored features.
            rate: of the features, in snippets per second.
            duration_seconds: of the video.
            channels: C of the stored features, to recognize transposed ones.

        Raises:
            Defect: both are unknown, or they contradict the number of snippets.
        """
        rate = self.snippets_per_second or rate
        if self.resize:
            duration_seconds = duration_seconds or (snippets / rate if rate else None)
            rate = self.resize / duration_seconds if duration_seconds else None
        elif not rate and duration_seconds:
            rate = snippets / duration_seconds
        if not rate:
            raise Defect(
                expected="its snippets per second or its duration",
                found="neither in the annotation file",
                fix="add 'fps' or 'duration' to the annotations, or set data.snippets_per_second",
            )
        if not math.isfinite(rate):
            found = f"{duration_seconds:g} s for {snippets} snippets"
            raise Defect(
                expected="the duration of its features", found=found, fix="correct the duration in the annotations"
            )
        if duration_seconds and not self.resize:
            _check_length(snippets, rate, duration_seconds, channels=channels, layout=self.layout)
        end_seconds = self._end_seconds(snippets, rate, duration_seconds or math.inf)
        return Timeline(rate / (1 if self.resize else self.downsample), end_seconds=end_seconds)

    def _end_seconds(self, snippets: int, rate: float, known: float) -> float:
        """The end of a video: where the last of its snippets is the mean of fewer, a whole one would end later."""
        return snippets / rate if math.isinf(known) and self.downsample > 1 else known


def _check_length(snippets: int, rate: float, duration: float, *, channels: int | None, layout: str) -> None:
    # If 'fps' is the rate of the video's frames, every action would silently get a wrong time.
    def fits(number: int) -> bool:
        return abs(number - rate * duration) <= max(LENGTH_TOLERANCE * rate * duration, 2 * max(rate, 1.0))

    if fits(snippets):
        return
    found = f"{snippets} in its feature file"
    fix = (
        "give the rate of the features: correct 'fps' in the annotations, or set data.snippets_per_second "
        "(in detect: --snippets-per-second)"
    )
    if channels is not None and fits(channels):
        found += f", and {channels} channels, as if it were transposed"
        fix = f"{propose_transposing(layout)} (in detect: --layout {other_layout(layout)})"
    expected = f"about {rate * duration:.0f} snippets ({duration:g} s at {rate:g} snippets per second)"
    raise Defect(expected=expected, found=found, fix=fix)
