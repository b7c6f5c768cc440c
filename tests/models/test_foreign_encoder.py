"""An encoder of somebody else's, named as ``package.module:Class``: trained, saved, loaded, used."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rcl.detector.build import build_model
from rcl.detector.load_config import parse_config
from rcl.detector.localizer import Localizer
from rcl.models.encoders import Encoder, find_encoder
from rcl.models.gtad import GTADEncoder
from rcl.system.errors import Defect, InputError
from rcl.training.run import train
from untrained import save_untrained

NAME = "foreign_encoder:RecurrentEncoder"


@pytest.mark.parametrize("head", ["continuous", "grid", "anchors", "points"])
def test_it_takes_every_head(head: str) -> None:
    values = {"model": {"encoder": {"name": NAME, "channels": 16}, "head": {"name": head, "channels": 8}}}
    model = build_model(parse_config(values, where="test").model, in_channels=4, num_labels=2)
    mask = torch.tensor([[True] * 9, [True] * 5 + [False] * 4])
    anchors = torch.tensor([[1.0, 4.0], [0.0, 3.0]]).expand(2, -1, -1)
    predictions = model(torch.randn(2, 4, 9), mask, anchors)
    assert predictions.segments.shape == (2, 2, 2)
    assert model.sight is None


def test_it_is_trained_saved_and_loaded(pack: Path, tmp_path: Path) -> None:
    values = {
        "data": {"root": str(pack)},
        "model": {"encoder": {"name": NAME, "channels": 16}, "head": {"channels": 16, "points": 4, "steps": 2}},
        "training": {"epochs": 1, "batch_size": 8},
        "inference": {"min_score": 0.0},
    }
    checkpoint = train(parse_config(values, where="test"), tmp_path / "run")
    found = Localizer.load(checkpoint).detect(np.load(next((pack / "features").iterdir())), 5.0)
    assert len(found)
    assert np.isfinite(found.scores).all()


def test_a_checkpoint_whose_encoder_is_not_installed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = save_untrained(tmp_path / "last.ckpt", model={"encoder": {"name": NAME, "channels": 16}})
    assert Localizer.load(checkpoint).labels
    monkeypatch.delitem(sys.modules, "foreign_encoder")
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if Path(folder) != Path(__file__).parent])
    with pytest.raises(
        (InputError, Defect), match=r"expected the module of foreign_encoder:RecurrentEncoder.*PYTHONPATH"
    ):
        Localizer.load(checkpoint)


def test_its_options_are_those_of_its_constructor() -> None:
    with pytest.raises(InputError, match=r"model\.encoder\.width: expected one of channels, layers, name"):
        parse_config({"model": {"encoder": {"name": NAME, "width": 3}}}, where="test")
    with pytest.raises(InputError, match=r"model\.encoder\.layers: expected greater than 0"):
        parse_config({"model": {"encoder": {"name": NAME, "layers": 0}}}, where="test")


@pytest.mark.parametrize("name", ["nowhere.at:All", "torch.nn:Linear", "torch.nn:Nothing", "slowfast"])
def test_what_is_not_an_encoder_is_refused(name: str) -> None:
    with pytest.raises(Defect):
        find_encoder(name)


def test_encoders_register_where_they_are_defined() -> None:
    assert find_encoder("gtad") is GTADEncoder
    assert set(Encoder.registered) == {"temporal", "bmn", "gtad"}
