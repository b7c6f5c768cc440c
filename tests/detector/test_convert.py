"""Public weights become checkpoints, and every encoder takes every head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from plain_bmn import PlainBMN
from rcl import Localizer
from rcl.detector.convert import convert
from rcl.detector.load_config import parse_config
from rcl.detector.public_names import GTAD
from rcl.models.published import gtad
from rcl.system.errors import InputError
from rcl.training.run import train


def maps_of(localizer: Localizer, features: np.ndarray) -> torch.Tensor:
    """``(2, T, T)``: regression and classification of cell (duration, start), −1 where there is none."""
    snippets = localizer.preparation.resize
    clip, _ = localizer.prepare(features, 1.0)
    segments = localizer.search.anchors(snippets).segments
    predictions = localizer.search.query(localizer.search.encode(clip), segments)
    start, duration = segments[:, 0].long(), (segments[:, 1] - segments[:, 0]).long() - 1
    maps = torch.full((2, snippets, snippets), -1.0)
    step = predictions.steps[0]
    maps[0, duration, start], maps[1, duration, start] = step.regression[0].sigmoid(), step.classification[0].sigmoid()
    return maps


@pytest.mark.parametrize("suffix", ["", "_f"])
def test_a_checkpoint_of_public_bmn_gives_its_maps(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(0)
    plain = PlainBMN(in_channels=12, snippets=16).eval()
    state = {name.replace(".", f"{suffix}.", 1): value for name, value in plain.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "bmn.pth")
    assert convert(tmp_path / "bmn.pth", tmp_path / "bmn.ckpt", network="bmn", snippets=16) == 16
    features = np.random.default_rng(0).normal(size=(16, 12)).astype(np.float32)
    with torch.no_grad():
        expected = plain(torch.from_numpy(features).T[None])[0][0]  # (2, T, T)
    localizer = Localizer.load(tmp_path / "bmn.ckpt")
    found = maps_of(localizer, features)
    inside = found >= 0
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-4, rtol=0)
    assert localizer.detect(features, 1.0).labels == ("",)


def test_a_checkpoint_of_public_gtad(tmp_path: Path) -> None:
    model = gtad(12)
    state = {GTAD[name]: value for name, value in model.state_dict().items()}
    state["localization.0.weight"] = state["localization.0.weight"].flatten(1)[..., None, None]
    torch.save(state, tmp_path / "gtad.pth")
    assert convert(tmp_path / "gtad.pth", tmp_path / "gtad.ckpt", network="gtad") == 100
    localizer = Localizer.load(tmp_path / "gtad.ckpt")
    assert len(localizer.detect(np.random.default_rng(0).normal(size=(40, 12)), 2.0)) == 100
    for name, value in localizer.model.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=0, atol=0)


def test_another_length_than_the_file_says_is_refused(tmp_path: Path) -> None:
    plain = PlainBMN(in_channels=8, snippets=6)
    torch.save({**plain.state_dict(), "sample_mask": torch.ones(6, 32 * 36)}, tmp_path / "bmn.pth")
    with pytest.raises(InputError, match="--snippets: expected 6, as in the file, found 100"):
        convert(tmp_path / "bmn.pth", tmp_path / "a.ckpt", network="bmn", snippets=100)
    assert convert(tmp_path / "bmn.pth", tmp_path / "a.ckpt", network="bmn") == 6


@pytest.mark.parametrize("encoder", ["temporal", "bmn", "gtad"])
@pytest.mark.parametrize("head", ["grid", "continuous"])
@pytest.mark.parametrize("labels", ["joint", "none"])
def test_every_encoder_takes_every_head(tmp_path: Path, pack: Path, encoder: str, head: str, labels: str) -> None:
    widths = {"channels": 8} | ({"layers": 2} if encoder == "temporal" else {"groups": 4})
    own = {"map_channels": 8} if head == "grid" else {"steps": 2 if labels == "joint" else 1}
    options = {"name": head, "channels": 8, "points": 4, **own}
    values = {
        "data": {"root": str(pack), "resize": 12},
        "model": {"encoder": {"name": encoder, **widths}, "head": options, "labels": labels},
        "sampling": {"regular": 1000, "scale_invariant": 0},
        "training": {"epochs": 1, "batch_size": 8},
        "inference": {"anchors": "grid", "top": 10},
    }
    checkpoint = train(parse_config(values, where="test"), tmp_path / "run")
    localizer = Localizer.load(checkpoint)
    features = np.load(next((pack / "features").iterdir()))
    found = localizer.detect(features, 5.0)
    assert len(found) == 10
    assert np.isfinite(found.scores).all()
    assert bool(localizer.labels) == (labels == "joint")
