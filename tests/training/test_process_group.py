"""Several processes train what one would, and end together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from test_training import HEAD, configure, rows_of, weights_of

from made_pack import make_pack
from rcl.detector.load_config import parse_config
from rcl.system.distributed import gathered, over_processes, processes
from rcl.training.module import in_turn
from rcl.training.run import train
from together import Steps, first_steps_of, free_port, steps_of, train_together
from typed import Rcl
from waiting import PATIENCE_SECONDS, wait_until, without_progress

STEADY = {"dropout": 0.0, "jitter": 0.0}  # what each process would draw by itself
SMALL_HEAD = {**HEAD, **STEADY}
KINDS: dict[str, dict[str, Any]] = {
    "refined": {"model": {"head": {**SMALL_HEAD, "steps": 3}}},
    "bmn-grid": {
        "model": {
            "encoder": {"name": "bmn", "channels": 16},
            "head": {"name": "grid", "channels": 32, "points": 8, "map_channels": 8},
        },
        "data": {"resize": 12},
        "inference": {"anchors": "grid", "boundary_power": 1.0},
    },
    "points": {
        "model": {"head": {"name": "points", "channels": 32, "dropout": 0.0}},
        "inference": {"classification_power": 1.0},
    },
    "scale-invariant": {"model": {"head": {**SMALL_HEAD, "steps": 2}}, "loss": {"scale_invariant": True}},
}
LOST = "rcl: a process of the training has ended"
EPOCHS = 16
ENDS_WITHIN_SECONDS = 60  # seconds on an idle machine; gloo alone would wait for half an hour
RESUME = "the same command with --resume goes on from the last epoch.\n"


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen training videos of other lengths and numbers of actions, six without any, and five validation videos."""
    root = make_pack(tmp_path_factory.mktemp("uneven"), training=16, validation=5, seed=3)
    content = json.loads((root / "annotations.json").read_text())
    for number in (1, 4, 5, 8, 11, 14):
        content["database"][f"video-{number:03d}"]["annotations"] = []
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def job(pack: Path, folder: Path, *, devices: int, **sections: dict[str, Any]) -> dict[str, Any]:
    training = {"batch_size": 4 // devices, "epochs": 3, "validate_every": 3, **sections.get("training", {})}
    sections = {**sections, "training": training}
    encoder = {"name": "temporal", "channels": 16, "layers": 5, "dropout": 0.0, "input_dropout": 0.0}
    sections["model"] = {"encoder": encoder, **sections.get("model", {})}
    config = configure(pack, **sections)
    return {"config": config.model_dump(mode="json"), "output": str(folder), "devices": devices}


def run_alone(job: dict[str, Any]) -> None:
    folder = Path(job["output"])
    train(parse_config(job["config"], where="test"), folder, devices=1, callbacks=[Steps(folder / "x")])


# -- the same as one process ---------------------------------------------------------------------------------------


STILL = {"learning_rate": 1e-30, "epochs": 1, "validate_every": 1}  # leaves the weights as they are
SLOW = {"learning_rate": 1e-5}  # moves them without magnifying rounding


def test_two_processes_with_half_the_batch_each_train_as_one(uneven: Path, tmp_path: Path) -> None:
    """What docs/design.md promises: gradients, losses and averages, not the weights that steps of rounding give.

    Sums over two processes round otherwise than sums in one. Where a rounded value crosses a kink of the network or of
    the losses, later steps magnify the difference by orders of magnitude, on one processor and not on another.
    """
    single = single_validation(uneven, tmp_path)
    kinds = {
        **KINDS,
        "slow": {"model": {"head": {**SMALL_HEAD, "steps": 1}}, "training": SLOW},
        "still": {"model": {"head": SMALL_HEAD}, "training": STILL},
        "single": {"model": {"head": SMALL_HEAD}, "training": STILL},
        "unused": {"model": {"head": SMALL_HEAD}, "loss": {"offsets": 0.0}, "training": STILL},
    }

    def jobs(devices: int) -> list[dict[str, Any]]:
        return [
            job(single if name == "single" else uneven, tmp_path / f"{name}-{devices}", devices=devices, **kind)
            for name, kind in kinds.items()
        ]

    for each in jobs(1):
        run_alone(each)
    train_together(jobs(2), tmp_path, replicas=2)
    for name in KINDS:
        check_equal(tmp_path / f"{name}-1", tmp_path / f"{name}-2")
    check_averages(tmp_path / "slow-1", tmp_path / "slow-2")
    check_losses(tmp_path / "unused-1", tmp_path / "unused-2")  # although no loss reaches one of the layers
    for name in ("still", "single"):  # with the very same weights, what two find is evaluated as what one finds
        alone, *both = steps_of(tmp_path / f"{name}-1", 1) + steps_of(tmp_path / f"{name}-2", 2)
        assert alone["validation_mAP"] > 0
        assert [each["validation_mAP"] for each in both] == [alone["validation_mAP"]] * 2


def single_validation(pack: Path, folder: Path) -> Path:
    """The same pack with fewer validation videos than processes."""
    content = json.loads((pack / "annotations.json").read_text())
    for name in ("video-016", "video-017", "video-018", "video-019"):
        content["database"][name]["subset"] = "testing"
    (folder / "single").mkdir()
    (folder / "single" / "annotations.json").write_text(json.dumps(content))
    (folder / "single" / "features").symlink_to(pack / "features")
    return folder / "single"


def check_equal(one: Path, two: Path) -> None:
    (whole,), shares = steps_of(one, 1), steps_of(two, 2)
    truths = np.array([share["truths"] for share in shares])
    assert (truths.sum(axis=0) == whole["truths"]).all()  # the same data in the same order
    assert (truths == 0).any()
    assert (truths[0] != truths[1]).any()
    assert len(whole["losses"]) == 12
    check_losses(one, two)
    assert not np.allclose(shares[0]["losses"], shares[1]["losses"], rtol=1e-2)
    check_gradients(one, two)
    for alone, together in zip(rows_of(one), rows_of(two), strict=True):
        assert together.keys() == alone.keys()
        for name in ("epoch", "step", "learning_rate"):
            assert together[name] == alone[name]
        for name in (name for name in alone if name.startswith("loss")):
            assert together[name] == pytest.approx(alone[name], abs=1e-4), name
    assert shares[0]["validation_mAP"] == shares[1]["validation_mAP"]


def check_losses(one: Path, two: Path) -> None:
    (whole,), shares = steps_of(one, 1), steps_of(two, 2)
    losses = np.mean([share["losses"] for share in shares], axis=0)
    np.testing.assert_allclose(losses, whole["losses"], rtol=0, atol=1e-4)


def check_gradients(one: Path, two: Path) -> None:
    """Gradients of the first two steps (refinement starts to learn in the second), from the same initial weights."""
    start, whole = first_steps_of(one, 0)
    for rank in range(2):
        own_start, own = first_steps_of(two, rank)
        assert all(torch.equal(own_start[name], weight) for name, weight in start.items())
        for expected, found in zip(whole, own, strict=True):
            assert found.keys() == expected.keys()
            for name in expected:
                assert relative_error({name: found[name]}, {name: expected[name]}) <= 1e-4, name
            assert relative_error(found, expected) <= 1e-5


def check_averages(one: Path, two: Path) -> None:
    """The averaged weights have moved the same way from the same start, to 1e-2 of the distance."""
    start, _ = first_steps_of(one, 0)
    moved = [{name: weights_of(folder)[name] - weight for name, weight in start.items()} for folder in (one, two)]
    assert relative_error(moved[1], moved[0]) <= 1e-2


def relative_error(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """Norm of the difference over the norm of what is expected, over all tensors together."""
    difference = torch.cat([(found[name] - value).flatten() for name, value in expected.items()])
    size = torch.cat([value.flatten() for value in expected.values()]).norm()
    return float(difference.norm() / size.clamp(min=1e-6))  # a layer may have no gradient yet


@pytest.mark.parametrize(("videos", "replicas"), [(5, 2), (4, 2), (7, 3), (2, 3), (3, 1)])
def test_what_is_found_is_in_the_order_of_the_videos(videos: int, replicas: int) -> None:
    """Of equal scores, evaluation takes the first, which must not depend on who found it."""
    shares: list[list[Any]] = [list(range(videos))[rank::replicas] for rank in range(replicas)]
    assert in_turn(shares) == list(range(videos))


def test_one_process_is_its_own_whole() -> None:
    counts = (torch.tensor(3), torch.tensor(4))
    assert processes() == 1
    assert over_processes(*counts) == counts
    assert gathered("all") == ["all"]


# -- the command ---------------------------------------------------------------------------------------------------


def command(folder: Path, pack: Path, output: str, *options: str, **training: Any) -> list[str]:
    training = {"epochs": EPOCHS, "batch_size": 2, "validate_every": 4, **training}
    config = configure(pack, model={"encoder": {"name": "temporal", "channels": 16, "layers": 5}}, training=training)
    (folder / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return ["-m", "rcl.cli", "train", str(folder / "config.yaml"), "--output", str(folder / output), *options]


def start(arguments: list[str], **environment: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [sys.executable, *arguments], env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def run(arguments: list[str], **environment: str) -> tuple[int, str, str]:
    process = start(arguments, **environment)
    output, notes = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output, without_progress(notes)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()  # nobody may have collected it yet


linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")


@pytest.fixture(scope="module")
def whole(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of two processes that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    status, output, notes = run(command(folder, pack, "run", "--devices", "2"))
    assert status == 0, notes
    assert output.count(f"Trained {EPOCHS} epochs") == 1
    assert notes == ""
    return folder / "run"


def same(one: Path, two: Path) -> bool:
    first, second = weights_of(one), weights_of(two)
    return rows_of(one) == rows_of(two) and all(torch.equal(first[name], second[name]) for name in first)


@linux
def test_a_killed_process_ends_the_job_and_resume_goes_on_as_if_nothing_had_been(
    pack: Path, whole: Path, tmp_path: Path
) -> None:
    parts = command(tmp_path, pack, "parts", "--devices", "2", "--resume")
    for victim in ("child", "first"):
        process = start(parts)
        before = len(rows_of(tmp_path / "parts")) if victim == "first" else 0
        wait_until((tmp_path / "parts" / "metrics.csv").exists, process)
        wait_until(lambda before=before: len(rows_of(tmp_path / "parts")) > before + 1, process)
        (child,) = children(process.pid)
        os.kill(child if victim == "child" else process.pid, signal.SIGKILL)
        notes = without_progress(process.communicate(timeout=ENDS_WITHIN_SECONDS)[1])  # both have closed their streams
        assert process.returncode == (1 if victim == "child" else -signal.SIGKILL)
        assert notes.startswith(LOST)
        assert notes.endswith(RESUME)
        assert notes.count("\n") == 1
        wait_until(lambda child=child: not is_alive(child))
        assert len(rows_of(tmp_path / "parts")) < EPOCHS
    assert run(parts)[0] == 0
    assert same(whole, tmp_path / "parts")


def test_an_error_of_one_process_is_said_once(uneven: Path, tmp_path: Path) -> None:
    broken = tmp_path / "pack"
    (broken / "features").mkdir(parents=True)
    (broken / "annotations.json").write_text((uneven / "annotations.json").read_text())
    for path in (uneven / "features").iterdir():
        (broken / "features" / path.name).symlink_to(path)
    features = np.load(broken / "features" / "video-003.npy")
    features[7, 1] = np.nan
    (broken / "features" / "video-003.npy").unlink()
    np.save(broken / "features" / "video-003.npy", features)
    status, _, notes = run(command(tmp_path, broken, "run", "--devices", "2"))
    assert status == 2
    assert "video-003" in notes
    assert notes.count("\n") == 1


def test_what_is_wrong_before_is_said_once(
    pack: Path, tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.Popen", None)  # no second process is started
    result = rcl_(*command(tmp_path, pack, "run", "--devices", "2")[2:], "data.root=/nowhere")
    assert result.status == 2
    assert result.err.startswith("rcl: data.root: expected the folder of a pack, found no annotations.json in /nowhere")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("rank", [0, 1])
def test_what_is_wrong_before_is_said_by_the_first_that_torchrun_started(
    pack: Path, tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    waited = list[float]()
    monkeypatch.setattr("rcl.cli.train.time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    result = rcl_(*command(tmp_path, pack, "run", "--devices", "2")[2:], "training.epochs=x")
    assert result.status == 2
    assert result.err.count("rcl: ") == result.err.count("found 'x'") == (rank == 0)
    assert len(waited) == rank  # so that the first can print


def test_torchrun_starts_them_as_well(pack: Path, whole: Path, tmp_path: Path) -> None:
    arguments = command(tmp_path, pack, "run", "--devices", "2")
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    status, output, notes = run([*launcher, *arguments])
    assert status == 0, notes
    assert output.count(f"Trained {EPOCHS} epochs") == 1
    assert same(whole, tmp_path / "run")
    _, _, notes = run([*launcher, *arguments])
    assert notes.count("rcl: ") == notes.count("add --resume to continue it") == 1


@linux
def test_two_nodes_train_together_and_end_together(pack: Path, whole: Path, tmp_path: Path) -> None:
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    nodes = command(tmp_path, pack, "two", "--devices", "1", "--nodes", "2")
    started = [start(nodes, **world, NODE_RANK=str(rank)) for rank in range(2)]
    outputs = [process.communicate(timeout=PATIENCE_SECONDS) for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    assert [len(output) > 0 for output, _ in outputs] == [True, False]  # the first has the word
    assert same(whole, tmp_path / "two")

    world["MASTER_PORT"] = str(free_port())
    nodes = command(tmp_path, pack, "three", "--devices", "1", "--nodes", "2", epochs=1000)
    started = [start(nodes, **world, NODE_RANK=str(rank)) for rank in range(2)]
    wait_until((tmp_path / "three" / "last.ckpt").exists, started[0])
    started[1].kill()
    notes = without_progress(started[0].communicate(timeout=ENDS_WITHIN_SECONDS)[1])
    started[1].communicate()
    assert started[0].returncode == 1
    assert notes.startswith(LOST)
    assert notes.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        (["--nodes", "2"], {}, "MASTER_ADDR, MASTER_PORT and NODE_RANK in the environment"),
        (
            ["--nodes", "2"],
            {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "NODE_RANK": "2"},
            "NODE_RANK: expected a number from 0 to 1",
        ),
        (
            ["--devices", "3"],
            {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2"},
            "2 devices in total, one per started process, found 3",
        ),
        (["--devices", "0"], {}, "--devices: expected a positive number"),
    ],
)
def test_devices_and_nodes_that_do_not_fit_are_refused(
    pack: Path,
    tmp_path: Path,
    rcl_: Rcl,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    environment: dict[str, str],
    message: str,
) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = rcl_(*command(tmp_path, pack, "run", *options)[2:])
    assert result.status == 2
    assert message in result.err
    assert not (tmp_path / "run").exists()
