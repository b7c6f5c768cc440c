"""Tasks of Label Studio with labels on the timeline of a video: what is written for it.

`tasks` reads what it exports.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from rcl.data.formats.exported import KEY, Exported, Instance
from rcl.data.formats.label_studio.frames import to_frames, to_seconds
from rcl.system.paths import PathLike
from rcl.system.text_files import extension_of, write_json, write_text


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
