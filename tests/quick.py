"""Short versions of the commands that choose their own settings."""

from __future__ import annotations

from functools import partial

import pytest

import rcl.cli.demo
import rcl.training.choices
import rcl.video.synthetic.rendering


def quick_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``rcl fit`` train for one epoch, and ``rcl demo`` render six short videos."""
    monkeypatch.setattr(rcl.training.choices, "choose_epochs", lambda videos: 1)
    monkeypatch.setattr(rcl.cli.demo, "VIDEOS", 6)
    monkeypatch.setattr(rcl.cli.demo, "HELD_OUT", 1)
    render = partial(rcl.video.synthetic.rendering.render_videos, instances=(2, 2), processes=1)
    monkeypatch.setattr(rcl.video.synthetic.rendering, "render_videos", render)
