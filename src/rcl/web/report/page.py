"""One HTML file that shows how good detections are, why they are wrong, and each of them beside its video."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.features import Features
from rcl.data.segments import Timeline
from rcl.detector.localizer import EncodedVideo, Localizer
from rcl.evaluation.characteristics import BucketScheme, Fields
from rcl.evaluation.diagnosis import KINDS
from rcl.evaluation.ground_truths import check_comparable
from rcl.system.errors import InputError
from rcl.system.paths import PathLike, is_remote
from rcl.system.text_files import write_text
from rcl.web.report.charts import Chart, error_charts, summary_charts
from rcl.web.report.confidence_maps import draw_map
from rcl.web.report.matches import Matches, VideoMatches, match_videos
from rcl.web.report.summary import Summary, summarize

PLAYABLE = (".mp4", ".m4v", ".webm", ".mov", ".ogv", ".mkv")
"""What browsers may play, the likeliest first."""
DEFAULT_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
_USUAL_TIOU = 0.5  # which the page shows first

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
    videos: Mapping[str, Path] | None = None,
    localizer: Localizer | None = None,
    features: Mapping[str, FeatureReader] | None = None,
    title: str = "Detections",
    progress: Callable[[], None] | None = None,
) -> tuple[str, ...]:
    """Write a report.

    The file needs no network and nothing beside it but the videos, which it links to by a relative path.

    Args:
        output: the HTML file.
        detections: of any videos and labels.
        annotations: their ground truth, not clipped; ``None`` where there is none.
        tiou_thresholds: ``T`` numbers in (0, 1] at which detections are matched.
        short_seconds: length up to which an instance is short; the shortest third where it is ``None``.
        buckets: see :func:`rcl.evaluation.detad.diagnose`.
        fields: likewise.
        videos: video files by the name of the video; those beside ``output`` where it is ``None``.
        localizer: the detector, for confidence maps.
        features: what reads the features of a video for it, ``() → (features (C, T), timeline)`` by name, as
            :meth:`Localizer.prepare` returns them.
        title: of the page.
        progress: called after every video.

    Returns:
        Notes on what is left out or counts as wrong, one sentence each, as they stand in the page.

    Raises:
        InputError: there is nothing to show, no detection is in an annotated video, none has a known label, there is no
            ground truth, or the place cannot be written to.
    """
    _check(detections, annotations)
    if annotations is not None and detections.labels == ("",):
        annotations = annotations.unlabelled()
    matches = match_videos(detections, annotations, tiou_thresholds)
    summary = summarize(
        detections,
        annotations,
        tiou_thresholds=tiou_thresholds,
        short_seconds=short_seconds,
        buckets=buckets,
        fields=fields,
    )
    found = find_files(matches, Path(output).parent) if videos is None else videos
    notes = list(summary.notes)
    blocks: dict[str, Any] = {}
    unread: list[str] = []
    for number, video in enumerate(matches.videos):
        blocks[f"video-{number}"] = _video_json(video, link_to(found.get(video.name), Path(output)))
        reader = (features or {}).get(video.name)
        if localizer is not None and reader is not None:
            try:
                drawn = draw_map(localizer, EncodedVideo(*reader()), video.segments_seconds)
                blocks[f"map-{number}"] = drawn.to_json()
            except InputError as error:
                unread.append(str(error))
        if progress:
            progress()
    if unread:
        more = f" ({len(unread) - 1} more such videos)" if len(unread) > 1 else ""
        notes.append(f"No confidence map: {unread[0]}{more}.")
    charts = summary_charts(summary), error_charts(summary.diagnosis) if summary.diagnosis else []
    blocks["report"] = _index_json(matches, charts, has_maps=localizer is not None)
    write_text(output, _render(title, summary, matches, charts, blocks, notes))
    return tuple(notes)


def find_files(matches: Matches, folder: Path) -> dict[str, Path]:
    """The files of a folder that are called like a video of the report and that browsers may play, by its name."""
    beside = {file.name: file for file in sorted(folder.iterdir())} if folder.is_dir() else {}
    names = {video.name for video in matches.videos}
    found = {name: beside[name] for name in names & beside.keys() if Path(name).suffix.lower() in PLAYABLE}
    for extension in reversed(PLAYABLE):
        for file in beside.values():
            if file.suffix.lower() == extension and file.stem in names:
                found[file.stem] = file
    return found


def link_to(file: Path | None, output: Path) -> str | None:
    """What the page writes to play a video: a relative path where there is one; nothing for an object store."""
    if file is None or is_remote(file):
        return None
    try:
        relative = os.path.relpath(file.resolve(), output.resolve().parent)
    except ValueError:  # on another drive
        return file.resolve().as_uri()
    return quote(Path(relative).as_posix().encode("utf-8", "surrogateescape"))


def to_block(data: object) -> str:
    """JSON that stands in a script element: no ``<``, which could end it, and never a NaN."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _check(detections: Detections, annotations: Annotations | None) -> None:
    if not detections.videos and annotations is None:
        raise InputError("detections", expected="detections of a video", found="none", fix="detect in some first")
    if annotations is not None and len(detections):
        check_comparable(detections, annotations)


def _video_json(video: VideoMatches, link: str | None) -> dict[str, Any]:
    """Columns, since there may be thousands of rows; times to the millisecond."""
    return {
        "duration": round(video.duration_seconds, 3),
        "annotated": video.annotated,
        "file": link,
        "truths": video.truths_seconds.round(3).ravel().tolist(),
        "truthLabels": video.truth_labels.tolist(),
        "segments": video.segments_seconds.round(3).ravel().tolist(),
        "labels": video.labels.tolist(),
        "scores": video.scores.tolist(),
        "taken": video.taken.tolist() if video.annotated else [],
        "kinds": ["".join(map(str, row)) for row in video.kinds.tolist()],
    }


def _index_json(matches: Matches, charts: tuple[list[Chart], list[Chart]], *, has_maps: bool) -> dict[str, Any]:
    """What the page needs before a video is opened."""
    thresholds = matches.tiou_thresholds
    row = int(np.abs(thresholds - _USUAL_TIOU).argmin())
    scores = np.concatenate([np.empty(0), *(video.scores for video in matches.videos)])
    return {
        "labels": list(matches.labels),
        "kinds": list(KINDS),
        "thresholds": [round(float(threshold), 4) for threshold in thresholds],
        "tiou": row,
        "threshold": matches.threshold,
        "scores": [float(scores.min(initial=0.0)), float(scores.max(initial=0.0))],
        "maps": has_maps,
        "videos": [
            {
                "name": video.name,
                "annotated": video.annotated,
                "errors": video.errors(matches.threshold, row) if video.annotated else None,
                "best": float(video.scores[0]) if len(video.scores) else None,
                "truths": len(video.truths_seconds),
                "detections": len(video.scores),
            }
            for video in matches.videos
        ],
        "charts": {chart.key: chart.figure for part in charts for chart in part},
    }


def _render(
    title: str,
    summary: Summary,
    matches: Matches,
    charts: tuple[list[Chart], list[Chart]],
    blocks: Mapping[str, Any],
    notes: Sequence[str],
) -> str:
    from jinja2 import Environment  # takes its time, and so does the next one
    from plotly.offline import get_plotlyjs

    folders = (files("rcl.web") / "static", files("rcl.web.report") / "static")
    texts = {file.name: file.read_text(encoding="utf-8") for folder in folders for file in folder.iterdir()}
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda value: "–" if value is None else f"{100 * value:.1f}"
    return environment.from_string(texts["report.html.j2"]).render(
        title=title,
        summary=summary,
        evaluation=summary.evaluation,
        classes=_classes(summary, matches),
        charts=charts,
        notes=notes,
        css=[texts["report.css"], texts["timeline.css"]],
        scripts=[texts[f"{name}.js"] for name in ("timeline", "map", "summary", "report")],
        plotly=get_plotlyjs(),
        blocks={key: to_block(data) for key, data in blocks.items()},
    )


def _classes(summary: Summary, matches: Matches) -> list[dict[str, Any]]:
    """The rows of the table of classes."""
    evaluation = summary.evaluation
    if evaluation is None:
        return []
    truths, found = (
        np.bincount(np.concatenate(parts), minlength=len(matches.labels))
        for parts in zip(*((v.truth_labels, v.labels) for v in matches.videos), strict=True)
    )
    return [
        {
            "label": label or "(any action)",
            "truths": int(truths[index]),
            "detections": int(found[index]),
            "ap": evaluation.ap[:, index].tolist(),
            "average": float(evaluation.ap[:, index].mean()),
        }
        for index, label in enumerate(evaluation.labels)
    ]
