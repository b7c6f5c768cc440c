"""The features of all videos, made once, in the background, in a pack beside the labels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.datasets import VideoDataset
from rcl.data.features import ReadableFeatures
from rcl.data.pack import is_pack
from rcl.data.stores import open_store
from rcl.detector.inputs import open_store_for
from rcl.detector.localizer import Localizer
from rcl.system.errors import InputError
from rcl.video.pack_streams import write_stream_settings
from rcl.video.records import Record, extracted_streams, joined_record, read_record, records_of_pack
from rcl.video.settings import ExtractionSettings, Settings, difference, read_settings, streams_in
from rcl.web.serve.job_queue import Report
from rcl.web.serve.videos import Prepared, Video
from rcl.web.serve.worker import FEATURES, Command, Message, Worker, module_command

POLL_SECONDS = 0.2


class Features:
    """Makes the features of videos in a process of its own, and reads them.

    Args:
        videos: name to file.
        root: the folder of the packs.
        extracted: called in a thread with the name of every video whose features are there.
        command: that runs a worker, given its module and its arguments.
    """

    def __init__(
        self,
        videos: Mapping[str, Path],
        root: Path,
        extracted: Callable[[str], None],
        command: Command = module_command,
    ) -> None:
        self.videos, self.root = videos, root
        self.pack = root / "features"
        self.done, self.failed, self.problem = set[str](), dict[str, str](), ""
        self._extracted, self._command = extracted, command
        self._worker: Worker | None = None
        self._current: tuple[str, float] | None = None
        self._first: list[str] = []
        self._closed = False
        self._changed = threading.Condition()

    def begin(self, localizer: Localizer | None) -> None:
        """Make the features that are missing, with the settings of a detector if there is one.

        Raises:
            InputError: a pack is damaged, or cannot be written.
        """
        settings = localizer.extractor.settings if localizer and localizer.extractor else None
        self.pack = _find_pack(self.root, settings)
        self._start()

    def _start(self) -> None:
        left = {n: str(file.absolute()) for n, file in self.videos.items() if n not in self.done | self.failed.keys()}
        if not left or self._closed:
            return
        command = self._command(FEATURES, {"pack": str(self.pack.absolute()), "videos": left})
        try:
            self.pack.mkdir(parents=True, exist_ok=True)
            self._worker = Worker(command, self.pack, self._said, self._ended)
        except OSError as error:  # the folder may be read-only; labelling works without features
            self.problem = f"{self.pack}: {error.strerror or error}"
            return
        self._worker.tell({"first": self._first})

    def close(self) -> None:
        """End the process."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._worker:
            self._worker.kill()

    def status(self) -> dict[str, Any]:
        """How far the work is, as the page shows it."""
        now = self._current  # another thread replaces it
        current = now and {"video": now[0], "share": now[1]}
        failed = [{"video": video, "message": message} for video, message in sorted(self.failed.copy().items())]
        counts = {"done": len(self.done), "total": len(self.videos)}
        return {**counts, "current": current, "failed": failed, "problem": self.problem}

    def is_open(self, name: str) -> bool:
        """Whether the features of a video are still to be made."""
        return not (name in self.done or name in self.failed or self.problem or self._closed)

    def prefer(self, names: Collection[str]) -> None:
        """Make the features of some videos before those of the others; what was preferred before comes after them."""
        self._first = [*names, *(name for name in self._first if name not in names and self.is_open(name))]
        if self._worker:
            self._worker.tell({"first": self._first})

    def wait(self, names: Collection[str], report: Report) -> None:
        """Wait until the features of some videos are there, or cannot be made.

        Args:
            names: of the videos.
            report: called with the share that is done; what it raises ends the wait.
        """
        if any(self.is_open(name) for name in names):
            self.prefer(names)
        while left := [name for name in names if self.is_open(name)]:
            now = self._current
            share = now[1] if now and now[0] in left else 0.0
            report("extracting", (len(names) - len(left) + share) / len(names))
            with self._changed:
                self._changed.wait(POLL_SECONDS)

    def read(self, video: Video, localizer: Localizer, report: Report) -> Prepared | None:
        """The features of a video as a detector takes them; ``None`` if it takes others, or if they cannot be made.

        Raises:
            InputError: the video cannot be read.
        """
        if not self.suits(localizer) or video.name not in self.videos:
            return None
        self.wait([video.name], report)
        if video.name in self.failed:
            raise InputError(self.failed[video.name])
        record = self._record(video.name) if video.name in self.done else None
        if record is None:
            return None
        report("reading", None)
        known = _as_annotation(video.name, record.duration_seconds, record.snippets_per_second)
        store = open_store_for(localizer, self.pack, known)
        dataset = VideoDataset(known, store, (), localizer.preparation)
        return Prepared(*localizer.open(*dataset.open(0)), tuple(record.problems))

    def suits(self, localizer: Localizer) -> bool:
        """Whether a detector takes these features."""
        kept, extractor = read_settings(self.pack), localizer.extractor
        return kept is not None and extractor is not None and difference(kept, extractor.settings) is None

    def stored(self) -> dict[str, tuple[float, ReadableFeatures]]:
        """Name to length in seconds and features of the videos that are done. They are read when they are used."""
        records = {name: record for name, record in records_of_pack(self.pack).items() if name in self.done}
        if not records:
            return {}
        videos = [
            _as_annotation(name, one.duration_seconds, one.snippets_per_second).videos for name, one in records.items()
        ]
        known = Annotations({name: video for one in videos for name, video in one.items()})
        store = open_store(self.pack, known).timed(known)
        return {name: (record.duration_seconds, store.open(name)) for name, record in records.items()}

    def _record(self, name: str) -> Record | None:
        return joined_record(read_record(self.pack, name, stream) for stream in extracted_streams(self.pack))

    # -- the process --------------------------------------------------------------------------------------------------

    def _said(self, message: Message) -> None:
        video = message.get("video")
        if video is None:
            return
        with self._changed:
            if "done" in message:
                self._current = None
                if message["done"]:
                    self.done.add(video)
                else:
                    self.failed[video] = message["error"]
            else:
                self._current = video, float(message["share"])
            self._changed.notify_all()
        if message.get("done"):
            self._extracted(video)

    def _ended(self, error: str) -> None:
        with self._changed:
            current, self._current = self._current, None
            if current and not self._closed:
                self.failed[current[0]] = error or "It ended unexpectedly."
            elif error and not self._closed:
                self.problem = error
            self._changed.notify_all()
        if current:  # the video ended the process; the others go on
            self._start()


def _find_pack(root: Path, settings: Settings | None) -> Path:
    """The first pack that has these settings, or none yet."""
    for number in count(1):
        pack = root / ("features" if number == 1 else f"features-{number}")
        kept = read_settings(pack)
        if kept is None and settings is not None:
            for stream, own in streams_in(settings).items():
                write_stream_settings(own, pack, stream)
        if kept is None or settings is None or difference(kept, settings) is None:
            return pack
    raise AssertionError  # there is always another number


def can_extract(root: Path, localizer: Localizer | None) -> bool:
    """Whether there are videos whose features can be made in the background: no pack, and no other recordings."""
    if is_pack(root):
        return False
    extractor = localizer.extractor if localizer else None
    return extractor is None or all(
        isinstance(settings, ExtractionSettings) for settings in streams_in(extractor.settings).values()
    )


def _as_annotation(name: str, duration_seconds: float, rate: float) -> Annotations:
    video = VideoAnnotation(name, "testing", duration_seconds, rate, np.zeros((0, 2)), ())
    return Annotations({name: video})
