"""The backbone of ``rcl fit`` where none is given: it depends on whether the videos are cut."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from rcl.system.errors import InputError, counted
from rcl.system.extras import how_to_install
from rcl.system.paths import is_remote
from rcl.training.choices import Choice
from rcl.video.backbones.cuts import CutsBackbone
from rcl.video.backbones.lite0 import EXTRA, is_installed
from rcl.video.decoding import VideoReader
from rcl.video.snippets import snippets

UNCUT, CUT, CUT_WITHOUT_APPEARANCE = "motion", "lite0-change+cuts", "motion+cuts"
CUT_OF_SEVERAL_LABELS = "motion+lite0-change+cuts"
VIDEOS, SECONDS = 8, 30.0  # that are looked at, at most, and of each
CUTS_PER_MINUTE = 2.0  # from here on, videos count as cut
NOVELTY = 0.4  # of a cut; see CutsBackbone


def choose_backbone(videos: Sequence[Path], labels: int) -> tuple[str, list[Choice]]:
    """The backbones for videos, and the reason: ``motion``, and others where they are cut.

    ``lite0-change`` cannot see which way something moves, which may tell labels apart. So ``motion`` stays where there
    are several; with one label it costs more than it brings (docs/results.md).

    A few videos are looked at, for half a minute each. Those that cannot be read, or are in an object store, say
    nothing.

    Args:
        videos: those of the training.
        labels: how many labels they have.
    """
    near = [video for video in videos if not is_remote(video)]
    places = np.linspace(0, len(near) - 1, min(VIDEOS, len(near))).round().astype(int)
    counts = [count for place in places if (count := cuts_per_minute(near[place])) is not None]
    if not counts:
        return UNCUT, []
    typical = float(np.median(counts))
    if typical <= CUTS_PER_MINUTE:
        return UNCUT, [Choice("backbone", UNCUT, "the videos have few cuts or none")]
    reason = f"the videos have about {typical:.0f} cuts per minute"
    wanted = CUT if labels == 1 else CUT_OF_SEVERAL_LABELS
    if is_installed():
        return wanted, [
            Choice(
                "backbone", wanted, f"{reason}, and there {'is' if labels == 1 else 'are'} {counted(labels, 'label')}"
            )
        ]
    reason += f"; for {wanted}, which is better on them, {how_to_install(EXTRA)}"
    return CUT_WITHOUT_APPEARANCE, [Choice("backbone", CUT_WITHOUT_APPEARANCE, reason)]


def cuts_per_minute(video: Path) -> float | None:
    """Sharp changes of scene per minute in the first half minute of a video; ``None`` if it cannot be read."""
    backbone = CutsBackbone()
    try:
        reader = VideoReader(video, rate=backbone.rate, transform=backbone.frame_size)
        frames = [*islice(reader, round(SECONDS * backbone.rate))]
    except InputError:
        return None
    features = backbone(torch.stack([*snippets(frames, backbone.window, backbone.stride)]))  # (T, 7)
    sharp = torch.cat((torch.zeros(1, dtype=torch.bool), features[:, 0] > NOVELTY))
    begins = sharp[1:] & ~sharp[:-1]  # neighbours share a place, so a cut may be in two of them
    return 60 * backbone.rate * int(begins.sum()) / len(frames)
