"""HDF5 files of pose tracks, opened so that whatever is damaged in them is an error of the input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from rcl.system.errors import Defect, InputError, describe_error, located
from rcl.system.paths import check_is_file
from rcl.system.transfer import local


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Context with an open file.

    Raises:
        InputError: the file is missing, or what is read inside is damaged.
    """
    check_is_file(path)
    with local(path) as place, located(path):
        try:
            with h5py.File(place, "r") as file:
                yield file
        except (InputError, Defect):
            raise
        except Exception as error:  # on damaged bytes, the library raises anything
            found, fix = f"one that cannot be read ({describe_error(error)})", "get the file again"
            raise InputError(path, expected="a complete HDF5 file", found=found, fix=fix) from None
