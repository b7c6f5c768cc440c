"""Tables of samples: what each form of text and Parquet gives, what is repaired, and what is refused."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from places import SHARED
from rcl.data.signals import text_table
from rcl.data.signals.opening import is_recording, open_recording
from rcl.data.signals.signal import RecordingOptions
from rcl.system.errors import InputError

VALUES = np.array([[0.5, -1.25], [0.75, 2.0], [1.0, 3.5]])


def written(folder, text, name="a.csv", **how):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, **how)
    return path


def read(path, **options):
    """Times, values, columns and problems of a recording."""
    recording = open_recording(path, RecordingOptions(**options))
    blocks = [*recording.blocks()]
    times, values = (np.concatenate(each) for each in zip(*blocks, strict=True))
    assert times.dtype == np.float64
    assert values.dtype == np.float32
    assert (np.diff(times) > 0).all()
    return times, values, recording.columns, recording.problems


FORMS = {
    "comma": "time,ax,ay\n0,0.5,-1.25\n0.02,0.75,2\n0.04,1,3.5\n",
    "cut off without a line end": "time,ax,ay\n0,0.5,-1.25\n0.02,0.75,2\n0.04,1,3.5",
    "Windows": "time,ax,ay\r\n0,0.5,-1.25\r\n0.02,0.75,2\r\n0.04,1,3.5\r\n",
    "decimal comma": "Time;ax;ay\n0;0,5;-1,25\n0,02;0,75;2\n0,04;1;3,5\n",
    "tab": "t\tax\tay\n0\t0.5\t-1.25\n0.02\t0.75\t2\n0.04\t1\t3.5\n",
    "blanks": "time  ax   ay\n0  0.5  -1.25\n0.02 0.75 2\n0.04 1    3.5\n",
    "quotes": '"Time (s)","ax","ay"\n"0","0.5","-1.25"\n"0.02","0.75","2"\n"0.04","1","3.5"\n',
    "units row": "time,ax,ay\nms,g,g\n0,0.5,-1.25\n20,0.75,2\n40,1,3.5\n",
    "unit in the name": "timestamp_us,ax,ay\n0,0.5,-1.25\n20000,0.75,2\n40000,1,3.5\n",
    "Unix epoch": "timestamp,ax,ay\n1700000000.0,0.5,-1.25\n1700000000.02,0.75,2\n1700000000.04,1,3.5\n",
    "epoch in ms": "time,ax,ay\n1700000000000,0.5,-1.25\n1700000000020,0.75,2\n1700000000040,1,3.5\n",
    "epoch in ns": "time,ax,ay\n1700000000000000000,0.5,-1.25\n1700000000020000000,0.75,2\n1700000000040000000,1,3.5\n",
    "dates": "when,ax,ay\n2024-05-01T12:00:00.00,0.5,-1.25\n2024-05-01T12:00:00.02,0.75,2\n"
    "2024-05-01T12:00:00.04,1,3.5\n",
    "dates with a zone": "time,ax,ay\n2024-05-01 23:59:59.98+02:00,0.5,-1.25\n2024-05-01 22:00:00.00Z,0.75,2\n"
    "2024-05-02T00:00:00.020000123+02:00,1,3.5\n",
    "time of day past midnight": "time,ax,ay\n23:59:59.98,0.5,-1.25\n00:00:00.00,0.75,2\n00:00:00.02,1,3.5\n",
    "preamble": "Device: X7\nsep=,\n\ntime,ax,ay\n0,0.5,-1.25\n0.02,0.75,2\n0.04,1,3.5\n",
    "comments": "# made by numpy\n# time,ax,ay\n0,0.5,-1.25\n# a break\n0.02,0.75,2\n\n0.04,1,3.5\n",
    "pandas index": ",time,ax,ay\n0,0,0.5,-1.25\n1,0.02,0.75,2\n2,0.04,1,3.5\n",
    "separator at the end": "time,ax,ay,\n0,0.5,-1.25,\n0.02,0.75,2,\n0.04,1,3.5,\n",
    "two clocks": "time,ax,ay,seconds_elapsed\n1700000000000,0.5,-1.25,0\n1700000000020,0.75,2,0.02\n"
    "1700000000040,1,3.5,0.04\n",
    "a cut last line": "time,ax,ay\n0,0.5,-1.25\n0.02,0.75,2\n0.04,1,3.5\n0.06,1",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_a_form_of_text(tmp_path, text):
    path = written(tmp_path, text, newline="")
    times, values, columns, _ = read(path)
    assert columns == ("ax", "ay")
    np.testing.assert_allclose(times, [0, 0.02, 0.04], atol=1e-6)
    np.testing.assert_allclose(values, VALUES)
    assert is_recording(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path, encoding):
    path = written(tmp_path, "time,a °C\n0,1\n0.5,2\n", encoding=encoding)
    times, _, (column,), problems = read(path)
    assert times.tolist() == [0, 0.5]
    assert column == ("a °C" if encoding != "cp1252" else "a �C")
    assert bool(problems) == (encoding == "cp1252")


def test_a_rate_instead_of_times(tmp_path):
    path = written(tmp_path, "ax,ay\n0.5,-1.25\n0.75,2\n1,3.5\n")
    assert not is_recording(path)
    assert is_recording(path, RecordingOptions(rate=50))
    times, values, *_ = read(path, rate=50)
    np.testing.assert_allclose(times, [0, 0.02, 0.04])
    np.testing.assert_allclose(values, VALUES)
    with pytest.raises(InputError, match="--rate"):
        open_recording(path)


def test_without_a_header(tmp_path):
    path = written(tmp_path, "0.5,-1.25\n0.75,2\n1,3.5\n")
    _, values, columns, _ = read(path, rate=50)
    assert columns == ("column1", "column2")
    np.testing.assert_allclose(values, VALUES)


def test_a_counted_sample_keeps_its_gap(tmp_path):
    times, _, columns, _ = read(written(tmp_path, "sample,ax\n10,1\n11,2\n15,3\n"), rate=10)
    np.testing.assert_allclose(times, [0, 0.1, 0.5])
    assert columns == ("ax",)


def test_nothing_is_invented_where_nothing_was_measured(tmp_path):
    text = "time,ax,hr\n0,1,\n0.1,NA,60\n0.2,3,null\n0.3,,\n5,inf,61\n"
    times, values, _, problems = read(written(tmp_path, text))
    nan = np.nan
    assert times.tolist() == [0, 0.1, 0.2, 0.3, 5]
    np.testing.assert_array_equal(values, np.float32([[1, nan], [nan, 60], [3, nan], [nan, nan], [nan, 61]]))
    assert problems == ["1 infinite value taken as not measured"]


def test_late_and_repeated_rows(tmp_path):
    text = "time,ax,ay\n0,1,\n0.2,3,3\n0.1,2,2\n0,7,1\n,9,9\n0.3,4,4\n"
    times, values, _, problems = read(written(tmp_path, text))
    assert times.tolist() == [0, 0.1, 0.2, 0.3]
    assert values.tolist() == [[1, 1], [2, 2], [3, 3], [4, 4]]  # of each column the first value
    assert problems == [
        "2 rows were late, by up to 0.2 s, and put in order",
        "1 row has the time of an earlier one, whose values are kept",
        "1 row without a time left out",
    ]


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(20, 300))
def test_pieces_do_not_matter(tmp_path_factory, seed, rows, piece):
    """Whatever the size of the pieces in which a file is read, late rows and rows of one time are put in order."""
    random = np.random.default_rng(seed)
    stamps = np.sort(random.integers(0, 200, rows))
    late = stamps - random.integers(0, 4, rows) * random.integers(0, 2, rows)
    values = random.integers(0, 9, rows)
    known = random.random(rows) < 0.7
    lines = [f"{t / 2},{v if k else ''},1" for t, v, k in zip(late, values, known, strict=True)]
    path = written(tmp_path_factory.mktemp("pieces"), "time,a,b\n" + "\n".join(lines) + "\n")
    expected = {}
    for place in np.argsort(late, kind="stable"):
        known_value = expected.get(late[place], np.nan)
        expected[late[place]] = values[place] if known[place] and np.isnan(known_value) else known_value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_table, "CHUNK_CHARACTERS", piece)
        try:
            times, found, *_ = read(path, time_unit="s")
        except InputError as error:
            if "of its own" in str(error):  # most rows repeat a time
                return
            raise
    stamps = np.array(sorted(expected))
    np.testing.assert_allclose(times, (stamps - stamps[0]) / 2)
    np.testing.assert_array_equal(found[:, 0], np.float32([expected[stamp] for stamp in stamps]))


REFUSED = {
    "empty": ("", "an empty file"),
    "empty lines": ("\n\n", "empty lines"),
    "a header only": ("time,ax\n", "a header only"),
    "another number of cells": ("time,ax\n0,1\n1e-1,2\n0.2,3,4\n0.3,4\n", "line 4: expected 2 cells, found 3"),
    "text among numbers": ("time,ax\n0,1\n0.1,2\n0.2,ERR\n0.3,4\n", "line 4: .*'ax', found 'ERR'"),
    "no values": ("time,name\n0,a\n0.1,b\n", "a column with values"),
    "no times": ("ax,ay\n0,1\n0.1,2\n", "--time-column"),
    "unclear unit": ("time,ax\n0,1\n20,2\n40,3\n", "--time-unit"),
    "a standing clock": ("time (s),ax\n1,1\n1,2\n1,3\n1,4\n", "of its own"),
    "a coarse clock": ("time (s),ax\n1,1\n1,2\n1,3\n2,4\n2,5\n2,6\n", "4 of 6 rows"),
    "back by hours": ("time (s),ax\n0,1\n0.1,2\n7200,3\n0.2,4\n", "line 5: .*7,199.8 s before"),
    "a clock that was set": ("time,ax\n0,1\n0.1,2\n1700000000,3\n1700000000.1,3\n", "a gap of 19,675.9 days"),
    "no date": ("time,ax\n2024-05-01T12:00:00,1\n2024-05-01T12:00:01,1\n2024-05-01T12:00:0x,1\n", "a date"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as error:
        read(written(tmp_path, text))
    assert str(error.value).startswith(str(tmp_path / "a.csv"))


def test_no_text_at_all(tmp_path):
    path = tmp_path / "a.csv"
    for content, message in ((b"\x1f\x8b123", "gzip"), (b"PK\x03\x04", "zip"), (b"ab\0\0\0", "binary")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            open_recording(path)
        assert not is_recording(path)


def test_other_tables_are_no_recordings(tmp_path):
    features = "\n".join(",".join(f"{x:.2f}" for x in row) for row in np.random.default_rng(0).normal(size=(5, 4)))
    labels = "video,start,end,label\na,0,1,walk\na,2,3.5,run\n"
    annotated = "time,video,label,score\n0,a,walk,1\n1.5,a,run,1\n"
    for text in (features, labels, annotated):
        assert not is_recording(written(tmp_path, text))
    assert not is_recording(tmp_path / "missing.csv")
    assert not is_recording(tmp_path)


def test_columns_are_chosen(tmp_path):
    path = written(tmp_path, "time,acc_x,acc_y,activity\n0,1,2,walk\n0.1,3,4,walk\n")
    _, _, columns, problems = read(path)
    assert columns == ("acc_x", "acc_y")
    assert problems == [
        "1 column of text or labels not read: 'activity'; labels are read from a table of segments (--labels)"
    ]
    _, values, columns, problems = read(path, columns=("acc_y", "ACC_X"))
    assert (columns, problems, values.tolist()) == (("acc_y", "acc_x"), [], [[2, 1], [4, 3]])
    with pytest.raises(InputError, match="'acc_z', found 'acc_"):
        read(path, columns=("acc_z",))
    with pytest.raises(InputError, match="'activity': expected numbers, found text"):
        read(path, columns=("activity",))
    with pytest.raises(InputError, match="'tiem', found 'time'"):
        read(path, time_column="tiem")


def test_memory_does_not_grow_with_the_length(tmp_path, monkeypatch):
    """Blocks are bounded, and so is what is held while they are read: late rows can be five seconds late at most."""
    monkeypatch.setattr(text_table, "CHUNK_CHARACTERS", 2**13)
    lines = "".join(f"{row / 1000:.3f},{row},1,2\n" for row in range(30_000))
    recording = open_recording(written(tmp_path, "time,a,b,c\n" + lines))
    tracemalloc.start()
    sizes = [len(block.times_seconds) for block in recording.blocks()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(sizes) == 30_000
    assert max(sizes) <= 5_600
    assert peak < 800_000  # the text takes 600,000 bytes as a whole, its lines and numbers 4,000,000 more


def test_labels_among_the_values_are_not_measurements(tmp_path):
    path = written(tmp_path, "time,ax,label,activity_id\n0,1,2,5\n0.1,3,2,5\n")
    _, _, columns, problems = read(path)
    assert columns == ("ax",)
    assert "2 columns of text or labels not read: 'label', 'activity_id'" in problems[0]


def test_a_clock_that_starts_elsewhere_is_said(tmp_path):
    times, _, _, problems = read(written(tmp_path, "time,ax\n12.5,1\n12.75,3\n"))
    assert times.tolist() == [0, 0.25]
    assert problems == ["second 0 is the first sample, whose time in the file is 12.5 s"]


def test_same_names_are_numbered(tmp_path):
    _, _, columns, problems = read(written(tmp_path, "time,x,x\n0,1,2\n0.1,3,4\n"))
    assert columns == ("x", "x.1")
    assert len(problems) == 1


# -- several sensors ---------------------------------------------------------------------------------------------

LONG = {("acc", 0.0): 1, ("hr", 0.0): 60, ("acc", 0.1): 2, ("acc", 0.2): 3, ("hr", 0.25): 61}


@pytest.mark.parametrize("order", ["time", "sensor"])
def test_a_row_per_sample_of_a_sensor(tmp_path, order):
    rows = sorted(LONG.items(), key=lambda row: row[0][::-1] if order == "time" else row[0])
    text = "sensor,time,value,quality\n" + "".join(f"{s},{t},{v},{v / 2}\n" for (s, t), v in rows)
    times, values, columns, _ = read(written(tmp_path, text))
    nan = np.nan
    assert columns == ("acc/value", "acc/quality", "hr/value", "hr/quality")
    assert times.tolist() == [0, 0.1, 0.2, 0.25]
    expected = [[1, 0.5, 60, 30], [2, 1, nan, nan], [3, 1.5, nan, nan], [nan, nan, 61, 30.5]]
    np.testing.assert_array_equal(values, np.float32(expected))
    times, values, columns, _ = read(tmp_path / "a.csv", columns=("hr/value",))
    assert columns == ("hr/value",)
    assert values.shape == (4, 1)


def test_a_single_sensor_gives_its_columns_no_name(tmp_path):
    _, values, columns, _ = read(written(tmp_path, "time,device,ax\n0,phone,1\n0.1,phone,2\n"))
    assert (columns, values.tolist()) == (("ax",), [[1], [2]])


def test_an_unpivoted_table_of_any_length(tmp_path):
    """All samples of one sensor before those of the next, longer than any row may be late."""
    rows = [f"{sensor},{t / 10},{t + offset}" for sensor, offset in (("a", 0), ("b", 1000)) for t in range(200)]
    times, values, columns, problems = read(written(tmp_path, "sensor,time,value\n" + "\n".join(rows)))
    assert (columns, problems) == (("a", "b"), [])
    np.testing.assert_allclose(times, np.arange(200) / 10)
    np.testing.assert_array_equal(values, np.stack([np.arange(200), np.arange(200) + 1000], axis=1))


def test_a_folder_is_one_recording(tmp_path):
    folder = tmp_path / "rec01"
    written(folder, "time,x\n100.0,1\n100.1,2\n100.2,3\n", "acc.csv")
    written(folder, "time,x\n99.95,7\n100.15,8\n100.15,9\n100.2,10\n", "gyro.csv")
    written(folder, "notes", "readme.md")
    times, values, columns, problems = read(folder)
    nan = np.nan
    assert columns == ("acc/x", "gyro/x")
    np.testing.assert_allclose(times, [0, 0.05, 0.15, 0.2, 0.25], atol=1e-9)
    np.testing.assert_array_equal(values, np.float32([[nan, 7], [1, nan], [2, nan], [nan, 8], [3, 10]]))
    assert problems == [
        "second 0 is the first sample, whose time in the file is 99.95 s",
        "gyro.csv: 1 row has the time of an earlier one, whose values are kept",
    ]
    _, values, columns, _ = read(folder, columns=("gyro/x",))
    assert (columns, values.shape) == (("gyro/x",), (5, 1))
    with pytest.raises(InputError, match="the folder of one recording"):
        open_recording(tmp_path)


# -- Parquet -----------------------------------------------------------------------------------------------------


def test_parquet(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    seconds = 1_700_000_000 + np.array([0, 0.02, 0.04])
    times = {
        "time": arrow.array(seconds),
        "timestamp": arrow.array((seconds * 1e9).astype("int64").astype("datetime64[ns]")),
        "when": arrow.array((seconds * 1e6).astype("int64"), arrow.timestamp("us", "Europe/Berlin")),
    }
    for name, column in times.items():
        path = tmp_path / "a.parquet"
        values = {"ax": arrow.array([0.5, None, 1.0]), "n": arrow.array([1, 2, 3], arrow.int16())}
        parquet.write_table(arrow.table({name: column, **values, "label": ["a", "b", None]}), path)
        found, samples, columns, problems = read(path)
        assert is_recording(path)
        assert columns == ("ax", "n")
        assert len(problems) == 1
        np.testing.assert_allclose(found, [0, 0.02, 0.04], atol=1e-6)
        np.testing.assert_array_equal(samples, np.float32([[0.5, 1], [np.nan, 2], [1, 3]]))
    whole = path.read_bytes()
    for damaged in (whole[:-20], whole[:100], b""):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="a complete Parquet file"):
            open_recording(path)
    parquet.write_table(arrow.table({"time": arrow.array([], arrow.float64())}), path)
    with pytest.raises(InputError, match="an empty table"):
        open_recording(path)


# -- real recordings ---------------------------------------------------------------------------------------------


def test_real_recordings_are_as_they_are():
    folder = SHARED / "data" / "sbhar-dev-raw"
    if not folder.exists():
        pytest.skip("the recordings of sbhar-dev-raw are not here")
    path = folder / "recordings" / "exp01_user01.csv"
    times, values, columns, problems = read(path)
    expected = np.loadtxt(path, delimiter=",", skiprows=1)
    assert (columns, problems) == (("acc_x", "acc_y", "acc_z"), [])
    np.testing.assert_allclose(times, expected[:, 0])
    np.testing.assert_array_equal(values, expected[:, 1:].astype(np.float32))
    assert not is_recording(folder / "labels.csv")
