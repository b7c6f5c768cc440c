"""The search of settings: it sees training videos alone, keeps its time, and is not misled by chance."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rcl
import rcl.training.trials
from quick import quick_fit
from rcl.data.annotations import Annotations
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.detector.config import Config
from rcl.training.budget import Budget, spend
from rcl.training.choices import Choice
from rcl.training.extraction import Extraction
from rcl.training.fit_pack import plan_pack
from rcl.training.fit_result import FitObserver
from rcl.training.plan import FitRun
from rcl.training.recipe import Alternative
from rcl.training.trials import MARGIN, Trials, mean_gain, usable_folds
from tiny_pack import tiny_annotations, tiny_pack

WIDE, DROPOUT = Alternative("wide", {}), Alternative("dropout", {})
HELD_OUT = {6: "validation", 7: "testing"}
PLENTY_SECONDS = 10_000.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short trainings."""
    quick_fit(monkeypatch)


class Record(FitObserver):
    """Keeps the trials and the choices."""

    def __init__(self) -> None:
        self.trials: list[tuple[str, int, float]] = []
        self.choices: list[Choice] = []

    def tried(self, name: str, fold: int, average_map: float) -> None:
        self.trials.append((name, fold, average_map))

    def chosen(self, choice: Choice) -> None:
        self.choices.append(choice)


@dataclass
class Scripted:
    """In place of trainings: each takes a while on a clock of its own and has a score that was fixed before.

    Args:
        scores: name of a trial to the scores on the folds; 0.5 for others.
        seconds: that a trial takes.
    """

    scores: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 10.0
    now: float = 0.0
    ends: list[float] = field(default_factory=list)
    files: list[Annotations] = field(default_factory=list)

    def train(self, config: Config, run: Path, **options: Any) -> None:
        name, number = run.name.rsplit("-", 1)
        scores = self.scores.get(name, [])
        score = scores[int(number)] if int(number) < len(scores) else 0.5
        run.mkdir(parents=True)
        (run / "metrics.csv").write_text(f"epoch,loss,validation_mAP\n0,1.0,\n1,0.9,{score}\n")
        self.files.append(load_annotations(str(config.data.annotations)))
        self.now += self.seconds
        self.ends.append(self.now)


Run = Callable[..., tuple[Alternative | None, list[tuple[str, int, float]]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The search with scripted trainings: the best alternative, and the trials."""
    numbers = count()

    def search(
        script: Scripted,
        *,
        training: Annotations | None = None,
        deadline: float = np.inf,
        alternatives: tuple[Alternative, ...] = (WIDE, DROPOUT),
        expected: float = 10.0,
    ) -> tuple[Alternative | None, list[tuple[str, int, float]]]:
        monkeypatch.setattr(rcl.training.trials, "train", script.train)
        monkeypatch.setattr(rcl.training.trials, "time", SimpleNamespace(monotonic=lambda: script.now))
        record = Record()
        folder = tmp_path / str(next(numbers)) / "trials"
        trials = Trials(Config(), training or tiny_annotations(6), folder, deadline, expected_seconds=expected)
        best = trials.best(alternatives, record.tried)
        assert not folder.exists()
        kept = json.loads((folder.parent / "search.json").read_text())
        assert [(name, score) for name in kept for score in kept[name]] == [
            (name, score) for name in kept for tried, _, score in record.trials if tried == name
        ]
        return best, record.trials

    return search


# -- held-out videos -------------------------------------------------------------------------------------------------


def held_out_search(root: Path, labels: Annotations, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """What the search finds, chooses and writes where no file of a held-out video can be read."""
    pack, out = tiny_pack(root / "pack", labels), root / "run"
    plan = plan_pack(pack, None, FitRun(out), Extraction(), FitObserver())
    for number in HELD_OUT:
        (pack / "features" / f"v{number}.npy").write_bytes(b"damaged")
    train, seen = rcl.training.trials.train, list[set[str]]()

    def watched(config: Config, run: Path, **options: Any) -> Path:
        seen.append({*load_annotations(str(config.data.annotations)).videos})
        assert config.data.training_subset == "training"
        return train(config, run, **options)

    with monkeypatch.context() as patch:
        patch.setattr(rcl.training.trials, "train", watched)
        record, budget = Record(), Budget(rcl.training.trials.time.monotonic(), PLENTY_SECONDS)
        config, choices = spend(plan.config, load_annotations(plan.annotations).subset("training"), out, budget, record)
    assert len(seen) == len(record.trials) > 3
    assert all(videos == {f"v{number}" for number in range(6)} for videos in seen)
    kept = config.model_dump(mode="json", exclude={"data": {"root"}})
    names = [choice.name for choice in choices]
    return record.trials, kept, names, json.loads((out / "search.json").read_text())


def test_the_search_never_sees_held_out_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rcl.training.trials, "FOLDS", 2)
    labels = tiny_annotations(8, subsets=HELD_OUT)
    others = {**labels.videos}
    for number in HELD_OUT:
        video = labels.videos[f"v{number}"]
        changed = video.segments_seconds[::-1] + 1.0
        others[video.name] = type(video)(video.name, video.subset, None, 2.0, changed, ("swim", "jump"), None)
    first = held_out_search(tmp_path / "a", labels, monkeypatch)
    assert held_out_search(tmp_path / "b", Annotations(others), monkeypatch) == first


def test_every_video_is_held_out_once_and_groups_stay_together(run: Run) -> None:
    content = tiny_annotations(8, groups=["anna", "ben", "cleo", "dan"] * 2)
    script = Scripted()
    run(script, training=content, alternatives=(WIDE,))
    parts = [{n for n, video in file.videos.items() if video.subset == "validation"} for file in script.files[::2]]
    assert len(script.files) == len(parts) * 2 == 2  # the other is no better, so that it ends after a fold
    script = Scripted({"wide": [0.6] * 3})
    run(script, training=content, alternatives=(WIDE,))
    parts = [{n for n, video in file.videos.items() if video.subset == "validation"} for file in script.files[::2]]
    assert sorted(name for part in parts for name in part) == sorted(content.videos)
    assert len(parts) == 3
    for part in parts:
        groups = {content.videos[name].group for name in part}
        assert part == {name for name, video in content.videos.items() if video.group in groups}


def test_folds_that_cannot_be_evaluated_are_left_out() -> None:
    assert usable_folds(tiny_annotations(1)) == []
    assert usable_folds(tiny_annotations(4, groups=["anna"] * 4)) == []
    assert usable_folds(tiny_annotations(3, without=[1, 2])) == []  # nothing to learn, or nothing to find
    assert len(usable_folds(tiny_annotations(3, without=[2]))) == 2
    assert len(usable_folds(tiny_annotations(2))) == 2
    assert len(usable_folds(tiny_annotations(9))) == 3


@pytest.mark.parametrize("groups", [(), ("anna", "anna", "anna")])
def test_videos_that_make_no_folds_are_fitted_without_trials(tmp_path: Path, groups: tuple[str, ...]) -> None:
    number = len(groups) or 2
    content = tiny_annotations(number, groups=groups, subsets={number - 1: "validation"})
    record = Record()
    result = rcl.fit(
        tiny_pack(tmp_path / "pack", content),
        output=tmp_path / "run",
        budget_seconds=PLENTY_SECONDS,
        ensemble=1,
        observer=record,
    )
    assert result.evaluation is not None
    assert record.trials == []
    assert json.loads((tmp_path / "run" / "search.json").read_text()) == {}


# -- decisions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wide", "dropout", "expected"),
    [
        ([0.55, 0.55, 0.55], [0.4], WIDE),
        ([0.55, 0.55, 0.55], [0.6, 0.6, 0.6], DROPOUT),
        ([0.515, 0.515, 0.515], [0.4], None),  # 1.5 % on the mean of three: chance may do that
        ([0.525, 0.525, 0.525], [0.4], WIDE),
        ([0.9, 0.0, 0.9], [0.4], None),  # given up after two folds
        ([0.4], [0.5], None),
    ],
)
def test_an_alternative_has_to_win_by_more_than_chance(
    run: Run, wide: list[float], dropout: list[float], expected: Alternative | None
) -> None:
    best, trials = run(Scripted({"wide": wide, "dropout": dropout}))
    assert best is expected
    for name, scores in (("wide", wide), ("dropout", dropout)):
        gains = np.cumsum(np.array(scores) - 0.5)
        tried = next((number + 1 for number, gain in enumerate(gains) if gain <= 0), 3)
        assert [fold for each, fold, _ in trials if each == name] == [*range(tried)]


def test_one_fold_needs_a_larger_difference(run: Run) -> None:
    for gain, expected in ((MARGIN - 0.001, None), (MARGIN + 0.001, WIDE)):
        script = Scripted({"wide": [0.5 + gain] * 3})
        best, trials = run(script, deadline=25.0, alternatives=(WIDE,))
        assert [name for name, *_ in trials] == ["the recipe", "wide"]
        assert best is expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=3), st.lists(st.floats(0, 1), max_size=3))
def test_the_mean_gain_compares_the_folds_of_both(recipe: list[float], other: list[float]) -> None:
    both = min(len(recipe), len(other))
    found = mean_gain({"the recipe": recipe, "other": other}, "other")
    expected = np.mean(other[:both]) - np.mean(recipe[:both]) if both else -np.inf
    assert found == pytest.approx(expected, abs=1e-8)


# -- time ------------------------------------------------------------------------------------------------------------


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deadline=st.floats(0, 150), expected=st.floats(0, 30))
def test_no_trial_begins_that_would_end_after_the_deadline(run: Run, deadline: float, expected: float) -> None:
    script = Scripted({"wide": [0.6] * 3, "dropout": [0.7] * 3})
    _, trials = run(script, deadline=deadline, expected=expected)
    begins = [end - script.seconds for end in script.ends]
    assert all(begin + expected <= deadline for begin in begins)
    assert all(end <= deadline for end in script.ends[1:])  # the first one shows how long they take
    names = [name for name, *_ in trials]
    assert names == (["the recipe", "wide", "dropout"] * 3)[: len(names)]
    if expected >= script.seconds:
        assert not names or "wide" in names  # the recipe alone compares nothing


def test_what_an_interrupted_search_left_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "trials" / "the-recipe-0"
    old.mkdir(parents=True)
    (old / "metrics.csv").write_text("epoch,validation_mAP\n0,0.9\n")
    script = Scripted()
    monkeypatch.setattr(rcl.training.trials, "train", script.train)
    trials = Trials(Config(), tiny_annotations(4), tmp_path / "trials", np.inf)
    assert trials.best([WIDE], lambda *_: None) is None
    assert json.loads((tmp_path / "search.json").read_text()) == {"the recipe": [0.5], "wide": [0.5]}


def test_annotations_of_trials_hold_what_the_pack_says(run: Run, tmp_path: Path) -> None:
    content = tiny_annotations(5, groups=["a", "a", "b", "b", "c"])
    save_annotations(content, tmp_path / "whole.json")
    script = Scripted()
    run(script, training=load_annotations(tmp_path / "whole.json"), alternatives=(WIDE,))
    for name, video in script.files[0].videos.items():
        own = content.videos[name]
        assert (video.labels, video.group, video.snippets_per_second) == (own.labels, own.group, 2.0)
        np.testing.assert_array_equal(video.segments_seconds, own.segments_seconds)
