"""Temporal detections of FiftyOne: the ``labels.json`` of a ``FiftyOneTemporalDetectionDataset``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.exported import KEY, Exported, Instance, add_video, instance_of, video_of
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import to_segment
from rcl.data.names import plain_name, without_extension
from rcl.system.errors import Defect, InputError, Problems, counted, listed, shown
from rcl.system.paths import PathLike
from rcl.system.text_files import extension_of, write_json

log = logging.getLogger("rcl")


def is_fiftyone(data: Mapping[str, Any]) -> bool:
    """Whether a JSON object has the labels of FiftyOne: a list, or nothing, for each video."""
    labels = data.get("labels")
    return (
        isinstance(labels, dict)
        and isinstance(data.get("classes"), list | None)
        and all(isinstance(items, list | None) for items in labels.values())
    )


def parse(data: Mapping[str, Any], source: str, *, options: ReadOptions | None = None) -> Annotations:
    """Annotations of ``{"classes": […], "labels": {video: [{"label", "support" or "timestamps"}]}}``.

    A label is a position in ``classes`` where the file has them, else the label itself. ``timestamps`` are in seconds;
    ``support`` has the first and the last frame, counted from 1, and takes ``options.fps``.

    Args:
        data: the content of the file; see :func:`is_fiftyone`.
        source: the file, for messages.
        options: ``fps``: frames per second.

    Raises:
        InputError: a value is wrong, or the rate of frames is not known.
    """
    fps = options.fps if options else None
    classes, facts = data.get("classes"), data.get(KEY)
    facts = facts if isinstance(facts, dict) else {}
    videos, problems, open_ = dict[str, VideoAnnotation](), Problems(), list[str]()
    for name, items in data["labels"].items():
        if items is None:
            open_.append(name)
        instances = list[Instance]()
        for number, item in enumerate(items or [], 1):
            with problems.located(f"{source}, video {name!r}, detection {number}"):
                instances.append(_instance(item, classes, fps))
        with problems.located(f"{source}, video {name!r}"):
            if items is not None:
                add_video(videos, video_of(name, instances, facts.get(name)))
    problems.raise_first()
    if open_:
        log.warning("%s: left out %s without labels: %s", source, counted(len(open_), "video"), listed(open_))
    return Annotations(videos, source=source)


def _instance(item: Any, classes: Sequence[Any] | None, fps: float | None) -> Instance:
    if not isinstance(item, dict):
        raise Defect(expected='{"label", "support"}', found=shown(item), fix="export the dataset again")
    label = item.get("label")
    if classes and isinstance(label, int) and not isinstance(label, bool):
        if not 0 <= label < len(classes):
            expected = f"a position in classes, up to {len(classes) - 1}"
            raise Defect(expected=expected, found=str(label), fix="export the dataset again")
        label = classes[label]
    times = item.get("timestamps")
    if isinstance(times, list) and len(times) == 2:
        return instance_of(*to_segment(*times), label)
    frames = item.get("support")
    if not isinstance(frames, list) or len(frames) != 2:
        raise Defect(expected='"support" or "timestamps" of two numbers', found=shown(item), fix="export it again")
    if fps is None:
        raise Defect(
            expected="times in seconds, or the frames per second of the videos",
            found="frames without a rate",
            fix="give the rate with --fps, or export with use_timestamps=True",
        )
    first, last = to_segment(*frames)
    return instance_of((first - 1) / fps, last / fps, label)


def write(exported: Exported, path: PathLike) -> list[str]:
    """Write the labels of all videos, in seconds, with scores as ``confidence``.

    FiftyOne finds the video of a name in the folder that it is given as ``data_path``.

    Args:
        exported: the content.
        path: ``.json``.

    Returns:
        What is lost, in words for the user.

    Raises:
        InputError: the path does not end in ``.json`` or cannot be written, or two videos have the same name
            without the extension.
    """
    extension_of(Path(path), (".json",))
    classes = exported.labels()
    position = {label: index for index, label in enumerate(classes)}
    labels, facts = dict[str, Any](), dict[str, Any]()
    for name, instances in exported.instances.items():
        key = without_extension(plain_name(name)) or name  # FiftyOne looks for files of any extension
        if key in labels:
            raise InputError("videos", expected="names that differ without extension", found=key, fix="rename one")
        labels[key] = [_detection(instance, position) for instance in instances]
        facts[key] = exported.facts(name)
    write_json(path, {"classes": classes, "labels": labels, KEY: facts}, indent=1)
    return [*exported.changed]


def _detection(instance: Instance, position: Mapping[str, int]) -> dict[str, Any]:
    score = {} if instance.score is None else {"confidence": instance.score}
    times = [instance.start_seconds, instance.end_seconds]
    return {"label": position[instance.label], "timestamps": times, **score}
