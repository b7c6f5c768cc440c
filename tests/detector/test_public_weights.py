"""Weights of public code: the same network in any wrapping, and errors that name the defect."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plain_bmn import PlainBMN
from rcl.detector.public_weights import read_bmn, read_gtad
from rcl.models.published import gtad
from rcl.system.errors import InputError

Save = Callable[[Any], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(content: Any) -> Path:
        torch.save(content, tmp_path / "weights.pth")
        return tmp_path / "weights.pth"

    return write


@pytest.fixture(scope="module")
def plain() -> PlainBMN:
    torch.manual_seed(0)
    return PlainBMN(8, 6)


def wrapped(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize("key", [None, "state_dict", "model", "state_dict_ema"])
@pytest.mark.parametrize("prefix", ["", "module.", "module.backbone."])
def test_the_network_is_the_same_in_any_wrapping(plain: PlainBMN, save: Save, key: str | None, prefix: str) -> None:
    state = wrapped(plain.state_dict(), prefix)
    others = {"state_dict": {}} if key == "state_dict_ema" else {}
    weights, facts = read_bmn(save(state if key is None else {"epoch": 3, **others, key: state}))
    assert facts == (8, 256, 256, 6, "durations")
    model = facts.model()
    model.load_state_dict(weights)
    features = torch.randn(1, 8, 6)
    maps = model.encode(features, torch.ones(1, 6, dtype=torch.bool)).maps
    torch.testing.assert_close(maps.sigmoid(), plain(features)[0], atol=1e-5, rtol=0)


def test_the_mask_determines_the_layout(save: Save) -> None:
    plain = PlainBMN(4, 5, "starts")
    weights, facts = read_bmn(save(plain.state_dict()))
    assert (facts.snippets, facts.rows) == (5, "starts")
    model = facts.model()
    model.load_state_dict(weights)
    features = torch.randn(1, 4, 5)
    maps = model.encode(features, torch.ones(1, 5, dtype=torch.bool)).maps
    torch.testing.assert_close(maps.sigmoid(), plain(features)[0], atol=1e-5, rtol=0)


def test_without_a_mask_the_layout_is_the_default(plain: PlainBMN, save: Save) -> None:
    state = {name: value for name, value in plain.state_dict().items() if name != "sample_mask"}
    _, facts = read_bmn(save(state))
    assert (facts.snippets, facts.rows) == (None, "durations")


def opentad_state(in_channels: int) -> dict[str, Tensor]:
    """The parameters of OpenTAD's BMN."""
    roi = "roi_head.proposal_roi_extractor."
    layers = {
        "projection.convs.0.conv": nn.Conv1d(in_channels, 256, 3, groups=4),
        "projection.convs.1.conv": nn.Conv1d(256, 256, 3, groups=4),
        "rpn_head.tem.0.0.conv": nn.Conv1d(256, 256, 3, groups=4),
        "rpn_head.tem.0.1.conv": nn.Conv1d(256, 1, 1),
        "rpn_head.tem.1.0.conv": nn.Conv1d(256, 256, 3, groups=4),
        "rpn_head.tem.1.1.conv": nn.Conv1d(256, 1, 1),
        f"{roi}reduce_dim.0": nn.Conv1d(256, 128, 3),
        f"{roi}conv3d.0": nn.Conv2d(128, 512, (32, 1)),
        f"{roi}conv2d.0": nn.Conv2d(512, 128, 1),
        "roi_head.proposal_head.head.0.0": nn.Conv2d(128, 128, 3),
        "roi_head.proposal_head.head.1.0": nn.Conv2d(128, 128, 3),
        "roi_head.proposal_head.head.2": nn.Conv2d(128, 2, 1),
    }
    return {
        f"{name}.{kind}": getattr(layer, kind).detach() for name, layer in layers.items() for kind in ("weight", "bias")
    }


def test_opentad_confidences_are_swapped(save: Save) -> None:
    state = opentad_state(12)
    weights, facts = read_bmn(save({"state_dict_ema": wrapped(state, "module.")}))
    assert facts == (12, 256, 128, None, "durations")
    facts.model().load_state_dict(weights)
    assert torch.equal(weights["head.scores.bias"], state["roi_head.proposal_head.head.2.bias"].flip(0))
    extractor = "roi_head.proposal_roi_extractor.conv3d.0.weight"
    assert torch.equal(weights["alignment.weight"], state[extractor].squeeze(3))


def gtad_state(bins: int, kernel: int) -> dict[str, Tensor]:
    """The parameters of G-TAD's public code."""

    def gcnext(name: str) -> dict[str, nn.Module]:
        return {
            f"{name}.tconvs.0": nn.Conv1d(256, 128, 1),
            f"{name}.tconvs.2": nn.Conv1d(128, 128, 3, groups=32),
            f"{name}.tconvs.4": nn.Conv1d(128, 256, 1),
            f"{name}.sconvs.0": nn.Conv2d(512, 128, 1),
            f"{name}.sconvs.2": nn.Conv2d(128, 128, 1, groups=32),
            f"{name}.sconvs.4": nn.Conv2d(128, 256, 1),
        }

    layers: dict[str, nn.Module] = {
        "backbone1.0": nn.Conv1d(20, 256, 3, groups=4),
        **gcnext("backbone1.2"),
        **gcnext("regu_s.0"),
        "regu_s.1": nn.Conv1d(256, 1, 1),
        **gcnext("regu_e.0"),
        "regu_e.1": nn.Conv1d(256, 1, 1),
        **gcnext("backbone2.0"),
        "localization.0": nn.Conv2d(256 * bins, 512, 1),
        "localization.2": nn.Conv2d(512, 128, 1),
        "localization.4": nn.Conv2d(128, 128, kernel),
        "localization.6": nn.Conv2d(128, 128, kernel),
        "localization.8": nn.Conv2d(128, 2, 1),
    }
    return {
        f"{name}.{kind}": getattr(layer, kind).detach() for name, layer in layers.items() for kind in ("weight", "bias")
    }


@pytest.mark.parametrize(("bins", "kernel", "parts"), [(36, 1, (32, 4)), (32, 3, (16, 16)), (64, 3, (32, 32))])
def test_gtad(save: Save, bins: int, kernel: int, parts: tuple[int, int]) -> None:
    state = gtad_state(bins, kernel)
    weights, facts = read_gtad(save({"state_dict": wrapped(state, "module.")}))
    assert facts == (20, 256, *parts, kernel)
    model = facts.model()
    model.load_state_dict(weights)
    assert sum(value.numel() for value in state.values()) == sum(p.numel() for p in model.parameters())
    # The public map has (channel, bin) in its channels, in this order.
    assert torch.equal(weights["alignment.weight"][:, 3, 5], state["localization.0.weight"][:, 3 * bins + 5, 0, 0])
    assert torch.equal(weights["encoder.base.temporal.4.bias"], state["backbone1.2.tconvs.4.bias"])
    assert torch.equal(weights["encoder.final.edges.bias"], state["backbone2.0.sconvs.0.bias"])
    assert torch.equal(weights["encoder.end_logit.bias"], state["regu_e.1.bias"])


def test_gtad_has_its_published_size() -> None:
    count = sum(parameter.numel() for parameter in gtad(400, inner_bins=32, context_bins=32, kernel=3).parameters())
    assert count == 9_495_428


def without(state: dict[str, Tensor], *names: str) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name not in names}


def test_defects_are_named(plain: PlainBMN, save: Save) -> None:
    state = plain.state_dict()

    def refusal(content: Any, read: Callable[[Path], Any] = read_bmn) -> str:
        with pytest.raises(InputError) as caught:
            read(save(content))
        return str(caught.value)

    assert "parameter x_2d_p.4.bias, found none" in refusal(without(state, "x_2d_p.4.bias"))
    assert "x_1d_b.0.weight" in refusal(without(state, "x_1d_b.0.weight"))
    assert "no others, found x_1d_cbg.0.weight" in refusal({**state, "x_1d_cbg.0.weight": torch.zeros(3)})
    message = refusal({**state, "x_2d_p.2.weight": torch.zeros(128, 64, 3, 3)})
    assert "x_2d_p.2.weight of shape (128, 128, 3, 3), found (128, 64, 3, 3)" in message
    message = refusal({**state, "x_3d_p.0.weight": torch.zeros(512, 256, 16, 1, 1)})
    assert "x_3d_p.0.weight of shape (512, 256, 32), found (512, 256, 16, 1, 1)" in message
    assert "finite numbers in x_2d_p.6.bias" in refusal({**state, "x_2d_p.6.bias": torch.tensor([0.0, torch.nan])})
    assert "sample_mask of shape" in refusal({**state, "sample_mask": torch.zeros(6, 7)})
    assert "widths" in refusal({**state, "x_1d_b.0.weight": torch.zeros(30, 2, 3)})
    assert "two axes" in refusal({**state, "x_1d_b.0.weight": torch.zeros(())})
    assert "names such as x_1d_b.0.weight" in refusal({"conv1.weight": torch.zeros(2)})
    assert "names such as backbone1.0.weight" in refusal(state, read_gtad)
    assert "several bins" in refusal({**gtad_state(36, 1), "localization.0.weight": torch.zeros(512, 257)}, read_gtad)
    assert "a list without tensors" in refusal([1, 2])
    assert "a dict without tensors" in refusal({"state_dict": {}})


class Code:
    def __reduce__(self) -> tuple:
        return (print, ("this must never be printed",))


def test_code_is_not_executed(plain: PlainBMN, save: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (save({"state_dict": plain.state_dict(), "meta": Code()}), tmp_path / "plain.pkl"):
        if path.suffix == ".pkl":
            path.write_bytes(pickle.dumps(Code()))
        with pytest.raises(InputError, match="weights as plain data"):
            read_bmn(path)
    assert capsys.readouterr().out == ""


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_bmn(tmp_path / "none.pth")
    (tmp_path / "damaged.pth").write_bytes(b"PK\x03\x04 not a file")
    with pytest.raises(InputError, match="weights as plain data"):
        read_bmn(tmp_path / "damaged.pth")
