"""Landmarks of MediaPipe in JSON: a list of frames, each with the landmarks of bodies or hands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rcl.data.signals.body_parts import HAND, part_names
from rcl.data.signals.clocks import PER_SECOND, ClockReader, form_of, is_index_name, is_time_name
from rcl.data.signals.people import Person, tracks
from rcl.data.signals.recording import OpenRecording
from rcl.data.signals.signal import RecordingOptions
from rcl.system.errors import Defect, shown

_BODIES = ("pose_landmarks", "landmarks")
_SIDES = ("left_hand_landmarks", "right_hand_landmarks")  # in addition to a body
_HANDS = ("hand_landmarks", "multi_hand_landmarks")  # of any hands, in a file without bodies
_LISTS = ("frames", "results", "poses")


def frames_of(data: Any) -> list[dict[str, Any]] | None:
    """The frames in the value of a JSON file, if they have landmarks."""
    if isinstance(data, dict):
        data = next((data[key] for key in _LISTS if isinstance(data.get(key), list)), None)
    if not isinstance(data, list) or not data or not all(isinstance(frame, dict) for frame in data):
        return None
    return data if any(key in frame for frame in data for key in (*_BODIES, *_SIDES, *_HANDS)) else None


def open_landmarks(where: str, frames: Sequence[dict[str, Any]], options: RecordingOptions) -> OpenRecording:
    """The recording of landmarks; a frame has its time or its number, or they are counted.

    Raises:
        Defect: landmarks are damaged, or the unit of times is not clear.
        InputError: no frame has a person.
    """
    body = next((key for key in (*_BODIES, *_HANDS) if any(frame.get(key) for frame in frames)), None)
    sides = [key for key in _SIDES if any(frame.get(key) for frame in frames)]
    names = _names(frames, body) if body else ()
    times, timed = _times(frames, options)
    people = []
    for place, frame in enumerate(frames):
        bodies = _bodies(frame.get(body)) if body else []
        hands = [_points(hand) if (hand := _single(frame.get(key))) else _absent(len(HAND)) for key in sides]
        if not bodies and any(frame.get(key) for key in sides):
            bodies = [_absent(len(names))]
        for points in bodies:
            score = float(np.nan_to_num(points[:, 2]).mean()) if len(points) else 0.0
            people.append(Person(place, "", score, np.concatenate([points, *hands])))
            hands = [_absent(len(HAND)) for _ in sides]  # they belong to the first
    parts = [*names, *(f"{key.removesuffix('_landmarks')}_{part}" for key in sides for part in HAND)]
    return tracks(where, people, parts, times, options, timed=timed)


def _names(frames: Sequence[dict[str, Any]], key: str) -> tuple[str, ...]:
    """The names of the landmarks, by their keys if they have some, else by their number."""
    first = next(frame[key] for frame in frames if frame.get(key))
    if isinstance(first, Mapping) and "landmark" not in first:
        return tuple(name.casefold() for name in first)
    bodies = _bodies(first)
    return part_names(len(bodies[0]) if bodies else 0)


def _times(frames: Sequence[dict[str, Any]], options: RecordingOptions) -> tuple[np.ndarray, bool]:
    """The times of the frames in seconds, or their numbers, and whether they are times."""
    time = options.time_column or next((key for key in frames[0] if is_time_name(key)), None)
    if time and (options.rate is None or options.time_column):
        cells = [str(frame.get(time, "")) for frame in frames]
        form = form_of(cells[:200], time, options.time_unit)
        is_text = form in ("date", "clock")
        times = ClockReader(form).seconds(cells) if is_text else _numbers(cells) / PER_SECOND[form]
        return times - times[0], True
    index = next((key for key in frames[0] if is_index_name(key)), None)
    if index is None:
        return np.arange(len(frames)), False
    numbers = _numbers([str(frame.get(index, "")) for frame in frames])
    return numbers - (1 if numbers.min() == 1 else 0), False


def _numbers(cells: Sequence[str]) -> np.ndarray:
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        fix = "write the time, or the number, of every frame"
        raise Defect(expected="a number in each frame", found=f"{shown([*cells][:3])}", fix=fix) from None


def _bodies(landmarks: Any) -> list[np.ndarray]:
    """The landmarks of one body, or of several, as ``(K, 3)`` arrays."""
    several = isinstance(landmarks, list) and landmarks and _is_body(landmarks[0])
    return [_points(each) for each in (landmarks if several else [landmarks]) if each]


def _is_body(value: Any) -> bool:
    """Whether a value holds all landmarks of a body, rather than one landmark."""
    if isinstance(value, Mapping):
        return "landmark" in value
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping | list)


def _single(landmarks: Any) -> Any:
    """The landmarks of a hand, which may be the only one of a list."""
    return landmarks[0] if isinstance(landmarks, list) and landmarks and _is_body(landmarks[0]) else landmarks


def _absent(count: int) -> np.ndarray:
    return np.full((count, 3), np.nan, dtype=np.float32)


def _points(landmarks: Any) -> np.ndarray:
    """``(K, 3)`` x, y and likelihood of ``{"x", "y", "visibility"}`` or ``[x, y, z, visibility]``; 1 without one.

    Raises:
        Defect: these are no landmarks.
    """
    if isinstance(landmarks, Mapping):
        landmarks = landmarks["landmark"] if "landmark" in landmarks else [*landmarks.values()]
    try:
        points = [_point(each) for each in landmarks]
        return np.array(points, dtype=np.float32).reshape(-1, 3)
    except (ValueError, TypeError, KeyError, IndexError):
        expected, fix = '{"x", "y", "visibility"} of each landmark', "save the landmarks again"
        raise Defect(expected=expected, found=shown(landmarks), fix=fix) from None


def _point(landmark: Any) -> tuple[Any, Any, Any]:
    if isinstance(landmark, Mapping):
        sure = landmark.get("visibility", landmark.get("presence"))
        return landmark["x"], landmark["y"], 1.0 if sure is None else sure
    return landmark[0], landmark[1], landmark[3] if len(landmark) > 3 else 1.0
