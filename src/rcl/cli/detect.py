"""``rcl detect``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from rcl.cli.arguments import check_checkpoint_first
from rcl.cli.console import exit_if_failed, note, warn
from rcl.cli.detect_options import SUBTITLES, InputOptions, LabelOptions, OutputOptions, SearchOptions
from rcl.cli.extraction_options import DetectorFiles
from rcl.cli.options import EngineOptions, Location, Threads, location, stdout_kept_for_results
from rcl.system.errors import InputError, counted

if TYPE_CHECKING:
    from rcl.data.detections import Detections
    from rcl.data.video_scores import VideoScores
    from rcl.detector.checkpoint import Checkpoint
    from rcl.detector.detect_many import Found
    from rcl.detector.inputs import Job
    from rcl.detector.operating_points import OperatingPoints
    from rcl.detector.partial_results import PartialResults
    from rcl.detector.video_detector import VideoDetector
    from rcl.system.ray_cluster import Cluster

    Search: TypeAlias = Callable[[Sequence[Job], Callable[[int, float], None]], Iterator[Found]]


CheckpointFile = Annotated[
    Location, typer.Argument(help="last.ckpt of a training run, or its folder.", parser=location)
]
DetectorFile = Annotated[
    Location,
    typer.Argument(
        help="last.ckpt of a training run, or its folder; or model.onnx of rcl export-model.", parser=location
    ),
]
Inputs = Annotated[
    list[Location] | None,
    typer.Argument(metavar="INPUT...", help="Videos, folders of videos, packs or feature files.", parser=location),
]


def detect(
    checkpoint: DetectorFile,
    output: Annotated[
        Location, typer.Option(help="Results: .json or .csv; .srt or .vtt for a single video.", parser=location)
    ],
    reading: InputOptions,
    writing: OutputOptions,
    labels: LabelOptions,
    moved: DetectorFiles,
    engine: EngineOptions,
    searching: SearchOptions,
    inputs: Inputs = None,
    workers: Annotated[int | None, typer.Option(min=1, help="ray: workers; by default one per GPU or core.")] = None,
    threads: Threads = None,
) -> None:
    """Detect actions and write them as ActivityNet results JSON, as CSV, or as subtitles.

    After an interruption, run the same command again to continue. Videos that failed are tried again.
    """
    from rcl.cli.detector_files import check_steps, open_detector

    inputs = check_checkpoint_first("detect", checkpoint, inputs, wanted="videos, packs or features")
    _check_options(output, inputs, reading, writing)
    cluster = engine.cluster(workers=workers, network=True)
    opened = open_detector(checkpoint, inputs, moved, cluster=cluster)
    asked = searching.arguments(opened.steps)
    check_steps(opened, asked["steps"])
    jobs = reading.jobs(inputs, opened.detector)
    scores = labels.load(jobs, opened.detector)
    points = writing.deciding(opened.points, scores, checkpoint=opened.file)
    results = Results(jobs, scores, labels.video_labels, writing, points)
    _check_places(output, jobs, writing)
    settings = {**asked, "video_fps": moved.video_fps, **reading.resolved(opened.detector)}
    partial = partial_results(output, opened.files, settings)
    search = search_of(opened.kept, opened.detector, cluster, moved, asked)
    with stdout_kept_for_results(cluster):
        for outcome in outcomes(jobs, partial, search):
            results.add(outcome)
    results.save(output)
    if results.is_complete():
        partial.clear()
    results.exit_if_incomplete()


def search_of(
    kept: Checkpoint | None,
    localizer: VideoDetector,
    cluster: Cluster | None,
    moved: DetectorFiles,
    asked: Mapping[str, Any],
    **cluster_options: Any,
) -> Search:
    """The search in many videos, on this machine or on a cluster."""
    from rcl.detector.detect_many import detect_here, detect_on_cluster

    def search(jobs: Sequence[Job], progress: Callable[[int, float], None]) -> Iterator[Found]:
        if cluster and kept:
            return detect_on_cluster(kept, jobs, cluster, **asked, **moved.arguments(), **cluster_options)
        return detect_here(localizer, jobs, **asked, progress=progress)

    return search


def _check_options(output: Path, inputs: Sequence[Path], reading: InputOptions, writing: OutputOptions) -> None:
    from rcl.cli import output_kinds as kinds
    from rcl.cli.outputs import check_replaceable

    if output.suffix.lower() not in (".json", ".csv", *SUBTITLES):
        expected = "a file name in .json, .csv, .srt or .vtt"
        raise InputError(output, expected=expected, found=output.name, fix="rename the output")
    kind = kinds.SUBTITLES if output.suffix.lower() in SUBTITLES else kinds.DETECTIONS
    check_replaceable(output, kind, overwrite=writing.overwrite, inputs=inputs)
    reading.check()


def _check_places(output: Path, jobs: Sequence[Job], writing: OutputOptions) -> None:
    """Check before the work that the results can be written."""
    from rcl.system.text_files import check_place

    if output.suffix.lower() in SUBTITLES and len(jobs) > 1:
        fix = "write .json or .csv, and one file of subtitles per video with --subtitles FOLDER"
        raise InputError(output, expected="a single video", found=f"{len(jobs)}", fix=fix)
    check_place(output)
    if writing.subtitles:
        check_place(writing.subtitles / "video.srt")
        writing.check([job.video for job in jobs])


def partial_results(output: Path, detector: Sequence[Path], settings: Mapping[str, object]) -> PartialResults:
    """The results so far, which a rerun takes if the detector's files, our release and the settings are the same."""
    from rcl.detector.partial_results import PartialResults
    from rcl.system.release import installed_release
    from rcl.system.text_files import file_digest

    digests = [file_digest(file) for file in detector]
    return PartialResults(output, {"detector": digests, "version": installed_release(), **settings})


def outcomes(
    jobs: Sequence[Job],
    partial: PartialResults,
    search: Search,
) -> Iterator[Found]:
    """The outcome of every video, from an earlier run or new. New ones are kept for a rerun."""
    from rcl.cli.progress import progress_bar
    from rcl.detector.detect_many import Found

    left = {}
    for job, before in zip(jobs, partial.load(jobs), strict=True):
        if before is None:
            left[job.video] = job
        else:
            yield Found(job.video, before, end_seconds=partial.ends_seconds[job.video])
    if len(left) < len(jobs):
        note(f"{len(jobs) - len(left)} of {counted(len(jobs), 'video')} done before.")
    with progress_bar("Detecting", len(left)) as show:
        found = search([*left.values()], lambda position, share: show(position + share))
        for count, outcome in enumerate(found, 1):
            if outcome.detections is not None and len(jobs) > 1:
                partial.keep(left[outcome.video], outcome.detections, outcome.end_seconds)
            yield outcome
            show(count)


class Results:
    """The detections of all videos, and what went wrong.

    Args:
        jobs: all videos, in the order of the results.
        scores: class scores that label the proposals.
        video_labels: how many labels each proposal gets.
        writing: where and how subtitles are written.
        points: decide which detections are written, if given.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        scores: VideoScores | None,
        video_labels: int,
        writing: OutputOptions,
        points: OperatingPoints | None = None,
    ) -> None:
        self.videos, self.points = [job.video for job in jobs], points
        self.scores, self.video_labels, self.writing = scores, video_labels, writing
        self.found: dict[str, Detections] = {}
        self.bugs = self.without_subtitles = 0

    def add(self, outcome: Found) -> None:
        """Take the detections of a video, or print its error."""
        from rcl.data.video_scores import label_detections

        if outcome.traceback:
            self.bugs += 1
            note(outcome.traceback)
        if outcome.detections is None:
            warn(outcome.error)
            return
        detections = outcome.detections
        if self.scores:
            detections = label_detections(detections, self.scores, k=self.video_labels)
        if self.points:
            detections = self.points.decide(detections)
        self.found[outcome.video] = detections
        self.without_subtitles += not self.writing.save_to_folder(detections, outcome.video)

    def save(self, output: Path) -> None:
        """Write the results, if there are any. If that fails, write them to the folder for temporary files."""
        from rcl.data.detections import Detections

        if not self.found:
            return
        detections = Detections.concatenate([self.found[video] for video in self.videos if video in self.found])
        try:
            self._write(detections, output)
        except InputError as error:
            rescued = Path(tempfile.mkdtemp(prefix="rcl-")) / output.name
            self._write(detections, rescued)
            fix = f"make room and move the results there; they are in {rescued}"
            raise InputError(output, expected=error.expected, found=error.found, fix=fix) from None
        print(f"{counted(len(detections), 'detection')} in {counted(len(self.found), 'video')}: {output}")

    def _write(self, detections: Detections, output: Path) -> None:
        from rcl.data.formats.results import save_detections

        if output.suffix.lower() in SUBTITLES:
            self.writing.save(detections, output)
        else:
            save_detections(detections, output)

    def is_complete(self) -> bool:
        """Whether every video could be used."""
        return len(self.found) == len(self.videos)

    def exit_if_incomplete(self) -> None:
        """Exit with status 1 after a bug of ours, with 2 if videos could not be used or subtitles not be written."""
        count = len(self.videos)
        if self.bugs:
            warn(f"a bug of rcl stopped {self.bugs} of {counted(count, 'video')}; see above.")
            sys.exit(1)
        exit_if_failed(count - len(self.found), count)
        if self.without_subtitles:
            of = f"{self.without_subtitles} of {counted(count, 'video')}"
            warn(f"the subtitles of {of} could not be written; see above.")
            sys.exit(2)
