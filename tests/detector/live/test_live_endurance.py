"""What a watch for months needs: nothing that is kept too long, said too often or told wrongly."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from watched import FakeClock, collect, in_chunks, parts_end, playing, stream_of

from rcl.detector.live.sources import address_reader
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
