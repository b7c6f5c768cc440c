"""The annotations that detections are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rcl.cli.console import warn
from rcl.system.errors import counted
from rcl.system.paths import is_dir

if TYPE_CHECKING:
    from rcl.data.annotations import Annotations
    from rcl.data.detections import Detections


@dataclass(frozen=True)
class GroundTruth:
    """An annotation file and the subset of it that counts."""

    path: Path
    everything: Annotations
    chosen: Annotations
    subset: str

    @classmethod
    def load(cls, source: Path, subset: str) -> GroundTruth:
        """Read an annotation file, or that of a pack."""
        from rcl.data.formats.load import load_annotations
        from rcl.data.pack import find_annotations

        path = find_annotations(source) if is_dir(source) else source
        everything = load_annotations(path, clip=False)
        return cls(path, everything, everything.subset(subset), subset)

    def without_other_subsets(self, detections: Detections) -> Detections:
        """The detections without those in videos of other subsets.

        A video that the annotations do not name stays: its detections count as wrong.
        """
        others = set(self.everything.videos) - set(self.chosen.videos)
        ignored = [name for name in detections.videos if name in others]
        if not ignored:
            return detections
        warn(f"ignored the detections in {counted(len(ignored), 'video')} outside the {self.subset} subset.")
        return detections.without(others)
