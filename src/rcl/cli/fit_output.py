"""What ``rcl fit`` and ``rcl demo`` print and write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rcl.cli.console import exit_if_failed, note, print_table, warn
from rcl.cli.event_tables import points_summary
from rcl.cli.options import stdout_kept_for_results
from rcl.cli.progress import ExtractionProgress, progress_bar
from rcl.cli.tables import comparison_table, evaluation_table
from rcl.data.annotations import Annotations
from rcl.data.matching import LabelCount, count_labels
from rcl.data.reviewed_time import describe_reviewed
from rcl.evaluation.bootstrap import FEW_INSTANCES
from rcl.system.errors import counted
from rcl.system.ray_cluster import Cluster
from rcl.training.choices import Choice
from rcl.training.fit_result import FitObserver, FitResult
from rcl.training.plan import LabelledVideos
from rcl.video.packs import Outcome


class FitPrinter(FitObserver):
    """Prints how a fit proceeds, on stderr.

    Args:
        cluster: where the features are extracted; ``None``: on this machine.
    """

    def __init__(self, cluster: Cluster | None = None) -> None:
        self.cluster = cluster

    def matched(self, labelled: LabelledVideos) -> None:
        """Warn of labels without a video, of videos without labels, and of labels that are almost the same."""
        for sentence in labelled.doubts():
            warn(f"{sentence}.")

    @contextmanager
    def extraction(self, videos: Mapping[str, Path]) -> Iterator[Callable[[str, float], None]]:
        """Show a bar."""
        with ExtractionProgress(videos) as self.progress, stdout_kept_for_results(self.cluster):
            yield self.progress.show
        before = self.progress.done - self.progress.new
        note(f"Features of {counted(self.progress.done, 'video')}{f' ({before} done before)' if before else ''}.")

    def extracted(self, outcome: Outcome) -> None:
        """Advance the bar, and print the problems of the video."""
        self.progress.finish(outcome)

    def split(self, annotations: Annotations, held_out: str | None) -> None:
        """Print the classes with their numbers of instances and videos."""
        for line in class_lines(annotations, held_out):
            note(line)
        if reviewed := describe_reviewed(annotations):
            note(f"{reviewed}; what was not looked at counts for nothing.")

    @contextmanager
    def evaluation(self, videos: int) -> Iterator[Callable[[], None]]:
        """Show a bar."""
        with progress_bar("Evaluating", videos) as advance:
            yield advance

    def tried(self, name: str, fold: int, average_map: float) -> None:
        """Print the score."""
        note(f"Tried {name} on fold {fold + 1} of the training videos: average mAP {average_map:.1%}.")

    def chosen(self, choice: Choice) -> None:
        """Print the choice."""
        note(f"{choice.name}: {choice.value}, because {choice.reason}.")


def class_lines(annotations: Annotations, held_out: str | None) -> list[str]:
    """A line per class: its numbers of instances and videos in the training, and in the subset that is held out."""
    subsets = ["training", *([held_out] if held_out else [])]
    counts = [count_labels(annotations, subset) for subset in subsets]
    rows = [("class", *subsets)]
    for label in sorted({label for known in counts for label in known}):
        rows.append((label, *(_of_videos(known.get(label)) for known in counts)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _of_videos(count: LabelCount | None) -> str:
    return f"{count.instances:,} in {counted(count.videos, 'video')}" if count else "–"


def print_fit(result: FitResult) -> None:
    """Print the results of a fit, and write the report on the held-out videos."""
    output = result.checkpoint.parent
    if result.evaluation is None:
        note("No video was held out, so nothing was evaluated.")
    else:
        _write_report(result, output / "report.html")
        print_table(evaluation_table(result.evaluation))
        if result.comparison:
            print_table(comparison_table(result.comparison))
        for line in points_summary(result.calibrated) if result.calibrated else ():
            note(line)
        instances = result.evaluation.counts["ground_truths"]
        if instances < FEW_INSTANCES:
            warn(
                f"only {counted(instances, 'instance')} in the held-out videos: these numbers change a lot by chance. "
                "Label more videos before you rely on them."
            )
        print(f"detections  {output / 'detections.json'}")
        print(f"evaluation  {output / 'evaluation.json'}")
        if result.comparison:
            print(f"comparison  {output / 'comparison.json'}")
        print(f"report      {output / 'report.html'} (open it in a browser)")
    print(f"features    {result.pack}")
    print(f"checkpoint  {result.checkpoint}")


def exit_if_unused(result: FitResult) -> None:
    """Exit with status 2 if labelled videos could not be used."""
    missing = len(result.labelled.missing)
    exit_if_failed(len(result.problems) + missing, len(result.labelled.videos) + missing)


def _write_report(result: FitResult, path: Path) -> None:
    from rcl.web.report.page import write_report

    assert result.detections is not None  # nor is the evaluation
    with progress_bar("Reporting", len(result.features)) as show:
        write_report(
            path,
            detections=result.detections,
            annotations=result.annotations,
            short_seconds=result.labelled.short_seconds,
            videos=result.files,
            localizer=result.localizer,
            features=result.features,
            title="Held-out videos",
            progress=show,
        )
