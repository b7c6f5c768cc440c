"""``rcl detect``."""

from __future__ import annotations

import math
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.progress import Progress, TaskID

from rcl import feature_files
from rcl.annotations import load_annotations
from rcl.classifiers import VideoScores, label_detections, load_video_scores
from rcl.cli.console import notes
from rcl.cli.extraction import end_with
from rcl.datasets import VideoDataset, find_annotations, find_features, is_pack
from rcl.detections import Detections
from rcl.errors import InputError
from rcl.features import FeatureStore, open_features
from rcl.files import check_place, listed
from rcl.localizer import Localizer
from rcl.segments import Timeline
from rcl.sequences import Features
from rcl.subtitles import EXTENSIONS, MIN_SCORE, save_subtitles
from rcl.video.finding import find_videos

Tell: TypeAlias = Callable[[float], None]
Job: TypeAlias = tuple[str, Callable[..., tuple[Features, Timeline]]]


def detect(
    checkpoint: Annotated[Path, typer.Argument(help="RUN/last.ckpt of a training run.")],
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Videos, folders of videos, packs or feature files.")
    ],
    output: Annotated[Path, typer.Option(help="Results: .json or .csv; .srt or .vtt for a single video.")],
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
        Path | None, typer.Option(help="Folder to write VIDEO.srt and VIDEO.vtt to, which players show over the video.")
    ] = None,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Lowest score that subtitles show.")] = MIN_SCORE,
    video_scores: Annotated[
        Path | None,
        typer.Option(help="Class scores of whole videos, which label the proposals: CUHK's JSON, UntrimmedNet's .npy."),
    ] = None,
    video_labels: Annotated[int, typer.Option(min=1, help="How many of a video's best labels a proposal gets.")] = 1,
    backbone: Annotated[
        str | None, typer.Option(help="Where the files of the checkpoint's backbone are now, e.g. i3d:FILE.")
    ] = None,
    flow: Annotated[Path | None, typer.Option(help="Where the checkpoint of its flow stream is now.")] = None,
) -> None:
    """Detect actions and write them as ActivityNet results JSON, as CSV, or as subtitles."""
    _check_options(output, snippets_per_second, layout)
    localizer = Localizer.load(checkpoint, backbone=backbone, flow=str(flow) if flow else None)
    if steps and steps > localizer.model.steps:
        expected = f"at most the {localizer.model.steps} of the training"
        raise InputError("--steps", expected=expected, found=str(steps), fix="ask for fewer")
    layout = layout or localizer.layout
    jobs: list[Job] = [job for path in inputs for job in jobs_of(path, localizer, subset, layout, snippets_per_second)]
    _check_jobs(jobs, output)
    scores = _scores_of(jobs, video_scores, localizer) if video_scores else None
    for place in (output, *([subtitles / "video.srt"] if subtitles else [])):
        check_place(place)

    def detect_one(video: str, features: Features, timeline: Timeline, *, progress: Tell) -> Detections:
        found = localizer.detect_prepared(features, timeline, video=video, steps=steps, progress=progress)
        labelled = label_detections(found, scores, k=video_labels) if scores else found
        if subtitles and not _save_both(labelled, subtitles, video, min_score):
            unwritten.append(video)
        return labelled

    unwritten: list[str] = []
    found = _run(jobs, detect_one)
    if found:
        detections = Detections.concatenate(found)
        _save(detections, output, min_score)
        print(f"{len(detections)} detections in {len(found)} videos: {output}")
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
    repeated = [video for video, count in Counter(video for video, _ in jobs).items() if count > 1]
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
    scores.rows([video for video, _ in jobs])  # before the first video: all of them have scores
    return scores


def _run(jobs: list[Job], detect_one: Callable[..., Detections]) -> list[Detections]:
    """The detections of every video that can be used; the others are named."""
    found = []
    with Progress(console=notes, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("Detecting", total=len(jobs))
        for number, (video, read) in enumerate(jobs):
            try:
                features, timeline = read(partial(_show, bar, task, number, 0.0))
                begin = bar.tasks[0].completed - number  # of a video file, much is done when it is read
                found.append(detect_one(video, features, timeline, progress=partial(_show, bar, task, number, begin)))
            except InputError as error:
                notes.print(f"rcl: {error}", markup=False)
            bar.update(task, completed=number + 1)
    return found


def _show(bar: Progress, task: TaskID, number: int, begin: float, share: float) -> None:
    bar.update(task, completed=number + begin + (1 - begin) * share)


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
        detections.save(output)


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


def jobs_of(path: Path, localizer: Localizer, subset: str | None, layout: str, rate: float | None) -> list[Job]:
    """Name and reader of every video of an input: a pack, videos or a folder of them, a feature file of one or many."""
    if path.suffix.lower() in (".h5", ".hdf5", ".npz"):
        store = FeatureStore(path, layout=layout)
        return [
            (name, partial(_prepare, localizer, path, layout, rate, name if len(store) > 1 else path.stem))
            for name in (store.names() if len(store) > 1 else [path.stem])
        ]
    if path.suffix.lower() in feature_files.EXTENSIONS and not path.is_dir():
        return [(path.stem, partial(_prepare, localizer, path, layout, rate, path.stem))]
    if not is_pack(path):
        videos, _ = find_videos([path])
        if rate is not None:
            fix = "leave it out for videos"
            raise InputError("--snippets-per-second", expected="feature files", found=str(path), fix=fix)
        if localizer.extractor:
            localizer.extractor.backbone()  # before the first video: if it cannot be had, none can be used
        return [(name, partial(_prepare_video, localizer, file, name)) for name, file in videos.items()]
    annotations = load_annotations(find_annotations(path))
    dataset = VideoDataset(
        annotations.subset(subset) if subset else annotations,
        FeatureStore(find_features(path), layout=layout, channels=localizer.in_channels),
        labels=(),
        snippets_per_second=rate or localizer.declared_rate,
        resize=localizer.resize,
        resize_method=localizer.resize_method,
        scale=localizer.scale,
    )
    return [(video.name, partial(_open, localizer, dataset, index)) for index, video in enumerate(dataset.videos)]


def _prepare(
    localizer: Localizer, path: Path, layout: str, rate: float | None, video: str, tell: Tell | None = None
) -> tuple[Features, Timeline]:
    return localizer.prepare(open_features(path, layout=layout, video=video), rate, video=video)


def _prepare_video(localizer: Localizer, path: Path, video: str, tell: Tell | None = None) -> tuple[Features, Timeline]:
    return localizer.prepare(path, None, video=video, progress=tell)


def _open(
    localizer: Localizer, dataset: VideoDataset, index: int, tell: Tell | None = None
) -> tuple[Features, Timeline]:
    stored, timeline = dataset.open(index)
    return localizer.open(stored), timeline
