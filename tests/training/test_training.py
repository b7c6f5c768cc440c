"""A run from end to end: it learns, it can be killed and resumed, and it says what is wrong before it starts."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch.callbacks import Callback

from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.detector.checkpoint import read_checkpoint
from rcl.detector.config import Config
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.evaluation.metrics import evaluate
from rcl.system.errors import InputError
from rcl.training.callbacks import averaging_decay
from rcl.training.data import load_training_data
from rcl.training.run import train
from typed import Rcl
from waiting import PATIENCE_SECONDS, wait_until, without_progress

HEAD = {"channels": 32, "points": 8}
SMALL: dict[str, Any] = {
    "model": {"encoder": {"name": "temporal", "channels": 32, "layers": 5}, "head": {**HEAD, "steps": 2}},
    "sampling": {"regular": 100, "scale_invariant": 8},
    "training": {"epochs": 3, "batch_size": 4, "learning_rate": 2e-3, "seed": 3},
}


def configure(pack: Path, **sections: dict[str, Any]) -> Config:
    merged = {name: {**SMALL.get(name, {}), **sections.get(name, {})} for name in {*SMALL, *sections}}
    merged["data"] = {"root": str(pack), **sections.get("data", {})}
    return parse_config(merged, where="test")


def rows_of(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open() as table:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(table)]


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(run / "last.ckpt").weights


def test_the_loss_falls_and_an_easy_pack_is_solved(pack: Path, tmp_path: Path) -> None:
    config = configure(
        pack,
        model={"encoder": {"name": "temporal", "channels": 64, "layers": 7}, "channels": 64, "points": 16},
        sampling={"regular": 300, "scale_invariant": 16},
        training={"epochs": 15, "batch_size": 2, "validate_every": 5},
    )
    checkpoint = train(config, tmp_path)
    rows = rows_of(tmp_path)
    assert [row["epoch"] for row in rows] == list(range(15))
    assert rows[-1]["loss"] < 0.3 * rows[0]["loss"]
    assert ["validation_mAP" in row for row in rows] == [epoch % 5 == 4 for epoch in range(15)]

    truth = load_annotations(pack / "annotations.json").subset("validation")
    localizer = Localizer.load(checkpoint)
    found = Detections.concatenate(
        [localizer.detect(pack / "features" / f"{name}.npy", 5.0, video=name) for name in truth.videos]
    )
    evaluation = evaluate(found, truth, tiou_thresholds=np.linspace(0.3, 0.7, 5))
    assert evaluation.average_map > 0.8
    # Validation during training detects with the weights, and in the way, of the checkpoint that it leaves behind.
    assert evaluation.average_map == pytest.approx(rows[-1]["validation_mAP"], abs=1e-6)


class Interruption(Callback):
    """Stops a run in the middle of an epoch, as a kill would."""

    def __init__(self, epoch: int, batch: int) -> None:
        self.epoch, self.batch = epoch, batch

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == (self.epoch, self.batch):
            raise RuntimeError("killed")


@pytest.fixture(scope="module")
def uninterrupted(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the small configuration."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(configure(pack), folder)
    return folder


@pytest.mark.parametrize(("epoch", "batch", "steps"), [(0, 1, None), (1, 0, None), (2, 3, None), (1, 1, 6)])
def test_a_resumed_run_equals_an_uninterrupted_one(
    pack: Path, uninterrupted: Path, tmp_path: Path, epoch: int, batch: int, steps: int | None
) -> None:
    config = configure(pack, training={"epoch_steps": steps})  # a pass over the videos has 4 steps
    one, two = tmp_path / "whole" if steps else uninterrupted, tmp_path / "parts"
    if steps:
        train(config, one)
    with pytest.raises(RuntimeError, match="killed"):
        train(config, two, callbacks=[Interruption(epoch, batch)])
    train(config, two, resume=True)
    whole, parts = weights_of(one), weights_of(two)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert rows_of(one) == rows_of(two)
    best = [read_checkpoint(folder / "best.ckpt").weights for folder in (one, two)]
    assert all(torch.equal(best[0][name], best[1][name]) for name in whole)


def test_a_checkpoint_knows_the_best_epoch_so_far(uninterrupted: Path) -> None:
    kept = torch.load(uninterrupted / "last.ckpt", weights_only=True)["callbacks"]
    (record,) = [float(state["best_model_score"]) for name, state in kept.items() if "validation_mAP" in name]
    assert record == pytest.approx(max(row["validation_mAP"] for row in rows_of(uninterrupted)))


def test_a_killed_process_leaves_a_run_that_resumes(pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(configure(pack).model_dump(mode="json")))
    command = ["train", str(tmp_path / "config.yaml"), "training.epochs=24", "--output", str(tmp_path / "run")]
    command += ["--resume"]
    process = subprocess.Popen([sys.executable, "-m", "rcl.cli", *command], env={**os.environ, "OMP_NUM_THREADS": "1"})
    wait_until((tmp_path / "run" / "last.ckpt").exists, process)
    time.sleep(0.5)  # somewhere in an epoch, or while a checkpoint is written
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = len(rows_of(tmp_path / "run"))
    assert 1 <= before < 24
    assert read_checkpoint(tmp_path / "run" / "last.ckpt").facts.in_channels == 32
    assert rcl_(*command).status == 0
    assert [row["epoch"] for row in rows_of(tmp_path / "run")] == list(range(24))


def test_an_interruption_says_how_to_continue(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(configure(pack).model_dump(mode="json")))
    command = [sys.executable, "-m", "rcl.cli", "train", str(tmp_path / "config.yaml"), "training.epochs=10000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    output = ["--output", str(tmp_path / "run")]
    process = subprocess.Popen([*command, *output], env=environment, stderr=subprocess.PIPE, text=True)
    wait_until((tmp_path / "run" / "last.ckpt").exists, process)
    process.send_signal(signal.SIGINT)
    notes = without_progress(process.communicate(timeout=PATIENCE_SECONDS)[1])
    assert process.returncode == 130
    assert notes == "rcl: interrupted; add --resume to the same command to continue from the last epoch.\n"


def test_a_full_disk_is_one_sentence_and_keeps_the_checkpoint(pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(configure(pack).model_dump(mode="json")))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))  # less than a checkpoint
    try:
        result = rcl_("train", tmp_path / "config.yaml", "training.epochs=2", "--output", tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert result.status == 2, result.err
    assert "expected a place to write to, found File too large; make room, and continue with --resume." in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "run" / "last.ckpt").exists()


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(pack: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(configure(pack, training={"epochs": 1, "seed": seed}), tmp_path / name)
    a, b, c = (weights_of(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_workers_change_nothing(pack: Path, tmp_path: Path) -> None:
    for name, workers in (("none", 0), ("two", 2)):
        train(configure(pack, training={"epochs": 2, "workers": workers}), tmp_path / name)
    none, two = weights_of(tmp_path / "none"), weights_of(tmp_path / "two")
    assert all(torch.equal(none[name], two[name]) for name in none)


def test_refinement_leaves_continuous_anchoring_as_it_is(pack: Path, tmp_path: Path) -> None:
    for name, steps in (("one", 1), ("three", 3)):
        train(configure(pack, model={"steps": steps}, training={"epochs": 2}), tmp_path / name)
    one, three = weights_of(tmp_path / "one"), weights_of(tmp_path / "three")
    assert {name.split(".")[0] for name in set(three) - set(one)} == {"refinement"}
    assert all(torch.equal(one[name], three[name]) for name in one)
    features = np.load(pack / "features" / "video-019.npy")
    first, whole = (Localizer.load(tmp_path / name / "last.ckpt") for name in ("one", "three"))
    clip, timeline = whole.prepare(features, 5.0)
    expected, found = first.detect(features, 5.0), whole.detect_prepared(clip, timeline, video="video", steps=1)
    assert list(expected) == list(found)


@pytest.mark.parametrize(
    "sections",
    [
        {"model": {"encoder": {"name": "bmn", "channels": 32}, "head": {**HEAD, "convention": "bmn", "steps": 1}},
         "data": {"resize": 20},
         "inference": {"anchors": "grid", "boundary_power": 1.0}},
        {"model": {"labels": "none", "head": {**HEAD, "steps": 3}}, "inference": {"classification_power": 1.0}},
        {"training": {"ema": None, "optimizer": "adam", "schedule": "step", "clip_norm": None}},
        {"training": {"precision": "bf16", "schedule": "constant"}, "augmentation": {"noise": 0.5, "speed": 0.2}},
        {"data": {"validation_subset": None}},
        {"model": {"head": {"name": "anchors", "channels": 32}}, "inference": {"classification_power": 1.0}},
        {"model": {"head": {"name": "points", "channels": 32}}, "inference": {"classification_power": 1.0}},
        {"model": {"head": {"name": "queries", "channels": 32, "queries": 9}}},
        {"model": {"head": {"name": "queries", "channels": 32}, "labels": "none"},
         "inference": {"classification_power": 1.0}},
        {"model": {"encoder": {**SMALL["model"]["encoder"], "boundaries": True},
                   "head": {**HEAD, "conditioned": False, "steps": 1}},
         "loss": {"offsets": 0}, "data": {"resize": 20},
         "inference": {"anchors": "pairs", "boundary_power": 1.0, "boundary_peaks": True}},
        {"model": {"head": {**HEAD, "name": "grid", "map_channels": 16, "finer": 2}}, "data": {"resize": 12},
         "inference": {"anchors": "grid"}},
        {"loss": {"scale_invariant": True}},
    ],
    ids=[
        "bmn-grid", "proposals", "plain-adam", "bf16-augmented", "no-validation",
        "anchors", "points", "queries", "query-proposals", "boundary-pairs", "finer-map", "scale-invariant-loss",
    ],
)  # fmt: skip
def test_every_kind_of_run_trains_and_detects(pack: Path, tmp_path: Path, sections: dict[str, Any]) -> None:
    sections["training"] = {"epochs": 1, **sections.get("training", {})}
    checkpoint = train(configure(pack, **sections), tmp_path)
    assert np.isfinite(rows_of(tmp_path)[0]["loss"])
    features = np.load(pack / "features" / "video-000.npy")
    found = Localizer.load(checkpoint).detect(features, 5.0)
    assert len(found)
    assert np.isfinite(found.scores).all()


def test_the_averaging_horizon_fits_the_number_of_steps() -> None:
    assert averaging_decay("auto", 800) == pytest.approx(0.9875)
    assert averaging_decay("auto", 5) == 0.0
    assert averaging_decay(0.9, 800) == 0.9


def test_no_run_is_overwritten_or_resumed_with_another_configuration(pack: Path, tmp_path: Path) -> None:
    train(configure(pack, training={"epochs": 1}), tmp_path)
    with pytest.raises(InputError, match="add --resume"):
        train(configure(pack, training={"epochs": 1}), tmp_path)
    with pytest.raises(InputError, match=r"training\.learning_rate"):
        train(configure(pack, training={"epochs": 1, "learning_rate": 0.5}), tmp_path, resume=True)


def broken_pack(pack: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a pack in which one video's annotation is changed; features are links."""
    content = json.loads((pack / "annotations.json").read_text())
    content["database"]["video-003"].update(changes)
    (folder / "annotations.json").write_text(json.dumps(content))
    (folder / "features").mkdir()
    for path in (pack / "features").iterdir():
        (folder / "features" / path.name).symlink_to(path)
    return folder


def test_a_missing_feature_file_is_named_before_training_starts(pack: Path, tmp_path: Path) -> None:
    folder = broken_pack(pack, tmp_path)
    (folder / "features" / "video-003.npy").unlink()
    with pytest.raises(InputError, match="video-003"):
        train(configure(folder), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_bad_value_in_the_middle_of_training_names_its_video(pack: Path, tmp_path: Path) -> None:
    folder = broken_pack(pack, tmp_path)
    features = np.load(folder / "features" / "video-003.npy")
    features[7, 1] = np.nan
    (folder / "features" / "video-003.npy").unlink()
    np.save(folder / "features" / "video-003.npy", features)
    for workers in (0, 1):
        with pytest.raises(InputError, match=r"^[^\n]*video-003[^\n]*snippet 7[^\n]*$"):
            train(configure(folder, training={"workers": workers}), tmp_path / f"run-{workers}")


def test_a_rate_of_frames_in_place_of_snippets_is_refused(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"video-003.*snippets_per_second"):
        train(configure(broken_pack(pack, tmp_path, fps=25.0)), tmp_path / "run")


def test_a_validation_label_that_training_lacks_is_refused(pack: Path, tmp_path: Path) -> None:
    change = {"subset": "validation", "annotations": [{"segment": [1, 2], "label": "juggle"}]}
    with pytest.raises(InputError, match="juggle"):
        train(configure(broken_pack(pack, tmp_path, **change)), tmp_path / "run")


@pytest.mark.parametrize("labels", [["juggle"], ["juggle", "clap"], ["clop", "clap", "clop"]])
def test_validation_labels_that_training_lacks_count_as_missed_if_wanted(
    pack: Path, tmp_path: Path, labels: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    segments = [{"segment": [i, i + 1], "label": label} for i, label in enumerate(labels)]
    folder = broken_pack(pack, tmp_path, subset="validation", annotations=segments)
    config = configure(folder, data={"unseen_labels": "missed"})
    data = load_training_data(config)
    assert data.validation is not None
    assert data.annotations is not None
    assert labels[0] in data.annotations.labels  # of the evaluation
    assert labels[0] not in data.facts.labels
    (index,) = [i for i, video in enumerate(data.validation.videos) if video.name == "video-003"]
    assert len(data.validation[index].labels) == labels.count("clap")
    assert f"{len(labels) - labels.count('clap')} instance" in caplog.text
    assert ("'clop' (did you mean 'clap'?)" in caplog.text) == (labels[0] == "clop")


def test_validation_without_a_label_in_common_is_refused(pack: Path, tmp_path: Path) -> None:
    folder = broken_pack(pack, tmp_path)
    content = json.loads((folder / "annotations.json").read_text())
    for video in content["database"].values():
        if video["subset"] == "validation":
            video["annotations"] = [{"segment": [1, 2], "label": "juggle"}]
    (folder / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"expected labels that occur in training .* found 'juggle'"):
        load_training_data(configure(folder, data={"unseen_labels": "missed"}))


def test_a_subset_without_a_segment_is_refused(pack: Path, tmp_path: Path) -> None:
    folder = broken_pack(pack, tmp_path)
    content = json.loads((folder / "annotations.json").read_text())
    for video in content["database"].values():
        if video["subset"] == "validation":
            video["annotations"] = []
    (folder / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"'validation'.*validation_subset=null"):
        train(configure(folder), tmp_path / "run")


def test_transposed_features_without_durations_are_doubted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # Nothing tells 40 snippets of 12 channels from 12 snippets of 40 channels but the instances after the twelfth.
    (tmp_path / "features").mkdir()
    noise = np.random.default_rng(0).normal(size=(12, 40)).astype(np.float32)
    segments = {"a": [[1.0, 4.0], [30.0, 35.0]], "b": [[2.0, 6.0], [20.0, 39.0]]}
    for name in segments:
        np.save(tmp_path / "features" / f"{name}.npy", noise)
    for moved in (0.0, 10.0):  # beyond both axes, it is something else
        database = {
            name: {
                "subset": "training",
                "fps": 1.0,
                "annotations": [{"segment": [s, e + moved], "label": "clap"} for s, e in pairs],
            }
            for name, pairs in segments.items()
        }
        (tmp_path / "annotations.json").write_text(json.dumps({"database": database}))
        caplog.clear()
        data = {"validation_subset": None, "scale": 1.0}
        load_training_data(configure(tmp_path, data=data))
        assert ("are the features transposed? Then set data.layout=CT" in caplog.text) == (moved == 0.0)


def test_times_in_a_wrong_unit_are_refused_and_a_few_outside_are_counted(
    pack: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = broken_pack(pack, tmp_path)
    content = json.loads((folder / "annotations.json").read_text())
    for video in content["database"].values():
        del video["duration"]
    video["subset"] = "training"
    video["annotations"] = [{"segment": [1.0, 900.0], "label": "clap"}, {"segment": [800.0, 900.0], "label": "clap"}]
    (folder / "annotations.json").write_text(json.dumps(content))
    train(configure(folder, training={"epochs": 1}), tmp_path / "run")
    assert "clipped 1 that end after the features" in caplog.text
    assert "left out 1 outside the video" in caplog.text
    for video in content["database"].values():
        video["annotations"] = [{"segment": [5000.0, 6000.0], "label": "clap"}]
    (folder / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="seconds"):
        train(configure(folder), tmp_path / "run-2")


def test_an_ambiguous_label_is_an_action_with_a_warning(pack: Path, tmp_path: Path, caplog) -> None:
    folder = broken_pack(pack, tmp_path)
    content = json.loads((folder / "annotations.json").read_text())
    for video in content["database"].values():
        video["annotations"].append({"segment": [1.0, 4.0], "label": "Ambiguous"})
    (folder / "annotations.json").write_text(json.dumps(content))
    assert "Ambiguous" in load_training_data(configure(folder)).facts.labels
    assert "16 instances labelled 'Ambiguous' as an action of its own" in caplog.text


def test_a_pack_whose_times_are_frames_is_asked_about(
    pack: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = broken_pack(pack, tmp_path)
    content = json.loads((folder / "annotations.json").read_text())
    for video in content["database"].values():
        video["annotations"] = [{"segment": [0.5, 1.5], "label": "clap"}]
        video["annotations"] += [{"segment": [1000.0 * n, 1000.0 * n + 50], "label": "clap"} for n in (1, 2)]
    (folder / "annotations.json").write_text(json.dumps(content))
    train(configure(folder, training={"epochs": 1}), tmp_path / "run")
    assert "instances outside their videos" in caplog.text
    assert "are these frames, minutes or milliseconds?" in caplog.text
    for video in content["database"].values():
        del video["annotations"][0]
    (folder / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"outside their videos.*rcl import with --times"):
        train(configure(folder), tmp_path / "run-2")


def test_proposals_are_validated_without_labels(pack: Path, tmp_path: Path) -> None:
    content = json.loads((broken_pack(pack, tmp_path) / "annotations.json").read_text())
    validation = next(video for video in content["database"].values() if video["subset"] == "validation")
    validation["annotations"][0]["label"] = "juggle"  # never seen in training, and no matter
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    proposals = {"model": {"labels": "none", "head": {**HEAD, "steps": 1}}, "training": {"epochs": 6, "batch_size": 2}}
    train(configure(tmp_path, **proposals), tmp_path / "run")
    assert rows_of(tmp_path / "run")[-1]["validation_mAP"] > 0.05


def test_a_missing_validation_subset_says_how_to_do_without(pack: Path, tmp_path: Path) -> None:
    folder = broken_pack(pack, tmp_path)
    content = json.loads((folder / "annotations.json").read_text())
    for video in content["database"].values():
        video["subset"] = "training"
    (folder / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="validation_subset=null"):
        train(configure(folder), tmp_path / "run")


def test_a_spreadsheet_and_one_file_of_features_are_a_pack(pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    annotations = load_annotations(pack / "annotations.json")
    lines = ["video,start,end,label,subset,fps"]
    for name, video in annotations.videos.items():
        for (start, end), label in zip(video.segments_seconds, video.labels, strict=True):
            lines.append(f"{name},{start},{end},{label},{video.subset},5")
    (tmp_path / "annotations.csv").write_text("\n".join(lines))
    with h5py.File(tmp_path / "features.h5", "w") as archive:
        for path in (pack / "features").iterdir():
            archive[path.stem] = np.load(path)
    checkpoint = train(configure(tmp_path, training={"epochs": 1}), tmp_path / "run")
    for inputs, videos in ((tmp_path, 20), (tmp_path / "features.h5", 20)):
        assert rcl_("detect", checkpoint, inputs, "--output", tmp_path / "d.json").status == 0
        assert len(load_detections(tmp_path / "d.json").videos) == videos


def test_a_video_without_actions_and_one_of_one_snippet_are_ordinary(pack: Path, tmp_path: Path) -> None:
    folder = broken_pack(pack, tmp_path, annotations=[])
    content = json.loads((folder / "annotations.json").read_text())
    content["database"]["video-004"].update(duration=0.2, annotations=[{"segment": [0.0, 0.2], "label": "clap"}])
    content["database"]["video-018"].update(duration=0.2, annotations=[])
    (folder / "annotations.json").write_text(json.dumps(content))
    for name in ("video-004", "video-018"):
        (folder / "features" / f"{name}.npy").unlink()
        np.save(folder / "features" / f"{name}.npy", np.zeros((1, 32), dtype=np.float32))
    train(configure(folder, training={"epochs": 1}), tmp_path / "run")
    assert np.isfinite(rows_of(tmp_path / "run")[0]["loss"])
