"""What a watch for months needs: nothing that is kept too long, said too often or told wrongly."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from watched import FakeClock, collect, in_chunks, parts_end, playing, stream_of

from rcl.detector.live.deliveries.delivery import Delivery, DeliveryError
from rcl.detector.live.events.journal import Journal
from rcl.detector.live.events.journal_lines import Entry, parse_line
from rcl.detector.live.events.messages import about_part
from rcl.detector.live.sources import address_reader, segments
from rcl.detector.live.sources.feed import Feed
from rcl.detector.live.sources.source import parse_source
from rcl.video.stream import FrameStream


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="module")
def stream(folder: Path) -> bytes:
    """A second."""
    return stream_of(folder, range(25))


def feed_of(address: str, **options: Any) -> Feed:
    return Feed(parse_source(f"cam={address}"), **{"clock": FakeClock(), **options})


def test_a_connection_that_broke_off_leaves_nothing_behind(stream: bytes) -> None:
    gc.collect()
    gc.disable()  # cycles with decoders and pictures in them would wait for a collection that few objects bring about
    try:
        with playing([in_chunks(stream)] * 2) as address:
            collect(feed_of(address), parts_end(2))
        assert not [each for each in gc.get_objects() if type(each) is FrameStream]
    finally:
        gc.enable()


def test_a_part_begins_when_the_connection_was_asked_for(stream: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(1000.0)
    open_address = address_reader.open_address

    def opened_slowly(*arguments: Any, **options: Any) -> Any:
        clock.seconds += 5.0  # of the stream, which FFmpeg reads before it gives the first picture
        return open_address(*arguments, **options)

    monkeypatch.setattr(address_reader, "open_address", opened_slowly)
    with playing([in_chunks(stream)]) as address:
        (part,) = collect(feed_of(address, clock=clock), parts_end(1))
    assert part.begins.started_at == 1000.0


def test_time_stamps_that_jump_all_the_time_end_the_connection(folder: Path) -> None:
    early, late = (stream_of(folder, range(first, first + 10), name="short.ts") for first in (0, 1000))
    with playing([in_chunks((early + late) * 10)]) as address:
        parts = collect(feed_of(address, reconnect=False))
    assert len(parts) == address_reader.MOST_SHORT


@pytest.mark.skipif(os.name == "nt", reason="Windows does not rename an open file")
@pytest.mark.parametrize("is_emptied", [False, True])
def test_a_journal_that_is_moved_or_emptied_goes_on(tmp_path: Path, is_emptied: bool) -> None:
    path, old = tmp_path / "events.jsonl", tmp_path / "events.1"
    with Journal(path) as journal:
        journal.append([about_part("part", "cam", 1, 0.0)])
        if is_emptied:
            os.truncate(path, 0)
        else:
            path.rename(old)
        journal.append([about_part("part", "cam", 2, 0.0)])
        journal.append([about_part("part", "cam", 3, 0.0)])
        identity = journal.id
    lines = path.read_bytes().splitlines()
    assert [parse_line(line).seq for line in lines] == [2, 3]
    assert is_emptied or len(old.read_bytes().splitlines()) == 1
    with Journal(path) as journal:  # deliveries know it again
        assert journal.id == identity


def test_a_long_list_of_segments_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, order_of = list[str](), segments.order_of

    def noted(name: str) -> Any:
        asked.append(name)
        return order_of(name)

    monkeypatch.setattr(segments, "order_of", noted)
    for number in range(20):
        (tmp_path / f"seg{number}.ts").touch()
    passed = set[str]()
    for _ in range(3):
        found = segments.segments_in(tmp_path, after="seg18.ts", passed=passed)
        assert [each.path.name for each in found] == ["seg19.ts"]
    assert asked.count("seg3.ts") == 1
    (tmp_path / "seg3.ts").unlink()
    segments.segments_in(tmp_path, after="seg18.ts", passed=passed)
    assert "seg3.ts" not in passed


def test_a_dead_webhook_does_not_hold_up_the_end(tmp_path: Path) -> None:
    class Dead:
        name = key = "dead"

        def send(self, line: bytes, entry: Entry, key: str) -> None:
            tried.set()
            raise DeliveryError("no connection", wait_seconds=60.0)

    tried = threading.Event()
    with Journal(tmp_path / "events.jsonl") as journal:
        delivery = Delivery(Dead(), journal, tmp_path)
        journal.append([about_part("part", "cam", 1, 0.0)])
        delivery.start()
        assert tried.wait(60)
        begin = time.monotonic()
        delivery.close(30.0)
    assert time.monotonic() - begin < 20
    assert delivery.undelivered == 1


def test_passwords_in_paths_are_not_shown() -> None:
    source = parse_source("rtsp://10.0.0.5/user=ann_password=hush_channel=1_stream=0.sdp")
    assert "hush" not in source.shown
    assert "hush" not in source.name
