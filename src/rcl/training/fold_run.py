"""The trainings of a cross-validation: each on all folds but one, in which its detector then detects."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import torch

from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import save_detections
from rcl.detector.config import Config
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.evaluation.metrics import evaluate
from rcl.system.device import usable_cores
from rcl.system.text_files import write_json
from rcl.training.fit import TIOU_THRESHOLDS, fit
from rcl.training.fit_result import FitObserver
from rcl.training.held_out import detect_held_out
from rcl.training.plan import LabelledVideos
from rcl.training.run import train

LOG = "log.txt"


class ProcessKilled(RuntimeError):
    """The process of a training was ended from outside."""

    def __init__(self, log: Path) -> None:
        super().__init__(f"its process was ended, perhaps for lack of memory (use fewer --jobs then); see {log}.")


class FitRecipe(NamedTuple):
    """A training with what ``rcl.fit`` chooses; the arguments are those of :func:`rcl.training.fit.fit`."""

    budget_seconds: float | None = None
    ensemble: int | None = None


class FoldRun(NamedTuple):
    """One training of a cross-validation or of a learning curve. Picklable.

    Args:
        recipe: what is trained; a configuration as plain values.
        pack: the folder of the features.
        annotations: file with the held-out fold in the subset validation, and the others in training.
        folder: for the run.
        fold: its number, from 1; of a learning curve, that of the subset of the labels.
        seed: of the training.
        part: what is trained on, as the user calls it; by default the fold.
    """

    recipe: FitRecipe | dict[str, Any]
    pack: Path
    annotations: Path
    folder: Path
    fold: int
    seed: int
    part: str = ""

    @property
    def name(self) -> str:
        """What the user calls it."""
        return f"{self.part or f'fold {self.fold}'}, seed {self.seed}"

    @property
    def detections(self) -> Path:
        """The detections in the held-out videos."""
        return self.folder / "detections.json"

    @property
    def evaluation(self) -> Path:
        """How good they are; written last."""
        return self.folder / "evaluation.json"

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.evaluation.is_file()


class _Quiet(FitObserver):
    """Does not repeat for every fold what names and labels leave in doubt."""

    def matched(self, labelled: LabelledVideos) -> None:
        """Say nothing."""


def train_fold(run: FoldRun) -> None:
    """Train on all folds but one and detect in that one; a training that was stopped is continued.

    Raises:
        InputError: see :func:`rcl.training.fit.fit` and :func:`rcl.training.run.train`.
    """
    if isinstance(run.recipe, FitRecipe):
        options = {"seed": run.seed, "resume": True, "observer": _Quiet(), **run.recipe._asdict()}
        fit(run.pack, run.annotations, run.folder, **options)
    else:
        _train(run, parse_config(run.recipe, where="rcl crossval"))


def _train(run: FoldRun, recipe: Config) -> None:
    subset = None if recipe.data.validation_subset is None else "validation"
    data = {"root": run.pack, "annotations": run.annotations, "training_subset": "training"}
    data |= {"validation_subset": subset, "unseen_labels": "missed"}
    changed = {
        "data": recipe.data.model_copy(update=data),
        "training": recipe.training.model_copy(update={"seed": run.seed}),
    }
    checkpoint = train(recipe.model_copy(update=changed), run.folder, resume=True, devices=1)
    truth = load_annotations(run.annotations).subset("validation")
    if recipe.model.labels == "none":
        truth = truth.unlabelled()
    found = detect_held_out(Localizer.load(checkpoint), truth, run.pack, features=recipe.data.features).detections
    save_detections(found, run.detections)
    evaluation = evaluate(found, truth, tiou_thresholds=TIOU_THRESHOLDS)
    write_json(run.evaluation, evaluation.to_json(), indent=1)


# -- many trainings ----------------------------------------------------------------------------------------------


def train_folds(runs: Sequence[FoldRun], jobs: int, ended: Callable[[FoldRun, Exception | None], None]) -> None:
    """Train what is not finished, several at a time, each in a process of its own; one at a time in this process.

    Args:
        runs: the trainings.
        jobs: so many at a time. With more than one, the messages of each are in ``log.txt`` of its folder.
        ended: called after each, with its error if it failed. The others go on.
    """
    if jobs == 1:
        for run in runs:
            ended(run, _error_of(partial(train_fold, run)))
        return
    with _lifeline() as lifeline, _cancelled(ThreadPoolExecutor(jobs)) as pool:
        futures: dict[Future[None], FoldRun] = {}
        for run in runs:
            futures[pool.submit(_train_apart, run, lifeline, max(usable_cores() // jobs, 1))] = run
        for future in as_completed(futures):
            ended(futures[future], _error_of(future.result))


def _error_of(work: Callable[[], None]) -> Exception | None:
    try:
        work()
    except Exception as error:  # of one training, whatever it is, so that the others go on
        return error
    return None


@contextmanager
def _cancelled(pool: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """The pool, of which nothing starts any more after an interruption."""
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _lifeline() -> Iterator[Connection]:
    """A pipe whose other end closes when this block or this process ends, for processes that have to end with it."""
    reader, writer = get_context("spawn").Pipe(duplex=False)
    with reader, writer:
        yield reader


def _train_apart(run: FoldRun, lifeline: Connection, threads: int) -> None:
    """``train_fold`` in a process of its own, so that a crash ends no other training."""
    run.folder.mkdir(parents=True, exist_ok=True)
    log = run.folder / LOG
    start = (lifeline, log, threads)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin, initargs=start) as pool:
        try:
            pool.submit(train_fold, run).result()
        except BrokenProcessPool:
            raise ProcessKilled(log) from None


def _begin(lifeline: Connection, log: Path, threads: int) -> None:
    """Begin a process: its messages go to a file, it ends with its parent, and it leaves cores to the others."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    if "OMP_NUM_THREADS" not in os.environ:  # which stays unset, because small networks then use a single thread
        torch.set_num_threads(threads)


def _end_with(lifeline: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv()
    os._exit(1)
