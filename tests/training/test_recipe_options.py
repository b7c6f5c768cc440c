"""What the recipe of ``rcl fit`` combines, in trainings of a few steps: detection prepares features as training did."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.detector.checkpoint import read_checkpoint
from rcl.detector.config import Config
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.evaluation.metrics import evaluate
from rcl.training.module import MONITORED_TIOU
from rcl.training.run import train
from tiny_pack import RATE, SNIPPETS, tiny_annotations, tiny_pack

HEAD = {"channels": 16, "points": 4, "ends": 2, "steps": 2}
KINDS: dict[str, dict[str, Any]] = {
    "downsampled and cropped": {"data": {"downsample": 2}, "augmentation": {"crop": 12}},
    "resized to means": {"data": {"resize": 16, "resize_method": "mean"}, "augmentation": {"crop": 9}},
    "as it is": {"data": {"standardize": False}, "augmentation": {"crop": 25, "speed": 0.2, "noise": 0.1}},
    "in windows": {"data": {"window": 16, "downsample": 2}, "augmentation": {"crop": 8}},
    "proposals": {"model": {"labels": "none"}, "data": {"downsample": 3}, "augmentation": {"crop": 10}},
    "resized proposals": {"model": {"labels": "none"}, "data": {"resize": 20, "resize_method": "mean"}},
    "an ensemble of proposals": {"model": {"labels": "none"}, "training": {"members": 2}},
}


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pack(tmp_path_factory.mktemp("tiny") / "pack", tiny_annotations(6, subsets={4: "validation"}))


def configure(pack: Path, kind: str) -> Config:
    sections = KINDS[kind]
    model = {"encoder": {"name": "temporal", "channels": 16, "layers": 3}, "head": HEAD, **sections.get("model", {})}
    training = {"epochs": 2, "epoch_steps": 4, "batch_size": 2, **sections.get("training", {})}
    loss = {} if "labels" in model else {"classification": 0.0}
    data = {"root": str(pack), "standardize": True, **sections.get("data", {})}
    return parse_config({**sections, "model": model, "training": training, "loss": loss, "data": data}, where="test")


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_detects_as_validation_did(pack: Path, tmp_path: Path, kind: str) -> None:
    config = configure(pack, kind)
    localizer = Localizer.load(train(config, tmp_path), device="cpu")
    with (tmp_path / "metrics.csv").open() as table:
        rows = [*csv.DictReader(table)]
    assert all(np.isfinite(float(row["loss"])) for row in rows)
    assert [int(row["step"]) for row in rows] == [4, 8]

    found = localizer.detect(pack / "features" / "v4.npy", RATE, video="v4")
    assert len(found)
    assert np.isfinite(found.scores).all()
    assert found.segments_seconds.min() >= 0
    assert found.segments_seconds.max() <= SNIPPETS / RATE + 1e-6
    if config.training.members > 1:  # the first network alone was validated
        return
    truth = load_annotations(pack / "annotations.json").subset("validation")
    truth = truth if localizer.labels else truth.unlabelled()
    evaluation = evaluate(Detections.concatenate([found]), truth, tiou_thresholds=MONITORED_TIOU)
    assert evaluation.average_map == pytest.approx(float(rows[-1]["validation_mAP"]), abs=1e-6)


def test_the_scale_of_the_channels_is_that_of_the_training_videos(pack: Path, tmp_path: Path) -> None:
    kept = read_checkpoint(train(configure(pack, "proposals"), tmp_path))
    features = [np.load(pack / "features" / f"v{number}.npy") for number in (0, 1, 2, 3, 5)]
    assert kept.facts.channels is not None
    np.testing.assert_allclose(kept.facts.channels.mean, np.concatenate(features).mean(axis=0), rtol=1e-4, atol=1e-5)
    whole = read_checkpoint(train(configure(pack, "as it is"), tmp_path / "other"))
    assert whole.facts.channels is None
