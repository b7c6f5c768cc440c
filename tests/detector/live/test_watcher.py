"""One watched source from its bytes to the journal: equal to its recording, through kills, stops and faults."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watched import NO_B, in_chunks, playing, stream_of
from watching import Fate, Row, Watch, numbered, rounded, shown_actions

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


@settings(max_examples=10)
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


@settings(max_examples=40)
@given(kills=st.lists(st.integers(0, 500), min_size=1, max_size=3), latency=st.sampled_from([0.0, 1.0, math.inf]))
def test_a_file_is_watched_through_kills(
    tmp_path_factory: pytest.TempPathFactory, stream: bytes, kills: list[int], latency: float
) -> None:
    folder = tmp_path_factory.mktemp("watch")
    path = recording(folder, stream)
    watch = Watch(folder, str(path), latency_seconds=latency)
    for steps in kills:
        watch.run(Fate(steps))
    assert watch.run()
    watch.check()
    assert watch.rows(1) == rounded(shown_actions(path))
    assert {event.part for event in watch.events} == {1}
    assert watch.kinds("part", "gap") == [""]


@pytest.fixture(scope="module")
def segments(folder: Path) -> dict[str, bytes]:
    """Of two seconds each; the last also as one that comes much later."""
    made = {f"{number}.ts": numbered(folder / "s.ts", range(at, at + 50), at) for number, at in enumerate((0, 50, 100))}
    return {**made, "late": numbered(folder / "s.ts", range(1100, 1150), 100)}


def folder_has_ended(watcher: Watcher) -> bool:
    return watcher._part is None and watcher.feed.position()["last"] == "2.ts"


@settings(max_examples=25)
@given(kills=st.lists(st.integers(0, 600), min_size=1, max_size=3), gap=st.booleans())
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


@settings(max_examples=40)
@given(kills=st.lists(st.integers(0, 400), min_size=1, max_size=3), data=st.data())
def test_an_address_is_watched_through_kills(
    tmp_path_factory: pytest.TempPathFactory, stream: bytes, kills: list[int], data: st.DataObject
) -> None:
    """What had been seen of a part when the process was killed is said by the next one."""
    folder = tmp_path_factory.mktemp("watch")
    seen = dict[int, list[Row]]()
    for steps in kills:
        with playing([in_chunks(stream)]) as address:
            watch = Watch(folder, address, reconnect=False)
            if watch.run(Fate(steps)):
                seen[max(seen, default=0) + 1] = shown_actions(recording(folder, stream))
            elif (kept := watch.kept_rows()) is not None:
                number, rows = kept
                seen[number] = rows
    with playing([in_chunks(stream)]) as address:
        watch = Watch(folder, address, reconnect=False)
        assert watch.run()
    watch.check()
    for number, rows in seen.items():
        assert watch.rows(number) == rounded(rows)
