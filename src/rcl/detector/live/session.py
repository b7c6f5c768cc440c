"""Several watched sources in one process, and where their messages go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rcl.detector.live.deliveries.delivery import Delivery
from rcl.detector.live.events.journal import Journal
from rcl.detector.live.monitor import SourceState
from rcl.detector.live.watcher import Watcher

TICK_SECONDS = 1.0
LAST_DELIVERIES_SECONDS = 10.0  # at the end, for what still waits


class Session:
    """Runs watchers in threads, one each, until their sources have ended or a stop is asked for.

    Args:
        watchers: of the sources.
        journal: of all of them.
        deliveries: of the journal.
    """

    def __init__(self, watchers: Sequence[Watcher], journal: Journal, deliveries: Sequence[Delivery] = ()) -> None:
        self.watchers, self.journal, self.deliveries = watchers, journal, deliveries
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=watcher.run, name=f"watch {watcher.name}", daemon=True) for watcher in watchers
        ]

    def run(self, on_tick: Callable[[Sequence[SourceState]], None]) -> None:
        """Watch; ``on_tick`` gets the states of all sources every second."""
        for delivery in self.deliveries:
            delivery.start()
        for thread in self._threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in self._threads) and not self._stop.wait(TICK_SECONDS):
                self.journal.tick()
                on_tick(self.states())
        finally:
            self._end()
            on_tick(self.states())

    def stop(self) -> None:
        """Ask for an end, from any thread or a signal: the events known so far are said, and a later start goes on."""
        self._stop.set()

    def states(self) -> list[SourceState]:
        """How all sources are; what keeps messages back is a problem of each."""
        waiting, problem = self._undelivered(), self._problem()
        states = [watcher.state() for watcher in self.watchers]
        return [replace(state, undelivered=waiting, problem=state.problem or problem) for state in states]

    @property
    def failed(self) -> list[str]:
        """The names of the sources that could not be watched to their end."""
        return [watcher.name for watcher in self.watchers if watcher.problem]

    def _problem(self) -> str:
        """Why messages wait, in words; empty if none has to."""
        away = next((delivery for delivery in self.deliveries if delivery.problem), None)
        return self.journal.problem or (f"{away.name}: {away.problem}" if away else "")

    @property
    def has_bug(self) -> bool:
        """Whether a bug stopped one of them, so that a new start may help."""
        return any(watcher.is_bug for watcher in self.watchers)

    def _undelivered(self) -> Mapping[str, int]:
        return {delivery.name: delivery.undelivered for delivery in self.deliveries}

    def _end(self) -> None:
        stops = [threading.Thread(target=watcher.feed.stop) for watcher in self.watchers]
        for thread in stops:
            thread.start()
        for thread in (*stops, *self._threads):
            thread.join()
        ends_at = time.monotonic() + LAST_DELIVERIES_SECONDS  # of all together
        for delivery in self.deliveries:
            delivery.close(max(ends_at - time.monotonic(), 0.0))
        self.journal.close()
