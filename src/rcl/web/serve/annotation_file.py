"""The file of corrected segments: saving replaces one video and leaves the rest of the file unchanged."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rcl.data.annotations import VideoAnnotation
from rcl.data.formats.load import format_of, load_annotations
from rcl.data.formats.tables.table import is_plain
from rcl.data.names import match_names
from rcl.system.errors import InputError, counted, located
from rcl.system.text_files import check_place, extension_of, read_json, read_text, write_text
from rcl.web.serve.database_content import Database
from rcl.web.serve.file_content import (
    Content,
    Entry,
    Only,
    Renaming,
    Replacement,
    Segment,
    describe,
    grouped,
    reviewed_of,
    take,
    video_in,
)
from rcl.web.serve.held_file import HeldFile
from rcl.web.serve.table_content import Table

log = logging.getLogger("rcl")

NEW = "new"  # revision of a video that is not in the file


class OutdatedError(InputError):
    """Another page or program has saved the video in the meantime."""


class _Said(NamedTuple):
    """What a file of annotations says; nobody changes it."""

    content: Content
    videos: Mapping[str, VideoAnnotation]
    remarked: Mapping[str, Sequence[Segment]]


class AnnotationFile:
    """Annotations as ``rcl train`` and ``rcl fit`` read them: ActivityNet's JSON or a CSV table, by extension.

    The file is read again whenever it has changed on disk. The names of videos stay as the file writes them,
    for instance ``clip.mp4`` for the video ``clip``.

    Args:
        path: the file; it need not exist.
        videos: names of the videos.

    Raises:
        InputError: the file is damaged, has two names for one video, cannot be written, or is of a format that RCL only
            reads.
    """

    def __init__(self, path: Path, videos: Collection[str]) -> None:
        self.path = path
        self._videos = videos
        self._is_table = extension_of(path, (".csv", ".json")) == ".csv"
        self._lock = threading.Lock()
        self._file = HeldFile(path, self._parse)
        if path.exists():
            self._warn_of_others(self.read())
        check_place(path)

    def read(self) -> Mapping[str, VideoAnnotation]:
        """The annotations in the file, by the name of the video.

        Raises:
            InputError: the file is damaged, has two names for one video, or is of a format that RCL only reads.
        """
        return self._file.get().videos

    def remarked(self) -> Mapping[str, Sequence[Segment]]:
        """The segments in the file with their remarks, by the name of the video.

        Raises:
            InputError: the file is damaged.
        """
        return self._file.get().remarked

    def entry_of(self, name: str) -> Entry | None:
        """All that the file says of one video, also what RCL does not read, so that :meth:`save` can put it back."""
        video = self.read().get(name)
        entry = self._file.get().content.entry_of(name) if video else None
        return {**describe(video), **entry} if video and entry else None

    def save(self, new: Replacement, *, revision: str | None) -> str:
        """Replace the segments of one video, atomically, and return their revision.

        A testing video that had no segments becomes a training video.

        Args:
            new: what the file says of the video from now on.
            revision: of the segments that the page began with; ``None`` overwrites any.

        Raises:
            OutdatedError: the file holds another revision.
            InputError: the file is damaged, cannot hold what was reviewed, or cannot be written.
        """
        with self._lock:
            before = self.read().get(new.name)
            check_revision(self.path, new.name, revision, self._revision_of(new.name))
            earlier = video_in(new.entry, new.name) if new.entry else new.known
            with located(self.path):
                text = self._file.get().content.replaced(
                    new._replace(known=before or earlier, segments=sorted(new.segments))
                )
            write_text(self.path, text)
            return self._revision_of(new.name)

    def remove(self, name: str) -> None:
        """Take a video out of the file, atomically, if it is there.

        Raises:
            InputError: the file is damaged or cannot be written.
        """
        with self._lock:
            if name in self.read():
                write_text(self.path, self._file.get().content.without(name))

    def times_of(self, label: str) -> Only:
        """The segments that have a label.

        Raises:
            InputError: the file is damaged.
        """
        return self._file.get().content.times_of(label)

    def rename(self, renaming: Renaming) -> int:
        """Give a label another name, atomically, and return the number of segments that got it.

        Raises:
            InputError: the file is damaged or cannot be written.
        """
        with self._lock:
            text, count = self._file.get().content.renamed(renaming)
            if count:
                write_text(self.path, text)
            return count

    def _revision_of(self, name: str) -> str:
        return revision_of(self.read().get(name), self.remarked().get(name, ()))

    def _parse(self) -> _Said:
        if not self.path.exists():
            new = Table(None, self._names_of) if self._is_table else Database(None, self._names_of)
            return _Said(new, {}, {})
        self._check_format()
        table, names = self._is_table, self._names_of
        content = Table(read_text(self.path), names) if table else Database(read_json(self.path), names)
        if content.is_empty:
            return _Said(content, {}, {})
        annotations = load_annotations(self.path, clip=False)
        return _Said(content, annotations.renamed(self._names_of(annotations.videos)).videos, content.remarked())

    def _names_of(self, keys: Iterable[str]) -> Mapping[str, str]:
        return match_names(keys, self._videos).pairs

    def _check_format(self) -> None:
        """Refuse what RCL reads but cannot change without loss."""
        known = format_of(self.path)
        if known not in ("activitynet", "table"):
            found = "a format that RCL only reads"
            fix = "name another file, which is created, or convert it with rcl import"
            raise InputError(self.path, expected="ActivityNet's JSON or a table", found=found, fix=fix)
        if known == "table" and not (self._is_table and is_plain(read_text(self.path), str(self.path))):
            expected = "a table video,start,end,label with commas and seconds, whose rows can be replaced"
            fix = f"convert it first: rcl import {self.path} --output labels.csv"
            raise InputError(self.path, expected=expected, found="a table that RCL only reads", fix=fix)

    def _warn_of_others(self, names: Collection[str]) -> None:
        match = match_names(names, self._videos)
        if match.missing:
            count = f"{len(match.missing)} of {counted(len(names), 'video')} in it"
            log.warning("%s: %s are not among those shown: %s", self.path, count, match.describe_missing())


def check_revision(path: Path, name: str, known: str | None, actual: str) -> None:
    """Check that a page knows what it is about to replace; ``None`` replaces anything.

    Raises:
        OutdatedError: it began with another revision.
    """
    if known is not None and known != actual:
        raise OutdatedError(
            f"{path}, video {name!r}",
            expected="the segments that this page began with",
            found="others, saved by another page or program",
            fix="load them, or save again to overwrite them",
        )


def revision_of(video: VideoAnnotation | None, remarked: Sequence[Segment] = ()) -> str:
    """A digest of the segments of a video with their remarks and what was reviewed, which changes when they do."""
    if video is None:
        return NEW
    content = json.dumps([segments_of(video, remarked), reviewed_of(video)])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def segments_of(video: VideoAnnotation | None, remarked: Sequence[Segment] = ()) -> list[Segment]:
    """The instances of a video, in the order of the file, with the remarks on them."""
    if video is None:
        return []
    pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
    segments = [Segment(start, end, label) for (start, end), label in pairs]
    known = grouped((one.plain, one) for one in remarked)
    return [take(known, segment) or segment for segment in segments]
