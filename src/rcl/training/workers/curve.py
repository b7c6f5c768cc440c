"""A worker that makes a learning curve of a finished run, with progress in lines of JSON.

The argument is an object with ``run`` and ``output``. The result is ``learning_curve.json`` in ``output``.
"""

from __future__ import annotations

from typing import Any

from rcl.system.errors import InputError
from rcl.training.fold_run import FoldRun
from rcl.training.learning_curve import CurveObserver, learning_curve
from rcl.training.trainings import TrainingsFailed
from rcl.training.workers.reporting import Reports, run_worker


class CurveReports(CurveObserver):
    """Reports how many trainings are done.

    Args:
        reports: where to.
    """

    def __init__(self, reports: Reports) -> None:
        self.reports = reports

    def trained(self, run: FoldRun, done: int, count: int) -> None:
        """Report the trainings that are done."""
        self.reports.progress("curve", done / count)


def work(reports: Reports, arguments: dict[str, Any]) -> None:
    """Train on parts of the labels.

    Raises:
        InputError: a training failed, or see :func:`~rcl.training.learning_curve.learning_curve`.
    """
    reports.progress("curve", 0.0)
    try:
        learning_curve(arguments["run"], output=arguments["output"], observer=CurveReports(reports))
    except TrainingsFailed as error:
        raise InputError(str(error)) from None


def main() -> None:
    """Run the worker."""
    run_worker(work, received=lambda message: None)
