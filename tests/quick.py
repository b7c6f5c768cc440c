"""Short versions of the commands that choose their own settings."""

from __future__ import annotations

from functools import partial

import pytest

import rcl.cli.demo
import rcl.training.recipe
import rcl.video.synthetic.rendering


def quick_fit(monkeypatch: pytest.MonkeyPatch, *, whole_videos: bool = False) -> None:
    """Make ``rcl fit`` train for three steps, and ``rcl demo`` render six videos: short, or the first of its own."""
    for name, value in {"STEPS": 3, "PASSES": 0, "EPOCHS": 1}.items():
        monkeypatch.setattr(rcl.training.recipe, name, value)
    monkeypatch.setattr(rcl.cli.demo, "VIDEOS", 6)
    monkeypatch.setattr(rcl.cli.demo, "HELD_OUT", 1)
    shorter = {} if whole_videos else {"instances": (2, 2)}
    render = partial(rcl.video.synthetic.rendering.render_videos, processes=1, **shorter)
    monkeypatch.setattr(rcl.video.synthetic.rendering, "render_videos", render)
