"""The options of ``rcl detect``, in groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcl.cli.console import warn
from rcl.cli.options import Location, Overwrite, location
from rcl.system.errors import InputError, listed

if TYPE_CHECKING:
    from rcl.data.detections import Detections
    from rcl.data.video_scores import VideoScores
    from rcl.detector.inputs import Job
    from rcl.detector.operating_points import OperatingPoints
    from rcl.detector.video_detector import VideoDetector

SUBTITLES = (".srt", ".vtt")


@dataclass(frozen=True)
class InputOptions:
    """How the inputs are read."""

    subset: Annotated[str | None, typer.Option(help="Only this subset of the packs.")] = None
    snippets_per_second: Annotated[
        float | None, typer.Option(help="Rate of the features; by default that of the pack, or of the training data.")
    ] = None
    layout: Annotated[
        str | None, typer.Option(help="TC, or CT for transposed features; by default as in the training.")
    ] = None

    def check(self) -> None:
        """Check what needs no checkpoint.

        Raises:
            InputError: a value is not allowed.
        """
        rate = self.snippets_per_second
        if rate is not None and not 0 < rate < math.inf:
            raise InputError("--snippets-per-second", expected="a number above 0", found=str(rate), fix="correct it")
        if self.layout not in ("TC", "CT", None):
            raise InputError("--layout", expected="TC or CT", found=self.layout, fix="correct it")

    def resolved(self, localizer: VideoDetector) -> dict[str, Any]:
        """The settings that the detections depend on."""
        return {"layout": self.layout or localizer.preparation.layout, "snippets_per_second": self.snippets_per_second}

    def jobs(self, inputs: Sequence[Path], localizer: VideoDetector) -> list[Job]:
        """A job for every video of the inputs.

        Raises:
            InputError: an input cannot be read, or two videos have the same name.
        """
        from rcl.detector.inputs import jobs_of_all

        self._check_subset(inputs)
        settings = self.resolved(localizer)
        layout, rate = settings["layout"], settings["snippets_per_second"]
        return jobs_of_all(inputs, localizer, self.subset, layout, rate)

    def _check_subset(self, inputs: Sequence[Path]) -> None:
        """Check that a subset has a pack to choose from; of other inputs, say that all is searched."""
        from rcl.data.pack import is_pack

        others = [str(path) for path in inputs if not is_pack(path)]
        if not self.subset or not others:
            return
        if len(others) == len(inputs):
            fix = "leave it out"
            raise InputError("--subset", expected="a pack, which has subsets", found=listed(others, 3), fix=fix)
        warn(f"--subset concerns packs alone; everything in {listed(others, 3)} is searched.")


@dataclass(frozen=True)
class SearchOptions:
    """How thoroughly a video is searched."""

    steps: Annotated[
        int | None, typer.Option(min=1, help="Refinement steps, at most those of the training; by default all.")
    ] = None
    rates: Annotated[
        str | None,
        typer.Option(help="Rates of the features whose answers are averaged, e.g. 0.7,1,1.4; by default 1 alone."),
    ] = None

    def arguments(self, most_steps: int) -> dict[str, Any]:
        """The keyword arguments of ``Localizer.detect_prepared``, of a detector trained with so many steps.

        Raises:
            InputError: more steps than in the training, or a rate that is no number or out of range.
        """
        if self.steps and self.steps > most_steps:
            expected = f"at most the {most_steps} of the training"
            raise InputError("--steps", expected=expected, found=str(self.steps), fix="choose fewer")
        return {"steps": self.steps, "rates": None if self.rates is None else _parse_rates(self.rates)}


def _parse_rates(text: str) -> tuple[float, ...]:
    """The rates of ``0.7,1,1.4``."""
    from rcl.detector.given_rates import check_rates

    try:
        rates = tuple(float(part) for part in text.split(","))
    except ValueError:
        fix = "write e.g. 0.7,1,1.4"
        raise InputError("--rates", expected="numbers separated by commas", found=text, fix=fix) from None
    return check_rates(rates, "--rates")


@dataclass(frozen=True)
class OutputOptions:
    """Which detections are written, their subtitles, and what may be replaced."""

    decide: Annotated[
        bool,
        typer.Option(
            "--decide",
            help="Write a list of what happened, not a ranking: the detections above the threshold of their class, "
            "with calibrated scores. rcl fit and rcl calibrate choose the thresholds.",
        ),
    ] = False
    subtitles: Annotated[
        Location | None,
        typer.Option(
            help="Folder for VIDEO.srt and VIDEO.vtt, which players show over the video.",
            parser=location,
        ),
    ] = None
    min_score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Lowest score that subtitles show, 0.4 by default; with --decide 0."),
    ] = None
    overwrite: Overwrite = False

    def check(self, videos: Sequence[str]) -> None:
        """Check that no file in the folder is replaced but earlier subtitles of detections.

        Raises:
            InputError: there is another file.
        """
        from rcl.cli import output_kinds as kinds
        from rcl.cli.outputs import check_all_replaceable

        if self.subtitles is not None:
            names = [f"{video}{extension}" for video in videos for extension in SUBTITLES]
            check_all_replaceable(self.subtitles, names, kinds.SUBTITLES, overwrite=self.overwrite)

    def save(self, detections: Detections, path: Path) -> None:
        """Write a file of subtitles."""
        from rcl.data.formats.subtitles import MIN_SCORE, save_subtitles

        usual = 0.0 if self.decide else MIN_SCORE
        save_subtitles(detections, path, min_score=usual if self.min_score is None else self.min_score)

    def deciding(
        self, points: OperatingPoints | None, scores: VideoScores | None, *, checkpoint: object
    ) -> OperatingPoints | None:
        """What decides which detections are written, or ``None`` for all.

        Args:
            points: those of the detector, if it has some.
            scores: class scores that label the proposals.
            checkpoint: the file of the detector, for messages.

        Raises:
            InputError: there are no operating points to decide by, or they are for scores of other labels.
        """
        from rcl.detector.operating_points import known_points

        if not self.decide:
            return None
        if scores:
            fix = "leave one of them out: thresholds are chosen on the scores of the detector itself"
            raise InputError("--decide", expected="labels of the detector", found="--video-scores", fix=fix)
        return known_points(points, checkpoint=checkpoint)

    def save_to_folder(self, detections: Detections, video: str) -> bool:
        """Write the subtitles of a video to the folder, if there is one. Returns whether that worked."""
        from rcl.data.feature_store import leaves_folder

        if self.subtitles is None:
            return True
        try:
            if leaves_folder(video) or not video.strip("."):  # arrays of an archive may have any name
                expected, fix = "a name inside the folder", "rename the array"
                raise InputError(f"video {video!r}", expected=expected, found="one that leads out of it", fix=fix)
            for extension in SUBTITLES:
                self.save(detections, self.subtitles / f"{video}{extension}")
        except InputError as error:
            warn(error)
            return False
        return True


@dataclass(frozen=True)
class LabelOptions:
    """Labels of proposals from class scores of whole videos."""

    video_scores: Annotated[
        Location | None,
        typer.Option(
            help="Class scores of whole videos, which label the proposals: CUHK's JSON, UntrimmedNet's .npy.",
            parser=location,
        ),
    ] = None
    video_labels: Annotated[int, typer.Option(min=1, help="How many of a video's best labels each proposal gets.")] = 1

    def load(self, jobs: Sequence[Job], localizer: VideoDetector) -> VideoScores | None:
        """The class scores, which must cover all jobs.

        Raises:
            InputError: the checkpoint labels its detections itself, or a video has no scores.
        """
        from rcl.data.video_scores import load_video_scores

        if self.video_scores is None:
            return None
        if localizer.labels:
            found = f"one that labels its detections ({listed(list(localizer.labels), 3)})"
            fix = "leave the scores out, or train with model.labels=none"
            raise InputError("--video-scores", expected="a checkpoint that makes proposals", found=found, fix=fix)
        scores = load_video_scores(self.video_scores)
        scores.rows([job.video for job in jobs])
        return scores
