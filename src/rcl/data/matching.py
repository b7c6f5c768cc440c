"""Labels of videos: under which name, and how many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rcl.data.annotations import Annotations
from rcl.data.names import (
    NameMatch,
    describe_similar,
    match_names,
    plain_name,
    share_with,
    similar_labels,
    without_extension,
)
from rcl.system.errors import InputError, listed


def match_annotations(
    annotations: Annotations, videos: Collection[str] | Mapping[str, Path]
) -> tuple[Annotations, NameMatch]:
    """Annotations under the names of the videos that they mean.

    Args:
        annotations: under any names; see :func:`rcl.data.names.match_names`.
        videos: the names; or name to file, and then a name in the annotations may also be a part of the path of the
            file, such as ``cam1/001.mp4`` of a video whose name is ``001``.

    Returns:
        All annotations, those without a video under their own name; and which name means which.

    Raises:
        InputError: two names in the annotations mean one video.
    """
    match = match_names(annotations.videos, videos)
    if isinstance(videos, Mapping):
        match = _without_other_files(match, videos)
        match = _with_files(match, videos) if match.missing else match
    return annotations.renamed(match.pairs), match


def _without_other_files(match: NameMatch, videos: Mapping[str, Path]) -> NameMatch:
    """A match in which a video has the name that its path ends with: ``cam2/001.mp4`` is not ``cam1/001.mp4``, also
    where the latter is the only ``001``, because its folder alone was given."""
    others = set[str]()
    for known, names in match.doubled.items():
        own = {name for name in names if _is_end_of(name, videos[known])}
        others |= set(names) - own if own else set()
    pairs = {given: known for given, known in match.pairs.items() if given not in others}
    return replace(match, pairs=pairs, missing=(*match.missing, *sorted(others))) if others else match


def _is_end_of(name: str, file: Path) -> bool:
    end, whole = (f"/{without_extension(plain_name(each))}" for each in (name, str(file.absolute())))
    return whole.endswith(end)


def _with_files(match: NameMatch, videos: Mapping[str, Path]) -> NameMatch:
    """A match that also finds names in the paths of the files."""
    files = {str(file): name for name, file in videos.items()}
    found = {given: files[file] for given, file in match_names(match.missing, files).pairs.items()}
    used = {*match.pairs.values(), *found.values()}
    return replace(
        match,
        pairs={**match.pairs, **found},
        missing=tuple(name for name in match.missing if name not in found),
        ambiguous={name: others for name, others in match.ambiguous.items() if name not in found},
        unused=tuple(name for name in videos if name not in used),
    )


def describe_match(match: NameMatch) -> list[str]:
    """Sentences, without their stops, about labels without a video and videos without labels."""
    said = []
    if match.missing:
        said.append(f"the labels name videos that were not found: {match.describe_missing()}")
    if match.unused:
        used = len(set(match.pairs.values()))
        labelled = share_with(used, used + len(match.unused), "labels")
        said.append(f"{labelled}; these videos have no labels: {listed([repr(name) for name in match.unused])}")
    return said


def no_video_has_labels(annotations: Annotations, match: NameMatch) -> InputError:
    """The error for labels of other videos."""
    labelled = match.describe_missing(3) or listed([repr(name) for name in annotations.videos], 3)
    videos = listed([repr(name) for name in (*match.pairs.values(), *match.unused)], 3)
    return InputError(
        annotations.source,
        expected="labelled segments of the videos",
        found=f"labels of {labelled}, videos {videos}",
        fix="write the names of the video files into the column video",
    )


# -- labels ------------------------------------------------------------------------------------------------------

MOST_COMPARED = 2000  # labels: with more, they are sentences, and comparing all pairs takes minutes


def describe_similar_labels(annotations: Annotations) -> str:
    """A sentence, without its stop, about labels that may be meant to be one; empty if there are none."""
    counts = Counter(label for video in annotations.videos.values() for label in video.labels)
    pairs = similar_labels(counts, counts=counts) if len(counts) <= MOST_COMPARED else []
    return f"labels that may be meant to be the same: {describe_similar(pairs, counts)}" if pairs else ""


class LabelCount(NamedTuple):
    """How often a label occurs in how many videos."""

    instances: int
    videos: int


def count_labels(annotations: Annotations, subset: str) -> dict[str, LabelCount]:
    """The labels in a subset, with their numbers of instances and videos; a subset without videos has none."""
    videos = [video for video in annotations.videos.values() if video.subset == subset]
    instances = Counter(label for video in videos for label in video.labels)
    within = Counter(label for video in videos for label in set(video.labels))
    return {label: LabelCount(instances[label], within[label]) for label in sorted(instances)}
