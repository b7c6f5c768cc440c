"""Instances as a project of BORIS, to look at and correct there."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from datetime import datetime
from itertools import cycle
from pathlib import Path
from typing import Any

from rcl.data.formats.boris.reading import TRACK
from rcl.data.formats.exported import KEY, Exported, Instance
from rcl.system.paths import PathLike
from rcl.system.text_files import extension_of, write_json

_PLAYERS = 8
_COLOURS = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
)
_KEYS = string.ascii_lowercase + string.digits


def write(exported: Exported, path: PathLike) -> list[str]:
    """Write one project: an observation for each video, a behaviour for each label, scores as comments.

    A behaviour of BORIS is not twice at one time, so where instances of one label overlap, the others belong to a
    subject, ``track 2`` and so on.

    Args:
        exported: the content.
        path: ``.boris``.

    Returns:
        What is lost, in words for the user.

    Raises:
        InputError: the path has another extension or cannot be written.
    """
    extension_of(Path(path), (".boris",))
    now = datetime.now().isoformat(timespec="seconds")
    points = _points(exported)
    tracks = {name: _tracks(instances) for name, instances in exported.instances.items()}
    most = max((track for own in tracks.values() for track, _ in own), default=1)
    project = {
        "time_format": "hh:mm:ss",
        "project_date": now,
        "project_name": "RCL",
        "project_description": "",
        "project_format_version": "7.0",
        "subjects_conf": {str(i): _subject(i + 2) for i in range(most - 1)},
        "behaviors_conf": _ethogram(exported.labels(), points),
        "observations": {name: _observation(exported, name, tracks[name], points, now) for name in tracks},
        "behavioral_categories": [],
        "behavioral_categories_config": {},
        "independent_variables": {"0": _variable()},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    write_json(path, project, indent=1)
    times = [time for instance in exported.all() for time in instance[:2]]
    finer = any(abs(round(time * 1000) - time * 1000) > 1e-6 for time in times)
    return [*exported.changed, *(["times finer than a millisecond"] if finer else [])]


def _seconds(time: float) -> float:
    return round(time * 1000) / 1000  # BORIS counts in milliseconds


def _points(exported: Exported) -> set[str]:
    """The labels of which no instance has a length."""
    long = {i.label for i in exported.all() if _seconds(i.end_seconds) > _seconds(i.start_seconds)}
    return {*exported.labels()} - long


def _tracks(instances: Sequence[Instance]) -> list[tuple[int, Instance]]:
    """Instances by time, each with a number, such as those of one label and number do not overlap."""
    ends: dict[str, list[float]] = {}
    numbered = []
    for instance in sorted(instances):
        own = ends.setdefault(instance.label, [])
        track = next((i for i, end in enumerate(own) if end <= _seconds(instance.start_seconds)), len(own))
        own[track : track + 1] = [_seconds(instance.end_seconds)]
        numbered.append((track + 1, instance))
    return numbered


def _subject(number: int) -> dict[str, str]:
    return {"key": "", "name": f"{TRACK}{number}", "description": "What overlaps"}


def _ethogram(labels: Sequence[str], points: set[str]) -> dict[str, Any]:
    return {
        str(index): {
            "type": "Point event" if label in points else "State event",
            "key": _KEYS[index] if index < len(_KEYS) else "",
            "code": label,
            "description": "",
            "color": colour,
            "category": "",
            "modifiers": {},
            "excluded": "",
            "coding map": "",
        }
        for index, (label, colour) in enumerate(zip(labels, cycle(_COLOURS), strict=False))
    }


def _variable() -> dict[str, str]:
    description = "What RCL knows about the video"
    return {"label": KEY, "description": description, "type": "text", "default value": "", "possible values": ""}


def _observation(
    exported: Exported, name: str, tracks: Sequence[tuple[int, Instance]], points: set[str], now: str
) -> dict[str, Any]:
    known, length = exported.files.get(name), exported.videos[name].duration_seconds
    media = known.resolve().as_posix() if known else exported.media_of(name)
    return {
        "file": {str(player): [media] if player == 1 else [] for player in range(1, _PLAYERS + 1)},
        "type": "MEDIA",
        "date": now,
        "description": "",
        "time offset": 0.0,
        "events": _events(tracks, points),
        "observation time interval": [0, 0],
        "independent_variables": {KEY: json.dumps(exported.facts(name))},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "media_creation_date_as_offset": False,
        "media_scan_sampling_duration": 0,
        "image_display_duration": 1,
        "close_behaviors_between_videos": False,
        # BORIS finds out by itself what is missing here when it opens the observation.
        "media_info": {
            "length": {} if length is None else {media: length},
            "fps": {},
            "hasVideo": {media: True},
            "hasAudio": {media: False},
            "offset": {"1": 0.0},
        },
    }


def _events(tracks: Sequence[tuple[int, Instance]], points: set[str]) -> list[list[Any]]:
    """``[time, subject, behaviour, modifiers, comment, frame]``, by time: one event for a point, two for a state."""
    events = []
    for track, instance in tracks:
        subject = f"{TRACK}{track}" if track > 1 else ""
        score = "" if instance.score is None else f"score {instance.score:.4g}"
        start, end = _seconds(instance.start_seconds), _seconds(instance.end_seconds)
        events.append([start, subject, instance.label, "", score, "NA"])
        if instance.label not in points:
            events.append([end, subject, instance.label, "", "", "NA"])
    return sorted(events, key=lambda event: event[0])
