"""Where the annotations and the features of a pack lie."""

from __future__ import annotations

from pathlib import Path

from rcl.system.paths import exists, is_file


def is_pack(path: Path) -> bool:
    """Whether a folder holds features, or annotations, by the names that they have in a pack.

    Not by ``annotations.csv`` alone, which may lie beside videos.
    """
    names = ("annotations.json", "features", "features.h5", "features.hdf5", "features.npz")
    return any(exists(path / name) for name in names)


def find_annotations(pack: Path) -> Path:
    """``annotations.json`` of a pack, or its ``annotations.csv`` where there is only that."""
    table = pack / "annotations.csv"
    return table if is_file(table) and not exists(pack / "annotations.json") else pack / "annotations.json"


def find_features(pack: Path) -> Path:
    """``features/`` of a pack, or one file for all videos where there is only that."""
    archives = [pack / f"features{extension}" for extension in (".h5", ".hdf5", ".npz")]
    found = [archive for archive in archives if is_file(archive)]
    return found[0] if found and not exists(pack / "features") else pack / "features"
