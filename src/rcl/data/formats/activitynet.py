"""ActivityNet's annotation JSON, the project's own format."""

from __future__ import annotations

from typing import Any

from rcl.data.annotations import Annotations, VideoAnnotation, is_subset, to_subset
from rcl.data.formats.values import VideoDraft, reviewed_pairs, to_group, to_instance, to_optional, to_reviewed
from rcl.system.errors import Defect, InputError, Problems, listed, shown


def parse(data: dict[str, Any], source: str, *, subset: str | None = None) -> Annotations:
    """Annotations of ``{"database": {video: {"subset", "duration", "fps", "group", "reviewed", "annotations"}}}``.

    Args:
        data: the content of the file.
        source: the file, for messages.
        subset: of videos for which the file states none.

    Raises:
        InputError: it is of another kind, or a value is wrong.
    """
    database = data.get("database")
    if not isinstance(database, dict):
        results = isinstance(data.get("results"), dict)
        raise InputError(
            source,
            expected='an annotation file with "database": {video: …}',
            found="a results file (detections)" if results else f"the keys {listed([*data]) or '(none)'}",
            fix="give the ground truth here" + (" and this file as the detections" if results else ""),
        )
    drafts, problems = dict[str, VideoDraft](), Problems()
    for name, entry in database.items():
        where = f"{source}, video {name!r}"
        with problems.located(where):
            drafts[name], items = _draft_of(name, entry, subset)
            for number, item in enumerate(items, 1):
                with problems.located(f"{where}, instance {number} of {len(items)}"):
                    drafts[name].add(*to_instance(item))
    problems.raise_first()
    return Annotations({name: draft.finish(name) for name, draft in drafts.items()}, source=source)


def _draft_of(name: str, entry: Any, subset: str | None) -> tuple[VideoDraft, list[Any]]:
    """What a JSON entry says about its video, and its instances, not yet read."""
    if not name.strip() or not isinstance(entry, dict):
        found = shown(entry) if name.strip() else "a video without a name"
        raise Defect(expected='a video {"subset", "annotations"}', found=found, fix="correct or remove the entry")
    draft = VideoDraft(
        _subset_of(entry, subset),
        to_optional(entry.get("duration"), "duration"),
        to_optional(entry.get("fps"), "fps"),
        group=to_group(entry.get("group")),
        reviewed={*to_reviewed(entry.get("reviewed"))},
    )
    # Testing videos of benchmarks come without; anywhere else a missing list is a misspelt one.
    items = entry.get("annotations", [] if draft.subset == "testing" else None)
    if not isinstance(items, list):
        found = 'no "annotations"' if items is None else shown(items)
        raise Defect(expected='"annotations": [instances]', found=found, fix="add it, [] for a video without")
    return draft, items


def _subset_of(entry: dict[str, Any], subset: str | None) -> str:
    stated = entry.get("subset")
    if stated is None and subset is None:
        fix = "add it, or give all videos one with --subset (rcl import)"
        raise Defect(expected="the subset training, validation or testing (train, val, test)", found="none", fix=fix)
    return to_subset(stated if is_subset(stated) or subset is None else subset)


def entry_of(video: VideoAnnotation) -> dict[str, Any]:
    """A video as the database has it."""
    entry: dict[str, Any] = {"subset": video.subset}
    if video.duration_seconds is not None:
        entry["duration"] = video.duration_seconds
    if video.snippets_per_second is not None:
        entry["fps"] = video.snippets_per_second
    if video.group is not None:
        entry["group"] = video.group
    if reviewed := reviewed_pairs(video):
        entry["reviewed"] = reviewed
    pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
    entry["annotations"] = [{"segment": segment, "label": label} for segment, label in pairs]
    return entry
