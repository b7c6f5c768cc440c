"""What ``rcl.fit`` trains on if it is given a pack of features, which is only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation, clip
from rcl.data.datasets import VideoDataset
from rcl.data.feature_files import EXTENSIONS
from rcl.data.formats.activitynet import entry_of
from rcl.data.formats.load import load_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import reviewed_pairs
from rcl.data.names import VIDEO_EXTENSIONS
from rcl.data.pack import find_annotations, find_features, is_pack
from rcl.data.stores import Store
from rcl.detector.config import Config
from rcl.detector.load_config import load_config
from rcl.system.errors import InputError, counted, listed
from rcl.system.paths import PathLike, exists, files_below, is_dir, is_file, is_remote, to_path
from rcl.system.text_files import write_json
from rcl.training.choices import Choice, with_subsets
from rcl.training.earlier_pack_run import EarlierPackRun
from rcl.training.extraction import Extraction
from rcl.training.fit_result import FitObserver
from rcl.training.labels_of_pack import open_pack, other_labels, own_labels
from rcl.training.plan import (
    FitPlan,
    FitRun,
    LabelledVideos,
    check_unchanged,
    choose_held_out,
    configure,
    held_out_subset,
)
from rcl.video.finding import is_video
from rcl.video.records import extracted_streams, read_records, recorded_names

ANNOTATIONS = "annotations.json"


def pack_in(
    source: PathLike | Sequence[PathLike], labels: PathLike | Annotations | None, streams: Sequence[str] | None = None
) -> Path | None:
    """The folder of the pack that a fit is given, or ``None`` for videos.

    A folder of features without annotations is one if labels are given, unless there are videos in it.

    Raises:
        InputError: features or videos come without labels, videos with ``streams``, or the pack is in an object store.
    """
    paths = source if isinstance(source, list | tuple) else [cast(PathLike, source)]
    folder = to_path(paths[0]) if len(paths) == 1 else None
    if folder and (is_pack(folder) or _holds_features(folder)):
        _check_pack(folder, labels)
        return folder
    if labels is None:
        if folder and not exists(folder):
            raise InputError.missing(folder, "a folder of videos or a pack of features")
        expected = "videos and their labels, or a pack of features"
        fix = "add the file of labels (rcl fit VIDEOS LABELS); a pack has annotations.json (or .csv) and features"
        raise InputError("rcl fit", expected=expected, found=f"only {listed([*map(str, paths)])}", fix=fix)
    if streams is not None:
        fix = "leave it out, or give a pack with several streams"
        raise InputError("rcl fit", expected="no choice of streams for videos", found=listed(streams), fix=fix)
    return None


def _check_pack(folder: Path, labels: PathLike | Annotations | None) -> None:
    if is_remote(folder):
        fix = "copy the pack here"
        raise InputError(folder, expected="a pack on this machine", found="one in an object store", fix=fix)
    if labels is None and not is_pack(folder):
        expected, fix = (
            "annotations.json (or .csv) next to the features",
            "add it, or give a file of labels after the pack",
        )
        raise InputError(folder, expected=expected, found="features alone", fix=fix)


def _holds_features(folder: Path) -> bool:
    """Whether there are files of features where those of a pack are, and no videos, for which a folder may have any
    other folders."""
    path = find_features(folder)
    if not exists(path):
        return False
    if any(file.suffix.lower() in VIDEO_EXTENSIONS for file, _ in files_below(folder)):
        return False
    return not is_dir(path) or any(file.suffix.lower() in EXTENSIONS for file, _ in files_below(path))


def plan_pack(
    pack: Path,
    labels: PathLike | Annotations | None,
    run: FitRun,
    extraction: Extraction,
    observer: FitObserver,
) -> FitPlan:
    """Choose the held-out videos of a pack and the settings of the training.

    Raises:
        InputError: see :func:`rcl.training.fit.fit`.
    """
    output, reading, seed = run.output, run.reading, run.seed
    _check_arguments(pack, output, extraction)
    earlier = EarlierPackRun.open(run.after, pack=pack, output=output) if run.after is not None else None
    resumes = run.resumes()
    store = open_pack(pack, labels, reading, streams=run.streams)
    labelled = own_labels(pack, store, reading) if labels is None else other_labels(pack, labels, store, reading)
    observer.matched(labelled)
    files = _files_of(pack, labelled)
    if resumes:
        return FitPlan(_resumed(labelled, pack, output), labelled, (), resumes, files=files, earlier=earlier)
    kept = earlier.take_over(labelled.annotations) if earlier else {}
    annotations, choices = hold_out_of_pack(labelled.annotations, seed=seed, kept=kept)
    data = {"root": str(pack)}
    if labels is not None or not _is_as_in_pack(annotations, pack, labelled, reading):
        data["annotations"] = str(_write(annotations, output / ANNOTATIONS))
    inside, store = clip(annotations), store.timed(annotations)
    config, more = configure(inside, store, _rate_of(inside.subset("training"), store), seed=seed, data=data)
    return FitPlan(config, labelled, (*choices, *more), resumes, files=files, earlier=earlier)


def _check_arguments(pack: Path, output: Path, extraction: Extraction) -> None:
    if given := extraction.given():
        expected, fix = f"no option for videos, as {pack} holds features", "leave out what is about their extraction"
        raise InputError("rcl fit", expected=expected, found=listed(given), fix=fix)
    inside = find_features(pack).resolve()
    if output.resolve() in (pack.resolve(), inside) or inside in output.resolve().parents:
        fix = "give another folder with --output: a pack stays as it is"
        raise InputError(output, expected="a folder for the run", found="that of the pack", fix=fix)


def _files_of(pack: Path, labelled: LabelledVideos) -> dict[str, Path]:
    """The videos that the features were extracted from, as far as the pack knows and they are still there."""
    found = dict[str, Path]()
    for stream in extracted_streams(pack):
        known = {*recorded_names(pack, stream)}
        records = read_records(pack, [name for name in labelled.videos if name in known], stream)
        for name, record in records.items():
            source = Path(record.source)
            if name not in found and is_video(source) and is_file(source):
                found[name] = source
    return found


def _resumed(labelled: LabelledVideos, pack: Path, output: Path) -> Config:
    """The configuration of a training to resume, which keeps its annotations.

    Raises:
        InputError: it is on videos, or the labels have changed.
    """
    if (output / "pack").exists():
        fix = "give the videos that it began with, or choose another output folder"
        raise InputError(output, expected="a run on a pack", found="a run on videos", fix=fix)
    config = load_config(output / "config.yaml")
    own = output / ANNOTATIONS if config.data.annotations else None
    check_unchanged(labelled.annotations, load_annotations(own or find_annotations(pack), clip=False))
    data = config.data.model_copy(update={"root": pack, "annotations": own})  # both may have been moved
    return config.model_copy(update={"data": data})


# -- held-out videos ---------------------------------------------------------------------------------------------


def hold_out_of_pack(
    annotations: Annotations, *, seed: int, kept: Mapping[str, str]
) -> tuple[Annotations, list[Choice]]:
    """The annotations in the subsets of the training, and the choice.

    Labelled validation videos are held out, else labelled testing videos, else a fifth of the training videos.

    Args:
        annotations: of the videos with features.
        seed: of the split.
        kept: name to subset of videos that keep theirs, as an earlier run used them.
    """
    named = held_out_subset(annotations)
    if named is None:
        return _split(annotations, seed=seed, kept=kept)
    annotations = with_subsets(annotations, kept)
    count = sum(video.subset == named for video in annotations.videos.values())
    reason = "the annotations name them"
    if named == "testing":
        reason += ", and no validation video has labels"
    return annotations, [Choice("held out for validation", f"{counted(count, 'video')} in {named}", reason)]


def _split(annotations: Annotations, *, seed: int, kept: Mapping[str, str]) -> tuple[Annotations, list[Choice]]:
    """Hold out some training videos. Validation videos without labels become testing videos: nothing in them can be
    compared."""
    learned = {name: video for name, video in annotations.videos.items() if video.subset == "training"}
    why = "no labelled video is marked as validation or testing"
    split, choices = choose_held_out(replace(annotations, videos=learned), seed=seed, kept=kept, why=why)
    others = {name: replace(video, subset="testing") for name, video in annotations.videos.items()}
    return replace(annotations, videos={**others, **split.videos}), choices


# -- annotations and rates ---------------------------------------------------------------------------------------


def _is_as_in_pack(annotations: Annotations, pack: Path, labelled: LabelledVideos, reading: ReadOptions | None) -> bool:
    """Whether the file of the pack says all this, so that the training can read it."""
    if labelled.missing or (reading is not None and reading != ReadOptions()):
        return False
    own = load_annotations(find_annotations(pack), clip=False).videos
    return all(_facts(video) == _facts(own[name]) for name, video in annotations.videos.items())


def _facts(video: VideoAnnotation) -> tuple[object, ...]:
    reviewed = reviewed_pairs(video)
    return video.subset, video.duration_seconds, video.snippets_per_second, video.group, reviewed


def _write(annotations: Annotations, path: Path) -> Path:
    """Write the annotations of a run, marked as ours, so that a later run may replace them."""
    database = {name: entry_of(video) for name, video in annotations.videos.items()}
    write_json(path, {"version": "RCL", "made_by": "rcl fit", "taxonomy": [], "database": database}, indent=1)
    return path


def _rate_of(training: Annotations, store: Store) -> float:
    """Snippets per second of the features of the training videos; their median, where videos differ."""
    videos = VideoDataset(training, store, labels=())
    return float(np.median([videos.timeline(index).snippets_per_second for index in range(len(videos))]))
