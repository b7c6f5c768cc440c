"""Descriptors of windows of pose tracks, in the frame of each body: they do not depend on where in the picture it is,
nor on how large it is there."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from rcl.video.signals.body import Body

PoseDescriptor = Literal["shape", "joints", "motion", "others"]
POSE_DESCRIPTORS: tuple[PoseDescriptor, ...] = get_args(PoseDescriptor)
OTHER = 9  # numbers that describe another individual


class Poses(NamedTuple):
    """Bodies in windows. n windows of L samples, I individuals, B body parts; NaN where a body was not seen.

    Args:
        points: ``(n, L, I, B, 2)`` in the frame of the body, in body sizes.
        weights: ``(n, L, I, B)``, the likelihoods; 0 where a point was not seen.
        places: ``(n, L, I, B, 2)`` in the picture.
        centres: ``(n, L, I, 2)`` in the picture.
        headings: ``(n, L, I, 2)``, unit vectors along the body, from back to front.
        sizes: ``(I,)``, the median size of each body, in units of the picture.
    """

    points: np.ndarray
    weights: np.ndarray
    places: np.ndarray
    centres: np.ndarray
    headings: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, windows: np.ndarray, body: Body, sizes: np.ndarray) -> Poses:
        """The bodies in ``windows (n, L, I, B, 3)`` of x, y and likelihood, NaN where a point was not seen."""
        seen = np.isfinite(windows).all(axis=-1)  # (n, L, I, B)
        places = np.where(seen[..., None], windows[..., :2], 0.0)
        weights = np.where(seen, np.clip(windows[..., 2], 1e-3, 1.0), 0.0)
        centres = _ratio((places * weights[..., None]).sum(axis=-2), weights.sum(axis=-1)[..., None])
        around = np.where(seen[..., None], places - centres[..., None, :], 0.0)
        headings = _headings(around, weights, seen, body)
        points = around if body.upright else turned(around, headings[..., None, :])
        places = np.where(seen[..., None], places, np.nan)
        return cls(points / sizes[:, None, None], weights, places, centres, headings, sizes)


def describe_poses(
    windows: np.ndarray,
    body: Body,
    sizes: np.ndarray,
    *,
    rate: float,
    selves: int,
    others: int,
    descriptors: tuple[PoseDescriptor, ...] = POSE_DESCRIPTORS,
) -> np.ndarray:
    """Describe windows of pose tracks by numbers, for each of the first individuals. Means are weighted by likelihood.

    One number per individual says how much of it was seen; what was not seen is 0.

    - ``shape``: place of each point in the frame of the body (origin: the mean of the points; x: along the body, for
      people along the picture; unit: the median size of the body in the recording), mean and spread; length of the body
      now, and its direction for people.
    - ``joints``: cosine and sine of the angle at each joint.
    - ``motion``: velocity of the centre in the frame of the body, speed (mean and spread), rate of turning (signed and
      absolute), and the speed of each point in that frame; in body sizes and radians per second.
    - ``others``: for each other, the nearest first: distances of the centres, of the nearest points, and from the front
      of the body to the nearest point of the other; direction to the other and its heading, in the frame of the
      body; the rate at which the distance grows; and how much of it was seen.

    Args:
        windows: ``(n, L, I, B, 3)`` of x, y and likelihood, NaN where a point was not seen.
        body: see :meth:`Body.of`.
        sizes: ``(I,)``, the median size of each body.
        rate: samples per second.
        selves: the number of the first individuals that are described.
        others: for each, the number of other individuals that are described; where there are fewer, zeros.
        descriptors: which ones.

    Returns:
        ``(n, F)`` float32; F is the same for any number of individuals.
    """
    poses = Poses.of(windows.astype(np.float32), body, np.asarray(sizes, np.float32))
    found = []
    for own in range(selves):
        found.append(poses.weights[:, :, own].mean(axis=(1, 2))[:, None])
        if "shape" in descriptors:
            found.append(_shape(poses, own, body))
        if "joints" in descriptors:
            found.append(_joints(poses, own, body))
        if "motion" in descriptors:
            found.append(_motion(poses, own, body, rate))
        if "others" in descriptors and others:
            found.append(_others(poses, own, others, body, rate))
    return np.concatenate(found, axis=1).astype(np.float32)


def body_sizes(points: np.ndarray) -> np.ndarray:
    """Size of bodies ``(n, I)``, the root mean square distance of the points from their mean, in ``points
    (n, I, B, 3)`` of x, y and likelihood; NaN where fewer than half of the points, or fewer than two, were seen."""
    seen = np.isfinite(points).all(axis=-1)  # (n, I, B)
    count = seen.sum(axis=-1)
    enough = (count >= 2) & (2 * count >= seen.shape[-1])
    places = np.where(seen[..., None], points[..., :2], 0.0)
    centre = places.sum(axis=-2) / np.maximum(count, 1)[..., None]
    squares = np.where(seen, np.square(places - centre[..., None, :]).sum(axis=-1), 0.0)
    return np.where(enough, np.sqrt(squares.sum(axis=-1) / np.maximum(count, 1)), np.nan)


# -- geometry ------------------------------------------------------------------------------------------------------


def turned(vectors: np.ndarray, headings: np.ndarray) -> np.ndarray:
    """``vectors (..., 2)`` in a frame whose x axis points along the unit vectors ``headings (..., 2)``."""
    x, y = np.moveaxis(vectors, -1, 0)
    cosine, sine = np.moveaxis(headings, -1, 0)
    return np.stack((x * cosine + y * sine, y * cosine - x * sine), axis=-1)


def _headings(around: np.ndarray, weights: np.ndarray, seen: np.ndarray, body: Body) -> np.ndarray:
    """Unit vectors ``(n, L, I, 2)`` from back to front; NaN where nothing tells."""
    weighted = around * weights[..., None]
    xx, yy = np.moveaxis((weighted * around).sum(axis=-2), -1, 0)
    xy = (weighted[..., 0] * around[..., 1]).sum(axis=-1)
    angle = np.arctan2(2 * xy, xx - yy) / 2  # of the largest spread
    found = np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    front = around[..., body.axis[0] if body.axis else 0, :]
    found *= np.where((found * front).sum(axis=-1) < 0, -1.0, 1.0)[..., None]
    found = np.where((xx + yy > 0)[..., None], found, np.nan)
    if body.axis:
        first, last = body.axis
        both = (seen[..., first] & seen[..., last])[..., None]
        found = np.where(both, _unit(around[..., first, :] - around[..., last, :]), found)
    return found


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return _ratio(vectors, np.linalg.norm(vectors, axis=-1, keepdims=True))


def _mean(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean over the samples of windows, ``(n, L, ...) -> (n, F)``, of what is not NaN; 0 where nothing is."""
    known = np.isfinite(values)
    weights = known * 1.0 if weights is None else known * weights
    mean = _ratio((np.where(known, values, 0.0) * weights).sum(axis=1), weights.sum(axis=1))
    return np.nan_to_num(mean).reshape(len(values), -1)


def _spread(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Standard deviation over the samples of windows, likewise."""
    mean = _mean(values, weights).reshape(len(values), 1, *values.shape[2:])
    return np.sqrt(_mean(np.square(values - mean), weights))


def _rates(values: np.ndarray, rate: float) -> np.ndarray:
    """Change per second from sample to sample ``(n, L, ...)``; that of the first sample is NaN."""
    return np.diff(values, axis=1, prepend=np.nan) * rate


# -- each (n, F) ---------------------------------------------------------------------------------------------------


def _shape(poses: Poses, own: int, body: Body) -> np.ndarray:
    points, weights = poses.points[:, :, own], poses.weights[:, :, own]
    length = np.sqrt(_ratio((weights * np.square(points).sum(axis=-1)).sum(axis=-1), weights.sum(axis=-1)))
    parts = [_mean(points, weights[..., None]), _spread(points, weights[..., None]), _mean(length)]
    if body.upright:
        parts.append(_mean(poses.headings[:, :, own]))
    return np.concatenate(parts, axis=1)


def _joints(poses: Poses, own: int, body: Body) -> np.ndarray:
    if not body.joints:
        return np.zeros((len(poses.points), 0))
    first, middle, last = np.array(body.joints).T  # each (J,)
    points, weights = poses.points[:, :, own], poses.weights[:, :, own]
    one, other = _unit(points[:, :, first] - points[:, :, middle]), _unit(points[:, :, last] - points[:, :, middle])
    angles = turned(other, one)  # (n, L, J, 2): cosine and sine
    least = np.minimum(np.minimum(weights[:, :, first], weights[:, :, middle]), weights[:, :, last])
    return _mean(angles, least[..., None])


def _motion(poses: Poses, own: int, body: Body, rate: float) -> np.ndarray:
    headings = poses.headings[:, :, own]
    velocity = _rates(poses.centres[:, :, own], rate) / poses.sizes[own]  # (n, L, 2)
    speed = np.linalg.norm(velocity, axis=-1)
    turn = turned(headings[:, 1:], headings[:, :-1])  # (n, L - 1, 2)
    turning = np.arctan2(turn[..., 1], turn[..., 0]) * rate
    seen = poses.weights[:, :, own] > 0
    points = np.where(seen[..., None], poses.points[:, :, own], np.nan)
    parts = np.linalg.norm(_rates(points, rate), axis=-1)  # (n, L, B)
    weights = poses.weights[:, :, own]
    return np.concatenate(
        (
            _mean(velocity if body.upright else turned(velocity, headings)),
            _mean(speed),
            _spread(speed),
            _mean(turning),
            _mean(np.abs(turning)),
            _mean(parts, weights),
        ),
        axis=1,
    )


def _others(poses: Poses, own: int, count: int, body: Body, rate: float) -> np.ndarray:
    rest = [number for number in range(len(poses.sizes)) if number != own]
    if not rest:
        return np.zeros((len(poses.points), OTHER * count))
    size, front = poses.sizes[own], body.axis[0] if body.axis else 0
    heading = poses.headings[:, :, own, None]  # (n, L, 1, 2)
    towards = poses.centres[:, :, rest] - poses.centres[:, :, own, None]  # (n, L, O, 2)
    distance = np.linalg.norm(towards, axis=-1) / size
    direction = _unit(towards)
    gaps = np.stack([_nearest(poses, own, part, rest) for part in range(poses.places.shape[3])]) / size  # (B, n, L, O)
    nearest = gaps.min(axis=0, initial=np.inf)
    each = [
        distance,
        np.where(np.isfinite(nearest), nearest, np.nan),
        np.where(np.isfinite(gaps[front]), gaps[front], np.nan),
        direction if body.upright else turned(direction, heading),
        turned(poses.headings[:, :, rest], heading),
        _rates(distance, rate),
        poses.weights[:, :, rest].mean(axis=-1),
    ]
    windows, numbers = len(distance), len(rest)
    found = np.concatenate([_mean(values).reshape(windows, numbers, -1) for values in each], axis=2)  # (n, O, 9)
    is_absent = found[..., -1] == 0
    order = np.lexsort((found[..., 0], is_absent), axis=1)[:, :count]
    found = np.take_along_axis(found, order[..., None], axis=1).reshape(windows, -1)
    return np.pad(found, ((0, 0), (0, OTHER * count - found.shape[1])))


def _nearest(poses: Poses, own: int, part: int, rest: list[int]) -> np.ndarray:
    """Distance ``(n, L, O)`` of a point to the nearest point of each other individual; infinite where unknown."""
    apart = poses.places[:, :, rest] - poses.places[:, :, own, None, None, part]  # (n, L, O, B, 2)
    distances = np.linalg.norm(apart, axis=-1)
    return np.where(np.isnan(distances), np.inf, distances).min(axis=-1, initial=np.inf)
