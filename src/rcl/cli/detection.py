"""``rcl detect``."""

from __future__ import annotations

import math
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from rcl.cli.console import Location, location, notes
from rcl.cli.engines import Address, Engine, EngineName, chosen_cluster, messages_aside
from rcl.cli.extraction import end_with
from rcl.cli.threads import Threads
from rcl.data.detections import Detections
from rcl.data.formats.results import save_detections
from rcl.data.formats.subtitles import EXTENSIONS, MIN_SCORE, save_subtitles
from rcl.data.video_scores import VideoScores, label_detections, load_video_scores
from rcl.detector.checkpoint import read_checkpoint
from rcl.detector.detect_many import Found, detect_here, detect_on_cluster
from rcl.detector.inputs import Job, jobs_of
from rcl.detector.localizer import Localizer
from rcl.detector.partial_results import PartialResults
from rcl.system.errors import InputError, listed
from rcl.system.text_files import check_place, file_digest


def detect(
    checkpoint: Annotated[Location, typer.Argument(help="RUN/last.ckpt of a training run.", parser=location)],
    inputs: Annotated[
        list[Location],
        typer.Argument(metavar="INPUT...", help="Videos, folders of videos, packs or feature files.", parser=location),
    ],
    output: Annotated[
        Location, typer.Option(help="Results: .json or .csv; .srt or .vtt for a single video.", parser=location)
    ],
    subset: Annotated[str | None, typer.Option(help="Only this subset of the packs.")] = None,
    snippets_per_second: Annotated[
        float | None, typer.Option(help="Rate of the features; by default that of the pack, or of the training data.")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="TC, or CT for features that are stored transposed; as in training by default.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Refinement steps, at most those of the training; all by default.")
    ] = None,
    subtitles: Annotated[
        Location | None,
        typer.Option(
            help="Folder to write VIDEO.srt and VIDEO.vtt to, which players show over the video.", parser=location
        ),
    ] = None,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Lowest score that subtitles show.")] = MIN_SCORE,
    video_scores: Annotated[
        Location | None,
        typer.Option(
            help="Class scores of whole videos, which label the proposals: CUHK's JSON, UntrimmedNet's .npy.",
            parser=location,
        ),
    ] = None,
    video_labels: Annotated[int, typer.Option(min=1, help="How many of a video's best labels a proposal gets.")] = 1,
    backbone: Annotated[
        str | None, typer.Option(help="Where the files of the checkpoint's backbone are now, e.g. i3d:FILE.")
    ] = None,
    flow: Annotated[Path | None, typer.Option(help="Where the checkpoint of its flow stream is now.")] = None,
    engine: Engine = EngineName.local,
    address: Address = None,
    workers: Annotated[int | None, typer.Option(min=1, help="ray: how many; by default one per GPU or core.")] = None,
    threads: Threads = None,
) -> None:
    """Detect actions and write them as ActivityNet results JSON, as CSV, or as subtitles.

    The same command goes on after an interruption, and does again what failed alone.
    """
    _check_options(output, snippets_per_second, layout)
    cluster = chosen_cluster(engine, address, workers=workers, network=True)
    kept = read_checkpoint(checkpoint)
    moved = {"backbone": backbone, "flow": str(flow) if flow else None}
    localizer = Localizer.from_checkpoint(kept, **moved)
    if steps and steps > localizer.model.steps:
        expected = f"at most the {localizer.model.steps} of the training"
        raise InputError("--steps", expected=expected, found=str(steps), fix="ask for fewer")
    layout = layout or localizer.preparation.layout
    jobs = [job for path in inputs for job in jobs_of(path, localizer, subset, layout, snippets_per_second)]
    _check_jobs(jobs, output)
    scores = _scores_of(jobs, video_scores, localizer) if video_scores else None
    for place in (output, *([subtitles / "video.srt"] if subtitles else [])):
        check_place(place)

    def detect_all(left: Sequence[Job], told: Callable[[int, float], None]) -> Iterator[Found]:
        if cluster:
            return detect_on_cluster(kept, left, cluster, steps=steps, **moved)
        return detect_here(localizer, left, steps=steps, progress=told)

    made_with: dict[str, object] = {"checkpoint": file_digest(checkpoint), "version": version("rcl-tad")}
    made_with |= {"steps": steps, "layout": layout, "snippets_per_second": snippets_per_second}
    unfinished = PartialResults(output, made_with)
    found, faults, unwritten = dict[str, Detections](), 0, list[str]()
    with messages_aside(cluster):
        for video, detections, _, traceback in _what_is_found(jobs, unfinished, detect_all):
            faults += bool(traceback)
            if detections is None:
                continue
            found[video] = label_detections(detections, scores, k=video_labels) if scores else detections
            if subtitles and not _save_both(found[video], subtitles, video, min_score):
                unwritten.append(video)
    if found:
        detections = Detections.concatenate([found[job.video] for job in jobs if job.video in found])
        _save(detections, output, min_score)
        print(f"{len(detections)} detections in {len(found)} videos: {output}")
    if len(found) == len(jobs):
        unfinished.clear()
    if faults:
        notes.print(f"rcl: {faults} of {len(jobs)} videos met a fault of this program; see above.")
        sys.exit(1)
    end_with(len(jobs) - len(found), len(jobs))
    if unwritten:
        notes.print(f"rcl: the subtitles of {len(unwritten)} of {len(jobs)} videos could not be written; see above.")
        sys.exit(2)


def _check_options(output: Path, rate: float | None, layout: str | None) -> None:
    if output.suffix.lower() not in (".json", ".csv", *EXTENSIONS):
        expected = "a file name in .json, .csv, .srt or .vtt"
        raise InputError(output, expected=expected, found=output.name, fix="rename the output")
    if rate is not None and not 0 < rate < math.inf:
        raise InputError("--snippets-per-second", expected="a number above 0", found=str(rate), fix="correct it")
    if layout not in ("TC", "CT", None):
        raise InputError("--layout", expected="TC or CT", found=layout, fix="correct it")


def _check_jobs(jobs: list[Job], output: Path) -> None:
    repeated = [video for video, count in Counter(job.video for job in jobs).items() if count > 1]
    if repeated:  # their detections would be mixed up
        found = f"{repeated[0]!r} more than once"
        raise InputError("INPUT", expected="every video once", found=found, fix="rename or remove one of them")
    if output.suffix.lower() in EXTENSIONS and len(jobs) > 1:
        fix = "write .json or .csv, and one file of subtitles per video with --subtitles FOLDER"
        raise InputError(output, expected="a single video", found=f"{len(jobs)}", fix=fix)


def _scores_of(jobs: list[Job], path: Path, localizer: Localizer) -> VideoScores:
    if localizer.labels:
        found = f"one that labels them itself ({listed(list(localizer.labels), 3)})"
        fix = "leave them out, or train with model.labels=none"
        raise InputError("--video-scores", expected="a checkpoint that makes proposals", found=found, fix=fix)
    scores = load_video_scores(path)
    scores.rows([job.video for job in jobs])  # before the first video: all of them have scores
    return scores


def _what_is_found(
    jobs: Sequence[Job],
    unfinished: PartialResults,
    detect_all: Callable[[Sequence[Job], Callable[[int, float], None]], Iterator[Found]],
) -> Iterator[Found]:
    """The outcome of every video, from before or new; what cannot be used is named."""
    left = []
    for job, before in zip(jobs, unfinished.load(jobs), strict=True):
        if before is not None:  # also where nothing was found
            yield Found(job.video, before)
        else:
            left.append(job)
    if len(left) < len(jobs):
        notes.print(f"{len(jobs) - len(left)} of {len(jobs)} videos were done before.")
    named = {job.video: job for job in left}
    with _progress(len(left)) as (told, done):
        for outcome in detect_all(left, told):
            if outcome.traceback:
                notes.print(outcome.traceback, markup=False)
            if outcome.detections is None:
                notes.print(f"rcl: {outcome.error}", markup=False)
            elif len(jobs) > 1:
                unfinished.keep(named[outcome.video], outcome.detections)
            yield outcome
            done()


@contextmanager
def _progress(count: int) -> Iterator[tuple[Callable[[int, float], None], Callable[[], None]]]:
    """A bar on a terminal; nothing in a pipe. Yields what is told the share of a video, and that one is done."""
    with Progress(console=notes, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("Detecting", total=count)
        finished = 0

        def done() -> None:
            nonlocal finished
            finished += 1
            bar.update(task, completed=finished)

        yield lambda position, share: bar.update(task, completed=position + share), done


def _save(detections: Detections, output: Path, min_score: float) -> None:
    """Write the results; where there is no place any more, into the folder for temporary files."""
    try:
        _write(detections, output, min_score)
    except InputError as error:
        rescued = Path(tempfile.mkdtemp(prefix="rcl-")) / output.name
        _write(detections, rescued, min_score)
        fix = f"make room and move the results there, which are in {rescued}"
        raise InputError(output, expected=error.expected, found=error.found, fix=fix) from None


def _write(detections: Detections, output: Path, min_score: float) -> None:
    if output.suffix.lower() in EXTENSIONS:
        save_subtitles(detections, output, min_score=min_score)
    else:
        save_detections(detections, output)


def _save_both(detections: Detections, folder: Path, video: str, min_score: float) -> bool:
    """Whether the subtitles could be written; if not it is told why, and the detections are as good."""
    try:
        if Path(video).name != video or not video.strip("."):  # arrays of an archive may be called anything
            expected, fix = "the name of a file in one folder", "rename the array"
            raise InputError(f"video {video!r}", expected=expected, found="another", fix=fix)
        for extension in EXTENSIONS:
            save_subtitles(detections, folder / f"{video}{extension}", min_score=min_score)
    except InputError as error:
        notes.print(f"rcl: {error}", markup=False)
        return False
    return True
