"""Detections in ActivityNet's results JSON or a CSV table."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rcl.data.detections import Detections, renumber
from rcl.data.formats.values import to_label, to_number, to_pair, to_segment
from rcl.system.errors import Defect, InputError, listed, raise_first, shown
from rcl.system.paths import PathLike, to_path
from rcl.system.text_files import extension_of, read_csv, read_json, write_json, write_text

_EXTENSIONS = (".json", ".csv")


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
            renumber(found, tuple(self.labels), {name: i for i, name in enumerate(labels)}),
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


def save_detections(detections: Detections, path: PathLike) -> None:
    """Write ActivityNet results JSON, or CSV ``video,start,end,label,score``, by extension.

    Numbers keep full precision and the file is written whole or not at all. Videos without a detection are kept: an
    empty list in JSON, a row with nothing but the name in CSV. JSON groups the detections by video.

    Raises:
        InputError: another extension, or a place that cannot be written.
    """
    if extension_of(to_path(path), _EXTENSIONS) == ".csv":
        write_text(path, _table_of(detections))
    else:
        write_json(path, {"version": "RCL", "results": _results_of(detections), "external_data": {}})


def load_detections(path: PathLike) -> Detections:
    """Read ActivityNet results JSON, or CSV ``video,start,end,score[,label]``, by extension.

    Proposals, which have no label, get the label ``""``. ``labels`` are those of the file, sorted.

    Raises:
        InputError: the file is missing, damaged or of another kind, or a value is wrong.
    """
    path = to_path(path)
    return _read_table(path) if extension_of(path, _EXTENSIONS) == ".csv" else _read_results(path)
