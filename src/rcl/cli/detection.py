"""``rcl detect``."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.progress import track
from torch import Tensor

from rcl import feature_files
from rcl.annotations import load_annotations
from rcl.cli.console import notes
from rcl.cli.extraction import end_with
from rcl.datasets import VideoDataset, find_annotations, find_features, is_pack
from rcl.detections import Detections
from rcl.errors import InputError
from rcl.features import FeatureStore, read_features
from rcl.files import check_place
from rcl.localizer import Localizer
from rcl.segments import Timeline
from rcl.subtitles import EXTENSIONS, MIN_SCORE, save_subtitles
from rcl.video.finding import find_videos

Job: TypeAlias = tuple[str, Callable[[], tuple[Tensor, Timeline]]]


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
    backbone: Annotated[
        str | None, typer.Option(help="Where the files of the checkpoint's backbone are now, e.g. i3d:FILE.")
    ] = None,
    flow: Annotated[Path | None, typer.Option(help="Where the checkpoint of its flow stream is now.")] = None,
) -> None:
    """Detect actions and write them as ActivityNet results JSON, as CSV, or as subtitles."""
    if output.suffix.lower() not in (".json", ".csv", *EXTENSIONS):
        expected = "a file name in .json, .csv, .srt or .vtt"
        raise InputError(output, expected=expected, found=output.name, fix="rename the output")
    if snippets_per_second is not None and not 0 < snippets_per_second < math.inf:
        given = str(snippets_per_second)
        raise InputError("--snippets-per-second", expected="a number above 0", found=given, fix="correct it")
    if layout not in ("TC", "CT", None):
        raise InputError("--layout", expected="TC or CT", found=layout, fix="correct it")
    localizer = Localizer.load(checkpoint, backbone=backbone, flow=str(flow) if flow else None)
    layout = layout or localizer.layout
    if steps and steps > localizer.model.steps:
        expected = f"at most the {localizer.model.steps} of the training"
        raise InputError("--steps", expected=expected, found=str(steps), fix="ask for fewer")
    jobs: list[Job] = [job for path in inputs for job in _jobs(path, localizer, subset, layout, snippets_per_second)]
    repeated = [video for video, count in Counter(video for video, _ in jobs).items() if count > 1]
    if repeated:  # their detections would be mixed up
        found_twice = f"{repeated[0]!r} more than once"
        raise InputError("INPUT", expected="every video once", found=found_twice, fix="rename or remove one of them")
    if output.suffix.lower() in EXTENSIONS and len(jobs) > 1:
        fix = "write .json or .csv, and one file of subtitles per video with --subtitles FOLDER"
        raise InputError(output, expected="a single video", found=f"{len(jobs)}", fix=fix)
    check_place(output)
    if subtitles:
        check_place(subtitles / "video.srt")
    found, failures = [], 0
    for video, read in track(jobs, "Detecting", console=notes, disable=not sys.stderr.isatty(), transient=True):
        try:
            features, timeline = read()
            detected = localizer.detect_prepared(features, timeline, video=video, steps=steps)
            if subtitles:
                _save_both(detected, subtitles, video, min_score)
            found.append(detected)
        except InputError as error:  # a bad video is named, and the others go on
            failures += 1
            notes.print(f"rcl: {error}", markup=False)
    if found:
        detections = Detections.concatenate(found)
        if output.suffix.lower() in EXTENSIONS:
            save_subtitles(detections, output, min_score=min_score)
        else:
            detections.save(output)
        print(f"{len(detections)} detections in {len(found)} videos: {output}")
    end_with(failures, len(jobs))


def _save_both(detections: Detections, folder: Path, video: str, min_score: float) -> None:
    if Path(video).name != video:  # arrays of an archive may be called anything
        fix = "rename the array"
        raise InputError(f"video {video!r}", expected="the name of a file", found="one with folders", fix=fix)
    for extension in EXTENSIONS:
        save_subtitles(detections, folder / f"{video}{extension}", min_score=min_score)


def _jobs(path: Path, localizer: Localizer, subset: str | None, layout: str, rate: float | None) -> list[Job]:
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
        return [(name, partial(localizer.prepare, file, None, video=name)) for name, file in videos.items()]
    annotations = load_annotations(find_annotations(path))
    dataset = VideoDataset(
        annotations.subset(subset) if subset else annotations,
        FeatureStore(find_features(path), layout=layout, channels=localizer.in_channels),
        labels=(),
        snippets_per_second=rate or localizer.declared_rate,
        resize=localizer.resize,
        scale=localizer.scale,
    )
    return [(video.name, partial(dataset.read, index)) for index, video in enumerate(dataset.videos)]


def _prepare(localizer: Localizer, path: Path, layout: str, rate: float | None, video: str) -> tuple[Tensor, Timeline]:
    return localizer.prepare(read_features(path, layout=layout, video=video), rate, video=video)
