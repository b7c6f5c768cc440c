"""``rcl ethogram``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.console import note, print_table, warn
from rcl.cli.options import Overwrite
from rcl.cli.segments_file import SegmentOptions, as_annotations
from rcl.cli.video_files import files_of
from rcl.system.errors import counted, listed

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations, VideoAnnotation
    from rcl.evaluation.time_budget import TimeBudget

_VIDEOS_ON_A_PAGE, _MOST_PAGES = 40, 25


def ethogram(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Detections, annotations of any format, a pack, or a folder of them.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the tables and the figures.")],
    chosen: SegmentOptions,
    group: Annotated[
        str | None,
        typer.Option(
            help="Which videos belong together: group (the column or key of the labels), video (each alone), or a "
            "regular expression that finds the group in a video's name, e.g. 'S\\d'. By default group, if there is one."
        ),
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the videos, for their durations; by default those in the file.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Show what happens how often, how long and after what, per video and group: tables (CSV) and figures."""
    from rcl.cli.outcome_tables import budget_table
    from rcl.cli.outputs import check_ethogram
    from rcl.data.annotations import clip
    from rcl.data.colours import label_colours
    from rcl.data.reviewed_time import describe_reviewed
    from rcl.evaluation.time_budget import time_budget

    check_ethogram(output, overwrite=overwrite)
    loaded, labels = chosen.load(file)
    segments = as_annotations(loaded, file)
    if videos is not None:
        segments = _with_lengths_of(segments, videos, file)
    annotations = clip(_grouped(segments, group))
    budget = time_budget(annotations)
    for sentence in _doubts(budget, annotations):
        warn(sentence)
    annotations = replace(annotations, videos={name: annotations.videos[name] for name in budget.videos})
    if reviewed := describe_reviewed(annotations):
        note(f"{reviewed}; shares, rates, latencies and transitions are of that time.")
    print_table(budget_table(budget))
    _write(output, budget, annotations, label_colours(labels))


def _grouped(annotations: Annotations, group: str | None) -> Annotations:
    from rcl.training.folds import with_groups

    return annotations if group is None else with_groups(annotations, group)


def _with_lengths_of(annotations: Annotations, folder: Path, file: Path) -> Annotations:
    from rcl.data.annotations import with_durations
    from rcl.video.extraction import stated_seconds

    lengths = {name: stated_seconds(path) for name, path in files_of([*annotations.videos], folder, what=file).items()}
    if unknown := [repr(name) for name, seconds in lengths.items() if not seconds]:
        warn(f"the files of these videos state no length, or cannot be read: {listed(unknown)}.")
    return with_durations(annotations, {name: seconds for name, seconds in lengths.items() if seconds})


def _doubts(budget: TimeBudget, annotations: Annotations) -> Iterator[str]:
    import numpy as np

    from rcl.data.fonts import fonts_for

    known = {*budget.videos}
    if unseen := [repr(name) for name in annotations.videos if name not in known]:
        yield f"nothing was reviewed of {listed(unseen)}: left out."
    unknown = [budget.videos[row] for row in np.flatnonzero(np.isnan(budget.reviewed_seconds))]
    if unknown:
        what = "all videos" if len(unknown) == len(budget.videos) else listed([*map(repr, unknown)])
        yield f"the duration of {what} is not known, so shares and rates stay empty there; --videos FOLDER reads them."
    if budget.looks_like_a_ranking:
        yield (
            f"segments of one label overlap: together they are {budget.overlap:.1f} times as long as the time that "
            "they cover. A list of what happened comes from rcl detect --decide, rcl segment, or a higher --min-score."
        )
    if budget.points:
        yield f"{counted(budget.points, 'event')} without a length: counted, without a duration."
    if problem := fonts_for([*budget.labels, *budget.videos, *budget.groups]).problem():
        yield f"{problem}."


def _write(output: Path, budget: TimeBudget, annotations: Annotations, colours: Mapping[str, str]) -> None:
    from rcl.cli.outputs import ETHOGRAM_TABLES
    from rcl.evaluation import ethogram as figures
    from rcl.evaluation import time_budget_tables as tables
    from rcl.evaluation.figures import save_figure
    from rcl.system.text_files import write_text
    from rcl.system.text_formats import csv_text

    for name, rows in zip(ETHOGRAM_TABLES, (tables.video_rows, tables.group_rows, tables.transition_rows), strict=True):
        write_text(output / name, csv_text(rows(budget), line_end="\r\n"))
    drawn = {"time_budget": figures.budget_figure(budget, colours), "transitions": figures.transition_figure(budget)}
    pages = _pages(annotations)
    for number, page in enumerate(pages, 1):
        name = "ethogram" if len(pages) == 1 else f"ethogram-{number:02d}"
        drawn[name] = figures.ethogram_figure(page, budget.labels, colours)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # said in one sentence for all of them
        for name, figure in drawn.items():
            for extension in ("svg", "png"):
                save_figure(figure, output / f"{name}.{extension}")
    for what, most in (("time budget", figures.MOST_BARS), ("transitions", figures.MOST_MATRICES)):
        if len(budget.groups) > most:
            shown = f"the first {most} of {len(budget.groups)} groups"
            warn(f"the figure of the {what} has {shown}, the table has all.")
    print(f"{output}: {', '.join(ETHOGRAM_TABLES)}; {', '.join(drawn)} (.svg, .png)")


def _pages(annotations: Annotations) -> Sequence[Sequence[VideoAnnotation]]:
    """The videos of each figure, sorted by group; not more figures than anybody looks at."""
    videos = sorted(annotations.videos.values(), key=lambda video: (video.group or "", video.name))
    pages = [videos[first : first + _VIDEOS_ON_A_PAGE] for first in range(0, len(videos), _VIDEOS_ON_A_PAGE)]
    if len(pages) > _MOST_PAGES:
        shown = _MOST_PAGES * _VIDEOS_ON_A_PAGE
        warn(f"the ethogram has the first {shown:,} of {counted(len(videos), 'video')}; the tables have all.")
    return pages[:_MOST_PAGES]
