"""Short versions of the commands that choose their own settings, and short videos of a figure for them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

import rcl.cli.demo
import rcl.training.recipe
from rcl.data.annotations import Annotations
from rcl.video.synthetic import rendering

FRAMES_PER_SECOND = 10  # of figures in tests, a third of the demo's: frames are what rendering and extraction cost


def quick_fit(monkeypatch: pytest.MonkeyPatch, *, whole_videos: bool = False) -> None:
    """Make ``rcl fit`` train for three steps, and ``rcl demo`` render six videos: short, or the first of its own."""
    for name, value in {"STEPS": 3, "PASSES": 0, "EPOCHS": 1}.items():
        monkeypatch.setattr(rcl.training.recipe, name, value)
    monkeypatch.setattr(rcl.cli.demo, "VIDEOS", 6)
    monkeypatch.setattr(rcl.cli.demo, "HELD_OUT", 1)
    monkeypatch.setattr(rendering, "FRAMES_PER_SECOND", FRAMES_PER_SECOND)
    shorter = {} if whole_videos else {"instances": (1, 1)}
    monkeypatch.setattr(rendering, "render_videos", partial(rendering.render_videos, processes=1, **shorter))


def film(folder: Path, count: int) -> Annotations:
    """Render videos of about five seconds with an action of a figure each, and return when it happens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "FRAMES_PER_SECOND", FRAMES_PER_SECOND)
        return rendering.render_videos(folder, count=count, seed=10, instances=(1, 1), processes=1)
