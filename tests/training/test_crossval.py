"""Cross-validation: what is trained on what, and that a killed one continues to the same result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

import rcl.training.fit
import rcl.training.fold_run as fold_run
from quick import quick_fit
from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.detector.config import Config
from rcl.detector.load_config import load_config, parse_config
from rcl.evaluation.metrics import evaluate
from rcl.evaluation.out_of_fold import CrossValidation
from rcl.system.errors import InputError
from rcl.training.crossval import CrossvalObserver, crossval
from rcl.training.fit import fit
from rcl.training.fold_run import FoldRun, train_fold
from rcl.training.trainings import TrainingsFailed, described, is_expected
from tiny_pack import tiny_annotations, tiny_pack
from waiting import PATIENCE_SECONDS, wait_until

SECTIONS: dict[str, Any] = {
    "model": {
        "encoder": {"name": "temporal", "channels": 8, "layers": 1},
        "head": {"channels": 8, "points": 4, "steps": 1},
    },
    "sampling": {"regular": 30, "scale_invariant": 4},
    "training": {"epochs": 2, "epoch_steps": 2, "batch_size": 2},
}
GROUPS = ["anna", "ben", "anna", "cleo", "ben", "cleo"]


@pytest.fixture
def config() -> Config:
    """A training of a few steps."""
    return parse_config(SECTIONS, where="test")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Six videos of three people, in several subsets."""
    return tiny_pack(tmp_path / "pack", tiny_annotations(6, groups=GROUPS, subsets={1: "validation", 5: "testing"}))


def results(folder: Path) -> dict[str, bytes]:
    """What a cross-validation leaves beside its runs."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.json"))}


def interrupt_after(monkeypatch: pytest.MonkeyPatch, count: int) -> list[str]:
    """Interrupt the trainings after some; the names of all that begin are kept."""
    begun = list[str]()

    def train(run: FoldRun) -> None:
        if len(begun) == count:
            raise KeyboardInterrupt
        begun.append(run.name)
        train_fold(run)

    monkeypatch.setattr(fold_run, "train_fold", train)
    return begun


# -- results -----------------------------------------------------------------------------------------------------


def test_every_group_is_held_out_once_from_its_detectors(pack: Path, config: Config, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    result = crossval(pack, output=out, config=config, seeds=2)
    assert [fold.groups for fold in result.folds] == [("anna",), ("ben",), ("cleo",)]
    assert [fold.videos for fold in result.folds] == [("v0", "v2"), ("v1", "v4"), ("v3", "v5")]
    assert result.seeds == (0, 1)
    for number, fold in enumerate(result.folds, start=1):
        trained = load_annotations(out / f"fold-{number}" / "annotations.json")
        assert {*trained.subset("validation").videos} == {*fold.videos}
        assert {*trained.subset("training").videos} == {*(f"v{one}" for one in range(6))} - {*fold.videos}
        for seed in (0, 1):
            run = out / f"fold-{number}" / f"seed-{seed}"
            used = load_config(run / "config.yaml")
            assert used.data.annotations == out / f"fold-{number}" / "annotations.json"
            assert (used.data.training_subset, used.training.seed) == ("training", seed)
            assert {*load_detections(run / "detections.json").videos} == {*fold.videos}


def test_the_numbers_are_those_of_the_evaluation(pack: Path, config: Config, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    result = crossval(pack, output=out, config=config, seeds=2, tiou_thresholds=[0.1, 0.2])
    truth = load_annotations(out / "annotations.json", clip=False)
    assert {video.subset for video in truth.videos.values()} == {"validation"}

    def value(found: Detections, videos: Sequence[str]) -> float:
        part = Annotations({name: truth.videos[name] for name in videos})
        return evaluate(found, part, tiou_thresholds=[0.1, 0.2]).average_map

    for seed in result.seeds:
        pooled = load_detections(out / f"detections-seed-{seed}.json")
        assert result.pooled.values[seed] == pytest.approx(value(pooled, [*truth.videos]))
        own = [
            value(load_detections(out / f"fold-{number}" / f"seed-{seed}" / "detections.json"), fold.videos)
            for number, fold in enumerate(result.folds, start=1)
        ]
        assert [fold.score.values[seed] for fold in result.folds] == pytest.approx(own)
        assert result.mean_of_folds.values[seed] == pytest.approx(sum(own) / 3)
    content = json.loads((out / "crossval.json").read_text())
    assert content == result.to_json()
    assert content["counts"] == {"videos": 6, "ground_truths": 12}
    assert content["pooled"]["average_mAP"] == pytest.approx(sum(result.pooled.values) / 2)


def test_a_fold_is_a_fit_of_these_subsets(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_fit(monkeypatch)
    out, alone = tmp_path / "runs", tmp_path / "alone"
    result = crossval(pack, output=out, folds=2, seeds=1, ensemble=2)
    assert result.pooled.spread is None
    fit(pack, out / "fold-1" / "annotations.json", alone, ensemble=2)
    run = out / "fold-1" / "seed-0"
    assert {path.name for path in run.iterdir()} >= {"config.yaml", "last.ckpt", "metrics.csv", "evaluation.json"}
    for name in ("detections.json", "evaluation.json"):
        assert (run / name).read_bytes() == (alone / name).read_bytes()


def test_labels_of_one_fold_are_named(tmp_path: Path, config: Config, caplog: pytest.LogCaptureFixture) -> None:
    pack = tiny_pack(tmp_path / "pack")
    content = json.loads((pack / "annotations.json").read_text())
    content["database"]["v0"]["annotations"][0]["label"] = "somersault"
    (pack / "annotations.json").write_text(json.dumps(content))
    crossval(pack, output=tmp_path / "runs", config=config, folds=2, seeds=1)
    assert "in one fold only, so that no detector learns to find it elsewhere: 'somersault'" in caplog.text


def test_unlabelled_videos_and_other_subsets_take_no_part(tmp_path: Path, config: Config) -> None:
    content = tiny_annotations(6, subsets={4: "validation", 5: "testing"}, without=[0, 5])
    pack = tiny_pack(tmp_path / "pack", content)
    found = [
        crossval(pack, output=tmp_path / f"runs-{subset}", config=config, folds=2, seeds=1, subset=subset)
        for subset in (None, "training")
    ]
    videos = [{name for fold in result.folds for name in fold.videos} for result in found]
    assert videos == [{"v1", "v2", "v3", "v4"}, {"v1", "v2", "v3"}]


def test_features_elsewhere_rates_of_the_configuration_and_proposals(tmp_path: Path) -> None:
    pack = tiny_pack(tmp_path / "pack", tiny_annotations(4, rate=None))
    (pack / "features").rename(tmp_path / "elsewhere")
    data = {"root": str(pack), "features": str(tmp_path / "elsewhere"), "snippets_per_second": 2.0}
    sections = {**SECTIONS, "model": {**SECTIONS["model"], "labels": "none"}, "data": data}
    result = crossval(output=tmp_path / "runs", config=parse_config(sections, where="test"), folds=2, seeds=1)
    assert load_detections(tmp_path / "runs" / "detections-seed-0.json").labels == ("",)
    assert result.instances == 8


# -- interruptions -----------------------------------------------------------------------------------------------


def test_an_interrupted_one_continues_to_the_same_result(
    pack: Path, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "runs"
    crossval(pack, output=whole, config=config, seeds=1)
    with monkeypatch.context() as patch:
        begun = interrupt_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            crossval(pack, output=out, config=config, seeds=1)
        assert begun == ["fold 1, seed 0"]
    assert not (out / "crossval.json").exists()
    with monkeypatch.context() as patch:
        begun = interrupt_after(patch, 9)
        crossval(pack, output=out, config=config, seeds=1)
        assert begun == ["fold 2, seed 0", "fold 3, seed 0"]
    assert results(out) == results(whole)
    with monkeypatch.context() as patch:  # more seeds repeat nothing
        begun = interrupt_after(patch, 9)
        assert crossval(pack, output=out, config=config, seeds=2).seeds == (0, 1)
        assert begun == [f"fold {number}, seed 1" for number in (1, 2, 3)]


def test_a_fit_that_stopped_before_it_detected_continues(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_fit(monkeypatch)
    whole, out = tmp_path / "whole", tmp_path / "runs"
    crossval(pack, output=whole, folds=2, seeds=1)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rcl.training.fit, "detect_held_out", stop)
        with pytest.raises(KeyboardInterrupt):
            crossval(pack, output=out, folds=2, seeds=1)
    assert [path.parent.parent.name for path in out.glob("*/seed-0/last.ckpt")] == ["fold-1"]
    crossval(pack, output=out, folds=2, seeds=1)
    assert results(out) == results(whole)


def test_a_killed_one_with_several_processes_continues_to_the_same_result(
    pack: Path, config: Config, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "runs"
    sections = {**SECTIONS, "training": {**SECTIONS["training"], "epochs": 8}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(sections))
    crossval(pack, output=whole, config=load_config(tmp_path / "config.yaml"), folds=2, seeds=1)
    command = [sys.executable, "-m", "rcl.cli", "crossval", tmp_path / "config.yaml", pack, "--output", out]
    process = subprocess.Popen([*command, "--folds", "2", "--seeds", "1", "--jobs", "2"], stderr=subprocess.DEVNULL)
    children = list[psutil.Process]()

    def some_training_has_begun() -> bool:
        return any(out.glob("fold-*/seed-0/last.ckpt"))

    try:
        wait_until(some_training_has_begun, process)
        children = psutil.Process(process.pid).children(recursive=True)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
    assert children
    assert psutil.wait_procs(children, PATIENCE_SECONDS)[1] == []  # they end with their parent
    assert not (out / "crossval.json").exists()
    crossval(pack, output=out, config=load_config(tmp_path / "config.yaml"), folds=2, seeds=1)
    assert results(out) == results(whole)


def test_a_training_that_fails_is_named_and_the_others_go_on(
    pack: Path, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "runs"
    crossval(pack, output=whole, config=config, seeds=1)

    def train(run: FoldRun) -> None:
        if run.fold == 2:
            raise RuntimeError("a fault")
        train_fold(run)

    class Observer(CrossvalObserver):
        said: list[str]

        def failed(self, run: FoldRun, error: Exception) -> None:
            self.said = [f"{run.name}: {error}"]

    observer = Observer()
    with monkeypatch.context() as patch:
        patch.setattr(fold_run, "train_fold", train)
        with pytest.raises(TrainingsFailed, match=r"1 of 3 trainings failed: fold 2, seed 0\. The same"):
            crossval(pack, output=out, config=config, seeds=1, observer=observer)
    assert observer.said == ["fold 2, seed 0: a fault"]
    crossval(pack, output=out, config=config, seeds=1)
    assert results(out) == results(whole)


def test_a_training_whose_process_is_killed_is_said_without_a_trace() -> None:
    error = fold_run.ProcessKilled(Path("runs/fold-1/seed-0/log.txt"))
    assert is_expected(error)
    assert described(error).endswith("(use fewer --jobs then); see runs/fold-1/seed-0/log.txt.")
    assert not is_expected(KeyError("a"))
    assert described(KeyError("a")) == "KeyError: 'a'"


# -- folders and errors ------------------------------------------------------------------------------------------


@pytest.fixture
def begun(pack: Path, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cross-validation that has begun."""
    interrupt_after(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt):
        crossval(pack, output=tmp_path / "runs", config=config, seeds=1)
    monkeypatch.setattr(fold_run, "train_fold", train_fold)
    return tmp_path / "runs"


def changed(config: Config, **training: Any) -> Config:
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def test_another_cross_validation_is_refused(begun: Path, pack: Path, config: Config, tmp_path: Path) -> None:
    other = tiny_pack(tmp_path / "other", load_annotations(pack / "annotations.json"))
    before = results(begun)

    def refused(words: str, source: Path = pack, **options: Any) -> None:
        with pytest.raises(InputError, match=words):
            crossval(source, output=begun, **{"config": config, "seeds": 1, **options})

    refused(f"expected the pack that it began with, {pack}, found {other}; give what it began with", other)
    words = r"settings that it began with \(training.epochs=2\), found training.epochs=3"
    refused(words, config=changed(config, epochs=3))
    refused("settings that it began with", config=None)
    refused("expected the 3 folds that it began with, found 2 others", folds=2)
    content = json.loads((pack / "annotations.json").read_text())
    content["database"]["v3"]["annotations"][0]["segment"][0] += 0.5
    (pack / "annotations.json").write_text(json.dumps(content))
    refused("expected the labels that it began with, found others of video 'v3'")
    assert results(begun) == before
    result: CrossValidation = crossval(pack, output=begun, config=config, seeds=1, overwrite=True)
    assert result.videos == 6


def test_nothing_of_another_origin_is_replaced(pack: Path, config: Config, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "annotations.json").write_text("{}")
    with pytest.raises(InputError, match="expected a new folder, or one of rcl crossval, found other files"):
        crossval(pack, output=tmp_path / "notes", config=config)
    for folder in (pack, pack / "features"):
        with pytest.raises(InputError, match="expected a folder for the runs, found that of the pack"):
            crossval(pack, output=folder, config=config, overwrite=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"folds": 1}, "--folds: expected 2 or more, found 1; give at least 2"),
        ({"folds": 4}, r"expected at least 4 groups of videos .* found 3 groups in 6 videos"),
        ({"folds": 7, "group": "video"}, "found 6 groups in 6 videos"),
        ({"group": "v"}, "expected at least 2 groups of videos .* found 1 group in 6 videos"),
        ({"group": "S[0-9]"}, r"--group: expected names of videos that contain 'S\[0-9\]', found 'v0' \(and 5 more\)"),
        ({"group": "("}, r"--group: expected group, video or a regular expression, found '\('"),
        ({"ensemble": 2}, "expected no option of rcl fit, found --ensemble; leave it out"),
    ],
)
def test_wrong_options_are_one_sentence(
    pack: Path, config: Config, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        crossval(pack, output=tmp_path / "runs", config=config, **options)
    assert not (tmp_path / "runs").exists()


def test_missing_groups_and_packs_are_said(tmp_path: Path, config: Config) -> None:
    pack = tiny_pack(tmp_path / "pack")
    with pytest.raises(InputError, match=r"expected videos with a group, found none; add a column .*--folds"):
        crossval(pack, output=tmp_path / "runs", config=config)
    with pytest.raises(InputError, match=r"a pack of features, found none; add the pack .*or data\.root"):
        crossval(output=tmp_path / "runs", config=config, folds=2)
    with pytest.raises(InputError, match="no such file"):
        crossval(tmp_path / "nowhere", output=tmp_path / "runs", folds=2)
