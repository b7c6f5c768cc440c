"""Results of Label Studio: which of them are labelled segments of time, by the type that they declare."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rcl.data.formats.exported import Instance, instance_of
from rcl.data.formats.label_studio.frames import to_seconds
from rcl.data.formats.values import Pair, to_number, to_segment
from rcl.system.errors import Defect, shown

_LABELS = ("timelinelabels", "timeserieslabels", "labels")
_TRACKS = ("videorectangle",)
_CHOICES = ("choices", "taxonomy")
KINDS = (_LABELS, _TRACKS, _CHOICES)
"""Types of results that can label a segment. The first kind that a file has holds its labels: where segments have
labels, boxes are about objects, and choices are remarks."""


class Result(NamedTuple):
    """A result of an annotation.

    Args:
        number: in its annotation, from 1.
        type: as declared; ``""`` if it has neither a type nor a label.
        control: the name of the tag of the labeling interface that made it.
        shown_in: the name of the tag that shows what it is about.
        region: what results about the same segment share.
        value: its value.
        length: of the media, in seconds or in frames, as stated.
    """

    number: int
    type: str
    control: str
    shown_in: str
    region: str
    value: dict[str, Any]
    length: object

    @property
    def rank(self) -> int:
        """Which of :data:`KINDS` it is; the number of kinds, if it is a remark such as a text or a rating."""
        if self.type == "" or (self.type.endswith("labels") and self.type not in _LABELS):
            return 0  # labels of a kind that does not exist yet
        return next((rank for rank, types in enumerate(KINDS) if self.type in types), len(KINDS))


class Found(NamedTuple):
    """What a task's results hold.

    Args:
        instances: labelled segments.
        remarks: results about segments that do not label them, by type.
        bare: segments with remarks only.
        timeless: results without a segment, by type.
        late: segments that end after their media, with the length that was stated.
        controls: names of those that labelled.
    """

    instances: list[Instance]
    remarks: Counter[str]
    bare: int
    timeless: Counter[str]
    late: list[tuple[Instance, float]]
    controls: set[str]


def timed_results(results: Iterable[Any]) -> tuple[list[Result], Counter[str]]:
    """The results about segments of time, and how many others there are, by type."""
    timed, others = list[Result](), Counter[str]()
    for number, item in enumerate(results, 1):
        value = item.get("value") if isinstance(item, dict) else None
        kind = _type_of(item) if isinstance(item, dict) else ""
        if not isinstance(value, dict) or not _is_timed(kind, value):
            others[kind or "unknown"] += 1
            continue
        region = item.get("id") or [value.get(key) for key in ("ranges", "start", "end", "sequence")]
        tags = (item.get("from_name"), item.get("to_name"))
        control, shown_in = (name if isinstance(name, str) else "" for name in tags)
        timed.append(Result(number, kind, control, shown_in, str(region), value, item.get("original_length")))
    return timed, others


def _type_of(item: dict[str, Any]) -> str:
    """The declared type; of results without one, as in JSON-MIN, the key of the value that holds labels."""
    if isinstance(item.get("type"), str):
        return item["type"].lower()
    value = item.get("value")
    keys = (*_LABELS, *_CHOICES, "text", "rating", "number", "datetime")
    return next((key for key in keys if isinstance(value, dict) and key in value), "")


def _is_timed(kind: str, value: dict[str, Any]) -> bool:
    if "ranges" in value:
        return True
    if kind in _TRACKS:
        return "sequence" in value
    # Labels of texts have a start and an end, too: positions, next to the text itself.
    in_text = "startOffset" in value or (isinstance(value.get("text"), str) and kind != "textarea")
    return {"start", "end"} <= value.keys() and not in_text


def has_labels(results: Iterable[Any]) -> bool:
    """Whether one of the results can label a segment."""
    return any(item.rank < len(KINDS) for item in timed_results(results)[0])


def find_instances(
    results: Iterable[Any], rate: object, *, rank: int, controls: Collection[str] = (), unit: float = 1.0
) -> Found:
    """The instances of a task.

    Args:
        results: of the annotation that counts.
        rate: frames per second, as stated; ``None`` if unknown.
        rank: which of :data:`KINDS` labels the segments.
        controls: names of the controls to read, of any kind; by default all.
        unit: seconds of a step of times that are not frames.

    Raises:
        Defect: a value is wrong.
    """
    timed, timeless = timed_results(results)
    rate = rate if rate is not None else _rate_of(timed)
    labelling, rest = list[Result](), list[Result]()
    for item in timed:
        chosen = item.control in controls if controls else item.rank == rank
        (labelling if chosen else rest).append(item)
    instances, late = list[Instance](), list[tuple[Instance, float]]()
    for item in labelling:
        try:
            found = _instances_of(item, rate, unit)
        except Defect as defect:
            where = f"{defect.found} in result {item.number}"
            raise Defect(expected=defect.expected, found=where, fix=defect.fix) from None
        instances += found
        late += _late(found, item, rate)
    bare = {item.region for item in rest} - {item.region for item in labelling}
    names = {item.control for item in labelling if item.control}
    return Found(instances, Counter(item.type for item in rest), len(bare), timeless, late, names)


def _rate_of(timed: Sequence[Result]) -> float | None:
    """The rate that tracks of boxes state: frames and seconds of the whole video."""
    for item in timed:
        frames, seconds = item.value.get("framesCount"), item.value.get("duration")
        if isinstance(frames, int) and isinstance(seconds, int | float) and frames > 0 and seconds > 0:
            return frames / seconds
    return None


def _instances_of(result: Result, rate: object, unit: float) -> list[Instance]:
    labels = _labels_of(result) or [None]
    return [instance_of(*segment, label) for segment in _segments_of(result.value, rate, unit) for label in labels]


def _labels_of(result: Result) -> list[Any]:
    value = result.value
    keys = (result.type, *_LABELS, *_CHOICES, "text")
    labels: list[Any] = next((value[key] for key in keys if isinstance(value.get(key), list)), [])
    return ["/".join(map(str, label)) if isinstance(label, list) else label for label in labels]


def _segments_of(value: dict[str, Any], rate: object, unit: float) -> list[Pair]:
    if "ranges" in value:
        return [_range_seconds(item, rate) for item in _list(value["ranges"], '"ranges": [{"start", "end"}]')]
    if "sequence" in value:
        return [_range_seconds(item, rate) for item in _visible(value)]
    start, end = to_segment(value["start"], value["end"])
    return [(start * unit, end * unit)]


def _visible(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The ranges of frames in which a box is shown: from a key frame up to one that hides it."""
    frames = _list(value["sequence"], '"sequence": [{"frame", "enabled"}]')
    ranges, shown_from = list[dict[str, Any]](), list[object]()
    for item in frames:
        if not isinstance(item, dict):
            raise Defect(expected='a key frame {"frame", "enabled"}', found=shown(item), fix="correct it")
        shown_from.append(item.get("frame"))
        if item.get("enabled") is False:
            ranges.append({"start": shown_from[0], "end": item.get("frame")})
            shown_from.clear()
    last = value.get("framesCount") or (frames[-1].get("frame") if frames else None)
    return [*ranges, {"start": shown_from[0], "end": last}] if shown_from else ranges


def _list(value: object, expected: str) -> list[Any]:
    if not isinstance(value, list):
        raise Defect(expected=expected, found=shown(value), fix="correct it")
    return value


def _range_seconds(item: Any, rate: object) -> Pair:
    if not isinstance(item, dict):
        raise Defect(expected='a range {"start", "end"} of frames', found=shown(item), fix="correct it")
    if rate is None:
        fix = "give the frameRate of the labeling interface with --fps (24 if it has none)"
        raise Defect(expected="the frames per second of the video", found="frames without a rate", fix=fix)
    fps = to_number(rate, "fps")
    if fps <= 0:
        raise Defect(expected="frames per second above 0", found=shown(rate), fix="correct it")
    frames = np.array([to_segment(item.get("start"), item.get("end"))])  # (1, 2)
    start, end = to_seconds(frames, fps)[0].tolist()
    if not math.isfinite(end):
        raise Defect(expected="frames of a video", found=shown(item), fix="correct it")
    return start, end


def _late(instances: Sequence[Instance], result: Result, rate: object) -> list[tuple[Instance, float]]:
    """Those that end after their media, with its length in seconds."""
    length = result.length
    if isinstance(length, bool) or not isinstance(length, int | float) or not length > 0:
        return []
    if "ranges" in result.value and isinstance(rate, int | float):
        length = max(length, length / rate)  # whether seconds or frames are meant is not said
    return [(instance, float(length)) for instance in instances if instance.end_seconds > length + 0.1]
