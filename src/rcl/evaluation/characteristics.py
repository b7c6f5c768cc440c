"""Characteristics of ground truths, in buckets: coverage, length, number of instances, context, agreement.

Source: Alwassel, Caba Heilbron, Escorcia and Ghanem, "Diagnosing Error in Temporal Action Detectors" (ECCV 2018), and
its public code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.formats.values import to_number
from rcl.evaluation.ground_truths import GroundTruths
from rcl.system.errors import InputError, counted, located
from rcl.system.paths import PathLike, to_path
from rcl.system.text_files import read_text
from rcl.system.text_formats import parse_json

BucketScheme = Literal["activitynet", "thumos14", "data"]
Fields: TypeAlias = Mapping[str, Mapping[str, np.ndarray]]  # characteristic → video → (N,) values, NaN where unknown

_Buckets: TypeAlias = tuple[list[float], tuple[str, ...]]  # edges and the names between them
_SIZES = ("XS", "S", "M", "L", "XL")
_NAMES_BY_COUNT = {1: ("all",), 2: ("S", "L"), 3: ("S", "M", "L"), 4: ("XS", "S", "M", "L"), 5: _SIZES}
_UNIT = np.linspace(0.0, 1.0, 6).tolist()
# Three characteristics of the paper are judged by people, so they are known only if the annotation file has them.
_OBSERVED: dict[str, _Buckets] = {
    "context-size": ([-1, 0, 1, 2, 3, 4, 5, 6], ("0", "1", "2", "3", "4", "5", "6")),
    "context-distance": ([-1, 0, 1, 2, 3], ("Inf", "N", "M", "F")),
    "agreement": (_UNIT, ("XW", "W", "M", "H", "XH")),
}
_MEASURED: dict[str, dict[str, _Buckets]] = {
    "activitynet": {
        "coverage": (_UNIT, _SIZES),
        "length": ([0, 30, 60, 120, 180, np.inf], _SIZES),
        "num-instances": ([-1, 1, 4, 8, np.inf], _SIZES[:4]),
    },
    "thumos14": {
        "coverage": ([0, 0.02, 0.04, 0.06, 0.08, 1], _SIZES),
        "length": ([0, 3, 6, 12, 18, np.inf], _SIZES),
        "num-instances": ([-1, 1, 40, 80, np.inf], _SIZES[:4]),
    },
}
_MOST_BUCKETS = {"coverage": 5, "length": 5, "num-instances": 4}
CHARACTERISTICS = {  # with their titles
    "context-size": "context size",
    "context-distance": "context distance",
    "agreement": "agreement",
    "coverage": "coverage in %",
    "length": "length in s",
    "num-instances": "instances in video",
}


@dataclass(frozen=True, eq=False)
class Characteristic:
    """The ground truths in buckets of one characteristic.

    Args:
        name: one of ``CHARACTERISTICS``.
        edges: ``(B + 1,)`` float64, ascending. Bucket ``b`` is ``edges[b] < value ≤ edges[b + 1]``; the first one
            includes its lower edge. Length is in seconds, coverage is a fraction of the video.
        buckets: ``B`` names.
        bucket_index: ``(N,)`` int64, −1 if the value is unknown or outside all buckets.
    """

    name: str
    edges: np.ndarray
    buckets: tuple[str, ...]
    bucket_index: np.ndarray

    @property
    def limits(self) -> tuple[str, ...]:
        """``B`` texts such as ``≤ 30`` or, for an open end, ``> 180``; coverage in percent."""
        edges = self.edges * (100 if self.name == "coverage" else 1)
        return tuple(
            f"≤ {upper:.3g}" if np.isfinite(upper) else f"> {lower:.3g}" for lower, upper in pairwise(edges.tolist())
        )

    @property
    def counts(self) -> np.ndarray:
        """``(B,)`` int64, number of ground truths in each bucket."""
        return np.bincount(self.bucket_index[self.bucket_index >= 0], minlength=len(self.buckets))

    def to_json(self) -> dict[str, Any]:
        """Plain Python types; an open end is ``None``."""
        return {
            "edges": [float(edge) if np.isfinite(edge) else None for edge in self.edges],
            "buckets": list(self.buckets),
            "ground_truths": self.counts.tolist(),
        }


def read_characteristics(path: PathLike) -> Fields:
    """Read the characteristics that DETAD's annotation files give for each instance, such as ``"context-size"``.

    Args:
        path: an annotation file that ``load_annotations`` reads. Only ActivityNet's JSON can have such fields. Fields
            that no instance has are left out.

    Raises:
        InputError: a value is not a number.
    """
    path = to_path(path)
    data = parse_json(read_text(path), path) if path.suffix.lower() == ".json" else None
    database = data.get("database") if isinstance(data, dict) else None  # a list holds rows
    if not isinstance(database, dict):
        return {}
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in CHARACTERISTICS}
    for video, entry in database.items():
        listed = entry.get("annotations") if isinstance(entry, dict) else None
        items = [item if isinstance(item, dict) else {} for item in (listed if isinstance(listed, list) else [])]
        for name in CHARACTERISTICS:
            with located(f"{path}, video {video!r}"):
                values = [np.nan if item.get(name) is None else to_number(item[name], name) for item in items]
            found[name][video] = np.array(values, dtype=np.float64)
    known = [name for name in CHARACTERISTICS if any(np.isfinite(values).any() for values in found[name].values())]
    return {name: found[name] for name in known}


def measure(
    truth: GroundTruths, annotations: Annotations, fields: Fields, kept: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """The value of every known characteristic: ``(N,)`` float64 each, NaN if unknown.

    The fields are used as they are, as in the original; other values follow from the segments. Of a partly reviewed
    video, coverage is still a fraction of the whole, and the instances are those that are labelled.

    Args:
        truth: the instances of ``annotations``, in its order.
        annotations: the subset, with the durations of its videos.
        fields: as :func:`read_characteristics` returns them; they may cover more videos.
        kept: which of all instances ``truth`` has, bool; by default all of them.

    Raises:
        InputError: the number of a field's values is not the number of instances of a video.
    """
    durations = [video.duration_seconds or np.nan for video in annotations.videos.values()]
    measured = {
        "coverage": truth.lengths / np.array(durations)[truth.video_index],
        "length": truth.lengths,
        "num-instances": np.bincount(truth.video_index)[truth.video_index].astype(np.float64),
    }
    values = {}
    for name in CHARACTERISTICS:
        own = measured.get(name, np.full(len(truth), np.nan))  # (N,)
        given = _rows_of(name, fields.get(name, {}), annotations)
        given = given if kept is None else given[kept]  # (N,)
        value = np.where(np.isnan(given), own, given)
        if not np.isnan(value).all():
            values[name] = value
    return values


def _rows_of(name: str, field: Mapping[str, np.ndarray], annotations: Annotations) -> np.ndarray:
    """The values of one field in the order of the instances: ``(N,)`` float64."""
    parts = []
    for video in annotations.videos.values():
        values = field.get(video.name, np.full(len(video.labels), np.nan))
        if len(values) != len(video.labels):
            raise InputError(
                f"{annotations.source}, video {video.name!r}",
                expected=f"{counted(len(video.labels), 'value')} of {name}, one per instance",
                found=str(len(values)),
                fix="read the characteristics from the file of the annotations",
            )
        parts.append(values)
    return np.concatenate(parts)


def cut(values: Mapping[str, np.ndarray], scheme: BucketScheme) -> tuple[Characteristic, ...]:
    """Sort the instances into buckets.

    Args:
        values: characteristic to ``(N,)`` values, as :func:`measure` returns them.
        scheme: ``activitynet`` and ``thumos14`` are the original's. ``data`` takes quantiles: up to five buckets of
            coverage and length and up to four of the number of instances, with about the same number of ground truths
            each, and fewer buckets if many values are equal. No bucket is empty, and every known value is in one.

    Raises:
        InputError: the scheme is unknown.
    """
    if scheme not in get_args(BucketScheme):
        expected = " or ".join(get_args(BucketScheme))
        raise InputError("buckets", expected=expected, found=repr(scheme), fix="use one of them")
    result = []
    for name, value in values.items():
        if name in _OBSERVED:
            edges, buckets = _OBSERVED[name]
        elif scheme == "data":
            edges, buckets = _quantiles(value, _MOST_BUCKETS[name])
        else:
            edges, buckets = _MEASURED[scheme][name]
        result.append(Characteristic(name, np.array(edges, dtype=np.float64), buckets, _bucket_of(value, edges)))
    return tuple(result)


def _quantiles(values: np.ndarray, most: int) -> _Buckets:
    """Edges that start at 0 and are values that occur, so that every bucket holds at least its upper edge."""
    known = values[np.isfinite(values)]
    upper = np.quantile(known, np.arange(1, most + 1) / most, method="inverted_cdf") if len(known) else []
    edges = np.unique([0.0, *upper])
    if len(edges) == 1:  # all values are 0 or unknown
        edges = np.array([0.0, np.finfo(np.float64).tiny])
    return edges.tolist(), _NAMES_BY_COUNT[len(edges) - 1]


def _bucket_of(values: np.ndarray, edges: list[float]) -> np.ndarray:
    """Bucket of each value, −1 for a value outside all buckets: ``(N,)`` int64."""
    position = np.searchsorted(edges, values, side="left")  # NaN sorts after the last edge
    position[values == edges[0]] = 1
    return np.where((position > 0) & (position < len(edges)), position - 1, -1)


def recognized_scheme(annotations: Annotations) -> BucketScheme:
    """The scheme of buckets for a file: that of the benchmark whose videos and labels it has, or else ``data``."""
    names = annotations.videos
    if all(re.fullmatch(r"video_(test|validation)_\d{7}", name) for name in names):
        return "thumos14"
    if len(annotations.labels) == 200 and all(re.fullmatch(r"(v_)?[\w-]{11}", name) for name in names):
        return "activitynet"
    return "data"
