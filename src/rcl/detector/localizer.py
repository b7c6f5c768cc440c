"""The public class of a trained detector: detect actions, score segments."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rcl.data.detections import Detections
from rcl.data.features import Features, ReadableFeatures
from rcl.data.preparation import Preparation
from rcl.data.streams import Stream
from rcl.data.timeline import Timeline
from rcl.detector.build import build_search, load_model
from rcl.detector.checkpoint import Checkpoint, Facts, read_checkpoint
from rcl.detector.config import Config
from rcl.detector.encoded_video import EncodedVideo
from rcl.detector.operating_points import OperatingPoints, known_points
from rcl.detector.prepare import GivenInput, MovedFiles, build_preparation, extractor_of, files_in, prepared, read_given
from rcl.detector.progress import Progress, no_progress
from rcl.detector.scoring import Confidence, SegmentScores, learned_confidence, score_segments
from rcl.detector.search import Search, in_seconds
from rcl.models.detector import Detector
from rcl.models.segmentation import PRICE
from rcl.video.extractor import Extractor


class Localizer:
    """A trained detector; :meth:`load` reads one from a checkpoint.

    Args:
        search: the network, its anchors and the decoding of its answers.
        preparation: what was done to the features in training.
        labels: label names; empty for a proposal model.
        in_channels: width of the features.
        snippets_per_second: rate of the training features, for features that are given without a rate.
        longest_seconds: length of the longest training video, if it is known.
        streams: what the features consist of, side by side; empty for a single stream.
        confidence: the score that measures how well a segment fits.
        extractor: extracts features of video files as for training; ``None`` if that is unknown.
    """

    def __init__(
        self,
        search: Search,
        preparation: Preparation | None = None,
        *,
        labels: Sequence[str],
        in_channels: int,
        snippets_per_second: float | None = None,
        longest_seconds: float | None = None,
        streams: Sequence[Stream] = (),
        confidence: Confidence = "regression",
        extractor: Extractor | None = None,
    ) -> None:
        self.search = search
        self.preparation = preparation or Preparation()
        self.labels = tuple(labels)
        self.in_channels = in_channels
        self.snippets_per_second = snippets_per_second
        self.longest_seconds = longest_seconds
        self.streams = tuple(streams)
        self.confidence = confidence
        self.extractor = extractor
        self.operating_points: OperatingPoints | None = None

    @property
    def model(self) -> Detector:
        """The network."""
        return self.search.model

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        backbone: str | None = None,
        flow: str | None = None,
        video_fps: float | None = None,
        device: torch.device | str | None = None,
    ) -> Localizer:
        """Load the detector of a checkpoint that ``rcl train`` or ``rcl fit`` wrote.

        Args:
            path: the checkpoint, or the folder of the run, whose ``last.ckpt`` is taken.
            backbone: name of the backbone of its training features, if the files of that backbone have moved.
            flow: checkpoint of its flow stream, likewise.
            video_fps: frames per second of videos without a container, such as ``.h264``; by default as in training.
            device: where to run; by default a GPU if there is one.

        Raises:
            InputError: the file is missing, damaged or another kind of checkpoint.
        """
        kept = read_checkpoint(path)
        return cls.from_checkpoint(kept, backbone=backbone, flow=flow, video_fps=video_fps, device=device)

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Checkpoint,
        *,
        backbone: str | None = None,
        flow: str | None = None,
        video_fps: float | None = None,
        device: torch.device | str | None = None,
    ) -> Localizer:
        """The detector of a checkpoint in memory; see :meth:`load`.

        Raises:
            InputError: its weights do not fit the model in its configuration.
        """
        localizer = cls.from_model(load_model(checkpoint), checkpoint.config, checkpoint.facts, device=device)
        localizer.operating_points = checkpoint.operating_points
        moved = MovedFiles(backbone, flow, video_fps)
        known = checkpoint.facts.extraction, checkpoint.facts.streams
        localizer.extractor = extractor_of(*known, moved, source=checkpoint.source, device=localizer.search.device)
        return localizer

    @classmethod
    def from_model(
        cls, model: Detector, config: Config, facts: Facts, *, device: torch.device | str | None = None
    ) -> Localizer:
        """The detector of a model in memory. The model moves to ``device`` and into evaluation mode."""
        return cls(
            build_search(model, config, facts, device=device),
            build_preparation(config.data, facts.channels),
            labels=facts.labels if config.model.labels == "joint" else (),
            in_channels=facts.in_channels,
            snippets_per_second=facts.snippets_per_second,
            longest_seconds=facts.longest_seconds,
            streams=facts.streams,
            confidence=learned_confidence(config.loss),
        )

    def detect(
        self,
        features: GivenInput,
        snippets_per_second: float | None = None,
        *,
        video: str | None = None,
        rates: Sequence[float] | None = None,
        decide: bool = False,
    ) -> Detections:
        """Detect the actions in one video: detections in seconds, best first.

        Args:
            features: ``(T, C)``, a feature file in the layout of the training features, or a video file. Of a detector
                of several streams also several files of one video, such as those of a camera and of a sensor; or a
                mapping from the names of streams to ``TimedFeatures``, in which some may be missing; in an array, what
                is missing is NaN.
            snippets_per_second: rate of the features, by default that of the training features. Not for video files.
            video: name of the video in the result; by default that of the file, without its ending.
            rates: see :meth:`detect_prepared`.
            decide: return what counts by the operating points of the checkpoint alone, with calibrated scores.

        Raises:
            InputError: the features cannot be read or are not like those of training, a video is given with a rate,
                ``rates`` are out of range, or the checkpoint has no operating points to decide by.
        """
        points = known_points(self.operating_points) if decide else None
        if video is None:
            video = files[0].stem if (files := files_in(features)) else "video"
        given = self.prepare(features, snippets_per_second, video=video)
        found = self.detect_prepared(*given, video=video, rates=rates)
        return points.decide(found) if points else found

    def detect_prepared(
        self,
        features: Features,
        timeline: Timeline,
        *,
        video: str,
        steps: int | None = None,
        rates: Sequence[float] | None = None,
        progress: Progress | None = None,
    ) -> Detections:
        """Detect the actions in features ``(C, T)`` from :meth:`prepare`.

        Args:
            features: resized and scaled.
            timeline: their times.
            video: name of the video in the result.
            steps: M, or fewer refinement steps than the model was trained with.
            rates: of the features, such as 0.7, 1 and 1.4, whose answers are averaged; by default ``inference.rates``.
            progress: called with the share of the work that is done, after every chunk or window.

        Raises:
            InputError: stored features cannot be read, or hold a number that is not finite; rates are out of range.
        """
        decoded = self.search.detect(features, timeline, steps=steps, rates=rates, progress=progress or no_progress)
        return in_seconds(decoded, timeline, video=video, labels=self.labels)

    def segment(
        self,
        features: GivenInput,
        snippets_per_second: float | None = None,
        *,
        video: str | None = None,
        rates: Sequence[float] | None = None,
        min_score: float = PRICE,
    ) -> Detections:
        """The best detections that do not overlap, in order of time: one label, or background, for every moment.

        Arguments and errors are those of :meth:`detect`; ``min_score`` is the lowest score of a segment. What is best:
        :mod:`rcl.models.segmentation`. Labels of frames: :func:`rcl.data.frames.to_frames`.
        """
        segmenter = copy(self)
        segmenter.search = self.search.segmenter(min_score)
        return segmenter.detect(features, snippets_per_second, video=video, rates=rates)

    def score(
        self,
        features: GivenInput,
        segments_seconds: Sequence[tuple[float, float]] | np.ndarray,
        snippets_per_second: float | None = None,
    ) -> SegmentScores:
        """Score any segments of a video with the continuous function.

        A segment may reach beyond the video, where nothing is seen; ``refined_seconds`` lie inside. With sliding
        windows, a segment is scored in the window that is centred best on it.

        Args:
            features: ``(T, C)``, a feature file or a video file.
            segments_seconds: ``K`` pairs of start and end.
            snippets_per_second: as in :meth:`detect`.

        Raises:
            InputError: a segment has no length, lies outside the video, is longer than a window; or see :meth:`detect`.
        """
        return self.score_encoded(self.encode(features, snippets_per_second), segments_seconds)

    def encode(
        self,
        features: GivenInput,
        snippets_per_second: float | None = None,
        *,
        video: str = "video",
    ) -> EncodedVideo:
        """Prepare a video for many calls of :meth:`score_encoded`. The first call encodes it.

        Raises:
            InputError: see :meth:`detect`.
        """
        return EncodedVideo(*self.prepare(features, snippets_per_second, video=video))

    def score_encoded(
        self, video: EncodedVideo, segments_seconds: Sequence[tuple[float, float]] | np.ndarray
    ) -> SegmentScores:
        """Score segments of a video as :meth:`score` does, with an encoding that is kept from call to call.

        Raises:
            InputError: see :meth:`score`.
        """
        return score_segments(self.search, video, segments_seconds, labels=self.labels, confidence=self.confidence)

    def paths(self, video: EncodedVideo) -> np.ndarray:
        """All anchors and their positions after each step, ``(M + 1, K, 2)`` in seconds.

        Every anchor is refined here; detection refines fewer (``inference.refine_above``).
        """
        with torch.inference_mode():
            return video.timeline.to_seconds(self.search.paths(video).double()).numpy()

    def prepare(
        self,
        features: GivenInput | ReadableFeatures,
        snippets_per_second: float | None = None,
        *,
        video: str = "video",
        progress: Progress | None = None,
    ) -> tuple[Features, Timeline]:
        """Read, check, resize and scale features: ``(C, T)``, long stored ones slice by slice, and their timeline.

        Args:
            features: as in :meth:`detect`.
            snippets_per_second: as in :meth:`detect`.
            video: name of the video in error messages, and of its array in a file of several.
            progress: for a video file, called with the share of the work that is done, detection included.

        Raises:
            InputError: see :meth:`detect`.
        """
        opened, rate, end_seconds = read_given(features, snippets_per_second, self, video=video, progress=progress)
        return self.open(opened, self.preparation.timeline(len(opened), rate, end_seconds=end_seconds))

    def open(self, features: Tensor | ReadableFeatures, timeline: Timeline) -> tuple[Features, Timeline]:
        """Prepare ``features (T, C)`` at the rate of training; ``timeline`` is that of their own rate, prepared.

        Raises:
            InputError: see :meth:`detect`.
        """
        known = self.preparation, self.snippets_per_second, self.longest_seconds
        return prepared(features, timeline, *known, at_once=self.search.chunk)
