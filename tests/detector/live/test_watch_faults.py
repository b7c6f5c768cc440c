"""Faults of sources, disks and receivers, and what the journal says about them."""

from __future__ import annotations

import errno
import logging
import random
import threading
from collections.abc import Iterator
from fractions import Fraction
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watched import NO_B, FakeClock, Play, in_chunks, playing, stream_of, then_wait
from watching import Fate, Known, Watch, actions, numbered, rounded, shown_actions, write_all

from rcl.detector.live import session as session_module
from rcl.detector.live.clips.clip_maker import ClipMaker
from rcl.detector.live.deliveries.delivery import Delivery, DeliveryError
from rcl.detector.live.events.expected_file import ExpectedFile
from rcl.detector.live.events.journal import Journal
from rcl.detector.live.events.tracker import EventTracker
from rcl.detector.live.features.rows import RowFile
from rcl.detector.live.monitor import SourceState
from rcl.detector.live.place_file import PlaceFile
from rcl.detector.live.session import Session
from rcl.detector.live.sources.counts import FeedCounts
from rcl.detector.live.sources.parts import PartBegins, PartEnds, Picture
from rcl.detector.live.sources.source import parse_source
from rcl.detector.live.watcher import Watcher
from rcl.system.errors import InputError
from rcl.video.decoding import opened
from rcl.video.stream import FrameStream, video_stream


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="module")
def stream(folder: Path) -> bytes:
    return stream_of(folder, range(100), options=NO_B)  # four seconds


@pytest.fixture(scope="module")
def whole(folder: Path, stream: bytes) -> list[Any]:
    path = folder / "whole.ts"
    path.write_bytes(stream)
    return rounded(shown_actions(path))


def parts_said(count: int, *, ended: bool = True) -> Any:
    """Whether so many parts have begun, and the last one has ended."""
    return lambda watcher: (
        (known := watcher.journal.last_part("cam")) is not None
        and known.number >= count
        and (watcher._part is None) == ended
    )


# -- sources -----------------------------------------------------------------------------------------------------


def test_a_source_goes_away_and_comes_back(tmp_path: Path, stream: bytes, whole: list[Any]) -> None:
    plays: list[Play | int] = [in_chunks(stream), 404, 503, in_chunks(stream)]
    with playing(plays) as address:
        watch = Watch(tmp_path, address)
        assert watch.run(until=parts_said(2))
    watch.check()
    why, back = watch.kinds("gap")[0], "the source was away for 3.5 s"
    assert why in ("the stream ended", "the stream broke off")
    assert watch.kinds("part", "gap") == ["", why, back]
    assert watch.rows(1) == watch.rows(2) == whole


def test_a_source_freezes(tmp_path: Path, stream: bytes, whole: list[Any]) -> None:
    never = threading.Event()
    with playing([then_wait(stream, never), in_chunks(stream)]) as address:
        watch = Watch(tmp_path, address, read_seconds=0.5)
        assert watch.run(until=parts_said(2))
        never.set()
    watch.check()
    assert watch.kinds("gap") == ["nothing came for too long"]
    assert watch.rows(1) == watch.rows(2) == whole


def test_a_source_restarts_from_zero(tmp_path: Path, stream: bytes, whole: list[Any]) -> None:
    with playing([in_chunks(stream * 3)]) as address:
        watch = Watch(tmp_path, address, reconnect=False)
        assert watch.run()
    watch.check()
    assert [why[:28] for why in watch.kinds("gap")] == ["the time stamps jumped back "] * 2
    assert watch.kinds("part")[1:] == watch.kinds("gap")
    assert [watch.rows(part) for part in (1, 2, 3)] == [whole] * 3


def test_a_source_changes_its_size(tmp_path: Path, folder: Path) -> None:
    data = stream_of(folder, range(40), options=NO_B) + numbered(folder / "l.ts", range(40, 100), 40, width=192)
    recording = tmp_path / "recording.ts"
    recording.write_bytes(data)
    with playing([in_chunks(data)]) as address:
        watch = Watch(tmp_path, address, reconnect=False)
        assert watch.run()
    watch.check()
    assert watch.kinds("part", "gap") == [""]
    assert watch.rows(1) == rounded(shown_actions(recording))
    assert len(watch.rows(1)) >= 2


def test_ten_seconds_of_garbage_are_a_gap_without_events(tmp_path: Path, folder: Path) -> None:
    data = stream_of(folder, range(500), options=NO_B)  # 20 s
    begin, end = (int(len(data) * share) // 188 * 188 for share in (0.25, 0.75))
    noise = random.Random(0).randbytes(end - begin)
    with playing([in_chunks(data[:begin] + noise + data[end:])]) as address:
        watch = Watch(tmp_path, address, reconnect=False)
        assert watch.run()
    watch.check()
    assert watch.kinds("gap")
    lengths = [event.end_seconds - event.start_seconds for event in watch.events]
    assert max(lengths) < 2.6, "no event spans the gap"
    first, last = watch.rows(1), watch.rows(len(watch.kinds("part")))
    assert set(rounded(actions(np.arange(0, 100, 5)))) <= set(first)
    assert len(last) >= 2


# -- disks -------------------------------------------------------------------------------------------------------


class FullDisk:
    """Writes that fail for some time."""

    def __init__(self, first: int, last: int) -> None:
        self.calls, self.first, self.last = 0, first, last

    def check(self) -> None:
        self.calls += 1
        if self.first <= self.calls <= self.last:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_loses_no_message(
    tmp_path: Path, stream: bytes, whole: list[Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal_disk, features_disk = FullDisk(2, 3), FullDisk(3, 12)

    def write(file: FileIO, data: bytes) -> None:
        try:
            journal_disk.check()
        except OSError:
            file.write(data[:10])  # what fits
            raise
        file.write(data)

    real = RowFile._append

    def append(self: RowFile, rows: np.ndarray) -> None:
        features_disk.check()
        real(self, rows)

    monkeypatch.setattr(RowFile, "_append", append)
    (tmp_path / "r.ts").write_bytes(stream)
    watch = Watch(tmp_path, str(tmp_path / "r.ts"), clips=True)
    with caplog.at_level(logging.WARNING, "rcl"), watch.opened(write=write) as watcher:
        cut, full = watcher.feed.cut, FullDisk(1, 1)

        def cut_or_fail(*values: Any, **more: Any) -> Any:
            try:
                full.check()
            except OSError as error:
                raise InputError("clip", expected="space", found=str(error), fix="free some") from None
            return cut(*values, **more)

        watcher.clips.cut = cut_or_fail
        watcher.run()
        assert watcher.problem == ""
    watch.check()
    assert watch.rows(1) == whole
    assert caplog.text.count("messages wait in memory") == 1
    assert "is written again" in caplog.text
    assert caplog.text.count("are in memory alone until it can be written") == 1
    assert caplog.text.count("no clip of") == 1
    assert sum(entry.message.kind == "clip" for entry in watch.entries) == len(whole) - 1


def test_a_kill_while_the_disk_is_full_loses_nothing_of_a_file(tmp_path: Path, stream: bytes, whole: list[Any]) -> None:
    def never(file: FileIO, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "r.ts").write_bytes(stream)
    watch = Watch(tmp_path, str(tmp_path / "r.ts"))
    with watch.opened(write=never) as watcher:
        watcher.run()
        assert watcher.journal.problem == "events.jsonl cannot be written (No space left on device)"
    assert watch.entries == []
    assert watch.run()
    watch.check()
    assert watch.rows(1) == whole


# -- several sources ---------------------------------------------------------------------------------------------


class Fails:
    """Takes the place of a webhook."""

    name, key, is_up = "webhook example.org", "webhook", False

    def __init__(self) -> None:
        self.keys = list[str]()

    def send(self, line: bytes, entry: Any, key: str) -> None:
        if not self.is_up:
            raise DeliveryError("no connection")
        self.keys.append(key)


def watcher_of(watch: Watch, journal: Journal, name: str, *, looking: Any = None) -> Watcher:
    watcher = Watch(watch.folder / name, watch.source, looking=looking).watcher(journal)
    watcher.name = watcher.tracker.source = name
    return watcher


def test_one_source_fails_and_the_others_go_on(
    tmp_path: Path, stream: bytes, whole: list[Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "TICK_SECONDS", 0.01)
    (tmp_path / "good.ts").write_bytes(stream)
    (tmp_path / "bad.ts").write_bytes(b"no video at all" * 1000)
    good, bad = Watch(tmp_path, str(tmp_path / "good.ts")), Watch(tmp_path, str(tmp_path / "bad.ts"))
    looking = Known()
    monkeypatch.setattr(looking, "look", lambda part: 1 / 0)
    with Journal(tmp_path / "events.jsonl", write=write_all) as journal:
        watchers = [
            watcher_of(bad, journal, "bad"),
            watcher_of(good, journal, "bug", looking=looking),
            watcher_of(good, journal, "good"),
        ]
        session = Session(watchers, journal)
        states = list[SourceState]()
        session.run(lambda now: states.__setitem__(slice(None), now))
    assert session.failed == ["bad", "bug"]
    assert session.has_bug
    assert [bool(state.illness) for state in states] == [True, True, False]
    assert [state.has_ended for state in states] == [False, False, True]
    assert "a bug of rcl: ZeroDivisionError" in states[1].illness
    assert "bad.ts" in states[0].illness
    assert "Traceback" in caplog.text
    assert rounded([(e.label, e.start_seconds, e.end_seconds) for e in good.events if e.source == "good"]) == whole


def test_what_keeps_messages_back_is_a_problem_of_the_sources(tmp_path: Path, stream: bytes, whole: list[Any]) -> None:
    (tmp_path / "r.ts").write_bytes(stream)
    target, disk, clock = Fails(), FullDisk(2, 3), FakeClock()

    def write(file: FileIO, data: bytes) -> None:
        disk.check()
        file.write(data)

    watch = Watch(tmp_path, str(tmp_path / "r.ts"))
    with Journal(watch.output, write=write) as journal:
        watcher = watch.watcher(journal)
        delivery = Delivery(target, journal, tmp_path / "state", clock=clock.monotonic)
        session = Session([watcher], journal, [delivery])
        assert session.states()[0].problem == ""
        watcher._take(PartBegins(1, 0.0))
        delivery.step()
        assert session.states()[0].problem == "webhook example.org: no connection"
        watcher._take(PartEnds("it ended"))
        watcher._take(PartBegins(2, 0.0, "it is back"))
        assert session.states()[0].problem == "events.jsonl cannot be written (No space left on device)"
        journal.tick()
        target.is_up = True
        clock.seconds += 60
        while delivery.step() == 0.0:
            pass
        assert session.states()[0].problem == ""
        assert delivery.undelivered == 0
        watcher.feed.stop()
    assert len(target.keys) == len({*target.keys}) == len(watch.entries) == 3  # part, gap, part


def test_a_webhook_gets_everything_at_least_once_with_equal_keys_through_kills(
    tmp_path: Path, stream: bytes, whole: list[Any]
) -> None:
    got = dict[str, bytes]()
    (tmp_path / "r.ts").write_bytes(stream)

    class Keeps(Fails):
        def send(self, line: bytes, entry: Any, key: str) -> None:
            assert got.setdefault(key, line) == line

    for steps in (100, 200, 350, None):
        watch = Watch(tmp_path, str(tmp_path / "r.ts"))
        with Journal(watch.output, write=write_all) as journal:
            delivery = Delivery(Keeps(), journal, tmp_path / "state")
        watch.run(Fate(steps))
        with Journal(watch.output, write=write_all) as journal:
            delivery = Delivery(Keeps(), journal, tmp_path / "state")
            for _ in range(100 if steps is None else 1):
                delivery.step()
    assert [line + b"\n" for line in got.values()] == watch.output.read_bytes().splitlines(keepends=True)
    assert watch.rows(1) == whole


# -- memory ------------------------------------------------------------------------------------------------------


class EndlessFeed:
    """The same pictures over and over, as a feed gives them, without waiting."""

    def __init__(self, path: Path, seconds: int) -> None:
        self.source, self.counts = parse_source("cam=http://127.0.0.1:1/"), FeedCounts()
        self.seconds_since_picture = self.waiting_seconds = 0.0
        with opened(path) as container:
            spans = FrameStream(container, video_stream(container, path), threads=1).spans()
            self._frames = [frame for frame, _ in spans]
        self._seconds = seconds

    def __iter__(self) -> Iterator[Any]:
        yield PartBegins(1, 0.0)
        for number in range(25 * self._seconds):
            yield Picture(self._frames[number % len(self._frames)], Fraction(number + 1, 25))
        yield PartEnds("it ended")

    def position(self) -> dict[str, Any]:
        return {"part": 1}

    def stop(self) -> bool:
        return True


def test_memory_and_files_stay_bounded(tmp_path: Path, folder: Path) -> None:
    path = folder / "loop.ts"
    numbered(path, range(80), 0)
    feed: Any = EndlessFeed(path, 400)
    looking: Any = Known(context_seconds=8.0)
    sizes = list[tuple[int, ...]]()

    def cut(part: int, start: float, end: float, stem: Path, *, comment: Any) -> Any:
        raise InputError(stem, expected="a key frame", found="none", fix="none")

    clips, tracker = ClipMaker(tmp_path / "clips", cut), EventTracker("cam", latency_seconds=1.0)
    place, expected = PlaceFile(tmp_path / "place.json", feed.source), ExpectedFile(tmp_path / "expected.json")
    with Journal(tmp_path / "events.jsonl", write=write_all) as journal:
        watcher = Watcher(feed, looking, tracker, journal, tmp_path / "part", place, expected=expected, clips=clips)
        take = watcher._take

        def taken(item: Any) -> None:
            take(item)
            if isinstance(item, Picture) and item.until % 40 == 0 and watcher._part:
                part = watcher._part
                files = sum(file.stat().st_size for file in (tmp_path / "part").iterdir())
                bins = len(tracker.expected.to_json()["bins"])
                waiting = len(clips._waiting) + journal.waiting
                sizes.append((part.nbytes, files, len(tracker._tracked), len(tracker._finals), waiting, bins))

        watcher._take = taken  # type: ignore[method-assign]
        watcher.run()
        assert watcher.problem == ""
        count = watcher.state().events_announced
    assert len(sizes) == 10
    assert count == pytest.approx(400 / 1.6, abs=2)
    for first, *later in zip(*sizes[2:], strict=True):
        assert max(later) <= 1.5 * max(first, 8), sizes


def test_ids_and_numbers_of_parts_stay_unique_without_a_state(tmp_path: Path, stream: bytes) -> None:
    """The journal alone is enough for that."""
    (tmp_path / "r.ts").write_bytes(stream)
    for _ in range(2):
        watch = Watch(tmp_path, str(tmp_path / "r.ts"))
        assert watch.run()
        (tmp_path / "state" / "place.json").unlink()
    watch.check()
    assert watch.kinds("part") == ["", ""]
