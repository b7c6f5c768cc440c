"""A pack made from videos: what is done, what is still to do, and what is kept of each."""

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
from rcl.system.errors import InputError
from rcl.system.paths import Fingerprint, PathLike, StorageError, exists, files_in, fingerprint, is_file, to_path
from rcl.system.text_files import read_json, write_file, write_json
from rcl.system.transfer import local, questions, remove
from rcl.video.backbones.base import Backbone
from rcl.video.extraction import extract_features, rebuild_backbone
from rcl.video.settings import SETTINGS, ExtractionSettings, read_settings, write_settings

log = logging.getLogger("rcl")

LIBRARIES = ("rcl-tad", "torch", "numpy", "av", "opencv-python-headless", "transformers", "onnxruntime")


class Record(BaseModel):
    """What is kept of a video beside its features; it is written last, so a video with a record is done.

    ``source`` is the file that was read, which had ``bytes`` and was ``modified_ns`` after 1970, or in an object store
    had an ``etag``; 0 and empty where nobody says.
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
        """Whether the file is as it was. Two ways to ask a store may give times of another precision, but one tag."""
        changes = self.etag != file.etag if self.etag and file.etag else self.modified_ns != file.modified_ns
        return self.bytes == file.bytes and not changes


class Outcome(NamedTuple):
    """What became of a video: its record, new or from before, or the error that stands in place of one."""

    video: str
    record: Record | None = None
    error: InputError | None = None
    new: bool = True


class PackWriter:
    """A pack that features are extracted into. What is there already and unchanged is not done again.

    Args:
        root: the folder; made if it is not there.
        settings: with which all features of the pack are made.
        backbone: that of the settings, where it is at hand already; else it is built when it is needed.
        device: where networks run.

    Raises:
        InputError: the folder has features of other settings or of unknown ones, or cannot be written.
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
        if kept is None or not self.names():  # nothing was made with the settings that are there
            write_settings(settings, self.root)
        elif difference := kept.difference(settings):
            raise InputError(
                self.root,
                expected="the settings that its features were extracted with",
                found=f"others ({difference})",
                fix="choose another folder, or the same settings",
            )

    def __getstate__(self) -> dict[str, Any]:
        """Without the backbone: another process builds its own."""
        return {**self.__dict__, "root": self.root.absolute(), "_backbone": None}

    def _refuse_foreign(self) -> None:
        if exists(self.root / "features") or exists(self.root / "annotations.json"):
            fix = "choose another folder"
            found = f"a pack without {SETTINGS}"
            raise InputError(self.root, expected="a new folder, or a pack of rcl extract", found=found, fix=fix)

    def known_outcomes(self, videos: Mapping[str, Path]) -> Iterator[Outcome | None]:
        """Yield for each video its outcome, or ``None`` where it still has to be extracted."""
        there = set(self.names())

        def ask(name: str, path: Path) -> Outcome | None:
            self._forget_other_name(name, path, there)
            if name not in there:
                return None
            if record := self.done(name, path):
                return Outcome(name, record, new=False)
            error = self._taken(name, path)
            return Outcome(name, error=error) if error else None

        with questions(self.root, *videos.values()) as pool:
            yield from pool.map(ask, videos, videos.values())

    def done(self, name: str, path: Path) -> Record | None:
        """The record of a video that needs no work: its features are here, and the file is as it was."""
        record = self._record(name)
        now = fingerprint(path) if record else None
        if record is None or now is None or not record.is_of(now):
            return None
        return record if is_file(self.root / "features" / f"{name}.npy") else None

    def _taken(self, name: str, path: Path) -> InputError | None:
        """The features of this name are those of another file, which is still there."""
        record = self._record(name)
        if record is None or record.source == str(path.absolute()) or not _may_exist(record.source, path):
            return None
        fix = "rename it, or extract it into another folder"
        found = f"one called like {record.source}, whose features the pack holds"
        return InputError(path, expected="a video with a name of its own", found=found, fix=fix)

    def _forget_other_name(self, name: str, path: Path, there: Collection[str]) -> None:
        """A video bears its ending in its name once there is another one like it: it may be here under both."""
        for other in {path.stem, path.name}.intersection(there) - {name}:
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
        except (InputError, ValidationError):  # damaged: as if it were not there
            return None

    def extract_one(
        self, name: str, path: Path, *, threads: int = 0, progress: Callable[[str, float], None] | None = None
    ) -> Outcome:
        """Extract one video, whatever the pack holds of it. What goes wrong is its outcome, not an exception."""
        told = (lambda seconds: progress(name, seconds)) if progress else None
        try:
            if exists(path) and is_file(self._record_path(name)):  # one that is away for now takes nothing with it
                remove(self._record_path(name))
            return Outcome(name, self._extract(name, path, threads=threads, progress=told))
        except InputError as error:
            return Outcome(name, error=error)
        except Exception as error:  # a backbone out of memory, a format that nobody thought of: the others go on
            log.debug("%s", path, exc_info=True)
            found = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            fix = "see whether other videos work, or convert it"
            expected = "a video that can be read and described"
            return Outcome(name, error=InputError(path, expected=expected, found=found, fix=fix))

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
        """The videos that are done, sorted."""
        return sorted(file.stem for file in files_in(self.root / "records") if file.suffix == ".json")

    def annotate(self, annotations: Annotations | None = None) -> Annotations:
        """Write ``annotations.json`` for all videos of the pack that are done.

        Args:
            annotations: labels and subsets of videos; the others keep those that the pack has already. A video that
                nobody names becomes a testing video without instances.
        """
        path = self.root / "annotations.json"
        known = dict(load_annotations(path, clip=False).videos) if is_file(path) else {}
        known |= annotations.videos if annotations else {}
        videos, names = {}, self.names()
        with questions(self.root) as pool:
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
    """Whether the file that a record names is still there. Only the store of the video is asked: a record may say
    anything, and one that cannot be asked may hold it."""
    if "://" not in source:
        return os.path.exists(source)
    same_store = source.split("/")[:3] == str(video).split("/")[:3]
    return exists(to_path(source)) if same_store else True


@cache
def library_versions() -> dict[str, str]:
    """Versions of the libraries that features depend on, where they are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found
