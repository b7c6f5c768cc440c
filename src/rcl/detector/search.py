"""Search for actions in a video of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rcl.data.detections import Detections
from rcl.data.features import Features
from rcl.data.resampled import ResampledFeatures
from rcl.data.segments import clip
from rcl.data.timeline import Timeline, end_snippet
from rcl.data.window_places import windows
from rcl.data.windows import merge_windows
from rcl.detector import chunks
from rcl.detector.encoded_video import EncodedVideo
from rcl.detector.progress import Progress, no_progress, part_of
from rcl.detector.rates import BASE_RATE, Version, check_rates, versions
from rcl.models.averaging import average
from rcl.models.decoding import Candidates, Decoded, Decoder
from rcl.models.detector import Detector, Sight
from rcl.models.encoding import Place
from rcl.models.ensemble import Ensemble
from rcl.models.predictions import AnchorScores, Predictions, with_refined
from rcl.models.sampling import Anchors, Lattice
from rcl.models.segmentation import PRICE, SegmentationDecoder
from rcl.system.device import best_device, threads_for

CHUNK_SNIPPETS = 4096  # the look-up table takes 8 KB per snippet at 128 channels
CHUNK_RADII = 8  # shortest chunk in radii of the encoder, since a radius on either side is encoded twice
ANCHORS_PER_QUERY = 4096  # bounds the memory; larger queries are no faster


class Search:
    """A model with the segments that it is queried about, and the decoding of its answers.

    A video longer than ``window`` is searched in sliding windows. A video or window longer than ``chunk`` is encoded in
    overlapping chunks if the encoder has a finite receptive field. This bounds the memory and does not change the
    result.

    Args:
        model: the network; it moves to ``device`` and into evaluation mode.
        anchors: ``T → Anchors``, the segments to query.
        decoder: score fusion and soft-NMS.
        window: length of the sliding windows in snippets; ``None`` takes whole videos.
        window_stride: from one window to the next, in snippets; by default half a window.
        chunk: length of the chunks in snippets; by default 4,096, or 8 radii of the encoder if that is more.
        rates: of the features in detection; the answers at several rates are averaged.
        device: where to run; by default a GPU if there is one.
    """

    def __init__(
        self,
        model: Detector,
        *,
        anchors: Callable[[int], Anchors],
        decoder: Decoder,
        window: int | None = None,
        window_stride: int | None = None,
        chunk: int | None = None,
        rates: Sequence[float] = BASE_RATE,
        device: torch.device | str | None = None,
    ) -> None:
        self.device = torch.device(device) if device else best_device()
        self.model = model.to(self.device).eval()
        self.anchors = anchors
        self.decoder = decoder
        self.window = window
        self.window_stride = window_stride
        self.rates = tuple(rates)
        sight = model.sight
        self.chunk = chunk or max(CHUNK_SNIPPETS, CHUNK_RADII * sight.radius if sight else 0)

    def segmenter(self, min_score: float = PRICE) -> Search:
        """The same search, whose detections are the best segmentation; see :mod:`rcl.models.segmentation`."""
        other = copy(self)
        other.decoder = SegmentationDecoder.of(self.decoder, min_score=min_score)
        return other

    def encode(self, features: Tensor) -> Any:
        """The encoding of ``features (C, T)``, of the type that the model takes."""
        mask = torch.ones(1, features.shape[1], dtype=torch.bool, device=self.device)
        return self.model.encode(features[None].to(self.device), mask)

    def query(self, encoding: Any, anchors: Tensor, *, steps: int | None = None) -> Predictions:
        """Predictions for ``anchors (K, 2)`` in an encoded video or window, as a batch of one on the CPU."""
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

    def refined(self, encoding: Any, anchors: Tensor, *, steps: int | None = None) -> Predictions:
        """:meth:`query`, where only anchors that may reach the result are refined; the others repeat their first step.

        See :meth:`rcl.models.decoding.Decoder.worth_refining`.
        """
        count = steps or self.model.steps
        if min(count, self.model.steps) == 1 or not self.decoder.refine_above:
            return self.query(encoding, anchors, steps=steps)
        first = self.query(encoding, anchors, steps=1)
        which = self.decoder.worth_refining(first).nonzero()[:, 0]  # (R,)
        if not len(which):
            return first._replace(steps=first.steps * count)
        return with_refined(first, self.query(encoding, anchors[which], steps=steps), which)

    @torch.inference_mode()
    def detect(
        self,
        features: Features,
        timeline: Timeline,
        *,
        steps: int | None = None,
        rates: Sequence[float] | None = None,
        progress: Progress = no_progress,
    ) -> Decoded:
        """The detections in ``features (C, T)`` after soft-NMS, with M or fewer refinement ``steps``.

        Raises:
            InputError: a rate is out of range, or there are none.
        """
        end = end_snippet(features, timeline)
        rates = self.rates if rates is None else check_rates(rates)
        with threads_for(self.model.members[0] if isinstance(self.model, Ensemble) else self.model):
            candidates = self.candidates(features, end, steps=steps, rates=rates, progress=progress)
        return self.decoder.scaled(features.shape[1]).suppress(candidates)

    def candidates(
        self, features: Features, end: float, *, steps: int | None, rates: Sequence[float], progress: Progress
    ) -> Decoded:
        """The candidates for soft-NMS from all windows of a video that ends at snippet ``end``."""
        snippets = features.shape[1]
        spans = self.windows(snippets, end)
        found = []
        for number, (first, last) in enumerate(spans):
            # A whole video stays in its file, which a slice would read.
            window = features[:, first:last] if last - first < snippets else features
            part = part_of(progress, number / len(spans), (number + 1) / len(spans))
            own = versions(window, rates)
            found.append(self._candidates_in(own, last - first, min(last - first, end - first), steps, part))
        if len(found) == 1:
            return found[0]
        return Decoded(*merge_windows([first for first, _ in spans], *zip(*found, strict=True), end=end))

    def windows(self, snippets: int, end: float) -> list[tuple[int, int]]:
        """First snippet of each window, and the one after its last, of a video that ends at snippet ``end``."""
        return windows(snippets, end, window=self.window, stride=self.window_stride)

    def paths(self, video: EncodedVideo) -> Tensor:
        """The positions of all anchors, every one refined, in snippet time: ``(M + 1, K, 2)``."""
        end = end_snippet(video.features, video.timeline)
        parts = []
        for first, last in self.windows(video.features.shape[1], end):
            size = last - first
            predictions = self.query(video.window(first, size, self.encode), self.anchors(size).segments)
            final = clip(predictions.segments[0], min(size, end - first), minimum_length=1.0)
            path = [*(step.anchors[0] for step in predictions.steps), final]
            parts.append(torch.stack(path) + first)  # (M + 1, K, 2)
        return torch.cat(parts, dim=1)

    def _candidates_in(
        self, window: Sequence[Version], snippets: int, end: float, steps: int | None, progress: Progress
    ) -> Decoded:
        """The candidates in a window of some ``snippets``, from one pass or from chunks."""
        sight = self.model.sight
        # A detection is at least one frame long (paper 3.3); in a feature sequence, that is one snippet.
        limits = {"end": end, "minimum_length": 1.0}
        if sight is not None and max(version.snippets for version in window) > self.chunk:
            return self._candidates_in_chunks(window, snippets, sight, limits, steps, progress)
        anchors = self.anchors(snippets).segments
        predictions = average(
            [
                version.answer(anchors, partial(self.refined, self.encode(version.features[:, :]), steps=steps))
                for version in window
            ]
        )
        found = self.decoder.scaled(snippets).select(predictions, **limits)
        progress(1.0)
        return found

    def _candidates_in_chunks(
        self,
        window: Sequence[Version],
        snippets: int,
        sight: Sight,
        limits: dict[str, float],
        steps: int | None,
        progress: Progress,
    ) -> Decoded:
        decoder = self.decoder.scaled(snippets)
        boundaries = self._boundaries(window, sight.radius) if decoder.asks_boundaries else None
        number, groups = self._groups(snippets, sight)
        candidates, done = Candidates(decoder, **limits), 0
        for positions, segments in groups:
            predictions = average(
                [version.answer(segments, self._ask_chunks(version, sight, steps)) for version in window]
            )
            candidates.add(predictions._replace(boundaries=boundaries), positions)
            done += len(positions)
            del predictions  # before the next ones are made
            progress(done / number)
        return candidates.best()

    def _ask_chunks(self, version: Version, sight: Sight, steps: int | None) -> Callable[[Tensor], Predictions]:
        """``segments (K, 2) → Predictions``, for segments near each other, from pieces of a video."""
        features, snippets = version.features, version.snippets

        def ask(first: int, last: int, segments: Tensor) -> Predictions:
            piece = self.encode(features[:, first:last])
            return self.refined(piece.placed(Place(first, snippets)), segments, steps=steps)

        def ask_group(segments: Tensor) -> Predictions:
            group = (torch.arange(len(segments)), segments)
            return chunks.joined(chunks.answers([group], ask, snippets=snippets, chunk=self.chunk, sight=sight))

        return ask_group

    def _groups(self, snippets: int, sight: Sight) -> tuple[int, Iterable[chunks.Group]]:
        """The number of anchors, and the anchors in groups that share a piece. A lattice makes one group at a time."""
        if isinstance(self.anchors, Lattice):
            width = partial(chunks.tile_width, chunk=self.chunk, context=sight.context)
            return sum(row.number for row in self.anchors.rows(snippets)), self.anchors.groups(snippets, width)
        anchors = self.anchors(snippets).segments
        span = partial(chunks.span, context=sight.context, snippets=snippets)
        return len(anchors), chunks.groups(anchors, self.chunk, span)

    def _boundaries(self, window: Sequence[Version], radius: int) -> Tensor | None:
        """The boundary logits ``(1, 2, T)``, averaged over the rates; ``None`` without a boundary head."""
        found = [version.to_base(self._boundaries_of(version.features, radius)) for version in window]
        known = [boundaries for boundaries in found if boundaries is not None]
        return torch.stack(known).mean(dim=0) if known else None

    def _boundaries_of(self, features: Features | ResampledFeatures, radius: int) -> Tensor | None:
        """The boundary logits ``(1, 2, T)``, computed in chunks; ``None`` if the encoder has no boundary head."""
        found = []
        for piece, own in chunks.pieces(features.shape[1], self.chunk, radius + 1):
            part = features[:, piece][None].to(self.device)
            logits = self.model.boundaries(part, torch.ones(1, part.shape[2], dtype=torch.bool, device=self.device))
            if logits is None:
                return None
            found.append(logits[..., own].float().cpu())
        return torch.cat(found, dim=-1)


def in_seconds(decoded: Decoded, timeline: Timeline, *, video: str, labels: Sequence[str]) -> Detections:
    """Detections of one video in seconds, from those in snippets; without ``labels`` they are proposals."""
    return Detections(
        videos=(video,),
        video_index=np.zeros(len(decoded.scores), dtype=np.int64),
        segments_seconds=timeline.to_seconds(decoded.segments.double()).numpy(),
        labels=tuple(labels) or ("",),
        label_index=decoded.labels.numpy(),
        scores=decoded.scores.double().numpy(),
    )
