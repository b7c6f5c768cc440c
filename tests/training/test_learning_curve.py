"""Learning curves: what is trained on what, what is not repeated, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rcl.training.fold_run as fold_run
from quick import quick_fit
from rcl.data.annotations import Annotations
from rcl.data.formats.load import load_annotations
from rcl.data.formats.results import load_detections
from rcl.detector.load_config import load_config
from rcl.evaluation.learning_curve import LearningCurve
from rcl.system.errors import InputError
from rcl.training.fit import fit
from rcl.training.fold_run import FoldRun
from rcl.training.learning_curve import learning_curve
from rcl.training.trainings import TrainingsFailed
from tiny_pack import tiny_annotations, tiny_pack

HELD_OUT = {"v6", "v7"}


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six training videos, and two that are held out."""
    annotations = tiny_annotations(8, subsets={6: "validation", 7: "validation"})
    return tiny_pack(tmp_path_factory.mktemp("curve") / "pack", annotations)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[FoldRun]:
    """Trainings that only write a score that grows with the labels; those that were made are kept."""
    made = list[FoldRun]()

    def train(run: FoldRun) -> None:
        made.append(run)
        run.folder.mkdir(parents=True)
        run.evaluation.write_text(json.dumps({"average_mAP": 0.8 - 0.05 / (run.fold / 1000) + 0.01 * run.seed}))

    monkeypatch.setattr(fold_run, "train_fold", train)
    return made


def content(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "learning_curve.json").read_text())


def test_a_run_is_the_training_with_all_labels(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_fit(monkeypatch)
    run = fit(pack, output=tmp_path / "run", seed=3)
    assert run.evaluation is not None
    out = tmp_path / "curve"
    curve = learning_curve(tmp_path / "run", output=out, shares=(0.25, 0.5), seeds=1)
    assert [point.share for point in curve.points] == [0.25, 0.5, 1.0]
    assert curve.points[-1].scores == (run.evaluation.average_map,)
    assert [path.name for path in (out / "share-1" / "seed-3").iterdir()] == ["evaluation.json"]  # not trained again
    own = load_config(tmp_path / "run" / "config.yaml")
    for share, instances in ((0.25, 3), (0.5, 6)):
        folder = out / f"share-{share:g}" / "seed-3"
        assert {*load_detections(folder / "detections.json").videos} == HELD_OUT
        used = load_config(folder / "config.yaml")
        assert (used.model, used.training) == (own.model, own.training)
        labels = load_annotations(folder.parent / "labels-3.json")
        assert {*labels.subset("validation").videos} == HELD_OUT
        count = sum(len(video.labels) for video in labels.subset("training").videos.values())
        assert count == pytest.approx(instances, abs=2)
    assert content(out)["trainings"] == {"done": 3, "count": 3}


def test_a_pack_has_the_settings_that_fit_chooses_for_all_labels(
    pack: Path, tmp_path: Path, trained: list[FoldRun]
) -> None:
    curve = learning_curve(pack, output=tmp_path / "curve", seeds=2, more_minutes=[0.5])
    assert len(trained) == 8
    assert len({json.dumps(run.recipe) for run in trained}) == 1
    assert {run.seed for run in trained} == {0, 1}
    assert content(tmp_path / "curve")["forecasts"] == [curve.forecast(0.5).to_json()]
    assert all(point.spread == pytest.approx(0.005) for point in curve.points)
    assert not [path for path in pack.iterdir() if path.name not in ("annotations.json", "features")]


def test_an_interrupted_one_continues_and_tells_how_far_it_is(
    pack: Path, tmp_path: Path, trained: list[FoldRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    train: Callable[[FoldRun], None] = fold_run.train_fold  # type: ignore[attr-defined]

    def stop(run: FoldRun) -> None:
        if len(trained) == 2:
            raise KeyboardInterrupt
        train(run)

    def measured() -> LearningCurve:
        return learning_curve(pack, output=tmp_path / "curve", seeds=1)

    with monkeypatch.context() as patch:
        patch.setattr(fold_run, "train_fold", stop)
        with pytest.raises(KeyboardInterrupt):
            measured()
    half = content(tmp_path / "curve")
    assert half["trainings"] == {"done": 2, "count": 4}
    assert [point["share"] for point in half["points"]] == [0.125, 0.25]
    assert half["forecasts"] == []
    first = measured()
    assert len(trained) == 4
    assert measured() == first
    assert len(trained) == 4


def test_a_training_that_fails_is_named_and_the_others_go_on(
    pack: Path, tmp_path: Path, trained: list[FoldRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    train: Callable[[FoldRun], None] = fold_run.train_fold  # type: ignore[attr-defined]

    def fail(run: FoldRun) -> None:
        if run.fold == 250:
            raise RuntimeError("a fault")
        train(run)

    monkeypatch.setattr(fold_run, "train_fold", fail)
    with pytest.raises(TrainingsFailed, match=r"1 of 4 trainings failed: 25 % of the labels, seed 0\. The same"):
        learning_curve(pack, output=tmp_path / "curve", seeds=1)
    assert content(tmp_path / "curve")["trainings"] == {"done": 3, "count": 4}


# -- what is refused ---------------------------------------------------------------------------------------------


def test_other_labels_need_another_folder(pack: Path, tmp_path: Path, trained: list[FoldRun]) -> None:
    out = tmp_path / "curve"
    learning_curve(pack, output=out, seeds=1)
    labels = load_annotations(pack / "annotations.json")
    less = replace(labels.videos["v0"], segments_seconds=labels.videos["v0"].segments_seconds[:1], labels=("jump",))
    changed = replace(labels, videos={**labels.videos, "v0": less})
    with pytest.raises(InputError, match="the labels that it began with, found others of video 'v0'"):
        learning_curve(pack, changed, out, seeds=1)
    (out / "mine.txt").write_text("keep")
    learning_curve(pack, changed, out, seeds=1, overwrite=True)
    assert len(trained) == 8
    assert (out / "mine.txt").exists()


def test_what_cannot_be_measured_is_refused(pack: Path, tmp_path: Path, trained: list[FoldRun]) -> None:
    labels = load_annotations(pack / "annotations.json")

    def refused(words: str, source: Path = pack, annotations: Annotations | None = None, **options: Any) -> None:
        with pytest.raises(InputError, match=words):
            learning_curve(source, annotations, tmp_path / "curve", **options)
        assert not trained
        assert not (tmp_path / "curve").exists()

    few = replace(labels, videos={name: labels.videos[name] for name in ("v0", "v6")})
    refused("at least 3 different subsets of the training labels with instances, found 2", annotations=few)
    refused("at least 3 different subsets", shares=(0.5,))
    refused("shares of the labels above 0, up to 1, found 1.5", shares=(0.1, 1.5))
    alone = replace(labels, videos={"v0": labels.videos["v0"]})
    refused("expected held-out videos, on which all detectors are compared, found none", annotations=alone)
    refused("expected a pack of features, or a finished run, found videos", tmp_path, labels)
    unfinished = tmp_path / "run"
    shutil.copytree(pack / "features", unfinished / "videos")
    refused("expected videos and their labels, or a pack of features", unfinished)
