"""Tasks of Label Studio with labels on the timeline of a video."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.exported import KEY, Exported, Instance, add_video, instance_of, name_in, stem_of, video_of
from rcl.data.formats.label_studio_frames import to_frames, to_seconds
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import to_number, to_segment
from rcl.system.errors import Defect, Problems, counted, located, shown
from rcl.system.paths import PathLike
from rcl.system.text_files import extension_of, write_json, write_text

log = logging.getLogger("rcl")

_LABELS = ("timelinelabels", "timeserieslabels", "labels")
_RATES = ("fps", "frame_rate", "framerate", "frameRate")
_MEDIA = ("video", "video_url", "url", "audio", "file")


def is_task(data: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a single task."""
    return isinstance(data.get("data"), dict) and bool({"annotations", "predictions"} & data.keys())


# -- writing -----------------------------------------------------------------------------------------------------


def write(exported: Exported, path: PathLike, *, fps: Mapping[str, float], folder: PathLike | None = None) -> list[str]:
    """Write tasks to import, and next to them, as ``.xml``, the labeling interface that shows them.

    Annotations become annotations, detections become predictions with their scores. Each task has its rate as
    ``$fps``, where the interface finds it.

    Args:
        exported: the content.
        path: ``.json``.
        fps: frames per second, by video.
        folder: of the videos; its parent is the document root of Label Studio's local files.

    Returns:
        What is lost, in words for the user.

    Raises:
        InputError: the path has another extension or cannot be written.
    """
    path = Path(path)
    extension_of(path, (".json",))
    tasks, worst = list[dict[str, Any]](), 0.0
    for name, instances in exported.instances.items():
        segments = np.array([instance[:2] for instance in instances]).reshape(-1, 2)  # (N, 2)
        frames = to_frames(segments, fps[name])  # (N, 2)
        worst = max(worst, np.abs(to_seconds(frames, fps[name]) - segments).max(initial=0.0))
        data = {"video": _address(exported, name, folder), "fps": fps[name], KEY: exported.facts(name)}
        pairs = zip(instances, frames.tolist(), strict=True)
        result = [_result_of(number, *pair) for number, pair in enumerate(pairs, 1)]
        given = _prediction(result) if exported.scored else {"annotations": [{"result": result}]}
        tasks.append({"data": data, **given})
    write_json(path, tasks, indent=1)
    write_text(path.with_suffix(".xml"), _interface(exported.labels()))
    finer = [f"times finer than a frame (up to {worst:.2g} s off)"] if worst > 1e-6 else []
    return [*exported.changed, *finer]


def _result_of(number: int, instance: Instance, frames: list[int]) -> dict[str, Any]:
    start, end = frames
    return {
        "id": f"rcl-{number}",
        "from_name": "videoLabels",
        "to_name": "video",
        "type": "timelinelabels",
        "value": {"ranges": [{"start": start, "end": end}], "timelinelabels": [instance.label]},
        **({} if instance.score is None else {"score": instance.score}),
    }


def _prediction(result: list[dict[str, Any]]) -> dict[str, Any]:
    scores = [item["score"] for item in result]
    mean = {"score": sum(scores) / len(scores)} if scores else {}
    return {"predictions": [{"model_version": "RCL", **mean, "result": result}]}


def _address(exported: Exported, name: str, folder: PathLike | None) -> str:
    file = exported.files.get(name)
    if file is None or folder is None:
        place = f"videos/{quote(exported.media_of(name), safe='', errors='replace')}"
    else:
        root = Path(os.path.abspath(folder))
        place = quote((Path(root.name) / Path(os.path.abspath(file)).relative_to(root)).as_posix(), errors="replace")
    return f"/data/local-files/?d={place}"


def _interface(labels: list[str]) -> str:
    values = "\n".join(f"    <Label value={quoteattr(label, {chr(10): '&#10;'})}/>" for label in labels)
    return (
        '<View>\n  <TimelineLabels name="videoLabels" toName="video">\n'
        f"{values}\n  </TimelineLabels>\n"
        '  <Video name="video" value="$video" frameRate="$fps" timelineHeight="120"/>\n</View>\n'
    )


# -- reading -----------------------------------------------------------------------------------------------------


class _Task(NamedTuple):
    video: VideoAnnotation
    labelled: bool  # by a person, not only predicted
    others: int  # results of other kinds


def parse(tasks: list[Any], source: str, *, options: ReadOptions | None = None) -> Annotations:
    """Annotations of tasks that Label Studio exports as JSON or JSON-MIN, or that it can import.

    Labels of the timeline are in frames; those of audio and time series, with which videos are labelled too, are in
    seconds. Of several annotations of a task, the one marked as ground truth counts, else the latest that was not
    skipped. If any task is annotated, tasks with only predictions are left out with a warning; if none is, the
    predictions are read.

    Args:
        tasks: the content of the file.
        source: the file, for messages.
        options: ``fps``: frames per second; by default what the tasks say.

    Raises:
        InputError: a value is wrong, or the frames per second are not known.
    """
    fps = options.fps if options else None
    found, problems = list[_Task](), Problems()
    for number, task in enumerate(tasks, 1):
        with problems.located(f"{source}, task {number}"):
            found += [item] if (item := _parse_task(task, fps)) else []
    problems.raise_first()
    labelled = [task for task in found if task.labelled] or found
    if left_out := len(found) - len(labelled):
        log.warning("%s: left out %s without annotations", source, counted(left_out, "video"))
    elif found and not found[0].labelled:
        log.warning("%s: none of these videos is annotated yet; their predictions are read", source)
    if others := sum(task.others for task in labelled):
        log.warning("%s: left out %s without a segment of time", source, counted(others, "result"))
    videos: dict[str, VideoAnnotation] = {}
    with located(source):
        for task in labelled:
            add_video(videos, task.video)
    return Annotations(videos, source=source)


def _parse_task(task: Any, fps: float | None) -> _Task | None:
    """A task; ``None`` if it has neither an annotation nor a prediction."""
    if not isinstance(task, dict):
        raise Defect(expected='a task {"data", "annotations"}', found=shown(task), fix="correct or remove it")
    data = task["data"] if isinstance(task.get("data"), dict) else task
    labelled = True
    results = [*_results_of_columns(task)] if data is task else _latest(task, "annotations", "completions")
    if results is None:
        labelled, results = False, _latest(task, "predictions")
    if results is None:
        return None
    rate = fps if fps is not None else next((data[key] for key in _RATES if data.get(key) is not None), None)
    instances, others = list[Instance](), 0
    for number, result in enumerate(results, 1):
        try:
            found = _instances_of(result, rate)
        except Defect as defect:
            raise Defect(expected=defect.expected, found=f"{defect.found} in result {number}", fix=defect.fix) from None
        instances += found or []
        others += found is None
    facts = data.get(KEY)
    name = name_in(facts) or _name_of(data)
    return _Task(video_of(name, instances, facts), labelled, others)


def _results_of_columns(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Results of JSON-MIN, which has a column of values for each control of the interface instead."""
    for values in row.values():
        for value in values if isinstance(values, list) else []:
            if isinstance(value, dict) and any(key in value for key in _LABELS):
                yield {"value": value}


def _latest(task: dict[str, Any], *keys: str) -> list[Any] | None:
    """The results of the annotation, or prediction, that counts; ``None`` if there are only skipped ones."""
    given: Any = next((task[key] for key in keys if task.get(key)), [])
    if not isinstance(given, list):
        raise Defect(expected=f"a list of {keys[0]}", found=shown(given), fix="export it again")
    whole = [item for item in given if isinstance(item, dict) and not item.get("was_cancelled")]
    if not whole:
        return None
    best = max(whole, key=lambda item: (bool(item.get("ground_truth")), str(item.get("updated_at") or "")))
    if not isinstance(best.get("result"), list):
        fix = "export it again, [] for none"
        raise Defect(expected='"result": [labels]', found=shown(best.get("result")), fix=fix)
    return best["result"]


def _instances_of(result: Any, rate: object) -> list[Instance] | None:
    """The instances of one result; ``None`` if it is not a segment of time."""
    value = result.get("value") if isinstance(result, dict) else None
    if not isinstance(value, dict):
        return None
    labels: list[Any] = next((value[key] for key in _LABELS if isinstance(value.get(key), list)), [])
    if "ranges" in value:
        segments = [_range_seconds(item, rate) for item in _list(value["ranges"])]
    elif {"start", "end"} <= value.keys() and not {"text", "startOffset"} & value.keys():  # positions in a text
        segments = [to_segment(value["start"], value["end"])]
    else:
        return None
    return [instance_of(*segment, label) for segment in segments for label in labels or [None]]


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise Defect(expected='"ranges": [{"start", "end"}]', found=shown(value), fix="correct it")
    return value


def _range_seconds(item: Any, rate: object) -> tuple[float, float]:
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


def _name_of(data: dict[str, Any]) -> str:
    """The name of a video, from its address: an upload, a local file or a link."""
    address = next((data[key] for key in _MEDIA if isinstance(data.get(key), str)), "")
    try:
        parts = urlsplit(address)
    except ValueError:
        raise Defect(expected="the address of a video", found=shown(address), fix="correct it") from None
    local = parse_qs(parts.query).get("d")
    file = local[0] if local else unquote(parts.path)
    if "/upload/" in file:
        file = re.sub(r"(?<=/)[0-9a-f]{8}-(?=[^/]*$)", "", file)  # a random number that Label Studio puts there
    return stem_of(file)
