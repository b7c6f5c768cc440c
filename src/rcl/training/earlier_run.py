"""The correction loop: a fit on corrected labels takes over the features and the split of an earlier one."""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.load import load_annotations
from rcl.data.names import match_names
from rcl.detector.load_config import load_config
from rcl.detector.localizer import Localizer
from rcl.evaluation.bootstrap import Comparison, compare
from rcl.system.errors import InputError, listed
from rcl.system.paths import PathLike, fingerprint, to_path
from rcl.training.held_out import detect_held_out
from rcl.video.packs import PackWriter, VideoFiles
from rcl.video.records import records_of_pack
from rcl.video.settings import Settings, read_settings, streams_in

log = logging.getLogger("rcl")


@dataclass(frozen=True)
class EarlierRun:
    """A run of ``rcl.fit``. It is only read.

    Args:
        root: its folder.
        packs: its features, those of every stream.
        subsets: name to subset of the videos that it trained on or held out.
    """

    root: Path
    packs: Sequence[PackWriter]
    subsets: Mapping[str, str]

    @classmethod
    def open(cls, root: PathLike, *, output: Path) -> EarlierRun:
        """Find the parts of a run.

        Args:
            root: its folder.
            output: the folder of the new run, which has to be another one.

        Raises:
            InputError: the folder is not that of a finished fit, or both are the same.
        """
        root = to_path(root)
        settings = read_settings(root / "pack")
        missing = [name for name in ("last.ckpt", "config.yaml", "pack/annotations.json") if not (root / name).exists()]
        if settings is None or missing:
            found = f"none of {listed(missing)}" if missing else "a pack without settings"
            fix = "give the folder that rcl fit wrote for videos (for a run on a pack, fit the pack)"
            raise InputError(root, expected="a finished run of rcl fit", found=found, fix=fix)
        check_other_folder(root, output)
        subsets = subsets_of_run(root, root / "pack" / "annotations.json")
        packs = [PackWriter(root / "pack", own, stream=stream) for stream, own in streams_in(settings).items()]
        return cls(root, packs, subsets)

    @property
    def streams(self) -> dict[str | None, Settings]:
        """The settings of the features, by stream."""
        return {pack.stream: pack.settings for pack in self.packs}

    def take_over(
        self, packs: Sequence[PackWriter], videos: Mapping[str, Path], annotations: Annotations
    ) -> dict[str, str]:
        """Put the features of unchanged videos into another pack, and find the subset of every video that was used.

        Warns of videos that keep a subset although the annotations say another one, and of held-out videos that are
        not in the annotations any more.

        Args:
            packs: of the new run, with the same streams and settings.
            videos: name to file.
            annotations: their new labels.

        Returns:
            Name to subset of the videos that the earlier run used.
        """
        names = self._earlier_names(videos)
        for own, pack in zip(self.packs, packs, strict=True):
            done = set(pack.names())
            for name, earlier in names.items():
                if name not in done and own.done(earlier, videos[name]):
                    _link(own.files(earlier), pack.files(name))
        subsets = {name: self.subsets[earlier] for name, earlier in names.items() if earlier in self.subsets}
        found = set(names.values())
        lost = [name for name in self.subsets if self.held_out(name) and name not in found]
        if lost:
            log.warning("held out in %s, without labels now: %s", self.root, listed(lost))
        warn_of_other_subsets(subsets, annotations, self.root)
        return subsets

    def held_out(self, name: str) -> bool:
        """Whether the run did not train on a video."""
        return self.subsets[name] != "training"

    def _names(self) -> list[str]:
        return sorted({name for pack in self.packs for name in pack.names()})

    def _earlier_names(self, videos: Mapping[str, Path]) -> dict[str, str]:
        """Name of a video to its name in the earlier run. Under another name, it has to be the same file as before."""
        match = match_names(videos, self._names())
        names = {
            name: earlier
            for name, earlier in match.pairs.items()
            if name == earlier or self._is_same_file(earlier, videos[name], alone=earlier not in match.doubled)
        }
        others = {name: file for name, file in videos.items() if name not in names}
        return names | self._renamed(others, set(names.values()))

    def _renamed(self, videos: Mapping[str, Path], taken: Collection[str]) -> dict[str, str]:
        """Name of a video to its name in the earlier run, for files that are the same under a new name: of the size and
        the time of exactly one other. What was trained on under the old name must not be held out under the new one."""
        records = records_of_pack(self.root / "pack") if videos else {}
        left = {name: record for name, record in records.items() if name not in taken}
        by_size = defaultdict[int, list[str]](list)
        for earlier, record in left.items():
            by_size[record.bytes].append(earlier)
        found = dict[str, str]()
        for name, file in videos.items():
            now = fingerprint(file)
            same = [] if now is None else [other for other in by_size[now.bytes] if left[other].is_of(now)]
            if len(same) == 1:
                found[name] = same[0]
        counts = Counter(found.values())
        found = {name: earlier for name, earlier in found.items() if counts[earlier] == 1}
        for name, earlier in found.items():
            log.warning("%r is the file that was %r in %s", name, earlier, self.root)
        return found

    def _is_same_file(self, earlier: str, file: Path, *, alone: bool) -> bool:
        """Whether a file is unchanged since its extraction; if others may be copies of it, also in the same place."""
        record = next((record for pack in self.packs if (record := pack.done(earlier, file))), None)
        return record is not None and (alone or record.source == str(file.absolute()))

    def compare(self, detections: Detections, truth: Annotations, pack: Path, thresholds: Any) -> Comparison:
        """Compare the detector of this run with later detections.

        Args:
            detections: of the later detector.
            truth: the held-out videos with their corrected labels.
            pack: of their features.
            thresholds: ``(T,)`` tIoU thresholds.
        """
        return compare_with_run(self.root, detections, truth, pack, thresholds)


# -- what a run on videos and one on a pack have in common --------------------------------------------------------


def check_other_folder(root: Path, output: Path) -> None:
    """Check that a new run does not replace the earlier one.

    Raises:
        InputError: both have the same folder.
    """
    if root.resolve() == output.resolve():
        fix = "give a new folder with --output, so that the earlier run stays"
        raise InputError(output, expected="another folder than that of the earlier run", found="the same", fix=fix)


def subsets_of_run(root: Path, annotations: Path) -> dict[str, str]:
    """Name to subset of the videos that a run trained on or held out.

    Args:
        root: its folder.
        annotations: the file that it was trained with.
    """
    data = load_config(root / "config.yaml").data
    used = (data.training_subset, data.validation_subset)
    videos = load_annotations(annotations, clip=False).videos.values()
    # A pack lists videos without labels, which the run did not use, in the subset testing.
    return {video.name: video.subset for video in videos if video.labels or video.subset in used}


def warn_of_other_subsets(subsets: Mapping[str, str], annotations: Annotations, root: Path) -> None:
    """Warn of videos that keep a subset although the annotations say another one.

    Args:
        subsets: name to the subset that a video keeps.
        annotations: the new ones.
        root: the earlier run, for the message.
    """
    said = {name: annotations.videos[name].subset for name in subsets if name in annotations.videos}
    if all(subset == "training" for subset in said.values()):  # as in a table without subsets
        return
    for kept in dict.fromkeys(subsets.values()):
        names = [name for name, subset in said.items() if subsets[name] == kept != subset]
        if names:
            message = "%s: stay in the subset %s as in %s, although the labels say %s"
            others = listed([*dict.fromkeys(said[name] for name in names)])
            log.warning(message, listed([repr(name) for name in names]), kept, root, others)


def compare_with_run(root: Path, detections: Detections, truth: Annotations, pack: Path, thresholds: Any) -> Comparison:
    """Compare the detector of a run with later detections, see :meth:`EarlierRun.compare`."""
    before = detect_held_out(Localizer.load(root / "last.ckpt"), truth, pack).detections
    return compare(before, detections, truth, tiou_thresholds=thresholds)


def _link(source: VideoFiles, target: VideoFiles) -> None:
    """Give features to another pack, without a second copy where the file system allows that.

    Files of packs are replaced and never changed, so neither pack sees what happens to the other. The record comes
    last, as in an extraction: a video with a record is done.
    """
    for old, new in zip(source, target, strict=True):
        new.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        try:
            os.link(old, new)
        except OSError:  # another disk, or a file system without links
            shutil.copy2(old, new)
