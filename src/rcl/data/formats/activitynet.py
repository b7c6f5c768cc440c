"""ActivityNet's annotation JSON, the project's own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rcl.data.annotations import VideoAnnotation, to_subset
from rcl.data.formats.values import VideoDraft, to_label, to_pair, to_positive
from rcl.system.errors import Defect, InputError, listed, raise_first, shown


def read_database(path: Path, data: dict[str, Any]) -> dict[str, VideoAnnotation]:
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


def _draft_of(name: str, entry: Any) -> tuple[VideoDraft, list[Any]]:
    """What a JSON entry says of its video, and its instances, not yet read."""
    if not name.strip() or not isinstance(entry, dict):
        found = shown(entry) if name.strip() else "a video without a name"
        raise Defect(expected='a video {"subset", "annotations"}', found=found, fix="correct or remove the entry")
    draft = VideoDraft(
        to_subset(entry.get("subset")),
        to_positive(entry.get("duration"), "duration"),
        to_positive(entry.get("fps"), "fps"),
    )
    # Testing videos of benchmarks come without; anywhere else a missing list is a misspelt one.
    items = entry.get("annotations", [] if draft.subset == "testing" else None)
    if not isinstance(items, list):
        found = 'no "annotations"' if items is None else shown(items)
        raise Defect(expected='"annotations": [instances]', found=found, fix="add it, [] for a video without")
    return draft, items


def entry_of(video: VideoAnnotation) -> dict[str, Any]:
    entry: dict[str, Any] = {"subset": video.subset}
    if video.duration_seconds is not None:
        entry["duration"] = video.duration_seconds
    if video.snippets_per_second is not None:
        entry["fps"] = video.snippets_per_second
    pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
    entry["annotations"] = [{"segment": segment, "label": label} for segment, label in pairs]
    return entry
