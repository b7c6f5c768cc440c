"""Progress of long work: a bar on a terminal, a line every half minute in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rcl.cli.console import note, stderr, warn
from rcl.system.errors import counted
from rcl.system.paths import is_remote
from rcl.system.progress_lines import ProgressLines

if TYPE_CHECKING:
    from rcl.video.packs import Outcome


def _unless_terminal(lines: ProgressLines) -> AbstractContextManager[object]:
    """The lines, where no bar is shown."""
    return nullcontext() if sys.stderr.isatty() else lines


@contextmanager
def progress_bar(title: str, total: int, *, noun: str = "video") -> Iterator[Callable[..., None]]:
    """A bar of ``total`` videos, or other things.

    Yields a function that takes the number of finished ones, with fractions, or without an argument adds one.
    """
    lines, finished = ProgressLines(title, note), 0.0
    lines.show(f"0 of {counted(total, noun)}", 0.0)
    with _unless_terminal(lines), Progress(console=stderr, disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(title, total=total)

        def show(completed: float | None = None) -> None:
            nonlocal finished
            finished = finished + 1 if completed is None else completed
            lines.show(f"{int(finished)} of {counted(total, noun)}", finished / max(total, 1))
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
        self.total = max(sum(self.sizes.values()), 1)
        self.task = self.bar.add_task("", total=self.total, videos=f"0/{len(videos)}")
        self.finished = 0  # of the total
        self.lines = ProgressLines("Extracting", note)
        self._show_line("")
        self._closing = ExitStack()

    def __enter__(self) -> ExtractionProgress:
        self._closing.enter_context(_unless_terminal(self.lines))
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.bar.stop()
        self._closing.close()

    def show(self, video: str, share: float) -> None:
        """Show the share of a video that is finished, 0 to 1."""
        described = f"{video} {100 * share:.0f} %"
        self._show_line(f" ({described})", within=self.sizes[video] * share)
        self.bar.update(self.task, description=described)

    def finish(self, outcome: Outcome) -> None:
        """Count a video and print its problems."""
        from rcl.video.stream import with_consequence

        if outcome.error:
            self.failed += 1
            warn(outcome.error)
        if outcome.record:
            self.done += 1
            self.new += outcome.new
            for problem in outcome.record.problems:
                said = with_consequence(problem, "what could be read is kept")
                warn(f"{self.videos[outcome.video]}: {said}.")
        self.finished += self.sizes[outcome.video]
        self._show_line("", new=outcome.new)
        finished = f"{self.done + self.failed}/{len(self.videos)}"
        self.bar.update(self.task, advance=self.sizes[outcome.video], videos=finished, description="")

    def _show_line(self, video: str, *, new: bool = True, within: float = 0.0) -> None:
        what = f"{self.done + self.failed} of {counted(len(self.videos), 'video')}{video}"
        share = min((self.finished + within) / self.total, 1)
        (self.lines.show if new else self.lines.begin)(what, share)
