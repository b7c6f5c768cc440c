"""The features of many videos, in a folder or in one archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.array_checks import Head
from rcl.data.feature_files import EXTENSIONS, read_shape, scan_archive
from rcl.data.features import StoredFeatures, check_layout, check_shape, propose_transposing
from rcl.data.names import NameIndex, NameMatch, match_names
from rcl.system.errors import InputError, counted, listed, located
from rcl.system.paths import PathLike, exists, files_below, is_dir, is_hidden, is_remote, to_path
from rcl.system.text_files import extension_of
from rcl.system.transfer import local


class FeatureStore:
    """The features of many videos. A video may have any name that :func:`rcl.data.names.match_names` finds:
    ``clip.mp4`` means the features ``clip``.

    Args:
        root: a folder with one file per video, also in folders below it, named after the video (``cam1/001.npy`` for
            ``cam1/001``), of any format that ``read_features`` reads; or one ``.h5``, ``.hdf5`` or ``.npz`` file with
            one array per video (HDF5 is the faster for many).
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
        self._meant: dict[str, str | None] = {}  # other names of videos, and the names of their features
        self._heads: dict[str, Head] = {}  # of the raw arrays
        if is_dir(self.root):
            self._scan_folder()
        else:
            self._scan_archive()

    @property
    def streams(self) -> tuple[()]:
        """None: the features are a single stream; see :class:`rcl.data.stream_store.StreamStore`."""
        return ()

    def timed(self, annotations: Annotations) -> FeatureStore:
        """This store: the times of its features are those of the annotations."""
        return self

    def rate(self, video: str) -> float | None:
        """``None``: the annotations know the rate."""
        return None

    def doubts(self, videos: Sequence[str]) -> list[str]:
        """None: a video without features is an error."""
        return []

    def __contains__(self, video: object) -> bool:
        return isinstance(video, str) and self._find(video) is not None

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
        return self._files[self._require([video])[video]]

    def files(self, video: str) -> tuple[Path, ...]:
        """The file that holds the features of a video, if there is one."""
        return (self.file(video),) if video in self else ()

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
        name = self._require([video])[video]
        path = self._files[name]
        return StoredFeatures(path, self._head(name), video=name, layout=self.layout, channels=self.channels)

    def shape(self, video: str) -> tuple[int, int]:
        """``(T, C)`` of a video, from the head of its file where the format has one (all but ``.csv`` and ``.pt``).

        Raises:
            InputError: there are no features of the video, or their shape is wrong.
        """
        return self._shape(self._require([video])[video])

    def check(self, videos: Iterable[str]) -> int:
        """The width C that the features of all videos share.

        Raises:
            InputError: videos have no features (all are named in one message), two names mean the same features, or a
                width or shape is wrong.
        """
        names = self._require(list(videos))
        videos = list(names.values())
        self._check_different(names)
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
        for path, below in files_below(self.root):
            if is_hidden(below):  # such as the ._name files of macOS
                continue
            name = str(below)[: len(str(below)) - len(below.suffix)]
            if path.suffix.lower() not in EXTENSIONS:
                self._unread[name] = str(below)
                continue
            other = self._files.setdefault(name, path)
            if other is not path:
                raise InputError(
                    f"{self.root}, video {name!r}",
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

    @cached_property
    def _index(self) -> NameIndex:
        return NameIndex(self._files)

    def _find(self, video: str) -> str | None:
        """The name of the features of a video; ``None`` if there are none."""
        if video in self._files:
            return video
        if video not in self._meant:
            found = [] if _leaves(video) else self._index.find(video)
            self._meant[video] = found[0] if len(found) == 1 else None
        return self._meant[video]

    def _require(self, videos: Sequence[str]) -> dict[str, str]:
        """The name of the features of each video."""
        names, missing = dict[str, str](), list[str]()
        for video in videos:
            if _leaves(video):
                fix = "rename the video in the annotations"
                found = "one that leaves the folder"
                where = f"{self.root}, video {video!r}"
                raise InputError(where, expected="the name of a video", found=found, fix=fix)
            if (name := self._find(video)) is None:
                missing.append(video)
            else:
                names[video] = name
        if missing:
            raise self._missing(videos, missing)
        return names

    def _missing(self, videos: Sequence[str], missing: Sequence[str]) -> InputError:
        unread = [self._unread[video] for video in missing if video in self._unread]
        convert = (
            f"convert {listed(unread, 1)} to .npy" if unread else "extract them or remove them from the annotations"
        )
        return InputError(
            self.root,
            expected=f"features of {counted(len(videos), 'video')}",
            found=f"none of {match_names(videos, self._files).describe_missing()}",
            fix=f"{convert} (here: {listed(self.names(), 3) or 'no feature file'})",
        )

    def _check_different(self, names: Mapping[str, str]) -> None:
        for name, videos in NameMatch(names).doubled.items():
            found, fix = " and ".join(map(repr, videos)), "write its name the same everywhere"
            raise InputError(self.root, expected=f"one name for the video {name!r}", found=found, fix=fix)


def _leaves(video: str) -> bool:
    return (".." in video or "/" in video) and leaves_folder(video)


def leaves_folder(video: str) -> bool:
    """Whether a name, as a path, leads out of the folder."""
    return ".." in PurePosixPath(video).parts or PurePosixPath(video).is_absolute()
