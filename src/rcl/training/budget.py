"""How ``rcl.fit`` spends the time that it is given: one training always, then trials, then further networks."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from rcl.data.annotations import Annotations
from rcl.data.batches import EpochBatches, collate
from rcl.data.formats.load import load_annotations
from rcl.data.stores import open_store
from rcl.detector.build import build_criterion, build_model
from rcl.detector.config import Config
from rcl.detector.load_config import parse_config
from rcl.system.device import best_device, threads_for
from rcl.system.errors import counted
from rcl.training.choices import Choice
from rcl.training.data import load_training_data, without_validation
from rcl.training.fit_result import FitObserver
from rcl.training.loaders import training_dataset
from rcl.training.plan import FitPlan
from rcl.training.recipe import alternatives, with_changes
from rcl.training.trials import TRIAL_STEPS, Trials

TIMED_STEPS = 4
OVERHEAD = 1.2  # a training takes so many times the time of its steps
SHARE_OF_TRIALS = 0.4  # of the time that is left after one training
MOST_MEMBERS = 3  # further ones improve the average by less than chance
AVERAGE = "average of"


class Budget(NamedTuple):
    """A time that ends: ``seconds`` from ``begin``, a value of :func:`time.monotonic`."""

    begin: float
    seconds: float

    @property
    def left(self) -> float:
        """Seconds that are left, possibly below 0."""
        return self.begin + self.seconds - time.monotonic()


def complete(
    plan: FitPlan, folder: Path, ensemble: int | None, budget: Budget | None, observer: FitObserver
) -> FitPlan:
    """The plan with what the budget allows and with the number of networks, of which the observer is told.

    Args:
        plan: as the recipe has it.
        folder: of the run.
        ensemble: so many networks, if it is given.
        budget: the time for the fit, if it is given.
        observer: told of every trial and choice.
    """
    config, choices = plan.config, list[Choice]()
    if budget:
        training = load_annotations(plan.annotations).subset("training")
        config, choices = spend(config, training, folder, budget, observer)
    if ensemble:
        config = _changed(config, {"training": {"members": ensemble}})
        choices = [choice for choice in choices if choice.name != AVERAGE]
    for choice in choices:
        observer.chosen(choice)
    return replace(plan, config=config, choices=(*plan.choices, *choices))


def spend(
    config: Config, training: Annotations, folder: Path, budget: Budget, observer: FitObserver
) -> tuple[Config, list[Choice]]:
    """The configuration of the training, with what time allows, and what was chosen.

    Where one training does not fit into the budget, it gets fewer steps. Otherwise, alternatives are tried on folds of
    the training videos, and what is left then goes to further networks, whose answers are averaged.

    Args:
        config: as the recipe has it.
        training: the training videos.
        folder: of the run.
        budget: the time for all of this.
        observer: told of every trial.
    """
    once, steps = seconds_per_training(config), _steps(config)
    if once > budget.left:
        fewer = max(int(budget.left / once * steps / config.training.epochs), 1)
        reason = f"{steps} do not fit into the budget of {budget.seconds:.0f} s"
        choice = Choice("training steps of the budget", str(fewer * config.training.epochs), reason)
        return _changed(config, {"training": {"epoch_steps": fewer}}), [choice]
    deadline = time.monotonic() + SHARE_OF_TRIALS * (budget.left - once)
    trials = Trials(config, training, folder / "trials", deadline, expected_seconds=TRIAL_STEPS * once)
    data = config.data
    store = open_store(data.root, training, features=data.features, streams=data.streams, layout=data.layout)
    snippets = np.array([store.shape(name)[0] for name in training.videos])
    best = trials.best(alternatives(config.data, snippets), observer.tried)
    choices = list[Choice]()
    if best:
        choices.append(Choice("changed after trials", best.name, "it was better on folds of the training videos"))
        config = _changed(config, best.changes)
        once = seconds_per_training(config)
    members = int(min(max(budget.left / once, 1), MOST_MEMBERS))
    reason = f"one takes about {once:.0f} s, and {max(budget.left, 0):.0f} s are left"
    choices.append(Choice(AVERAGE, counted(members, "network"), reason))
    return _changed(config, {"training": {"members": members}}), choices


def _changed(config: Config, changes: Mapping[str, Mapping[str, Any]]) -> Config:
    return parse_config(with_changes(config.model_dump(mode="json"), changes), where="rcl fit")


def _steps(config: Config) -> int:
    return config.training.epochs * (config.training.epoch_steps or 1)


def seconds_per_training(config: Config) -> float:
    """How long the training of one network probably takes on this machine."""
    return OVERHEAD * _steps(config) * seconds_per_step(config)


def seconds_per_step(config: Config) -> float:
    """How long a step of the training takes on this machine: the median of a few."""
    config, device = without_validation(config), best_device()
    data = load_training_data(config)
    dataset = training_dataset(config, data)
    model = build_model(config.model, **data.facts.sizes()).to(device).train()
    criterion = build_criterion(config.loss)
    optimizer = torch.optim.AdamW(model.parameters())
    batches = EpochBatches(
        data.training.lengths(), config.training.batch_size, epoch_batches=TIMED_STEPS, seed=config.training.seed
    )
    times = []
    with threads_for(model):
        for tickets in itertools.islice(batches, TIMED_STEPS):
            begin = time.monotonic()
            batch = collate([dataset[ticket] for ticket in tickets])
            batch = type(batch)(*(field.to(device) for field in batch))
            predictions = model(batch.features, batch.mask, batch.anchors)
            losses = criterion(
                predictions,
                batch.segments,
                batch.labels,
                mask=batch.mask,
                anchor_mask=batch.anchor_mask,
                reviewed=batch.reviewed,
            )
            optimizer.zero_grad()
            torch.stack(tuple(losses.values())).sum().backward()
            optimizer.step()
            if device.type == "cuda":  # which works while we go on
                torch.cuda.synchronize(device)
            times.append(time.monotonic() - begin)
    return sorted(times)[len(times) // 2]
