"""Detections in results JSON of several toolboxes, a table, or frame labels."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rcl.data.detections import Detections
from rcl.data.formats import thumos14
from rcl.data.formats.frame_labels import load_frame_labels
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.tables.columns import meaning_of
from rcl.data.formats.tables.layout import Layout
from rcl.data.formats.tables.sheet import Sheet, sheet_of_json
from rcl.data.formats.tables.sheet_files import TABLES, read_sheet
from rcl.data.formats.toolbox_results import check_no_pickle, results_in, rows_of_columns
from rcl.data.formats.values import composed, lengthened, to_label, to_number, to_pair
from rcl.data.frames import to_detections
from rcl.system.errors import Defect, InputError, Problems, listed, shown
from rcl.system.paths import PathLike, is_dir, to_path
from rcl.system.text_files import extension_of, read_text, write_json, write_text
from rcl.system.text_formats import check_object, csv_text, garbage_collection_paused, parse_json

_EXTENSIONS = (".json", ".csv")
_NUMBER = re.compile(r"\s*[+-]?[\d.,]+(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)


def load_detections(path: PathLike, *, fps: float | None = None) -> Detections:
    """Read the detections of RCL or of another toolbox: JSON, a table, or a folder of frame labels.

    JSON is ActivityNet's ``{"results": {video: [{"segment", "label", "score"}]}}``, as OpenTAD, MMAction2, BMN and
    G-TAD write it, or one of the shapes in docs/formats.md. A table has the columns
    ``video,start,end,score[,label]`` and is read as :func:`rcl.load_annotations` reads one. Of the events of ``rcl
    watch`` (``.jsonl``), each has its last form; later parts of a source are videos ``SOURCE/PART``. Proposals,
    which have no label, get the label ``""``. In a folder of frame labels (MS-TCN's results, or ``VIDEO.txt`` with
    a label per line), each run of one label is a detection with the score 1, except those of ``background``.
    ``labels`` are those of the file, sorted.

    >>> from pathlib import Path
    >>> _ = Path("found.csv").write_text("video,start,end,label,score\\nclip,1.5,4,jump,0.9\\n")
    >>> load_detections("found.csv")[0]
    Detection(video='clip', start_seconds=1.5, end_seconds=4.0, label='jump', score=0.9)

    Args:
        path: file, or folder of frame label files.
        fps: frames per second of a folder of frame label files.

    Raises:
        InputError: the file is missing, damaged, a pickle or of another kind, a value is wrong, or the rate of frames
            is missing.
    """
    path = to_path(path)
    check_no_pickle(path)
    if is_dir(path):
        return _of_frames(path, fps)
    if extension_of(path, (".json", *TABLES)) != ".json":
        return detections_of(read_sheet(path, ReadOptions()), ReadOptions())
    data = rows_of_columns(parse_json(read_text(path), path))
    if rows := sheet_of_json(data, str(path)):
        return detections_of(rows, ReadOptions())
    results = results_in(data, str(path))
    return parse(check_object(data, path) if results is None else {"results": results}, str(path))


def _of_frames(folder: Path, fps: float | None) -> Detections:
    if fps is None:
        expected, found = "the rate of its frame labels", "none"
        fix = (
            "give their number per second (rcl compare --fps, load_detections(…, fps=…)), or use rcl evaluate --frames"
        )
        raise InputError(folder, expected=expected, found=found, fix=fix)
    if not (math.isfinite(fps) and fps > 0):
        raise InputError("fps", expected="frames per second, above 0", found=str(fps), fix="correct it")
    return to_detections(load_frame_labels(folder), fps)


def save_detections(detections: Detections, path: PathLike) -> None:
    """Write ActivityNet results JSON, or CSV ``video,start,end,label,score``, by extension.

    Numbers keep full precision and the file is written whole or not at all. Videos without a detection are kept: an
    empty list in JSON, a row with nothing but the name in CSV. JSON groups the detections by video.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "none.json")
    >>> save_detections(Detections.empty(), path)
    >>> load_detections(path)
    Detections(0 in 0 videos, 0 labels)

    Raises:
        InputError: another extension, or a place that cannot be written.
    """
    if extension_of(to_path(path), _EXTENSIONS) == ".csv":
        idle = sorted(set(range(len(detections.videos))) - set(detections.video_index.tolist()))
        names = ((detections.videos[index], "", "", "", "") for index in idle)
        # Only with this end of lines does every version of Python put a lone \r of a name in quotes.
        line_end = "\r\n" if any("\r" in word for word in (*detections.videos, *detections.labels)) else "\n"
        rows = [("video", "start", "end", "label", "score"), *detections, *names]
        write_text(path, csv_text(rows, line_end=line_end))
    else:
        write_json(path, {"version": "RCL", "results": _results_of(detections), "external_data": {}})


def _results_of(detections: Detections) -> dict[str, list[dict[str, Any]]]:
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in detections.videos}
    for video, start, end, label, score in detections:
        named = {"label": label} if label else {}  # a proposal has none
        results[video].append({"segment": [start, end], **named, "score": score})
    return results


# -- parsing -----------------------------------------------------------------------------------------------------


def parse(data: dict[str, Any], source: str) -> Detections:
    """Detections of ``{"results": {video: [{"segment", "label", "score"}]}}``.

    Args:
        data: the content of the file.
        source: the file, for messages.

    Raises:
        InputError: it is of another kind, or a value is wrong.
    """
    results = data.get("results")
    if not isinstance(results, dict):
        annotations = isinstance(data.get("database"), dict)
        raise InputError(
            source,
            expected='a results file with "results": {video: [detections]}',
            found="an annotation file (ground truth)" if annotations else f"the keys {listed([*data]) or '(none)'}",
            fix="give the detections here" + (" and this file as the ground truth" if annotations else ""),
        )
    rows = _rows_at_once(results) or _rows_one_by_one(results, source)
    counts = [len(items) for items in results.values()]
    return _build([*results], np.repeat(np.arange(len(results)), counts), rows)


class _Rows(NamedTuple):
    """Columns of detections, in the order of the file."""

    segments_seconds: Any  # (K, 2)
    labels: Sequence[str]
    scores: Any  # (K,)


def _rows_at_once(results: dict[str, Any]) -> _Rows | None:
    """The columns of plain results, in a quarter of the time; ``None`` where a value needs a closer look."""
    if not _all_are(results.values(), list):
        return None
    items = [*chain.from_iterable(results.values())]
    if not _all_are(items, dict):
        return None
    segments = [item.get("segment") for item in items]
    labels = [item.get("label", "") for item in items]
    scores = [item.get("score") for item in items]
    if not (_all_are(segments, list) and _all_are(labels, str) and set(map(len, segments)) <= {2}):
        return None
    times = [*chain.from_iterable(segments)]
    if not (_all_are(chain(times, scores), float, int) and all(label.strip() for label in {*labels} - {""})):
        return None
    try:
        numbers = np.array([*times, *scores], dtype=np.float64)  # (3K,)
    except OverflowError:  # an integer beyond the range of floats
        return None
    pairs = numbers[: len(times)].reshape(-1, 2)
    if not (np.isfinite(numbers).all() and (pairs[:, 0] <= pairs[:, 1]).all()):
        return None
    return _Rows(pairs, labels, numbers[len(times) :])


def _all_are(values: Iterable[object], *types: type) -> bool:
    return set(map(type, values)) <= {*types}


def _rows_one_by_one(results: dict[str, Any], source: str) -> _Rows:
    """The same, with every value converted by itself, and every defect named.

    Raises:
        InputError: a value is wrong.
    """
    rows, problems = list[tuple[tuple[float, float], str, float]](), Problems()
    for name, items in results.items():
        where = f"{source}, video {name!r}"
        if not isinstance(items, list):
            with problems.located(where):
                raise Defect(expected="a list of detections", found=shown(items), fix="write [] for none")
            continue
        for number, item in enumerate(items, 1):
            with problems.located(f"{where}, detection {number} of {len(items)}"):
                rows.append(_parse_item(item))
    problems.raise_first()
    return _transposed(rows)


def _parse_item(item: Any) -> tuple[tuple[float, float], str, float]:
    if not isinstance(item, dict):
        raise Defect(expected='{"segment", "label", "score"}', found=shown(item), fix="correct the detection")
    label = item.get("label")
    score = to_number(item.get("score"), "score")
    return to_pair(item.get("segment")), "" if label in (None, "") else to_label(label), score


def _transposed(rows: Sequence[tuple[tuple[float, float], str, float]]) -> _Rows:
    segments, labels, scores = zip(*rows, strict=True) if rows else ((), (), ())
    return _Rows(np.array(segments, dtype=np.float64).reshape(-1, 2), labels, np.array(scores, dtype=np.float64))


def _build(videos: Sequence[str], video_index: Sequence[int] | np.ndarray, rows: _Rows) -> Detections:
    names = {label: composed(label) for label in {*rows.labels}}
    labels = sorted({*names.values()})
    place = {name: index for index, name in enumerate(labels)}
    position = {label: place[name] for label, name in names.items()}
    label_index = np.array([position[label] for label in rows.labels], dtype=np.int64)  # (K,)
    index = np.array(video_index, dtype=np.int64)  # (K,)
    return Detections(tuple(videos), index, rows.segments_seconds, tuple(labels), label_index, rows.scores)


def has_scores(sheet: Sheet, options: ReadOptions) -> bool:
    """Whether a table has a column of scores: one of that name, or of a synonym if it holds numbers."""
    if "score" in options.columns or "score" in [name.strip().lower() for name in sheet.header]:
        return True
    places = [place for place, name in enumerate(sheet.header) if meaning_of(name) == ("score", None)]
    cells = [row[place] for place in places for _, row in sheet.rows if place < len(row)]
    return any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells if cell)


@garbage_collection_paused()
def detections_of(sheet: Sheet, options: ReadOptions) -> Detections:
    """Detections of a table; a row with nothing but a name adds its video.

    Args:
        sheet: the table.
        options: what it does not say.

    Raises:
        InputError: it is of another kind, or a value is wrong.
    """
    if thumos14.is_header(sheet.header):
        options = replace(options, columns={"label": "type", **options.columns})
    layout = Layout.of(sheet, options, required=("video", "score"), optional=("label",))
    columns = layout.columns
    layout.warn_of_doubts(sheet)
    filled = [columns[role].place for role in ("start", "end", "label", "score") if role in columns]
    label, score = columns.get("label"), columns["score"]
    videos, index = dict[str, int](), list[int]()
    rows, problems = list[tuple[tuple[float, float], str, float]](), Problems()
    for number, (line, row) in enumerate(sheet.rows, 1):
        name = layout.video(row)
        video = videos.setdefault(name, len(videos))
        if name and not any(row[place] for place in filled):
            continue
        try:  # in a loop over millions of rows, `problems.located` would take as long as all the rest
            if not name:
                raise Defect(expected="the name of a video", found="none", fix="add it")
            segment = layout.segment(row)
            if options.point_length:
                segment = lengthened(segment, options.point_length)
            rows.append((segment, row[label.place] if label else "", layout.number(row[score.place], "score")))
            index.append(video)
        except Defect as defect:
            where = f"{sheet.source}, {sheet.counted} {line}, video {name!r}, detection {number}"
            problems.errors.append(defect.at(where))
    problems.raise_first()
    return _build([*videos], index, _transposed(rows))
