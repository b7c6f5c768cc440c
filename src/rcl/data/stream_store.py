"""The streams of many videos: which a pack has, what is missing, and how each video is aligned."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.feature_store import FeatureStore
from rcl.data.names import plain_name, without_extension
from rcl.data.streams import STREAMS, AlignedFeatures, Stream, StreamTiming, TimedFeatures
from rcl.system.errors import Defect, InputError, counted, listed, located
from rcl.system.paths import is_dir

log = logging.getLogger("rcl")

SAME_RATE = 0.02  # share by which the rates of a stream may differ from video to video and still have one in common
WELL_COVERED = 0.1  # share of a video by which a stream may end before or after it without a word


class StreamStore:
    """The streams of many videos, aligned; in all else as :class:`rcl.data.feature_store.FeatureStore`.

    Args:
        root: the folder with a folder of features per stream.
        timing: the streams that there are, with their rates and starts.
        annotations: of the videos, whose lengths give the rates that ``timing`` does not state.
        streams: those to open: names, or what a detector knows; ``None`` for all.
        layout: as in ``read_features``.

    Raises:
        InputError: a stream has no folder, or there is none of ``streams``.
    """

    def __init__(
        self,
        root: Path,
        timing: Mapping[str, StreamTiming],
        annotations: Annotations,
        *,
        streams: Sequence[str] | Sequence[Stream] | None = None,
        layout: str = "TC",
    ) -> None:
        self.root, self.layout, self.channels = root, layout, None
        self.known = tuple(stream for stream in streams or () if isinstance(stream, Stream))
        self.wanted = [str(getattr(stream, "name", stream)) for stream in streams or timing]
        self.ignored = [name for name in timing if name not in self.wanted]
        self.lacking = [name for name in self.wanted if name not in timing]
        _check_wanted(root, self.wanted, timing, all_required=not self.known)
        self.timing = {name: timing[name] for name in self.wanted if name in timing}
        widths = {stream.name: stream.channels for stream in self.known}
        self.stores = {name: self._open_store(name, widths.get(name)) for name in self.timing}
        self.videos: Mapping[str, VideoAnnotation] = annotations.videos
        self._extents = dict[str, tuple[tuple[int, int], float]]()  # shape and rate of aligned videos

    def _open_store(self, name: str, channels: int | None) -> FeatureStore:
        if not is_dir(self.root / name):
            fix = f"add it, or remove the stream from {STREAMS}"
            raise InputError(self.root / name, expected=f"a folder of the stream {name!r}", found="none", fix=fix)
        return FeatureStore(self.root / name, layout=self.layout, channels=channels)

    def timed(self, annotations: Annotations) -> StreamStore:
        """The same store for other annotations of its videos; its streams, once described, stay what they are."""
        other = copy(self)
        other.videos, other._extents = annotations.videos, {}
        return other

    def __contains__(self, video: object) -> bool:
        return any(video in store for store in self.stores.values())

    def __len__(self) -> int:
        return len(self.names())

    def names(self) -> list[str]:
        """The videos that are in some stream, sorted."""
        return sorted({name for store in self.stores.values() for name in store.names()})

    def files(self, video: str) -> tuple[Path, ...]:
        """The files that hold the features of a video."""
        return tuple(store.file(video) for store in self.stores.values() if video in store)

    def file(self, video: str) -> Path:
        """The first of these files.

        Raises:
            InputError: there are no features of the video.
        """
        self._require([video])
        return self.files(video)[0]

    def open(self, video: str) -> AlignedFeatures:
        """The streams of a video, aligned, without reading them.

        Raises:
            InputError: it is in no stream, a shape is wrong, a rate is unknown, or nothing overlaps the video.
        """
        self._require([video])
        where = f"{self.root}, video {video!r}"
        parts = {name: self._part(name, video) for name, store in self.stores.items() if video in store}
        inside = {name: part for name, part in parts.items() if self._overlaps(video, part)}
        if not inside:
            raise self._outside(video, *next(iter(parts.items())))
        with located(where):
            return AlignedFeatures(inside, self.streams, where=where)

    def read(self, video: str) -> np.ndarray:
        """The features ``(T, C)`` of a video, NaN where a stream is missing.

        Raises:
            InputError: as in :meth:`open`, or a file is damaged.
        """
        return self.open(video).read()

    def shape(self, video: str) -> tuple[int, int]:
        """``(T, C)`` of a video.

        Raises:
            InputError: as in :meth:`open`.
        """
        return self._extent(video)[0]

    def rate(self, video: str) -> float | None:
        """Snippets per second of the common timeline of a video.

        Raises:
            InputError: as in :meth:`open`.
        """
        return self._extent(video)[1]

    def _extent(self, video: str) -> tuple[tuple[int, int], float]:
        if video not in self._extents:
            aligned = self.open(video)
            self._extents[video] = aligned.shape, aligned.snippets_per_second
        return self._extents[video]

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """The streams with their widths and usual rates: those that a detector knows, or as the files have them.

        Raises:
            InputError: a stream has no video, or its width or rate is unknown.
        """
        return self.known or tuple(self._describe(name) for name in self.wanted)

    def check(self, videos: Iterable[str]) -> int:
        """The width C of all streams together. Warns of videos that lack streams, and of streams of other lengths.

        Raises:
            InputError: videos are in no stream (all are named in one message), widths of a stream differ, a stream has
                none of the videos, or overlaps none of them.
        """
        videos = list(videos)
        self._require(videos)
        for name, store in self.stores.items():
            own = [video for video in videos if video in store]
            if not own:
                fix = f"leave it out (data.streams={','.join(other for other in self.stores if other != name)})"
                expected = f"a video with features in the stream {name!r}"
                raise InputError(store.root, expected=expected, found=f"none of {len(videos)}", fix=fix)
            store.check(own)
            self._check_overlap(name, own)
        for sentence in self.doubts(videos):
            log.warning("%s", sentence)
        return sum(stream.channels for stream in self.streams)

    def doubts(self, videos: Sequence[str]) -> list[str]:
        """Sentences, without their stops, on streams that a detector knows and the pack lacks, and the other way round,
        on videos that lack streams, and on streams that end before or after their video."""
        found = list[str]()
        if self.known and self.lacking:
            found.append(f"{self.root}: detects without {named_streams(self.lacking)}, which the pack lacks")
        if self.known and self.ignored:
            found.append(f"{self.root}: ignores {named_streams(self.ignored)}, which the detector does not know")
        for name, store in self.stores.items():
            missing = [video for video in videos if video not in store and video in self]
            if missing:
                found.append(f"{store.root}: {counted(len(missing), 'video')} without this stream: {listed(missing)}")
            odd = [video for video in videos if video in store and self._is_odd(name, video)]
            if odd:
                found.append(
                    f"{store.root}: the stream begins or ends far from its video in {counted(len(odd), 'video')} "
                    f"({listed(odd)}); if that is wrong, correct its rate and start in {STREAMS}"
                )
        return found

    def _part(self, name: str, video: str) -> TimedFeatures:
        stored = self.stores[name].open(video)
        return TimedFeatures(stored, *self._times(name, video, len(stored)))

    def _times(self, name: str, video: str, snippets: int) -> tuple[float, float]:
        """Rate and start of a stream in a video.

        Raises:
            InputError: the rate is unknown.
        """
        rate, start = self.timing[name].of(video, plain_name(video), without_extension(plain_name(video)))
        known = self.videos.get(video)
        with located(f"{self.stores[name].root}, video {video!r}"):
            return rate or _rate_of(snippets, start, known), start

    def _overlaps(self, video: str, part: TimedFeatures) -> bool:
        known = self.videos.get(video)
        before_end = known is None or not known.duration_seconds or part.start_seconds < known.duration_seconds
        return before_end and part.end_seconds > 0

    def _is_odd(self, name: str, video: str) -> bool:
        known, part = self.videos.get(video), self._part(name, video)
        if known is None or not known.duration_seconds:
            return False
        allowed = max(WELL_COVERED * known.duration_seconds, 2 / part.snippets_per_second)
        ends = part.start_seconds, part.end_seconds - known.duration_seconds
        return any(abs(end) > allowed for end in ends)

    def _check_overlap(self, name: str, videos: Sequence[str]) -> None:
        parts = {video: self._part(name, video) for video in videos}
        outside = [video for video, part in parts.items() if not self._overlaps(video, part)]
        if len(outside) == len(videos):
            raise self._outside(outside[0], name, parts[outside[0]])
        if outside:
            sentence = "%s: %s of %s, which the stream does not overlap in time, do without it: %s"
            log.warning(sentence, self.stores[name].root, len(outside), counted(len(videos), "video"), listed(outside))

    def _outside(self, video: str, name: str, part: TimedFeatures) -> InputError:
        return InputError(
            f"{self.stores[name].root}, video {video!r}",
            expected="a stream that overlaps its video in time",
            found=f"one from {part.start_seconds:g} to {part.end_seconds:g} s",
            fix=f"correct its start_seconds and snippets_per_second in {STREAMS}",
        )

    def _describe(self, name: str) -> Stream:
        store = self.stores[name]
        own = [video for video in self.videos if video in store] or store.names()
        if not own:
            fix = f"add them, or remove the stream from {STREAMS}"
            raise InputError(store.root, expected="features of videos", found="none", fix=fix)
        rate = self.timing[name].snippets_per_second
        if rate is None:
            rates = np.array([self._times(name, video, store.shape(video)[0])[0] for video in own])
            usual = float(np.median(rates))
            rate = usual if np.abs(rates / usual - 1).max() <= SAME_RATE else None
        return Stream(name, store.shape(own[0])[1], rate)

    def _require(self, videos: Sequence[str]) -> None:
        missing = [video for video in videos if video not in self]
        if missing:
            raise InputError(
                self.root,
                expected=f"features of {counted(len(videos), 'video')} in {named_streams(list(self.stores))}",
                found=f"none in any stream of {listed([repr(video) for video in missing])}",
                fix=f"extract them or remove them from the annotations (here: {listed(self.names(), 3) or 'no file'})",
            )


def named_streams(names: Sequence[str]) -> str:
    """Streams in a message: ``the stream imu``, ``the streams imu, motion``."""
    return f"the {'stream' if len(names) == 1 else 'streams'} {listed(names)}"


def _check_wanted(root: Path, wanted: Sequence[str], timing: Mapping[str, StreamTiming], *, all_required: bool) -> None:
    missing = [name for name in wanted if name not in timing]
    if missing and (all_required or len(missing) == len(wanted)):
        expected, found = named_streams(missing), f"the streams {listed([*timing])}"
        raise InputError(root, expected=expected, found=found, fix="correct the name, or add the features")
    if len(set(wanted)) < len(wanted):
        raise InputError(root, expected="every stream once", found=listed(wanted), fix="leave out the repetitions")


def _rate_of(snippets: int, start_seconds: float, video: VideoAnnotation | None) -> float:
    """The rate of a stream that reaches from its start to the end of its video: that of the annotations, if the number
    of its snippets agrees with it, since lengths are rounded.

    Raises:
        Defect: neither length nor rate is known, or the video ends before the stream starts.
    """
    length = video.duration_seconds if video else None
    usual = video.snippets_per_second if video else None
    if length:
        length -= start_seconds
        agrees = usual is not None and abs(snippets - usual * length) <= 1.0
        rate = usual if agrees else snippets / length if length > 0 else None
    else:
        rate = usual
    if not rate:
        expected, found = "the rate of the stream, or the duration of the video", "neither"
        fix = f"add 'duration' to the annotations, or snippets_per_second of the stream to {STREAMS}"
        raise Defect(expected=expected, found=found, fix=fix)
    return rate
