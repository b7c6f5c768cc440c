"""Which folders are packs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcl.data.pack import find_annotations, find_features, is_pack


@pytest.mark.parametrize("annotations", ["annotations.json", "annotations.csv"])
@pytest.mark.parametrize("features", ["features/a.npy", "features.h5", "features.hdf5", "features.npz"])
def test_a_pack_has_annotations_and_features(tmp_path: Path, annotations: str, features: str) -> None:
    (tmp_path / features).parent.mkdir(exist_ok=True)
    (tmp_path / features).touch()
    assert not is_pack(tmp_path)
    (tmp_path / annotations).touch()
    assert is_pack(tmp_path)
    assert find_annotations(tmp_path) == tmp_path / annotations
    assert find_features(tmp_path) == tmp_path / features.split("/")[0]


@pytest.mark.parametrize("annotations", ["annotations.json", "annotations.csv"])
def test_a_folder_of_videos_with_annotations_is_no_pack(tmp_path: Path, annotations: str) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / annotations).touch()
    assert not is_pack(tmp_path)
    assert not is_pack(tmp_path / "a.mp4")
