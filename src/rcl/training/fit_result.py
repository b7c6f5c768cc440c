"""The result of ``rcl.fit``, and what follows it on the way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.features import Features
from rcl.data.segments import Timeline
from rcl.detector.localizer import Localizer
from rcl.evaluation.bootstrap import Comparison
from rcl.evaluation.metrics import Evaluation
from rcl.system.errors import InputError
from rcl.training.calibrate import Calibrated
from rcl.training.choices import Choice
from rcl.training.plan import LabelledVideos
from rcl.video.packs import Outcome

log = logging.getLogger("rcl")


@dataclass(frozen=True)
class FitResult:
    """A fitted detector, and how well it does on the held-out videos.

    Args:
        checkpoint: ``last.ckpt`` in the folder of the run.
        localizer: the detector.
        choices: the settings chosen from the data.
        labelled: the videos and their labels.
        problems: name to error of the videos that could not be used.
        pack: the folder of the features.
        files: name to file of the videos, as far as they are known.
        annotations: ground truth of the held-out videos; ``None`` if no video was held out, like the next two.
        detections: the detections in them.
        evaluation: the detections compared with the ground truth.
        features: name to a function that reads features ``(C, T)`` and timeline of a held-out video.
        comparison: of the detector of the earlier run and this one on these videos, if there is an earlier run.
        calibrated: the operating points that were chosen on these videos; ``None`` if nothing was detected in them.
    """

    checkpoint: Path
    localizer: Localizer
    choices: tuple[Choice, ...]
    labelled: LabelledVideos
    problems: Mapping[str, InputError]
    pack: Path
    files: Mapping[str, Path]
    annotations: Annotations | None = None
    detections: Detections | None = None
    evaluation: Evaluation | None = None
    features: Mapping[str, Callable[[], tuple[Features, Timeline]]] = field(default_factory=dict)
    comparison: Comparison | None = None
    calibrated: Calibrated | None = None


class FitObserver:
    """Follows a fit. This one logs warnings; a subclass can show progress."""

    def matched(self, labelled: LabelledVideos) -> None:
        """Labels and videos were matched."""
        for sentence in labelled.doubts():
            log.warning("%s", sentence)

    @contextmanager
    def extraction(self, videos: Mapping[str, Path]) -> Iterator[Callable[[str, float], None]]:
        """Around the extraction. Yields a function that takes the name of a video and its finished seconds."""
        yield lambda video, seconds: None

    def extracted(self, outcome: Outcome) -> None:
        """A video is finished."""
        if outcome.error:
            log.warning("%s", outcome.error)

    def split(self, annotations: Annotations, held_out: str | None) -> None:
        """It is known which videos are held out: the labels of all videos, and the subset that is held out, if any."""

    def trained(self, share: float) -> None:
        """So much of the training is done, in [0, 1]. Called after every step."""

    @contextmanager
    def evaluation(self, videos: int) -> Iterator[Callable[[], None]]:
        """Around the search of so many held-out videos. Yields a function to call after each."""
        yield lambda: None

    def tried(self, name: str, fold: int, average_map: float) -> None:
        """Settings were tried: trained on the training videos but a fold, and evaluated on that."""

    def chosen(self, choice: Choice) -> None:
        """A setting was chosen from the data."""
