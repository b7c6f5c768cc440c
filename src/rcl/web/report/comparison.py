"""A page that compares detectors: one HTML file with their numbers, the classes that changed, and their timelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections, renumber
from rcl.evaluation.diagnosis import KINDS
from rcl.evaluation.joining import labelled_alike
from rcl.evaluation.leaderboard import Leaderboard
from rcl.system.errors import InputError, counted, listed
from rcl.system.paths import PathLike
from rcl.system.text_files import write_text
from rcl.web.report.charts import Chart
from rcl.web.report.comparison_charts import class_charts, summary_charts
from rcl.web.report.matches import Matches, VideoMatches, match_videos
from rcl.web.report.page import find_files, link_to
from rcl.web.report.page_data import usual_row, video_json
from rcl.web.report.rendering import render

_SHARES = (0.5, 1, 2, 5, None)  # detections for each ground truth that the page can show; None for all
_FIRST_SHARE = 1
_FOUND = ("segments", "labels", "scores", "taken", "kinds")  # of a detector, the rest is of the video


def write_comparison(
    output: PathLike,
    board: Leaderboard,
    *,
    detectors: Mapping[str, Detections],
    annotations: Annotations,
    videos: Mapping[str, Path] | None = None,
    title: str | None = None,
    progress: Callable[[], None] | None = None,
) -> None:
    """Write a comparison of detectors as a page to read in a browser, with a timeline per video and detector.

    The file is complete: it needs no network and no other file, except the videos, which it links to by relative paths.

    >>> board = leaderboard({"A": first, "B": second}, annotations, tiou_thresholds=[0.5])  # doctest: +SKIP
    >>> write_comparison(
    ...     "comparison.html", board, detectors={"A": first, "B": second}, annotations=annotations
    ... )  # doctest: +SKIP

    Args:
        output: the HTML file.
        board: what :func:`rcl.evaluation.leaderboard` returned for these detectors and annotations.
        detectors: the detections of each, by the names of ``board``.
        annotations: the ground truth, loaded with ``clip=False``.
        videos: the video files by the name of the video; by default those in the folder of ``output``.
        title: of the page; by default the names of the detectors.
        progress: called after every video.

    Raises:
        InputError: the detectors are not those of ``board``, or the file cannot be written.
    """
    if [*detectors] != [*board.entries]:
        expected, found = f"those of the comparison ({listed([*board.entries])})", listed([*detectors]) or "none"
        raise InputError("detectors", expected=expected, found=found, fix="give the same, in their order")
    first = board.entries[board.against].evaluation
    annotations = labelled_alike(detectors, annotations)
    matches = [
        match_videos(found, annotations, board.thresholds, policy=first.policy)  # type: ignore[arg-type]
        for found in detectors.values()
    ]
    charts = summary_charts(board), class_charts(board)
    labels = tuple(dict.fromkeys(label for one in matches for label in one.labels))
    names = [*annotations.videos]
    files = find_files(names, Path(output).parent) if videos is None else videos
    blocks: dict[str, Any] = {"report": _index(matches, labels, [*detectors], len(names), [*charts[0], *charts[1]])}
    for number, name in enumerate(names):
        blocks[f"video-{number}"] = _video(matches, labels, number, link_to(files.get(name), Path(output)))
        if progress:
            progress()
    page = render(
        "comparison.html.j2",
        ["comparison.js", "splitter.js"],
        blocks,
        title=title or ", ".join(detectors),
        board=board,
        first=first,
        charts=charts,
        notes=board.notes(),
        counts=f"{counted(board.videos, 'video')}, {counted(int(board.positives.sum()), 'ground truth')}",
    )
    write_text(output, page)


def _index(
    matches: Sequence[Matches], labels: Sequence[str], names: Sequence[str], videos: int, charts: Sequence[Chart]
) -> dict[str, Any]:
    """The block that the page needs before a video is opened; of the annotated videos, the first ones of all."""
    thresholds = matches[0].tiou_thresholds
    row = usual_row(thresholds)
    cuts = [_cuts(one.videos[:videos]) for one in matches]
    first = _SHARES.index(_FIRST_SHARE)
    return {
        "labels": [*labels],
        "kinds": list(KINDS),
        "thresholds": [round(float(threshold), 4) for threshold in thresholds],
        "tiou": row,
        "shares": [*_SHARES],
        "share": first,
        "detectors": [{"name": name, "cuts": own} for name, own in zip(names, cuts, strict=True)],
        "videos": [
            {
                "name": one[0].name,
                "annotated": True,
                "errors": [video.errors(own[first], row) for video, own in zip(one, cuts, strict=True)],
                "truths": len(one[0].truths_seconds),
                "detections": sum(len(video.scores) for video in one),
            }
            for one in list(zip(*(one.videos for one in matches), strict=False))[:videos]
        ],
        "charts": {chart.key: chart.figure for chart in charts},
    }


def _cuts(videos: Sequence[VideoMatches]) -> list[float]:
    """The lowest score that is shown, for each of ``_SHARES``."""
    scores = np.sort(np.concatenate([np.empty(0), *(video.scores for video in videos)]))[::-1]
    if not len(scores):
        return [0.0] * len(_SHARES)
    truths = sum(len(video.truths_seconds) for video in videos)
    wanted = [len(scores) if share is None else max(round(share * truths), 1) for share in _SHARES]
    return [float(scores[min(number, len(scores)) - 1]) for number in wanted]


def _video(matches: Sequence[Matches], labels: Sequence[str], number: int, link: str | None) -> dict[str, Any]:
    """The block of one video: its ground truths, and the detections of each detector."""
    place = {label: index for index, label in enumerate(labels)}
    own = [
        video_json(replace(video, labels=renumber(video.labels, one.labels, place)), link)
        for one in matches
        for video in [one.videos[number]]
    ]
    shared = {key: value for key, value in own[0].items() if key not in _FOUND}
    duration = max(video["duration"] for video in own)
    return {**shared, "duration": duration, "detectors": [{key: video[key] for key in _FOUND} for video in own]}
