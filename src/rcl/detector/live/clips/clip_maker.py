"""A clip of each event, in a folder that does not grow for ever."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from rcl.detector.live.events.messages import Event, Message
from rcl.system.errors import InputError
from rcl.video.clip_names import safe
from rcl.video.clips import KEY, read_about

log = logging.getLogger("rcl")

MADE_BY = "rcl watch"
MOST_WAITING = 1000
_NAME = re.compile(r".+_\d{8}-\d{6}\.\d{3}_.+\.(mp4|mkv)")


class Cutter(Protocol):
    """Writes a clip; see ``Feed.cut``."""

    def __call__(
        self, part: int, start_seconds: float, end_seconds: float, stem: Path, *, comment: Callable[[Fraction], str]
    ) -> tuple[Path, float]:
        """Write a clip."""


@dataclass
class ClipMaker:
    """Writes a clip of each event of a source, as soon as what follows the event has been seen.

    Args:
        folder: for the clips; created if it does not exist.
        cut: of the feed.
        padding_seconds: before and after the event.
        keep: so many clips stay in the folder, of all sources; the oldest are removed. Files that were not made by
            ``rcl watch`` stay, and do not count.
        keep_bytes: the same for the size of all clips.

    Attributes:
        failed: how many clips could not be made.
    """

    folder: Path
    cut: Cutter
    padding_seconds: float = 2.0
    keep: int = 1000
    keep_bytes: int = 2**34
    failed: int = 0
    _waiting: dict[str, Event] = field(default_factory=dict, repr=False)
    _started_at: dict[int, float] = field(default_factory=dict, repr=False)
    _foreign: set[Path] = field(default_factory=set, repr=False)

    def begin_part(self, number: int, started_at: float) -> None:
        """Say when a part began, as Unix time: clips are named after the time of the event."""
        self._started_at = {number: started_at}

    def hear(self, message: Message) -> None:
        """Take account of a message: an event that is announced gets one clip, of its times when the clip is made."""
        event = message.event
        if event is None:
            return
        if message.kind == "announced" or (message.kind == "corrected" and event.id in self._waiting):
            self._waiting[event.id] = event
        elif message.kind == "withdrawn":
            self._waiting.pop(event.id, None)
        if len(self._waiting) > MOST_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
            self.failed += 1

    def update(self, part: int, seconds: float) -> list[Message]:
        """Make the clips that can be made.

        Args:
            part: number of the part that is read.
            seconds: how much of it was seen; infinite at its end.

        Returns:
            A message for each clip.
        """
        ready = [
            event
            for event in self._waiting.values()
            if event.part != part or event.end_seconds + self.padding_seconds <= seconds
        ]
        messages = [message for event in ready if (message := self._made(self._waiting.pop(event.id)))]
        if messages:
            self._remove_oldest()
        return messages

    def _made(self, event: Event) -> Message | None:
        start = max(event.start_seconds - self.padding_seconds, 0.0)
        end = event.end_seconds + self.padding_seconds
        try:
            stem = self._stem(event)
            path, begins = self.cut(event.part, start, end, stem, comment=lambda key: self._comment(event, key))
        except InputError as error:
            self.failed += 1
            log.warning("%s: no clip of %s: %s", event.source, event.id, error)
            return None
        details: dict[str, Any] = {"path": str(path), "clip_start": round(begins, 3), "clip_end": round(end, 3)}
        if begins > start + 0.001:
            details["note"] = f"the clip begins {begins - start:.1f} s late: what came before is no longer in memory"
        return Message("clip", event.source, event, details)

    def _comment(self, event: Event, key: Fraction) -> str:
        about = {
            KEY: MADE_BY,
            "source": event.source,
            "id": event.id,
            "part": event.part,
            "label": event.label,
            "start_seconds": event.start_seconds,
            "end_seconds": event.end_seconds,
            "score": event.score,
            "at": datetime.fromtimestamp(self._unix_time(event), timezone.utc).isoformat(timespec="milliseconds"),
            "shown_from_seconds": round(float(key), 6),
        }
        return json.dumps(about, ensure_ascii=False)

    def _unix_time(self, event: Event) -> float:
        return self._started_at.get(event.part, 0.0) + event.start_seconds

    def _stem(self, event: Event) -> Path:
        """A path that no file has, such as ``cam1_20261130-201502.350_kick``, without an extension."""
        at = datetime.fromtimestamp(self._unix_time(event), timezone.utc)
        time = f"{at:%Y%m%d-%H%M%S}.{at.microsecond // 1000:03d}"
        name = f"{safe(event.source, 80)}_{time}_{safe(event.label or 'action', 60)}"
        try:
            taken = {path.stem.casefold() for path in self.folder.iterdir()} if self.folder.exists() else set()
        except OSError as error:
            fix = "check its permissions"
            raise InputError(self.folder, expected="a folder", found=error.strerror or "none", fix=fix) from None
        number, unique = 1, name
        while unique.casefold() in taken:
            number += 1
            unique = f"{name}-{number}"
        return self.folder / unique

    def _remove_oldest(self) -> None:
        """Remove our oldest clips until the rest is few and small enough."""
        clips = sorted(self._clips())
        size = sum(each[1] for each in clips)
        count = len(clips)
        for _, bytes_of_clip, path in clips[:-1]:  # the newest stays
            if count <= self.keep and size <= self.keep_bytes:
                return
            if read_about(path, made_by=MADE_BY) is None:
                self._foreign.add(path)
            else:
                try:
                    path.unlink(missing_ok=True)  # the watcher of another source removes clips, too
                except OSError as error:
                    log.warning("%s: the old clip cannot be removed: %s", path, error.strerror)
                    self._foreign.add(path)
            count, size = count - 1, size - bytes_of_clip

    def _clips(self) -> list[tuple[float, int, Path]]:
        """Time, size and path of the files that have the name of a clip, except those known to be others."""
        found = list[tuple[float, int, Path]]()
        try:
            paths = [*self.folder.iterdir()]
        except OSError as error:
            log.warning("%s: old clips cannot be removed: %s", self.folder, error.strerror)
            return []
        for path in paths:
            if path in self._foreign or path.is_symlink() or not _NAME.fullmatch(path.name):
                continue
            try:
                status = path.stat()
            except OSError:  # another process removed it
                continue
            found.append((status.st_mtime, status.st_size, path))
        return found
