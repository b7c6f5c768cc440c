"""Several networks in one run: each is trained as it would be alone, also after an interruption."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from rcl.detector.checkpoint import Checkpoint, read_checkpoint
from rcl.detector.config import Config
from rcl.detector.detect_many import _ClusterWork, detect_here
from rcl.detector.inputs import jobs_of
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.models.ensemble import Ensemble
from rcl.system.errors import InputError
from rcl.training.run import MEMBER_SEEDS, _members, train
from tiny_pack import CHANNELS, RATE, SNIPPETS, tiny_annotations, tiny_pack

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pack(tmp_path_factory.mktemp("tiny") / "pack", tiny_annotations(5, subsets={4: "validation"}))


def configure(pack: Path, members: int, **training: Any) -> Config:
    model = {"encoder": {"name": "temporal", "channels": 16, "layers": 3}, "head": {"channels": 16, "points": 4}}
    options = {"epochs": 2, "epoch_steps": 3, "batch_size": 2, "members": members, **training}
    sections = {"data": {"root": str(pack), "standardize": True}, "model": model, "training": options}
    return parse_config({**sections, "inference": {"candidates": 200}}, where="test")


@pytest.fixture(scope="module")
def three(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three networks."""
    return train(configure(pack, 3), tmp_path_factory.mktemp("three"))


def same(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def all_weights(checkpoint: Path) -> list[Weights]:
    kept = read_checkpoint(checkpoint)
    return [kept.weights, *kept.members]


def check_same(found: Path, expected: Path) -> None:
    assert all(same(*pair) for pair in zip(all_weights(found), all_weights(expected), strict=True))


# -- training --------------------------------------------------------------------------------------------------------


def test_the_first_network_is_that_of_a_run_of_one_and_the_others_have_seeds_of_their_own(
    pack: Path, three: Path, tmp_path: Path
) -> None:
    found = all_weights(three)
    assert len(found) == 3
    assert same(found[0], all_weights(train(configure(pack, 1), tmp_path / "one"))[0])
    other = configure(pack, 1, seed=2 * MEMBER_SEEDS)
    assert same(found[2], all_weights(train(other, tmp_path / "other"))[0])
    assert not any(same(found[a], found[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


class Killed(Callback):
    """Stops the training in a folder, before its first step or after some steps."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.folder, self.steps = folder, steps

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        if Path(trainer.default_root_dir) == self.folder and trainer.global_step == self.steps:
            raise RuntimeError("killed")


@pytest.mark.parametrize(("part", "steps"), [(".", 4), ("members/1", 0), ("members/2", 4)])
def test_a_run_that_was_killed_resumes_with_the_same_result(
    pack: Path, three: Path, tmp_path: Path, part: str, steps: int
) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        train(configure(pack, 3), tmp_path, callbacks=[Killed(tmp_path / part, steps)])
    check_same(train(configure(pack, 3), tmp_path, resume=True), three)


def test_a_finished_run_resumes_to_itself(pack: Path, tmp_path: Path) -> None:
    config = configure(pack, 2, epochs=1)
    first = all_weights(train(config, tmp_path))
    second = all_weights(train(config, tmp_path, resume=True))
    assert all(same(*pair) for pair in zip(first, second, strict=True))


def test_networks_of_an_earlier_run_are_no_part_of_a_new_one(pack: Path, tmp_path: Path) -> None:
    train(configure(pack, 2, epochs=1), tmp_path)
    new = configure(pack, 2, epochs=1, seed=5)
    expected = train(new, tmp_path / "expected")
    check_same(train(new, tmp_path, overwrite=True), expected)
    (tmp_path / "last.ckpt").unlink()
    for options in ({}, {"resume": True}):  # the first network begins anew, and so do the others
        check_same(train(configure(pack, 2, epochs=1, seed=5), tmp_path, **options), expected)
        (tmp_path / "last.ckpt").unlink()


def test_the_number_of_networks_cannot_change_in_a_run(pack: Path, tmp_path: Path) -> None:
    train(configure(pack, 1, epochs=1), tmp_path)
    with pytest.raises(InputError, match=r"training\.members=1\b.*found training\.members=2"):
        train(configure(pack, 2, epochs=1), tmp_path, resume=True)


def test_several_processes_are_refused(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options in ({"devices": 2}, {"devices": "2"}, {"devices": 1, "nodes": 2}):
        with pytest.raises(InputError, match=r"training\.members: expected 1, or one process, found 2, and several"):
            train(configure(pack, 2), tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match="add --devices 1"):
        _members(configure(pack, 2), tmp_path, devices="auto", nodes=1)
    assert len(_members(configure(pack, 2), tmp_path, devices=1, nodes=1)) == 1  # one of two GPUs
    assert _members(configure(pack, 1), tmp_path, devices="auto", nodes=3) == []


# -- detection -------------------------------------------------------------------------------------------------------


def test_an_ensemble_detects_and_scores(three: Path) -> None:
    localizer = Localizer.load(three, device="cpu")
    assert isinstance(localizer.model, Ensemble)
    features = np.random.default_rng(1).normal(size=(SNIPPETS, CHANNELS)).astype(np.float32)
    found = localizer.detect(features, RATE)
    assert len(found)
    assert np.isfinite(found.scores).all()
    asked = localizer.score(features, [(2.0, 6.0), (1.0, 19.0)], RATE)
    assert asked.labels.shape == (2, 2)
    # A confidence is the geometric mean of those of the members.
    kept = read_checkpoint(three)
    parts = [
        Localizer.from_checkpoint(Checkpoint(kept.config, kept.facts, weights), device="cpu")
        for weights in all_weights(three)
    ]
    with torch.inference_mode():
        *own, together = [first_confidence(part) for part in (*parts, localizer)]
    torch.testing.assert_close(together.log(), sum(each.log() for each in own) / 3)


def first_confidence(localizer: Localizer) -> torch.Tensor:
    """The score p2 of a segment before it is refined."""
    encoding = localizer.search.encode(torch.ones(CHANNELS, 9))
    return localizer.search.query(encoding, torch.tensor([[1.0, 4.0]]), steps=1).steps[0].regression.sigmoid()


def test_workers_of_a_cluster_get_all_networks(pack: Path, three: Path) -> None:
    localizer = Localizer.load(three, device="cpu")
    jobs = jobs_of(pack, localizer, "validation", "TC", None)
    (expected,) = detect_here(localizer, jobs)
    cloudpickle = pytest.importorskip("ray.cloudpickle", reason="Ray is not installed: pip install '.[cluster]'")
    checkpoint = pickle.loads(cloudpickle.dumps(read_checkpoint(three)))  # as Ray sends it
    assert len(checkpoint.members) == 2
    work = _ClusterWork(checkpoint, jobs, steps=None, rates=None)
    found = work(1)(0)
    assert found.detections is not None
    assert expected.detections is not None
    assert [*found.detections] == [*expected.detections]
