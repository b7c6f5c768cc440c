"""A backbone in a file of its own, named as ``package.module:Class``, works like those of the package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mean_color import MeanColor

from rcl.data.formats.results import load_detections
from rcl.detector.checkpoint import read_checkpoint
from rcl.system.errors import InputError
from rcl.video.backbones.build import build_backbone
from rcl.video.backbones.options import BackboneOptions
from rcl.video.extraction import choose_extraction, extract_features, rebuild_backbone
from rcl.video.settings import read_settings
from rendered import render
from typed import Rcl
from untrained import FACTS, save_untrained

NAME = "mean_color:MeanColor"


class Unfinished:
    """A class that lacks an attribute of backbones."""

    frame_size, rate, window, stride = None, 15.0, 8, 4

    def __call__(self) -> None: ...


class Weighted(MeanColor):
    """A backbone that says which weights it has."""

    weights_digest = "1"


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    for name, frames in (("a", 40), ("b", 33)):
        render(tmp_path / "videos" / f"{name}.mp4", frames=frames, rate=15)
    return tmp_path / "videos"


def test_features_and_detections_from_a_foreign_backbone(tmp_path: Path, videos: Path, rcl_: Rcl) -> None:
    said = rcl_("extract", videos, "--backbone", NAME, "--size", 16, "--workers", 2, "--output", tmp_path / "pack")
    assert said.status == 0, said.err
    settings = read_settings(tmp_path / "pack")
    assert settings
    assert (settings.backbone, settings.rate, settings.window, settings.stride) == (NAME, 15, 8, 4)
    expected = extract_features(videos / "a.mp4", MeanColor(size=16), settings).features
    np.testing.assert_array_equal(np.load(tmp_path / "pack" / "features" / "a.npy"), expected)

    facts = replace(FACTS, in_channels=6, extraction=settings.model_dump(mode="json"))
    checkpoint = save_untrained(tmp_path / "last.ckpt", facts)
    assert read_checkpoint(checkpoint).facts.extraction["backbone"] == NAME
    for name, source in (("videos", videos), ("pack", tmp_path / "pack")):
        assert rcl_("detect", checkpoint, source, "--output", tmp_path / f"{name}.json").status == 0
    found, expected = (load_detections(tmp_path / f"{name}.json") for name in ("videos", "pack"))
    assert len(found) > 0
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_the_digest_of_a_foreign_backbone_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = choose_extraction(f"{__name__}:Weighted")[1]
    assert settings.difference(choose_extraction(NAME)[1])
    assert isinstance(rebuild_backbone(settings), Weighted)
    monkeypatch.setattr(Weighted, "weights_digest", "2")
    with pytest.raises(InputError, match="expected the weights that the features were extracted with"):
        rebuild_backbone(settings)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:Net", "--backbone: expected the module of no_such_module:Net, found no module no_such_module"),
        ("mean_color:Net", "expected the class Net in mean_color, found no such class"),
        ("mean_color:torch", "expected the class torch in mean_color, found no such class"),
        ("pathlib:PurePath", "pathlib:PurePath: expected a class that follows .*, found no __call__"),
        (f"{__name__}:Unfinished", "expected a class that follows .*, found no fixed_window"),
        ("mean_color:Mean.Color", "--backbone: expected motion, lite0, hf:NAME_OR_FOLDER, .* or package.module:Class"),
    ],
)
def test_names_of_no_backbone(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_backbone(name, BackboneOptions())


def test_an_option_that_a_foreign_backbone_does_not_take() -> None:
    expected = r"--pooling: expected an option of the backbone mean_color:MeanColor \(size\)"
    with pytest.raises(InputError, match=expected):
        build_backbone(NAME, BackboneOptions(pooling="cls"))
