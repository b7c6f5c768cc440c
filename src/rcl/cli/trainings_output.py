"""What commands with many trainings print."""

from __future__ import annotations

import json
import traceback

from rcl.cli.console import note, warn
from rcl.system.errors import counted
from rcl.training.fold_run import FoldRun
from rcl.training.plan import LabelledVideos
from rcl.training.trainings import TrainingsObserver, described, is_expected


class TrainingsPrinter(TrainingsObserver):
    """Prints how trainings proceed, on stderr."""

    def matched(self, labelled: LabelledVideos) -> None:
        """Warn of names and labels that can hardly be meant."""
        for sentence in labelled.doubts():
            warn(f"{sentence}.")

    def trained(self, run: FoldRun, done: int, count: int) -> None:
        """Print the average mAP in the held-out videos."""
        found = json.loads(run.evaluation.read_text(encoding="utf-8"))
        note(f"{run.name}: average mAP {found['average_mAP']:.1%} ({done} of {counted(count, 'training')}).")

    def failed(self, run: FoldRun, error: Exception) -> None:
        """Print the error; a fault of the program with the place where it happened."""
        if not is_expected(error):
            note("".join(traceback.format_exception(error)))
        warn(f"{run.name}: {described(error)}")
