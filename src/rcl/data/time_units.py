"""Whether times that are taken for seconds can be seconds: a comparison with the lengths of the videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from rcl.data.annotations import Annotations
from rcl.system.errors import counted

Unit: TypeAlias = Literal["frames", "milliseconds", "minutes"]
"""What times may be instead of seconds."""

MANY = 0.25  # share of the instances outside their videos that is more than a careless mark at the end
MOST = 0.5  # share of the instances below a frame
LEAST_COVERED = 1e-3  # of the time of the videos
EARLY, EARLY_INSTANCES = 1 / 50, 5  # minutes lie in the first sixtieth of a video; a few seconds may, too

_EXTREME = partial(np.errstate, over="ignore", invalid="ignore")  # 1e308 seconds are wrong, and infinite as minutes


class Extent(NamedTuple):
    """How long a video is, and its frames per second; 0 if unknown."""

    seconds: float
    frames_per_second: float = 0.0


@dataclass(frozen=True, eq=False)
class TimeCheck:
    """The instances of some videos, compared with the videos.

    >>> from rcl.data.annotations import VideoAnnotation
    >>> video = VideoAnnotation("v", "training", None, None, np.array([[30.0, 60.0], [75.0, 90.0]]), ("a", "b"))
    >>> check = TimeCheck.of(Annotations({"v": video}), {"v": Extent(6.0, 15.0)})
    >>> check.doubts, check.better_units
    (('2 of 2 instances outside their videos',), ('frames',))

    Args:
        segments: start and end as written ``(N, 2)``, those of videos whose length is known.
        video_seconds: ``(N,)`` length of the video of each instance.
        frames_per_second: ``(N,)`` of that video, 0 if unknown.
        all_seconds: of these videos together.
        example: the first instance outside its video, in words; empty if there is none.
    """

    segments: np.ndarray
    video_seconds: np.ndarray
    frames_per_second: np.ndarray
    all_seconds: float
    example: str = ""

    @classmethod
    def of(cls, annotations: Annotations, extents: Mapping[str, Extent]) -> TimeCheck:
        """Compare annotations with the videos whose length is known."""
        known = [video for name, video in annotations.videos.items() if name in extents and extents[name].seconds > 0]
        known = [video for video in known if len(video.segments_seconds)]
        counts = [len(video.segments_seconds) for video in known]
        rows = np.array([extents[video.name] for video in known]).reshape(-1, 2)  # (V, 2)
        per_instance = np.repeat(rows, counts, axis=0)  # (N, 2)
        segments = np.concatenate([np.empty((0, 2)), *(video.segments_seconds for video in known)])
        check = cls(segments, per_instance[:, 0], per_instance[:, 1], float(rows[:, 0].sum()))
        names = np.repeat([video.name for video in known], counts)
        first = np.flatnonzero(check._outside)[:1]
        if len(first):
            (start, end), name = segments[first[0]], names[first[0]]
            example = f"the first from {start:g} to {end:g} in {str(name)!r}, which lasts {extents[name].seconds:.4g} s"
            return replace(check, example=example)
        return check

    @property
    @_EXTREME()
    def _outside(self) -> np.ndarray:
        """``(N,)``: more than half of the instance lies after the end of its video."""
        return self.segments.mean(axis=1) > self.video_seconds

    @cached_property
    @_EXTREME()
    def doubts(self) -> tuple[str, ...]:
        """What speaks against seconds; empty if nothing does."""
        number = len(self.segments)
        if not number:
            return ()
        lengths = np.diff(self.segments, axis=1).ravel()
        has_length = lengths > 0  # events without a length are another matter
        all_of = counted(number, "instance")
        of = f"of {all_of}"
        outside = int(self._outside.sum())
        below_frame = int((has_length & (lengths * self.frames_per_second < 1) & (self.frames_per_second > 0)).sum())
        covered = float(lengths.sum()) / self.all_seconds
        latest = float((self.segments[:, 1] / self.video_seconds).max())
        found = {
            f"{outside} {of} outside their videos": outside > MANY * number,
            f"{below_frame} {of} shorter than a frame": below_frame > MOST * has_length.sum(),
            f"{all_of} that together cover {covered:.2g} of the time of the videos": has_length.any()
            and covered < LEAST_COVERED,
            f"{all_of} in the first fiftieth of their videos": number >= EARLY_INSTANCES and latest < EARLY,
        }
        return tuple(text for text, holds in found.items() if holds)

    @cached_property
    def better_units(self) -> tuple[Unit, ...]:
        """The units in which nothing speaks against the times, the one that fills the videos best first."""
        fitting = {unit: other for unit, other in self._in_other_units().items() if not other.doubts}
        fitting = {unit: other for unit, other in fitting.items() if not other._outside.any()}
        return tuple(sorted(fitting, key=lambda unit: -float(fitting[unit].segments.max())))

    @_EXTREME()
    def _in_other_units(self) -> dict[Unit, TimeCheck]:
        seconds: dict[Unit, np.ndarray] = {"milliseconds": self.segments / 1000, "minutes": self.segments * 60}
        if (self.frames_per_second > 0).all():
            seconds["frames"] = self.segments / self.frames_per_second[:, None]
        return {
            unit: TimeCheck(segments, self.video_seconds, self.frames_per_second, self.all_seconds)
            for unit, segments in seconds.items()
        }

    @property
    def question(self) -> str:
        """What to ask the user."""
        units = self.better_units[:1] or ("frames, minutes or milliseconds",)
        return f"are these {units[0]}?"

    @property
    def all_outside(self) -> bool:
        """Whether no instance lies inside its video."""
        return bool(self._outside.all())

    @property
    def found(self) -> str:
        """The doubts as an error message names what was found."""
        return "; ".join(self.doubts) + (f" ({self.example})" if self.example else "")

    @property
    def frame_rate(self) -> str:
        """The frames per second of the videos: ``25``, or ``24 to 30``."""
        lowest, highest = self.frames_per_second.min(initial=np.inf), self.frames_per_second.max(initial=0)
        return f"{lowest:g}" if highest - lowest < 1e-3 else f"{lowest:g} to {highest:g}"
