"""Poses in JSON: results and annotations of COCO, OpenPose, AlphaPose, and landmarks of MediaPipe.

A file is read whole when it is opened. The layouts are those of cocodataset.org (``keypoints``), of OpenPose's
``--write_json`` (a file per frame), of AlphaPose's results, and of MediaPipe's results written frame by frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rcl.data.signals.body_parts import HAND, part_names
from rcl.data.signals.landmarks import frames_of, open_landmarks
from rcl.data.signals.people import Person, tracks
from rcl.data.signals.recording import OpenRecording
from rcl.data.signals.signal import RecordingOptions
from rcl.system.errors import Defect, InputError, located, shown
from rcl.system.text_files import read_text
from rcl.system.text_formats import parse_json
from rcl.system.transfer import local

JSON_FRAMES = "*_keypoints.json"
"""Files that OpenPose writes, one per frame."""
_MARKS = re.compile(rb'"keypoints"|"pose_keypoints_2d"|"(pose_|hand_|left_hand_|multi_hand_)?landmarks"')
_SCANNED_BYTES = 2**24
_HANDS = ("hand_left_keypoints_2d", "hand_right_keypoints_2d")


def is_json_poses(path: Path) -> bool:
    """Whether a JSON file holds poses; only its beginning is read."""
    with local(path) as file, file.open("rb") as stream:
        return _MARKS.search(stream.read(_SCANNED_BYTES)) is not None


def open_json_poses(path: Path, options: RecordingOptions) -> OpenRecording:
    """Poses of all frames in a JSON file.

    Raises:
        InputError: the file is damaged, or holds no poses.
    """
    data, where = parse_json(read_text(path), path), str(path)
    with located(path):
        if (frames := frames_of(data)) is not None:
            return open_landmarks(where, frames, options)
        if isinstance(data, dict) and isinstance(data.get("annotations"), list):
            return _open_coco(where, data, options)
        if isinstance(data, list) and data and all(isinstance(each, dict) and "keypoints" in each for each in data):
            numbers = _frame_numbers([each.get("image_id") for each in data])
            return _open_entries(where, data, numbers, options)
        if found := _openpose_frames(data):
            return _open_openpose(where, found, options)
        if isinstance(data, dict) and "people" in data:
            one, fix = "those of one frame, as OpenPose writes them", "join the files of a video (docs/signals.md)"
            raise Defect(expected="the poses of all frames", found=one, fix=fix)
    expected = "poses of COCO, OpenPose, AlphaPose or MediaPipe"
    raise InputError(path, expected=expected, found="other JSON", fix="give another file")


def open_json_frames(folder: Path, options: RecordingOptions) -> OpenRecording:
    """Poses in a folder with a JSON file per frame, as OpenPose writes them.

    Raises:
        InputError: a file is damaged.
    """
    found = []
    for file in sorted(folder.glob(JSON_FRAMES)):
        with located(file):
            found.append((file.name.removesuffix(JSON_FRAMES[1:]), _people_in(parse_json(read_text(file), file))))
    with located(folder):
        return _open_openpose(str(folder), found, options)


# -- frames ------------------------------------------------------------------------------------------------------


def _frame_numbers(names: Sequence[Any]) -> np.ndarray:
    """The numbers of frames from 0, by numbers or by the last digits in the names of pictures.

    Raises:
        Defect: one has no number.
    """
    found = [re.search(r"(\d{1,15})\D*$", re.sub(r"\.\w+$", "", str(name))) for name in names]
    if wrong := next((name for name, match in zip(names, found, strict=True) if match is None), None):
        fix = "number the frames"
        raise Defect(expected="the number of the frame as 'image_id'", found=shown(wrong), fix=fix)
    numbers = np.array([int(match[1]) for match in found if match], dtype=np.int64)
    if len(numbers) < len(names):
        raise Defect(expected="the number of the frame as 'image_id'", found="none", fix="number the frames")
    return numbers - (1 if len(numbers) and numbers.min() == 1 else 0)  # as ffmpeg counts pictures


# -- COCO and AlphaPose ------------------------------------------------------------------------------------------


def _open_coco(where: str, data: dict[str, Any], options: RecordingOptions) -> OpenRecording:
    """Annotations: of the people in pictures that are listed with their names."""
    entries = [each for each in data["annotations"] if isinstance(each, dict) and each.get("keypoints")]
    pictures = [each for each in data.get("images", ()) if isinstance(each, dict)]
    by_id = {each.get("id"): each.get("frame_id", each.get("file_name", each.get("id"))) for each in pictures}
    named = [by_id.get(each.get("image_id"), each.get("image_id")) for each in entries]
    every = _frame_numbers([*by_id.values(), *named])  # frames without a person count, too
    numbers = every[len(by_id) :]
    categories = [each for each in data.get("categories", ()) if isinstance(each, dict) and each.get("keypoints")]
    parts = tuple(str(name) for name in categories[0]["keypoints"]) if categories else None
    for entry in entries:  # 1 is a part that was marked although it is hidden, 2 one that can be seen
        entry["keypoints"] = _points(entry["keypoints"])
        entry["keypoints"][:, 2] = np.minimum(entry["keypoints"][:, 2], 1)
    last = int(every.max(initial=-1))
    return _open_entries(where, entries, numbers, options, parts=parts, last=last)


def _open_entries(
    where: str,
    entries: Sequence[dict[str, Any]],
    numbers: np.ndarray,
    options: RecordingOptions,
    *,
    parts: tuple[str, ...] | None = None,
    last: int = -1,
) -> OpenRecording:
    people = [
        Person(int(number), _identity(entry), _score(entry.get("score")), _points(entry["keypoints"]))
        for number, entry in zip(numbers, entries, strict=True)
    ]
    parts = parts or part_names(len(people[0].points) if people else 0)
    count = max(last, int(numbers.max(initial=-1))) + 1
    return tracks(where, people, parts, np.arange(count), options)


def _points(flat: Any) -> np.ndarray:
    """``(K, 3)`` of ``[x1, y1, c1, x2, …]``; NaN where a part was not found, which is written as zeros.

    Raises:
        Defect: these are no such numbers.
    """
    try:
        points = np.array(flat, dtype=np.float32).reshape(-1, 3)
    except (ValueError, TypeError):
        fix = "save the poses again"
        raise Defect(expected="x, y and likelihood of each part", found=shown(flat), fix=fix) from None
    points[(points[:, :2] == 0).all(axis=1) & (points[:, 2] == 0), :2] = np.nan
    return points


def _score(score: Any) -> float:
    return float(score) if isinstance(score, int | float) else 0.0


def _identity(entry: dict[str, Any]) -> str:
    """The identity of a person, by the names that trackers give it."""
    found = next((entry[key] for key in ("track_id", "person_id", "idx") if key in entry), None)
    while isinstance(found, list):
        found = found[0] if found else None
    return "" if found is None or found == -1 else f"{found:g}" if isinstance(found, float) else str(found)


# -- OpenPose ----------------------------------------------------------------------------------------------------


def _openpose_frames(data: Any) -> list[tuple[str, list[Any]]]:
    """The frames of a file with all of them: a list, or an object by the names of pictures."""
    if isinstance(data, list) and data and all(isinstance(each, dict) and "people" in each for each in data):
        return [(str(number), _people_in(each)) for number, each in enumerate(data)]
    if isinstance(data, dict) and data and all(isinstance(each, dict) and "people" in each for each in data.values()):
        return [(name, _people_in(each)) for name, each in data.items()]
    return []


def _people_in(frame: Any) -> list[Any]:
    if not isinstance(frame, dict) or not isinstance(frame.get("people"), list):
        fix = "save the poses again"
        raise Defect(expected='{"people": [{"pose_keypoints_2d": …}]}', found=shown(frame), fix=fix)
    return [person for person in frame["people"] if isinstance(person, dict)]


def _open_openpose(where: str, frames: Sequence[tuple[str, list[Any]]], options: RecordingOptions) -> OpenRecording:
    numbers = _frame_numbers([name for name, _ in frames])
    persons = [person for _, people in frames for person in people]
    hands = [key for key in _HANDS if any(person.get(key) for person in persons)]
    body = max((len(person.get("pose_keypoints_2d") or ()) // 3 for person in persons), default=0)
    found = [
        _openpose_person(int(number), person, body, hands)
        for number, (_, people) in zip(numbers, frames, strict=True)
        for person in people
    ]
    parts = [*part_names(body), *(f"{key.split('_')[1]}_hand_{part}" for key in hands for part in HAND)]
    return tracks(where, found, parts, np.arange(int(numbers.max(initial=-1)) + 1), options)


def _openpose_person(frame: int, person: dict[str, Any], body: int, hands: Iterable[str]) -> Person:
    points = [_points(person.get("pose_keypoints_2d") or [0.0] * (3 * body))]
    points += [_points(person.get(key) or [0.0] * (3 * len(HAND))) for key in hands]
    return Person(frame, _identity(person), float(points[0][:, 2].mean()), np.concatenate(points))
