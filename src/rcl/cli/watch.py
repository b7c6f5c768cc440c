"""``rcl watch``."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rcl.cli.console import note, stderr, warn
from rcl.cli.extraction_options import DetectorFiles
from rcl.cli.options import Location, location
from rcl.cli.watch_options import ClipOptions, DeliveryOptions, EventOptions, SourceOptions
from rcl.system.errors import counted, listed

if TYPE_CHECKING:
    from rcl.detector.live.deliveries.delivery import Delivery
    from rcl.detector.live.events.journal import Journal
    from rcl.detector.live.looking import Looking
    from rcl.detector.live.monitor import Monitor, SourceState
    from rcl.detector.live.session import Session
    from rcl.detector.live.sources.source import Source
    from rcl.detector.live.watcher import Watcher

SAME_SIGNAL_SECONDS = 1  # timeout(1) sends a signal to the process and to its group, and means it once
STATUS_LINES_SECONDS = 60  # between two lines, where there is no terminal


def watch(
    checkpoint: Annotated[
        Location, typer.Argument(help="last.ckpt of a training run, or its folder.", parser=location)
    ],
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Address (RTSP, HTTP, …) or device, a file that is being written, or a folder that a recorder "
            "writes segments into; NAME=SOURCE names it.",
        ),
    ],
    output: Annotated[Path, typer.Option(help="File of events, one JSON object per line; a later run goes on there.")],
    events: EventOptions,
    reading: SourceOptions,
    delivering: DeliveryOptions,
    cutting: ClipOptions,
    moved: DetectorFiles,
    state: Annotated[
        Path | None, typer.Option(help="Folder for what a restart needs; by default OUTPUT.state beside the output.")
    ] = None,
    monitor: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Serve /metrics (Prometheus) and /health there.")
    ] = None,
) -> None:
    """Watch live sources, and say what happens while it happens.

    Ctrl-C ends it: what is known of the actions so far is said, and the same command goes on later.
    """
    latency = events.latency_seconds()
    found, targets = reading.sources(sources), delivering.targets()
    cutting.check()
    _check_address(monitor)
    folder = state or output.with_name(f"{output.name}.state")
    looking = _looking(checkpoint, events, moved)
    with _orderly_close(output) as journal:
        watchers = _watchers(found, looking, journal, folder, latency, reading, cutting)
        session = _session(watchers, journal, delivering.deliveries(targets, journal, folder))
        with _monitored(session, monitor) as server, _stopped_by_signals(session), _status() as show:
            _say_begun(found, output, server)
            session.run(show)
    if session.failed:
        warn(f"{counted(len(session.failed), 'source')} could not be watched to the end; see above.")
        sys.exit(1 if session.has_bug else 2)


def _check_address(monitor: str | None) -> None:
    """Check the address before the detector is loaded."""
    from rcl.detector.live.monitor import parse_address

    if monitor is not None:
        parse_address(monitor)


def _looking(checkpoint: Path, events: EventOptions, moved: DetectorFiles) -> Looking:
    from rcl.detector.live.looking import Looking
    from rcl.detector.localizer import Localizer

    localizer = Localizer.load(checkpoint, **moved.arguments())
    decide = events.decide(localizer, checkpoint)
    fill = math.isfinite(events.latency_seconds())
    return Looking(localizer, decide=decide, context_seconds=events.context_seconds(), fill=fill)


@contextmanager
def _orderly_close(output: Path) -> Iterator[Journal]:
    from rcl.detector.live.events.journal import Journal

    with closing(Journal(output)) as journal:
        yield journal


def _watchers(
    sources: Sequence[Source],
    looking: Looking,
    journal: Journal,
    folder: Path,
    latency_seconds: float,
    reading: SourceOptions,
    cutting: ClipOptions,
) -> list[Watcher]:
    from rcl.detector.live.clips.clip_maker import ClipMaker
    from rcl.detector.live.clips.packet_ring import PacketRing
    from rcl.detector.live.events.expected_file import ExpectedFile
    from rcl.detector.live.events.tracker import EventTracker
    from rcl.detector.live.features.part_features import video_extractors
    from rcl.detector.live.place_file import PlaceFile
    from rcl.detector.live.sources.feed import Feed
    from rcl.detector.live.watcher import Watcher

    for extractor in video_extractors(looking.localizer.extractor, "rcl watch").values():
        extractor.open()  # before threads do
    padding = cutting.padding_seconds()
    watchers = []
    for source in sources:
        own = folder / source.name
        place, known = PlaceFile(own / "place.json", source), journal.last_part(source.name)
        feed = Feed(
            source,
            resume=place.resume(known.number if known else None),
            ring=PacketRing() if cutting.clips and source.kind != "file" else None,  # a file can be cut itself
            **reading.feed_arguments(),
        )
        expected = ExpectedFile(own / "expected.json")
        tracker = EventTracker(source.name, latency_seconds=latency_seconds, expected=expected.read())
        clips = (
            ClipMaker(cutting.clips, feed.cut, padding_seconds=padding, keep=cutting.clips_keep)
            if cutting.clips
            else None
        )
        watchers.append(Watcher(feed, looking, tracker, journal, own / "part", place, expected=expected, clips=clips))
    return watchers


def _session(watchers: Sequence[Watcher], journal: Journal, deliveries: Sequence[Delivery]) -> Session:
    from rcl.detector.live.session import Session

    return Session(watchers, journal, deliveries)


def _say_begun(sources: Sequence[Source], output: Path, server: Monitor | None) -> None:
    note(f"Watching {listed([f'{source.name} ({source.shown})' for source in sources], 5)}; events: {output}")
    if server:
        note(f"{server.url}/health and {server.url}/metrics say how the sources are")


def _monitored(session: Session, address: str | None) -> AbstractContextManager[Monitor | None]:
    from rcl.detector.live.monitor import Monitor

    return nullcontext() if address is None else closing(Monitor(session.states, address))


@contextmanager
def _stopped_by_signals(session: Session) -> Iterator[None]:
    """End the session in order on Ctrl-C and SIGTERM; another one, some time later, ends the process."""
    stopped_at = math.inf

    def stop(number: int, frame: object) -> None:
        nonlocal stopped_at
        if time.monotonic() - stopped_at > SAME_SIGNAL_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stopped_at = min(stopped_at, time.monotonic())
        session.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _status() -> Iterator[Callable[[Sequence[SourceState]], None]]:
    """A line that is kept up to date on a terminal; elsewhere, one line a minute, and one when it ends."""
    from rcl.detector.live.monitor import status_line

    if stderr.is_terminal:
        with stderr.status("") as shown:
            yield lambda states: shown.update(status_line(states))
        return
    ticks, last = 0, ""

    def show(states: Sequence[SourceState]) -> None:
        nonlocal ticks, last
        ticks, last = ticks + 1, status_line(states)
        if ticks % STATUS_LINES_SECONDS == 0:
            note(last)

    yield show
    note(last)
