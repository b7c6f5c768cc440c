"""A worker that extracts the features of videos into a pack, with progress in lines of JSON.

The argument is an object with ``pack`` and ``videos`` (name to file). On stdin, ``{"first": [names]}`` says which
videos are wanted before the others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rcl.system.device import best_device
from rcl.training.default_backbone import choose_backbone
from rcl.training.extraction import Extraction
from rcl.training.fit_videos import choose_features
from rcl.training.workers.reporting import Reports, run_worker
from rcl.video.choosing import choose_again
from rcl.video.extraction import VideoExtractor
from rcl.video.packs import PackWriter
from rcl.video.settings import read_settings, streams_in

SHORT_SECONDS = 0.5
"""Length of a short action. The features are made before there are labels, for actions as short as this; the training
takes the mean of several snippets where actions are longer."""
SEVERAL = 2  # labels that the videos are expected to have


class _Interrupted(BaseException):
    """Another video is wanted first. Not an ``Exception``, so that it is not taken for a defect of the video."""


class Order:
    """The videos that are left, and which of them come first."""

    def __init__(self) -> None:
        self._left, self._first = list[str](), list[str]()
        self._lock = threading.Lock()

    def begin(self, names: Iterable[str]) -> None:
        """These videos are to be done, in this order."""
        with self._lock:
            self._left = [*names]

    def prefer(self, names: Sequence[str]) -> None:
        """Put some videos before the others."""
        with self._lock:
            self._first = [*names]

    def next(self) -> str | None:
        """The next video; ``None`` if none is left."""
        with self._lock:
            wanted = (name for name in self._first if name in self._left)
            return next(wanted, next(iter(self._left), None))

    def done(self, name: str) -> None:
        """A video is finished, or failed."""
        with self._lock:
            self._left.remove(name)


def work(reports: Reports, arguments: dict[str, Any], order: Order) -> None:
    """Extract the features of all videos, the wanted ones first."""
    videos = {name: Path(path) for name, path in arguments["videos"].items()}
    writers = open_pack(Path(arguments["pack"]), videos)
    order.begin(videos)
    while (name := order.next()) is not None:
        try:
            error = _extract(writers, name, videos[name], reports, order)
        except _Interrupted:
            continue
        order.done(name)
        reports.send(video=name, done=error is None, error=error)
    if writers[0].names():
        writers[0].annotate()


def open_pack(root: Path, videos: Mapping[str, Path]) -> list[PackWriter]:
    """The pack, stream by stream, with the settings that it has, or with those that suit the videos.

    Raises:
        InputError: a backbone cannot be built, or the pack cannot be written.
    """
    device, given = best_device(), Extraction().settings
    if (kept := read_settings(root)) is not None:
        extractors = choose_again(streams_in(kept), None, None, given, where=root, device=device)
    else:
        backbone, _ = choose_backbone([*videos.values()], SEVERAL)
        extractors, _ = choose_features(backbone, None, given, np.array([SHORT_SECONDS]), device=device)
    return [_writer(root, stream, extractor, device) for stream, extractor in extractors.items()]


def _writer(root: Path, stream: str | None, extractor: VideoExtractor, device: Any) -> PackWriter:
    return PackWriter(root, extractor.settings, stream=stream, extractor=extractor, device=device)


def _extract(writers: Sequence[PackWriter], name: str, path: Path, reports: Reports, order: Order) -> str | None:
    """Extract all streams of a video that are missing, and return why that failed, if it did."""
    for number, writer in enumerate(writers):

        def report(video: str, share: float, number: int = number) -> None:
            if order.next() != name:
                raise _Interrupted
            reports.progress("features", (number + share) / len(writers), video=name)

        report(name, 0.0)
        known = next(writer.known_outcomes({name: path}))
        outcome = known or writer.extract_one(name, path, progress=report)
        if outcome.error:
            return str(outcome.error)
    return None


def main() -> None:
    """Run the worker."""
    order = Order()
    run_worker(partial(work, order=order), received=lambda message: order.prefer(message.get("first", ())))
