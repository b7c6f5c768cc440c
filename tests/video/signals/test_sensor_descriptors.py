"""Descriptors of windows of sensor signals."""

import numpy as np
import pytest

from rcl.video.signals.sensors import SENSOR_DESCRIPTORS, describe_sensors, fill, sensors_of

AXES = ("x", "y", "z")


def rotation(seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]


@pytest.mark.parametrize(
    ("columns", "sensors"),
    [
        (["acc_x", "acc_y", "acc_z"], [(0, 1, 2)]),
        (["AccX", "AccY", "AccZ", "GyrX", "GyrY", "GyrZ"], [(0, 1, 2), (3, 4, 5)]),
        (["x", "y", "z"], [(0, 1, 2)]),
        (["ax", "ay", "temp", "az"], [(0, 1, 3), (2,)]),
        (["wrist/acc x [g]", "wrist/acc y [g]", "wrist/acc z [g]"], [(0, 1, 2)]),
        (["knife_1", "knife_2", "knife_3"], [(0,), (1,), (2,)]),
        (["x1", "y1", "z1", "x2", "y2", "z2"], [(0, 1, 2), (3, 4, 5)]),
    ],
)
def test_axes_are_found_by_their_names(columns, sensors):
    assert sensors_of(columns) == sensors


def test_a_sine_is_in_its_band():
    times = np.arange(64) / 64
    windows = np.sin(2 * np.pi * 12 * times).astype(np.float32).reshape(1, 64, 1)
    bands = describe_sensors(windows, ["a"], ("bands",))[0, :-1]
    assert len(bands) == 6  # 1, 2-3, 4-7, 8-15, 16-31, 32 cycles
    assert bands.argmax() == 3
    np.testing.assert_allclose(bands[3], np.sqrt(0.5), rtol=0.02)


def test_bands_hold_all_of_the_tapered_signal():
    windows = np.random.default_rng(0).normal(size=(5, 37, 2)).astype(np.float32)
    bands = describe_sensors(windows, ["a", "b"], ("bands",))[:, :-2].reshape(5, -1, 2)
    taper = np.hanning(38)[:-1, None]
    tapered = (windows - windows.mean(axis=1, keepdims=True)) * taper
    without_mean = tapered - tapered.mean(axis=1, keepdims=True)
    expected = np.square(without_mean).sum(axis=1) / np.square(taper).sum()
    np.testing.assert_allclose(np.square(bands).sum(axis=1), expected, rtol=1e-3)


def test_the_magnitude_does_not_depend_on_the_orientation():
    windows = np.random.default_rng(1).normal(size=(4, 50, 3)).astype(np.float32)
    turned = (windows @ rotation().T).astype(np.float32)
    for name in SENSOR_DESCRIPTORS:
        first, second = (describe_sensors(each, AXES, (name,))[:, :-1].reshape(4, -1, 4) for each in (windows, turned))
        np.testing.assert_allclose(first[..., 3], second[..., 3], atol=1e-4)
        assert np.abs(first[..., :3] - second[..., :3]).max() > 1e-2


def test_simple_descriptors():
    windows = np.array([0.0, 2.0, 4.0, 2.0], np.float32).reshape(1, 4, 1)
    found = describe_sensors(windows, ["a"], ("points", "mean", "spread", "change"))[0]
    np.testing.assert_allclose(found, [0, 2, 4, 2, 2, np.sqrt(2), 2, 1], atol=1e-6)


def test_what_was_not_measured_does_not_move_the_mean():
    windows = np.random.default_rng(2).normal(5, 1, size=(3, 40, 4)).astype(np.float32)
    windows[0, 10:30, 3] = np.nan
    windows[1, :, 3] = np.nan
    found = describe_sensors(windows, [*AXES, "temp"], ("mean",))
    np.testing.assert_allclose(found[0, 3], np.nanmean(windows[0, :, 3]), rtol=1e-5)
    np.testing.assert_allclose(found[:, -2:], [[1, 0.5], [1, 0], [1, 1]])
    assert found[1, 3] == 0


@pytest.mark.parametrize("samples", [1, 2, 3, 5, 8, 51])
def test_all_windows_are_finite_and_of_one_width(samples):
    windows = np.random.default_rng(3).normal(size=(6, samples, 3)).astype(np.float32)
    windows[0] = np.nan
    windows[1, :, 0] = np.nan
    found = describe_sensors(windows, AXES)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert not found[0].any()


def test_filled_windows_without_gaps_are_the_same():
    windows = np.ones((2, 3, 4), np.float32)
    assert fill(windows) is windows
