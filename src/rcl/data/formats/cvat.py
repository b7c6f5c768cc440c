"""Annotations of CVAT for video, as XML: tracks and tags of frames, which become segments of time."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.exported import add_video, instance_of, stem_of, video_of
from rcl.data.formats.markup import parse_xml
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import to_number, to_positive
from rcl.system.errors import Defect, Problems, counted, listed, located, shown

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
    frames: int | None  # of the video, up to the last of the task


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
    videos = dict[str, VideoAnnotation]()
    with located(source):
        root = parse_xml(text, root="annotations", tool="CVAT")
        tasks, fps = _tasks(root, options.media or "", file_name), _rate(root, options.fps)
        if not options.media:
            _check_folders(root)
        attribute = options.columns.get("label")
        _check_attribute(_attributes(root), attribute, source)
    runs, unlabelled = _runs(root, tasks, attribute, source)
    with located(source):
        for key, task in tasks.items():
            instances = sorted(instance_of(run.first / fps, run.stop / fps, run.label) for run in runs[key])
            add_video(videos, video_of(task.name, instances, None))
    if unlabelled:
        message = "%s: left out %s without a value of the attribute %r"
        log.warning(message, source, counted(unlabelled, "track or tag", "tracks and tags"), attribute)
    images = sum(any(shape.tag in _SHAPES for shape in image) for image in root.iterfind("image"))
    if images:
        log.warning("%s: left out the shapes of %s, which are in no track", source, counted(images, "image"))
    _warn_of_late(runs, tasks, source)
    return Annotations(videos, source=source)


# -- tasks -------------------------------------------------------------------------------------------------------


def _tasks(root: ElementTree.Element, media: str, file_name: str) -> dict[str, _Task]:
    """The tasks of the file by id; those of a project are several."""
    found = [*root.iterfind("meta/task"), *root.iterfind("meta/job"), *root.iterfind("meta/project/tasks/task")]
    tasks = dict[str, _Task]()
    for number, task in enumerate(found):
        source = task.findtext("source") or (root.findtext("meta/source") if len(found) == 1 else None) or ""
        name = media or stem_of(source.strip() or (task.findtext("name") or "").strip() or file_name)
        found_step = re.search(r"step\s*=\s*(\d{1,9})", task.findtext("frame_filter") or "")
        step = max(int(found_step[1]), 1) if found_step else 1
        first, last, size = (_count(task.findtext(key)) for key in ("start_frame", "stop_frame", "size"))
        frames = max(0 if last is None else last + 1, (first or 0) + (size or 0) * step)
        tasks[task.findtext("id") or str(number)] = _Task(name, step, frames or None)
    return tasks or {"": _Task(media or stem_of((root.findtext("meta/source") or "").strip() or file_name), 1, None)}


def _count(value: str | None) -> int | None:
    return int(value) if value and re.fullmatch(r"\s*\d{1,9}\s*", value) else None


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


def _check_folders(root: ElementTree.Element) -> None:
    """Refuse images of several videos, whose frames are numbered as those of one."""
    folders = defaultdict[str, dict[str, None]](dict)
    for image in root.iterfind("image"):
        folders[image.get("task_id", "")][image.get("name", "").replace("\\", "/").rpartition("/")[0]] = None
    several = next((found for found in folders.values() if len(found) > 1), None)
    if several and root.find("image/tag") is not None:
        fix = "give each video a task of its own in CVAT (or if it is one video, name it with --media)"
        found = f"the folders {listed([repr(folder) for folder in several])}"
        raise Defect(expected="the images of one video in a task", found=found, fix=fix)


def _warn_of_late(runs: Mapping[str, Sequence[_Run]], tasks: Mapping[str, _Task], source: str) -> None:
    for key, task in tasks.items():
        late = [run.stop for run in runs[key] if task.frames is not None and run.stop > task.frames]
        if late:
            ends = f"{counted(len(late), 'segment')} {'ends' if len(late) == 1 else 'end'}"
            message = "%s: %s after the last of the %s frames of task %r, up to frame %.10g"
            log.warning(message, source, ends, f"{task.frames:,}", task.name, max(late))


# -- attributes --------------------------------------------------------------------------------------------------


def _attributes(root: ElementTree.Element) -> dict[str, dict[str, None]]:
    """The attributes of tracks and tags, with their values in order."""
    found = defaultdict[str, dict[str, None]](dict)
    for path in ("track/attribute", "track/*/attribute", "tag/attribute", "image/tag/attribute"):
        for item in root.iterfind(path):
            found[item.get("name", "")][(item.text or "").strip()] = None
    return found


def _check_attribute(known: Mapping[str, Collection[str]], wanted: str | None, source: str) -> None:
    """Check that the file has the attribute that labels; if none was named, say which there are."""
    if wanted is not None and wanted not in known:
        found = f"the attributes {listed([repr(name) for name in known], 10)}" if known else "no attributes"
        fix = "correct --columns label=ATTRIBUTE, or leave it out to read the labels of tracks and tags"
        raise Defect(expected=f"an attribute {wanted!r}", found=found, fix=fix)
    if known and wanted is None:
        each = [f"{name!r} ({listed([repr(value) for value in values])})" for name, values in known.items()]
        message = "%s: attributes are not read: %s; --columns label=ATTRIBUTE takes one for the labels"
        log.warning(message, source, listed(each))


def _label(owner: ElementTree.Element, shape: ElementTree.Element, attribute: str | None) -> str:
    """The label of a track at one of its shapes, or of a tag; ``""`` if it has no such attribute."""
    if attribute is None:
        return owner.get("label", "")
    items = (*shape.iterfind("attribute"), *owner.iterfind("attribute"))
    return next(((item.text or "").strip() for item in items if item.get("name") == attribute), "")


# -- frames ------------------------------------------------------------------------------------------------------


def _runs(
    root: ElementTree.Element, tasks: dict[str, _Task], attribute: str | None, source: str
) -> tuple[dict[str, list[_Run]], int]:
    """The runs of each task, and how many tracks and tags have none for lack of the attribute.

    Raises:
        InputError: a value is wrong.
    """
    runs, problems, default = defaultdict[str, list[_Run]](list), Problems(), next(iter(tasks))
    unlabelled = 0
    for number, track in enumerate(root.iterfind("track"), 1):
        with problems.located(f"{source}, track {track.get('id') or number}"):
            task = track.get("task_id", default)
            found = _runs_of_track(track, _task(tasks, task).step, attribute)
            runs[task] += [run for run in found if run.label or attribute is None]
            unlabelled += attribute is not None and any(not run.label for run in found)
    tagged = defaultdict[tuple[str, str], set[int]](set)
    for tag, task, frame in _tags(root, default):
        with problems.located(f"{source}, tag {tag.get('label')!r}"):
            label = _label(tag, tag, attribute)
            if label or attribute is None:
                tagged[task, label].add(_frame(frame))
            else:
                unlabelled += 1
    for (task, label), frames in tagged.items():
        with problems.located(f"{source}, tag {label!r}"):
            runs[task] += _runs_of_frames(sorted(frames), _task(tasks, task).step, label)
    problems.raise_first()
    return runs, unlabelled


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
    return runs


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
