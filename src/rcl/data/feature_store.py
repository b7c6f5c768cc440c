"""The features of many videos, in a folder or in one archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from rcl.data.array_checks import Head
from rcl.data.feature_files import EXTENSIONS, read_shape, scan_archive
from rcl.data.features import StoredFeatures, check_layout, check_shape, propose_transposing
from rcl.system.errors import InputError, counted, listed, located
from rcl.system.paths import PathLike, exists, files_in, is_dir, is_remote, to_path
from rcl.system.text_files import extension_of
from rcl.system.transfer import local


class FeatureStore:
    """The features of many videos.

    Args:
        root: a folder with one file per video, named after it, of any format that ``read_features`` reads; or one
            ``.h5``, ``.hdf5`` or ``.npz`` file with one array per video (HDF5 is the faster for many).
        layout: as in ``read_features``.
        channels: the width C that is required.

    Raises:
        InputError: ``root`` is missing or damaged, or the folder has two files of one video.
    """

    def __init__(self, root: PathLike, *, layout: str = "TC", channels: int | None = None) -> None:
        check_layout(layout)
        self.root, self.layout, self.channels = to_path(root), layout, channels
        self._unread: dict[str, str] = {}  # files of other kinds, by stem, for messages
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
            InputError: there are no features of the video.
        """
        self._require([video])
        return self._files[video]

    def read(self, video: str) -> np.ndarray:
        """The features ``(T, C)`` of a video, as ``read_features`` returns them.

        Raises:
            InputError: there are no features of the video, or as in ``read_features``.
        """
        return self.open(video).read()

    def open(self, video: str) -> StoredFeatures:
        """The features of a video, without reading them.

        Raises:
            InputError: there are no features of the video, or their shape is wrong.
        """
        self._require([video])
        path = self._files[video]
        return StoredFeatures(path, self._head(video), video=video, layout=self.layout, channels=self.channels)

    def shape(self, video: str) -> tuple[int, int]:
        """``(T, C)`` of a video, from the head of its file where the format has one (all but ``.csv`` and ``.pt``).

        Raises:
            InputError: there are no features of the video, or their shape is wrong.
        """
        self._require([video])
        return self._shape(video)

    def check(self, videos: Iterable[str]) -> int:
        """The width C that the features of all videos share.

        Raises:
            InputError: videos have no features (all are named in one message), or a width or shape is wrong.
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
            fix=propose_transposing(self.layout) if len(heights) == 1 else "extract all videos with one backbone",
        )

    def _shape(self, video: str) -> tuple[int, int]:
        head = self._head(video)
        with located(f"{self._files[video]}, video {video!r}"):
            return check_shape(*head, self.layout, self.channels)

    def _head(self, video: str) -> Head:
        if video not in self._heads:
            path = self._files[video]
            with located(f"{path}, video {video!r}"), local(path) as file:
                self._heads[video] = read_shape(file, video)
        return self._heads[video]

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
            raise InputError.missing(self.root, "a folder or an archive of features", fix=fix)
        extension_of(self.root, (".h5", ".hdf5", ".npz"))
        if is_remote(self.root):  # it would be fetched for every video
            expected = "a folder of feature files, or an archive on this machine"
            raise InputError(self.root, expected=expected, found="an archive in an object store", fix="copy it here")
        with located(self.root):
            self._heads = scan_archive(self.root)
        self._files = dict.fromkeys(self._heads, self.root)

    def _require(self, videos: Sequence[str]) -> None:
        for video in videos:
            if (".." in video or "/" in video) and leaves_folder(video):
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
            expected=f"features of {counted(len(videos), 'video')}",
            found=f"none of {listed([repr(video) for video in missing])}",
            fix=f"{convert} (here: {listed(self.names(), 3) or 'no feature file'})",
        )


def leaves_folder(video: str) -> bool:
    """Whether a name, as a path, leads out of the folder."""
    return ".." in PurePosixPath(video).parts or PurePosixPath(video).is_absolute()
