"""Annotations of CVAT for video, as XML: tracks and tags of frames, which become segments of time."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.exported import add_video, instance_of, stem_of, video_of
from rcl.data.formats.markup import parse_xml
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import to_number, to_positive
from rcl.system.errors import Defect, Problems, counted, located, shown

log = logging.getLogger("rcl")

_SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton")


class _Run(NamedTuple):
    """Frames from the first to the one after the last, counted from 0, and their label."""

    first: float
    stop: float
    label: str


class _Task(NamedTuple):
    name: str
    step: int  # frames from one to the next that was annotated


def parse(text: str, source: str, *, file_name: str, options: ReadOptions | None = None) -> Annotations:
    """Annotations of tracks and tags: a segment for each run of frames in which one is visible.

    A track is visible until a shape says that it is outside, else up to its last shape. Frame k begins at k / fps
    seconds. The label is that of the track or tag, or the value of the attribute that ``options.columns["label"]``
    names. Positions and images with shapes but without tracks are left out with a warning.

    Args:
        text: the content of the file.
        source: the file, for messages.
        file_name: of the file, from which the video has its name if the file names neither it nor its task.
        options: ``fps``: frames per second; ``media``: name of the video; ``columns``: see above.

    Raises:
        InputError: the text is damaged or of another kind, a value is wrong, or the rate of frames is not known.
    """
    options = options or ReadOptions()
    runs, videos, problems = defaultdict[str, list[_Run]](list), dict[str, VideoAnnotation](), Problems()
    with located(source):
        root = parse_xml(text, root="annotations", tool="CVAT")
        tasks, fps = _tasks(root, options.media or "", file_name), _rate(root, options.fps)
        default = next(iter(tasks))
    for number, track in enumerate(root.iterfind("track"), 1):
        with problems.located(f"{source}, track {track.get('id') or number}"):
            task = track.get("task_id", default)
            runs[task] += _runs_of_track(track, _task(tasks, task).step, options.columns.get("label"))
    tagged = defaultdict[tuple[str, str], set[int]](set)
    for tag, task, frame in _tags(root, default):
        with problems.located(f"{source}, tag {tag.get('label')!r}"):
            tagged[task, tag.get("label", "")].add(_frame(frame))
    for (task, label), frames in tagged.items():
        with problems.located(f"{source}, tag {label!r}"):
            runs[task] += _runs_of_frames(sorted(frames), _task(tasks, task).step, label)
    problems.raise_first()
    with located(source):
        for key, (name, _) in tasks.items():
            instances = sorted(instance_of(run.first / fps, run.stop / fps, run.label) for run in runs[key])
            add_video(videos, video_of(name, instances, None))
    images = sum(any(shape.tag in _SHAPES for shape in image) for image in root.iterfind("image"))
    if images:
        log.warning("%s: left out the shapes of %s, which are in no track", source, counted(images, "image"))
    return Annotations(videos, source=source)


def _tasks(root: ElementTree.Element, media: str, file_name: str) -> dict[str, _Task]:
    """The tasks of the file by id; those of a project are several."""
    found = [*root.iterfind("meta/task"), *root.iterfind("meta/job"), *root.iterfind("meta/project/tasks/task")]
    tasks = dict[str, _Task]()
    for number, task in enumerate(found):
        source = task.findtext("source") or (root.findtext("meta/source") if len(found) == 1 else None) or ""
        name = media or stem_of(source.strip() or (task.findtext("name") or "").strip() or file_name)
        step = re.search(r"step\s*=\s*(\d+)", task.findtext("frame_filter") or "")
        tasks[task.findtext("id") or str(number)] = _Task(name, max(int(step[1]), 1) if step else 1)
    return tasks or {"": _Task(media or stem_of((root.findtext("meta/source") or "").strip() or file_name), 1)}


def _task(tasks: dict[str, _Task], key: str) -> _Task:
    if key not in tasks:
        raise Defect(expected="a task of the file", found=shown(key), fix="export the annotations again")
    return tasks[key]


def _rate(root: ElementTree.Element, fps: float | None) -> float:
    if fps is not None:
        return fps
    for name in ("frame_rate", "fps"):
        if value := root.findtext(f".//meta//{name}"):
            return to_positive(value, "frame rate")
    expected, fix = "the frames per second of the video", "give them with --fps"
    raise Defect(expected=expected, found="frames without a rate", fix=fix)


def _frame(value: str | None) -> int:
    frame = to_number(value, "frame")
    if frame < 0 or frame != int(frame):
        raise Defect(expected="the number of a frame", found=shown(value), fix="correct it")
    return int(frame)


def _runs_of_track(track: ElementTree.Element, step: int, attribute: str | None) -> list[_Run]:
    shapes = sorted((shape for shape in track if shape.get("frame")), key=lambda shape: _frame(shape.get("frame")))
    runs, opened = list[_Run](), False
    for shape in shapes:
        frame, visible = _frame(shape.get("frame")), shape.get("outside", "0") != "1"
        label = _label(track, shape, attribute)
        if opened:  # what lies between two shapes is as the first of them
            runs[-1] = runs[-1]._replace(stop=frame)
        if visible and not (opened and runs[-1].label == label):
            runs.append(_Run(frame, frame + step, label))
        elif visible:
            runs[-1] = runs[-1]._replace(stop=frame + step)
        opened = visible
    return [run for run in runs if run.label]


def _label(track: ElementTree.Element, shape: ElementTree.Element, attribute: str | None) -> str:
    if attribute is None:
        return track.get("label", "")
    items = (*shape.iterfind("attribute"), *track.iterfind("attribute"))
    return next(((item.text or "").strip() for item in items if item.get("name") == attribute), "")


def _tags(root: ElementTree.Element, default: str) -> Iterator[tuple[ElementTree.Element, str, str | None]]:
    """Every tag with its task and its frame."""
    for tag in root.iterfind("tag"):
        yield tag, tag.get("task_id", default), tag.get("frame")
    for image in root.iterfind("image"):
        for tag in image.iterfind("tag"):
            yield tag, image.get("task_id", default), image.get("id")


def _runs_of_frames(frames: Sequence[int], step: int, label: str) -> list[_Run]:
    runs = list[_Run]()
    for frame in frames:
        if runs and frame <= runs[-1].stop:
            runs[-1] = runs[-1]._replace(stop=frame + step)
        else:
            runs.append(_Run(frame, frame + step, label))
    return runs
