"""Extraction of features from a recording of signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from rcl.data.signals.signal import Block, Recording
from rcl.system.errors import InputError, counted, listed, located
from rcl.system.paths import PathLike, to_path
from rcl.video.extractor import VideoFeatures
from rcl.video.feature_buffer import FeatureBuffer
from rcl.video.inside import file_of
from rcl.video.signals.body import Body
from rcl.video.signals.finding import is_signal
from rcl.video.signals.grid import on_grid
from rcl.video.signals.opening import open_timed
from rcl.video.signals.pose import PoseDescriptor, describe_poses
from rcl.video.signals.sensors import SensorDescriptor, describe_sensors
from rcl.video.signals.settings import SignalSettings
from rcl.video.signals.tracks import Tracks, track_blocks, typical_sizes
from rcl.video.signals.windows import Windows
from rcl.video.snippets import snippet_times


class SignalExtractor:
    """Extracts features of recordings of signals with given settings; see :class:`rcl.video.extractor.Extractor`.

    Args:
        settings: those of the training features.
        of_videos: what the extractors of videos need.
    """

    def __init__(self, settings: SignalSettings, **of_videos: object) -> None:
        self.settings = settings

    def takes(self, path: Path) -> bool:
        """Whether a file is a recording, by its ending and its beginning."""
        return is_signal(file_of(path), self.settings.reading)

    def open(self) -> None:
        """Nothing: descriptors need no network."""

    def __call__(
        self, path: PathLike, *, threads: int = 0, progress: Callable[[float], None] | None = None
    ) -> VideoFeatures:
        """Features of a recording; see :func:`extract_signal`. ``threads`` and ``progress`` are not needed: an hour
        takes seconds.

        Raises:
            InputError: see :func:`extract_signal`.
        """
        file = file_of(to_path(path))
        return extract_signal(file, self.settings, individual=None if file == to_path(path) else to_path(path).name)


def extract_signal(path: PathLike, settings: SignalSettings, *, individual: str | None = None) -> VideoFeatures:
    """Read a recording and describe its windows; only a block of samples and a few windows are in memory.

    Args:
        path: the file.
        settings: see :class:`SignalSettings`.
        individual: of pose tracks: whose features, with respect to the others; by default those of all together.

    Raises:
        InputError: the file cannot be read, lacks columns, is a recording of another kind, or has no such individual.
    """
    names = settings.columns if settings.source == "sensor" else None
    recording = open_timed(path, settings.reading.model_copy(update={"columns": names}))
    if recording.kind != settings.source:
        fix = f"use a recording of {settings.source} data, as in training"
        raise InputError(path, expected=f"a {settings.source} recording", found=recording.kind, fix=fix)
    with located(path):
        source = _sensors(settings) if settings.source == "sensor" else _poses(recording, settings, individual, path)
        grid = on_grid(source.blocks(recording), rate=settings.rate, gap_seconds=settings.gap_seconds)
        windows = Windows(grid, settings.window, settings.stride)
        collected, count = FeatureBuffer(path), 0
        for batch in windows:
            found = source.describe(batch)  # (n, F)
            collected.add(found)
            count += len(found)
    if not count:
        raise InputError(path, expected="samples", found="none", fix="check the recording")
    times = snippet_times(
        count, frames=windows.samples, rate=settings.rate, window=settings.window, stride=settings.stride
    )
    duration = windows.samples / settings.rate
    problems = (*recording.problems, *source.problems)
    return VideoFeatures(collected.features(), times, duration, settings.snippets_per_second, problems)


class _Source(NamedTuple):
    """How the samples of a recording are read, and how windows ``(n, L, C)`` of them are described."""

    blocks: Callable[[Recording], Iterator[Block]]
    describe: Callable[[np.ndarray], np.ndarray]
    problems: tuple[str, ...] = ()


def _sensors(settings: SignalSettings) -> _Source:
    descriptors = cast(tuple[SensorDescriptor, ...], settings.descriptors)  # checked by the settings
    describe = partial(describe_sensors, columns=settings.columns, descriptors=descriptors)
    return _Source(lambda recording: recording.blocks(), describe)


def _poses(recording: Recording, settings: SignalSettings, individual: str | None, path: PathLike) -> _Source:
    names, problems = individuals_in_order(recording, settings, individual, path)
    blocks = partial(track_blocks, parts=settings.columns, owners=names, min_likelihood=settings.min_likelihood)
    body, parts, count = Body.of(settings.columns), len(settings.columns), len(names)
    sizes = typical_sizes(blocks(recording), count)
    selves = max(len(settings.individuals), 1) if individual is None else 1

    def describe(windows: np.ndarray) -> np.ndarray:
        """What :func:`describe_poses` says of windows ``(n, L, individuals · parts · 3)``: ``(n, C)``."""
        return describe_poses(
            windows.reshape(*windows.shape[:2], count, parts, 3),
            body,
            sizes,
            rate=settings.rate,
            selves=selves,
            others=settings.others,
            descriptors=cast(tuple[PoseDescriptor, ...], settings.descriptors),  # checked by the settings
        )

    return _Source(blocks, describe, problems)


def individuals_in_order(
    recording: Recording, settings: SignalSettings, individual: str | None, path: PathLike
) -> tuple[list[str | None], tuple[str, ...]]:
    """The tracks of a recording in the order of the features, ``None`` for those that it lacks, and what was left out,
    in words.

    Raises:
        InputError: the recording has no such individual, or one was not named although there are several.
    """
    found = Tracks.of(recording).owners
    if individual is not None:
        if individual not in recording.individuals:
            fix = "correct the name, or give another recording"
            raise InputError(
                path, expected=f"an individual {individual!r}", found=listed(recording.individuals) or "none", fix=fix
            )
        return [individual, *(name for name in found if name != individual)], ()
    if not settings.individuals:
        if len(found) > 1:
            raise _several(path, found)
        return [*found], ()
    wanted = settings.individuals
    if set(wanted) & set(found):
        names = [name if name in found else None for name in wanted]
    else:
        names = [*found, *[None] * len(wanted)][: len(wanted)]
    missing, more = names.count(None), [name for name in found if name not in names]
    problems = []
    if missing:
        problems.append(
            f"{len(wanted) - missing} of {counted(len(wanted), 'individual')}; the rest of the features is 0"
        )
    if more:
        problems.append(f"left out {listed(more)}: the features are of {counted(len(wanted), 'individual')}")
    return names, tuple(problems)


def _several(path: PathLike, found: Sequence[str]) -> InputError:
    fix = "keep the tracks of one of them, or train on such recordings"
    return InputError(path, expected="the tracks of one individual, as in training", found=listed(found), fix=fix)
