"""Feature files: find, read, check, resize."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from rcl.data.feature_files import (
    EXTENSIONS,
    HEADED,
    IN_PARTS,
    Head,
    Part,
    Shape,
    check_same,
    read_array,
    read_part,
    read_shape,
    scan_archive,
)
from rcl.system.errors import InputError
from rcl.system.paths import exists, files_in, is_dir
from rcl.system.text_files import Defect, PathLike, check_is_file, extension_of, is_remote, listed, local, to_path


class StoredFeatures:
    """The features of one video where they lie: of known shape, and read when they are asked for.

    No file is kept open, so that there may be one for each of many videos, in any process.

    Args:
        path: as in ``open_features``.
        head: shape and type of the array in the file.
        array: the array itself, where it is at hand.
        video: the array to take where the file holds several by name; also named in messages.
        layout: ``"TC"`` or ``"CT"``.
        channels: the width C that is required.

    Attributes:
        shape: ``(T, C)``.

    Raises:
        InputError: such an array is not the features of a video.
    """

    def __init__(
        self,
        path: Path,
        head: Head,
        *,
        array: np.ndarray | None = None,
        video: str | None = None,
        layout: str = "TC",
        channels: int | None = None,
    ) -> None:
        self.path, self.video, self.layout = path, video, layout
        self.where = f"{path}, video {video!r}" if video is not None else str(path)
        self._head = head
        try:
            self.shape = _check_shape(*head, layout, channels)
        except Defect as defect:
            raise defect.at(self.where) from None
        self._whole = array  # of a format that cannot be read in parts

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """The features of snippets ``first`` to before ``last``, by default of all.

        Args:
            first: at least 0.
            last: snippets beyond the end are left out.

        Returns:
            ``(last − first, C)`` float32, contiguous, all finite, and the caller's own.

        Raises:
            InputError: the file is damaged or was changed, or holds a number that is not finite.
        """
        snippets, channels = self.shape
        last = snippets if last is None else min(last, snippets)
        if not 0 <= first <= last:
            raise ValueError(f"first must be from 0 to {last}, not {first}")
        axis = (self.layout == "CT") + (len(self._head[0]) == 3)
        try:
            raw = self._read((slice(None),) * axis + (slice(first, last),))
        except Defect as defect:
            raise defect.at(self.where) from None
        rows = last - first
        matrix = raw.reshape((channels, rows)).T if self.layout == "CT" else raw.reshape((rows, channels))  # (n, C)
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite and is reported as that
            features = np.array(matrix, dtype=np.float32, order="C")
        _check_finite(features, self.where, first)
        return features

    def _read(self, part: Part) -> np.ndarray:
        if self._whole is None:
            if self.path.suffix.lower() in IN_PARTS and not is_remote(self.path):
                return read_part(self.path, self.video, self._head, part)
            with local(self.path) as file:
                array = read_array(file, self.video)
            check_same((array.shape, array.dtype), self._head)
            self._whole = array
        return self._whole[part]


def open_features(
    path: PathLike, *, video: str | None = None, layout: str = "TC", channels: int | None = None
) -> StoredFeatures:
    """The features of one video, without reading them.

    ``.npy`` is mapped into memory and HDF5 read by the slice; the other formats are read whole.

    Args:
        path: ``.npy``, ``.npz``, ``.csv`` (comma, header optional), ``.h5`` / ``.hdf5`` or ``.pt``.
        video: the array to take where the file holds several by name; also named in messages.
        layout: ``"TC"``, or ``"CT"`` where the file holds the transpose. ``(1, T, C)`` and ``(T, C, 1, 1)`` pass too.
        channels: the width C that is required.

    Raises:
        InputError: the file is missing, damaged, of another kind, or holds something other than such features.
    """
    path = to_path(path)
    _check_layout(layout)
    extension_of(path, EXTENSIONS)
    check_is_file(path)
    array = None
    try:
        if path.suffix.lower() in HEADED and not is_remote(path):
            head = read_shape(path, video)
        else:
            with local(path) as file:
                array = read_array(file, video)
            head = array.shape, array.dtype
    except Defect as defect:
        raise defect.at(f"{path}, video {video!r}" if video is not None else path) from None
    return StoredFeatures(path, head, array=array, video=video, layout=layout, channels=channels)


def read_features(
    path: PathLike, *, video: str | None = None, layout: str = "TC", channels: int | None = None
) -> np.ndarray:
    """Read the features of one video; the arguments are those of ``open_features``.

    Returns:
        ``(T, C)`` float32, contiguous, T and C at least 1, all finite.

    Raises:
        InputError: as in ``open_features``, or a number is not finite.
    """
    return open_features(path, video=video, layout=layout, channels=channels).read()


class FeatureStore:
    """The features of many videos.

    Args:
        root: a folder with one file per video, named after it, of any format that ``read_features`` reads; or one
            ``.h5``, ``.hdf5`` or ``.npz`` file with one array per video (HDF5 is the faster for many).
        layout: as in ``read_features``.
        channels: the width C that is required.

    Raises:
        InputError: ``root`` is missing or damaged, or two files of the folder are of one video.
    """

    def __init__(self, root: PathLike, *, layout: str = "TC", channels: int | None = None) -> None:
        _check_layout(layout)
        self.root, self.layout, self.channels = to_path(root), layout, channels
        self._unread: dict[str, str] = {}  # stem → name of files of other kinds, for messages
        self._files: dict[str, Path] = {}
        self._heads: dict[str, Head] = {}  # of the raw arrays
        if is_dir(self.root):
            self._scan_folder()
        else:
            self._scan_archive()

    def __contains__(self, video: object) -> bool:
        return video in self._files

    def __len__(self) -> int:
        return len(self._files)

    def names(self) -> list[str]:
        """The videos, sorted."""
        return sorted(self._files)

    def file(self, video: str) -> Path:
        """The file that holds the features of a video.

        Raises:
            InputError: the video is not here.
        """
        self._require([video])
        return self._files[video]

    def read(self, video: str) -> np.ndarray:
        """The features ``(T, C)`` of a video, as ``read_features`` returns them.

        Raises:
            InputError: the video is not here, or as in ``read_features``.
        """
        return self.open(video).read()

    def open(self, video: str) -> StoredFeatures:
        """The features of a video, without reading them.

        Raises:
            InputError: the video is not here, or its shape is wrong.
        """
        self._require([video])
        path = self._files[video]
        return StoredFeatures(path, self._head(video), video=video, layout=self.layout, channels=self.channels)

    def shape(self, video: str) -> tuple[int, int]:
        """``(T, C)`` of a video, from the head of its file where the format has one (all but ``.csv`` and ``.pt``).

        Raises:
            InputError: the video is not here, or its shape is wrong.
        """
        self._require([video])
        return self._shape(video)

    def check(self, videos: Iterable[str]) -> int:
        """Check that every video has features of one width, and return that width.

        Raises:
            InputError: videos are missing (all of them in one message), or a width or shape is wrong.
        """
        videos = list(videos)
        self._require(videos)
        if not videos and self.channels is None:
            raise InputError(self.root, expected="videos to check", found="none", fix="give at least one")
        shapes = {video: self._shape(video) for video in videos}
        widths = Counter(columns for _, columns in shapes.values())
        if len(widths) <= 1:
            return next(iter(widths), self.channels or 0)
        width = widths.most_common(1)[0][0]
        odd = next(video for video, (_, columns) in shapes.items() if columns != width)
        heights = {rows for rows, _ in shapes.values()}
        raise InputError(
            f"{self._files[odd]}, video {odd!r}",
            expected=f"one width for all videos, such as the {width} of most",
            found=f"(T, C) = {shapes[odd]}",
            fix=_transpose(self.layout) if len(heights) == 1 else "extract all videos with one backbone",
        )

    def _shape(self, video: str) -> tuple[int, int]:
        head = self._head(video)
        try:
            return _check_shape(*head, self.layout, self.channels)
        except Defect as defect:
            raise defect.at(f"{self._files[video]}, video {video!r}") from None

    def _head(self, video: str) -> Head:
        path = self._files[video]
        try:
            if video not in self._heads:
                with local(path) as file:
                    self._heads[video] = read_shape(file, video)
            return self._heads[video]
        except Defect as defect:
            raise defect.at(f"{path}, video {video!r}") from None

    def _scan_folder(self) -> None:
        for path in files_in(self.root):
            if path.name.startswith("."):  # such as the ._name files of macOS
                continue
            if path.suffix.lower() not in EXTENSIONS:
                self._unread[path.stem] = path.name
                continue
            other = self._files.setdefault(path.stem, path)
            if other is not path:
                raise InputError(
                    f"{self.root}, video {path.stem!r}",
                    expected="one feature file per video",
                    found=f"{other.name} and {path.name}",
                    fix="remove one of them",
                )

    def _scan_archive(self) -> None:
        if not exists(self.root):
            fix = "check the path or extract the features first"
            raise InputError(self.root, expected="a folder or an archive of features", found="no such file", fix=fix)
        extension_of(self.root, (".h5", ".hdf5", ".npz"))
        if is_remote(self.root):  # it would be fetched for every video
            expected, found = (
                "a folder of feature files, or an archive on this machine",
                "an archive in an object store",
            )
            raise InputError(self.root, expected=expected, found=found, fix="copy it here")
        try:
            self._heads = scan_archive(self.root)
        except Defect as defect:
            raise defect.at(self.root) from None
        self._files = dict.fromkeys(self._heads, self.root)

    def _require(self, videos: Sequence[str]) -> None:
        for video in videos:
            if (".." in video or "/" in video) and _leaves(video):
                fix = "rename the video in the annotations"
                found = "one that leaves the folder"
                where = f"{self.root}, video {video!r}"
                raise InputError(where, expected="the name of a video", found=found, fix=fix)
        missing = [video for video in videos if video not in self._files]
        if not missing:
            return
        unread = [self._unread[video] for video in missing if video in self._unread]
        convert = (
            f"convert {listed(unread, 1)} to .npy" if unread else "extract them or remove them from the annotations"
        )
        raise InputError(
            self.root,
            expected=f"features of {len(videos)} video{'s' * (len(videos) != 1)}",
            found=f"none of {listed([repr(video) for video in missing])}",
            fix=f"{convert} (here: {listed(self.names(), 3) or 'no feature file'})",
        )


def resize(features: Tensor, snippets: int) -> Tensor:
    """Stretch features over time by linear interpolation between the centres of the snippets.

    Args:
        features: ``(C, T)``, T at least 1.
        snippets: T wanted, at least 1.

    Returns:
        ``(C, snippets)``; beyond the first and the last centre the values stay constant.
    """
    return torch.nn.functional.interpolate(features[None], size=snippets, mode="linear", align_corners=False)[0]


# -- checks ------------------------------------------------------------------------------------------------------


def _check_layout(layout: str) -> None:
    if layout not in ("TC", "CT"):
        raise InputError("data.layout", expected="TC or CT", found=repr(layout), fix="set one of the two")


def _leaves(video: str) -> bool:
    """Whether a name, as a path, leads out of the folder."""
    return ".." in PurePosixPath(video).parts or PurePosixPath(video).is_absolute()


def _transpose(layout: str) -> str:
    return f"set data.layout={'CT' if layout == 'TC' else 'TC'}"


def _check_shape(shape: Shape, dtype: np.dtype, layout: str, channels: int | None) -> tuple[int, int]:
    """``(T, C)`` of a raw array."""
    if dtype.kind not in "fiu":
        raise Defect(expected="real numbers", found=f"the type {dtype}", fix="save the features as float32 or float16")
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    elif len(shape) == 4 and shape[2:] == (1, 1):
        shape = shape[:2]
    if len(shape) != 2:
        raise Defect(
            expected="two dimensions, snippets × channels",
            found=f"the shape {shape}",
            fix="save one vector per snippet (pool over space first)",
        )
    rows, columns = shape if layout == "TC" else shape[::-1]
    if rows < 1 or columns < 1:
        fix = "extract the features of this video again"
        raise Defect(expected="at least one snippet", found=f"0 snippets, (T, C) = {(rows, columns)}", fix=fix)
    if channels not in (None, columns):
        raise Defect(
            expected=f"{channels} channels",
            found=f"{columns}, (T, C) = {(rows, columns)}",
            fix=_transpose(layout) if rows == channels else "use features of one backbone, or correct the width",
        )
    return rows, columns


def _check_finite(features: np.ndarray, where: str, first_snippet: int) -> None:
    finite = np.isfinite(features)  # (T, C)
    if not finite.all():
        first = first_snippet + int(np.flatnonzero(~finite.all(axis=1))[0])
        raise InputError(
            where,
            expected="finite numbers",
            found=f"{int((~finite).sum())} NaN or infinite values, the first in snippet {first}",
            fix="extract the features of this video again",
        )
