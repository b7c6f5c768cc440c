"""Cross-validation: every video is held out once, and detectors of several seeds are trained on the others."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.results import load_detections, save_detections
from rcl.data.pack import find_annotations, find_features
from rcl.detector.config import Config, DataConfig
from rcl.evaluation.out_of_fold import CrossValidation, cross_validation
from rcl.system.errors import InputError, listed
from rcl.system.paths import PathLike, exists, to_path
from rcl.system.text_files import write_json
from rcl.training.choices import hold_out
from rcl.training.crossval_folder import ANNOTATIONS, claim
from rcl.training.fit import TIOU_THRESHOLDS
from rcl.training.fold_run import FitRecipe, FoldRun
from rcl.training.folds import held_out_in_turn, labels_of_one_fold, with_groups
from rcl.training.labels_of_pack import open_pack, other_labels, own_labels
from rcl.training.plan import LabelledVideos
from rcl.training.trainings import TrainingsObserver, train_all

log = logging.getLogger("rcl")

RESULT = "crossval.json"


class CrossvalObserver(TrainingsObserver):
    """Follows a cross-validation. This one logs warnings; a subclass can show progress."""

    def divided(self, annotations: Annotations, folds: Sequence[set[str]], left: int, count: int) -> None:
        """The labelled videos are divided into folds; so many trainings are left of all."""


def crossval(
    pack: PathLike | None = None,
    labels: PathLike | Annotations | None = None,
    output: PathLike = "runs",
    *,
    config: Config | None = None,
    folds: int | None = None,
    group: str | None = None,
    seeds: int = 3,
    subset: str | None = None,
    budget_seconds: float | None = None,
    ensemble: int | None = None,
    reading: ReadOptions | None = None,
    tiou_thresholds: Sequence[float] | np.ndarray = TIOU_THRESHOLDS,
    jobs: int = 1,
    overwrite: bool = False,
    observer: CrossvalObserver | None = None,
) -> CrossValidation:
    """Train on all folds of a pack but one, detect in that one, for every fold and several seeds, and evaluate.

    All labelled videos take part, whatever their subset. Stopped at any time, the same call continues: finished
    trainings are not repeated, and the result is that of an uninterrupted one.

    >>> from rcl.training.crossval import crossval
    >>> result = crossval("pack", output="runs", group=r"S\\d")  # doctest: +SKIP
    >>> print(f"{result.pooled.interval.value:.1%} ± {result.pooled.spread:.1%}")  # doctest: +SKIP

    Args:
        pack: folder of annotations and features; by default ``data.root`` of the configuration.
        labels: in place of those of the pack, as for :func:`rcl.fit`.
        output: folder for the runs (``fold-1/seed-0``, …), the out-of-fold detections of each seed
            (``detections-seed-0.json``), the labels of these videos (``annotations.json``) and ``crossval.json``.
        config: trains with this configuration; by default with what :func:`rcl.fit` chooses for each fold.
        folds: their number. Videos of a group are in one fold.
        group: which videos belong together, see :func:`~rcl.training.folds.with_groups`; without ``folds``, each group
            is a fold. By default the groups of the annotations.
        seeds: so many trainings for every fold, with the seeds 0, 1, …, or from ``training.seed`` on.
        subset: the videos of this subset alone.
        budget_seconds: time for each training, as for :func:`rcl.fit`; not with a configuration.
        ensemble: networks in each training, as for :func:`rcl.fit`; not with a configuration.
        reading: how to read what the file of labels does not say.
        tiou_thresholds: ``T`` numbers in (0, 1], over which the mAP is averaged.
        jobs: trainings at a time, each in a process of its own; a script then needs ``if __name__ == "__main__":``.
        overwrite: start anew if ``output`` holds a cross-validation.
        observer: follows the trainings; by default warnings are logged.

    Raises:
        InputError: there are fewer than two folds or groups, the pack or its labels cannot be used, or ``output`` holds
            a cross-validation of another pack, of other labels or folds, or with other settings.
        TrainingsFailed: some failed.
    """
    observer = observer or CrossvalObserver()
    recipe = _recipe(config, budget_seconds, ensemble)
    root = _root(pack, config)
    labelled = _labelled_videos(root, labels, config, reading)
    observer.matched(labelled)
    annotations = _chosen(labelled.annotations, subset)
    if group is not None or folds is None:
        annotations = with_groups(annotations, group or "group")
    parts = held_out_in_turn(annotations, folds)
    if (alone := labels_of_one_fold(annotations, parts)) and not (config and config.model.labels == "none"):
        message = "%s: in one fold only, so that no detector learns to find it elsewhere: %s"
        log.warning(message, annotations.source, listed([repr(label) for label in alone]))
    folder = to_path(output)
    claim(folder, root, recipe, annotations, parts, overwrite=overwrite)
    first = config.training.seed if config else 0
    runs = _runs(folder, root, recipe, annotations, parts, range(first, first + seeds))
    observer.divided(annotations, parts, sum(not run.is_finished for run in runs), len(runs))
    train_all(runs, jobs, observer)
    if config and config.model.labels == "none":
        annotations = annotations.unlabelled()
    return _collect(folder, annotations, parts, runs, tiou_thresholds)


def _recipe(config: Config | None, budget_seconds: float | None, ensemble: int | None) -> FitRecipe | Config:
    """What is trained.

    Raises:
        InputError: options of ``rcl fit`` come with a configuration.
    """
    if config is None:
        return FitRecipe(budget_seconds, ensemble)
    given = {"--budget": budget_seconds, "--ensemble": ensemble}
    if names := [name for name, value in given.items() if value is not None]:
        fix = "leave it out (training.members=N trains several networks)"
        raise InputError("rcl crossval", expected="no option of rcl fit", found=listed(names), fix=fix)
    return config


def _root(pack: PathLike | None, config: Config | None) -> Path:
    if pack is None and (config is None or "root" not in config.data.model_fields_set):
        fix = "add the pack behind it" + ("" if config is None else ", or data.root=PACK")
        raise InputError("rcl crossval", expected="a pack of features", found="none", fix=fix)
    root = config.data.root if pack is None and config else to_path(pack or ".")
    if not exists(root):
        raise InputError.missing(root, "a pack: a folder of annotations and features")
    if not (config and config.data.features) and not exists(find_features(root)):
        fix = "make a pack of videos with rcl extract VIDEOS --labels LABELS --output PACK"
        raise InputError(root, expected="a pack: a folder of annotations and features", found="no features", fix=fix)
    return root


def _labelled_videos(
    root: Path, labels: PathLike | Annotations | None, config: Config | None, reading: ReadOptions | None
) -> LabelledVideos:
    """The labelled videos with features."""
    data = config.data if config else None
    labels = labels if labels is not None else data.annotations if data else None
    own = data or DataConfig()
    store = open_pack(root, labels, reading, features=own.features, streams=own.streams, layout=own.layout)
    if not (data and data.snippets_per_second):
        return own_labels(root, store, reading) if labels is None else other_labels(root, labels, store, reading)
    if not isinstance(labels, Annotations):
        path = find_annotations(root) if labels is None else labels
        labels = load_annotations(path, clip=False, options=reading)
    rate = data.snippets_per_second
    videos = {name: replace(video, snippets_per_second=rate) for name, video in labels.videos.items()}
    return other_labels(root, replace(labels, videos=videos), store, reading)


def _chosen(annotations: Annotations, subset: str | None) -> Annotations:
    """The labelled videos, of one subset or of all."""
    chosen = annotations.subset(subset) if subset else annotations
    return replace(chosen, videos={name: video for name, video in chosen.videos.items() if video.labels})


def _runs(
    folder: Path,
    root: Path,
    recipe: FitRecipe | Config,
    annotations: Annotations,
    parts: Sequence[set[str]],
    seeds: Sequence[int],
) -> list[FoldRun]:
    """All trainings, those of the first seed first. The files with the annotations of each fold are written."""
    plain = recipe if isinstance(recipe, FitRecipe) else recipe.model_dump(mode="json")
    files = dict[int, Path]()
    for number, part in enumerate(parts, start=1):
        files[number] = folder / f"fold-{number}" / ANNOTATIONS
        save_annotations(hold_out(annotations, part), files[number])
    return [
        FoldRun(plain, root.absolute(), file.absolute(), (file.parent / f"seed-{seed}").absolute(), number, seed)
        for seed in seeds
        for number, file in files.items()
    ]


def _collect(
    folder: Path,
    annotations: Annotations,
    parts: Sequence[set[str]],
    runs: Sequence[FoldRun],
    tiou_thresholds: Sequence[float] | np.ndarray,
) -> CrossValidation:
    """Evaluate the detections of all trainings, and write the results of all of them."""
    found = {(run.fold, run.seed): load_detections(run.detections) for run in runs}
    numbers, seeds = range(1, len(parts) + 1), sorted({run.seed for run in runs})
    for seed in seeds:
        pooled = Detections.concatenate([found[number, seed] for number in numbers])
        save_detections(pooled, folder / f"detections-seed-{seed}.json")
    by_fold = [[found[number, seed] for seed in seeds] for number in numbers]
    result = cross_validation(annotations, parts, by_fold, seeds=seeds, tiou_thresholds=tiou_thresholds)
    write_json(folder / RESULT, result.to_json(), indent=1)
    return result
