"""Streams: features of one video from several sources, each with its own rate, width and start, on one timeline.

Where a stream is missing, or does not cover a snippet of the common timeline, its channels are NaN. NaN is made here
alone; files of features hold finite numbers.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, StringConstraints, ValidationError

from rcl.data.features import StoredFeatures, end_within
from rcl.system.errors import Defect, InputError, listed, shown
from rcl.system.paths import PathLike, is_file, to_path
from rcl.system.text_files import read_json, write_json

STREAMS = "streams.json"
FORMAT = 1
LONGEST_WAIT = 100.0  # a stream may begin so many times its own length after the video; later is a wrong unit
DIGITS = 6  # places in snippets are rounded to so many, so that streams of one rate are copied and not interpolated


@dataclass(frozen=True)
class Stream:
    """A stream that a detector knows.

    Args:
        name: of its folder in a pack.
        channels: its width.
        snippets_per_second: its usual rate; ``None`` if videos differ.
    """

    name: str
    channels: int
    snippets_per_second: float | None = None


class TimedFeatures(NamedTuple):
    """The features of one stream of one video, ``(T, c)``: snippet ``i`` covers ``start_seconds + [i, i + 1) / rate``
    of the video. They may be stored."""

    features: np.ndarray | StoredFeatures
    snippets_per_second: float
    start_seconds: float = 0.0

    @property
    def end_seconds(self) -> float:
        """Where the last snippet ends."""
        return self.start_seconds + len(self.features) / self.snippets_per_second


def align(parts: Mapping[str, TimedFeatures], streams: Sequence[Stream]) -> tuple[np.ndarray, float]:
    """The features of all streams of one video side by side, and their common rate.

    >>> motion = TimedFeatures(np.array([[1.0], [2.0], [3.0]]), 2.0)
    >>> sound = TimedFeatures(np.array([[7.0]]), 1.0, start_seconds=0.5)
    >>> align({"motion": motion, "sound": sound}, [Stream("motion", 1), Stream("sound", 1)])
    (array([[ 1., nan],
           [ 2.,  7.],
           [ 3.,  7.]], dtype=float32), 2.0)

    Args:
        parts: the streams that the video has, by name.
        streams: those of the result, in this order.

    Returns:
        ``(T, C)`` float32, C the sum of the widths, NaN where a stream is missing; and the snippets per second. See
        :class:`AlignedFeatures`.

    Raises:
        Defect: see :class:`AlignedFeatures`.
        InputError: stored features cannot be read.
    """
    aligned = AlignedFeatures(parts, streams)
    return aligned.read(), aligned.snippets_per_second


class AlignedFeatures:
    """The streams of one video on one timeline, read on demand as ``StoredFeatures`` are.

    The timeline has the highest rate of the streams, begins with the video at 0 s and ends with the last stream. A
    slower stream is interpolated linearly between the centres of its snippets; beyond the first and the last centre it
    stays constant, up to its ends. A snippet is covered by a stream that its centre lies in.

    Args:
        parts: the streams that the video has, by name; others than ``streams`` are left out.
        streams: those of the result, in this order. A missing one counts with its usual rate, so that the timeline of a
            video does not depend on what is missing.
        where: the place for messages.

    Attributes:
        shape: ``(T, C)``.
        snippets_per_second: the rate of the timeline.

    Raises:
        Defect: there is none of the streams, none overlaps the video, or one has a wrong width, rate or start.
    """

    def __init__(
        self, parts: Mapping[str, TimedFeatures], streams: Sequence[Stream], *, where: str = "features"
    ) -> None:
        self.where = where
        self.streams = tuple(streams)
        self.parts = {stream.name: parts[stream.name] for stream in streams if stream.name in parts}
        if not self.parts:
            names = [stream.name for stream in streams]
            found = listed(list(parts)) or "none"
            raise Defect(
                expected=f"at least one of the streams {listed(names)}", found=found, fix="give one under its name"
            )
        for stream in streams:
            if part := self.parts.get(stream.name):
                _check_part(stream, part)
        rates = [part.snippets_per_second for part in self.parts.values()]
        usual = [stream.snippets_per_second for stream in streams if stream.name not in self.parts]
        self.snippets_per_second = max([*rates, *(rate for rate in usual if rate)])
        self.shape = self._snippets(), sum(stream.channels for stream in streams)

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """The features of snippets ``first`` to before ``last``, by default of all.

        Args:
            first: at least 0.
            last: snippets beyond the end are left out.

        Returns:
            ``(last − first, C)`` float32, NaN where a stream is missing; a copy that the caller may change.

        Raises:
            InputError: a file is damaged or was changed, or holds a number that is not finite.
        """
        snippets, channels = self.shape
        last = end_within(snippets, first, last)
        result = np.full((last - first, channels), np.nan, dtype=np.float32)
        column = 0
        for stream in self.streams:
            if part := self.parts.get(stream.name):
                rows, values = _at(part, self.snippets_per_second, first, last)
                result[rows, column : column + stream.channels] = values
            column += stream.channels
        return result

    def only(self, names: Collection[str]) -> AlignedFeatures:
        """The same timeline with these streams alone; the others are NaN."""
        other = copy(self)
        other.parts = {name: part for name, part in self.parts.items() if name in names}
        return other

    def _snippets(self) -> int:
        """T: the snippets whose centres lie before the end of the last stream."""
        end = max(part.end_seconds for part in self.parts.values())
        longest = max(len(part.features) / part.snippets_per_second for part in self.parts.values())
        if end <= 0 or end > LONGEST_WAIT * longest:
            expected = "streams that overlap the video, with starts in seconds of the video"
            starts = [f"{name} at {part.start_seconds:g} s" for name, part in self.parts.items()]
            raise Defect(expected=expected, found=listed(starts), fix=f"correct start_seconds in {STREAMS}")
        return max(math.ceil(round(end * self.snippets_per_second - 0.5, DIGITS)), 1)


def _check_part(stream: Stream, part: TimedFeatures) -> None:
    if len(part.features.shape) != 2 or part.features.shape[1] != stream.channels or not len(part.features):
        raise Defect(
            expected=f"{stream.channels} channels in the stream {stream.name!r}",
            found=f"shape {tuple(part.features.shape)}",
            fix="use features like those of the other videos",
        )
    if not 0 < part.snippets_per_second < math.inf or not math.isfinite(part.start_seconds):
        found = f"{part.snippets_per_second:g} snippets per second from {part.start_seconds:g} s"
        expected = f"a positive rate and a start of the stream {stream.name!r}"
        raise Defect(expected=expected, found=found, fix=f"correct them in {STREAMS}")


def _at(part: TimedFeatures, rate: float, first: int, last: int) -> tuple[slice, np.ndarray]:
    """A stream at the snippets ``first`` to before ``last`` of a timeline of some ``rate``.

    Returns:
        Which of these it covers, counted from ``first``, and its features there ``(n, c)`` float32.
    """
    snippets = len(part.features)
    centres = (np.arange(first, last) + 0.5) / rate
    place = np.round((centres - part.start_seconds) * part.snippets_per_second - 0.5, DIGITS)  # 0: the first centre
    covered = slice(*np.searchsorted(place, [-0.5, snippets - 0.5 + 10.0**-DIGITS]).tolist())
    place = place[covered].clip(0, snippets - 1)
    if not len(place):
        return covered, np.empty((0, part.features.shape[1]), dtype=np.float32)
    lower = np.floor(place).astype(np.int64)
    begin, end = int(lower[0]), min(int(lower[-1]) + 2, snippets)
    source = _rows(part.features, begin, end)
    weight = (place - lower).astype(np.float32)[:, None]
    below, above = source[lower - begin], source[np.minimum(lower + 1, snippets - 1) - begin]
    return covered, np.where(weight > 0, below + weight * (above - below), below)


def _rows(features: np.ndarray | StoredFeatures, first: int, last: int) -> np.ndarray:
    if isinstance(features, StoredFeatures):
        return features.read(first, last)
    return np.asarray(features[first:last], dtype=np.float32)


# -- streams.json ------------------------------------------------------------------------------------------------

Start = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[PositiveFloat, Field(allow_inf_nan=False)]
StreamName = Annotated[str, StringConstraints(pattern=r"^[^./\\][^/\\]*$")]


class VideoTiming(BaseModel):
    """The times of a stream in one video: its rate and its start, ``None`` where they are those of the stream."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    snippets_per_second: Rate | None = None
    start_seconds: Start | None = None


class StreamTiming(BaseModel):
    """The times of a stream: its rate, ``None`` if it follows from the annotations, its start, and both for single
    videos, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    snippets_per_second: Rate | None = None
    start_seconds: Start = 0.0
    videos: dict[str, VideoTiming] = {}

    def of(self, *names: str) -> tuple[float | None, float]:
        """Rate and start in a video, which may have several ``names``."""
        own = next((self.videos[name] for name in names if name in self.videos), VideoTiming())
        start = self.start_seconds if own.start_seconds is None else own.start_seconds
        return own.snippets_per_second or self.snippets_per_second, start


class _StreamsFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: int
    streams: dict[StreamName, StreamTiming] = Field(min_length=1)


def read_streams(pack: PathLike) -> dict[str, StreamTiming] | None:
    """The streams of ``streams.json`` in a pack, by name; ``None`` if the pack has no such file.

    Raises:
        InputError: the file is damaged, or a rate or start is not possible.
    """
    path = to_path(pack) / STREAMS
    if not is_file(path):
        return None
    content = read_json(path)
    if (version := content.get("format")) != FORMAT:
        fix = 'begin it with {"format": 1, or upgrade rcl-tad'
        raise InputError(path, expected=f"format {FORMAT}", found=f"format {shown(version)}", fix=fix)
    try:
        return _StreamsFile.model_validate(content).streams
    except ValidationError as error:
        first = error.errors()[0]
        found = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        expected = "streams, each with snippets_per_second above 0, start_seconds and videos"
        raise InputError(path, expected=expected, found=found, fix="correct it") from None


def write_streams(pack: PathLike, streams: Mapping[str, StreamTiming]) -> None:
    """Write ``streams.json`` into a pack, in place of what was there.

    Raises:
        InputError: the folder cannot be written.
    """
    content = {name: timing.model_dump(exclude_defaults=True) for name, timing in streams.items()}
    write_json(to_path(pack) / STREAMS, {"format": FORMAT, "streams": content}, indent=1)
