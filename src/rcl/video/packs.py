"""A pack made from videos: which files there are to do, doing them in several processes, and what is kept of each."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from rcl.annotations import Annotations, VideoAnnotation, load_annotations, save_annotations
from rcl.errors import InputError
from rcl.files import PathLike, listed, read_json, write_bytes, write_json
from rcl.video.backbones import Backbone
from rcl.video.extraction import extract_features, rebuild_backbone
from rcl.video.settings import SETTINGS, ExtractionSettings, read_settings, write_settings

EXTENSIONS = tuple(
    f".{name}"
    for name in (
        *(
            "mp4",
            "m4v",
            "mov",
            "avi",
            "mkv",
            "webm",
            "mpg",
            "mpeg",
            "m2v",
            "ts",
            "mts",
            "m2ts",
            "wmv",
            "asf",
            "flv",
            "f4v",
        ),
        *(
            "f4v",
            "3gp",
            "3g2",
            "ogv",
            "vob",
            "mxf",
            "divx",
            "rm",
            "rmvb",
            "h264",
            "264",
            "h265",
            "265",
            "hevc",
            "y4m",
            "gif",
        ),
    )
)
"""By which the videos in a folder are known; a file that is named itself may be called anything."""

LIBRARIES = ("rcl-tad", "torch", "numpy", "av", "opencv-python-headless", "transformers", "onnxruntime")


class Record(BaseModel):
    """What is kept of a video beside its features; it is written last, so a video with a record is done.

    ``source`` is the file that was read, which had ``bytes`` and was ``modified_ns`` after 1970.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: str
    bytes: int
    modified_ns: int
    duration_seconds: float
    snippets: int
    snippets_per_second: float
    problems: list[str]
    versions: dict[str, str]


class Outcome(NamedTuple):
    """What became of a video: its record, new or from before, or the error that stands in place of one."""

    video: str
    record: Record | None = None
    error: InputError | None = None
    new: bool = True


# -- videos ------------------------------------------------------------------------------------------------------


def find_videos(paths: Sequence[PathLike]) -> tuple[dict[str, Path], list[Path]]:
    """The videos among files and folders, with all that is below them, by name: that of the file without its ending, or
    with it where there are several such as ``clip.mp4`` and ``clip.avi``.

    Returns:
        Name to file, sorted by name; and the files of the folders that are not called like a video.

    Raises:
        InputError: two files have one name, a path does not exist, or there is no video.
    """
    files, others = list[Path](), list[Path]()
    for path in map(Path, paths):
        if not path.is_dir():
            files.append(path)
            continue
        for file in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.is_file() and not hidden:
                (files if file.suffix.lower() in EXTENSIONS else others).append(file)
    stems = Counter(path.stem for path in {file.absolute() for file in files})
    videos: dict[str, Path] = {}
    for file in files:
        name = file.stem if stems[file.stem] == 1 else file.name
        other = videos.setdefault(name, file)
        if other.absolute() != file.absolute():
            fix = "rename one of them"
            found = f"{other} and {file}"
            raise InputError(f"video {name!r}", expected="one file of this name", found=found, fix=fix)
    if not videos:
        found = listed([path.name for path in others]) or "none"
        where = listed([str(path) for path in paths])
        raise InputError(
            where,
            expected="video files",
            found=found,
            fix="name videos or a folder of them (or, to detect, a pack with annotations.json)",
        )
    return dict(sorted(videos.items())), others


def match_videos(annotations: Annotations, videos: Mapping[str, Path]) -> Annotations:
    """Annotations under the names of the videos: a table may say ``clip.mp4`` where the video is called ``clip``."""
    renamed = {}
    for name, video in annotations.videos.items():
        stem = name if name in videos or Path(name).suffix.lower() not in EXTENSIONS else Path(name).stem
        if stem in renamed:
            fix = "write its name the same in all rows"
            raise InputError(annotations.source, expected=f"one name for {stem!r}", found=name, fix=fix)
        renamed[stem] = replace(video, name=stem)
    return Annotations(renamed, clipped=annotations.clipped, source=annotations.source)


# -- extraction --------------------------------------------------------------------------------------------------


class PackWriter:
    """A pack that features are extracted into. What is there already and unchanged is not done again.

    Args:
        root: the folder; made if it is not there.
        settings: with which all features of the pack are made.

    Raises:
        InputError: the folder has features of other settings or of unknown ones, or cannot be written.
    """

    def __init__(self, root: PathLike, settings: ExtractionSettings) -> None:
        self.root, self.settings = Path(root), settings
        kept = read_settings(self.root)
        if kept is None:
            self._refuse_foreign()
            write_settings(settings, self.root)
        elif difference := kept.difference(settings):
            raise InputError(
                self.root,
                expected="the settings that its features were extracted with",
                found=f"others ({difference})",
                fix="choose another folder, or the same settings",
            )

    def _refuse_foreign(self) -> None:
        if (self.root / "features").exists() or (self.root / "annotations.json").exists():
            fix = "choose another folder"
            found = f"a pack without {SETTINGS}"
            raise InputError(self.root, expected="a new folder, or a pack of rcl extract", found=found, fix=fix)

    def extract(
        self,
        videos: Mapping[str, Path],
        *,
        backbone: Backbone | None = None,
        workers: int = 1,
        progress: Callable[[str, float], None] | None = None,
    ) -> Iterator[Outcome]:
        """Extract what is not done yet, and yield the outcome of every video as it comes.

        Args:
            videos: name to file.
            backbone: one that is at hand already, for a single worker.
            workers: processes.
            progress: with a single worker, called with the name of a video and the seconds of it that are done.
        """
        todo = {}
        for name, path in videos.items():
            if record := self.done(name, path):
                yield Outcome(name, record, new=False)
            else:
                todo[name] = path
        if workers > 1 and len(todo) > 1:
            yield from _in_processes(self, todo, min(workers, len(todo)))
            return
        for name, path in todo.items():
            backbone = backbone or rebuild_backbone(self.settings, device=_device())
            yield self.extract_one(name, path, backbone, progress=progress)

    def done(self, name: str, path: Path) -> Record | None:
        """The record of a video that needs no work: its features are here, and the file is as it was."""
        record = self._record(name)
        try:
            stat = path.stat()
        except OSError:
            return None
        unchanged = record and (record.bytes, record.modified_ns) == (stat.st_size, stat.st_mtime_ns)
        return record if unchanged and (self.root / "features" / f"{name}.npy").is_file() else None

    def _record(self, name: str) -> Record | None:
        path = self.root / "records" / f"{name}.json"
        try:
            return Record.model_validate(read_json(path)) if path.is_file() else None
        except (InputError, ValidationError):  # damaged: as if it were not there
            return None

    def extract_one(
        self,
        name: str,
        path: Path,
        backbone: Backbone,
        *,
        threads: int = 0,
        progress: Callable[[str, float], None] | None = None,
    ) -> Outcome:
        try:
            stat = path.stat() if path.exists() else None
            told = (lambda seconds: progress(name, seconds)) if progress else None
            found = extract_features(path, backbone, self.settings, threads=threads, progress=told)
            (self.root / "records" / f"{name}.json").unlink(missing_ok=True)  # that of an older file
            _write_array(self.root / "features" / f"{name}.npy", found.features)
            _write_array(self.root / "times" / f"{name}.npy", found.times_seconds)
            record = Record(
                source=str(path.absolute()),
                bytes=stat.st_size if stat else 0,
                modified_ns=stat.st_mtime_ns if stat else 0,
                duration_seconds=found.duration_seconds,
                snippets=len(found.features),
                snippets_per_second=found.snippets_per_second,
                problems=list(found.problems),
                versions=library_versions(),
            )
            write_json(self.root / "records" / f"{name}.json", record.model_dump(), indent=1)
            return Outcome(name, record)
        except InputError as error:
            return Outcome(name, error=error)

    def names(self) -> list[str]:
        """The videos that are done, sorted."""
        return sorted(file.stem for file in (self.root / "records").glob("*.json"))

    def annotate(self, annotations: Annotations | None = None) -> Annotations:
        """Write ``annotations.json`` for all videos of the pack that are done.

        Args:
            annotations: labels and subsets; by default those that the pack has already. A video that they do not name
                becomes a testing video without instances.
        """
        path = self.root / "annotations.json"
        if annotations is None and path.is_file():
            annotations = load_annotations(path, clip=False)
        known = annotations.videos if annotations else {}
        videos = {}
        for name in self.names():
            if record := self._record(name):
                video = known.get(name) or VideoAnnotation(name, "testing", None, None, np.zeros((0, 2)), ())
                videos[name] = replace(
                    video, duration_seconds=record.duration_seconds, snippets_per_second=record.snippets_per_second
                )
        result = Annotations(videos, source=str(path))
        if videos:
            save_annotations(result, path)
        return result


def library_versions() -> dict[str, str]:
    """Versions of the libraries that features depend on, where they are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found


def _write_array(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_bytes(path, buffer.getvalue())


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


# -- several processes -------------------------------------------------------------------------------------------


def _in_processes(writer: PackWriter, videos: Mapping[str, Path], workers: int) -> Iterator[Outcome]:
    """The same in worker processes. One that dies takes the others along: then what may have been in work is done again
    one by one, each in a process of its own, so that only the video that kills is lost."""
    left = dict(videos)
    while left:
        try:
            with _pool(writer, workers) as pool:
                for outcome in _submit(pool, left):
                    del left[outcome.video]
                    yield outcome
        except BrokenProcessPool:
            # Work begins in order, and a pool has up to two tasks per worker in hand.
            for name in list(left)[: 2 * workers + 1]:
                yield _alone(writer, name, left.pop(name))


def _alone(writer: PackWriter, name: str, path: Path) -> Outcome:
    if record := writer.done(name, path):
        return Outcome(name, record)
    try:
        with _pool(writer, 1) as pool:
            return pool.submit(_work, name, path).result()
    except BrokenProcessPool:
        fix = "convert the video, or give the machine more memory"
        found = "one that ends the process that reads it"
        return Outcome(name, error=InputError(path, expected="a video that can be read", found=found, fix=fix))


def _submit(pool: Executor, videos: Mapping[str, Path]) -> Iterator[Outcome]:
    futures: list[Future[Outcome]] = [pool.submit(_work, name, path) for name, path in videos.items()]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:  # where the caller stops, what has not begun is not begun
            future.cancel()


def _pool(writer: PackWriter, workers: int) -> ProcessPoolExecutor:
    threads = max(1, (os.cpu_count() or 1) // workers)
    # Spawned, since a fork of a process with torch's threads can hang.
    context = get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=_start, initargs=(writer, threads))


_worker: dict[str, Any] = {}


def _start(writer: PackWriter, threads: int) -> None:
    import cv2

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    _worker.update(writer=writer, threads=threads, backbone=rebuild_backbone(writer.settings, device=_device()))


def _work(name: str, path: Path) -> Outcome:
    return _worker["writer"].extract_one(name, path, _worker["backbone"], threads=_worker["threads"])
