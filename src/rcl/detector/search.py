"""Search for actions in a video of any length."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rcl.data.features import Features
from rcl.data.segments import Timeline, clip
from rcl.data.windows import merge_windows, window_starts
from rcl.detector import chunks
from rcl.detector.encoded_video import EncodedVideo
from rcl.detector.progress import Progress, no_progress, part_of
from rcl.models.decoding import Candidates, Decoded, Decoder
from rcl.models.detector import Detector, Sight
from rcl.models.encoding import Place
from rcl.models.predictions import AnchorScores, Predictions
from rcl.models.sampling import Anchors, Lattice
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
        device: torch.device | str | None = None,
    ) -> None:
        self.device = torch.device(device) if device else best_device()
        self.model = model.to(self.device).eval()
        self.anchors = anchors
        self.decoder = decoder
        self.window = window
        self.window_stride = window_stride
        sight = model.sight
        self.chunk = chunk or max(CHUNK_SNIPPETS, CHUNK_RADII * sight.radius if sight else 0)

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

    @torch.inference_mode()
    def detect(
        self, features: Features, timeline: Timeline, *, steps: int | None = None, progress: Progress = no_progress
    ) -> Decoded:
        """The detections in ``features (C, T)`` after soft-NMS, with M or fewer refinement ``steps``."""
        end = end_snippet(features, timeline)
        with threads_for(self.model):
            candidates = self.candidates(features, end, steps=steps, progress=progress)
        return self.decoder.scaled(features.shape[1]).suppress(candidates)

    def candidates(self, features: Features, end: float, *, steps: int | None, progress: Progress) -> Decoded:
        """The candidates for soft-NMS from all windows of a video that ends at snippet ``end``."""
        snippets = features.shape[1]
        windows = self.windows(snippets, end)
        found = []
        for number, (first, last) in enumerate(windows):
            # A whole video stays in its file, which a slice would read.
            window = features[:, first:last] if last - first < snippets else features
            part = part_of(progress, number / len(windows), (number + 1) / len(windows))
            found.append(self._candidates_in(window, min(last - first, end - first), steps, part))
        if len(found) == 1:
            return found[0]
        return Decoded(*merge_windows([first for first, _ in windows], *zip(*found, strict=True), end=end))

    def windows(self, snippets: int, end: float) -> list[tuple[int, int]]:
        """First snippet of each window, and the one after its last, of a video that ends at snippet ``end``."""
        window = self.window or snippets
        # Features may reach a little beyond the video; a window that starts there would be empty.
        covered = max(math.ceil(end), 1)
        starts = window_starts(covered, window, self.window_stride if self.window else None)
        return [(start, min(start + window, snippets)) for start in starts.tolist()]

    def paths(self, video: EncodedVideo) -> Tensor:
        """The positions of all anchors during refinement, as in detection, in snippet time: ``(M + 1, K, 2)``."""
        end = end_snippet(video.features, video.timeline)
        parts = []
        for first, last in self.windows(video.features.shape[1], end):
            size = last - first
            predictions = self.query(video.window(first, size, self.encode), self.anchors(size).segments)
            final = clip(predictions.segments[0], min(size, end - first), minimum_length=1.0)
            path = [*(step.anchors[0] for step in predictions.steps), final]
            parts.append(torch.stack(path) + first)  # (M + 1, K, 2)
        return torch.cat(parts, dim=1)

    def _candidates_in(self, features: Features, end: float, steps: int | None, progress: Progress) -> Decoded:
        """The candidates in a window, from one pass or from chunks."""
        snippets, sight = features.shape[1], self.model.sight
        # A detection is at least one frame long (paper 3.3); in a feature sequence, that is one snippet.
        limits = {"end": end, "minimum_length": 1.0}
        if snippets > self.chunk and sight is not None:
            return self._candidates_in_chunks(features, sight, limits, steps, progress)
        predictions = self.query(self.encode(features[:, :]), self.anchors(snippets).segments, steps=steps)
        found = self.decoder.scaled(snippets).select(predictions, **limits)
        progress(1.0)
        return found

    def _candidates_in_chunks(
        self, features: Features, sight: Sight, limits: dict[str, float], steps: int | None, progress: Progress
    ) -> Decoded:
        snippets, decoder = features.shape[1], self.decoder.scaled(features.shape[1])

        def ask(first: int, last: int, segments: Tensor) -> Predictions:
            piece = self.encode(features[:, first:last])
            return self.query(piece._replace(place=Place(first, snippets), boundaries=None), segments, steps=steps)

        boundaries = self._boundaries(features, sight.radius) if decoder.asks_boundaries else None
        number, groups = self._groups(snippets, sight)
        candidates, done = Candidates(decoder, **limits), 0
        for positions, predictions in chunks.answers(groups, ask, snippets=snippets, chunk=self.chunk, sight=sight):
            candidates.add(predictions._replace(boundaries=boundaries), positions)
            done += len(positions)
            del predictions  # before the next ones are made
            progress(done / number)
        return candidates.best()

    def _groups(self, snippets: int, sight: Sight) -> tuple[int, Iterable[chunks.Group]]:
        """The number of anchors, and the anchors in groups that share a piece. A lattice makes one group at a time."""
        if isinstance(self.anchors, Lattice):
            width = partial(chunks.tile_width, chunk=self.chunk, context=sight.context)
            return sum(row.number for row in self.anchors.rows(snippets)), self.anchors.groups(snippets, width)
        anchors = self.anchors(snippets).segments
        span = partial(chunks.span, context=sight.context, snippets=snippets)
        return len(anchors), chunks.groups(anchors, self.chunk, span)

    def _boundaries(self, features: Features, radius: int) -> Tensor | None:
        """The boundary logits ``(1, 2, T)``, computed in chunks; ``None`` if the encoder has no boundary head."""
        found = []
        for piece, own in chunks.pieces(features.shape[1], self.chunk, radius + 1):
            part = features[:, piece][None].to(self.device)
            encoded = self.model.encoder(part, torch.ones(1, part.shape[2], dtype=torch.bool, device=self.device))
            if encoded.boundaries is None:
                return None
            found.append(encoded.boundaries[..., own].float().cpu())
        return torch.cat(found, dim=-1)


def end_snippet(features: Features, timeline: Timeline) -> float:
    """The end of a video in snippet time. Features may reach beyond it."""
    return min(features.shape[1], (timeline.end_seconds - timeline.start_seconds) * timeline.snippets_per_second)
