"""The annotation files of BSN, BMN and G-TAD for ActivityNet."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Literal, NamedTuple

from rcl.data.annotations import Annotations, VideoAnnotation, to_subset
from rcl.data.formats.values import VideoDraft, to_instance, to_number, to_positive
from rcl.system.errors import Defect, InputError, Problems, listed, located, shown
from rcl.system.text_formats import parse_csv

SNIPPET_FRAMES = 16  # of the public ActivityNet features
INFO_NAME = "video_info_new.csv"
Extent = Literal["features", "whole_snippets", "video"]


class VideoInfo(NamedTuple):
    """A row of ``video_info_new.csv``; ``feature_frames`` is the number of snippets times 16."""

    subset: str
    duration_seconds: float
    frames: int
    feature_frames: int


def parse_video_info(text: str, source: str) -> dict[str, VideoInfo]:
    """Rows of ``video,numFrame,seconds,fps,rfps,subset,featureFrame``, by video.

    Args:
        text: the content of the file.
        source: the file, for messages.

    Raises:
        InputError: it is damaged or of another kind, a value is wrong, or a video is listed twice.
    """
    videos, problems = dict[str, VideoInfo](), Problems()
    required = ("video", "numframe", "seconds", "subset", "featureframe")
    for line, row in parse_csv(text, source, required, ("fps", "rfps")):
        name = row["video"].strip()
        with problems.located(f"{source}, line {line}, video {name!r}"):
            if not name or name in videos:
                found = "it twice" if name else "none"
                raise Defect(expected="the name of a video, each once", found=found, fix="correct the name")
            videos[name] = VideoInfo(
                to_subset(row["subset"]),
                to_positive(row["seconds"], "seconds"),
                _to_count(row["numframe"], "numFrame"),
                _to_count(row["featureframe"], "featureFrame"),
            )
    problems.raise_first()
    return videos


def is_bmn(data: Mapping[str, Any]) -> bool:
    """Whether the content of a JSON file is what :func:`parse` takes, judged by its first video."""
    first = next(iter(data.values()), None)
    return isinstance(first, dict) and "duration_second" in first and "annotations" in first


def effective_seconds(duration_seconds: float, frames: int, feature_frames: int, extent: Extent) -> float:
    """How much of a video a rescaled feature sequence covers.

    >>> effective_seconds(100.0, 1000, 960, "features")
    96.0

    Args:
        duration_seconds: of the video.
        frames: of the video.
        feature_frames: 16 times the number of snippets before rescaling; a little more than ``frames`` or less.
        extent: ``features``: ``duration · feature_frames / frames``, by which BSN and BMN divide the ground truth in
            training. ``whole_snippets``: ``duration · (frames // 16 · 16) / frames``, by which they multiply proposals
            in post-processing; the two differ where features are missing. ``video``: the duration itself.
    """
    whole = max(frames // SNIPPET_FRAMES, 1) * SNIPPET_FRAMES
    covered = {"features": feature_frames, "whole_snippets": whole, "video": frames}
    return duration_seconds * covered[extent] / frames


def parse(
    data: dict[str, Any],
    source: str,
    *,
    info: Mapping[str, VideoInfo],
    subset: str | None = None,
    extent: Extent = "video",
) -> Annotations:
    """Annotations of ``{video: {"duration_second", "duration_frame", "feature_frame", "annotations"}}``.

    Where ``feature_frame`` is missing or 0, the duration is that of the video for every extent.

    Args:
        data: the content of the file.
        source: the file, for messages.
        info: subsets of the videos; others than those of the file may be in it.
        subset: of all videos, in place of ``info``.
        extent: which duration; see :func:`effective_seconds`.

    Raises:
        InputError: it is of another kind, a value is wrong, or the subset of a video is not known.
    """
    if not is_bmn(data):
        expected = 'annotations {video: {"duration_second", "duration_frame", "feature_frame", "annotations"}}'
        found = f"the keys {listed([*data]) or '(none)'}"
        raise InputError(source, expected=expected, found=found, fix="give the annotation file of BSN or BMN")
    videos, problems = dict[str, VideoAnnotation](), Problems()
    with located(source):
        subset = to_subset(subset) if subset else None
    for name, entry in data.items():
        known = subset or (info[name].subset if name in info else None)
        with problems.located(f"{source}, video {name!r}"):
            videos[name] = _parse_video(name, entry, known, extent, _subset_in(source))
    problems.raise_first()
    return Annotations(videos, source=source)


def _subset_in(source: str) -> str | None:
    """The subset that the name of a file speaks of: ``anno_val.json``."""
    words = re.findall("[a-z]+", PurePath(source).stem.lower())
    for word in words:
        with contextlib.suppress(Defect):
            return to_subset(word)
    return None


def _parse_video(name: str, entry: Any, subset: str | None, extent: Extent, likely: str | None) -> VideoAnnotation:
    if not isinstance(entry, dict) or not isinstance(entry.get("annotations"), list):
        fix = "correct the entry, [] for a video without annotations"
        raise Defect(expected='a video {"duration_second", …, "annotations": []}', found=shown(entry), fix=fix)
    stated = subset or entry.get("subset")
    if stated is None:
        option = f"--subset {likely}, as its name says" if likely else "--subset training, validation or testing"
        fix = f"give it to rcl import with {option}, or put {INFO_NAME} into the folder of this file"
        raise Defect(expected=f"its subset in {INFO_NAME}", found="none", fix=fix)
    seconds = to_positive(entry.get("duration_second"), "duration_second")
    if entry.get("feature_frame", 0) != 0:  # MMAction2 has people fill in 0 where it is not known
        frames, feature_frames = (_to_count(entry.get(key), key) for key in ("duration_frame", "feature_frame"))
        seconds = effective_seconds(seconds, frames, feature_frames, extent)
    draft = VideoDraft(to_subset(stated), seconds)
    for item in entry["annotations"]:
        draft.add(*to_instance(item))
    return draft.finish(name)


def _to_count(value: object, what: str) -> int:
    count = to_number(value, what)
    if count < 1 or count % 1:
        raise Defect(expected=f"a whole number of frames as {what}", found=shown(value), fix=f"correct the {what}")
    return int(count)
