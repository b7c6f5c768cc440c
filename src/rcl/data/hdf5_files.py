"""Arrays in HDF5 files, read whole or in parts."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from rcl.data.array_checks import Head, Part, check_compressed, check_same, choose_array
from rcl.system.errors import Defect


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}
    file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    return found


def _dataset(file: h5py.File, video: str | None) -> h5py.Dataset:
    named = file.get(video) if video else None
    if isinstance(named, h5py.Dataset):  # found without a walk over all of them
        return named
    datasets = _datasets(file)
    return datasets[choose_array([*datasets], video)]


def read_hdf5(path: Path, video: str | None, head: Head | None = None, part: Part = ()) -> np.ndarray:
    """The array of a video, or a part of it.

    Raises:
        Defect: it is not as ``head`` says, lies in another file, or is larger than its bytes can be.
    """
    with h5py.File(path, "r") as file:
        dataset = _dataset(file, video)
        if head is not None:
            check_same((dataset.shape or (), dataset.dtype), head)
        if dataset.is_virtual or dataset.external or dataset.file.id != file.id:
            found, fix = "a reference to another file", "save the numbers in this one"
            raise Defect(expected="the numbers of the video", found=found, fix=fix)
        check_compressed(dataset.nbytes, dataset.id.get_storage_size())
        if dataset.shape is None or dataset.dtype.kind not in "fiu":
            return np.empty((), dtype=dataset.dtype)  # the caller refuses this type, so nothing is read
        return dataset[part]


def head_of_hdf5(path: Path, video: str | None) -> Head:
    """Shape and type of the array of a video."""
    with h5py.File(path, "r") as file:
        dataset = _dataset(file, video)
        return dataset.shape or (), dataset.dtype


def scan_hdf5(path: Path) -> dict[str, Head]:
    """Shape and type of every array, by name."""
    heads: dict[str, Head] = {}
    with h5py.File(path, "r") as file:
        # With h5py's low-level objects, since thousands of the others take seconds.
        def visit(name: bytes, info: h5py.h5o.ObjInfo) -> None:
            if info.type == h5py.h5o.TYPE_DATASET:
                dataset = h5py.h5d.open(file.id, name)
                heads[name.decode("utf-8", "surrogateescape")] = dataset.shape, dataset.dtype

        h5py.h5o.visit(file.id, visit, info=True)
    return heads
