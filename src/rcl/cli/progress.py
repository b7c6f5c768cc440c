"""Progress of long work: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rcl.cli.console import stderr, warn
from rcl.system.paths import is_remote

if TYPE_CHECKING:
    from rcl.video.packs import Outcome


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[..., None]]:
    """A bar of ``total`` units.

    Yields a function that takes the number of finished units, with fractions, or without an argument adds one.
    """
    with Progress(console=stderr, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(title, total=total)

        def show(completed: float | None = None) -> None:
            bar.update(task, completed=completed, advance=1 if completed is None else None)

        yield show


class ExtractionProgress:
    """A bar with the time left, and a line for each problem of a video.

    The bar goes by the sizes of the files; in an object store, where sizes cost requests, by their number.

    Args:
        videos: name to file.
    """

    def __init__(self, videos: Mapping[str, Path]) -> None:
        self.videos = videos
        self.done = self.new = self.failed = 0
        remote = any(is_remote(path) for path in videos.values())
        self.sizes = {
            name: 1 if remote else path.stat().st_size if path.exists() else 0 for name, path in videos.items()
        }
        columns = (
            TextColumn("Extracting"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[videos]}"),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
        )
        self.bar = Progress(*columns, console=stderr, disable=not sys.stderr.isatty(), transient=True)
        self.task = self.bar.add_task("", total=max(sum(self.sizes.values()), 1), videos=f"0/{len(videos)}")

    def __enter__(self) -> ExtractionProgress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.bar.stop()

    def show(self, video: str, seconds: float) -> None:
        """Show how many seconds of a video are finished."""
        self.bar.update(self.task, description=f"{video} {seconds:.0f} s")

    def finish(self, outcome: Outcome) -> None:
        """Count a video and print its problems."""
        if outcome.error:
            self.failed += 1
            warn(outcome.error)
        if outcome.record:
            self.done += 1
            self.new += outcome.new
            for problem in outcome.record.problems:
                warn(f"{self.videos[outcome.video]}: {problem}; what could be read is kept.")
        finished = f"{self.done + self.failed}/{len(self.videos)}"
        self.bar.update(self.task, advance=self.sizes[outcome.video], videos=finished, description="")
