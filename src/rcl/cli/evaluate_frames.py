"""``rcl evaluate --frames``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.arguments import detections_first
from rcl.cli.console import print_table, warn
from rcl.cli.extraction_options import checked_rate
from rcl.cli.ground_truth import GroundTruth, TruthOptions
from rcl.system.errors import InputError
from rcl.system.paths import is_dir

if TYPE_CHECKING:
    import numpy as np

    from rcl.evaluation.framing import FrameTruth


@dataclass(frozen=True)
class FrameMeasureOptions:
    """Whether and how labels of frames are compared."""

    frames: Annotated[
        bool,
        typer.Option(
            "--frames",
            help="Accuracy, Edit and F1@10, 25, 50 of a label per frame, as MS-TCN's script computes them. Results "
            "are detections, of which the best one labels a frame, or a folder of frame label files.",
        ),
    ] = False
    fps: Annotated[
        float | None, typer.Option(help="With --frames: frames per second; by default the rate in the annotations.")
    ] = None
    background: Annotated[str, typer.Option(help="With --frames: the label of frames in which no action happens.")] = (
        "background"
    )
    min_score: Annotated[float | None, typer.Option(help="With --frames: leave out detections of lower scores.")] = None

    def check_unused(self) -> None:
        """Check that no option asks for something without ``--frames``.

        Raises:
            InputError: one does.
        """
        for option, given in {"--fps": self.fps is not None, "--min-score": self.min_score is not None}.items():
            if given:
                fix = "add --frames, or leave it out"
                raise InputError(option, expected="--frames, to which it belongs", found="none", fix=fix)

    def evaluate(
        self, results: Path, annotations: Path, chosen: TruthOptions, *, output: Path | None, overwrite: bool
    ) -> None:
        """Evaluate, print the measures and write them to the ``output``, if it is given.

        Raises:
            InputError: an option or a file does not fit.
        """
        from rcl.cli.output_kinds import FRAME_EVALUATION
        from rcl.cli.outputs import check_replaceable
        from rcl.cli.tables import frame_table
        from rcl.evaluation.frames import evaluate_frames
        from rcl.evaluation.framing import overlapping_instances, reviewed_parts, true_frames
        from rcl.system.text_files import write_json

        fps = checked_rate("--fps", self.fps)
        if output:
            check_replaceable(output, FRAME_EVALUATION, overwrite=overwrite, inputs=[results, annotations])
        with detections_first("evaluate", results, annotations):
            ground = GroundTruth.load(annotations, chosen)
            truth = true_frames(ground.chosen, fps=fps, background=self.background)
            found = self._load(results, ground, truth)
        if sentence := overlapping_instances(ground.chosen):
            warn(sentence)
        labels = {video: own.labels for video, own in truth.items()}
        found, labels = (reviewed_parts(videos, ground.chosen, truth) for videos in (found, labels))
        evaluation = evaluate_frames(found, labels, background=(self.background,))
        ground.print_reviewed()
        print_table(frame_table(evaluation))
        if output:
            write_json(output, evaluation.to_json(), indent=1)

    def _load(self, results: Path, ground: GroundTruth, truth: dict[str, FrameTruth]) -> dict[str, np.ndarray]:
        """The frame labels of a results file, or of a folder of files. What does not fit is said."""
        from rcl.data.formats.frame_labels import load_frame_labels
        from rcl.data.formats.results import load_detections
        from rcl.evaluation.framing import frames_of_detections, join_frames
        from rcl.evaluation.joining import differences

        if is_dir(results):
            if self.min_score is not None:
                fix = "leave it out, or give detections"
                raise InputError("--min-score", expected="detections", found="frame labels without scores", fix=fix)
            videos = load_frame_labels(results)
            found, sentences = join_frames(videos, ground.everything, truth, background=self.background, where=results)
        else:
            detections = ground.join(load_detections(results), where=results)
            if detections.labels == ("",):
                fix = "give detections with labels"
                raise InputError(results, expected="labels, one for each frame", found="proposals without", fix=fix)
            if self.min_score is not None:
                detections = detections[detections.scores >= self.min_score]
                if not len(detections):
                    warn(f"no detection has a score of at least {self.min_score:g}: every frame is {self.background}.")
            found = frames_of_detections(detections, truth, background=self.background)
            sentences = differences(detections, ground.chosen, framewise=True)
        for sentence in sentences:
            warn(sentence)
        return found
