"""The public class: load a checkpoint, detect actions, score segments."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import numpy as np
import torch
from torch import Tensor

from rcl.data.detections import Detections
from rcl.data.feature_files import EXTENSIONS
from rcl.data.features import Features, FeatureSequence, StoredFeatures, open_features
from rcl.data.resizing import METHODS
from rcl.data.segments import Timeline, clip, length
from rcl.data.windows import centred_starts, merge_windows, window_starts
from rcl.detector import chunks
from rcl.detector.build import Detector, build_decoder, build_model, regular_anchors
from rcl.detector.checkpoint import Checkpoint, Facts, read_checkpoint
from rcl.detector.config import Config
from rcl.models.decoding import Candidates, Decoded, Decoder
from rcl.models.encoding import Place
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.rcl import RCL
from rcl.models.sampling import Anchors, Lattice
from rcl.system.device import best_device, threads_for, trim_heap
from rcl.system.errors import InputError
from rcl.system.paths import is_remote, to_path
from rcl.system.transfer import local
from rcl.video.extraction import FeatureExtractor
from rcl.video.settings import parse_settings

log = logging.getLogger("rcl")

CHUNK_SNIPPETS = 4096  # a longer video is encoded in chunks: 8 KB of table per snippet and 128 channels
CHUNK_RADII = 8  # and a chunk is so much longer than what the encoder sees to one side, which is encoded twice
ANCHORS_PER_QUERY = 4096  # bounds the memory; a query is over well before it pays to ask for more
WINDOWS_KEPT = 16  # of an encoded video
EXTRACTION_SHARE = 0.9  # of the time that a video file takes, roughly; for progress

Progress: TypeAlias = Callable[[float], None]  # told the share of the work that is done, up to 1


class SegmentScores(NamedTuple):
    """What the model says of ``K`` segments that the user asked about.

    ``confidence (K,)``: how well the segment fits an action, in [0, 1]; ``labels (K, L)``: score of every label, of
    which ``names`` are the names; ``refined_seconds (K, 2)``: where the model would move the segment.
    """

    confidence: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    refined_seconds: np.ndarray


class EncodedVideo:
    """A video that can be asked again and again: what the network makes of it is kept; see :meth:`Localizer.encode`.

    Args:
        features: ``(C, T)``, resized and scaled.
        timeline: where they lie in time.
    """

    def __init__(self, features: Features, timeline: Timeline) -> None:
        self.features = features
        self.timeline = timeline
        self._windows: dict[tuple[int, int], Any] = {}  # start and length → encoding, of the kind that the model makes

    def window(self, start: int, snippets: int, encode: Callable[[Tensor], Any]) -> Any:
        """The encoding of a window, made by ``encode`` where it is not at hand."""
        key = start, snippets
        if key not in self._windows:
            if len(self._windows) >= WINDOWS_KEPT:
                del self._windows[next(iter(self._windows))]
            self._windows[key] = encode(self.features[:, start : start + snippets])
        return self._windows[key]


class Localizer:
    """A trained detector, ready to use.

    Args:
        model: the network.
        labels: its label names; empty for a proposal model.
        in_channels: width of the features that it takes.
        anchors: ``T → Anchors``, which segments it is asked about.
        decoder: what becomes of the answers.
        resize: number of snippets that every video is resized to; ``None`` keeps them.
        resize_method: see ``rcl.data.resizing``.
        window: length of the sliding windows in which longer videos are searched, in snippets; ``None``: whole videos.
        window_stride: from one window to the next, in snippets; half a window where it is ``None``.
        scale: features are divided by this.
        snippets_per_second: rate of the training features; used where a call gives none.
        declared_rate: the same where the configuration said it, in place of what annotation files say.
        layout: of feature files, ``TC`` or ``CT``.
        extractor: makes features of video files like those in training; ``None`` where nobody knows how.
        chunk: videos and windows that are longer are encoded in chunks of so many snippets, where the model allows it
            (the continuous function with an encoder that sees a part of the video at a time). It bounds the memory and
            does not change the result. By default 4,096, or more for an encoder that sees more than 512 to one side.
        device: where to run; the best one there is where it is ``None``.
    """

    def __init__(
        self,
        model: Detector,
        *,
        labels: Sequence[str],
        in_channels: int,
        anchors: Callable[[int], Anchors],
        decoder: Decoder,
        resize: int | None = None,
        resize_method: str = "linear",
        window: int | None = None,
        window_stride: int | None = None,
        scale: float = 1.0,
        snippets_per_second: float | None = None,
        declared_rate: float | None = None,
        layout: str = "TC",
        extractor: FeatureExtractor | None = None,
        chunk: int | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.device = torch.device(device) if device else best_device()
        self.model = model.to(self.device).eval()
        self.labels = tuple(labels)
        self.in_channels = in_channels
        self.anchors = anchors
        self.decoder = decoder
        self.resize = resize
        self.resize_method = resize_method
        self.window = window
        self.window_stride = window_stride
        self.scale = scale
        self.snippets_per_second = snippets_per_second
        self.declared_rate = declared_rate
        self.layout = layout
        self.extractor = extractor
        radius = (model.radius or 0) if isinstance(model, RCL) else 0
        self.chunk = chunk or max(CHUNK_SNIPPETS, CHUNK_RADII * radius)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        backbone: str | None = None,
        flow: str | None = None,
        device: torch.device | str | None = None,
    ) -> Localizer:
        """The detector of a checkpoint that ``rcl train`` or ``rcl fit`` wrote.

        Args:
            path: the checkpoint.
            backbone: name of the backbone of its training features, where the files of that backbone have moved.
            flow: checkpoint of its flow stream, likewise.
            device: where to run; the best one there is where it is ``None``.

        Raises:
            InputError: the file is missing, damaged or not such a checkpoint.
        """
        return cls.from_checkpoint(read_checkpoint(path), backbone=backbone, flow=flow, device=device)

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Checkpoint,
        *,
        backbone: str | None = None,
        flow: str | None = None,
        device: torch.device | str | None = None,
    ) -> Localizer:
        """The same of a checkpoint that was read before.

        Raises:
            InputError: its weights are not those of the model that its configuration describes.
        """
        config, facts = checkpoint.config, checkpoint.facts
        sizes = {"in_channels": facts.in_channels, "num_labels": len(facts.labels)}
        try:
            with torch.device("meta"):  # without memory, until the sizes are known to be those of the weights
                build_model(config.model, **sizes).load_state_dict(checkpoint.weights, assign=True)
            model = build_model(config.model, **sizes)
            model.load_state_dict(checkpoint.weights)
        except RuntimeError as error:
            found = " ".join(str(error).split("\n", 1)[-1].split())[:120]
            fix = "use a whole file that rcl train wrote"
            expected = "weights of the model in its configuration"
            raise InputError(checkpoint.source, expected=expected, found=found, fix=fix) from None
        localizer = cls.from_model(model, config, facts, device=device)
        if facts.extraction is not None:
            settings = parse_settings(facts.extraction, where=checkpoint.source)
            localizer.extractor = FeatureExtractor(settings, backbone=backbone, flow=flow, device=localizer.device)
        return localizer

    @classmethod
    def from_model(
        cls, model: Detector, config: Config, facts: Facts, *, device: torch.device | str | None = None
    ) -> Localizer:
        """The detector of a model in memory, used as its configuration says."""
        return cls(
            model,
            labels=facts.labels if config.model.labels == "joint" else (),
            in_channels=facts.in_channels,
            anchors=regular_anchors(config.model, config.inference, longest=facts.longest),
            decoder=build_decoder(config.inference),
            resize=config.data.resize,
            resize_method=config.data.resize_method,
            window=config.data.window,
            window_stride=config.data.window_stride,
            scale=config.data.scale,
            snippets_per_second=facts.snippets_per_second,
            declared_rate=config.data.snippets_per_second,
            layout=config.data.layout,
            device=device,
        )

    def detect(
        self,
        features: np.ndarray | Tensor | Path | str,
        snippets_per_second: float | None = None,
        *,
        video: str | None = None,
    ) -> Detections:
        """Find the actions of one video.

        Args:
            features: ``(T, C)``, a feature file in the layout of the training features, or a video file.
            snippets_per_second: of these features; that of the training features if it is not given.
            video: its name in the result; that of the file, without its ending, if it is not given.

        Returns:
            Detections in seconds, best first.

        Raises:
            InputError: the features have another width than those in training, or cannot be read.
        """
        if video is None:
            video = to_path(features).stem if _is_file_name(features) else "video"
        clip, timeline = self.prepare(features, snippets_per_second, video=video)
        return self.detect_prepared(clip, timeline, video=video)

    def detect_prepared(
        self,
        features: Features,
        timeline: Timeline,
        *,
        video: str,
        steps: int | None = None,
        progress: Progress | None = None,
    ) -> Detections:
        """The same for features ``(C, T)`` that are resized and scaled already, in M or fewer ``steps``.

        ``progress`` is told the share of the work that is done, after every chunk or window.

        Raises:
            InputError: features that are read piece by piece cannot be, or hold a number that is not finite.
        """
        end = min(features.shape[1], (timeline.end_seconds - timeline.start_seconds) * timeline.snippets_per_second)
        with torch.inference_mode(), threads_for(self.model):
            candidates = self._candidates(features, end, steps=steps, progress=progress or (lambda share: None))
            decoded = self.decoder.scaled(features.shape[1]).suppress(candidates)
        return Detections(
            videos=(video,),
            video_index=np.zeros(len(decoded.scores), dtype=np.int64),
            segments_seconds=timeline.to_seconds(decoded.segments.double()).numpy(),
            labels=self.labels or ("",),
            label_index=decoded.labels.numpy(),
            scores=decoded.scores.double().numpy(),
        )

    def score(
        self,
        features: np.ndarray | Tensor | Path | str,
        segments_seconds: Sequence[tuple[float, float]] | np.ndarray,
        snippets_per_second: float | None = None,
    ) -> SegmentScores:
        """Ask the continuous function about any segments.

        With sliding windows a segment is looked at in the window that is centred best on it.

        Args:
            features: ``(T, C)``, a feature file or a video file.
            segments_seconds: ``K`` pairs of start and end.
            snippets_per_second: of these features; that of the training features if it is not given.

        Raises:
            InputError: a segment has no length, is not a pair of numbers or is longer than a window; the features do
                not fit.
        """
        return self.score_encoded(self.encode(features, snippets_per_second), segments_seconds)

    def encode(
        self,
        features: np.ndarray | Tensor | Path | str,
        snippets_per_second: float | None = None,
        *,
        video: str = "video",
    ) -> EncodedVideo:
        """A video to ask many questions about with :meth:`score_encoded`; it is encoded at the first.

        Raises:
            InputError: see :meth:`detect`.
        """
        return EncodedVideo(*self.prepare(features, snippets_per_second, video=video))

    def score_encoded(
        self, video: EncodedVideo, segments_seconds: Sequence[tuple[float, float]] | np.ndarray
    ) -> SegmentScores:
        """What :meth:`score` answers, of a video that is encoded once however often this is called.

        Raises:
            InputError: see :meth:`score`.
        """
        anchors = video.timeline.to_snippets(_checked_segments(segments_seconds)).float()  # (K, 2)
        snippets = video.features.shape[1]
        window = min(self.window or snippets, snippets)
        _check_lengths(anchors, window if window < snippets else math.inf)
        starts = centred_starts(anchors, snippets, window)  # (K,)
        confidence, refined = torch.zeros(len(anchors)), torch.zeros(len(anchors), 2)
        labels = torch.zeros(len(anchors), len(self.labels))
        with torch.inference_mode():
            for start in starts.unique().tolist():
                own, encoding = starts == start, video.window(start, window, self._encode)
                # One step: the question is about this segment, not about where it would move.
                predictions = self._query(encoding, anchors[own] - start, steps=1)
                confidence[own] = predictions.steps[0].regression[0].sigmoid()
                refined[own] = predictions.segments[0] + start
                if self.labels:
                    labels[own] = self.decoder.scores(predictions, anchors[own] - start)
        seconds = video.timeline.to_seconds(refined.double())
        return SegmentScores(confidence.numpy(), labels.numpy(), self.labels, seconds.numpy())

    def paths(self, video: EncodedVideo) -> np.ndarray:
        """Where refinement leads the segments that the model is asked about when it detects.

        Returns:
            ``(M + 1, K, 2)`` in seconds: the anchors, then where they are after each step. Detections are of the last.
        """
        snippets = video.features.shape[1]
        end = min(snippets, float(video.timeline.to_snippets(torch.tensor(video.timeline.end_seconds))))
        window = self.window or snippets
        starts = window_starts(max(math.ceil(end), 1), window, self.window_stride if self.window else None)
        parts = []
        with torch.inference_mode():
            for start in starts.tolist():
                size = min(window, snippets - start)
                predictions = self._query(video.window(start, size, self._encode), self.anchors(size).segments)
                last = clip(predictions.segments[0], min(size, end - start), minimum_length=1.0)  # as in detection
                path = [*(step.anchors[0] for step in predictions.steps), last]
                parts.append(torch.stack(path) + start)  # (M + 1, K, 2)
        return video.timeline.to_seconds(torch.cat(parts, dim=1).double()).numpy()

    def prepare(
        self,
        features: np.ndarray | Tensor | StoredFeatures | Path | str,
        snippets_per_second: float | None,
        *,
        video: str = "video",
        progress: Progress | None = None,
    ) -> tuple[Features, Timeline]:
        """Check features, resize and scale them: ``(C, T)``, and where they lie in time.

        What is stored and longer than a chunk is not read, and checked when it is, but for its shape. ``progress`` is
        told the share of all work that is done: of a video file, most of it is this.

        Raises:
            InputError: see :meth:`detect`.
        """
        end_seconds = math.inf
        if _is_file_name(features):
            if to_path(features).suffix.lower() in EXTENSIONS:
                features = open_features(features, layout=self.layout, video=video)
            else:
                features, snippets_per_second, end_seconds = self._extract(features, progress)
        rate = snippets_per_second if snippets_per_second is not None else self.snippets_per_second
        if isinstance(features, np.memmap):
            features = StoredFeatures(Path(video), (features.shape, features.dtype), array=features)
        if not isinstance(features, StoredFeatures):
            features = torch.as_tensor(features).float()  # (T, C)
        if len(features.shape) != 2 or features.shape[1] != self.in_channels or len(features) == 0:
            raise InputError(
                f"video {video!r}",
                expected=f"features (snippets, {self.in_channels})",
                found=f"shape {tuple(features.shape)}",
                fix="use the features that the checkpoint was trained on",
            )
        if rate is None or not 0 < rate < float("inf"):
            raise InputError(
                f"video {video!r}",
                expected="a positive number of snippets per second",
                found=repr(rate),
                fix="pass the rate of the features",
            )
        timeline = Timeline(rate * (self.resize or len(features)) / len(features), end_seconds=end_seconds)
        if isinstance(features, StoredFeatures):
            return self.open(features), timeline
        wrong = ~torch.isfinite(features).all(dim=1)  # (T,)
        if wrong.any():
            found = f"NaN or infinite values, the first in snippet {int(wrong.nonzero()[0])}"
            fix = "extract the features of this video again"
            raise InputError(f"video {video!r}", expected="finite numbers", found=found, fix=fix)
        return self._scaled(features), timeline

    def open(self, stored: StoredFeatures) -> Features:
        """Features ``(C, T)``, resized and scaled, of which those of a video longer than a chunk are read later.

        Raises:
            InputError: see :meth:`detect`.
        """
        if len(stored) > self.chunk and not self.resize:
            return FeatureSequence(stored, scale=self.scale)
        return self._scaled(torch.from_numpy(stored.read()))

    def _scaled(self, features: Tensor) -> Tensor:
        """Features ``(T, C)``, as they are stored, as the model takes them: ``(C, T)``."""
        clip = features.T / self.scale
        return METHODS[self.resize_method](clip, self.resize) if self.resize else clip

    def _extract(self, path: Path | str, progress: Progress | None) -> tuple[np.ndarray, float, float]:
        """Features ``(T, C)`` of a video file, their rate, and the duration in seconds."""
        if self.extractor is None:
            expected = f"a feature file ({', '.join(EXTENSIONS)}), as nobody told this checkpoint how to make features"
            fix = "extract the features of training and of this video with rcl extract"
            raise InputError(path, expected=expected, found="another file", fix=fix)
        tell = None if progress is None else lambda share: progress(EXTRACTION_SHARE * share)
        with local(to_path(path)) as file:
            extracted = self.extractor(file, progress=tell)
        for problem in extracted.problems:
            log.warning("%s: %s; what could be read is used", path, problem)
        return extracted.features, extracted.snippets_per_second, extracted.duration_seconds

    def _candidates(self, features: Features, end: float, *, steps: int | None, progress: Progress) -> Decoded:
        """What competes in NMS, of ``features (C, T)`` of a video that ends at ``end``, from all of its windows."""
        window = self.window or features.shape[1]
        # Features may reach a little beyond the video; a window that begins there would have nothing to find.
        covered = max(math.ceil(end), 1)
        starts = window_starts(covered, window, self.window_stride if self.window else None)
        found = []
        for number, start in enumerate(starts.tolist()):
            # The whole stays where it is stored.
            piece = features[:, start : start + window] if window < features.shape[1] else features

            def within(share: float, number: int = number) -> None:
                progress((number + share) / len(starts))

            found.append(self._candidates_of(piece, min(piece.shape[1], end - start), steps=steps, progress=within))
        return found[0] if len(found) == 1 else Decoded(*merge_windows(starts, *zip(*found, strict=True), end=end))

    def _candidates_of(self, features: Features, end: float, *, steps: int | None, progress: Progress) -> Decoded:
        """What competes of a video or window that is one to the model, in one pass or in chunks."""
        snippets = features.shape[1]
        decoder, model = self.decoder.scaled(snippets), self.model
        # At least one frame long (paper 3.3); of a feature sequence the frame is the snippet.
        limits = {"end": end, "minimum_length": 1.0}
        if snippets <= self.chunk or not isinstance(model, RCL) or model.radius is None:
            anchors = self.anchors(snippets).segments
            found = decoder.select(self._query(self._encode(features[:, :]), anchors, steps=steps), **limits)
            progress(1.0)
            return found

        def ask(first: int, last: int, segments: Tensor) -> Predictions:
            piece = self._encode(features[:, first:last])
            return self._query(piece._replace(place=Place(first, snippets), boundaries=None), segments, steps=steps)

        sight = chunks.Sight(model.embedding.alignment.context, model.radius)
        boundaries = self._boundaries(features, model) if decoder.asks_boundaries else None
        number, groups = self._groups(snippets, sight)
        candidates, done = Candidates(decoder, **limits), 0
        for positions, predictions in chunks.answers(groups, ask, snippets=snippets, chunk=self.chunk, sight=sight):
            candidates.add(predictions._replace(boundaries=boundaries), positions)
            done += len(positions)
            del predictions
            trim_heap()
            progress(done / number)
        return candidates.best()

    def _groups(self, snippets: int, sight: chunks.Sight) -> tuple[int, Iterable[chunks.Group]]:
        """How many anchors a video has, and those that share a piece; a lattice makes them as they are asked for."""
        if isinstance(self.anchors, Lattice):
            width = partial(chunks.tile_width, chunk=self.chunk, context=sight.context)
            return sum(row.number for row in self.anchors.rows(snippets)), self.anchors.groups(snippets, width)
        anchors = self.anchors(snippets).segments
        span = partial(chunks.span, context=sight.context, snippets=snippets)
        return len(anchors), chunks.groups(anchors, self.chunk, span)

    def _boundaries(self, features: Features, model: RCL) -> Tensor | None:
        """The boundary logits ``(1, 2, T)`` of ``features (C, T)``, in chunks; ``None`` without a boundary head."""
        found = []
        for piece, own in chunks.pieces(features.shape[1], self.chunk, (model.radius or 0) + 1):
            part = features[:, piece][None].to(self.device)
            encoded = model.encoder(part, torch.ones(1, part.shape[2], dtype=torch.bool, device=self.device))
            if encoded.boundaries is None:
                return None
            found.append(encoded.boundaries[..., own].float().cpu())
        return torch.cat(found, dim=-1)

    def _encode(self, features: Tensor) -> Any:
        """The encoding of ``features (C, T)``, of the kind that this model takes."""
        mask = torch.ones(1, features.shape[1], dtype=torch.bool, device=self.device)
        return self.model.encode(features[None].to(self.device), mask)

    def _query(self, encoding: Any, anchors: Tensor, *, steps: int | None = None) -> Predictions:
        """What the model says of ``anchors (K, 2)`` in an encoded video or window, on the CPU."""
        parts = [
            self.model.query(encoding, part[None].to(self.device), steps=steps)
            for part in anchors.split(ANCHORS_PER_QUERY)
        ]
        answers = tuple(
            AnchorScores(*(torch.cat(field, dim=1).float().cpu() for field in zip(*step, strict=True)))
            for step in zip(*(part.steps for part in parts), strict=True)
        )
        segments = torch.cat([part.segments for part in parts], dim=1).float().cpu()
        boundaries = encoding.boundaries
        return Predictions(answers, segments, None if boundaries is None else boundaries.float().cpu())


def _is_file_name(features: object) -> TypeGuard[Path | str]:
    return isinstance(features, (str, Path)) or is_remote(features)


def _check_lengths(segments: Tensor, window: float) -> None:
    too_long = length(segments) > window  # (K,)
    if too_long.any():
        first = int(too_long.nonzero()[0])
        raise InputError(
            f"segment {first}",
            expected=f"at most {window} snippets, the window of this model",
            found=f"{float(length(segments)[first]):g}",
            fix="ask about shorter segments",
        )


def _checked_segments(segments_seconds: Sequence[tuple[float, float]] | np.ndarray) -> Tensor:
    try:
        pairs = np.asarray(segments_seconds, dtype=np.float64)
    except (TypeError, ValueError):  # text, or rows of different lengths
        pairs = np.empty(())
    if not pairs.ndim or (pairs.size and pairs.shape[1:] != (2,)):
        raise InputError(
            "segments",
            expected="pairs of start and end in seconds",
            found=repr(segments_seconds)[:80],
            fix="write e.g. [(12.0, 14.5)]",
        )
    segments = torch.as_tensor(pairs).reshape(-1, 2)  # (K, 2)
    wrong = ~(torch.isfinite(segments).all(dim=1) & (segments[:, 1] > segments[:, 0]))
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise InputError(
            f"segment {first}",
            expected="a start before its end, in seconds",
            found=f"{segments[first].tolist()}",
            fix="correct the segment",
        )
    return segments
