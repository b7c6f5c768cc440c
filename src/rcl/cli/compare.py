"""``rcl compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.arguments import detections_first
from rcl.cli.console import print_table, warn
from rcl.cli.detectors import annotations_for, detector_names, join_all
from rcl.cli.ground_truth import GroundTruth, TruthOptions
from rcl.cli.options import DEFAULT_THRESHOLDS, Location, Overwrite, Thresholds, location, parse_thresholds
from rcl.cli.video_files import files_of
from rcl.system.errors import InputError, counted, listed
from rcl.system.paths import is_dir, is_remote

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations
    from rcl.data.detections import Detections
    from rcl.evaluation.leaderboard import Leaderboard


@dataclass(frozen=True)
class DetectorOptions:
    """What the detectors are called, and which one the others are compared with."""

    name: Annotated[
        list[str] | None, typer.Option(help="Name of a detector; once per results file, in the same order.")
    ] = None
    against: Annotated[
        str | None, typer.Option(help="Name of the detector that the others are compared with; by default the first.")
    ] = None

    def named(self, files: Sequence[Path]) -> dict[str, Path]:
        """The results files by the names of their detectors.

        Raises:
            InputError: two would have the same name, or ``against`` is not one of them.
        """
        names = detector_names(files, self.name or [])
        if self.against is not None and self.against not in names:
            fix = "name one of the detectors"
            raise InputError("--against", expected=f"one of {listed([*names])}", found=self.against, fix=fix)
        return dict(zip(names, files, strict=True))

    fps: Annotated[
        float | None, typer.Option(help="Frames per second of results that are a folder of frame label files (MS-TCN).")
    ] = None

    def load(self, files: Mapping[str, Path]) -> dict[str, Detections]:
        """The detections of every detector.

        Raises:
            InputError: a file cannot be read, or a rate of frames is missing or not needed.
        """
        from rcl.data.formats.results import load_detections

        if self.fps is not None and not any(is_dir(file) for file in files.values()):
            found, fix = "files of detections, in seconds", "leave the rate out"
            raise InputError("--fps", expected="a folder of frame label files", found=found, fix=fix)
        return {name: load_detections(file, fps=self.fps) for name, file in files.items()}


@dataclass(frozen=True)
class DrawOptions:
    """The bootstrap from which the intervals come."""

    draws: Annotated[int, typer.Option(min=100, help="Draws of videos, from which the intervals come.")] = 1000
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0


@dataclass(frozen=True)
class OutputOptions:
    """The numbers as JSON, and a page with the timelines of all detectors."""

    output: Annotated[Location | None, typer.Option("--json", help="Write every number here.", parser=location)] = None
    report: Annotated[
        Path | None, typer.Option(help="Write a page here, .html, with the timelines of all detectors.")
    ] = None
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the videos for the page; by default that of the page.")
    ] = None
    title: Annotated[str | None, typer.Option(help="Title of the page; by default the names of the detectors.")] = None
    overwrite: Overwrite = False

    def check(self, inputs: Sequence[Path]) -> None:
        """Check the places of the outputs.

        Raises:
            InputError: one would replace another file, the page cannot be written, or it has options but no place.
        """
        from rcl.cli.output_kinds import COMPARISON_PAGE, LEADERBOARD
        from rcl.cli.outputs import check_replaceable
        from rcl.system.text_files import check_place, extension_of

        if self.output is not None:
            check_replaceable(self.output, LEADERBOARD, overwrite=self.overwrite, inputs=inputs)
        if self.report is not None:
            extension_of(self.report, (".html", ".htm"))
            check_replaceable(self.report, COMPARISON_PAGE, overwrite=self.overwrite, inputs=inputs)
            check_place(self.report)
        elif self.videos is not None or self.title is not None:
            option = "--title" if self.videos is None else "--videos"
            raise InputError(option, expected="--report", found="no page to write", fix="add it, or leave this out")

    def write(self, board: Leaderboard, found: Mapping[str, Detections], annotations: Annotations) -> None:
        """Write what is wanted."""
        from rcl.system.text_files import write_json

        if self.output is not None:
            write_json(self.output, board.to_json(), indent=1)
        if self.report is not None:
            self._write_page(self.report, board, found, annotations)

    def _write_page(
        self, page: Path, board: Leaderboard, found: Mapping[str, Detections], annotations: Annotations
    ) -> None:
        from rcl.cli.progress import progress_bar
        from rcl.web.report.comparison import write_comparison

        names = [*annotations.videos]
        videos = files_of(names, self.videos, what="the annotations") if self.videos else None
        with progress_bar("Reporting", len(names)) as show:
            write_comparison(
                page,
                board,
                detectors=found,
                annotations=annotations,
                videos=videos,
                title=self.title,
                progress=show,
            )
        print(f"{page}: {counted(len(found), 'detector')} in {counted(len(names), 'video')}")


def compare(
    paths: Annotated[
        list[Location],
        typer.Argument(
            metavar="A.json B.json... ANNOTATIONS",
            parser=location,
            help="Results files, one per detector, of any toolbox; then the annotation file, or a pack.",
        ),
    ],
    detectors: DetectorOptions,
    chosen: TruthOptions,
    bootstrap: DrawOptions,
    outputs: OutputOptions,
    tiou: Thresholds = DEFAULT_THRESHOLDS,
    short: Annotated[float | None, typer.Option(help="Also evaluate instances of at most this many seconds.")] = None,
) -> None:
    """Compare detectors on the same videos: mAP, the difference, AP per class, with what the videos can show of it."""
    from rcl.evaluation.leaderboard import leaderboard

    *given, source = _check_paths(paths)
    files = detectors.named(given)
    thresholds = parse_thresholds(tiou)
    outputs.check(paths)
    found, truth = _load(files, source, detectors, chosen)
    annotations = annotations_for(found, truth)
    board = leaderboard(
        found,
        annotations,
        tiou_thresholds=thresholds,
        against=detectors.against,
        short_seconds=short,
        policy=truth.policy,
        **asdict(bootstrap),
    )
    _print(board)
    outputs.write(board, found, annotations)


def _load(
    files: Mapping[str, Path], source: Path, detectors: DetectorOptions, chosen: TruthOptions
) -> tuple[dict[str, Detections], GroundTruth]:
    """The detections of every detector under the names of the annotations, and these."""
    with detections_first("compare", next(iter(files.values())), source):
        truth = GroundTruth.load(source, chosen)
        found = join_all(detectors.load(files), files, truth)
    for (name, one), (other, two) in combinations(found.items(), 2):
        if _are_equal(one, two):
            warn(f"{name} and {other} hold the same detections.")
    return found, truth


def _are_equal(one: Detections, other: Detections) -> bool:
    """Whether detections are the same, in whatever order. Most others differ in their scores, which is quick to see."""
    import numpy as np

    return np.array_equal(np.sort(one.scores), np.sort(other.scores)) and sorted(one) == sorted(other)


def _print(board: Leaderboard) -> None:
    from rcl.cli.tables import class_table, leaderboard_table

    print_table(leaderboard_table(board))
    print_table(class_table(board))
    for name in board.differences:
        print(board.verdict(name))
    for sentence in board.notes():
        warn(sentence)


def _check_paths(paths: Sequence[Path]) -> Sequence[Path]:
    """The arguments, if they are two results files or more, each another one, and annotations.

    Raises:
        InputError: they are fewer, or one is there twice.
    """
    expected = "two results files or more, and then the annotations"
    if len(paths) < 3:
        found = f"only {' and '.join(map(str, paths))}"
        fix = "add the missing ones; rcl evaluate measures a single detector"
        raise InputError("rcl compare", expected=expected, found=found, fix=fix)
    places = [str(path) if is_remote(path) else str(path.resolve()) for path in paths]
    twice = next((path for path, place in zip(paths, places, strict=True) if places.count(place) > 1), None)
    if twice is not None:
        fix = "give each detector's own file"
        raise InputError("rcl compare", expected=expected, found=f"{twice} twice", fix=fix)
    return paths
