"""What a detector returns, and the files that it is kept in."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rcl.system.errors import InputError
from rcl.system.text_files import (
    Defect,
    PathLike,
    extension_of,
    listed,
    raise_first,
    read_csv,
    read_json,
    shown,
    to_label,
    to_number,
    to_pair,
    to_path,
    to_segment,
    write_json,
    write_text,
)

_EXTENSIONS = (".json", ".csv")


class Detection(NamedTuple):
    """One detection; ``label`` is empty in a class-agnostic proposal."""

    video: str
    start_seconds: float
    end_seconds: float
    label: str
    score: float


@dataclass(frozen=True, eq=False)
class Detections:
    """Detections of any number of videos, as columns.

    Args:
        videos: ``V`` video names; a video may be without a detection.
        video_index: ``(K,)`` int64, position in ``videos``.
        segments_seconds: ``(K, 2)`` float64.
        labels: ``L`` label names.
        label_index: ``(K,)`` int64, position in ``labels``.
        scores: ``(K,)`` float64, in [0, 1] for our own detector, any finite number in a file from elsewhere.

    Raises:
        InputError: a column has another length or shape, an index points nowhere, a number is not finite, an end
            lies before its start, or a name is listed twice.
    """

    videos: tuple[str, ...]
    video_index: np.ndarray
    segments_seconds: np.ndarray
    labels: tuple[str, ...]
    label_index: np.ndarray
    scores: np.ndarray

    def __post_init__(self) -> None:
        scores = _finite("scores", self.scores, (None,))
        count = len(scores)
        columns = {
            "videos": _names("videos", self.videos),
            "labels": _names("labels", self.labels),
            "scores": scores,
            "segments_seconds": _finite("segments_seconds", self.segments_seconds, (count, 2)),
            "video_index": _positions("video_index", self.video_index, count, len(self.videos)),
            "label_index": _positions("label_index", self.label_index, count, len(self.labels)),
        }
        for name, column in columns.items():
            object.__setattr__(self, name, column)
        backwards = np.flatnonzero(self.segments_seconds[:, 1] < self.segments_seconds[:, 0])
        if len(backwards):
            found = f"{self.segments_seconds[backwards[0]].tolist()} in row {backwards[0]}"
            raise _refused("segments_seconds", "ends that are not before their starts", found)

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        columns = (
            self.video_index.tolist(),
            self.segments_seconds.tolist(),
            self.label_index.tolist(),
            self.scores.tolist(),
        )
        for video, (start, end), label, score in zip(*columns, strict=True):
            yield Detection(self.videos[video], start, end, self.labels[label], score)

    @classmethod
    def empty(cls) -> Detections:
        """No detection of no video."""
        return _Columns().build()

    @classmethod
    def concatenate(cls, parts: Sequence[Detections]) -> Detections:
        """All detections of all parts in order; names that occur in several parts are the same video or label."""
        videos = {name: i for i, name in enumerate(dict.fromkeys(n for part in parts for n in part.videos))}
        labels = {name: i for i, name in enumerate(dict.fromkeys(n for part in parts for n in part.labels))}
        none = Detections.empty()
        return cls(
            tuple(videos),
            np.concatenate([none.video_index, *(_renumber(p.video_index, p.videos, videos) for p in parts)]),
            np.concatenate([none.segments_seconds, *(part.segments_seconds for part in parts)]),
            tuple(labels),
            np.concatenate([none.label_index, *(_renumber(p.label_index, p.labels, labels) for p in parts)]),
            np.concatenate([none.scores, *(part.scores for part in parts)]),
        )

    def for_video(self, name: str) -> Detections:
        """The detections of one video, in order; ``labels`` stay as they are.

        Raises:
            InputError: there is no video of that name.
        """
        if name not in self.videos:
            found = f"{len(self.videos)} others ({listed(self.videos)})" if self.videos else "no video"
            raise InputError("detections", expected=f"the video {name!r}", found=found, fix="check the name")
        rows = np.flatnonzero(self.video_index == self.videos.index(name))
        return replace(self._take(rows), videos=(name,), video_index=np.zeros(len(rows), dtype=np.int64))

    def without(self, names: Collection[str]) -> Detections:
        """All but the detections of these videos, in order."""
        kept = [index for index, video in enumerate(self.videos) if video not in names]
        position = np.full(len(self.videos), -1)
        position[kept] = np.arange(len(kept))
        rest = self._take(np.flatnonzero(position[self.video_index] >= 0))
        videos = tuple(self.videos[index] for index in kept)
        return replace(rest, videos=videos, video_index=position[rest.video_index])

    def top(self, k: int) -> Detections:
        """The ``k`` best of each video: by video, then higher score first, then input order. Keeps all videos."""
        if k < 0:
            raise InputError("top", expected="a count of 0 or more", found=str(k), fix="correct the count")
        order = np.lexsort((-self.scores, self.video_index))  # (K,), stable
        counts = np.bincount(self.video_index, minlength=len(self.videos))  # (V,)
        first = np.cumsum(counts) - counts  # (V,), where each video begins in the order
        rank = np.arange(len(order)) - first[self.video_index[order]]  # (K,)
        return self._take(order[rank < k])

    def save(self, path: PathLike) -> None:
        """Write ActivityNet results JSON, or CSV ``video,start,end,label,score``, by extension.

        Numbers keep full precision and the file is written whole or not at all. Videos without a detection are kept: an
        empty list in JSON, a row with nothing but the name in CSV. JSON groups the detections by video.

        Raises:
            InputError: another extension, or a place that cannot be written.
        """
        if extension_of(to_path(path), _EXTENSIONS) == ".csv":
            write_text(path, _table_of(self))
        else:
            write_json(path, {"version": "RCL", "results": _results_of(self), "external_data": {}})

    @classmethod
    def load(cls, path: PathLike) -> Detections:
        """Read ActivityNet results JSON, or CSV ``video,start,end,score[,label]``, by extension.

        Proposals, which have no label, get the label ``""``. ``labels`` are those of the file, sorted.

        Raises:
            InputError: the file is missing, damaged or of another kind, or a value is wrong.
        """
        path = to_path(path)
        return _read_table(path) if extension_of(path, _EXTENSIONS) == ".csv" else _read_results(path)

    def _take(self, rows: np.ndarray) -> Detections:
        return replace(
            self,
            video_index=self.video_index[rows],
            segments_seconds=self.segments_seconds[rows],
            label_index=self.label_index[rows],
            scores=self.scores[rows],
        )


# -- validation --------------------------------------------------------------------------------------------------


def _refused(column: str, expected: str, found: str) -> InputError:
    return InputError(f"detections, {column}", expected=expected, found=found, fix="correct the column")


def _names(column: str, names: Sequence[str]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        repeated = next(name for i, name in enumerate(names) if name in names[:i])
        raise _refused(column, "every name once", f"{repeated!r} twice")
    return tuple(names)


def _finite(column: str, values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Numbers as a float64 array of the shape, where ``None`` is any length."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _refused(column, "numbers", str(error)) from None
    if array.size == 0 and shape[0] == 0:
        array = array.reshape([size or 0 for size in shape])
    if len(array.shape) != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        expected = f"the shape ({', '.join('K' if n is None else str(n) for n in shape)})"
        raise _refused(column, expected, f"{array.shape}")
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        raise _refused(column, "finite numbers", f"{array[tuple(wrong[0])]} in row {wrong[0][0]}")
    return array


def _positions(column: str, values: Any, count: int, names: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (count,) or (count and array.dtype.kind not in "iu"):
        raise _refused(column, f"{count} whole numbers, one per score", f"{array.dtype} {array.shape}")
    if count and not 0 <= array.min() <= array.max() < names:
        wrong = np.flatnonzero((array < 0) | (array >= names))[0]
        raise _refused(column, f"positions in a list of {names} names", f"{array[wrong]} in row {wrong}")
    return array.astype(np.int64, copy=False)


def _renumber(index: np.ndarray, names: Sequence[str], positions: dict[str, int]) -> np.ndarray:
    """Positions in one list of names as positions in another: ``(K,) → (K,)``."""
    return np.array([positions[name] for name in names], dtype=np.int64)[index]


# -- files -------------------------------------------------------------------------------------------------------


@dataclass
class _Columns:
    """Detections while their file is being read: columns, since a file may hold millions."""

    videos: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    video_index: list[int] = field(default_factory=list)
    segments: list[tuple[float, float]] = field(default_factory=list)
    label_index: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def video(self, name: str) -> int:
        return self.videos.setdefault(name, len(self.videos))

    def add(self, video: int, segment: tuple[float, float], label: str, score: float) -> None:
        self.video_index.append(video)
        self.segments.append(segment)
        self.label_index.append(self.labels.setdefault(label, len(self.labels)))
        self.scores.append(score)

    def build(self) -> Detections:
        labels = tuple(sorted(self.labels))
        found = np.array(self.label_index, dtype=np.int64)  # (K,), in order of appearance
        return Detections(
            tuple(self.videos),
            np.array(self.video_index, dtype=np.int64),
            np.array(self.segments, dtype=np.float64).reshape(-1, 2),
            labels,
            _renumber(found, tuple(self.labels), {name: i for i, name in enumerate(labels)}),
            np.array(self.scores, dtype=np.float64),
        )


def _read_results(path: Path) -> Detections:
    data = read_json(path)
    results = data.get("results")
    if not isinstance(results, dict):
        annotations = isinstance(data.get("database"), dict)
        raise InputError(
            path,
            expected='a results file with "results": {video: [detections]}',
            found="an annotation file (ground truth)" if annotations else f"the keys {listed([*data]) or '(none)'}",
            fix="give the detections here" + (" and this file as the ground truth" if annotations else ""),
        )
    columns, problems = _Columns(), list[InputError]()
    for name, items in results.items():
        where = f"{path}, video {name!r}"
        if not isinstance(items, list):
            defect = Defect(expected="a list of detections", found=shown(items), fix="write [] for none")
            problems.append(defect.at(where))
            continue
        video = columns.video(name)
        for number, item in enumerate(items, 1):
            try:
                columns.add(video, *_parse(item))
            except Defect as defect:
                problems.append(defect.at(f"{where}, detection {number} of {len(items)}"))
    raise_first(problems)
    return columns.build()


def _parse(item: Any) -> tuple[tuple[float, float], str, float]:
    if not isinstance(item, dict):
        raise Defect(expected='{"segment", "label", "score"}', found=shown(item), fix="correct the detection")
    label = item.get("label")
    score = to_number(item.get("score"), "score")
    return to_pair(item.get("segment")), "" if label in (None, "") else to_label(label), score


def _read_table(path: Path) -> Detections:
    rows = read_csv(path, ("video", "start", "end", "score"), ("label",))
    columns, problems = _Columns(), list[InputError]()
    for number, (line, row) in enumerate(rows, 1):
        video = columns.video(row["video"])
        if row["video"] and not any(row.get(key) for key in ("start", "end", "label", "score")):
            continue  # the row only names its video
        try:
            if not row["video"]:
                raise Defect(expected="the name of a video", found="none", fix="add it")
            segment = to_segment(row["start"], row["end"])
            columns.add(video, segment, row.get("label", ""), to_number(row["score"], "score"))
        except Defect as defect:
            problems.append(defect.at(f"{path}, line {line}, video {row['video']!r}, detection {number}"))
    raise_first(problems)
    return columns.build()


def _results_of(detections: Detections) -> dict[str, list[dict[str, Any]]]:
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in detections.videos}
    for video, start, end, label, score in detections:
        named = {"label": label} if label else {}  # a proposal has none
        results[video].append({"segment": [start, end], **named, "score": score})
    return results


def _table_of(detections: Detections) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("video", "start", "end", "label", "score"))
    writer.writerows(detections)
    idle = sorted(set(range(len(detections.videos))) - set(detections.video_index.tolist()))
    writer.writerows((detections.videos[index], "", "", "", "") for index in idle)
    return table.getvalue()
