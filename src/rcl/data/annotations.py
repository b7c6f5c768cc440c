"""Ground truth: the one place that reads and writes annotation formats."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

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
    uncollected,
    write_json,
)

log = logging.getLogger("rcl")

_SUBSETS = {
    alias: name
    for name, aliases in {
        "training": ("train", "training"),
        "validation": ("val", "validation"),
        "testing": ("test", "testing"),
    }.items()
    for alias in aliases
}


@dataclass(frozen=True, eq=False)
class VideoAnnotation:
    """What is known of one video.

    Args:
        name: the video's key in the annotation file and the stem of its feature file.
        subset: ``training``, ``validation`` or ``testing``.
        duration_seconds: length of the video, ``None`` where the file does not say.
        snippets_per_second: snippet rate of its features, ``None`` where the file does not say.
        segments_seconds: ``(N, 2)`` float64, start and end of every instance.
        labels: ``N`` label names.
    """

    name: str
    subset: str
    duration_seconds: float | None
    snippets_per_second: float | None
    segments_seconds: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Annotations:
    """A set of annotated videos, in the order of their file.

    Args:
        videos: name to video.
        clipped: how many segments of the file were shortened to fit their video; a subset keeps the file's count.
        source: the file that this was read from, for messages.
    """

    videos: Mapping[str, VideoAnnotation]
    clipped: int = 0
    source: str = "annotations"

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted({label for video in self.videos.values() for label in video.labels}))

    def unlabelled(self) -> Annotations:
        """The same segments under one label, the empty one: the ground truth of class-agnostic proposals."""
        videos = {name: replace(video, labels=("",) * len(video.labels)) for name, video in self.videos.items()}
        return replace(self, videos=videos)

    def subset(self, name: str) -> Annotations:
        """The videos of one subset.

        Args:
            name: ``training``, ``validation`` or ``testing``, or the short ``train``, ``val``, ``test``.

        Raises:
            InputError: there is no subset of that name, or no video is in it.
        """
        try:
            wanted = to_subset(name)
        except Defect as defect:
            raise defect.at(self.source) from None
        videos = {key: video for key, video in self.videos.items() if video.subset == wanted}
        if not videos:
            counts = Counter(video.subset for video in self.videos.values())
            found = ", ".join(f"{count} in {subset}" for subset, count in counts.items()) or "none at all"
            raise InputError(
                self.source,
                expected=f"videos in the subset {wanted}",
                found=found,
                fix="choose a subset that the file has, or mark videos as such in the file",
            )
        return replace(self, videos=videos)


def load_annotations(path: PathLike, *, clip: bool = True) -> Annotations:
    """Read ground truth from ActivityNet JSON or from a CSV table, by extension, or from what public code uses.

    JSON: ``{"database": {video: {"subset", "duration", "fps", "annotations": [{"segment": [start, end], "label"}]}}}``,
    in seconds and snippets per second. ``duration`` and ``fps`` may be missing, ``annotations`` in testing videos.

    CSV: a header ``video,start,end,label`` and, if wanted, ``subset``, ``duration`` and ``fps``, which may not differ
    between the rows of a video. A row without start, end and label adds its video without an instance. In a table
    without a subset column every video is a training video: whoever labels videos with nothing else wants to train.

    The JSON of BSN and BMN and the CSV of public THUMOS14 code are known by what is in them; see
    ``rcl.data.formats.thumos14``.

    Args:
        path: a ``.json`` or ``.csv`` file.
        clip: shorten segments that reach outside their video and drop those wholly outside, with one warning. Official
            evaluation is defined on the segments as they are, so evaluators pass ``False``.

    Raises:
        InputError: the file is missing, damaged or of another kind, or a value is wrong. An end
            equal to its start is legal.
    """
    (annotations,) = _load(to_path(path), "features" if clip else "video")
    return _clip(annotations) if clip else annotations


def load_both(path: PathLike) -> tuple[Annotations, Annotations]:
    """The annotations as training wants them, clipped, and as evaluation does, as they are written.

    Both are as :func:`load_annotations` has them, of one reading of the file.

    Raises:
        InputError: see :func:`load_annotations`.
    """
    clipped, written = _load(to_path(path), "features", "video")
    return _clip(clipped), written


def _load(path: Path, *extents: Literal["features", "video"]) -> list[Annotations]:
    """The annotations, not clipped, with the duration of each extent where the file has two."""
    # Public formats come back as annotations of ours: the module knows this one.
    from rcl.data.formats.thumos14 import is_bmn, is_thumos14, read_bmn, read_thumos14

    with uncollected():
        if extension_of(path, (".json", ".csv")) == ".csv":
            videos = read_thumos14(path).videos if is_thumos14(path) else _read_table(path)
        else:
            data = read_json(path)
            if is_bmn(data):  # features end before the video; evaluation takes the video as it is
                return [read_bmn(path, extent=extent) for extent in extents]
            videos = _read_database(path, data)
    if not videos:
        raise InputError(path, expected="annotated videos", found="none", fix="give a file with some")
    return [Annotations(videos, source=str(path))] * len(extents)


def save_annotations(annotations: Annotations, path: PathLike) -> None:
    """Write ActivityNet JSON at full precision, whole or not at all.

    Raises:
        InputError: the path does not end in ``.json`` or cannot be written.
    """
    extension_of(to_path(path), (".json",))
    database = {name: _entry_of(video) for name, video in annotations.videos.items()}
    write_json(path, {"version": "RCL", "taxonomy": [], "database": database}, indent=1)


def check_labels(training: Annotations, other: Annotations) -> None:
    """Check that a model trained on ``training`` can know every label of ``other``.

    Raises:
        InputError: a label of ``other`` has no training instance; names its first video.
    """
    unseen = sorted(set(other.labels) - set(training.labels))
    if not unseen:
        return
    name, label = next((v.name, x) for v in other.videos.values() for x in v.labels if x in unseen)
    similar = difflib.get_close_matches(label, training.labels, n=1)
    raise InputError(
        f"{other.source}, video {name!r}",
        expected=f"labels that occur in training ({listed(training.labels)})",
        found=repr(label) + (f" ({len(unseen)} labels are unseen in all)" if len(unseen) > 1 else ""),
        fix=(f"did you mean {similar[0]!r}? Otherwise " if similar else "")
        + "correct the label or add training instances of it",
    )


# -- reading -----------------------------------------------------------------------------------------------------


@dataclass
class _Draft:
    """A video while its file is being read."""

    subset: str = ""
    duration: float | None = None
    fps: float | None = None
    segments: list[tuple[float, float]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def finish(self, name: str) -> VideoAnnotation:
        segments = np.array(self.segments, dtype=np.float64).reshape(-1, 2)  # (N, 2)
        return VideoAnnotation(name, self.subset, self.duration, self.fps, segments, tuple(self.labels))


def to_subset(value: object) -> str:
    """The subset that a name or an abbreviation of it means: ``training``, ``validation`` or ``testing``.

    Raises:
        Defect: it means none.
    """
    name = _SUBSETS.get(value.strip().lower()) if isinstance(value, str) else None
    if name is None:
        raise Defect(
            expected="the subset training, validation or testing (train, val, test)",
            found="none" if value is None else shown(value),
            fix="correct the subset",
        )
    return name


def _to_positive(value: object, what: str) -> float | None:
    if value is None:
        return None
    number = to_number(value, what)
    if number <= 0:
        raise Defect(expected=f"a positive {what}", found=shown(value), fix=f"correct or remove the {what}")
    return number


def _read_database(path: Path, data: dict[str, Any]) -> dict[str, VideoAnnotation]:
    database = data.get("database")
    if not isinstance(database, dict):
        results = isinstance(data.get("results"), dict)
        raise InputError(
            path,
            expected='an annotation file with "database": {video: …}',
            found="a results file (detections)" if results else f"the keys {listed([*data]) or '(none)'}",
            fix="give the ground truth here" + (" and this file as the detections" if results else ""),
        )
    videos, problems = {}, list[InputError]()
    for name, entry in database.items():
        try:
            draft, items = _draft_of(name, entry)
        except Defect as defect:
            problems.append(defect.at(f"{path}, video {name!r}"))
            continue
        for number, item in enumerate(items, 1):
            try:
                if not isinstance(item, dict):
                    raise Defect(expected='{"segment", "label"}', found=shown(item), fix="correct the instance")
                draft.segments.append(to_pair(item.get("segment")))
                draft.labels.append(to_label(item.get("label")))
            except Defect as defect:
                problems.append(defect.at(f"{path}, video {name!r}, instance {number} of {len(items)}"))
        videos[name] = draft
    raise_first(problems)
    return {name: draft.finish(name) for name, draft in videos.items()}


def _draft_of(name: str, entry: Any) -> tuple[_Draft, list[Any]]:
    """What a JSON entry says of its video, and its instances, not yet read."""
    if not name.strip() or not isinstance(entry, dict):
        found = shown(entry) if name.strip() else "a video without a name"
        raise Defect(expected='a video {"subset", "annotations"}', found=found, fix="correct or remove the entry")
    draft = _Draft(
        to_subset(entry.get("subset")),
        _to_positive(entry.get("duration"), "duration"),
        _to_positive(entry.get("fps"), "fps"),
    )
    # Testing videos of benchmarks come without; anywhere else a missing list is a misspelt one.
    items = entry.get("annotations", [] if draft.subset == "testing" else None)
    if not isinstance(items, list):
        found = 'no "annotations"' if items is None else shown(items)
        raise Defect(expected='"annotations": [instances]', found=found, fix="add it, [] for a video without")
    return draft, items


def _read_table(path: Path) -> dict[str, VideoAnnotation]:
    rows = read_csv(path, ("video", "start", "end", "label"), ("subset", "duration", "fps"))
    drafts, problems = dict[str, _Draft](), list[InputError]()
    for line, fields in rows:
        row = {key: value.strip() for key, value in fields.items()}
        draft = drafts.setdefault(row["video"], _Draft())
        try:
            _add_row(draft, row)
        except Defect as defect:
            problems.append(defect.at(f"{path}, line {line}, video {row['video']!r}"))
    raise_first(problems)
    return {name: draft.finish(name) for name, draft in drafts.items()}


def _add_row(draft: _Draft, row: dict[str, str]) -> None:
    if not row["video"]:
        raise Defect(expected="the name of a video", found="none", fix="add it")
    draft.subset = _agreed("subset", draft.subset or None, to_subset(row.get("subset", "training")))
    draft.duration = _agreed("duration", draft.duration, _to_positive(row.get("duration") or None, "duration"))
    draft.fps = _agreed("fps", draft.fps, _to_positive(row.get("fps") or None, "fps"))
    if row["start"] or row["end"] or row["label"]:  # otherwise the row only names its video
        segment, label = to_segment(row["start"], row["end"]), to_label(row["label"])
        draft.segments.append(segment)
        draft.labels.append(label)


def _agreed(what: str, known: Any, stated: Any) -> Any:
    """A video's one value of a column: earlier rows' or this row's, which may not differ."""
    if known is not None and stated is not None and known != stated:
        fix = f"give all rows of the video the same {what}"
        raise Defect(expected=f"the {what} {known} of its earlier rows", found=str(stated), fix=fix)
    return stated if known is None else known


def _entry_of(video: VideoAnnotation) -> dict[str, Any]:
    entry: dict[str, Any] = {"subset": video.subset}
    if video.duration_seconds is not None:
        entry["duration"] = video.duration_seconds
    if video.snippets_per_second is not None:
        entry["fps"] = video.snippets_per_second
    pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
    entry["annotations"] = [{"segment": segment, "label": label} for segment, label in pairs]
    return entry


# -- clipping ----------------------------------------------------------------------------------------------------


def _clip(annotations: Annotations) -> Annotations:
    """Shorten and drop segments that reach outside their video, with one warning for the file."""
    videos, clipped, dropped, first = {}, 0, 0, ""
    for name, video in annotations.videos.items():
        videos[name] = video
        raw = video.segments_seconds  # (N, 2)
        limit = np.inf if video.duration_seconds is None else video.duration_seconds
        outside = (raw[:, 0] < 0) | (raw[:, 1] > limit)  # (N,)
        if not outside.any():
            continue
        fitted = np.clip(raw, 0, limit)  # (N, 2)
        lengthless = (fitted[:, 0] == fitted[:, 1]) & outside  # nothing of it lies inside
        kept = np.flatnonzero(~lengthless)
        labels = tuple(video.labels[i] for i in kept)
        videos[name] = replace(video, segments_seconds=fitted[kept], labels=labels)
        clipped += int((outside & ~lengthless).sum())
        dropped += int(lengthless.sum())
        start, end = raw[outside][0].tolist()
        length = "unknown length" if video.duration_seconds is None else f"{video.duration_seconds} s"
        first = first or f"first: {start} to {end} s in video {name!r} of {length}"
    if first:
        message = (
            "%s: %d segments reach outside their video and were clipped, %d lie wholly outside and were dropped; %s"
        )
        log.warning(message, annotations.source, clipped, dropped, first)
    return replace(annotations, videos=videos, clipped=clipped)
