"""How a fit extracts features, as far as its user says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from rcl.system.ray_cluster import Cluster
from rcl.video.backbones.options import BackboneOptions
from rcl.video.signals.choosing import SignalOptions


@dataclass(frozen=True)
class Extraction:
    """How the features of videos are extracted, as in :func:`rcl.training.fit.fit`; ``None`` is not given."""

    backbone: str | None = None
    options: BackboneOptions | None = None
    rate: float | None = None
    window: int | None = None
    stride: int | None = None
    video_fps: float | None = None
    workers: int | None = None
    cluster: Cluster | None = None
    device: torch.device | str | None = None
    signals: SignalOptions | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Rate, window, stride and frames per second, as ``choose_extractors`` takes them."""
        return {name: getattr(self, name) for name in ("rate", "window", "stride", "video_fps")}

    @property
    def is_open(self) -> bool:
        """Whether nothing is given that concerns a backbone."""
        options = self.options in (None, BackboneOptions())
        return self.backbone is None and options and not any((self.rate, self.window, self.stride))

    def given(self) -> list[str]:
        """What is given, as the command line names it."""
        values = {**self.settings, "workers": self.workers, "engine": self.cluster, "device": self.device}
        return [*dict.fromkeys([*self.of_videos(), *_given(values)]), *(["options of signals"] if self.signals else [])]

    def of_videos(self) -> list[str]:
        """What is given that is for videos alone."""
        options = (self.options or BackboneOptions()).model_dump()
        return _given({"backbone": self.backbone, **options, "video_fps": self.video_fps})


def _given(values: Mapping[str, object]) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name, value in values.items() if value is not None]
