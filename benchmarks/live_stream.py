"""A recording served over HTTP in real time, as a camera would: for benchmarks of ``rcl watch``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import av

CHUNK_SECONDS = 0.1


class Chunk(NamedTuple):
    """Bytes of a recording, and the second of it at which they are sent."""

    due_seconds: float
    content: bytes


def join_videos(videos: Sequence[Path], target: Path, *, least_seconds: float = 0.0) -> list[float]:
    """Join the packets of videos, as one MPEG-TS without gaps. Return the second at which each of them begins.

    The videos repeat until the recording is so long.
    """
    starts, offset = list[float](), Fraction(0)
    with av.open(str(target), "w", format="mpegts") as output:
        track = None
        while not starts or offset < least_seconds:
            for video in videos:
                starts.append(float(offset))
                with av.open(str(video)) as container:
                    stream = container.streams.video[0]
                    track = track or output.add_stream_from_template(stream)
                    ticks = round(offset / stream.time_base)
                    for packet in container.demux(stream):
                        if packet.dts is None:
                            continue
                        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                        packet.stream = track
                        output.mux(packet)
                    offset += (stream.duration or 0) * stream.time_base
    return starts


def chunks_of(recording: Path) -> list[Chunk]:
    """The bytes of an MPEG-TS, a tenth of a second at a time, each of which is sent when it has passed."""
    content = recording.read_bytes()
    edges, due = [0], [0.0]
    with av.open(str(recording)) as container:
        stream = container.streams.video[0]
        first = float(stream.start_time * stream.time_base)
        for packet in container.demux(stream):
            if packet.pos is None or packet.pts is None:
                continue
            seconds = float(packet.pts * packet.time_base) - first
            if seconds >= due[-1] + CHUNK_SECONDS and packet.pos > edges[-1]:
                edges.append(packet.pos)
                due.append(seconds)
    pieces = zip([*due[1:], due[-1] + CHUNK_SECONDS], edges, [*edges[1:], len(content)], strict=True)
    return [Chunk(seconds, content[begin:end]) for seconds, begin, end in pieces]


class Served(NamedTuple):
    """``address``: of the stream; ``began``: for every connection, the Unix time of second 0."""

    address: str
    began: list[float]


@contextmanager
def serve_in_real_time(chunks: Sequence[Chunk], *, connections: int) -> Iterator[Served]:
    """Serve a recording at the speed at which it was made, to so many connections, each from its beginning."""
    began, lock = list[float](), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                is_late = len(began) >= connections
                if not is_late:
                    began.append(time.time())
                    start = time.monotonic()
            if is_late:  # who reconnects after the end
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            with suppress(ConnectionError):  # the other side has left
                for chunk in chunks:
                    time.sleep(max(start + chunk.due_seconds - time.monotonic(), 0.0))
                    self.wfile.write(chunk.content)
                    self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.server_address[1]}/camera", began)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
