"""Packs made from videos: which videos are done, which are left, and the record of each."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.load import load_annotations, save_annotations
from rcl.system.errors import InputError, describe_error
from rcl.system.paths import Fingerprint, PathLike, StorageError, exists, files_in, fingerprint, is_file, to_path
from rcl.system.text_files import read_json, write_file, write_json
from rcl.system.transfer import local, query_pool, remove
from rcl.video.backbones.base import Backbone
from rcl.video.extraction import extract_features, rebuild_backbone
from rcl.video.settings import SETTINGS, ExtractionSettings, read_settings, write_settings

log = logging.getLogger("rcl")

LIBRARIES = ("rcl-tad", "torch", "numpy", "av", "opencv-python-headless", "transformers", "onnxruntime")


class Record(BaseModel):
    """The record of an extracted video. It is written last, so a video with a record is done.

    ``source`` is the file that was read, with its size ``bytes``, its time ``modified_ns`` since 1970, and its ``etag``
    in an object store; 0 or empty if unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: str
    bytes: int
    modified_ns: int
    etag: str = ""
    duration_seconds: float
    snippets: int
    snippets_per_second: float
    problems: list[str]
    versions: dict[str, str]

    def is_of(self, file: Fingerprint) -> bool:
        """Whether the file is unchanged. Clients of a store may round its times differently, but agree on its tag."""
        changes = self.etag != file.etag if self.etag and file.etag else self.modified_ns != file.modified_ns
        return self.bytes == file.bytes and not changes


class Outcome(NamedTuple):
    """The outcome for a video: its record, new or from an earlier run, or an error."""

    video: str
    record: Record | None = None
    error: InputError | None = None
    new: bool = True


class PackWriter:
    """Writes features of videos into a pack. Videos that are done and unchanged are not extracted again.

    Args:
        root: the folder; created if it does not exist.
        settings: the settings of all features in the pack.
        backbone: the backbone of these settings, if it is built already; else it is built when it is needed.
        device: where networks run.

    Raises:
        InputError: the folder has features of other or unknown settings, or cannot be written.
    """

    def __init__(
        self,
        root: PathLike,
        settings: ExtractionSettings,
        *,
        backbone: Backbone | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.root, self.settings, self.device = to_path(root), settings, device
        self._backbone = backbone
        kept = read_settings(self.root)
        if kept is None:
            self._refuse_foreign()
        if kept is None or not self.names():  # no features exist, so the settings may change
            write_settings(settings, self.root)
        elif difference := kept.difference(settings):
            raise InputError(
                self.root,
                expected="the settings that its features were extracted with",
                found=f"other settings ({difference})",
                fix="choose another folder, or the same settings",
            )

    def __getstate__(self) -> dict[str, Any]:
        """The state without the backbone, which each process builds for itself."""
        return {**self.__dict__, "root": self.root.absolute(), "_backbone": None}

    def _refuse_foreign(self) -> None:
        if exists(self.root / "features") or exists(self.root / "annotations.json"):
            fix = "choose another folder"
            found = f"a pack without {SETTINGS}"
            raise InputError(self.root, expected="a new folder, or a pack of rcl extract", found=found, fix=fix)

    def known_outcomes(self, videos: Mapping[str, Path]) -> Iterator[Outcome | None]:
        """Yield the outcome of each video, or ``None`` if it still has to be extracted."""
        done = set(self.names())

        def look_up(name: str, path: Path) -> Outcome | None:
            self._forget_other_name(name, path, done)
            if name not in done:
                return None
            if record := self.done(name, path):
                return Outcome(name, record, new=False)
            error = self._name_conflict(name, path)
            return Outcome(name, error=error) if error else None

        with query_pool(self.root, *videos.values()) as pool:
            yield from pool.map(look_up, videos, videos.values())

    def done(self, name: str, path: Path) -> Record | None:
        """The record of a video whose features are in the pack and whose file is unchanged; else ``None``."""
        record = self._record(name)
        now = fingerprint(path) if record else None
        if record is None or now is None or not record.is_of(now):
            return None
        return record if is_file(self.root / "features" / f"{name}.npy") else None

    def _name_conflict(self, name: str, path: Path) -> InputError | None:
        """The error for a video whose name belongs to the features of another file that still exists."""
        record = self._record(name)
        if record is None or record.source == str(path.absolute()) or not _may_exist(record.source, path):
            return None
        fix = "rename it, or extract it into another folder"
        found = f"the name of {record.source}, whose features are in the pack"
        return InputError(path, expected="a video with a unique name", found=found, fix=fix)

    def _forget_other_name(self, name: str, path: Path, done: Collection[str]) -> None:
        """Remove the record of a video under its other name: with the extension, or without it."""
        for other in {path.stem, path.name}.intersection(done) - {name}:
            record = self._record(other)
            if record and record.source == str(path.absolute()):
                remove(self._record_path(other))

    def _record_path(self, name: str) -> Path:
        return self.root / "records" / f"{name}.json"

    def _record(self, name: str) -> Record | None:
        path = self._record_path(name)
        try:
            return Record.model_validate(read_json(path)) if is_file(path) else None
        except StorageError:
            raise
        except (InputError, ValidationError):  # a damaged record counts as missing
            return None

    def extract_one(
        self, name: str, path: Path, *, threads: int = 0, progress: Callable[[str, float], None] | None = None
    ) -> Outcome:
        """Extract one video, even if it is done already. An error is returned as the outcome, not raised."""
        report = (lambda seconds: progress(name, seconds)) if progress else None
        try:
            if exists(path) and is_file(self._record_path(name)):  # the record of a missing file stays
                remove(self._record_path(name))
            return Outcome(name, self._extract(name, path, threads=threads, progress=report))
        except InputError as error:
            return Outcome(name, error=error)
        except Exception as error:  # out of memory, an unforeseen format: the other videos go on
            log.debug("%s", path, exc_info=True)
            expected, fix = "a video that can be extracted", "check whether other videos work, or convert it"
            return Outcome(name, error=InputError(path, expected=expected, found=describe_error(error), fix=fix))

    def _extract(self, name: str, path: Path, *, threads: int, progress: Callable[[float], None] | None) -> Record:
        if self._backbone is None:
            self._backbone = rebuild_backbone(self.settings, device=self.device)
        before = fingerprint(path) or Fingerprint(0, 0, "")
        with local(path) as file:
            found = extract_features(file, self._backbone, self.settings, threads=threads, progress=progress)
        write_file(self.root / "features" / f"{name}.npy", lambda file: np.save(file, found.features))
        write_file(self.root / "times" / f"{name}.npy", lambda file: np.save(file, found.times_seconds))
        record = Record(
            source=str(path.absolute()),
            **before._asdict(),
            duration_seconds=found.duration_seconds,
            snippets=len(found.features),
            snippets_per_second=found.snippets_per_second,
            problems=list(found.problems),
            versions=library_versions(),
        )
        write_json(self._record_path(name), record.model_dump(), indent=1)
        return record

    def names(self) -> list[str]:
        """The names of the videos that are done, sorted."""
        return sorted(file.stem for file in files_in(self.root / "records") if file.suffix == ".json")

    def annotate(self, annotations: Annotations | None = None) -> Annotations:
        """Write ``annotations.json`` for all videos of the pack that are done.

        Args:
            annotations: labels and subsets of videos. Other videos keep those that are in the pack; a new video without
                any becomes a testing video without instances.
        """
        path = self.root / "annotations.json"
        known = dict(load_annotations(path, clip=False).videos) if is_file(path) else {}
        known |= annotations.videos if annotations else {}
        videos, names = {}, self.names()
        with query_pool(self.root) as pool:
            records = list(pool.map(self._record, names))
        for name, record in zip(names, records, strict=True):
            if record:
                video = known.get(name) or VideoAnnotation(name, "testing", None, None, np.zeros((0, 2)), ())
                videos[name] = replace(
                    video, duration_seconds=record.duration_seconds, snippets_per_second=record.snippets_per_second
                )
        result = Annotations(videos, source=str(path))
        if videos:
            save_annotations(result, path)
        return result


def _may_exist(source: str, video: Path) -> bool:
    """Whether the source of a record may still exist. Only the store of ``video`` is queried: a record may name any
    other store, where the file may exist."""
    if "://" not in source:
        return os.path.exists(source)
    same_store = source.split("/")[:3] == str(video).split("/")[:3]
    return exists(to_path(source)) if same_store else True


@cache
def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that features depend on."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found
