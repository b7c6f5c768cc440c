"""One watched source from its bytes to the journal: equal to its recording, through kills, stops and faults."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watched import NO_B, in_chunks, playing, stream_of
from watching import Fate, Row, Watch, actions, numbered, rounded, shown_actions

from rcl.detector.live.watcher import Watcher

PICTURES = 150  # six seconds, three actions and a half


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="module")
def stream(folder: Path) -> bytes:
    return stream_of(folder, range(PICTURES), options=NO_B)


def recording(folder: Path, data: bytes) -> Path:
    path = folder / "recording.ts"
    path.write_bytes(data)
    return path


@settings(max_examples=6)
@given(
    cuts=st.lists(st.integers(1, 30_000), max_size=20),
    share=st.floats(0.2, 1),
    latency=st.sampled_from([0.0, 1.0, math.inf]),
)
def test_the_events_of_a_stream_are_those_of_its_recording(
    tmp_path_factory: pytest.TempPathFactory, stream: bytes, cuts: list[int], share: float, latency: float
) -> None:
    folder = tmp_path_factory.mktemp("watch")
    received = stream[: round(share * len(stream))]
    with playing([in_chunks(received, cuts)]) as address:
        watch = Watch(folder, address, latency_seconds=latency, reconnect=False)
        assert watch.run()
    watch.check()
    assert watch.rows(1) == rounded(shown_actions(recording(folder, received)))
    assert watch.kinds("part", "gap") == [""]


# -- kills -------------------------------------------------------------------------------------------------------


STEPS = st.integers(0, 700) | st.integers(640, 670)  # a watch of this stream has 667


@settings(max_examples=10)
@given(kills=st.lists(STEPS, min_size=1, max_size=3), latency=st.sampled_from([0.0, 1.0, math.inf]))
def test_a_file_is_watched_through_kills(
    tmp_path_factory: pytest.TempPathFactory, stream: bytes, kills: list[int], latency: float
) -> None:
    folder = tmp_path_factory.mktemp("watch")
    path = recording(folder, stream)
    watch = Watch(folder, str(path), latency_seconds=latency)
    for steps in kills:
        watch.run(Fate(steps))
    assert watch.run()
    watch.check(grew_on=True)
    assert watch.rows(1) == rounded(shown_actions(path))
    assert {event.part for event in watch.events} == {1}
    assert watch.kinds("part", "gap") == [""]


@pytest.fixture(scope="module")
def segments(folder: Path) -> dict[str, bytes]:
    """Of two seconds each; the last also as one that comes much later."""
    made = {f"{number}.ts": numbered(folder / "s.ts", range(at, at + 50), at) for number, at in enumerate((0, 50, 100))}
    return {**made, "late": numbered(folder / "s.ts", range(1100, 1150), 100)}


def folder_has_ended(watcher: Watcher) -> bool:
    return watcher._part is None and watcher.feed.position().get("last") == "2.ts"


@settings(max_examples=8)
@given(kills=st.lists(STEPS, min_size=1, max_size=3), gap=st.booleans())
def test_a_folder_is_watched_through_kills(
    tmp_path_factory: pytest.TempPathFactory, segments: dict[str, bytes], kills: list[int], gap: bool
) -> None:
    home = tmp_path_factory.mktemp("watch")
    (home / "segments").mkdir()
    content = [segments["0.ts"], segments["1.ts"], segments["late" if gap else "2.ts"]]
    for number, data in enumerate(content):
        (home / "segments" / f"{number}.ts").write_bytes(data)
    watch = Watch(home, str(home / "segments"), item_seconds=0.02)
    for steps in kills:
        watch.run(Fate(steps), until=folder_has_ended)
    assert watch.run(until=folder_has_ended)
    watch.check()
    parts = [b"".join(content[:2]), content[2]] if gap else [b"".join(content)]
    for number, data in enumerate(parts, 1):
        assert watch.rows(number) == rounded(shown_actions(recording(home, data)))
    assert {event.part for event in watch.events} == {*range(1, len(parts) + 1)}
    assert watch.kinds("part", "gap") == ["", *(["2.ts does not go on where 1.ts ends"] * 2 * gap)]


@settings(max_examples=10)
@given(kills=st.lists(STEPS, min_size=1, max_size=3))
def test_an_address_is_watched_through_kills(
    tmp_path_factory: pytest.TempPathFactory, stream: bytes, kills: list[int]
) -> None:
    """What had been seen of a part when the process was killed is said by the next one."""
    folder = tmp_path_factory.mktemp("watch")
    seen, whole = dict[int, list[Row]](), shown_actions(recording(folder, stream))
    for steps in kills:
        with playing([in_chunks(stream)]) as address:
            watch = Watch(folder, address, reconnect=False)
            is_over = watch.run(Fate(steps))
        if (kept := watch.kept_rows()) is not None:
            seen[kept[0]] = kept[1]
        elif is_over or steps > 600:  # its end was said before the kill
            seen[max(entry.message.details["part"] for entry in watch.entries if entry.message.kind == "part")] = whole
    with playing([in_chunks(stream)]) as address:
        watch = Watch(folder, address, reconnect=False)
        assert watch.run()
    watch.check()
    for number, rows in {**seen, max(seen, default=0) + 1: whole}.items():
        assert watch.rows(number) == rounded(rows)


# -- stops -------------------------------------------------------------------------------------------------------


@settings(max_examples=4)
@given(stops=st.lists(st.integers(1, PICTURES), min_size=1, max_size=3), latency=st.sampled_from([0.5, math.inf]))
def test_a_file_that_grows_on_is_watched_through_stops(
    tmp_path_factory: pytest.TempPathFactory, stream: bytes, stops: list[int], latency: float
) -> None:
    """It is shorter than the bytes by which it is known at the first stop, and longer at each further one.

    Where fewer pictures are there than a stop waits for, it ends first, and grows on later.
    """
    folder = tmp_path_factory.mktemp("watch")
    path = recording(folder, b"")
    lengths = [3000 + (len(stream) - 3000) * step // len(stops) for step in range(len(stops))]
    for pictures, length in zip(stops, lengths, strict=True):
        path.write_bytes(stream[:length])
        assert Watch(folder, str(path), latency_seconds=latency).run(until=pictures_seen(pictures))
    path.write_bytes(stream)
    watch = Watch(folder, str(path), latency_seconds=latency)
    assert watch.run()
    watch.check(grew_on=True)
    assert watch.rows(1) == rounded(shown_actions(path))
    assert {event.part for event in watch.events} == {1}
    assert watch.kinds("part", "gap") == [""]


def pictures_seen(count: int) -> Callable[[Watcher], bool]:
    seen = [0]

    def is_reached(watcher: Watcher) -> bool:
        seen[0] += 1
        return seen[0] > count

    return is_reached


def test_another_file_of_the_same_name_is_another_part(folder: Path, stream: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cam.ts"
    other = numbered(folder / "other.ts", range(80), 20)
    for data in (stream, other, stream):
        path.write_bytes(data)
        watch = Watch(tmp_path, str(path))
        assert watch.run()
    watch.check()
    assert watch.rows(1) == watch.rows(3) == rounded(shown_actions(path))
    assert watch.rows(2) == rounded(shown_actions(recording(folder, other)))


def test_an_address_is_watched_through_stops(stream: bytes, tmp_path: Path) -> None:
    for _ in range(3):
        with playing([in_chunks(stream)]) as address:
            watch = Watch(tmp_path, address)
            assert watch.run(until=pictures_seen(100))
    watch.check()
    assert watch.kinds("part", "gap") == ["", "the watch was started again", "the watch was started again"]
    rows = rounded(actions(np.arange(0, 99, 5)))
    assert [watch.rows(part)[:2] for part in (1, 2, 3)] == [rows[:2]] * 3
