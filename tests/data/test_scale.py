"""The benchmark of ActivityNet's size, on a few of its videos."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from places import ROOT

ANNOTATIONS = ROOT.parent / "shared" / "data" / "activitynet-1.3" / "annotations.json"


@pytest.mark.skipif(not ANNOTATIONS.exists(), reason=f"the annotations of ActivityNet-1.3 ({ANNOTATIONS}) are not here")
def test_every_stage_runs_on_real_annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    numbers = importlib.import_module("activitynet").measure(ANNOTATIONS, tmp_path / "pack", videos=50)
    assert numbers["samples"] == 50 + 50
    assert numbers["training_segments"] > numbers["samples"] * (5050 + 1000)
    assert numbers["windows"] > 0
    assert numbers["validation_videos"] == 50
    assert numbers["detections"] == 50 * 100
    assert 0 < numbers["average_map"] < 1
