"""A learning curve: detectors trained on nested subsets of the labels, evaluated on the same held-out videos."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.formats.load import save_annotations
from rcl.data.formats.options import ReadOptions
from rcl.evaluation.learning_curve import LEAST_POINTS, CurvePoint, LearningCurve
from rcl.system.errors import InputError, listed
from rcl.system.paths import PathLike, to_path
from rcl.system.text_files import read_json, write_json
from rcl.training.curve_source import CurveSource
from rcl.training.fold_run import FoldRun
from rcl.training.label_subsets import LabelSubset, nested_subsets
from rcl.training.runs_folder import claim_folder, settings_of, training_settings
from rcl.training.trainings import TrainingsObserver, train_all

SHARES = (0.125, 0.25, 0.5, 1.0)
RESULT = "learning_curve.json"
_OUTPUTS = re.compile(r"share-[\d.]+|settings\.json|learning_curve\.(json|svg|png)")


class CurveObserver(TrainingsObserver):
    """Follows a learning curve. This one logs warnings; a subclass can show progress."""

    def divided(self, subsets: Sequence[LabelSubset], left: int, count: int) -> None:
        """The labels are divided, for the first seed into these subsets; so many trainings are left of all."""


def learning_curve(
    source: PathLike,
    labels: PathLike | Annotations | None = None,
    output: PathLike = "learning-curve",
    *,
    shares: Sequence[float] = SHARES,
    seeds: int = 2,
    more_minutes: Sequence[float] = (),
    reading: ReadOptions | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    observer: CurveObserver | None = None,
) -> LearningCurve:
    """Train on nested subsets of the labels with several seeds, evaluate on the held-out videos, and forecast.

    A larger subset contains the smaller ones. Whole videos are drawn, or of few videos, stretches of them
    (``reviewed_seconds``). All trainings have the same settings. Stopped at any time, the same call continues: finished
    trainings are not repeated.

    >>> from rcl.training.learning_curve import learning_curve
    >>> curve = learning_curve("run", output="curve")  # doctest: +SKIP
    >>> print(curve.forecast(more_minutes=20).sentence)  # doctest: +SKIP
    20 more labelled minutes: about +3 points ± 2.

    Args:
        source: folder of a finished ``rcl fit``, whose settings, labels and held-out videos are used, or of a pack, for
            which they are chosen as by ``rcl fit``.
        labels: in place of those of the pack, as for :func:`rcl.fit`.
        output: folder for the runs (``share-0.125/seed-0``, …) and ``learning_curve.json``, which is written anew after
            every training.
        shares: of the labelled minutes; 1 is added.
        seeds: so many trainings with each share. A seed chooses the order of the labels and the weights.
        more_minutes: of the forecasts in ``learning_curve.json``; by default about a quarter, a half and all of what is
            labelled.
        reading: how to read what the file of labels does not say.
        jobs: trainings at a time, each in a process of its own; a script then needs ``if __name__ == "__main__":``.
        overwrite: start anew if ``output`` holds a learning curve.
        observer: follows the trainings; by default warnings are logged.

    Raises:
        InputError: ``source`` is neither a run nor a pack, no videos are held out, there are fewer than three different
            subsets with instances, or ``output`` holds another learning curve.
        TrainingsFailed: some failed.
    """
    observer = observer or CurveObserver()
    opened, folder = CurveSource.open(source, labels, reading, observer.matched), to_path(output)
    first = opened.config.training.seed
    drawn = {seed: nested_subsets(opened.training, _checked(shares), seed) for seed in range(first, first + seeds)}
    subsets = _usable(drawn, opened.training)
    everything = replace(opened.training, videos={**opened.training.videos, **opened.held_out.videos})
    training = training_settings(opened.config)
    now = settings_of("rcl learning-curve", opened.pack, training, everything, {"held_out": [*opened.held_out.videos]})
    claim_folder(folder, opened.pack, now, _OUTPUTS, overwrite=overwrite)
    trainings = [_Training(_run(folder, opened, one, seed), one) for seed, own in subsets.items() for one in own]
    whole = trainings[len(subsets[first]) - 1].run
    if opened.evaluation is not None and not whole.is_finished:
        write_json(whole.evaluation, opened.evaluation, indent=1)
    runs = [each.run for each in trainings]
    observer.divided(subsets[first], sum(not run.is_finished for run in runs), len(runs))
    result = _Result(folder / RESULT, trainings, more_minutes)
    result.write()
    train_all(runs, jobs, _Writing(result, observer))
    return result.write()


# -- subsets -----------------------------------------------------------------------------------------------------------


def _checked(shares: Sequence[float]) -> list[float]:
    """Sorted and distinct, with 1 as the last.

    Raises:
        InputError: one is not in (0, 1].
    """
    if wrong := [share for share in shares if not 0 < share <= 1]:
        expected, fix = "shares of the labels above 0, up to 1", "write e.g. 1/8,1/4,1/2,1"
        raise InputError("--shares", expected=expected, found=listed([f"{share:g}" for share in wrong]), fix=fix)
    return sorted({*shares, 1.0})


def _usable(subsets: dict[int, list[LabelSubset]], training: Annotations) -> dict[int, list[LabelSubset]]:
    """The subsets of the shares that have instances for every seed, without those that are the same as a larger one.

    Raises:
        InputError: there are fewer than three.
    """
    columns = [*zip(*subsets.values(), strict=True)]  # the subsets of every share
    larger = [*columns[1:], ()]
    kept = [
        number
        for number, (column, more) in enumerate(zip(columns, larger, strict=True))
        if all(subset.instances for subset in column)
        and not any(one.minutes >= 0.95 * other.minutes for one, other in zip(column, more, strict=False))
    ]
    if len(kept) < LEAST_POINTS:
        found = f"{len(kept)} ({sum(len(v.labels) for v in training.videos.values())} instances in all)"
        expected = f"at least {LEAST_POINTS} different subsets of the training labels with instances"
        raise InputError(training.source, expected=expected, found=found, fix="add --shares, or label more first")
    return {seed: [own[number] for number in kept] for seed, own in subsets.items()}


# -- trainings ---------------------------------------------------------------------------------------------------------


class _Training(NamedTuple):
    """A training and the labels that it has."""

    run: FoldRun
    subset: LabelSubset


def _run(folder: Path, source: CurveSource, subset: LabelSubset, seed: int) -> FoldRun:
    """A training; the file with its labels is written."""
    root = (folder / f"share-{subset.share:.4g}").absolute()
    parts = subset.annotations.with_subset("training"), source.held_out.with_subset("validation")
    file = root / f"labels-{seed}.json"
    save_annotations(replace(source.training, videos={**parts[0].videos, **parts[1].videos}), file)
    settings = source.config.model_dump(mode="json")
    number, part = round(1000 * subset.share), f"{100 * subset.share:.3g} % of the labels"
    return FoldRun(settings, source.pack.absolute(), file, root / f"seed-{seed}", number, seed, part)


class _Result(NamedTuple):
    """The result as far as it is known.

    Args:
        path: of its file.
        trainings: all of them.
        more_minutes: of the forecasts.
    """

    path: Path
    trainings: Sequence[_Training]
    more_minutes: Sequence[float]

    def write(self) -> LearningCurve:
        """Evaluate the finished trainings together, and write the file."""
        finished = defaultdict[float, list[_Training]](list)
        for each in self.trainings:
            if each.run.is_finished:
                finished[each.subset.share].append(each)
        curve = LearningCurve(tuple(_point(share, finished[share]) for share in sorted(finished)))
        counts = {"done": sum(map(len, finished.values())), "count": len(self.trainings)}
        content = {"made_by": "rcl learning-curve", "trainings": counts, **curve.to_json(self.more_minutes)}
        write_json(self.path, content, indent=1)
        return curve


def _point(share: float, trainings: Sequence[_Training]) -> CurvePoint:
    subsets = [each.subset for each in trainings]
    scores = tuple(float(read_json(each.run.evaluation)["average_mAP"]) for each in trainings)
    minutes = float(np.mean([subset.minutes for subset in subsets]))
    videos = float(np.mean([len(subset.annotations.videos) for subset in subsets]))
    return CurvePoint(share, minutes, videos, float(np.mean([subset.instances for subset in subsets])), scores)


class _Writing(TrainingsObserver):
    """Writes the result after every training, and passes on what happens."""

    def __init__(self, result: _Result, observer: CurveObserver) -> None:
        self.result, self.observer = result, observer

    def trained(self, run: FoldRun, done: int, count: int) -> None:
        """Write, and pass it on."""
        self.result.write()
        self.observer.trained(run, done, count)

    def failed(self, run: FoldRun, error: Exception) -> None:
        """Pass it on."""
        self.observer.failed(run, error)
