"""What a detector returns: detections of any number of videos, as columns."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, overload

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections_plot import plot_timeline
from rcl.system.errors import InputError, counted, listed

_SHOWN = 10  # rows in a notebook


class Detection(NamedTuple):
    """One detection; ``label`` is empty in a class-agnostic proposal."""

    video: str
    start_seconds: float
    end_seconds: float
    label: str
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """Detections of any number of videos, as columns.

    >>> found = Detections(("a", "b"), [0, 0, 1], [[0, 2], [3, 4], [1, 5]], ("run",), [0, 0, 0], [0.9, 0.2, 0.6])
    >>> found
    Detections(3 in 2 videos, 1 label)
    >>> found[0]
    Detection(video='a', start_seconds=0.0, end_seconds=2.0, label='run', score=0.9)
    >>> found[found.scores > 0.5]
    Detections(2 in 2 videos, 1 label)
    >>> [detection.score for detection in found.for_video("a")]
    [0.9, 0.2]

    Args:
        videos: ``V`` video names, with or without detections.
        video_index: ``(K,)`` int64, position in ``videos``.
        segments_seconds: ``(K, 2)`` float64.
        labels: ``L`` label names.
        label_index: ``(K,)`` int64, position in ``labels``.
        scores: ``(K,)`` float64, in [0, 1] for our own detector, any finite number in a file from elsewhere.

    Raises:
        InputError: a column has another length or shape, an index is outside its list, a number is not finite, an end
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

    @overload
    def __getitem__(self, key: int | np.integer) -> Detection: ...
    @overload
    def __getitem__(self, key: slice | Sequence[int] | np.ndarray) -> Detections: ...

    def __getitem__(self, key: Any) -> Detection | Detections:
        """One detection by its position, negative from the end; or those of a slice, of a list or array of positions,
        or of an array of ``len(self)`` truth values. ``videos`` and ``labels`` stay as they are.

        Raises:
            IndexError: there is no such position, or the array is of another shape or type.
        """
        rows = np.arange(len(self))[np.asarray(key, dtype=np.int64) if isinstance(key, list) and not key else key]
        if rows.ndim > 1:
            raise IndexError(f"detections have one dimension, the index {rows.ndim}")
        return next(iter(self._take(rows[None]))) if rows.ndim == 0 else self._take(rows)

    def __repr__(self) -> str:
        videos, labels = counted(len(self.videos), "video"), counted(len(self.labels), "label")
        return f"Detections({len(self):,} in {videos}, {labels})"

    def _repr_html_(self) -> str:
        """A table of the best detections, for notebooks."""
        best = self[np.argsort(-self.scores, kind="stable")[:_SHOWN]]
        names = ("video", "start (s)", "end (s)", "label", "score")
        rows = ((d.video, f"{d.start_seconds:.2f}", f"{d.end_seconds:.2f}", d.label, f"{d.score:.3f}") for d in best)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in row)}</tr>" for row in rows)
        head = "".join(f"<th>{name}</th>" for name in names)
        caption = html.escape(repr(self)) + (f", the best {_SHOWN}" if len(self) > _SHOWN else "")
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __iter__(self) -> Iterator[Detection]:
        columns = (
            self.video_index.tolist(),
            self.segments_seconds.tolist(),
            self.label_index.tolist(),
            self.scores.tolist(),
        )
        for video, (start, end), label, score in zip(*columns, strict=True):
            yield Detection(self.videos[video], start, end, self.labels[label], score)

    def renamed(self, names: Mapping[str, str]) -> Detections:
        """The same detections, the videos under other names.

        Args:
            names: old name to new name; a video that is not in it keeps its name.

        Raises:
            InputError: two videos would have the same name.
        """
        return replace(self, videos=tuple(names.get(name, name) for name in self.videos))

    @classmethod
    def empty(cls) -> Detections:
        """Detections without any video."""
        none = np.zeros(0, dtype=np.int64)
        return cls((), none, np.zeros((0, 2)), (), none, np.zeros(0))

    @classmethod
    def concatenate(cls, parts: Sequence[Detections]) -> Detections:
        """The detections of all parts, in order; a name in several parts is one video or label."""
        videos = {name: i for i, name in enumerate(dict.fromkeys(n for part in parts for n in part.videos))}
        labels = {name: i for i, name in enumerate(dict.fromkeys(n for part in parts for n in part.labels))}
        none = Detections.empty()
        return cls(
            tuple(videos),
            np.concatenate([none.video_index, *(renumber(p.video_index, p.videos, videos) for p in parts)]),
            np.concatenate([none.segments_seconds, *(part.segments_seconds for part in parts)]),
            tuple(labels),
            np.concatenate([none.label_index, *(renumber(p.label_index, p.labels, labels) for p in parts)]),
            np.concatenate([none.scores, *(part.scores for part in parts)]),
        )

    def for_video(self, name: str) -> Detections:
        """The detections of one video, in order; ``labels`` stay as they are.

        Raises:
            InputError: no video has that name.
        """
        if name not in self.videos:
            found = f"{counted(len(self.videos), 'other')} ({listed(self.videos)})" if self.videos else "no video"
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

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with the columns of :class:`Detection` and a row for each.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            fix = "run pip install pandas"
            raise InputError("detections", expected="pandas", found="no such package", fix=fix) from None
        columns = (
            np.array(self.videos, dtype=object)[self.video_index],
            *self.segments_seconds.T,
            np.array(self.labels, dtype=object)[self.label_index],
            self.scores,
        )
        return pandas.DataFrame(dict(zip(Detection._fields, columns, strict=True)))

    def plot(self, video: str | None = None, *, annotations: Annotations | None = None, axes: Any = None) -> Any:
        """Draw the timeline of a video: a row of bars for each label, the more opaque the higher the score.

        >>> found = Detections(("clip",), [0], [[1.5, 4]], ("jump",), [0], [0.9])
        >>> found.plot().figure.savefig("timeline.png")  # doctest: +SKIP

        Args:
            video: its name; not needed if there is only one.
            annotations: ground truth, drawn below the detections.
            axes: matplotlib's ``Axes`` to draw on; by default those of a new figure.

        Returns:
            The ``Axes``.

        Raises:
            InputError: there is no video of that name, or no name although there are several videos.
        """
        if video is None:
            if len(self.videos) != 1:
                found = f"{counted(len(self.videos), 'video')} ({listed(self.videos) or 'none'})"
                raise InputError("plot", expected="detections of one video", found=found, fix="give the name of one")
            (video,) = self.videos
        own = self.for_video(video)
        labels = [own.labels[index] for index in own.label_index]
        truth = annotations.videos.get(video) if annotations else None
        return plot_timeline(
            own.segments_seconds,
            labels,
            own.scores,
            truth_seconds=None if truth is None else truth.segments_seconds,
            truth_labels=() if truth is None else truth.labels,
            title=video,
            axes=axes,
        )

    def top(self, k: int) -> Detections:
        """The ``k`` best of each video: by video, then higher score first, then input order. All videos are kept.

        Raises:
            InputError: ``k`` is negative.
        """
        if k < 0:
            raise InputError("top", expected="a count of 0 or more", found=str(k), fix="correct the count")
        order = np.lexsort((-self.scores, self.video_index))  # (K,), stable
        counts = np.bincount(self.video_index, minlength=len(self.videos))  # (V,)
        first = np.cumsum(counts) - counts  # (V,), where each video begins in the order
        rank = np.arange(len(order)) - first[self.video_index[order]]  # (K,)
        return self._take(order[rank < k])

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


def renumber(index: np.ndarray, names: Sequence[str], positions: dict[str, int]) -> np.ndarray:
    """Positions in one list of names as positions in another: ``(K,) → (K,)``."""
    return np.array([positions[name] for name in names], dtype=np.int64)[index]
