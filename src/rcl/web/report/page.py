"""A report: one HTML file with the quality of detections, their errors, and every detection next to its video."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.features import Features
from rcl.data.names import match_names, plain_name
from rcl.data.segments import Timeline
from rcl.detector.encoded_video import EncodedVideo
from rcl.detector.localizer import Localizer
from rcl.evaluation.characteristics import BucketScheme, Fields
from rcl.evaluation.ground_truths import Policy
from rcl.evaluation.joining import check_comparable
from rcl.system.errors import InputError, counted
from rcl.system.paths import PathLike, is_remote
from rcl.system.text_files import write_text
from rcl.web.report.charts import error_charts, summary_charts
from rcl.web.report.confidence_maps import draw_map
from rcl.web.report.matches import Matches, match_videos
from rcl.web.report.page_data import index_json, video_json
from rcl.web.report.rendering import render_page
from rcl.web.report.summary import summarize

PLAYABLE = (".mp4", ".m4v", ".webm", ".mov", ".ogv", ".mkv")
"""Extensions of videos that browsers may play, the likeliest first."""
DEFAULT_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)

FeatureReader = Callable[[], tuple[Features, Timeline]]


def write_report(
    output: PathLike,
    *,
    detections: Detections,
    annotations: Annotations | None = None,
    tiou_thresholds: Sequence[float] | np.ndarray = DEFAULT_THRESHOLDS,
    short_seconds: float | None = None,
    buckets: BucketScheme = "data",
    fields: Fields | None = None,
    policy: Policy = "official",
    videos: Mapping[str, Path] | None = None,
    localizer: Localizer | None = None,
    features: Mapping[str, FeatureReader] | None = None,
    title: str = "Detections",
    progress: Callable[[], None] | None = None,
) -> tuple[str, ...]:
    """Write detections as a page to read in a browser: metrics, error analysis (DETAD), and a timeline per video.

    The file is complete: it needs no network and no other file, except the videos, which it links to by relative paths.
    Without annotations it has the timelines and a histogram of the scores.

    >>> write_report(
    ...     "report.html",
    ...     detections=load_detections("detections.json"),
    ...     annotations=load_annotations("annotations.json", clip=False).subset("validation"),
    ... )  # doctest: +SKIP

    With ``localizer`` and ``features``, each video also gets a map of the confidence of all segments, and the path of
    each detection through the refinement steps:

    >>> read = lambda: localizer.prepare("features/v1.npy", 5.0, video="v1")
    >>> write_report("report.html", detections=found, localizer=localizer, features={"v1": read})  # doctest: +SKIP

    Args:
        output: the HTML file.
        detections: in any videos and with any labels.
        annotations: the ground truth of these videos, loaded with ``clip=False``.
        tiou_thresholds: ``T`` numbers in (0, 1]; detections are matched at each of them.
        short_seconds: the length up to which an instance counts as short; by default the shortest third is short.
        buckets: how DETAD groups the instances; see :func:`rcl.evaluation.detad.diagnose`.
        fields: further characteristics of the instances for DETAD; see :func:`rcl.evaluation.detad.diagnose`.
        policy: which ground truths count, see :func:`~rcl.evaluation.ground_truths.ground_truths`.
        videos: the video files by the name of the video; by default those in the folder of ``output``.
        localizer: the detector, for confidence maps.
        features: by the name of the video, a function that returns its features ``(C, T)`` and their timeline, as
            :meth:`Localizer.prepare` does.
        title: of the page.
        progress: called after every video.

    Returns:
        The notes in the page, one sentence each: what was left out, and what counts as wrong.

    Raises:
        InputError: there are no detections, no detection is in an annotated video or has an annotated label, there is
            no ground truth, or the file cannot be written.
    """
    _check(detections, annotations)
    if annotations is not None and detections.labels == ("",):
        annotations = annotations.unlabelled()
    matches = match_videos(detections, annotations, tiou_thresholds, policy=policy)
    summary = summarize(
        detections,
        annotations,
        tiou_thresholds=tiou_thresholds,
        short_seconds=short_seconds,
        buckets=buckets,
        fields=fields,
        policy=policy,
    )
    found = find_files([video.name for video in matches.videos], Path(output).parent) if videos is None else videos
    links = [link_to(found.get(video.name), Path(output)) for video in matches.videos]
    blocks, problems = _video_blocks(matches, links, localizer, features or {}, progress or (lambda: None))
    notes = list(summary.notes)
    if problems:
        notes.append(f"No confidence map for {counted(len(problems), 'video')}: {problems[0]}")
    charts = summary_charts(summary), error_charts(summary.diagnosis) if summary.diagnosis else []
    blocks["report"] = index_json(matches, [*charts[0], *charts[1]], has_maps=localizer is not None)
    page = render_page(title, summary=summary, matches=matches, charts=charts, blocks=blocks, notes=notes)
    write_text(output, page)
    return tuple(notes)


def _video_blocks(
    matches: Matches,
    links: Sequence[str | None],
    localizer: Localizer | None,
    features: Mapping[str, FeatureReader],
    progress: Callable[[], None],
) -> tuple[dict[str, Any], list[InputError]]:
    """The JSON of every video and of its confidence map, and the errors of features that could not be read."""
    blocks: dict[str, Any] = {}
    problems: list[InputError] = []
    for number, (video, link) in enumerate(zip(matches.videos, links, strict=True)):
        blocks[f"video-{number}"] = video_json(video, link)
        if localizer is not None and (read := features.get(video.name)):
            try:
                blocks[f"map-{number}"] = draw_map(localizer, EncodedVideo(*read()), video.segments_seconds).to_json()
            except InputError as error:
                problems.append(error)
        progress()
    return blocks, problems


def find_files(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """The files in a folder that the names of videos mean and that browsers may play.

    A name with folders, such as ``cam1/001``, is also looked for in these. Other folders are not searched.
    """
    below = dict.fromkeys(plain_name(name).rpartition("/")[0] for name in names)
    places = [place for place in ("", *below) if ".." not in place.split("/") and (folder / place).is_dir()]
    files = [file.relative_to(folder).as_posix() for place in places for file in sorted((folder / place).iterdir())]
    found = dict[str, str]()
    for extension in reversed(PLAYABLE):
        match = match_names(names, [file for file in files if file.lower().endswith(extension)])
        found |= {name: file for name, file in match.pairs.items() if file not in match.doubled}
    exact = {name: name for name in {*names} & {*files} if Path(name).suffix.lower() in PLAYABLE}
    return {name: folder / file for name, file in (found | exact).items()}


def link_to(file: Path | None, output: Path) -> str | None:
    """The address of a video in the page, relative if possible; ``None`` for a file in an object store."""
    if file is None or is_remote(file):
        return None
    try:
        relative = os.path.relpath(file.resolve(), output.resolve().parent)
    except ValueError:  # on another drive
        return file.resolve().as_uri()
    return quote(Path(relative).as_posix().encode("utf-8", "surrogateescape"))


def _check(detections: Detections, annotations: Annotations | None) -> None:
    if not detections.videos and annotations is None:
        raise InputError("detections", expected="detections of a video", found="none", fix="detect in some first")
    if annotations is not None and len(detections):
        check_comparable(detections, annotations)
