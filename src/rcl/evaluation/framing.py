"""Annotations, detections and files of labels as frame labels of the same videos at the same rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.detections import Detections
from rcl.data.frames import BACKGROUND, number_of_frames, to_detections, to_frames
from rcl.data.names import match_names
from rcl.evaluation.joining import check_comparable
from rcl.system.errors import InputError, counted, listed

_OTHER_LENGTH = 0.1  # share by which frame labels may be longer or shorter than the truth; more is another rate


class FrameTruth(NamedTuple):
    """The true frame labels of a video: ``labels (T,)``, and their rate."""

    labels: np.ndarray
    fps: float


def true_frames(
    annotations: Annotations, *, fps: float | None = None, background: str = BACKGROUND
) -> dict[str, FrameTruth]:
    """The true labels of every frame of every video.

    Where instances overlap, a frame has the label of the one that starts first.

    Args:
        annotations: with the duration of every video.
        fps: frames per second; by default the rate of snippets of each video.
        background: the label of frames in no instance.

    Raises:
        InputError: the duration of a video is unknown, or its rate, where none is given.
    """
    return {
        name: _true_frames_of(video, annotations.source, fps, background) for name, video in annotations.videos.items()
    }


def _true_frames_of(video: VideoAnnotation, source: str, fps: float | None, background: str) -> FrameTruth:
    rate, where = fps or video.snippets_per_second, f"{source}, video {video.name!r}"
    if rate is None:
        found, fix = "neither in the annotations nor given", "add --fps"
        raise InputError(where, expected="its frames per second", found=found, fix=fix)
    if video.duration_seconds is None:
        raise InputError(where, expected="its duration", found="none", fix="add 'duration' to the annotations")
    order = np.argsort(video.segments_seconds[:, 0], kind="stable")
    labels = [video.labels[row] for row in order]
    count = number_of_frames(video.duration_seconds, rate)
    return FrameTruth(to_frames(video.segments_seconds[order], labels, count, rate, background=background), rate)


def overlapping_instances(annotations: Annotations) -> str | None:
    """A sentence about instances that share time with an earlier one, where a frame keeps one label of the two."""
    lost = 0
    for video in annotations.videos.values():
        order = np.argsort(video.segments_seconds[:, 0], kind="stable")
        starts, ends = video.segments_seconds[order].T
        latest = np.maximum.accumulate(ends)
        lost += int((starts[1:] < latest[:-1] - 1e-3).sum())
    if not lost:
        return None
    number = counted(lost, "instance")
    return f"{number} overlapping an earlier one: a frame has a single label, that of the one that starts first."


def reviewed_parts(
    videos: Mapping[str, np.ndarray], annotations: Annotations, truth: Mapping[str, FrameTruth]
) -> dict[str, np.ndarray]:
    """Frame labels of the reviewed parts of videos, each like a video of its own; frames outside do not count.

    Args:
        videos: ``(T,)`` labels of each video of the truth.
        annotations: say what was reviewed; a video that was reviewed as a whole stays as it is.
        truth: gives every video the rate of its frames.
    """
    parts = dict[str, np.ndarray]()
    for name, (_, fps) in truth.items():
        labels, intervals = videos[name], annotations.videos[name].reviewed_seconds
        if intervals is None:
            parts[name] = labels
            continue
        limits = np.clip(np.ceil(intervals * fps - 0.5), 0, len(labels)).astype(np.int64)  # (R, 2)
        for first, last in limits[limits[:, 1] > limits[:, 0]].tolist():
            parts[f"{name}, frames {first} to {last - 1}"] = labels[first:last]
    return parts


def frames_of_detections(
    detections: Detections, truth: Mapping[str, FrameTruth], *, background: str = BACKGROUND
) -> dict[str, np.ndarray]:
    """The frame labels of detections: of each frame that of the best detection that contains its centre.

    Args:
        detections: under the names of the truth; a video without any is background.
        truth: gives every video its number of frames and their rate.
        background: the label of other frames.
    """
    by_score = detections[np.argsort(-detections.scores, kind="stable")]
    found = {}
    for video, (labels, fps) in truth.items():
        own = by_score.for_video(video) if video in by_score.videos else by_score[:0]
        names = [own.labels[index] for index in own.label_index]
        found[video] = to_frames(own.segments_seconds, names, len(labels), fps, background=background)
    return found


def join_frames(
    videos: Mapping[str, np.ndarray],
    annotations: Annotations,
    truth: Mapping[str, FrameTruth],
    *,
    background: str = BACKGROUND,
    where: object = "frame labels",
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Frame labels of files under the names of the truth and of its length, and a sentence for what differed.

    Labels that go on after the last true frame are left out. Where they end before it, the rest is background, and so
    is a video without labels.

    Args:
        videos: ``(T,)`` labels of each.
        annotations: of all subsets.
        truth: of the videos that count.
        background: the label of frames that are missing.
        where: the folder, for errors.

    Raises:
        InputError: two files are of one video, none is of a video that counts, no label is a true one, or a number of
            frames is that of another rate.
    """
    match = match_names([*videos], annotations.videos)
    for known, names in match.doubled.items():
        found, fix = " and ".join(map(repr, names)), "remove one of them"
        raise InputError(where, expected=f"one file for the video {known!r}", found=found, fix=fix)
    named = {match.pairs.get(name, name): labels for name, labels in videos.items()}
    _check_comparable(named, annotations, truth, background, where)
    joined, others = {}, []
    for video, (labels, _) in truth.items():
        own = named.get(video, labels[:0])
        if video in named and len(own) != len(labels):
            _check_length(video, len(own), len(labels), where)
            others.append(f"{video!r} ({len(own):,} in place of {len(labels):,})")
        rest = np.full(max(len(labels) - len(own), 0), background)
        joined[video] = np.concatenate((np.asarray(own[: len(labels)], dtype=np.str_), rest))
    sentences = (
        [f"frames after the end are left out, missing ones are {background}: {listed(others)}."] if others else []
    )
    missing = [repr(video) for video in truth if video not in named]
    if missing:
        number = f"{len(missing)} of {counted(len(truth), 'video')} without frame labels"
        sentences.append(f"{number}: {listed(missing)}. All their frames count as {background}.")
    return joined, sentences + _unknown(named, joined, annotations, background)


def _unknown(
    named: Mapping[str, np.ndarray], joined: Mapping[str, np.ndarray], annotations: Annotations, background: str
) -> list[str]:
    """A sentence about files of videos without annotations, and one about labels that no ground truth has."""
    sentences = []
    others = [repr(video) for video in named if video not in annotations.videos]
    if others:
        number = f"frame labels of {counted(len(others), 'video')} without annotations"
        sentences.append(f"{number}: left out. They are of {listed(others)}.")
    known = {background, *annotations.labels}
    names, numbers = np.unique(np.concatenate([*joined.values()]), return_counts=True)
    frames = {name: number for name, number in zip(names.tolist(), numbers.tolist(), strict=True) if name not in known}
    if frames:
        number = f"{counted(sum(frames.values()), 'frame')} with labels that no ground truth has"
        sentences.append(
            f"{number}: counted as wrong. They say {listed([*map(repr, frames)])}; if one of them is the background, "
            "name it with --background."
        )
    return sentences


def _check_comparable(
    named: Mapping[str, np.ndarray],
    annotations: Annotations,
    truth: Mapping[str, FrameTruth],
    background: str,
    where: object,
) -> None:
    chosen = {video: annotations.videos[video] for video in truth}
    own = {video: labels for video, labels in named.items() if video in chosen}
    found = to_detections(own or named, 1.0, background=(background,))
    if len(found) or not own:  # otherwise all frames are background, which may be
        check_comparable(found, Annotations(chosen, source=annotations.source), where=where)


def _check_length(video: str, found: int, expected: int, where: object) -> None:
    if abs(found - expected) > max(_OTHER_LENGTH * expected, 2):
        fix = "give the rate of the frame labels with --fps"
        wanted = f"about {counted(expected, 'frame')} of the video {video!r}"
        raise InputError(where, expected=wanted, found=f"{found:,}", fix=fix)
