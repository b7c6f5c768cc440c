"""``rcl segment``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.arguments import check_checkpoint_first
from rcl.cli.console import warn
from rcl.cli.detect import CheckpointFile, Inputs, Results, outcomes, partial_results, search_of
from rcl.cli.detect_options import InputOptions, OutputOptions, SearchOptions
from rcl.cli.extraction_options import DetectorFiles, checked_rate
from rcl.cli.options import EngineOptions, Location, Overwrite, Threads, location, stdout_kept_for_results
from rcl.system.errors import InputError, counted

if TYPE_CHECKING:
    from rcl.detector.detect_many import Found
    from rcl.detector.inputs import Job
    from rcl.detector.localizer import Localizer


@dataclass(frozen=True)
class FrameOptions:
    """Files of frame labels."""

    frames: Annotated[
        Location | None, typer.Option(help="Folder for a file of frame labels per video.", parser=location)
    ] = None
    fps: Annotated[
        float | None, typer.Option(help="Frames per second of these files; by default the rate of the features.")
    ] = None
    form: Annotated[
        str,
        typer.Option(
            help="results: VIDEO, as the public code of MS-TCN writes results. lines: VIDEO.txt, a label per line."
        ),
    ] = "results"
    background: Annotated[str, typer.Option(help="The label of frames in which no action happens.")] = "background"
    overwrite: Overwrite = False

    def check(self, jobs: Sequence[Job], localizer: Localizer) -> None:
        """Check before the work that the files can be written.

        Raises:
            InputError: an option does not fit, or a file of another kind would be replaced.
        """
        from rcl.cli import output_kinds as kinds
        from rcl.cli.outputs import check_all_replaceable
        from rcl.data.formats.frame_labels import check_form, file_name, text_of
        from rcl.system.errors import located
        from rcl.system.text_files import check_place

        form = check_form(self.form)
        checked_rate("--fps", self.fps)
        if self.frames is None:
            return
        for job in jobs:
            self.rate_of(job)
        with located("--frames"):
            text_of([self.background, *localizer.labels], form)
        kind = kinds.FRAME_LABELS if form == "results" else kinds.NOTHING
        names = [file_name(job.video, form) for job in jobs]
        check_all_replaceable(self.frames, names, kind, overwrite=self.overwrite)
        check_place(self.frames / "video.txt")

    def rate_of(self, job: Job) -> float:
        """Frames per second of a video.

        Raises:
            InputError: it is unknown.
        """
        rate = self.fps or job.fps
        if rate is None:
            where, found = f"video {job.video!r}", "neither with the features nor in the checkpoint"
            raise InputError(where, expected="its frames per second", found=found, fix="add --fps")
        return rate


class Segmentations(Results):
    """The segmentations of all videos, whose frame labels are written as they come.

    Args:
        jobs: all videos.
        framing: where and how.
    """

    def __init__(self, jobs: Sequence[Job], framing: FrameOptions) -> None:
        super().__init__(jobs, None, 1, OutputOptions())
        self.framing = framing
        self.jobs = {job.video: job for job in jobs}

    def add(self, outcome: Found) -> None:
        """Take the segmentation of a video and write its frame labels, or print its error."""
        super().add(outcome)
        if self.framing.frames is not None and outcome.detections is not None:
            try:
                self._save_frames(outcome, self.framing.frames)
            except InputError as error:
                warn(error)
                del self.found[outcome.video]  # so it counts as failed, and a rerun tries it again

    def _save_frames(self, outcome: Found, folder: Path) -> None:
        from rcl.data.formats.frame_labels import check_form, save_frame_labels
        from rcl.data.frames import number_of_frames, to_frames

        found, rate = outcome.detections, self.framing.rate_of(self.jobs[outcome.video])
        if found is None or outcome.end_seconds is None:
            return
        labels = [found.labels[index] or "action" for index in found.label_index]  # proposals have no label
        count = number_of_frames(outcome.end_seconds, rate)
        frames = to_frames(found.segments_seconds, labels, count, rate, background=self.framing.background)
        save_frame_labels({outcome.video: frames}, folder, form=check_form(self.framing.form))


def segment(
    checkpoint: CheckpointFile,
    output: Annotated[Location, typer.Option(help="Segments: .json or .csv.", parser=location)],
    reading: InputOptions,
    framing: FrameOptions,
    moved: DetectorFiles,
    engine: EngineOptions,
    searching: SearchOptions,
    inputs: Inputs = None,
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="Lowest score of a segment; with a lower one, less is background.")
    ] = 0.45,
    workers: Annotated[int | None, typer.Option(min=1, help="ray: workers; by default one per GPU or core.")] = None,
    threads: Threads = None,
) -> None:
    """Give every moment of videos one label, or background: the best segments that do not overlap.

    They are written as detections. After an interruption, run the same command again to continue.
    """
    from rcl.detector.checkpoint import find_checkpoint, read_checkpoint
    from rcl.detector.localizer import Localizer

    inputs = check_checkpoint_first("segment", checkpoint, inputs, wanted="videos, packs or features")
    _check_output(output, inputs, overwrite=framing.overwrite)
    reading.check()
    cluster = engine.cluster(workers=workers, network=True)
    kept = read_checkpoint(checkpoint)
    localizer = Localizer.from_checkpoint(kept, **moved.arguments())
    asked, jobs = searching.arguments(localizer.model.steps), reading.jobs(inputs, localizer)
    framing.check(jobs, localizer)
    results = Segmentations(jobs, framing)
    settings = {**asked, "video_fps": moved.video_fps, **reading.resolved(localizer), "segments_above": min_score}
    partial = partial_results(output, [find_checkpoint(checkpoint)], settings)
    localizer.search = localizer.search.segmenter(min_score)
    search = search_of(kept, localizer, cluster, moved, asked, segments_above=min_score)
    with stdout_kept_for_results(cluster):
        for outcome in outcomes(jobs, partial, search):
            results.add(outcome)
    results.save(output)
    if results.is_complete():
        partial.clear()
    if framing.frames is not None and results.found:
        print(f"frame labels of {counted(len(results.found), 'video')}: {framing.frames}")
    results.exit_if_incomplete()


def _check_output(output: Path, inputs: Sequence[Path], *, overwrite: bool) -> None:
    from rcl.cli.output_kinds import DETECTIONS
    from rcl.cli.outputs import check_replaceable
    from rcl.system.text_files import check_place, extension_of

    extension_of(output, (".json", ".csv"), fix="rename the output")
    check_replaceable(output, DETECTIONS, overwrite=overwrite, inputs=inputs)
    check_place(output)
