"""A fit on other labels of a pack comes after an earlier one: the held-out videos stay held out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.names import match_names
from rcl.data.pack import find_annotations
from rcl.detector.load_config import load_config
from rcl.evaluation.bootstrap import Comparison
from rcl.system.errors import InputError, listed
from rcl.system.paths import PathLike, to_path
from rcl.training.earlier_run import check_other_folder, compare_with_run, subsets_of_run, warn_of_other_subsets

log = logging.getLogger("rcl")


@dataclass(frozen=True)
class EarlierPackRun:
    """A run of ``rcl.fit`` on a pack. It is only read.

    Args:
        root: its folder.
        subsets: name to subset of the videos that it trained on or held out.
    """

    root: Path
    subsets: Mapping[str, str]

    @classmethod
    def open(cls, root: PathLike, *, pack: Path, output: Path) -> EarlierPackRun:
        """Find the parts of a run.

        Args:
            root: its folder.
            pack: the features of the new run, which have to be those of this one.
            output: the folder of the new run, which has to be another one.

        Raises:
            InputError: the folder is not that of a finished fit on this pack, or both are the same.
        """
        root = to_path(root)
        missing = [name for name in ("last.ckpt", "config.yaml") if not (root / name).exists()]
        if missing:
            fix = "give the folder that rcl fit wrote"
            raise InputError(root, expected="a finished run of rcl fit", found=f"none of {listed(missing)}", fix=fix)
        check_other_folder(root, output)
        data = load_config(root / "config.yaml").data
        if data.root.resolve() != pack.resolve():
            fix = "give that pack, or fit without --after"
            raise InputError(root, expected=f"a run on {pack}", found=f"one on {data.root}", fix=fix)
        annotations = root / "annotations.json" if data.annotations else find_annotations(pack)
        return cls(root, subsets_of_run(root, annotations))

    def take_over(self, annotations: Annotations) -> dict[str, str]:
        """The subset of every video that the run used, under its name in the new annotations.

        Warns of videos that keep a subset although the annotations say another one, and of held-out videos that are
        not in the annotations any more.
        """
        names = match_names(annotations.videos, self.subsets).pairs
        subsets = {name: self.subsets[earlier] for name, earlier in names.items()}
        found = set(names.values())
        lost = [name for name, subset in self.subsets.items() if subset != "training" and name not in found]
        if lost:
            log.warning("held out in %s, without labels now: %s", self.root, listed(lost))
        warn_of_other_subsets(subsets, annotations, self.root)
        return subsets

    def compare(self, detections: Detections, truth: Annotations, pack: Path, thresholds: Any) -> Comparison:
        """Compare the detector of this run with later detections; see :meth:`EarlierRun.compare`."""
        return compare_with_run(self.root, detections, truth, pack, thresholds)
