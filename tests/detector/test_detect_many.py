"""Detection in many videos: failures are named, results are kept, and a rerun continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rcl.data.detections import Detections
from rcl.data.formats.results import load_detections
from rcl.detector.detect_many import detect_here
from rcl.detector.inputs import Job, jobs_of
from rcl.detector.localizer import Localizer
from rcl.detector.partial_results import PartialResults
from typed import Rcl
from untrained import save_untrained
from waiting import wait_until


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_untrained(tmp_path_factory.mktemp("checkpoint") / "last.ckpt")


@pytest.fixture(scope="module")
def whole(checkpoint: Path, pack: Path) -> Detections:
    """What an uninterrupted run finds in the validation videos."""
    localizer = Localizer.load(checkpoint)
    jobs = jobs_of(pack, localizer, "validation", "TC", None)
    return Detections.concatenate([found.detections for found in detect_here(localizer, jobs) if found.detections])


@pytest.fixture
def loose(pack: Path, tmp_path: Path) -> Path:
    """A folder of a few feature files, of which the first is damaged."""
    folder = tmp_path / "loose"
    folder.mkdir()
    for path in sorted((pack / "features").iterdir())[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "aa.npy").write_bytes(b"no array")
    return folder


def rows(detections: Detections) -> list[tuple[object, ...]]:
    return [tuple(detection) for detection in detections]


# -- partial results -----------------------------------------------------------------------------------------------


def a_job(path: Path) -> Job:
    return Job("a/b: ü", lambda localizer: None, (path,))  # type: ignore[arg-type,return-value]


def some() -> Detections:
    return Detections(
        ("a/b: ü",),
        np.zeros(2, int),
        np.array([[0.1, 1 / 3], [2, 2]]),
        ("x", "y"),
        np.array([1, 0]),
        np.array([0.7, 0]),
    )


def test_kept_results_come_back_exactly(tmp_path: Path) -> None:
    (tmp_path / "features.npy").touch()
    results, job = PartialResults(tmp_path / "results.json", {"a": 1}), a_job(tmp_path / "features.npy")
    assert results.load([job]) == [None]
    results.keep(job, some())
    (back,) = PartialResults(tmp_path / "results.json", {"a": 1}).load([job])
    assert back is not None
    assert rows(back) == rows(some())
    assert (back.videos, back.labels) == (some().videos, some().labels)
    results.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["features.npy"]


def test_results_of_other_inputs_do_not_come_back(tmp_path: Path) -> None:
    features = tmp_path / "features.npy"
    features.touch()
    job, output = a_job(features), tmp_path / "results.json"
    PartialResults(output, {"a": 1}).keep(job, some())
    assert PartialResults(output, {"a": 2}).load([job]) == [None]  # other weights or options
    assert PartialResults(output, {"a": 1}).load([job._replace(files=(tmp_path / "moved.npy",))]) == [None]
    features.write_bytes(b"other features")
    assert PartialResults(output, {"a": 1}).load([job]) == [None]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": 1}', b"\xff"])
def test_a_damaged_file_counts_as_missing(content: bytes, tmp_path: Path) -> None:
    results, job = PartialResults(tmp_path / "results.json", {}), a_job(tmp_path)
    results.keep(job, some())
    (part,) = results.folder.iterdir()
    part.write_bytes(content)
    assert results.load([job]) == [None]


def test_an_unwritable_folder_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "results.json.unfinished").write_text("a file where the folder should be")
    results = PartialResults(tmp_path / "results.json", {})
    for _ in range(2):
        results.keep(a_job(tmp_path), some())
    assert len(caplog.records) == 1
    results.clear()


# -- the command -------------------------------------------------------------------------------------------------


def test_a_rerun_repeats_only_what_failed(checkpoint: Path, loose: Path, tmp_path: Path, rcl_: Rcl) -> None:
    output, inputs = tmp_path / "results.json", sorted(loose.iterdir())
    first = rcl_("detect", checkpoint, *inputs, "--output", output)
    assert first.status == 2
    assert "aa" in first.err
    assert len(load_detections(output).videos) == 3  # what is there can be used

    inputs[0].write_bytes(inputs[1].read_bytes())
    second = rcl_("detect", checkpoint, *inputs, "--output", output)
    assert second.status == 0
    assert second.err == "3 of 4 videos done before.\n"
    assert load_detections(output).videos == tuple(path.stem for path in inputs)  # in the order of the inputs
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loose", "results.json"]

    third = rcl_("detect", checkpoint, *inputs, "--output", output)  # what is complete is made anew
    assert (third.status, third.err) == (0, "")


def test_a_defect_of_ours_in_one_video_leaves_the_others(
    checkpoint: Path, loose: Path, tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Localizer.detect_prepared

    def fail(self: Localizer, *arguments: object, video: str, **options: object) -> Detections:
        if video.endswith("1"):
            raise ArithmeticError("ours")
        return whole(self, *arguments, video=video, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Localizer, "detect_prepared", fail)
    result = rcl_("detect", checkpoint, *sorted(loose.iterdir())[1:], "--output", tmp_path / "results.json")
    assert result.status == 1
    assert "Traceback" in result.err
    assert "ArithmeticError: ours" in result.err
    assert len(load_detections(tmp_path / "results.json").videos) == 2


def test_a_killed_run_is_continued(checkpoint: Path, pack: Path, whole: Detections, tmp_path: Path, rcl_: Rcl) -> None:
    output, parts = tmp_path / "results.csv", tmp_path / "results.csv.unfinished"
    command = ["detect", str(checkpoint), str(pack), "--subset", "val", "--output", str(output)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # Stopped by itself after its first part, so that the kill always comes in the middle.
    stop = "import os, signal, rcl.cli, rcl.detector.partial_results as p; keep = p.PartialResults.keep; "
    stop += "p.PartialResults.keep = lambda *a: (keep(*a), os.kill(os.getpid(), signal.SIGSTOP)); rcl.cli.main()"
    first = subprocess.Popen([sys.executable, "-c", stop, *command], env=environment)
    wait_until(lambda: parts.exists() and any(part.suffix == ".json" for part in parts.iterdir()), first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not output.exists()

    second = rcl_(*command)
    assert (second.status, second.err) == (0, "1 of 4 videos done before.\n")
    assert not parts.exists()
    found = load_detections(output)
    assert found.videos == whole.videos
    np.testing.assert_allclose(found.scores, whole.scores, atol=1e-5)
