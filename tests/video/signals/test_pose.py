"""Descriptors of pose tracks: what they depend on, and what they do not."""

import numpy as np
import pytest

from rcl.video.signals.body import Body
from rcl.video.signals.pose import POSE_DESCRIPTORS, body_sizes, describe_poses

PARTS = ("nose", "left_ear", "right_ear", "back", "tail_base")
PEOPLE = ("nose", "left_shoulder", "left_hip", "left_knee", "left_ankle")
BODY = Body.of(PARTS)


def tracks(seed=0, *, individuals=2, count=3, samples=12, parts=5):
    """Smooth tracks ``(n, L, I, B, 3)`` of bodies that keep their shape roughly."""
    random = np.random.default_rng(seed)
    shape = np.stack((np.linspace(10, -10, parts), random.normal(0, 3, parts)), axis=-1)
    places = np.cumsum(random.normal(0, 1, (count, samples, individuals, 1, 2)), axis=1) + 40 * np.arange(
        individuals
    ).reshape(-1, 1, 1)
    points = places + shape + random.normal(0, 0.3, (count, samples, individuals, parts, 2))
    return np.concatenate((points, random.uniform(0.5, 1, (*points.shape[:-1], 1))), axis=-1)


def described(windows, *, body=BODY, selves=1, others=1, descriptors=POSE_DESCRIPTORS):
    sizes = np.nanmedian(body_sizes(windows.reshape(-1, *windows.shape[2:])), axis=0)
    return describe_poses(windows, body, sizes, rate=30.0, selves=selves, others=others, descriptors=descriptors)


def moved(windows, *, angle=0.0, scale=1.0, shift=(0.0, 0.0)):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = scale * windows[..., :2] @ turn.T + np.array(shift)
    return np.concatenate((points, windows[..., 2:]), axis=-1)


def test_place_size_and_direction_in_the_picture_do_not_matter():
    windows = tracks()
    expected = described(windows)
    for change in (
        {"shift": (500, -90)},
        {"scale": 7.0},
        {"angle": 2.0},
        {"angle": -0.7, "scale": 0.2, "shift": (3, 3)},
    ):
        np.testing.assert_allclose(described(moved(windows, **change)), expected, atol=2e-3)


def test_up_in_the_picture_matters_for_people():
    body, windows = Body.of(PEOPLE), tracks()
    assert body.upright
    expected = described(windows, body=body)
    np.testing.assert_allclose(described(moved(windows, scale=3, shift=(9, 9)), body=body), expected, atol=2e-3)
    assert np.abs(described(moved(windows, angle=1.5), body=body) - expected).max() > 0.5


def test_without_a_named_axis_the_body_turns_along_its_spread():
    body = Body.of(["a", "b", "c", "d", "e"])
    assert body.axis is None
    windows = tracks()
    turned = described(moved(windows, angle=2.5), body=body)
    np.testing.assert_allclose(turned, described(windows, body=body), atol=2e-3)


def test_the_width_does_not_depend_on_the_number_of_individuals():
    widths = {described(tracks(individuals=number), others=2).shape[1] for number in (1, 2, 3, 6)}
    assert len(widths) == 1


def test_others_may_come_in_any_order():
    windows = tracks(individuals=4)
    np.testing.assert_allclose(
        described(windows[:, :, [0, 3, 1, 2]], others=3), described(windows, others=3), atol=1e-5
    )


def test_a_known_speed_and_distance():
    count, rate = 10, 30.0
    shape = np.array([[2.0, 0], [1, 1], [1, -1], [-1, 0], [-3, 0]])
    own = shape + np.array([1.0, 0.0]) * np.arange(count)[:, None, None]  # forwards, one unit per sample
    other = shape + np.array([1.0, 0.0]) * np.arange(count)[:, None, None] + np.array([0.0, 40.0])
    windows = np.stack((own, other), axis=1)[None]
    windows = np.concatenate((windows, np.ones((*windows.shape[:-1], 1))), axis=-1)
    size = np.sqrt(np.square(shape).sum(axis=1).mean())
    motion = described(windows, descriptors=("motion",))[0]
    np.testing.assert_allclose(motion[:6], [1, rate / size, 0, rate / size, 0, 0], atol=1e-3)
    others = described(windows, descriptors=("others",))[0, 1:]
    np.testing.assert_allclose(others, [40 / size, 38 / size, np.hypot(1, 39) / size, 0, 1, 1, 0, 0, 1], atol=1e-3)


def test_what_is_not_seen_is_zero_and_finite():
    windows = tracks(individuals=2)
    windows[0] = np.nan
    windows[1, :, 1] = np.nan
    windows[2, :, :, 2] = np.nan
    found = described(windows, selves=2)
    assert np.isfinite(found).all()
    assert not found[0].any()
    half = found.shape[1] // 2
    assert found[1, :half].any()
    assert not found[1, half : 2 * half - 9].any()


def test_unlikely_points_hardly_count():
    windows = tracks(individuals=1)
    expected = described(windows, others=0, descriptors=("shape",))
    windows[:, 5, :, 1, :2] += 30
    windows[:, 5, :, 1, 2] = 1e-6
    assert np.abs(described(windows, others=0, descriptors=("shape",)) - expected).max() < 0.2


@pytest.mark.parametrize("samples", [1, 2])
def test_short_windows(samples):
    assert np.isfinite(described(tracks(samples=samples))).all()


@pytest.mark.parametrize("parts", [1, 2])
def test_few_parts(parts):
    body = Body.of(["nose", "tail"][:parts])
    windows = tracks(parts=parts)
    sizes = np.full(2, 10.0)
    found = describe_poses(windows, body, sizes, rate=30.0, selves=2, others=1)
    assert np.isfinite(found).all()
