"""Many videos through Ray: the results equal those of one process, even if workers die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from places import ROOT
from rcl.data.formats.results import load_detections
from rcl.system.errors import InputError
from rcl.system.ray_cluster import Cluster
from rcl.video.extract_many import extract_many
from rcl.video.extraction import VideoExtractor, choose_extraction
from rcl.video.finding import find_videos
from rcl.video.packs import Outcome, PackWriter
from rendered import render
from threads import threads_of_torch
from typed import Rcl
from untrained import save_untrained
from waiting import PATIENCE_SECONDS, wait_until

pytest.importorskip("ray", reason="Ray is not installed: pip install '.[cluster]'")
COUNT = 8


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for number in range(COUNT):
        render(folder / f"video-{number}.mp4", frames=40 + 10 * number)
    (folder / "broken.mp4").write_bytes(b"no video" * 100)
    return folder


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    """A Ray that several tests share, since it takes seconds to start."""
    import ray
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # which workers cannot import
    # More cores than there are: Ray may keep an actor that a test has killed, and its core, as long as it runs.
    ray.init("local", num_cpus=16, include_dashboard=False, object_store_memory=2**27, log_to_driver=False)
    yield Cluster(workers=2)
    ray.shutdown()


def writer(folder: Path) -> PackWriter:
    made, settings = choose_extraction("motion")
    return PackWriter(folder, settings, extractor=VideoExtractor(settings, built=made))


def extracted(outcomes: Iterator[Outcome]) -> dict[str, bool]:
    return {outcome.video: outcome.record is not None for outcome in outcomes}


def features(pack: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (pack / "features").iterdir()}


@pytest.fixture(scope="module")
def expected(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What this process makes of the videos, with one thread, as workers have: sums of several round otherwise."""
    pack = tmp_path_factory.mktemp("expected")
    with threads_of_torch(1):
        list(extract_many(writer(pack), find_videos([videos])[0]))
    return features(pack)


def workers_of_ray() -> list[psutil.Process]:
    """The actors of a pool, among the processes that this one has started."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if "MapWorker" in " ".join(process.cmdline()[:1])]


# -- the engine --------------------------------------------------------------------------------------------------


class Squares:
    """Work of which item 3 ends its process always, and item 5 the first time."""

    def __init__(self, marks: Path) -> None:
        self.marks = marks

    def __call__(self, threads: int) -> Callable[[int], int]:
        return self.square

    def square(self, position: int) -> int:
        mark = self.marks / str(position)
        if position == 3 or (position == 5 and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return position**2


class Misplaced:
    """Work that cannot begin."""

    def __call__(self, threads: int) -> Callable[[int], int]:
        raise ModuleNotFoundError("No module named 'rcl'")


@pytest.mark.usefixtures("running")
def test_workers_that_cannot_start_are_one_sentence() -> None:
    with pytest.raises(InputError, match=r"expected workers that start, found .*No module named 'rcl'; install"):
        list(Cluster(workers=1).map(Misplaced(), 1))


def test_nothing_to_do_is_done(running: Cluster, tmp_path: Path) -> None:
    assert list(running.map(Squares(tmp_path), 0)) == []


def test_a_dead_worker_is_replaced_and_an_item_that_kills_is_reported(tmp_path: Path) -> None:
    """A Ray of its own, of one worker, which dies: what is left finds room in another one."""
    script = "import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]; import test_ray_cluster as t; "
    script += "from ray import cloudpickle; cloudpickle.register_pickle_by_value(t); "
    script += "import rcl.system.ray_cluster as c; "
    script += "c.usable_cores = lambda: 1; import ray; "
    script += "print(sorted(c.Cluster().map(t.Squares(Path(sys.argv[1])), 6)), ray.is_initialized())"
    command = [sys.executable, "-c", script, str(tmp_path), str(ROOT / "tests"), str(Path(__file__).parent)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    expected = "[(0, 0), (1, 1), (2, 4), (3, None), (4, 16), (5, 25)] False"  # each once
    assert result.stdout.splitlines()[-1] == expected, result.stderr


# -- extraction --------------------------------------------------------------------------------------------------


def test_extraction_equals_that_of_one_process_even_if_a_worker_is_killed(
    running: Cluster, videos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    found = find_videos([videos])[0]
    outcomes: dict[str, Outcome] = {}
    for outcome in extract_many(writer(tmp_path), found, cluster=running):
        if not outcomes:
            victims = workers_of_ray()
            assert victims
            victims[0].kill()
        outcomes[outcome.video] = outcome
    assert outcomes.keys() == found.keys()
    (failed,) = (outcome for outcome in outcomes.values() if outcome.error)
    assert failed.video == "broken"
    assert str(videos / "broken.mp4") in str(failed.error)
    assert features(tmp_path) == expected

    again = list(extract_many(writer(tmp_path), found, cluster=running))
    assert [outcome.video for outcome in again if outcome.new] == ["broken"]


# -- the command line --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("running")
def test_a_killed_run_is_continued(videos: Path, expected: dict[str, bytes], tmp_path: Path, rcl_: Rcl) -> None:
    pack = tmp_path / "pack"
    command = ["extract", str(videos), "--output", str(pack), "--engine", "ray", "--workers", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(
        [sys.executable, "-m", "rcl.cli", *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: (pack / "records").exists() and any((pack / "records").iterdir()), first)
    helpers = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.wait()
    done = {path.stem: path.stat().st_mtime_ns for path in (pack / "records").iterdir()}
    _, alive = psutil.wait_procs(helpers, timeout=60)
    # Nobody goes on in secret; what watches over a machine notices later.
    assert all(process.name() in ("ray::DashboardAgent", "ray::RuntimeEnvAgent") for process in alive)

    second = rcl_(*command)
    assert second.status == 2  # as one video is broken
    assert f"{COUNT} of {COUNT + 1} videos" in second.out
    assert "done before" in second.out
    assert second.out.count("\n") == 1  # Ray's messages are elsewhere
    assert "broken.mp4" in second.err
    assert features(pack) == expected
    for video, time_ns in done.items():
        assert (pack / "records" / f"{video}.json").stat().st_mtime_ns == time_ns


@pytest.mark.usefixtures("running")
def test_detection_through_ray_equals_that_of_one_process(pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    checkpoint, damaged = save_untrained(tmp_path / "last.ckpt"), tmp_path / "damaged.npy"
    damaged.write_bytes(b"no array")
    outputs = tmp_path / "here.json", tmp_path / "ray.json"
    told = []
    for output, options in zip(outputs, ([], ["--engine", "ray", "--workers", 1]), strict=True):
        result = rcl_("detect", checkpoint, pack, damaged, "--subset", "val", "--output", output, *options)
        assert result.status == 2  # as one file is damaged
        told.append(result.err)
    assert f"{damaged}, video 'damaged': expected" in told[0]
    assert told[1] == told[0]
    here, there = map(load_detections, outputs)
    assert (sorted(there.videos), there.labels) == (sorted(here.videos), here.labels)
    for video in here.videos:
        mine, yours = here.for_video(video), there.for_video(video)
        np.testing.assert_allclose(mine.segments_seconds, yours.segments_seconds, atol=1e-4)
        np.testing.assert_allclose(mine.scores, yours.scores, atol=1e-5)
        np.testing.assert_array_equal(mine.label_index, yours.label_index)


def test_wrong_options_are_one_sentence(
    videos: Path, tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract = ("extract", videos, "--output", tmp_path / "pack")
    result = rcl_(*extract, "--address", "auto")
    assert result.status == 2
    assert "--engine ray" in result.err
    monkeypatch.setitem(sys.modules, "ray", None)
    result = rcl_(*extract, "--engine", "ray")
    assert result.status == 2
    assert "pip install '.[cluster]'" in result.err
    assert result.err.count("\n") == 1


def test_no_ray_at_the_address_is_one_sentence(
    videos: Path, tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # whatever other tests have started
    result = rcl_("extract", videos, "--output", tmp_path / "pack", "--engine", "ray", "--address", "127.0.0.1:1")
    assert result.status == 2
    assert "127.0.0.1:1: expected a running Ray" in result.err
    assert "Traceback" not in result.err
