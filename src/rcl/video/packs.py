"""Packs made from videos: which videos are done, and which are left."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from rcl.data.annotations import Annotations
from rcl.data.feature_store import leaves_folder
from rcl.system.errors import InputError, describe_error, shown
from rcl.system.paths import Fingerprint, PathLike, exists, fingerprint, is_file, to_path
from rcl.system.text_files import write_file, write_json
from rcl.system.transfer import query_pool, remove
from rcl.video.extractor import Extractor, build_extractor
from rcl.video.inside import file_of, local_recording
from rcl.video.pack_labels import PackLabels
from rcl.video.pack_streams import kept_settings, write_stream_settings
from rcl.video.records import Record, read_record, record_path, recorded_names, records_of_pack
from rcl.video.settings import ExtractionSettings, Settings, difference
from rcl.video.stream import RAW_EXTENSIONS

log = logging.getLogger("rcl")

LIBRARIES = ("rcl-tad", "torch", "numpy", "av", "opencv-python-headless", "transformers", "onnxruntime")


class Outcome(NamedTuple):
    """The outcome for a video: its record, new or from an earlier run, or an error."""

    video: str
    record: Record | None = None
    error: InputError | None = None
    new: bool = True


class VideoFiles(NamedTuple):
    """The files of a video in a pack. The record comes last: a video with a record is done."""

    features: Path
    times: Path
    record: Path


class PackWriter:
    """Writes features of videos into a pack, or into one stream of a pack of streams. Videos that are done and
    unchanged are not extracted again.

    Args:
        root: the folder; created if it does not exist.
        settings: the settings of all features in the pack, or in the stream.
        stream: the name of the stream; ``None`` for a pack of a single, unnamed one.
        extractor: that of these settings, if it is built already; else it is built when it is needed.
        device: where networks run.

    Raises:
        InputError: the folder has features of other or unknown settings, has streams or none where this has none or
            one, or cannot be written; or the stream has no possible name.
    """

    def __init__(
        self,
        root: PathLike,
        settings: Settings,
        *,
        stream: str | None = None,
        extractor: Extractor | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.root, self.stream, self.device = to_path(root), stream, device
        self._extractor = extractor
        kept = kept_settings(self.root, stream)
        self.settings = settings = _with_video_fps(settings, kept)
        if kept is None or not self.names():  # no features exist, so the settings may change
            write_stream_settings(settings, self.root, stream)
        elif found := difference(kept, settings):
            raise InputError(
                self.root,
                expected="the settings that its features were extracted with",
                found=f"other settings ({found})",
                fix="choose another folder, or the same settings",
            )
        elif kept != settings:  # only in what changes no features
            write_stream_settings(settings, self.root, stream)

    def __getstate__(self) -> dict[str, Any]:
        """The state without the extractor, which each process builds for itself."""
        return {**self.__dict__, "root": self.root.absolute(), "_extractor": None}

    def known_outcomes(self, videos: Mapping[str, Path]) -> Iterator[Outcome | None]:
        """Yield the outcome of each video, or ``None`` if it still has to be extracted; see ``names_in_pack``."""
        done = set(self.names())

        def look_up(name: str, path: Path) -> Outcome | None:
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
        record = read_record(self.root, name, self.stream)
        now = fingerprint(file_of(path)) if record else None
        if record is None or now is None or not record.is_of(now) or record.video_fps != self._video_fps(path):
            return None
        return record if is_file(self.files(name).features) else None

    def files(self, name: str) -> VideoFiles:
        """The files of a video that is done or will be."""
        features, times = (self.root / part / (self.stream or "") / f"{name}.npy" for part in ("features", "times"))
        return VideoFiles(features, times, record_path(self.root, name, self.stream))

    def _video_fps(self, path: Path) -> float | None:
        is_raw = path.suffix.lower() in RAW_EXTENSIONS
        return self.settings.video_fps if isinstance(self.settings, ExtractionSettings) and is_raw else None

    def _name_conflict(self, name: str, path: Path) -> InputError | None:
        """The error for a video whose name belongs to the features of another file that still exists."""
        record = read_record(self.root, name, self.stream)
        if record is None or record.source == str(path.absolute()):
            return None
        if not record.may_exist(path):
            before = shown(record.source, 300)
            log.warning("%s: video %r is now %s; it was %s, which is gone", self.root, name, path, before)
            return None
        fix = "rename it, or extract it into another folder"
        found = f"the name of {record.source}, whose features are in the pack"
        return InputError(path, expected="a video with a unique name", found=found, fix=fix)

    def extract_one(
        self, name: str, path: Path, *, threads: int = 0, progress: Callable[[str, float], None] | None = None
    ) -> Outcome:
        """Extract one video, even if it is done already. An error is returned as the outcome, not raised."""
        report = (lambda share: progress(name, share)) if progress else None
        try:
            if leaves_folder(name):
                found, fix = f"{name!r}, which leaves the folder", "rename it"
                raise InputError(path, expected="the name of a video", found=found, fix=fix)
            record = self.files(name).record
            if exists(file_of(path)) and is_file(record):  # the record of a missing file stays
                remove(record)
            return Outcome(name, self._extract(name, path, threads=threads, progress=report))
        except InputError as error:
            return Outcome(name, error=error)
        except Exception as error:  # out of memory, an unforeseen format: the other videos go on
            log.debug("%s", path, exc_info=True)
            expected, fix = "a video that can be extracted", "check whether other videos work, or convert it"
            return Outcome(name, error=InputError(path, expected=expected, found=describe_error(error), fix=fix))

    def _extract(self, name: str, path: Path, *, threads: int, progress: Callable[[float], None] | None) -> Record:
        if self._extractor is None:
            self._extractor = build_extractor(self.settings, device=self.device)
        before = fingerprint(file_of(path)) or Fingerprint(0, 0, "")
        with local_recording(path) as file:
            found = self._extractor(file, threads=threads, progress=progress)
        features, files = cast(np.ndarray, found.features), self.files(name)
        write_file(files.features, lambda file: np.save(file, features))
        write_file(files.times, lambda file: np.save(file, found.times_seconds))
        record = Record(
            source=str(path.absolute()),
            **before._asdict(),
            duration_seconds=found.duration_seconds,
            snippets=len(features),
            snippets_per_second=found.snippets_per_second,
            video_fps=self._video_fps(path),
            problems=list(found.problems),
            versions=library_versions(),
        )
        write_json(files.record, record.model_dump(exclude_none=True), indent=1)
        return record

    def names(self) -> list[str]:
        """The names of the videos that are done, sorted."""
        return recorded_names(self.root, self.stream)

    def annotate(self, annotations: Annotations | None = None) -> Annotations:
        """Write ``annotations.json`` for all videos of the pack that are done, in any stream; see ``PackLabels``. No
        labels are lost.

        Args:
            annotations: labels and subsets of videos, under their names in the pack.
        """
        return PackLabels(self.root).update(records_of_pack(self.root), annotations)


def _with_video_fps(settings: Settings, kept: Settings | None) -> Settings:
    """The settings with the rate of videos without a container that a pack keeps, where they have none."""
    if isinstance(settings, ExtractionSettings) and isinstance(kept, ExtractionSettings) and not settings.video_fps:
        return settings.model_copy(update={"video_fps": kept.video_fps})
    return settings


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
