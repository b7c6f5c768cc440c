"""Lightning's loggers: which are built, what they are given, and what is said if a package is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers.logger import Logger, rank_zero_experiment

import rcl.training.loggers as module
from quick import quick_fit
from rcl.detector.load_config import parse_config
from rcl.system.errors import InputError
from rcl.training.loggers import LOGGERS, build_loggers, check_loggers
from rcl.training.run import train
from tiny_pack import tiny_annotations, tiny_pack
from typed import Rcl


class Recorder(Logger):
    """Keeps what it is given."""

    made: list[Recorder]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__()
        self.arguments, self.options = arguments, options
        self.metrics = list[tuple[int | None, dict[str, float]]]()
        self.params = dict[str, Any]()
        self.made.append(self)

    name, version = "recorder", "0"

    @rank_zero_experiment
    def experiment(self) -> None:
        """Nothing."""

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Keep them."""
        self.metrics.append((step, dict(metrics)))

    def log_hyperparams(self, params: Any, *_: Any) -> None:
        """Keep them."""
        self.params |= params


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """Loggers that record, in place of those of Lightning, whose packages count as installed."""
    found = list[Recorder]()
    monkeypatch.setattr(Recorder, "made", found, raising=False)
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    for name in ("TensorBoardLogger", "WandbLogger"):
        monkeypatch.setattr(module, name, Recorder)
    return found


def test_names_are_mapped_to_the_loggers(made: list[Recorder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    assert build_loggers([], run) == build_loggers(["csv"], run) == []
    board, bias = build_loggers(["wandb", "tensorboard", "csv"], run)
    assert [board, bias] == made
    assert (made[0].arguments, made[0].options) == ((run,), {"name": "", "version": "tensorboard"})
    assert made[1].options == {"name": "run", "project": "rcl", "save_dir": run}
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    build_loggers(["wandb"], run)
    assert made[2].options["project"] == "mine"


def test_a_training_logs_its_settings_its_losses_and_its_map(made: list[Recorder], tmp_path: Path) -> None:
    pack = tiny_pack(tmp_path / "pack", tiny_annotations(subsets={4: "validation"}))
    sections = {
        "data": {"root": str(pack)},
        "model": {"encoder": {"name": "temporal", "channels": 8, "layers": 1}, "head": {"channels": 8, "points": 4}},
        "training": {"epochs": 2, "batch_size": 4},
    }
    runs = [tmp_path / "plain", tmp_path / "logged"]
    for run, loggers in zip(runs, ((), ("tensorboard",)), strict=True):
        train(parse_config(sections, where="test"), run, devices=1, loggers=loggers)
    tables = [(run / "metrics.csv").read_text() for run in runs]
    assert tables[0] == tables[1]
    (logger,) = made
    assert logger.params["training"]["epochs"] == 2
    names = {name for _, metrics in logger.metrics for name in metrics}
    assert names >= {"loss", "validation_mAP", "epoch", "learning_rate"}
    maps = [metrics["validation_mAP"] for _, metrics in logger.metrics if "validation_mAP" in metrics]
    lines = tables[1].splitlines()
    column = lines[0].split(",").index("validation_mAP")
    assert maps == pytest.approx([float(line.split(",")[column]) for line in lines[1:]])


@pytest.mark.parametrize("name", [name for name, packages in LOGGERS.items() if packages])
def test_a_missing_package_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    check_loggers(["csv"])
    with pytest.raises(InputError, match=f"--logger {name}: expected the package .* run pip install {name}"):
        check_loggers(["csv", name])


def test_commands_take_loggers_and_refuse_others(
    made: list[Recorder], rcl_: Rcl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_fit(monkeypatch)
    pack, out = tiny_pack(tmp_path / "pack"), tmp_path / "run"
    status, _, notes = rcl_("fit", pack, "--output", out, "--logger", "mlflow")
    assert (status, notes) == (
        2,
        "rcl: --logger: expected csv or tensorboard or wandb, found mlflow; use one of them.\n",
    )
    assert not out.exists()
    assert rcl_("fit", pack, "--output", out, "--logger", "wandb", "--logger", "csv")[0] == 0
    options = ("training.epochs=1", "data.validation_subset=null", "--output", tmp_path / "other")
    config = (out / "config.yaml").rename(tmp_path / "config.yaml")
    assert rcl_("train", config, *options, "--logger", "tensorboard")[0] == 0
    assert [[*logger.options] for logger in made] == [["name", "project", "save_dir"], ["name", "version"]]
    assert all(logger.metrics for logger in made)
