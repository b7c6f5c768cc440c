"""The commands that choose their own settings, cut down to what a test can wait for."""

from __future__ import annotations

from functools import partial

import pytest

import rcl.cli.training
import rcl.fit
import rcl.rendering


def quick_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """``rcl fit`` trains for one epoch, and ``rcl demo`` renders six short videos."""
    monkeypatch.setattr(rcl.fit, "choose_epochs", lambda videos: 1)
    monkeypatch.setattr(rcl.cli.training, "DEMO_VIDEOS", 6)
    monkeypatch.setattr(rcl.cli.training, "DEMO_HELD_OUT", 1)
    render = partial(rcl.rendering.render_videos, instances=(2, 2), processes=1)
    monkeypatch.setattr(rcl.rendering, "render_videos", render)
