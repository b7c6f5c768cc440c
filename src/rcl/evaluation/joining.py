"""Detections and the annotations that they are compared with: which names belong together, and what does not.

Every command that compares the two joins them here. The measures themselves compare names exactly, as the official
programs do.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.names import match_names, share_with, similar_labels
from rcl.system.errors import InputError, counted, listed

_SHOWN = 5


def join_names(detections: Detections, annotations: Annotations, *, where: object = "detections") -> Detections:
    """The detections under the names that the annotations use.

    Videos follow the rules of :func:`rcl.data.names.match_names`. A label may differ in Unicode normalization and in
    blanks around it. What means no name of the annotations, or could mean several, keeps its own.

    Args:
        detections: of any videos and labels.
        annotations: of all subsets.
        where: the place that the error names, for instance the file of the detections.

    Raises:
        InputError: two names of the detections mean one video.
    """
    match = match_names(detections.videos, annotations.videos)
    for known, names in match.doubled.items():
        found = " and ".join(map(repr, names))
        fix = "write its name the same everywhere, or remove one of them"
        raise InputError(where, expected=f"one name for the video {known!r}", found=found, fix=fix)
    if any(given != known for given, known in match.pairs.items()):
        detections = detections.renamed(match.pairs)
    labels = _label_pairs(detections.labels, annotations.labels)
    if labels:
        detections = replace(detections, labels=tuple(labels.get(label, label) for label in detections.labels))
    return detections


def join_annotations(second: Annotations, first: Annotations) -> tuple[Annotations, list[str]]:
    """A second annotation of the same videos, under the names that the first one uses; and what only one of them has.

    The rules are those of :func:`join_names`.

    Returns:
        All of ``second``, and a sentence for each kind of video or label that the other does not have.

    Raises:
        InputError: two names mean one video, no video is in both, or no label.
    """
    match = match_names(second.videos, first.videos)
    joined = second.renamed(match.pairs)  # refuses two names for one video
    labels = _label_pairs(joined.labels, first.labels)
    if labels:
        videos = {
            name: replace(video, labels=tuple(labels.get(label, label) for label in video.labels))
            for name, video in joined.videos.items()
        }
        joined = replace(joined, videos=videos)
    if not match.pairs:
        expected, fix = f"videos of {first.source} ({listed([*first.videos], 3)})", "give two files of the same videos"
        raise InputError(second.source, expected=expected, found=match.describe_missing(3), fix=fix)
    if first.labels and joined.labels and not {*first.labels} & {*joined.labels}:
        expected, found = f"labels of {first.source} ({listed(first.labels)})", listed(joined.labels)
        raise InputError(second.source, expected=expected, found=found, fix="give two files with the same labels")
    return joined, _one_sided(first, joined, match.describe_missing(_SHOWN), match.unused)


def _one_sided(first: Annotations, second: Annotations, missing: str, unused: Sequence[str]) -> list[str]:
    sentences = []
    if missing:
        sentences.append(f"only {second.source} has the videos {missing}: left out.")
    if unused:
        sentences.append(f"only {first.source} has the videos {listed([*map(repr, unused)], _SHOWN)}: left out.")
    for one, other in ((first, second), (second, first)):
        if own := [label for label in one.labels if label not in other.labels]:
            names = listed(_proposed_labels(own, other.labels))
            sentences.append(f"only {one.source} has the labels {names}.")
    return sentences


def _label_pairs(given: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Given label to the known one that it means; without labels that are the same, and without doubtful ones."""
    free = defaultdict[str, list[str]](list)
    for label in known:
        free[_plain(label)].append(label)
    same = set(given) & set(known)
    candidates = {label: free.get(_plain(label), []) for label in given if label not in same}
    pairs = {label: found[0] for label, found in candidates.items() if len(found) == 1 and found[0] not in same}
    wanted = Counter(pairs.values())
    return {label: other for label, other in pairs.items() if wanted[other] == 1}


def _plain(label: str) -> str:
    return unicodedata.normalize("NFC", label).strip()


def check_comparable(detections: Detections, annotations: Annotations, *, where: object = "detections") -> None:
    """Check that some detections are in annotated videos, and that some have labels of the ground truth.

    Evaluation itself counts other detections as wrong. If none can be right, the files do not belong together.

    Args:
        detections: without labels if their only label is empty.
        annotations: the ground truth, with at least one instance if labels are to be checked.
        where: the place that the error names, for instance the file of the detections.

    Raises:
        InputError: there is no detection, none is in an annotated video, or none has a label of the ground truth.
    """
    videos = [detections.videos[index] for index in np.unique(detections.video_index)]
    if not videos:
        found = f"none in {counted(len(detections.videos), 'video')}" if detections.videos else "none"
        fix = "give a file with some, or keep detections of lower scores"
        raise InputError(where, expected="detections", found=found, fix=fix)
    if not annotations.videos.keys() & set(videos):
        subsets = {video.subset for video in annotations.videos.values()}
        raise InputError(
            where,
            expected=f"detections in the {' and '.join(sorted(subsets))} videos of {annotations.source}",
            found=f"detections only in {_proposed_videos(sorted(videos), annotations, 3)}",
            fix="give the annotations of the same videos, or choose another subset",
        )
    labels = {detections.labels[index] for index in np.unique(detections.label_index)}
    if labels != {""} and annotations.labels and not labels & set(annotations.labels):
        raise InputError(
            where,
            expected=f"labels of {annotations.source} ({listed(annotations.labels)})",
            found=listed(_proposed_labels(sorted(labels), annotations.labels, quoted=False)),
            fix="give annotations with the same labels",
        )


def check_common_videos(detectors: Mapping[str, Detections], annotations: Annotations) -> None:
    """Check that detectors were used on the same videos, at least on one of them.

    Args:
        detectors: the detections of each, by its name, under the names of the annotations.
        annotations: the ground truth.

    Raises:
        InputError: no annotated video is in all of them.
    """
    first, *others = detectors
    common = annotations.videos.keys() & set(detectors[first].videos)
    for name in others:
        own = annotations.videos.keys() & set(detectors[name].videos)
        if not common & own:
            known, found = (listed(sorted(map(repr, names)), 3) for names in (common, own))
            fix = "compare detectors on the same videos"
            raise InputError(name, expected=f"detections in videos of {first} ({known})", found=found, fix=fix)
        common = common & own


def labelled_alike(detectors: Mapping[str, Detections], annotations: Annotations) -> Annotations:
    """The annotations as all detectors can be compared with them: without labels if no detector gives any.

    Raises:
        InputError: some detectors give labels and others do not.
    """
    unlabelled = [name for name, found in detectors.items() if found.labels == ("",)]
    if unlabelled and len(unlabelled) < len(detectors):
        expected, fix = "all detections with labels, or all without", "give those with labels alone"
        raise InputError("detections", expected=expected, found=f"no labels in {listed(unlabelled)} only", fix=fix)
    return annotations.unlabelled() if unlabelled else annotations


def differences(detections: Detections, annotations: Annotations, *, framewise: bool = False) -> list[str]:
    """One sentence for each thing that detections and annotations do not have in common.

    Args:
        detections: under the names of the annotations, as :func:`join_names` returns them.
        annotations: the ground truth.
        framewise: whether frames are compared, so that other videos do not count, and all labels do.
    """
    sentences = []
    total = len(annotations.videos)
    match = match_names(set(detections.videos) & annotations.videos.keys(), annotations.videos)
    if match.unused:
        share = share_with(total - len(match.unused), total, "detections")
        without = listed([repr(name) for name in match.unused])
        sentences.append(f"{share}; without: {without}. All their instances are missed.")
    rows = np.bincount(detections.video_index, minlength=len(detections.videos))
    others = {name: n for name, n in zip(detections.videos, rows.tolist(), strict=True) if n}
    others = {name: n for name, n in others.items() if name not in annotations.videos}
    if others:
        number, where = counted(sum(others.values()), "detection"), counted(len(others), "video")
        names = _proposed_videos([*others], annotations)
        effect = "left out" if framewise else "counted as wrong"
        sentences.append(f"{number} in {where} without annotations: {effect}. They are in {names}.")
    effect = "their frames are wrong" if framewise else "not part of any AP"
    return sentences + _other_labels(detections, annotations, effect)


def _other_labels(detections: Detections, annotations: Annotations, effect: str) -> list[str]:
    if detections.labels == ("",):
        return []
    known = set(annotations.labels)
    rows = np.bincount(detections.label_index, minlength=len(detections.labels)).tolist()
    others = {label: n for label, n in zip(detections.labels, rows, strict=True) if n and label not in known}
    if not others:
        return []
    names = listed(_proposed_labels([*others], annotations.labels))
    number = counted(sum(others.values()), "detection")
    return [f"{number} with labels that no ground truth has: {effect}. They say {names}."]


def _proposed_videos(names: Sequence[str], annotations: Annotations, limit: int = _SHOWN) -> str:
    """Names that are not annotated, each with the video that it might mean."""
    match = match_names(names, annotations.videos)
    if not match.pairs:
        return match.describe_missing(limit)
    proposed = {**match.similar, **match.pairs}
    return listed([_proposal(name, proposed.get(name)) for name in names], limit)


def _proposed_labels(labels: Sequence[str], known: Iterable[str], *, quoted: bool = True) -> list[str]:
    """Labels, the first ones each with the known label that it might mean: only those are shown."""
    similar = {a: next((b for b in known if similar_labels((a, b))), None) for a in labels[:_SHOWN]}
    return [_proposal(label, similar.get(label), quoted=quoted) for label in labels]


def _proposal(name: str, other: str | None, *, quoted: bool = True) -> str:
    text = repr(name) if quoted or other else name
    return f"{text} (did you mean {other!r}?)" if other else text
