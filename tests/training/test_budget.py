"""What a budget of time buys: fewer steps, trials, further networks; and nothing of it where none is given."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import rcl
import rcl.training.budget
import rcl.training.fit
import rcl.training.run
import rcl.training.trials
from quick import quick_fit
from rcl.data.formats.load import load_annotations
from rcl.detector.checkpoint import read_checkpoint
from rcl.detector.config import Config
from rcl.detector.load_config import load_config
from rcl.training.budget import AVERAGE, MOST_MEMBERS, OVERHEAD, Budget, complete, seconds_per_step, spend
from rcl.training.choices import Choice
from rcl.training.extraction import Extraction
from rcl.training.fit_pack import plan_pack
from rcl.training.fit_result import FitObserver
from rcl.training.plan import FitPlan, FitRun
from rcl.training.recipe import Alternative
from rcl.training.trials import TRIAL_STEPS, Trials
from tiny_pack import tiny_annotations, tiny_pack
from typed import Rcl

STEPS = 3


class Record(FitObserver):
    """Keeps the choices."""

    def __init__(self) -> None:
        self.choices: list[Choice] = []

    def chosen(self, choice: Choice) -> None:
        self.choices.append(choice)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short trainings."""
    quick_fit(monkeypatch)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return tiny_pack(tmp_path / "pack", tiny_annotations(5, subsets={4: "validation"}))


@pytest.fixture
def plan(pack: Path, tmp_path: Path) -> FitPlan:
    return plan_pack(pack, None, FitRun(tmp_path / "run"), Extraction(), FitObserver())


Spend = Callable[..., tuple[Config, list[Choice]]]


@pytest.fixture
def spent(plan: FitPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spend:
    """What is done with some seconds where a training takes as many as are said, and trials take none."""

    def run(
        seconds: float, *, step: Callable[[Config], float] = lambda _: 10.0, best: Alternative | None = None
    ) -> tuple[Config, list[Choice]]:
        def search(trials: Trials, alternatives: Any, tried: Any) -> Alternative | None:
            assert trials.deadline < time.monotonic() + seconds / 2
            assert trials.expected_seconds == TRIAL_STEPS * OVERHEAD * STEPS * step(plan.config)
            return best

        monkeypatch.setattr(rcl.training.budget, "seconds_per_step", step)
        monkeypatch.setattr(Trials, "best", search)
        training = load_annotations(plan.annotations).subset("training")
        return spend(plan.config, training, tmp_path / "run", Budget(time.monotonic(), seconds), FitObserver())

    return run


# -- what time buys --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "steps"), [(30.0, 2), (13.0, 1), (1.0, 1), (-5.0, 1)])
def test_where_one_training_does_not_fit_it_gets_fewer_steps(spent: Spend, seconds: float, steps: int) -> None:
    config, choices = spent(seconds)
    assert config.training.epochs * (config.training.epoch_steps or 0) == steps
    assert config.training.members == 1
    (choice,) = choices
    assert choice.name == "training steps of the budget"
    assert choice.value == str(steps)
    assert choice.reason == f"3 do not fit into the budget of {seconds:.0f} s"


def test_networks_grow_with_the_budget(spent: Spend) -> None:
    once = OVERHEAD * STEPS * 10.0
    found = []
    for seconds in (1.1 * once, 2.5 * once, 3.5 * once, 100 * once):
        config, (choice,) = spent(seconds)
        assert choice.name == AVERAGE
        assert choice.value.startswith(f"{config.training.members} network")
        assert config.training.epoch_steps == STEPS
        found.append(config.training.members)
    assert found == [1, 2, 3, MOST_MEMBERS]


def test_what_won_the_trials_is_trained_and_its_own_time_counts(spent: Spend, plan: FitPlan) -> None:
    wide = Alternative("a wider look-up", {"model": {"head": {"context": 0.5}}})
    once = OVERHEAD * STEPS * 10.0

    def step(config: Config) -> float:
        return 10.0 if config.model.head == plan.config.model.head else 20.0

    config, choices = spent(4.5 * once, step=step, best=wide)
    assert config.model.head.model_dump() == {**plan.config.model.head.model_dump(), "context": 0.5}
    assert [choice.name for choice in choices] == ["changed after trials", AVERAGE]
    assert choices[0].value == "a wider look-up"
    assert config.training.members == 2


def test_the_number_of_networks_can_be_given(plan: FitPlan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rcl.training.budget, "seconds_per_step", lambda _: 10.0)
    monkeypatch.setattr(Trials, "best", lambda *_: None)
    for seconds in (None, 1.0, 1e6):
        record = Record()
        budget = None if seconds is None else Budget(time.monotonic(), seconds)
        found = complete(plan, tmp_path / "run", 2, budget, record)
        assert found.config.training.members == 2
        assert AVERAGE not in [choice.name for choice in found.choices]
        assert found.choices == (*plan.choices, *record.choices)


def test_without_a_budget_the_plan_stays(plan: FitPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rcl.training.budget, "spend", None)
    record = Record()
    assert complete(plan, tmp_path / "run", None, None, record) == plan
    assert record.choices == []


def test_steps_take_time(plan: FitPlan) -> None:
    assert 0 < seconds_per_step(plan.config) < 60


# -- the command -----------------------------------------------------------------------------------------------------


def test_the_command_prints_trials_and_choices(
    pack: Path, tmp_path: Path, rcl_: Rcl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rcl.training.budget, "MOST_MEMBERS", 2)
    monkeypatch.setattr(rcl.training.trials, "FOLDS", 2)
    out = tmp_path / "run"
    status, said, notes = rcl_("fit", pack, "--output", out, "--budget", "2h")
    assert status == 0, notes
    assert "Tried the recipe on fold 1 of the training videos: average mAP " in notes
    assert "Tried a wider look-up on fold 1 of the training videos: average mAP " in notes
    assert "average of: 2 networks, because one takes about " in notes
    assert load_config(out / "config.yaml").training.members == 2
    assert len(read_checkpoint(out).members) == 1
    assert not (out / "trials").exists()
    assert "checkpoint" in said


def test_without_options_there_are_neither_trials_nor_networks(pack: Path, tmp_path: Path, rcl_: Rcl) -> None:
    out = tmp_path / "run"
    status, _, notes = rcl_("fit", pack, "--output", out)
    assert status == 0, notes
    assert "Tried" not in notes
    assert AVERAGE not in notes
    assert load_config(out / "config.yaml").training.members == 1
    assert not {"search.json", "trials", "members"} & {path.name for path in out.iterdir()}


# -- interruptions ---------------------------------------------------------------------------------------------------


def interrupt(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Trainings in this folder stop before their first step."""
    fit = rcl.training.run._fit

    def killed(*arguments: Any, **options: Any) -> None:
        if folder in arguments:
            raise RuntimeError("killed")
        fit(*arguments, **options)

    monkeypatch.setattr(rcl.training.run, "_fit", killed)


@pytest.mark.parametrize("part", [".", "members/1"])
def test_an_interrupted_fit_does_not_search_again(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    out = tmp_path / "run"
    monkeypatch.setattr(rcl.training.budget, "seconds_per_step", lambda _: 1.0)
    monkeypatch.setattr(Trials, "best", lambda *_: Alternative("wide", {"model": {"head": {"context": 0.5}}}))
    seconds = 2.5 * OVERHEAD * STEPS
    with monkeypatch.context() as patch:
        interrupt(patch, out / part)
        with pytest.raises(RuntimeError, match="killed"):
            rcl.fit(pack, output=out, budget_seconds=seconds)
    before = yaml.safe_load((out / "config.yaml").read_text())
    assert before["training"]["members"] == 2
    monkeypatch.setattr(rcl.training.budget, "spend", None)  # would fail
    result = rcl.fit(pack, output=out, budget_seconds=seconds, resume=True)
    assert yaml.safe_load((out / "config.yaml").read_text()) == before
    assert before["model"]["head"]["context"] == 0.5
    assert len(read_checkpoint(result.checkpoint).members) == 1


def test_what_is_interrupted_in_the_search_searches_again(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, searches = tmp_path / "run", list[int]()

    def search(*_: Any) -> None:
        searches.append(1)
        if len(searches) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trials, "best", search)
    with pytest.raises(KeyboardInterrupt):
        rcl.fit(pack, output=out, budget_seconds=1e4, ensemble=1)
    rcl.fit(pack, output=out, budget_seconds=1e4, ensemble=1, resume=True)
    assert len(searches) == 2
