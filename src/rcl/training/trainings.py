"""Many trainings, one after the other or several at a time, some of which may be finished or may fail."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rcl.system.errors import InputError, counted, describe_error
from rcl.training.fold_run import FoldRun, ProcessKilled, train_folds
from rcl.training.plan import LabelledVideos

log = logging.getLogger("rcl")


class TrainingsFailed(Exception):
    """Some of many trainings failed; the others are finished and are not repeated.

    Args:
        problems: name of each training that failed, and its error.
        count: of all trainings.
    """

    def __init__(self, problems: dict[str, Exception], count: int) -> None:
        self.problems = problems
        names = f"{len(problems)} of {counted(count, 'training')} failed: {'; '.join(problems)}"
        super().__init__(f"{names}. The same command repeats these alone.")


class TrainingsObserver:
    """Follows many trainings. This one logs warnings; a subclass can show progress."""

    def matched(self, labelled: LabelledVideos) -> None:
        """Labels and videos were matched."""
        for sentence in labelled.doubts():
            log.warning("%s", sentence)

    def trained(self, run: FoldRun, done: int, count: int) -> None:
        """A training has ended well; so many are done of all."""

    def failed(self, run: FoldRun, error: Exception) -> None:
        """A training has failed."""
        log.warning("%s: %s", run.name, described(error))


def train_all(runs: Sequence[FoldRun], jobs: int, observer: TrainingsObserver) -> None:
    """Train what is not finished, several at a time.

    Raises:
        TrainingsFailed: some failed.
    """
    left = [run for run in runs if not run.is_finished]
    done, problems = len(runs) - len(left), dict[str, Exception]()

    def ended(run: FoldRun, error: Exception | None) -> None:
        nonlocal done
        if error:
            problems[run.name] = error
            observer.failed(run, error)
        else:
            done += 1
            observer.trained(run, done, len(runs))

    train_folds(left, min(jobs, max(len(left), 1)), ended)
    if problems:
        raise TrainingsFailed(problems, len(runs)) from next(iter(problems.values()))


def is_expected(error: Exception) -> bool:
    """Whether an error of a training is no fault of the program."""
    return isinstance(error, InputError | ProcessKilled)


def described(error: Exception) -> str:
    """What went wrong, in a sentence."""
    return str(error) if is_expected(error) else describe_error(error)
