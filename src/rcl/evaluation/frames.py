"""Measures of frame labels: accuracy, Edit and F1@k, equal to the script of temporal action segmentation.

Source: ``eval.py`` of the public code of MS-TCN (Abu Farha and Gall, CVPR 2019), whose measures are those of Lea et
al., *Temporal Convolutional Networks for Action Segmentation and Detection*, CVPR 2017. ASFormer and others use it.

- Accuracy is the share of all frames of all videos.
- Edit is one minus the Levenshtein distance between the labels of the segments, divided by the larger number of
  segments; the mean over the videos.
- For F1@k, a predicted segment is compared with the true segment of its label that it overlaps most. It is correct if
  their tIoU is at least k and no earlier segment took the same true one. The counts of all videos are added.

A segment is a run of one label. Segments of the background are left out of Edit and F1, but its frames count in the
accuracy. As in the script, the last segment of a video ends with its last frame, one frame earlier than any other.
Where the script fails or divides 0 by 0, which it says nothing about, we define: a video without any segment, true or
predicted, has the Edit 1; without a true segment, all predicted ones are wrong; a tIoU of 0/0 is 0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rcl.data.frames import BACKGROUND, run_starts
from rcl.system.errors import InputError, counted

OVERLAPS = (0.1, 0.25, 0.5)
"""The tIoU of F1@10, F1@25 and F1@50."""
_PAIRS_AT_ONCE = 2**22  # bounds the memory: frame labels without any smoothing have a segment every other frame


class SegmentMeasures(NamedTuple):
    """Measures of segments, in [0, 1]: ``edit``, and ``f1 (O,)`` for each overlap."""

    edit: float
    f1: np.ndarray


@dataclass(frozen=True, eq=False)
class FrameEvaluation:
    """The result of :func:`evaluate_frames`. All measures are fractions in [0, 1].

    Args:
        accuracy: of all frames.
        action_accuracy: of the frames in which an action happens; ``None`` without such frames.
        segments: Edit and F1 as published, without segments of the background.
        all_segments: Edit and F1 where the background is a label like any other.
        overlaps: ``(O,)`` tIoU.
        counts: numbers of ``videos``, ``frames``, true ``instances`` and predicted ``segments`` of actions.
    """

    accuracy: float
    action_accuracy: float | None
    segments: SegmentMeasures
    all_segments: SegmentMeasures
    overlaps: np.ndarray
    counts: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """All numbers in plain Python types: the content of ``rcl evaluate --frames --json``."""
        keys = [f"{100 * overlap:g}" for overlap in self.overlaps]

        def plain(measures: SegmentMeasures) -> dict[str, Any]:
            return {"edit": measures.edit, "F1": dict(zip(keys, measures.f1.tolist(), strict=True))}

        accuracies = {"frame_accuracy": self.accuracy, "action_frame_accuracy": self.action_accuracy}
        return {**accuracies, **plain(self.segments), "with_background": plain(self.all_segments), **self.counts}


def evaluate_frames(
    predicted: Mapping[str, np.ndarray],
    truth: Mapping[str, np.ndarray],
    *,
    background: Collection[str] = (BACKGROUND,),
    overlaps: Sequence[float] = OVERLAPS,
) -> FrameEvaluation:
    """Compare the frame labels of some videos with the true ones.

    >>> truth = {"clip": np.array(["cut", "cut", "cut", "peel", "peel", "background"])}
    >>> found = {"clip": np.array(["cut", "cut", "peel", "peel", "peel", "background"])}
    >>> result = evaluate_frames(found, truth)
    >>> round(result.accuracy, 3), result.segments.edit, result.segments.f1.tolist()
    (0.833, 1.0, [1.0, 1.0, 1.0])

    Args:
        predicted: ``(T,)`` labels of each video; videos without true labels are ignored.
        truth: ``(T,)`` true labels of each video.
        background: labels that are no action.
        overlaps: tIoU from which a predicted segment is correct.

    Raises:
        InputError: there is no video or frame, a video is missing, or its two lengths differ.
    """
    _check(predicted, truth)
    pairs = [_numbered(predicted[video], labels) for video, labels in truth.items()]
    hits = np.concatenate([_names_of(labels) == _names_of(predicted[video]) for video, labels in truth.items()])  # (T,)
    actions = np.concatenate([~np.isin(_names_of(labels), [*background]) for labels in truth.values()])  # (T,)
    counts, measures = [], []
    for left_out in (background, ()):
        segments = [(_segments(own, names, left_out), _segments(true, names, left_out)) for own, true, names in pairs]
        measures.append(_measure(segments, np.asarray(overlaps, dtype=np.float64)))
        counts.append([sum(len(side.labels) for side in sides) for sides in zip(*segments, strict=True)])
    found, instances = counts[0]
    return FrameEvaluation(
        accuracy=float(hits.mean()),
        action_accuracy=float(hits[actions].mean()) if actions.any() else None,
        segments=measures[0],
        all_segments=measures[1],
        overlaps=np.asarray(overlaps, dtype=np.float64),
        counts={"videos": len(truth), "frames": len(hits), "instances": instances, "segments": found},
    )


def _names_of(labels: np.ndarray) -> np.ndarray:
    """Labels as NumPy text, also where there are none."""
    return np.asarray(labels, dtype=np.str_)


def _check(predicted: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> None:
    fix = "give frame labels of the same videos at the same rate"
    if not sum(map(len, truth.values())):
        raise InputError("frame labels", expected="videos with true labels", found="none", fix="give some")
    for video, labels in truth.items():
        if video not in predicted:
            raise InputError(f"video {video!r}", expected="predicted frame labels", found="none", fix=fix)
        if len(predicted[video]) != len(labels):
            found = counted(len(predicted[video]), "frame")
            raise InputError(f"video {video!r}", expected=counted(len(labels), "frame"), found=found, fix=fix)


def _numbered(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Both labels as positions in one list of names."""
    names, index = np.unique(np.concatenate((_names_of(predicted), _names_of(truth))), return_inverse=True)
    return index[: len(predicted)], index[len(predicted) :], names.tolist()


class _Segments(NamedTuple):
    """``(N,)`` labels, first frames and ends, in order of time."""

    labels: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def _segments(labels: np.ndarray, names: Sequence[str], left_out: Collection[str]) -> _Segments:
    """The runs of ``labels (T,)`` without those of some names, with the ends of the script."""
    starts = run_starts(labels)
    ends = np.append(starts[1:], len(labels) - 1)[: len(starts)]
    kept = ~np.isin(labels[starts], [number for number, name in enumerate(names) if name in left_out])
    return _Segments(labels[starts][kept], starts[kept], ends[kept])


def _measure(videos: Sequence[tuple[_Segments, _Segments]], overlaps: np.ndarray) -> SegmentMeasures:
    edit = [edit_similarity(own.labels, true.labels) for own, true in videos]
    correct = np.sum([_correct(own, true, overlaps) for own, true in videos], axis=0)  # (O,)
    total = sum(len(own.labels) + len(true.labels) for own, true in videos)
    # 2 tp / (2 tp + fp + fn), the harmonic mean of precision and recall, which is 0 where the script divides by 0.
    return SegmentMeasures(float(np.mean(edit)), 2 * correct / max(total, 1))


def _correct(own: _Segments, true: _Segments, overlaps: np.ndarray) -> np.ndarray:
    """How many predicted segments are correct at each overlap: ``(O,)``."""
    if not len(own.labels) or not len(true.labels):
        return np.zeros(len(overlaps), dtype=np.int64)
    best, value = np.empty(len(own.labels), dtype=np.int64), np.empty(len(own.labels))
    rows = max(_PAIRS_AT_ONCE // len(true.labels), 1)
    for first in range(0, len(own.labels), rows):
        part = slice(first, first + rows)
        start, end, label = own.starts[part, None], own.ends[part, None], own.labels[part, None]  # (P, 1)
        common = np.minimum(end, true.ends) - np.maximum(start, true.starts)  # (P, N), negative without overlap
        union = np.maximum(end, true.ends) - np.minimum(start, true.starts)  # (P, N)
        tiou = np.divide(common, union, out=np.zeros(common.shape), where=union > 0) * (label == true.labels)
        best[part] = tiou.argmax(axis=1)
        value[part] = tiou.max(axis=1)
    return np.array([len(np.unique(best[value >= overlap])) for overlap in overlaps])


def edit_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """One minus the Levenshtein distance of two sequences, divided by the longer length; 1 for two empty ones.

    >>> edit_similarity(np.array(["cut", "peel", "cut"]), np.array(["cut", "cut"]))
    0.6666666666666667
    """
    if len(a) > len(b):
        a, b = b, a
    if not len(b):
        return 1.0
    steps = np.arange(len(b) + 1)
    row = steps  # distances of the empty start of a to each start of b
    for number, item in enumerate(a, 1):
        replaced = np.append(number, np.minimum(row[1:] + 1, row[:-1] + (b != item)))
        row = np.minimum.accumulate(replaced - steps) + steps  # or an item of b is inserted
    return float(1 - row[-1] / len(b))
