"""What turns a recording of any kind into features, and how it is built from settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import numpy as np

from rcl.data.streams import AlignedFeatures, Stream
from rcl.system.paths import PathLike
from rcl.system.plugins import import_class
from rcl.video.kinds import KINDS, has_known_ending
from rcl.video.settings import Settings, StreamSettings

if TYPE_CHECKING:
    import torch

COMPOSED = "rcl.video.composed:ComposedExtractor"


class VideoFeatures(NamedTuple):
    """Features of one recording: ``features (T, C)`` float32, and ``times_seconds (T, 2)``, which the windows cover.
    Those of several streams are aligned when they are read.

    Snippet ``i`` stands for ``[i, i + 1) / snippets_per_second`` seconds, the middle of its window. ``problems``
    describe the defects of a file that could still be read. Features of a long recording are mapped from a temporary
    file, which is deleted together with the array.
    """

    features: np.ndarray | AlignedFeatures
    times_seconds: np.ndarray
    duration_seconds: float
    snippets_per_second: float
    problems: tuple[str, ...]


class Extractor(Protocol):
    """Extracts features of recordings of one kind with given settings.

    Its constructor takes ``settings`` and the keywords of :func:`build_extractor`, those that it does not need too.
    What is expensive, such as a network, is built when it is first needed.
    """

    @property
    def settings(self) -> Settings:
        """Everything that the features depend on except the recording."""

    def takes(self, path: Path) -> bool:
        """Whether a file is one that features can be extracted from; decided fast, by its ending or beginning."""

    def open(self) -> None:
        """Build what is built when it is first needed, so that a missing backbone fails before any work.

        Raises:
            InputError: it cannot be built.
        """

    def __call__(
        self, path: PathLike, *, threads: int = 0, progress: Callable[[float], None] | None = None
    ) -> VideoFeatures:
        """Features of a file on this machine.

        Args:
            path: the file.
            threads: decoding threads; 0 for one per core.
            progress: called with the share that is done, 0 to 1, if the length is known.

        Raises:
            InputError: the file cannot be read, or see :meth:`open`.
        """


def takes_recording(extractor: Extractor | None, path: Path) -> bool:
    """Whether an extractor takes a file that is a recording by its ending. Files of features may have the same."""
    return extractor is not None and has_known_ending(path) and extractor.takes(path)


def build_extractor(
    settings: Settings,
    *,
    streams: Sequence[Stream] = (),
    backbone: str | None = None,
    flow: str | None = None,
    video_fps: float | None = None,
    device: torch.device | str = "cpu",
) -> Extractor:
    """The extractor of settings from a pack or a checkpoint.

    Args:
        settings: those of the training features.
        streams: of several streams: those of the features, in order; see ``rcl.video.composed.ComposedExtractor``.
        backbone: of videos: name of the same backbone at its new place, if its files have moved.
        flow: of videos: checkpoint of its flow stream, likewise.
        video_fps: frames per second of videos without a container; by default as in training.
        device: where networks run.
    """
    keywords: dict[str, Any] = {"backbone": backbone, "flow": flow, "video_fps": video_fps, "device": device}
    if isinstance(settings, StreamSettings):
        return cast(Extractor, import_class(COMPOSED)(settings, streams=streams, **keywords))
    return cast(Extractor, import_class(KINDS[settings.kind].extractor)(settings, **keywords))
