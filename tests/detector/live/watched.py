"""Sources for tests of feeds: a server that plays what it is told, a clock that never waits, and what a feed gives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

from rcl.detector.live.sources.clocks import Clock
from rcl.detector.live.sources.feed import Feed
from rcl.detector.live.sources.parts import Item, PartBegins, PartEnds, Picture
from rcl.video.decoding import opened
from rcl.video.stream import FrameStream, video_stream
from rendered import read_number, render

SPARSE = {"g": "10", "sc_threshold": "0", "threads": "1"}  # a key frame every 0.4 s
NO_B = {**SPARSE, "bf": "0"}
Send = Callable[[bytes], None]
Play = Callable[[Send], None]
Shown = tuple[Fraction, bytes]


class FakeClock(Clock):
    """A clock that stands still, except that a wait puts it forward at once.

    Args:
        seconds: of both times.
        on_wait: called at every wait with the time, such as to write more of a file.
    """

    def __init__(self, seconds: float = 10**9, on_wait: Callable[[float], object] = lambda seconds: None) -> None:
        self.seconds, self.on_wait = seconds, on_wait
        self.waits = list[float]()

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.seconds += seconds
        self.on_wait(self.seconds)
        return stop.is_set()


@dataclass
class Part:
    """A part that a feed gave."""

    begins: PartBegins
    shown: list[Shown] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    ends: PartEnds | None = None


class Collected:
    """The parts of the items of a feed."""

    def __init__(self) -> None:
        self.parts = list[Part]()

    def add(self, item: Item) -> None:
        if isinstance(item, PartBegins):
            assert not self.parts or self.parts[-1].ends is not None
            self.parts.append(Part(item))
        elif isinstance(item, Picture):
            assert self.parts[-1].ends is None
            self.parts[-1].shown.append(shown(item))
            self.parts[-1].numbers.append(number_of(item))
        elif isinstance(item, PartEnds):
            assert self.parts[-1].ends is None
            self.parts[-1].ends = item


def collect(feed: Feed, until: Callable[[Collected], bool] = lambda found: False) -> list[Part]:
    """The parts that a feed gives until it ends or a condition is met; then it is stopped."""
    found = Collected()
    for item in feed:
        found.add(item)
        if until(found):
            break
    assert feed.stop()
    return found.parts


def parts_end(count: int) -> Callable[[Collected], bool]:
    return lambda found: sum(part.ends is not None for part in found.parts) >= count


def shown(item: Picture) -> Shown:
    return item.until, item.frame.to_ndarray().tobytes()


def number_of(item: Picture) -> int:
    return read_number(torch.from_numpy(item.frame.to_ndarray(format="rgb24")).permute(2, 0, 1))


def shown_by(path: Path) -> list[Shown]:
    """What a file shows, as its features are made from."""
    with opened(path) as container:
        stream = FrameStream(container, video_stream(container, path), threads=1)
        return [(until, frame.to_ndarray().tobytes()) for frame, until in stream.spans()]


def stream_of(folder: Path, numbers: Sequence[int], *, name: str = "s.ts", **options: object) -> bytes:
    """A stream at 25 frames a second whose picture ``n`` of these, counted from 0, comes at n / 25 s."""
    pts = list(numbers)
    path = render(folder / name, pts=pts, **{"options": SPARSE, **options})  # type: ignore[arg-type]
    return path.read_bytes()


@contextmanager
def playing(plays: Iterable[Play | int]) -> Iterator[str]:
    """The address of a server: connection after connection plays what comes next, or has this status; then 404."""
    remaining = iter(plays)
    lock, ends = threading.Lock(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            with lock:
                play = next(remaining, 404)
            if isinstance(play, int):
                self.send_error(play)
                return
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            with suppress(OSError):  # the other side went away
                play(self._send)

        def _send(self, data: bytes) -> None:
            if ends.is_set():
                raise BrokenPipeError
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/cam/s.ts"
    finally:
        ends.set()
        server.shutdown()
        thread.join()
        server.server_close()


def in_chunks(data: bytes, cuts: Sequence[int] = ()) -> Play:
    """Send data in pieces that end at these places."""
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})

    def play(send: Send) -> None:
        start = 0
        for end in ends:
            send(data[start:end])
            start = end

    return play


def then_wait(data: bytes, event: threading.Event) -> Play:
    """Send data, and then nothing until an event."""

    def play(send: Send) -> None:
        send(data)
        event.wait(60)

    return play
