"""What finds actions in videos: a detector in PyTorch, or one that was exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from rcl.data.detections import Detections
from rcl.data.preparation import Preparation
from rcl.data.streams import Stream
from rcl.data.timeline import Timeline
from rcl.detector.progress import Progress
from rcl.video.extractor import Extractor


class VideoDetector(Protocol):
    """The part of ``Localizer`` by which features are read, prepared and searched.

    What :meth:`prepare` and :meth:`open` return is features ``(C, T)`` as a tensor or as an array.
    """

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def in_channels(self) -> int: ...
    @property
    def snippets_per_second(self) -> float | None: ...
    @property
    def streams(self) -> tuple[Stream, ...]: ...
    @property
    def preparation(self) -> Preparation: ...
    @property
    def extractor(self) -> Extractor | None: ...

    def prepare(
        self, features: Any, snippets_per_second: float | None = None, *, video: str, progress: Progress | None = None
    ) -> tuple[Any, Timeline]:
        """See ``Localizer.prepare``."""

    def open(self, features: Any, timeline: Timeline) -> tuple[Any, Timeline]:
        """See ``Localizer.open``."""

    def detect_prepared(
        self,
        features: Any,
        timeline: Timeline,
        *,
        video: str,
        steps: int | None = None,
        rates: Sequence[float] | None = None,
        progress: Progress | None = None,
    ) -> Detections:
        """See ``Localizer.detect_prepared``."""
