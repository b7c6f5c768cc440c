"""Whole watches for tests: of a detector whose events are known, and which can be killed at any step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch
from watched import NO_B, FakeClock

from rcl.data.detections import Detections
from rcl.detector.live.clips.clip_maker import ClipMaker
from rcl.detector.live.clips.packet_ring import PacketRing
from rcl.detector.live.events.expected_file import ExpectedFile
from rcl.detector.live.events.journal import Journal
from rcl.detector.live.events.journal_lines import Entry, parse_line
from rcl.detector.live.events.messages import Event, events_after
from rcl.detector.live.events.tracker import EventTracker
from rcl.detector.live.features.part_features import PartFeatures
from rcl.detector.live.features.rows import RowFile
from rcl.detector.live.looking import Look
from rcl.detector.live.place_file import PlaceFile
from rcl.detector.live.sources.addresses import BackOff
from rcl.detector.live.sources.feed import Feed
from rcl.detector.live.sources.source import parse_source
from rcl.detector.live.watcher import Watcher
from rcl.video.backbones.base import FrameSize
from rcl.video.extraction import VideoExtractor
from rcl.video.settings import ExtractionSettings
from rendered import drawn, read_number

Row = tuple[str, float, float]
LABELS = ("even", "odd")
ACTION = 20  # pictures: of each forty, the first twenty are none, and the others an action


class Numbers:
    """A backbone: the number that the picture shows."""

    frame_size, rate, window, stride, fixed_window = FrameSize(short=64), 25.0, 1, 5, None

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[float(read_number(frame))] for frame in frames[:, :, 0]])  # (B, 1)


EXTRACTOR = VideoExtractor(ExtractionSettings(backbone=f"{__name__}:Numbers", rate=25, window=1, stride=5))
RATE = 5.0  # snippets per second


def numbered(path: Path, times: Sequence[int], first_number: int, *, width: int = 96) -> bytes:
    """A video at 25 frames a second with pictures at these times; they show numbers from the first on."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25, options=NO_B)
        video.width, video.height, video.pix_fmt = width, width * 2 // 3, "yuv420p"
        for number, time in enumerate(times, first_number):
            frame = av.VideoFrame.from_ndarray(drawn(number, width=width, height=width * 2 // 3), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 25)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return path.read_bytes()


def actions(numbers: np.ndarray, *, begin_seconds: float = 0.0) -> list[Row]:
    """Label, start and end of the actions that pictures with these numbers show, one every fifth of a second."""
    found = list[Row]()
    kinds = [int(number) // ACTION if number >= 0 else 0 for number in numbers]
    for place, kind in enumerate(kinds):
        if not kind % 2:
            continue
        start, end = begin_seconds + place / RATE, begin_seconds + (place + 1) / RATE
        if place and kinds[place - 1] == kind:
            found[-1] = (*found[-1][:2], end)
        else:
            found.append((LABELS[kind // 2 % 2], start, end))
    return found


def shown_actions(path: Path) -> list[Row]:
    """The actions of a recording."""
    features = EXTRACTOR(path).features
    return actions(np.asarray(features)[:, 0])


class Known:
    """Takes the place of ``Looking``: finds :func:`actions`, and is the less sure of them the shorter they are."""

    def __init__(self, context_seconds: float = 1000.0) -> None:
        self.context_seconds, self.keep_seconds = context_seconds, 1.5 * context_seconds + 2
        self.localizer: Any = SimpleNamespace(extractor=EXTRACTOR, streams=())

    def look(self, part: PartFeatures) -> Look:
        half = self.context_seconds / 2
        begin = max(max(int(part.seconds / half) - 2, 0) * half, part.first_kept / RATE)
        first, settled = round(begin * RATE), begin + half if begin else 0.0
        if part.snippets <= first:
            return Look(Detections.empty(), part.seconds, settled)
        rows = actions(np.asarray(part.given(first).features)[:, 0], begin_seconds=begin)
        rows = [row for row in rows if row[2] >= settled]
        segments = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 2)
        labels = np.array([LABELS.index(row[0]) for row in rows], dtype=np.int64)
        scores = [0.9 - 0.3 / (1 + 5 * (row[2] - row[1])) for row in rows]
        found = Detections(("cam",), np.zeros(len(rows), np.int64), segments, LABELS, labels, np.array(scores))
        return Look(found, part.seconds, settled)


def write_all(file: FileIO, data: bytes) -> None:
    """Without waiting for the disk."""
    file.write(data)


class Killed(BaseException):
    """The process ends here."""


class Fate:
    """Kills a watch at one of its steps: a picture, a look, half of a write, and after it.

    Args:
        steps: before the kill; ``None`` for none.
    """

    def __init__(self, steps: int | None = None) -> None:
        self.steps, self.passed = steps, 0

    def step(self) -> None:
        self.passed += 1
        if self.steps is not None and self.passed > self.steps:
            raise Killed

    def write(self, file: FileIO, data: bytes) -> None:
        self.step()
        half = len(data) // 2
        os.write(file.fileno(), data[:half])
        self.step()
        os.write(file.fileno(), data[half:])
        self.step()

    @contextmanager
    def patched(self) -> Iterator[None]:
        """Context in which the steps of the engine are those of this fate."""
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in ((PartFeatures, "push"), (PlaceFile, "keep"), (Watcher, "_look"), (RowFile, "save")):
                patch.setattr(owner, name, self._around(getattr(owner, name)))
            yield

    def _around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **more: Any) -> Any:
            self.step()
            result = real(*args, **more)
            self.step()
            return result

        return called


class Watch:
    """A source that is watched with a journal and a state in a folder, process after process.

    Args:
        folder: for the journal and the state.
        source: as a user writes it.
        looking: the detector.
        latency_seconds: of the tracker.
        feed_options: of the feed, besides the clock.
    """

    def __init__(
        self,
        folder: Path,
        source: str,
        *,
        looking: Any = None,
        latency_seconds: float = 1.0,
        clips: bool = False,
        clock: FakeClock | None = None,
        **feed_options: Any,
    ) -> None:
        self.folder, self.source = folder, source
        self.output, self.part = folder / "events.jsonl", folder / "state" / "part"
        self.looking, self.latency_seconds, self.clips = looking or Known(), latency_seconds, clips
        self.feed_options = {"back_off": BackOff(chance=lambda: 0.5), **feed_options}
        self.clock = clock or FakeClock(4e9)

    @contextmanager
    def opened(
        self, fate: Fate | None = None, *, write: Callable[[FileIO, bytes], None] | None = None
    ) -> Iterator[Any]:
        """Context with a watcher, as ``rcl watch`` builds it; afterwards its process is dead."""
        fate = fate or Fate()
        with fate.patched():
            journal = Journal(self.output, clock=self.clock.now, write=write or fate.write)
            try:
                yield self.watcher(journal)
            finally:
                journal._open.close()  # as a kill does, without a last try

    def watcher(self, journal: Journal) -> Watcher:
        source = parse_source(f"cam={self.source}")
        place, known = PlaceFile(self.folder / "state" / "place.json", source), journal.last_part("cam")
        resume, ring = place.resume(known.number if known else None), PacketRing() if self.clips else None
        feed = Feed(source, resume=resume, ring=ring, clock=self.clock, **self.feed_options)
        expected = ExpectedFile(self.folder / "state" / "expected.json")
        tracker = EventTracker("cam", latency_seconds=self.latency_seconds, expected=expected.read())
        clips = ClipMaker(self.folder / "clips", feed.cut, padding_seconds=0.5) if self.clips else None
        return Watcher(feed, self.looking, tracker, journal, self.part, place, expected=expected, clips=clips)

    def run(self, fate: Fate | None = None, *, until: Callable[[Watcher], bool] | None = None) -> bool:
        """Watch until the source ends, a kill, or a stop once a condition is met; whether it was not killed."""
        try:
            with self.opened(fate) as watcher:
                if until is not None:
                    stop_when(watcher, until)
                watcher.run()
                assert watcher.problem == "", watcher.problem
                return True
        except Killed:
            return False

    @property
    def entries(self) -> list[Entry]:
        return [parse_line(line) for line in self.output.read_bytes().splitlines()] if self.output.exists() else []

    def kinds(self, *kinds: str) -> list[str]:
        """Why parts and gaps, in order."""
        return [e.message.details["why"] for e in self.entries if e.message.kind in kinds]

    @property
    def events(self) -> list[Event]:
        """Those that count."""
        return [*events_after(entry.message for entry in self.entries).values()]

    def rows(self, part: int) -> list[Row]:
        """The events of a part that count."""
        chosen = [event for event in self.events if event.part == part]
        return sorted((e.label, round(e.start_seconds, 3), round(e.end_seconds, 3)) for e in chosen)

    def kept_rows(self) -> tuple[int, list[Row]] | None:
        """The part whose features are in the state, and the actions in them, after a kill."""
        if not (self.part / "part.json").exists():
            return None
        left = PartFeatures.resume(self.part, EXTRACTOR)
        rows = [] if not left.snippets else actions(np.asarray(left.given().features)[:, 0])
        return left.number, rows

    def check(self, *, grew_on: bool = False) -> None:
        """What must hold of a journal at any time: ids are said once, numbers ascend, corrections are of something.

        The last word about an event is the last, unless a file that had ended ``grew_on``.
        """
        alive, ever, finals, last_seq, last_part = set[str](), set[str](), set[str](), 0, 0
        for entry in self.entries:
            assert entry.seq > last_seq
            message, last_seq = entry.message, entry.seq
            if message.kind == "part":
                assert message.details["part"] > last_part
                last_part = message.details["part"]
            if message.event is None or message.kind == "clip":
                continue
            if message.kind == "announced":
                assert message.event.id not in ever
                alive.add(message.event.id)
                ever.add(message.event.id)
            assert message.event.id in alive
            assert message.event.id not in finals
            finals |= {message.event.id} if message.details.get("final") and not grew_on else set()
            alive -= {message.event.id} if message.kind == "withdrawn" else set()


def stop_when(watcher: Watcher, condition: Callable[[Watcher], bool]) -> None:
    """Have a watcher stop, as a signal does, after the first item at which a condition is met."""
    take = watcher._take

    def taken(item: Any) -> None:
        take(item)
        if condition(watcher):
            watcher.feed.stop()

    watcher._take = taken  # type: ignore[method-assign]


def rounded(rows: list[Row]) -> list[Row]:
    return sorted((label, round(start, 3), round(end, 3)) for label, start, end in rows)
