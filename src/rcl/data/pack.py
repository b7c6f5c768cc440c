"""Paths of the annotations and the features in a pack."""

from __future__ import annotations

from pathlib import Path

from rcl.system.paths import exists, is_file

ARCHIVES = ("features.h5", "features.hdf5", "features.npz")


def is_pack(folder: Path) -> bool:
    """Whether a folder holds both annotations and features. Annotations alone may lie in a folder of videos."""
    return exists(find_features(folder)) and exists(find_annotations(folder))


def find_annotations(pack: Path) -> Path:
    """Path of ``annotations.json`` in a pack, or of ``annotations.csv`` if the pack has only that."""
    table = pack / "annotations.csv"
    return table if is_file(table) and not exists(pack / "annotations.json") else pack / "annotations.json"


def find_features(pack: Path) -> Path:
    """Path of ``features/`` in a pack, or of its one feature file for all videos if the pack has only that."""
    archives = [pack / name for name in ARCHIVES if is_file(pack / name)]
    return archives[0] if archives and not exists(pack / "features") else pack / "features"
