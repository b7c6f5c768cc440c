"""Files of signals in public layouts, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

PARTS = ("nose", "left_ear", "right_ear", "tail_base")


def write_csv(path: Path, times: np.ndarray, values: np.ndarray, names: Sequence[str]) -> Path:
    """A table of samples; NaN becomes an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.char.mod("%.5f", values)
    cells[np.isnan(values)] = ""
    rows = [f"{time:.4f},{','.join(row)}" for time, row in zip(times, cells.tolist(), strict=True)]
    path.write_text("\n".join([",".join(["time", *names]), *rows, ""]))
    return path


def mice(frames: int, *, seed: int = 0, turns: Sequence[tuple[int, int]] = ()) -> np.ndarray:
    """Two mice ``(T, 2, 4, 3)`` that walk about; in ``turns``, frames from and to, the first one spins."""
    random = np.random.default_rng(seed)
    angle = np.cumsum(random.normal(0, 0.05, (frames, 2)), axis=0)
    for first, end in turns:
        angle[first:end, 0] += np.linspace(0, 12 * (end - first) / 30, end - first)
    heading = np.stack((np.cos(angle), np.sin(angle)), axis=-1)  # (T, 2, 2)
    centre = np.cumsum(heading, axis=0) + np.array([[0, 0], [80, 30]])
    shape = np.array([[15.0, 0], [10, 4], [10, -4], [-15, 0]])
    side = np.stack((-heading[..., 1], heading[..., 0]), axis=-1)
    points = centre[:, :, None] + shape[:, :1] * heading[:, :, None] + shape[:, 1:] * side[:, :, None]
    points += random.normal(0, 0.3, points.shape)
    return np.concatenate((points, random.uniform(0.8, 1, (*points.shape[:-1], 1))), axis=-1)


def write_deeplabcut(path: Path, tracks: np.ndarray, individuals: Sequence[str]) -> Path:
    """Tracks ``(T, I, B, 3)`` as a ``.csv`` file of DeepLabCut; of one individual without a level of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [(name, part, axis) for name in individuals for part in PARTS for axis in ("x", "y", "likelihood")]
    levels = {"scorer": ["DLC_resnet50"] * len(columns), "individuals": [name for name, _, _ in columns]}
    levels |= {"bodyparts": [part for _, part, _ in columns], "coords": [axis for _, _, axis in columns]}
    if len(individuals) == 1:
        del levels["individuals"]
    rows = [[name, *cells] for name, cells in levels.items()]
    rows += [
        [str(frame), *(f"{value:.4f}" for value in row)] for frame, row in enumerate(tracks.reshape(len(tracks), -1))
    ]
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


def write_sleap(path: Path, tracks: np.ndarray, individuals: Sequence[str]) -> Path:
    """Tracks ``(T, I, B, 3)`` as SLEAP's analysis file, in its usual order of axes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["tracks"] = tracks[..., :2].transpose(1, 3, 2, 0)  # track, xy, node, frame
        file["point_scores"] = tracks[..., 2].transpose(1, 2, 0)
        file["track_occupancy"] = np.isfinite(tracks[..., 0]).any(axis=2).T.astype(np.uint8)
        file["track_names"] = [name.encode() for name in individuals]
        file["node_names"] = [part.encode() for part in PARTS]
    return path


def write_labels(path: Path, rows: Mapping[str, Sequence[tuple[float, float, str]]]) -> Path:
    """A table of labels: name to start, end and label."""
    lines = [f"{name},{start},{end},{label}" for name, own in rows.items() for start, end, label in own]
    path.write_text("\n".join(["video,start,end,label", *lines, ""]))
    return path
