"""Short versions of the commands that choose their own settings."""

from __future__ import annotations

from functools import partial

import pytest

import rcl.cli.demo
import rcl.training.choices
import rcl.video.synthetic.rendering


def quick_fit(monkeypatch: pytest.MonkeyPatch, *, whole_videos: bool = False) -> None:
    """Make ``rcl fit`` train for one epoch, and ``rcl demo`` render six videos: short ones, or the first of its own."""
    monkeypatch.setattr(rcl.training.choices, "choose_epochs", lambda videos: 1)
    monkeypatch.setattr(rcl.cli.demo, "VIDEOS", 6)
    monkeypatch.setattr(rcl.cli.demo, "HELD_OUT", 1)
    shorter = {} if whole_videos else {"instances": (2, 2)}
    render = partial(rcl.video.synthetic.rendering.render_videos, processes=1, **shorter)
    monkeypatch.setattr(rcl.video.synthetic.rendering, "render_videos", render)
