"""The records of a pack, one per extracted video, and the names that videos have there."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rcl.data.feature_store import leaves_folder
from rcl.system.errors import InputError
from rcl.system.paths import Fingerprint, PathLike, StorageError, exists, files_below, fingerprint, is_file, to_path
from rcl.system.text_files import read_json
from rcl.system.transfer import query_pool
from rcl.video.finding import folders_of
from rcl.video.inside import file_of
from rcl.video.settings import read_settings, streams_in


class Record(BaseModel):
    """The record of an extracted video. It is written last, so a video with a record is done.

    ``source`` is the file that was read, with its size ``bytes``, its time ``modified_ns`` since 1970, and its ``etag``
    in an object store; 0 or empty if unknown. ``video_fps`` is the rate that was given for a stream without a
    container.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: str
    bytes: int
    modified_ns: int
    etag: str = ""
    duration_seconds: float
    snippets: int
    snippets_per_second: float
    video_fps: float | None = None
    problems: list[str]
    versions: dict[str, str]

    def is_of(self, file: Fingerprint) -> bool:
        """Whether the file is unchanged. Clients of a store may round its times differently, but agree on its tag."""
        changes = self.etag != file.etag if self.etag and file.etag else self.modified_ns != file.modified_ns
        return self.bytes == file.bytes and not changes

    def may_exist(self, video: Path) -> bool:
        """Whether the source may still exist. Only the store of ``video`` is queried: a record may name any other
        store, where the file may exist."""
        if "://" not in self.source:
            return os.path.exists(file_of(Path(self.source)))
        same_store = self.source.split("/")[:3] == str(video).split("/")[:3]
        return exists(file_of(to_path(self.source))) if same_store else True


def record_path(root: Path, name: str, stream: str | None = None) -> Path:
    """The file of the record of a video in a pack, or in one of its streams."""
    return root / "records" / (stream or "") / f"{name}.json"


def read_record(root: Path, name: str, stream: str | None = None) -> Record | None:
    """The record of a video in a pack, or in one of its streams; ``None`` if there is none. A damaged one counts as
    missing.

    Raises:
        InputError: the object store does not answer.
    """
    path = record_path(root, name, stream)
    try:
        return Record.model_validate(read_json(path)) if is_file(path) else None
    except StorageError:
        raise
    except (InputError, ValidationError):
        return None


def recorded_names(root: Path, stream: str | None = None) -> list[str]:
    """The names of the videos that have a record in a pack, or in one of its streams, sorted."""
    records = [below for _, below in files_below(root / "records" / (stream or "")) if below.suffix == ".json"]
    return sorted(str(below)[: -len(".json")] for below in records)


def read_records(root: Path, names: Sequence[str], stream: str | None = None) -> dict[str, Record]:
    """The records of videos of a pack, or of one of its streams, without damaged ones."""
    with query_pool(root) as pool:
        found = zip(names, pool.map(lambda name: read_record(root, name, stream), names), strict=True)
        return {name: record for name, record in found if record}


def extracted_streams(root: Path) -> list[str | None]:
    """The streams of a pack that was extracted; ``[None]`` for a pack of a single stream.

    Raises:
        InputError: its settings are damaged.
    """
    settings = read_settings(root)
    return [*streams_in(settings)] if settings else [None]


def share_files(root: Path, streams: Sequence[str]) -> bool:
    """Whether streams of a pack were extracted from the same files, so that a video has all of them or none.

    Raises:
        InputError: its settings are damaged.
    """
    if not streams or not {*streams} <= {*extracted_streams(root)}:
        return False
    records = [read_records(root, recorded_names(root, stream), stream) for stream in streams]
    sources = [{name: record.source for name, record in own.items()} for own in records]
    return all(own == sources[0] for own in sources)


def records_of_pack(root: Path) -> dict[str, Record]:
    """A record of every video of a pack, sorted by name. One of several streams has the latest end and the highest
    rate, as the aligned streams do.

    Raises:
        InputError: its settings are damaged.
    """
    joined = dict[str, Record]()
    streams = [read_records(root, recorded_names(root, stream), stream) for stream in extracted_streams(root)]
    for name in {name: None for own in streams for name in own}:
        record = joined_record(own.get(name) for own in streams)
        assert record is not None  # a stream has it
        joined[name] = record
    return dict(sorted(joined.items()))


def joined_record(records: Iterable[Record | None]) -> Record | None:
    """One record of a video that has several, one per stream: the first, with the latest end and the highest rate, as
    the aligned streams have them. ``None`` if there is none."""
    found = [record for record in records if record]
    ends = {
        name: max(getattr(record, name) for record in found)
        for name in ("duration_seconds", "snippets_per_second")
        if found
    }
    return found[0].model_copy(update=ends) if found else None


# -- names in a pack ---------------------------------------------------------------------------------------------


def names_in_pack(root: PathLike, videos: Mapping[str, Path], stream: str | None = None) -> dict[str, Path]:
    """Videos under the names that they have in a pack, or will have.

    A video that is in the pack keeps its name there, also after it was moved: its name does not depend on which folder
    is given, or on videos that were added next to it. A new video whose name another one has is named with the folders
    above it, ``cam2/001``. Only recordings of one stream need different names; in several streams, a name stands for
    what was recorded at the same time, and a file has the name that it has in another stream.

    Args:
        root: the pack; it need not exist.
        videos: name to file.
        stream: of a pack of streams, the one that the videos are for.

    Returns:
        Name to file, sorted by name.

    Raises:
        InputError: a new video cannot be told apart from another by its path.
    """
    root = to_path(root)
    done = recorded_names(root, stream)
    others = _sources_of_others(root, stream) if stream else {}
    if not done and not others:
        return dict(videos)
    pack = _PackNames(read_records(root, done, stream), others)
    with query_pool(root, *videos.values()) as pool:
        known = list(pool.map(pack.find, videos, videos.values()))
    taken = {*done, *(name for name in known if name)}
    named = dict[str, Path]()
    for (name, path), old in zip(videos.items(), known, strict=True):
        new = old if old and old not in named else _new_name(name, path, taken)
        taken.add(new)
        named[new] = path
    return dict(sorted(named.items()))


def _sources_of_others(root: Path, stream: str) -> dict[str, str]:
    """The files that other streams of a pack were extracted from, with the names that they have there."""
    others = [other for other in extracted_streams(root) if other and other != stream]
    records = [read_records(root, recorded_names(root, other), other) for other in others]
    return {record.source: name for own in records for name, record in own.items()}


class _PackNames:
    """The names in a pack by the files that were extracted.

    Args:
        records: name to record.
        others: file to name, in other streams of the pack.
    """

    def __init__(self, records: Mapping[str, Record], others: Mapping[str, str]) -> None:
        self.records = records
        self.sources = {**others, **{record.source: name for name, record in records.items()}}
        self.files = defaultdict[str, list[str]](list)  # names by the name of the file
        for name, record in records.items():
            self.files[record.source.replace("\\", "/").rpartition("/")[2]].append(name)

    def find(self, name: str, path: Path) -> str | None:
        """The name of a file in the pack; ``None`` if it is not there."""
        source, same = str(path.absolute()), self.records.get(name)
        if same and same.source == source:
            return name
        found = self.sources.get(source) or self._moved(name, path)
        return found or (name if same and not same.may_exist(path) else None)  # the file was replaced by another

    def _moved(self, name: str, path: Path) -> str | None:
        """The name of the one unchanged file that is no longer where it was."""
        candidates = self.files.get(path.name, [])
        now = fingerprint(path) if candidates else None
        if now is None:
            return None
        moved = [other for other in candidates if self._is_moved(self.records[other], now, path)]
        return name if name in moved else moved[0] if len(moved) == 1 else None

    @staticmethod
    def _is_moved(record: Record, now: Fingerprint, path: Path) -> bool:
        return record.is_of(now) and not record.may_exist(path)


def _new_name(name: str, path: Path, taken: Collection[str]) -> str:
    """The name, with as many folders in front as it needs to be new."""
    new = next((longer for longer in _longer_names(name, path) if longer not in taken), None)
    if new is None:
        found, fix = f"the name of another video, {name!r}", "rename it, or extract it into another folder"
        raise InputError(path, expected="a video with a unique name", found=found, fix=fix)
    return new


def _longer_names(name: str, path: Path) -> Iterator[str]:
    """The name, then with one folder in front after the other."""
    yield name
    above = folders_of(path)[: -1 - name.count("/")]
    for first in reversed(range(len(above))):
        longer = unicodedata.normalize("NFC", "/".join([*above[first:], name]))
        if not leaves_folder(longer):
            yield longer
