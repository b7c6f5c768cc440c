"""Extraction of several streams from the recordings of one video, aligned as a detector of streams takes them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import cast

import numpy as np
import torch

from rcl.data.stream_store import named_streams
from rcl.data.streams import AlignedFeatures, Stream, TimedFeatures
from rcl.system.errors import InputError, listed, located
from rcl.system.paths import PathLike, to_path
from rcl.video.backbones.names import backbone_of_each
from rcl.video.extraction import VideoExtractor
from rcl.video.extractor import Extractor, VideoFeatures, build_extractor
from rcl.video.finding import find_videos, is_video, no_videos, search
from rcl.video.settings import ExtractionSettings, StreamSettings, difference
from rcl.video.signals.finding import each_individual
from rcl.video.signals.settings import SignalSettings

log = logging.getLogger("rcl")


class ComposedExtractor:
    """Extracts the streams of a detector from the recordings of a video: one file, or several, such as a video and the
    samples of a sensor. Where a stream cannot be made from them, its channels are NaN.

    Args:
        settings: of the streams.
        streams: those of the result, in this order.
        backbone: names of backbones at their new places, joined by ``+``, if their files have moved.
        flow: checkpoint of the flow stream of an I3D, likewise.
        video_fps: frames per second of videos without a container; by default as in training.
        device: where networks run.

    Raises:
        InputError: a name of a backbone is that of none of the streams.
    """

    def __init__(
        self,
        settings: StreamSettings,
        *,
        streams: Sequence[Stream],
        backbone: str | None = None,
        flow: str | None = None,
        video_fps: float | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.settings, self.streams = settings, tuple(streams)
        kept = {stream.name: settings.streams[stream.name] for stream in streams if stream.name in settings.streams}
        backbones = {name: own.backbone for name, own in kept.items() if isinstance(own, ExtractionSettings)}
        moved = backbone_of_each(backbones, backbone)
        self.extractors: dict[str, Extractor] = {
            name: build_extractor(
                own,
                backbone=moved.get(name),
                flow=flow if backbones.get(name, "").startswith("i3d:") else None,
                video_fps=video_fps,
                device=device,
            )
            for name, own in kept.items()
        }
        self._said = set[tuple[str, ...]]()

    def takes(self, path: Path) -> bool:
        """Whether a stream can be made from a file."""
        return any(extractor.takes(path) for extractor in self.extractors.values())

    def open(self) -> None:
        """Build the backbones.

        Raises:
            InputError: see ``Extractor.open``.
        """
        for extractor in self.extractors.values():
            extractor.open()

    def __call__(
        self,
        path: PathLike | Sequence[PathLike],
        *,
        threads: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> VideoFeatures:
        """Features of the recordings of one video, aligned when they are read.

        A recording that cannot be read is among the ``problems`` if another one can.

        Raises:
            InputError: no stream can be made from the files.
        """
        files = _paths(path)
        source = self._source_of_each(files)
        found, errors = dict[str, VideoFeatures](), list[InputError]()
        for number, (name, file) in enumerate(source.items()):
            try:
                found[name] = self.extractors[name](
                    file, threads=threads, progress=_part(progress, number, len(source))
                )
            except InputError as error:
                errors.append(error)
        if not found:
            raise errors[0]
        problems = [
            f"{file.name}: {problem}" if len(files) > 1 else problem
            for name, file in source.items()
            if name in found
            for problem in found[name].problems
        ]
        return self._aligned(files[0], found, tuple(dict.fromkeys([*problems, *map(str, errors)])))

    def _source_of_each(self, files: Sequence[Path]) -> dict[str, Path]:
        """The stream names with the file that each is made from. A stream that has none is said, once.

        Raises:
            InputError: no stream has a file.
        """
        source = {
            name: next((file for file in own if name in file.parts), own[0])
            for name, extractor in self.extractors.items()
            if (own := [file for file in files if extractor.takes(file)])
        }
        if not source:
            raise InputError(
                listed([str(file) for file in files]),
                expected=f"a file for one of the streams {listed(self._kinds())}",
                found="none",
                fix="give one, or a pack that rcl extract made",
            )
        self._check_each_once(source, files)
        self._say_missing(source, where=listed([str(file) for file in files]))
        return source

    def from_video(self, where: object) -> dict[str, VideoExtractor]:
        """The extractors of the streams that are made from video. That the others are missing is said once.

        Args:
            where: the video, for messages.

        Raises:
            InputError: there is none, or two of them stand for two recordings of the training.
        """
        found = {name: own for name, own in self.extractors.items() if isinstance(own, VideoExtractor)}
        if not found:
            fix = "use a detector of which a stream is made from video"
            raise InputError(where, expected=f"what {listed(self._kinds())} are made from", found="a video", fix=fix)
        self._check_not_alike(dict.fromkeys(found, where))
        self._say_missing(found, where=where)
        return found

    def _kinds(self) -> list[str]:
        return [f"{name} (a {extractor.settings.kind})" for name, extractor in self.extractors.items()]

    def _say_missing(self, there: Collection[str], *, where: object) -> None:
        missing = tuple(stream.name for stream in self.streams if stream.name not in there)
        if missing and missing not in self._said:
            self._said.add(missing)
            log.warning("%s: without %s, since no file for it is given (said once)", where, named_streams(missing))

    def _check_each_once(self, source: Mapping[str, Path], files: Sequence[Path]) -> None:
        """Check that no file is left over, and that none stands for two recordings of the training.

        Raises:
            InputError: one is.
        """
        if left := [str(file) for file in files if file not in source.values()]:
            fix = "give the folder above both, so that their names differ, or only one of them"
            found = f"{listed(left)} beside {listed(sorted({str(file) for file in source.values()}))}"
            raise InputError(files[0], expected=f"a file for {named_streams([*source])}", found=found, fix=fix)
        self._check_not_alike(source)

    def _check_not_alike(self, source: Mapping[str, object]) -> None:
        settings = self.settings.streams
        for one, other in combinations(source, 2):
            if source[one] == source[other] and not difference(settings[one], settings[other]):
                expected = f"a file for each of the streams {one} and {other}, whose features were extracted alike"
                fix = f"give both, in folders {one} and {other}; or make a pack with rcl extract --stream"
                raise InputError(source[one], expected=expected, found="one for both", fix=fix)

    def _aligned(self, where: Path, found: dict[str, VideoFeatures], problems: tuple[str, ...]) -> VideoFeatures:
        parts = {
            name: TimedFeatures(cast(np.ndarray, own.features), own.snippets_per_second) for name, own in found.items()
        }
        with located(where):
            aligned = AlignedFeatures(parts, self.streams, where=str(where))
        rate, duration = aligned.snippets_per_second, max(own.duration_seconds for own in found.values())
        starts = np.arange(len(aligned)) / rate
        times = np.stack((starts, starts + 1 / rate), axis=1).clip(0, duration)  # (T, 2)
        return VideoFeatures(aligned, times, duration, rate, problems)


def extract_recordings(
    extractor: Extractor, files: Sequence[PathLike], *, progress: Callable[[float], None] | None = None
) -> VideoFeatures:
    """Features of the recordings of one video, of which an extractor of a single stream takes one.

    Raises:
        InputError: see ``Extractor``; or there are more recordings than streams.
    """
    if isinstance(extractor, ComposedExtractor):
        return extractor(files, progress=progress)
    if len(files) > 1:
        fix = "give one, or use a detector of several streams"
        raise InputError(files[0], expected="one recording of a video", found=f"{len(files)}", fix=fix)
    return extractor(files[0], progress=progress)


def find_recordings(paths: Sequence[PathLike], extractor: Extractor | None) -> dict[str, tuple[Path, ...]]:
    """The recordings among files and in folders: name to files, several where several streams have their own.

    Args:
        paths: files and folders. Recordings of streams belong together if they have the same name in one or several of
            the paths.
        extractor: what the recordings are for; ``None``: for videos.

    Raises:
        InputError: see ``find_videos``.
    """
    if not isinstance(extractor, ComposedExtractor):
        videos, _ = find_videos(paths, takes=extractor.takes if extractor else is_video)
        if extractor and isinstance(extractor.settings, SignalSettings):
            videos = each_individual(videos, extractor.settings)
        return {name: (file,) for name, file in videos.items()}
    joined, others = defaultdict[str, dict[Path, None]](dict), list[Path]()
    for path in paths:
        for own in extractor.extractors.values():
            videos, others = search([path], own.takes)
            for name, file in videos.items():
                joined[name][file] = None
    if not joined:
        raise no_videos(paths, others)
    return {name: tuple(files) for name, files in sorted(joined.items())}


def _paths(given: PathLike | Sequence[PathLike]) -> list[Path]:
    return [to_path(path) for path in given] if isinstance(given, list | tuple) else [to_path(cast(PathLike, given))]


def _part(progress: Callable[[float], None] | None, number: int, count: int) -> Callable[[float], None] | None:
    """Progress of one of several equal parts of the work."""
    return (lambda share: progress((number + share) / count)) if progress else None
