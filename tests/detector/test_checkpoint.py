"""Files of several networks, and of earlier versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rcl.detector.checkpoint import FORMAT, KEY, MEMBERS, add_members, read_checkpoint
from rcl.detector.localizer import Localizer
from rcl.models.ensemble import Ensemble
from rcl.system.errors import InputError
from untrained import FACTS, content, random_model, tiny_config

READOUT = "model.readout.offsets.weight"


def with_members(*members: object) -> dict[str, Any]:
    return {**content(tiny_config()), MEMBERS: [*members]}


def another() -> dict[str, Any]:
    weights = random_model(tiny_config(), seed=1).state_dict()
    return {f"model.{name}": value for name, value in weights.items()}


def test_networks_are_added_in_place_of_those_before(tmp_path: Path) -> None:
    torch.save(content(tiny_config()), tmp_path / "first.ckpt")
    torch.save({**content(tiny_config()), "state_dict": another()}, tmp_path / "other.ckpt")
    for others in (["other.ckpt"], ["other.ckpt", "other.ckpt"]):
        add_members(tmp_path / "first.ckpt", [tmp_path / name for name in others])
        kept = read_checkpoint(tmp_path / "first.ckpt")
        assert len(kept.members) == len(others)
        assert torch.equal(kept.members[0][READOUT.removeprefix("model.")], another()[READOUT])
    assert isinstance(Localizer.load(tmp_path / "first.ckpt").model, Ensemble)


def test_an_empty_list_of_networks_is_one_network(tmp_path: Path) -> None:
    torch.save(with_members(), tmp_path / "a.ckpt")
    assert not isinstance(Localizer.load(tmp_path / "a.ckpt").model, Ensemble)


DAMAGED: dict[str, Callable[[], dict[str, Any]]] = {
    "a number": lambda: {**with_members(), MEMBERS: 5},
    "nothing": lambda: {**with_members(), MEMBERS: None},
    "a text": lambda: {**with_members(), MEMBERS: "ab"},
    "a dictionary": lambda: {**with_members(), MEMBERS: another()},
    "numbers": lambda: with_members(1, 2),
    "no weights": lambda: with_members({}),
    "odd names": lambda: with_members({1: torch.zeros(1)}),
    "a missing weight": lambda: with_members({k: v for k, v in another().items() if k != READOUT}),
    "an unknown weight": lambda: with_members({**another(), "model.extra": torch.zeros(1)}),
    "another shape": lambda: with_members({**another(), READOUT: torch.zeros(2, 3)}),
    "no tensor": lambda: with_members({**another(), READOUT: 3}),
    "one of two": lambda: with_members(another(), {}),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_networks_are_one_sentence(tmp_path: Path, name: str) -> None:
    torch.save(DAMAGED[name](), tmp_path / "odd.ckpt")
    with pytest.raises(InputError, match=r"odd\.ckpt.*use a whole file") as caught:
        Localizer.load(tmp_path / "odd.ckpt")
    assert len(str(caught.value)) < 500


# -- earlier versions ------------------------------------------------------------------------------------------------

NEW = {  # options that came with format 4
    "data": ("standardize", "resize_method", "downsample"),
    "augmentation": ("crop",),
    "training": ("members", "epoch_steps"),
    "inference": ("refine_above",),
}


def of_format(number: int) -> dict[str, Any]:
    """A checkpoint as earlier versions wrote it."""
    kept = content(tiny_config())
    config, facts = kept[KEY]["config"], dict(kept[KEY]["facts"])
    del config["data"]["streams"], config["model"]["streams"], facts["streams"]
    if number == 4:
        return {**kept, KEY: {"format": number, "config": config, "facts": facts}}
    for section, names in NEW.items():
        for name in names:
            del config[section][name]
    del config["model"]["head"]["ends"], facts["channels"]
    if number < 3:
        head = config["model"].pop("head")
        others = {"map_channels": 64, "lengths": [1.0, 2.0]}  # of other heads, and ignored
        config["model"] |= {"head": head.pop("name"), **head, **others}
    if number < 2:
        del facts["extraction"]
    return {**kept, KEY: {"format": number, "config": config, "facts": facts}}


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_checkpoints_of_earlier_versions_give_the_same_detector(tmp_path: Path, number: int) -> None:
    torch.save(of_format(number), tmp_path / "old.ckpt")
    torch.save(content(tiny_config()), tmp_path / "new.ckpt")
    old, new = (read_checkpoint(tmp_path / f"{name}.ckpt") for name in ("old", "new"))
    assert old.config == new.config
    assert old.facts == new.facts == FACTS
    assert old.members == ()
    features = np.random.default_rng(0).normal(size=(80, FACTS.in_channels)).astype(np.float32)
    found, expected = (Localizer.from_checkpoint(kept, device="cpu").detect(features) for kept in (old, new))
    assert [*found] == [*expected]
    assert len(found)


def test_a_checkpoint_says_its_format_so_that_earlier_versions_refuse_it(tmp_path: Path) -> None:
    assert content(tiny_config())[KEY]["format"] == FORMAT == 5
    newer = content(tiny_config())
    newer[KEY]["format"] = FORMAT + 1
    torch.save(newer, tmp_path / "newer.ckpt")
    with pytest.raises(InputError, match=r"expected format 5 or older, found format 6; upgrade rcl-tad"):
        read_checkpoint(tmp_path / "newer.ckpt")
