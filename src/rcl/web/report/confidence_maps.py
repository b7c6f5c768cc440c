"""Confidence maps: the confidence of all segments of a video, by start and length."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from rcl.detector.encoded_video import EncodedVideo
from rcl.detector.localizer import Localizer

OVERVIEW = (160, 80)  # columns (starts), rows (lengths)
CLOSE_UP = (72, 48)
CLOSE_UPS = 10
PATHS = 100
_REACH = 0.6  # a close-up shows starts within this many lengths of its detection
_OCTAVES = 0.8  # and lengths within this many octaves
_SAME_SNIPPETS = 1e-2  # how near both ends of a path must be to those of its detection, which may be rounded


class Tile(NamedTuple):
    """A rectangle of the map: starts are spaced evenly, lengths logarithmically, with the longest in the first row.

    Args:
        start_seconds: first and last edge.
        length_seconds: shortest and longest edge.
        confidence: ``(H, W)`` uint8 of the segment in the centre of each cell, 255 for a confidence of 1; 0 if the
            segment would end after the video.
    """

    start_seconds: tuple[float, float]
    length_seconds: tuple[float, float]
    confidence: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """The edges, and the values as a PNG in base64."""
        written, png = cv2.imencode(".png", self.confidence, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        assert written
        edges = [round(float(edge), 4) for edge in (*self.start_seconds, *self.length_seconds)]
        return {"edges": edges, "png": base64.b64encode(png.tobytes()).decode()}


class ConfidenceMap(NamedTuple):
    """The map of one video.

    Args:
        tiles: an overview, then close-ups of the best detections.
        paths_seconds: ``K`` entries, one per detection: ``(M + 1, 2)``, from anchor to detection, or ``None``.
        end_seconds: of the features or of the video, whichever is earlier.
    """

    tiles: tuple[Tile, ...]
    paths_seconds: tuple[np.ndarray | None, ...]
    end_seconds: float

    def to_json(self) -> dict[str, Any]:
        """The map as JSON, as the page reads it."""
        paths = [None if path is None else path.round(3).ravel().tolist() for path in self.paths_seconds]
        return {
            "tiles": [tile.to_json() for tile in self.tiles],
            "paths": paths,
            "end": round(self.end_seconds, 3),
        }


def draw_map(localizer: Localizer, video: EncodedVideo, segments_seconds: np.ndarray) -> ConfidenceMap:
    """Compute the map of a video.

    Args:
        localizer: the detector.
        video: its features.
        segments_seconds: ``(K, 2)`` detections, best first.
    """
    rate, snippets = video.timeline.snippets_per_second, video.features.shape[1]
    end = min(float(video.timeline.to_seconds(torch.tensor(float(snippets)))), video.timeline.end_seconds)
    window = localizer.search.window
    longest = end if window is None else min(end, window / rate)
    shortest = min(1 / rate, longest / 2)
    limits = (shortest, longest)
    tiles = [_score(localizer, video, (0.0, end), limits, OVERVIEW, end)]
    for segment in segments_seconds:
        if len(tiles) > CLOSE_UPS:
            break
        start, length = float(segment[0]), float(segment[1] - segment[0])
        if not shortest <= length <= longest or any(_shows(tile, start, length) for tile in tiles[1:]):
            continue
        starts = max(start - _REACH * length, 0.0), min(start + _REACH * length, end)
        lengths = max(length / 2**_OCTAVES, shortest), min(length * 2**_OCTAVES, longest)
        tiles.append(_score(localizer, video, starts, lengths, CLOSE_UP, end))
    return ConfidenceMap(tuple(tiles), _paths(localizer, video, segments_seconds), end)


def cell_segments(
    start_seconds: tuple[float, float], length_seconds: tuple[float, float], size: tuple[int, int]
) -> np.ndarray:
    """The segments ``(H, W, 2)`` in the centres of the cells of a tile of ``size (W, H)``."""
    width, height = size
    columns, rows = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    start = start_seconds[0] + columns * (start_seconds[1] - start_seconds[0])  # (W,)
    length = length_seconds[1] * (length_seconds[0] / length_seconds[1]) ** rows  # (H,)
    return np.stack(np.broadcast_arrays(start, start + length[:, None]), axis=-1)


def _score(
    localizer: Localizer,
    video: EncodedVideo,
    start_seconds: tuple[float, float],
    length_seconds: tuple[float, float],
    size: tuple[int, int],
    end: float,
) -> Tile:
    segments = cell_segments(start_seconds, length_seconds, size)  # (H, W, 2)
    inside = segments[..., 1] <= end  # (H, W)
    confidence = np.zeros(inside.shape)
    if inside.any():
        confidence[inside] = localizer.score_encoded(video, segments[inside]).confidence
    return Tile(start_seconds, length_seconds, np.rint(255 * confidence).astype(np.uint8))


def _shows(tile: Tile, start: float, length: float) -> bool:
    """Whether a segment lies well inside a tile."""
    centre = sum(tile.start_seconds) / 2
    reach = (tile.start_seconds[1] - tile.start_seconds[0]) / 4
    shortest, longest = (2 ** (_OCTAVES / 2) * tile.length_seconds[0], 2 ** (-_OCTAVES / 2) * tile.length_seconds[1])
    return abs(start - centre) <= reach and shortest <= length <= longest


def _paths(localizer: Localizer, video: EncodedVideo, segments_seconds: np.ndarray) -> tuple[np.ndarray | None, ...]:
    """For each of the best detections, the path that ends at it, if any."""
    paths = localizer.paths(video)  # (M + 1, K, 2)
    tolerance = _SAME_SNIPPETS / video.timeline.snippets_per_second
    found: list[np.ndarray | None] = []
    for segment in segments_seconds[:PATHS]:
        distance = np.abs(paths[-1] - segment).max(axis=1)  # (K,)
        nearest = int(distance.argmin())
        found.append(paths[:, nearest] if distance[nearest] <= tolerance else None)
    return (*found, *[None] * (len(segments_seconds) - len(found)))
