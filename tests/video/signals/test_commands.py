"""Recordings of signals on the command line: from files to a detector, and to its detections."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from recordings import mice, write_csv, write_deeplabcut, write_labels, write_sleap

from quick import quick_fit
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.detector.localizer import Localizer
from typed import Rcl, Result

TURNS = ((60, 150), (240, 330))  # frames at 30 per second
SPINS = [(first / 30, last / 30, "spin") for first, last in TURNS]


def shaken(seconds: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[tuple[float, float, str]]]:
    """Samples of a sensor at 20 Hz that is shaken twice, and the labels."""
    random = np.random.default_rng(seed)
    times = np.arange(seconds * 20) / 20
    values = random.normal((0, 0, 1), 0.05, (len(times), 3))
    labels = [(start, start + 3.0, "shake") for start in (seconds * 0.2, seconds * 0.6)]
    for start, end, _ in labels:
        own = (times >= start) & (times < end)
        values[own, 0] += np.sin(2 * np.pi * 4 * times[own])
    return times, values, labels


@pytest.fixture
def sensors(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of recordings, with the labels among them."""
    folder, rows = tmp_path / "recordings", {}
    for number in range(5):
        times, values, rows[f"r{number}"] = shaken(30, number)
        write_csv(folder / f"r{number}.csv", times, values, ("ax", "ay", "az"))
    return folder, write_labels(folder / "labels.csv", rows)


@pytest.fixture
def run(rcl_: Rcl, monkeypatch: pytest.MonkeyPatch) -> Rcl:
    """``rcl`` with short trainings."""
    quick_fit(monkeypatch)
    return rcl_


def ran(result: Result) -> str:
    """What a command printed that must have worked."""
    assert result.status == 0, result.err
    return result.out + result.err


# -- extract -------------------------------------------------------------------------------------------------------


def test_extract_makes_a_pack_and_resumes(sensors: tuple[Path, Path], tmp_path: Path, rcl_: Rcl) -> None:
    folder, labels = sensors
    pack = tmp_path / "pack"
    typed = ("extract", str(folder), "--output", str(pack), "--labels", str(labels), "--workers", "1")
    assert "5 of 5 videos" in ran(rcl_(*typed))
    settings = json.loads((pack / "extraction.json").read_text())["settings"]
    assert (settings["kind"], settings["columns"], settings["rate"]) == ("signal", ["ax", "ay", "az"], 20.0)
    assert load_annotations(pack / "annotations.json").videos["r0"].duration_seconds == 30.0
    assert np.load(pack / "features" / "r0.npy").shape == (60, 4 * 15 + 1)
    times, values, _ = shaken(30, 9)
    write_csv(folder / "r9.csv", times, values, ("az", "ax", "ay"))
    assert "6 of 6 videos (5 done before)" in ran(rcl_(*typed))


def test_labels_that_are_no_seconds_are_refused_but_the_features_stay(
    sensors: tuple[Path, Path], tmp_path: Path, rcl_: Rcl
) -> None:
    folder, _ = sensors
    frames = write_labels(tmp_path / "frames.csv", {f"r{number}": [(900, 1500, "shake")] for number in range(5)})
    status, _, notes = rcl_("extract", folder, "--output", tmp_path / "p", "--labels", frames, "--workers", "1")
    assert status == 2
    assert "times of instances in seconds" in notes
    assert len([*(tmp_path / "p" / "features").iterdir()]) == 5


def test_a_damaged_recording_is_named_and_the_others_go_on(tmp_path: Path, rcl_: Rcl) -> None:
    for number in range(2):
        times, values, _ = shaken(10, number)
        write_csv(tmp_path / "all" / f"r{number}.csv", times, values, ("ax", "ay", "az"))
    rows = (tmp_path / "all" / "r0.csv").read_text().splitlines()
    (tmp_path / "all" / "a.csv").write_text("\n".join([*rows, *rows[1:]]))  # the clock starts again
    times, values, _ = shaken(30, 2)
    values[300] = 1e25  # its square is beyond float32
    write_csv(tmp_path / "all" / "b.csv", times, values, ("ax", "ay", "az"))
    status, out, notes = rcl_("extract", tmp_path / "all", "--output", tmp_path / "pack", "--workers", 1)
    assert status == 2
    assert "2 of 4 videos" in out
    assert "a.csv, line 202: expected times that rise" in notes
    assert "b.csv: expected finite features from the descriptors, found NaN or infinity at 14.5 s" in notes
    assert {path.name for path in (tmp_path / "pack" / "features").iterdir()} == {"r0.npy", "r1.npy"}


def test_a_damaged_file_of_tracks_is_named_and_the_others_go_on(tmp_path: Path, rcl_: Rcl) -> None:
    for number in range(2):
        write_deeplabcut(tmp_path / "all" / f"s{number}.csv", mice(60, seed=number), ("m1", "m2"))
    rows = (tmp_path / "all" / "s0.csv").read_text().splitlines()
    (tmp_path / "all" / "a.csv").write_text("\n".join([*rows[:30], "25,1", *rows[30:]]))
    typed = ("--individuals", "each", "--rate", 30, "--workers", 1)
    status, _, notes = rcl_("extract", tmp_path / "all", "--output", tmp_path / "pack", *typed)
    assert status == 2
    assert "a.csv, line 31: expected 25 cells, found 2" in notes
    assert len([*(tmp_path / "pack" / "features").rglob("*.npy")]) == 4


@pytest.mark.parametrize("name", ["x.h5", "x.parquet"])
def test_a_damaged_file_is_no_video(tmp_path: Path, rcl_: Rcl, name: str) -> None:
    (tmp_path / name).write_bytes(b"damaged")
    status, _, notes = rcl_("extract", tmp_path / name, "--output", tmp_path / "pack")
    assert status == 2
    assert f"{name}: expected a" in notes
    assert "video" not in notes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backbone", "motion"), "--backbone: expected videos"),
        (("--signal-columns", "ax,ax"), "expected different names"),
        (("--signal-columns", "ax,temp"), "expected a column 'temp'"),
        (("--time-column", "clock"), "'clock'"),
    ],
)
def test_wrong_options(
    sensors: tuple[Path, Path], tmp_path: Path, rcl_: Rcl, arguments: tuple[str, ...], message: str
) -> None:
    status, _, notes = rcl_("extract", sensors[0], "--output", tmp_path / "pack", *arguments)
    assert status == 2
    assert message in notes


# -- fit and detect --------------------------------------------------------------------------------------------------


def test_sensors_from_files_to_detections(sensors: tuple[Path, Path], tmp_path: Path, run: Rcl) -> None:
    folder, labels = sensors
    out = tmp_path / "run"
    said = ran(run("fit", folder, labels, "--output", out, "--workers", "1"))
    assert "columns: ax, ay, az" in said
    assert "snippets per second: 2" in said
    assert "videos keep their own lengths" in said
    times, values, _ = shaken(40, 7)
    new = write_csv(tmp_path / "new.csv", times, values, ("ax", "ay", "az"))
    ran(run("detect", out, new, "--output", tmp_path / "found.json"))
    assert {*load_detections(tmp_path / "found.json").videos} == {"new"}
    ran(run("detect", out, folder, "--output", tmp_path / "all.json"))
    assert {*load_detections(tmp_path / "all.json").videos} == {f"r{number}" for number in range(5)}
    assert len(Localizer.load(out).detect(new))
    features = tmp_path / "features.csv"
    np.savetxt(features, np.load(out / "pack" / "features" / "r0.npy"), delimiter=",")
    ran(run("detect", out, features, "--output", tmp_path / "stored.json"))  # features may end in .csv, too


def test_a_corrected_run_takes_the_features_over(sensors: tuple[Path, Path], tmp_path: Path, run: Rcl) -> None:
    folder, labels = sensors
    ran(run("fit", folder, labels, "--output", tmp_path / "a", "--workers", "1"))
    said = ran(run("fit", folder, labels, "--output", tmp_path / "b", "--after", tmp_path / "a", "--workers", "1"))
    assert "5 done before" in said or "earlier" in said
    first, second = (np.load(tmp_path / name / "pack/features/r1.npy") for name in "ab")
    np.testing.assert_array_equal(first, second)
    given = ("--after", tmp_path / "a", "--window", "77", "--workers", "1")
    status, _, notes = run("fit", folder, labels, "--output", tmp_path / "c", *given)
    assert status == 2
    assert "other settings (window" in notes


@pytest.mark.parametrize("write", [write_deeplabcut, write_sleap])
@pytest.mark.parametrize("each", [True, False])
def test_pose_tracks_from_files_to_detections(tmp_path: Path, run: Rcl, write: Callable, each: bool) -> None:
    folder, rows = tmp_path / "tracks", {}
    ending = "DLC_resnet50_mice_shuffle1_50000.csv" if write is write_deeplabcut else ".analysis.h5"
    for number in range(4):
        write(folder / f"s{number}{ending}", mice(400, seed=number, turns=TURNS), ("m1", "m2"))
        rows |= {f"s{number}/m1": SPINS, f"s{number}/m2": []} if each else {f"s{number}": SPINS}
    labels = write_labels(tmp_path / "labels.csv", rows)
    out = tmp_path / "run"
    said = ran(run("fit", folder, labels, "--output", out, "--rate", "30", "--workers", "1"))
    assert "body parts: nose, left_ear, right_ear, tail_base" in said
    assert f"individuals: {'one by one' if each else 'together'}" in said
    new = write(tmp_path / f"new{ending}", mice(300, seed=9, turns=TURNS[:1]), ("m1", "m2"))
    ran(run("detect", out, new, "--output", tmp_path / "found.json"))
    found = {*load_detections(tmp_path / "found.json").videos}
    assert found == ({"new/m1", "new/m2"} if each else {"new"})
