"""``rcl backbones``: every kind of backbone has an entry, and the list does not load what is not asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from mean_color import MeanColor
from torch import Tensor

from rcl.system.errors import InputError
from rcl.video.backbones import catalogue
from rcl.video.backbones.build import KINDS, NAMES, build_backbone
from rcl.video.backbones.catalogue import CATALOGUE, entry_of
from rcl.video.backbones.options import BackboneOptions
from rcl.video.backbones.speed import measure_speed
from typed import Rcl


def test_every_kind_has_an_entry() -> None:
    names = NAMES.replace(" or ", ", ").split(", ")
    assert {entry.name for entry in CATALOGUE} == set(names)
    assert {entry.name.partition(":")[0] for entry in CATALOGUE if entry.name != "package.module:Class"} == {*KINDS}
    assert [entry.name for entry in CATALOGUE if entry.is_complete] == ["motion", "cuts", "lite0", "lite0-change"]


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("motion", "motion"),
        ("hf:org/model", "hf:NAME_OR_FOLDER"),
        ("image:org/model", "image:NAME_OR_FOLDER"),
        ("image:a/b.ONNX", "image:FILE.onnx"),
        ("i3d:a.pt", "i3d:CHECKPOINT"),
        ("my.code:Net", "package.module:Class"),
    ],
)
def test_the_entry_of_a_name(name: str, entry: str) -> None:
    expected = next(each for each in CATALOGUE if each.name == entry)
    assert entry_of(name) == expected._replace(name=name)


def test_what_is_missing_can_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None)
    assert entry_of("motion").installation() == "yes"
    assert "'.[appearance]'" in entry_of("lite0").installation()
    assert "'.[onnx]'" in entry_of("onnx:x.onnx").installation()


@pytest.mark.parametrize("options", [{}, {"tiles": 2}])
def test_the_width_is_that_of_the_features(options: dict) -> None:
    for name in ("motion", "mean_color:MeanColor"):
        backbone = build_backbone(name, BackboneOptions(**options))
        speed = measure_speed(backbone, seconds=0)
        assert speed.channels == (376 if name == "motion" else 6)
        assert speed.frames_per_second > 0
        assert speed.times_real_time == pytest.approx(speed.frames_per_second / backbone.rate)


def test_a_backbone_is_given_its_own_snippets() -> None:
    shapes = []

    class Watched(MeanColor):
        def __call__(self, frames: Tensor) -> Tensor:
            shapes.append(frames.shape)
            return super().__call__(frames)

    measure_speed(Watched(size=16), seconds=0)
    assert {tuple(shape[1:]) for shape in shapes} == {(3, 8, 16, 16)}


def test_the_list(rcl_: Rcl) -> None:
    said = rcl_("backbones", "--no-speed")
    assert said.status == 0
    assert all(entry.name in said.out for entry in CATALOGUE)
    assert "frames/s" not in said.out  # nothing was measured
    measured = rcl_("backbones", "mean_color:MeanColor")
    assert measured.status == 0, measured.err
    row = next(line for line in measured.out.splitlines() if "mean_color" in line)
    assert row.split("│")[2].strip() == "6"
    assert "frames/s" in measured.out


def test_an_unknown_name_is_refused(rcl_: Rcl) -> None:
    said = rcl_("backbones", "nothing")
    assert said.status == 2
    assert "--backbone: expected motion, cuts, lite0" in said.err
    with pytest.raises(InputError):
        entry_of("hf:")


def test_the_list_needs_no_torch() -> None:
    code = (
        "import sys; from rcl.cli.backbones import backbones; backbones(speed=False); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
