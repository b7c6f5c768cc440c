"""A detector of action queries by the commands of a user: it learns, and detection needs its checkpoint only."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from rcl.data.formats.results import load_detections
from rcl.detector.localizer import Localizer
from tiny_pack import RATE, SNIPPETS, tiny_annotations, tiny_pack
from typed import Rcl

CONFIG = """
model: {encoder: {channels: 16, layers: 3}, head: {name: queries, channels: 16, queries: 6, attention_heads: 2}}
training: {epochs: 12, batch_size: 2, validate_every: 100}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(CONFIG)
    return tmp_path / "recipe.yaml"


def test_queries_train_and_detect(tmp_path: Path, recipe: Path, rcl_: Rcl) -> None:
    pack = tiny_pack(tmp_path / "pack", tiny_annotations(6, subsets={5: "validation"}))
    run, output = tmp_path / "run", tmp_path / "detections.json"
    assert rcl_("train", recipe, f"data.root={pack}", "--output", run).status == 0
    with (run / "metrics.csv").open() as table:
        losses = [float(row["loss"]) for row in csv.DictReader(table)]
    assert losses[-1] < 0.7 * losses[0]

    assert rcl_("detect", run / "last.ckpt", pack, "--subset", "validation", "--output", output).status == 0
    found = load_detections(output)
    assert set(found.videos) == {"v5"}
    features = np.load(pack / "features" / "v5.npy")
    again = Localizer.load(run / "last.ckpt").detect(features, RATE, video="v5")
    assert len(found) == len(again) <= 6 * 2  # a segment and a score of each label per query
    np.testing.assert_allclose(np.sort(found.scores), np.sort(again.scores), atol=1e-4)


def test_a_video_of_another_length_has_as_many_segments(tmp_path: Path, recipe: Path, rcl_: Rcl) -> None:
    pack = tiny_pack(tmp_path / "pack", tiny_annotations(4, subsets={3: "validation"}))
    options = (f"data.root={pack}", "training.epochs=1", "inference.nms=none", "inference.min_score=0")
    assert rcl_("train", recipe, *options, "--output", tmp_path / "run").status == 0
    localizer = Localizer.load(tmp_path / "run" / "last.ckpt")
    features = torch.randn(5 * SNIPPETS, np.load(pack / "features" / "v0.npy").shape[1]).numpy()
    found = localizer.detect(features, RATE)
    assert len(np.unique(found.segments_seconds, axis=0)) == 6
    assert found.segments_seconds.max() <= 5 * SNIPPETS / RATE


def test_an_option_of_another_head_is_refused(tmp_path: Path, recipe: Path, rcl_: Rcl) -> None:
    for option in ("points=16", "typical=8", "steps=3", "lengths=[1]"):
        result = rcl_("train", recipe, f"model.head.{option}", "--output", tmp_path / "run")
        assert result.status == 2
        assert f"model.head.{option.partition('=')[0]}: expected one of attention_heads" in result.err
