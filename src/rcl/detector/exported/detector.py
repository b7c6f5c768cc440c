"""A detector that was exported: the graph in ONNX Runtime, and everything around it in NumPy. PyTorch is not needed."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from rcl.data.detections import Detections
from rcl.data.features import ReadableFeatures
from rcl.data.preparation import Preparation
from rcl.data.streams import Stream
from rcl.data.timeline import Timeline, end_snippet
from rcl.data.window_places import windows
from rcl.detector.exported.decoding import Decoded, Outputs, average, merge
from rcl.detector.exported.description import Description, read_description
from rcl.detector.exported.preparing import apply, checked
from rcl.detector.exported.resizing import resample
from rcl.detector.exported.segments import anchors
from rcl.detector.given_rates import checked_rate
from rcl.detector.operating_points import OperatingPoints
from rcl.detector.progress import Progress, no_progress
from rcl.detector.training_rate import at_training_rate
from rcl.system.device import SMALL_PARAMETERS
from rcl.system.errors import InputError, describe_error, located
from rcl.system.transfer import read_bytes

if TYPE_CHECKING:
    from rcl.video.extractor import Extractor

SMALL_BYTES = 4 * SMALL_PARAMETERS  # of a graph
Run = Callable[[np.ndarray, np.ndarray], Outputs]
"""``features (C, T), anchors (K, 2) → Outputs``."""


class ExportedDetector:
    """Detects actions as ``Localizer`` does; see :class:`rcl.detector.video_detector.VideoDetector`.

    Args:
        run: the graph.
        description: everything else.

    Attributes:
        extractor: extracts features of videos, which needs PyTorch; none until one is set.
    """

    extractor: Extractor | None = None

    def __init__(self, run: Run, description: Description) -> None:
        self.run = run
        self.description = description

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        threads: int | None = None,
    ) -> ExportedDetector:
        """The detector of ``model.onnx`` and ``model.json`` next to it.

        Args:
            path: the graph.
            threads: as in :func:`open_graph`.

        Raises:
            InputError: one of the files is missing or damaged, they do not belong together, or ONNX Runtime is missing.
        """
        description = read_description(path)
        return cls(open_graph(read_bytes(path), where=path, threads=threads), description)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names; empty for proposals."""
        return self.description.labels

    @property
    def in_channels(self) -> int:
        """Width of the features."""
        return self.description.channels

    @property
    def streams(self) -> tuple[Stream, ...]:
        """What the features consist of, side by side; empty for a single stream."""
        return self.description.streams

    @property
    def snippets_per_second(self) -> float | None:
        """Rate of the training features, for features that are given without a rate."""
        return self.description.snippets_per_second

    @property
    def preparation(self) -> Preparation:
        """What was done to the features in training."""
        return self.description.preparation

    @property
    def operating_points(self) -> OperatingPoints | None:
        """By which a list of what happened is decided, if they were chosen."""
        return self.description.operating_points

    def prepare(
        self,
        features: np.ndarray | ReadableFeatures | Sequence[Path],
        snippets_per_second: float | None = None,
        *,
        video: str = "video",
        progress: Progress | None = None,
    ) -> tuple[np.ndarray, Timeline]:
        """Check, resize and scale features: ``(C, T)`` and their timeline.

        Args:
            features: ``(T, C)``, or the recordings of one video.
            snippets_per_second: rate of features; without one, they have that of the training.
            video: for messages.
            progress: of the extraction.

        Raises:
            InputError: the features cannot be read or do not fit, or their rate is unknown or not possible.
        """
        end_seconds = math.inf
        opened: np.ndarray | ReadableFeatures
        if isinstance(features, list | tuple):
            from rcl.detector.prepare import extract_given  # needs PyTorch

            opened, _, end_seconds, snippets_per_second, _ = extract_given(features, self.extractor, progress)
        else:
            opened = cast("np.ndarray | ReadableFeatures", features)
        with located(f"video {video!r}"):
            values = checked(opened, self.in_channels, self.streams)
            rate = checked_rate(self.snippets_per_second if snippets_per_second is None else snippets_per_second)
        return self._prepared(values, self.preparation.timeline(len(values), rate, end_seconds=end_seconds))

    def open(self, features: np.ndarray | ReadableFeatures, timeline: Timeline) -> tuple[np.ndarray, Timeline]:
        """Prepare features ``(T, C)``; ``timeline`` is that of their own rate, prepared.

        Raises:
            InputError: see :meth:`prepare`.
        """
        with located(getattr(features, "where", "features")):
            return self._prepared(checked(features, self.in_channels, self.streams), timeline)

    def detect(
        self, features: np.ndarray, snippets_per_second: float | None = None, *, video: str = "video"
    ) -> Detections:
        """Detect the actions in features ``(T, C)``: detections in seconds, best first.

        Raises:
            InputError: see :meth:`prepare`.
        """
        return self.detect_prepared(*self.prepare(features, snippets_per_second, video=video), video=video)

    def detect_prepared(
        self,
        features: np.ndarray,
        timeline: Timeline,
        *,
        video: str,
        steps: int | None = None,
        rates: Sequence[float] | None = None,
        progress: Progress | None = None,
    ) -> Detections:
        """Detect the actions in features ``(C, T)`` from :meth:`prepare`; arguments as in ``Localizer``.

        Raises:
            InputError: ``steps`` are others than those of the graph.
        """
        if steps not in (None, self.description.steps):
            expected, fix = f"the {self.description.steps} of the graph", "export it with these steps, or leave it out"
            raise InputError("--steps", expected=expected, found=str(steps), fix=fix)
        end = end_snippet(features, timeline)
        found = self._candidates(features, end, rates or self.description.rates, progress or no_progress)
        segments, label_index, scores = self.description.decoder.scaled(features.shape[1]).suppress(found)
        return Detections(
            videos=(video,),
            video_index=np.zeros(len(scores), dtype=np.int64),
            segments_seconds=timeline.to_seconds(segments.astype(np.float64)),
            labels=self.labels or ("",),
            label_index=label_index,
            scores=scores.astype(np.float64),
        )

    def _prepared(self, features: np.ndarray, timeline: Timeline) -> tuple[np.ndarray, Timeline]:
        known = self.preparation, self.snippets_per_second, self.description.longest_seconds
        return at_training_rate(partial(apply, features), resample, timeline, *known)

    def _candidates(self, features: np.ndarray, end: float, rates: Sequence[float], progress: Progress) -> Decoded:
        """The candidates for soft-NMS from all windows of a video that ends at snippet ``end``."""
        snippets = features.shape[1]
        spans = windows(snippets, end, window=self.description.window, stride=self.description.window_stride)
        found = []
        for first, last in spans:
            decoder = self.description.decoder.scaled(last - first)
            answers = self._answers(features[:, first:last], rates)
            found.append(decoder.select(answers, end=min(last - first, end - first)))
            progress(len(found) / len(spans))
        return found[0] if len(found) == 1 else merge([first for first, _ in spans], found, end=end)

    def _answers(self, features: np.ndarray, rates: Sequence[float]) -> Outputs:
        """The answers about all anchors of a video or window ``(C, T)``, averaged over the rates."""
        snippets = features.shape[1]
        segments = anchors(snippets, self.description.anchors)
        answers = []
        for rate in rates:
            own = max(round(rate * snippets), 1)
            scaled = segments if own == snippets else segments * np.float32(own / snippets)
            answers.append(self.run(resample(features, own), scaled).at_rate(own, snippets))
        return average(answers)


def open_graph(graph: bytes, *, where: object = "the graph", threads: int | None = None) -> Run:
    """The function that a graph computes.

    Args:
        graph: the content of its file.
        where: for messages.
        threads: of ONNX Runtime; by default ``OMP_NUM_THREADS``, else 1 for a small network and all cores for others.

    Raises:
        InputError: ONNX Runtime is missing, or cannot read the graph.
    """
    try:
        import onnxruntime
    except ImportError:
        fix = "install it: pip install onnxruntime"
        raise InputError("ONNX Runtime", expected="the package onnxruntime", found="none", fix=fix) from None
    usual = int(os.environ.get("OMP_NUM_THREADS") or (1 if len(graph) < SMALL_BYTES else 0))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usual if threads is None else threads  # 0: one per core
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common type
        fix = "export the detector again with rcl export-model"
        raise InputError(where, expected="an ONNX graph", found=describe_error(error), fix=fix) from None
    names = [output.name for output in session.get_outputs()]

    def run(features: np.ndarray, anchors: np.ndarray) -> Outputs:
        inputs = {"features": np.ascontiguousarray(features, np.float32), "anchors": anchors.astype(np.float32)}
        return Outputs(**dict(zip(names, session.run(names, inputs), strict=True)))

    return run
