"""Features of recordings: settings that are chosen, and files that are read."""

from __future__ import annotations

import numpy as np
import pytest
from recordings import PARTS, mice, write_csv, write_deeplabcut, write_sleap

from rcl.data.signals import signal
from rcl.system.errors import InputError
from rcl.video.settings import difference, parse_settings
from rcl.video.signals.choosing import SignalOptions, choose_signal
from rcl.video.signals.extraction import SignalExtractor, extract_signal
from rcl.video.signals.settings import SignalSettings

AXES = ("acc_x", "acc_y", "acc_z")


def walk(samples, rate=50.0, seed=0):
    times = np.arange(samples) / rate
    return times, np.random.default_rng(seed).normal(size=(samples, 3)) + np.sin(times)[:, None]


@pytest.fixture
def recording(tmp_path):
    return write_csv(tmp_path / "r1.csv", *walk(1000), AXES)


# -- settings ------------------------------------------------------------------------------------------------------


def test_settings_are_chosen_from_the_recordings(recording):
    settings = choose_signal({"r1": recording})
    assert settings.model_dump(exclude={"reading", "descriptors"}) == {
        "kind": "signal", "source": "sensor", "columns": AXES, "rate": 50.0, "window": 50, "stride": 25,
        "gap_seconds": 0.5, "individuals": (), "per_individual": False, "others": 0, "min_likelihood": 0.3,
    }  # fmt: skip
    assert "bands" in settings.descriptors
    again = parse_settings(settings.model_dump(mode="json"), where="test")
    assert again == settings
    assert difference(settings, again) is None
    other = settings.model_copy(update={"window": 60})
    assert difference(settings, other) == "window 50 and 60"


@pytest.mark.parametrize(("rate", "usual"), [(49.7, 50), (1001.0, 1000), (29.97, 30), (33.3, 33.3), (2.03, 2)])
def test_the_rate_is_a_usual_number(tmp_path, rate, usual):
    path = write_csv(tmp_path / "r.csv", np.arange(60) / rate + 1e-4, np.ones((60, 1)), ["a"])
    assert choose_signal({"r": path}).rate == pytest.approx(usual, rel=0.003)


def test_columns_that_some_lack_are_left_out(tmp_path, caplog):
    times, values = walk(100)
    first = write_csv(tmp_path / "a.csv", times, values, ["ax", "ay", "az"])
    second = write_csv(tmp_path / "b.csv", times, values, ["az", "ay", "temp"])
    assert choose_signal({"a": first, "b": second}).columns == ("ay", "az")
    assert "left out: ax, temp" in caplog.text
    third = write_csv(tmp_path / "c.csv", times, values, ["q", "r", "s"])
    with pytest.raises(InputError, match="columns that all have"):
        choose_signal({"a": first, "c": third})


def test_given_settings_stay(recording):
    options = SignalOptions(columns=("acc_z", "acc_x"))
    settings = choose_signal({"r1": recording}, options, rate=20.0, window=40, stride=10)
    assert (settings.rate, settings.window, settings.stride, settings.columns) == (20, 40, 10, ("acc_z", "acc_x"))


def test_a_slow_column_makes_long_gaps_usual(tmp_path):
    times, values = walk(500)
    values[np.arange(500) % 100 > 0, 2] = np.nan
    path = write_csv(tmp_path / "r.csv", times, values, AXES)
    assert choose_signal({"r": path}).gap_seconds == 5.0


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match="not descriptors of a sensor"):
        parse_settings(
            {"kind": "signal", "source": "sensor", "columns": ["a"], "rate": 1, "window": 2, "stride": 1,
             "gap_seconds": 1, "descriptors": ["joints"]}, where="test",
        )  # fmt: skip


# -- sensors -------------------------------------------------------------------------------------------------------


def test_features_of_sensors(recording):
    settings = choose_signal({"r1": recording})
    found = SignalExtractor(settings)(recording)
    assert found.features.shape == (40, 4 * (8 + 3 + 5) + 1)
    assert found.features.dtype == np.float32
    assert found.duration_seconds == 20.0
    assert found.snippets_per_second == 2.0
    np.testing.assert_allclose(found.times_seconds[[0, 1, -1]], [[0, 0.76], [0.26, 1.26], [19.26, 20]])


def test_the_size_of_blocks_does_not_matter(recording, monkeypatch):
    settings = choose_signal({"r1": recording})
    whole = extract_signal(recording, settings).features
    for module in ("rcl.data.signals.signal", "rcl.video.signals.grid"):
        monkeypatch.setattr(f"{module}.BLOCK_BYTES", 1000)
    monkeypatch.setattr("rcl.video.signals.windows.BATCH_BYTES", 3000)
    np.testing.assert_allclose(extract_signal(recording, settings).features, whole, atol=1e-5)


def test_the_order_of_columns_and_further_ones_do_not_matter(recording, tmp_path):
    settings = choose_signal({"r1": recording})
    times, values = walk(1000)
    other = write_csv(
        tmp_path / "r2.csv", times, np.concatenate((values[:, ::-1], values), axis=1), [*AXES[::-1], "a", "b", "c"]
    )
    expected = extract_signal(recording, settings).features
    np.testing.assert_allclose(extract_signal(other, settings).features, expected, atol=1e-5)


def test_another_rate_gives_similar_features(tmp_path):
    def smooth(rate):
        times = np.arange(int(20 * rate)) / rate
        return times, np.stack([np.sin(times), np.cos(2 * times), np.sin(3 * times)], axis=1)

    fast, slow = (write_csv(tmp_path / f"{rate}.csv", *smooth(rate), AXES) for rate in (100.0, 50.0))
    settings = choose_signal({"slow": slow})
    first, second = (extract_signal(path, settings).features for path in (fast, slow))
    np.testing.assert_allclose(first[1:-1], second[1:-1], atol=0.05)


def test_a_missing_column_is_an_error(recording, tmp_path):
    settings = choose_signal({"r1": recording})
    other = write_csv(tmp_path / "r2.csv", *walk(100), ["acc_x", "acc_y", "accz"])
    with pytest.raises(InputError, match=r"r2\.csv.*'acc_z'"):
        extract_signal(other, settings)


def test_gaps_are_marked(tmp_path):
    times, values = walk(1000)
    values[300:600] = np.nan
    path = write_csv(tmp_path / "gap.csv", times, values, AXES)
    found = extract_signal(path, choose_signal({"gap": path}))
    assert np.isfinite(found.features).all()
    measured = found.features[:, -1]
    np.testing.assert_allclose(measured[[0, 5, 14, 22, 30]], [1, 1, 0, 0, 1])
    assert not found.features[14:22].any()


def test_rows_without_times_need_a_rate(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "".join(f"{number % 7},{number % 5}\n" for number in range(200)))
    with pytest.raises(InputError, match="--rate"):
        choose_signal({"rows": path})
    settings = choose_signal({"rows": path}, rate=20.0)
    assert extract_signal(path, settings).duration_seconds == 10.0
    assert extract_signal(
        write_csv(tmp_path / "t.csv", np.arange(30) / 3, np.ones((30, 2)), ["a", "b"]), settings
    ).duration_seconds == pytest.approx(9.7, abs=0.05)


# -- pose tracks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [write_deeplabcut, write_sleap])
def test_tracks_of_two_are_described_together(tmp_path, write):
    path = write(tmp_path / f"s1{'.csv' if write is write_deeplabcut else '.h5'}", mice(300), ["m1", "m2"])
    settings = choose_signal({"s1": path}, rate=30.0)
    assert (settings.source, settings.columns) == ("pose", PARTS)
    assert (settings.individuals, settings.others, settings.per_individual) == (("m1", "m2"), 1, False)
    found = extract_signal(path, settings)
    assert found.features.shape[0] == 20
    assert found.duration_seconds == 10.0
    assert np.isfinite(found.features).all()
    assert found.features[:, 0].min() > 0.7  # how much of the first one was seen


def test_both_layouts_have_the_same_features(tmp_path):
    tracks = mice(200)
    paths = (
        write_deeplabcut(tmp_path / "a.csv", tracks, ["m1", "m2"]),
        write_sleap(tmp_path / "b.h5", tracks, ["m1", "m2"]),
    )
    first, second = (extract_signal(path, choose_signal({"s": path}, rate=30.0)).features for path in paths)
    np.testing.assert_allclose(first, second, atol=0.02)


def test_individuals_are_sequences_of_their_own_if_labels_name_them(tmp_path):
    tracks = mice(200)
    path = write_sleap(tmp_path / "s1.h5", tracks, ["m1", "m2"])
    settings = choose_signal({"s1": path}, rate=30.0, labelled=["s1/m1", "s1/m2"])
    assert settings.per_individual
    own = extract_signal(path, settings, individual="m2").features
    swapped = write_sleap(tmp_path / "s2.h5", tracks[:, ::-1], ["other", "names"])
    np.testing.assert_allclose(extract_signal(swapped, settings, individual="other").features, own, atol=1e-4)
    with pytest.raises(InputError, match="an individual 'm3'"):
        extract_signal(path, settings, individual="m3")


def test_individuals_of_other_recordings(tmp_path):
    settings = choose_signal({"s": write_sleap(tmp_path / "s.h5", mice(90), ["m1", "m2"])}, rate=30.0)
    tracks = mice(90, seed=1)
    swapped = extract_signal(write_sleap(tmp_path / "a.h5", tracks[:, ::-1], ["m2", "m1"]), settings)
    same = extract_signal(write_sleap(tmp_path / "b.h5", tracks, ["m1", "m2"]), settings)
    np.testing.assert_allclose(swapped.features, same.features, atol=1e-4)
    three = np.concatenate((tracks, tracks[:, :1] + [300, 300, 0]), axis=1)
    more = extract_signal(write_sleap(tmp_path / "c.h5", three, ["m1", "m2", "m3"]), settings)
    assert any("left out m3" in problem for problem in more.problems)
    alone = extract_signal(write_deeplabcut(tmp_path / "d.csv", tracks[:, :1], ["x"]), settings)
    assert any("1 of 2 individuals" in problem for problem in alone.problems)
    assert alone.features.shape[1] == same.features.shape[1]


def test_a_body_part_that_is_missing(tmp_path):
    settings = choose_signal({"s": write_sleap(tmp_path / "s.h5", mice(90), ["m1", "m2"])}, rate=30.0)
    settings = settings.model_copy(update={"columns": ("nose", "left_paw")})
    with pytest.raises(InputError, match=r"s\.h5.*no m1/left_paw"):
        extract_signal(tmp_path / "s.h5", settings)


def test_kinds_are_not_mixed(tmp_path, recording):
    pose = write_sleap(tmp_path / "s.h5", mice(90), ["m1", "m2"])
    with pytest.raises(InputError, match="sensor data as in a"):
        choose_signal({"a": recording, "b": pose}, rate=30.0)
    with pytest.raises(InputError, match="expected a column 'acc_x'"):
        extract_signal(pose, choose_signal({"a": recording}))


def test_unlikely_points_are_not_seen(tmp_path):
    tracks = mice(300)
    tracks[100:200, 0, :, 2] = 0.1
    path = write_sleap(tmp_path / "s.h5", tracks, ["m1", "m2"])
    found = extract_signal(path, choose_signal({"s": path}, rate=30.0))
    seen = found.features[:, 0]
    assert seen[:6].min() > 0.7
    assert not seen[8:12].any()


def test_settings_name_their_descriptors():
    values = {"source": "pose", "columns": ("a",), "rate": 1, "window": 2, "stride": 1, "gap_seconds": 1}
    assert SignalSettings(**values).descriptors == ("shape", "joints", "motion", "others")
    assert signal.BLOCK_BYTES == 2**22
