"""Extraction of snippet features from a video file, and the settings to repeat it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import cast

import av
import torch
from torch import Tensor

from rcl.data.time_units import Extent
from rcl.system.errors import InputError
from rcl.system.paths import PathLike, is_remote, to_path
from rcl.video.backbones.base import Backbone
from rcl.video.backbones.build import build_backbone
from rcl.video.backbones.options import BackboneOptions
from rcl.video.backbones.weights import file_digests, own_digest
from rcl.video.decoding import VideoReader, opened
from rcl.video.extractor import VideoFeatures
from rcl.video.feature_buffer import FeatureBuffer
from rcl.video.finding import is_video
from rcl.video.settings import ExtractionSettings, parse_settings
from rcl.video.snippets import snippet_count, snippet_times, snippets
from rcl.video.stream import native_rate, video_stream

BATCH_BYTES, BATCH_SNIPPETS = 2**24, 16  # limits of a batch: bytes of frames, and snippets


def choose_extraction(
    name: str,
    options: BackboneOptions | None = None,
    *,
    rate: float | None = None,
    window: int | None = None,
    stride: int | None = None,
    video_fps: float | None = None,
    device: torch.device | str = "cpu",
) -> tuple[Backbone, ExtractionSettings]:
    """Build a backbone and choose its settings; ``None`` takes the default of the backbone.

    Raises:
        InputError: see ``build_backbone``; or the backbone does not take windows of that length.
    """
    options = options or BackboneOptions()
    backbone = build_backbone(name, options, device=device)
    if window is not None and backbone.fixed_window not in (None, window):
        expected = f"{backbone.fixed_window} frames, the only length that {name} takes"
        raise InputError("--window", expected=expected, found=str(window), fix="leave it out")
    values = {
        "backbone": name,
        "rate": backbone.rate if rate is None else rate,
        "window": backbone.window if window is None else window,
        "stride": backbone.stride if stride is None else stride,
        "options": options,
        "video_fps": video_fps,
        "weights": file_digests(name, options) | own_digest(name, backbone),
    }
    return backbone, cast(ExtractionSettings, parse_settings(values, where="extraction"))


def rebuild_backbone(settings: ExtractionSettings, *, device: torch.device | str = "cpu") -> Backbone:
    """Build the backbone of settings from a pack or a checkpoint.

    Raises:
        InputError: its files are missing or have changed.
    """
    files = file_digests(settings.backbone, settings.options)
    if files and files != settings.weights:  # before anything reads them
        raise _other_weights(settings)
    backbone = build_backbone(settings.backbone, settings.options, device=device)
    if files | own_digest(settings.backbone, backbone) != settings.weights:
        raise _other_weights(settings)
    return backbone


def _other_weights(settings: ExtractionSettings) -> InputError:
    return InputError(
        settings.backbone,
        expected="the weights that the features were extracted with",
        found="other weights",
        fix="restore the old files, or give their new place (in detect and serve: --backbone, --flow)",
    )


def extract_features(
    path: PathLike,
    backbone: Backbone,
    settings: ExtractionSettings,
    *,
    threads: int = 0,
    progress: Callable[[float], None] | None = None,
) -> VideoFeatures:
    """Decode a video and compute features of its snippets; only a batch of windows is in memory.

    Args:
        path: the video file.
        backbone: see ``choose_extraction``.
        settings: as well.
        threads: decoding threads; 0 for one per core.
        progress: called with the seconds of video that are done.

    Raises:
        InputError: the file cannot be read, there is no space for the features, or a feature is not finite.
    """
    reader = VideoReader(
        path, rate=settings.rate, transform=backbone.frame_size, threads=threads, raw_rate=settings.video_fps
    )
    frames = _CountedFrames(reader)
    collected = FeatureBuffer(
        path,
        made_by=settings.backbone,
        snippets_per_second=settings.snippets_per_second,
        fix="check the backbone with another video",
    )
    for batch in _batches(snippets(frames, settings.window, settings.stride)):
        collected.add(backbone(batch).float().numpy())  # (B, C)
        if progress:
            progress(frames.count / settings.rate)
    features = collected.features()  # (T, C)
    count = snippet_count(frames.count, settings.stride)
    rate, window, stride = settings.rate, settings.window, settings.stride
    return VideoFeatures(
        features,
        snippet_times(count, frames=frames.count, rate=rate, window=window, stride=stride),
        reader.duration_seconds,
        settings.snippets_per_second,
        tuple(reader.problems),
    )


class VideoExtractor:
    """Extracts features of videos with given settings; the backbone is built when it is first needed.

    Args:
        settings: those of the training features.
        backbone: name of the same backbone at its new place, if its files have moved.
        flow: checkpoint of its flow stream, likewise.
        video_fps: frames per second of streams without a container; by default as in training.
        device: where networks run.
        built: the backbone of these settings, if it is built already.
    """

    def __init__(
        self,
        settings: ExtractionSettings,
        *,
        backbone: str | None = None,
        flow: str | None = None,
        video_fps: float | None = None,
        device: torch.device | str = "cpu",
        built: Backbone | None = None,
    ) -> None:
        options = settings.options.model_copy(update={"flow": flow or settings.options.flow})
        backbone, video_fps = backbone or settings.backbone, video_fps or settings.video_fps
        update = {"backbone": backbone, "options": options, "video_fps": video_fps}
        self.settings = settings.model_copy(update=update)
        self.device = device
        self._backbone = built

    def takes(self, path: Path) -> bool:
        """Whether a file is a video by its ending, or of no known kind."""
        return is_video(path)

    def open(self) -> None:
        """Build the backbone.

        Raises:
            InputError: see ``rebuild_backbone``.
        """
        self.backbone()

    def __call__(
        self, path: PathLike, *, threads: int = 0, progress: Callable[[float], None] | None = None
    ) -> VideoFeatures:
        """Features of a video file; ``progress`` is called with the share that is done, if the header states a length.

        Raises:
            InputError: see ``rebuild_backbone`` and ``extract_features``.
        """
        whole = stated_seconds(path) if progress else 0.0

        def report(seconds: float) -> None:
            if progress and whole:
                progress(min(seconds / whole, 1.0))

        return extract_features(path, self.backbone(), self.settings, threads=threads, progress=report)

    def backbone(self) -> Backbone:
        """The backbone, built at the first call.

        Raises:
            InputError: see ``rebuild_backbone``.
        """
        if self._backbone is None:
            self._backbone = rebuild_backbone(self.settings, device=self.device)
        return self._backbone


def stated_extent(path: Path) -> Extent | None:
    """The length and the frame rate that the header of a video states, ``None`` if it states no length.

    Files in an object store are not fetched for this.
    """
    if is_remote(path):
        return None
    try:
        with opened(path) as container:
            rate = native_rate(container, video_stream(container, path))
            return Extent(container.duration / av.time_base, float(rate)) if container.duration else None
    except InputError:
        return None


def stated_seconds(path: PathLike) -> float:
    """The duration that the header of a video states, 0 if it states none; for progress only."""
    extent = stated_extent(to_path(path))
    return extent.seconds if extent else 0.0


class _CountedFrames:
    """The frames of a video, with the number of those read so far."""

    def __init__(self, frames: VideoReader) -> None:
        self.frames, self.count = frames, 0

    def __iter__(self) -> Iterator[Tensor]:
        for frame in self.frames:
            self.count += 1
            yield frame


def _batches(clips: Iterator[Tensor]) -> Iterator[Tensor]:
    """Stack clips ``(3, L, H, W)`` into batches ``(B, 3, L, H, W)``, whose size depends only on that of the clips."""
    for first in clips:
        yield torch.stack([first, *islice(clips, batch_size(first) - 1)])


def batch_size(clip: Tensor) -> int:
    """How many clips of the size of one ``(3, L, H, W)`` a batch has."""
    return min(max(1, BATCH_BYTES // clip.numel()), BATCH_SNIPPETS)
