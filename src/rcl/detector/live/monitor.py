"""How the sources are: for Prometheus (``/metrics``), for a supervisor (``/health``) and for a terminal."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rcl.system.errors import InputError, counted
from rcl.system.extras import how_to_install

if TYPE_CHECKING:
    from prometheus_client import Metric
    from starlette.applications import Starlette

LONGEST_SILENCE = 30.0  # seconds without a picture after which a source is not healthy
_STOPS_WITHIN = 2  # seconds for requests that are being answered

_GAUGES = {
    "connected": "1 while the source is connected.",
    "seconds_since_last_picture": "Seconds since the last picture came.",
    "behind_seconds": "Seconds of the source that wait for their features.",
    "look_seconds": "Seconds that the last look took.",
    "features_bytes": "Bytes of features in memory.",
    "frozen": "1 while pictures come that do not change at all.",
}
_COUNTERS = {
    "frames_read": "Pictures that came.",
    "frames_dropped": "Pictures that were dropped, so as not to fall behind.",
    "reconnections": "Times that the source came back.",
    "gaps": "Gaps in the source.",
    "snippets": "Snippets whose features were made.",
}


@dataclass(frozen=True)
class SourceState:
    """How one source is.

    Args:
        name: of the source.
        connected: whether pictures can come.
        seconds_since_last_picture: infinite if none has come yet.
        behind_seconds: of the source that wait for their features.
        frames_read: pictures that came.
        frames_dropped: so as not to fall behind.
        reconnections: times that it came back.
        gaps: in the source.
        snippets: whose features were made.
        events_announced: since the start, as the next two.
        events_corrected: corrections, of which an event may have several.
        events_withdrawn: events that were none.
        look_seconds: that the last look took.
        features_bytes: in memory.
        frozen: whether pictures come that do not change at all; a still scene may be well.
        undelivered: name of a delivery to the messages that wait for it.
        problem: in words; empty if there is none.
        has_ended: a file that was read to its end is not ill.
    """

    name: str
    connected: bool = False
    seconds_since_last_picture: float = float("inf")
    behind_seconds: float = 0.0
    frames_read: int = 0
    frames_dropped: int = 0
    reconnections: int = 0
    gaps: int = 0
    snippets: int = 0
    events_announced: int = 0
    events_corrected: int = 0
    events_withdrawn: int = 0
    look_seconds: float = 0.0
    features_bytes: int = 0
    frozen: bool = False
    undelivered: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""
    has_ended: bool = False

    @property
    def illness(self) -> str:
        """Why the source is not healthy, in words; empty if it is."""
        if self.has_ended:
            return ""
        if self.problem or not self.connected:
            return self.problem or "not connected"
        if self.seconds_since_last_picture > LONGEST_SILENCE:
            return f"no picture for {self.seconds_since_last_picture:.0f} s"
        return ""


States = Callable[[], Sequence[SourceState]]


def status_line(states: Sequence[SourceState]) -> str:
    """How all sources are, on one line: totals, and what is worst.

    >>> status_line([SourceState("cam1", True, 0.1, 0.4, events_announced=3), SourceState("cam2", problem="no signal")])
    '1 of 2 sources well · 3 events · 0.4 s behind · cam2: no signal'
    """
    ill = [state for state in states if state.illness]
    total = counted(len(states), "source")
    said = [f"{len(states) - len(ill)} of {total} well" if ill else total]
    events = counted(sum(state.events_announced for state in states), "event")
    withdrawn = sum(state.events_withdrawn for state in states)
    said.append(f"{events} ({withdrawn:,} withdrawn)" if withdrawn else events)
    worst = max(states, key=lambda state: state.behind_seconds, default=None)
    if worst and worst.behind_seconds >= 0.1:
        named = f" ({worst.name})" if len(states) - len(ill) > 1 else ""
        said.append(f"{worst.behind_seconds:.1f} s behind{named}")
    if dropped := sum(state.frames_dropped for state in states):
        said.append(f"{counted(dropped, 'picture')} dropped")
    if waiting := sum({name: count for state in states for name, count in state.undelivered.items()}.values()):
        said.append(f"{counted(waiting, 'message')} undelivered")
    said += [f"{state.name}: {state.illness}" for state in ill[:1]]
    return " · ".join(" ".join(part.split()) for part in said)


# -- what is served --------------------------------------------------------------------------------------------------


def metrics_of(states: Sequence[SourceState]) -> Iterator[Metric]:
    """The metrics of Prometheus; their names begin with ``rcl_watch_``."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    for name, text in _GAUGES.items():
        gauge = GaugeMetricFamily(f"rcl_watch_{name}", text, labels=["source"])
        for state in states:
            gauge.add_metric([state.name], float(getattr(state, name)))
        yield gauge
    for name, text in _COUNTERS.items():
        counter = CounterMetricFamily(f"rcl_watch_{name}", text, labels=["source"])
        for state in states:
            counter.add_metric([state.name], getattr(state, name))
        yield counter
    healthy = GaugeMetricFamily("rcl_watch_healthy", "1 while nothing is wrong with the source.", labels=["source"])
    events = CounterMetricFamily("rcl_watch_events", "What was said of events.", labels=["source", "kind"])
    waiting = GaugeMetricFamily("rcl_watch_undelivered", "Messages that wait.", labels=["delivery"])
    for state in states:
        healthy.add_metric([state.name], not state.illness)
        for kind in ("announced", "corrected", "withdrawn"):
            events.add_metric([state.name, kind], getattr(state, f"events_{kind}"))
    for name, count in {name: count for state in states for name, count in state.undelivered.items()}.items():
        waiting.add_metric([name], count)
    yield from (healthy, events, waiting)


def build_app(states: States) -> Starlette:
    """The web application with ``/metrics`` and ``/health``, which read only.

    ``/health`` answers 200 if nothing is wrong with any source, else 503, and says what in ``problems``.
    """
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    class Collected:
        def collect(self) -> Iterable[Metric]:
            return metrics_of(states())

    registry = CollectorRegistry()
    registry.register(Collected())

    def metrics(request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    def health(request: Request) -> Response:
        now = states()
        problems = {state.name: state.illness for state in now if state.illness}
        content = {"status": "unwell" if problems else "well", "problems": problems, "sources": [*map(_plain, now)]}
        return JSONResponse(content, status_code=503 if problems else 200)

    return Starlette(routes=[Route("/metrics", metrics), Route("/health", health)])


def _plain(state: SourceState) -> dict[str, object]:
    """The values of a state as JSON has them: it knows no infinity."""
    return {key: None if value == float("inf") else value for key, value in asdict(state).items()}


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, ``:PORT`` or ``PORT``; without a host, only this machine can reach it.

    >>> parse_address("0.0.0.0:9100"), parse_address("9100"), parse_address("[::1]:0")
    (('0.0.0.0', 9100), ('127.0.0.1', 9100), ('::1', 0))

    Raises:
        InputError: it is none of these.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not (port.isascii() and port.isdecimal() and int(port) <= 65535) or (":" in host and not text.startswith("[")):
        fix = "write an address such as 127.0.0.1:9100"
        raise InputError("--monitor", expected="HOST:PORT", found=repr(text), fix=fix)
    return host or "127.0.0.1", int(port)


class Monitor:
    """A server of ``/metrics`` and ``/health``, in a thread.

    Args:
        states: how the sources are now; called in other threads.
        address: see :func:`parse_address`; port 0 takes any free one.

    Raises:
        InputError: the address is not free, or not one of this machine, or the packages are not installed.
    """

    def __init__(self, states: States, address: str) -> None:
        host, port = parse_address(address)
        _check_packages()
        import uvicorn

        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._listener = socket.create_server((host, port), family=family)
        except OSError as error:
            found, fix = (error.strerror or str(error)).partition(" (while")[0], "choose another with --monitor"
            expected = "a free address of this machine"
            raise InputError(f"{host}:{port}", expected=expected, found=found, fix=fix) from None
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._listener.getsockname()[1]}"
        config = uvicorn.Config(
            build_app(states),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_STOPS_WITHIN,
        )
        self._server = uvicorn.Server(config)
        run = {"sockets": [self._listener]}
        self._thread = threading.Thread(target=self._server.run, kwargs=run, name="monitor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self._server.should_exit = True
        self._thread.join(2 * _STOPS_WITHIN)
        self._listener.close()


def _check_packages() -> None:
    try:
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in ("prometheus_client", "starlette", "uvicorn"):
            raise
        expected, fix = "prometheus-client, starlette and uvicorn", how_to_install("watch")
        raise InputError("--monitor", expected=expected, found="no such packages", fix=fix) from None
