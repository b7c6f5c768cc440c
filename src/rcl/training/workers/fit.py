"""A worker that runs ``rcl.fit`` on a pack, with its progress in lines of JSON.

The argument is an object with ``pack``, ``labels`` (a file, or null for those of the pack), ``output``, ``after`` (the
folder of an earlier fit, or null), ``budget_seconds`` (or null) and ``resume``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rcl.system.errors import InputError
from rcl.system.text_files import write_json
from rcl.training.earlier_pack_run import EarlierPackRun
from rcl.training.fit import fit
from rcl.training.fit_result import FitObserver
from rcl.training.plan import LabelledVideos
from rcl.training.workers.reporting import Reports, run_worker
from rcl.video.pack_labels import PackLabels
from rcl.video.records import records_of_pack
from rcl.video.settings import read_settings

FINISHED = "finished.json"
log = logging.getLogger("rcl")


class FitReports(FitObserver):
    """Reports the stages of a fit, and remembers what is doubtful.

    Args:
        reports: where to.
    """

    def __init__(self, reports: Reports) -> None:
        self.reports = reports
        self.doubts: list[str] = []

    def matched(self, labelled: LabelledVideos) -> None:
        """Remember labels without features, and labels that are almost the same."""
        others = replace(labelled, match=replace(labelled.match, unused=()))  # most videos have no labels yet
        self.doubts += [f"{doubt[:1].upper()}{doubt[1:]}." for doubt in others.doubts()]

    def trained(self, share: float) -> None:
        """Report how much of the training is done."""
        self.reports.progress("training", share)

    @contextmanager
    def evaluation(self, videos: int) -> Iterator[Callable[[], None]]:
        """Report how many of the held-out videos are done."""
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            self.reports.progress("evaluation", done / max(videos, 1))

        self.reports.progress("evaluation", 0.0)
        yield advance


def work(reports: Reports, arguments: dict[str, Any]) -> None:
    """Fit, and note in the folder of the run that it is finished."""
    pack, output, after = Path(arguments["pack"]), Path(arguments["output"]), arguments["after"]
    observer = FitReports(reports)
    reports.progress("training", 0.0)
    if read_settings(pack) is not None and arguments["labels"] is not None:
        PackLabels(pack).update(records_of_pack(pack), None)  # the lengths of videos that are new in it
    if after is not None and not _can_follow(after, pack=pack, output=output):
        after = None
        observer.doubts.append("The earlier training was on other features, so other videos are held out now.")
    how = {name: arguments[name] for name in ("budget_seconds", "resume")}
    result = fit(pack, arguments["labels"], output, after=after, observer=observer, **how)
    observer.doubts += [str(error) for error in result.problems.values()]
    write_json(output / FINISHED, {"made_by": "rcl serve", "doubts": observer.doubts}, indent=1)


def _can_follow(after: str, *, pack: Path, output: Path) -> bool:
    """Whether an earlier run is one on the same pack."""
    try:
        EarlierPackRun.open(after, pack=pack, output=output)
    except InputError as error:
        log.warning("%s", error)
        return False
    return True


def main() -> None:
    """Run the worker."""
    run_worker(work, received=lambda message: None)
