"""Feeds of folders into which a recorder drops segments."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from watched import NO_B, SPARSE, FakeClock, Part, collect, parts_end, shown_by

from rcl.detector.live.sources.feed import Feed
from rcl.detector.live.sources.parts import PartBegins, PartEnds, Picture
from rcl.detector.live.sources.segments import follows_by_times, order_of, segments_in
from rcl.detector.live.sources.source import parse_source
from rcl.system.errors import InputError
from rendered import render

AT = 10**9
SECONDS = 2  # of a segment


def segment(folder: Path, name: str, number: int, *, ended_at: float | None = None, **options: object) -> Path:
    """The segment with these two seconds of a recording, with the times of the recording if ``whole_times``."""
    whole_times = options.pop("whole_times", False)
    begin = 50 * number if whole_times else 0
    options = {"pts": range(begin, begin + 50), "options": SPARSE, **options}
    path = render(folder / name, **options)  # type: ignore[arg-type]
    at = AT + SECONDS * (number + 1) - 1000 if ended_at is None else ended_at
    os.utime(path, (at, at))
    return path


def feed_of(folder: Path, **options: object) -> Feed:
    options = {"clock": FakeClock(AT), "item_seconds": 0.02, **options}
    return Feed(parse_source(str(folder)), **options)  # type: ignore[arg-type]


def lengths(parts: list[Part]) -> list[int]:
    return [len(part.shown) for part in parts]


@pytest.mark.parametrize(
    ("extension", "whole_times"), [("ts", True), ("ts", False), ("mkv", True), ("mkv", False), ("mp4", False)]
)
def test_segments_that_follow_each_other_are_one_part(tmp_path: Path, extension: str, whole_times: bool) -> None:
    paths = [
        segment(tmp_path, f"seg{number}.{extension}", number, whole_times=whole_times, options=NO_B)
        for number in range(9, 12)
    ]
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / ".seg10.ts.part").write_text("hidden")
    feed = feed_of(tmp_path)
    (part,) = collect(feed, parts_end(1))
    assert [data for _, data in part.shown] == [data for path in paths for _, data in shown_by(path)]
    ends = [until for until, _ in part.shown]
    assert all(first < second for first, second in pairwise(ends))
    assert float(ends[-1]) == pytest.approx(6, abs=0.05)
    assert [float(ends[50 * k - 1]) for k in (1, 2)] == pytest.approx([2, 4], abs=0.05)
    assert part.ends is not None
    assert part.ends.why == "no segment came for 30 s"
    assert part.begins.started_at == pytest.approx(AT - 1000 + 18, abs=0.1)
    assert feed.position()["last"] == f"seg11.{extension}"


def test_a_missing_or_damaged_segment_is_a_gap(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in (0, 1, 3, 4, 5):
        segment(tmp_path, f"seg{number}.ts", number)
    damaged = tmp_path / "seg4.ts"
    damaged.write_bytes(b"no video at all" * 100)
    os.utime(damaged, (AT - 990, AT - 990))
    feed = feed_of(tmp_path)
    parts = collect(feed, parts_end(3))
    assert lengths(parts) == [100, 50, 50]
    assert [part.begins.number for part in parts] == [1, 2, 3]
    assert parts[1].begins.why == "seg3.ts does not go on where seg1.ts ends"
    assert parts[2].begins.why == "seg4.ts cannot be read"
    assert "seg4.ts" in caplog.text
    assert feed.counts.gaps == 3


@pytest.mark.parametrize("extension", ["ts", "mkv"])
def test_a_recorder_at_work(tmp_path: Path, extension: str) -> None:
    """It writes a segment in two pieces, then the next one; every wait of the feed lets a second pass for it."""
    made = tmp_path / "made"
    folder = tmp_path / "watched"
    made.mkdir()
    folder.mkdir()
    sources = [segment(made, f"s{number}.{extension}", number, whole_times=extension == "ts") for number in range(3)]
    steps = list[Callable[[], object]]()
    for source in sources:
        data, target = source.read_bytes(), folder / source.name
        for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
            steps.append(lambda target=target, piece=piece: append(target, piece, clock.seconds))
    remaining = iter(steps)
    clock = FakeClock(AT)
    last = [float(AT)]

    def work(now: float) -> None:
        if now >= last[0] + 1:
            last[0] = now
            next(remaining, lambda: None)()

    clock.on_wait = work
    (part,) = collect(feed_of(folder, clock=clock, idle_seconds=5), parts_end(1))
    assert [data for _, data in part.shown] == [data for path in sources for _, data in shown_by(path)]
    assert float(part.shown[-1][0]) == pytest.approx(6, abs=0.1)
    assert part.ends is not None
    assert part.ends.why == "no segment came for 5 s"


def append(path: Path, data: bytes, now: float) -> None:
    with path.open("ab") as file:
        file.write(data)
    os.utime(path, (now, now))


def test_a_restart_gives_the_same_part_again(tmp_path: Path) -> None:
    for number in (0, 1, 3, 4, 5):
        segment(tmp_path, f"seg{number}.ts", number)
    whole = collect(feed_of(tmp_path), parts_end(2))
    for stop_after in (10, 60, 110, 170, 240):
        feed = feed_of(tmp_path)
        seen = 0
        for item in feed:
            seen += isinstance(item, Picture)
            if seen == stop_after:
                break
        assert feed.stop()
        number = feed.position()["part"]
        assert number == (1 if stop_after <= 100 else 2)
        for path in tmp_path.iterdir():  # a copy has other times; what belongs together is known
            if feed.position()["first"] <= path.name <= feed.position()["last"]:
                os.utime(path, (AT - 500, AT - 500))
        again = collect(feed_of(tmp_path, resume=feed.position()), parts_end(1))
        first = whole[number - 1]
        assert again[0].begins[:2] == first.begins[:2]
        known = min(len(again[0].shown), stop_after - 100 * (number - 1))
        assert again[0].shown[:known] == first.shown[:known]
        for number in (0, 1, 3, 4, 5):
            at = AT + SECONDS * (number + 1) - 1000
            os.utime(tmp_path / f"seg{number}.ts", (at, at))


def test_a_restart_after_the_first_segments_are_gone_begins_a_part(tmp_path: Path) -> None:
    for number in range(3):
        segment(tmp_path, f"seg{number}.ts", number)
    place = {"part": 4, "started_at": 5.0, "first": "seg0.ts", "last": "seg1.ts"}
    (tmp_path / "seg0.ts").unlink()
    (part,) = collect(feed_of(tmp_path, resume=place), parts_end(1))
    assert part.begins.number == 5
    assert len(part.shown) == 100
    assert "gone" in part.begins.why


def test_a_number_alone_is_that_of_the_first_part(tmp_path: Path) -> None:
    segment(tmp_path, "seg0.ts", 0)
    (part,) = collect(feed_of(tmp_path, resume={"part": 6}), parts_end(1))
    assert part.begins.number == 6
    assert part.begins.why == ""


def test_from_now_on_leaves_out_what_is_complete(tmp_path: Path) -> None:
    for number in range(3):
        segment(tmp_path, f"seg{number}.ts", number)
    feed = feed_of(tmp_path, begin="now", clock=FakeClock(AT + 10**5))
    for _ in feed:
        break  # idle
    assert feed.stop()
    assert feed.counts.frames_read == 0
    os.utime(tmp_path / "seg2.ts", (AT - 1, AT - 1))  # it still grows
    (part,) = collect(feed_of(tmp_path, begin="now"), parts_end(1))
    assert len(part.shown) == 50


@pytest.mark.parametrize("begun", [0, 5000])
def test_an_mp4_is_read_when_its_index_is_there(tmp_path: Path, begun: int) -> None:
    made = tmp_path / "made"
    made.mkdir()
    data = segment(made, "seg0.mp4", 0).read_bytes()
    path = tmp_path / "seg0.mp4"
    clock = FakeClock(AT, lambda now: append(path, data[begun:], now) if len(clock.waits) == 3 else None)
    append(path, data[:begun], AT)
    (part,) = collect(feed_of(tmp_path, clock=clock), parts_end(1))
    assert part.shown == shown_by(path)
    assert path.read_bytes() == data


def test_a_part_ends_when_no_segment_comes_and_the_next_one_begins_another(tmp_path: Path) -> None:
    segment(tmp_path, "seg0.ts", 0)
    feed = feed_of(tmp_path)
    found = list[object]()
    for item in feed:
        if isinstance(item, PartBegins | PartEnds):
            found.append(item)
        if len(found) == 2 and not (tmp_path / "seg1.ts").exists():
            segment(tmp_path / "..", "other.ts", 1).rename(tmp_path / "seg1.ts")
        if len(found) == 4:
            break
    assert feed.stop()
    assert [type(item) for item in found] == [PartBegins, PartEnds] * 2


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    source = parse_source(str(tmp_path / "gone"))
    (tmp_path / "gone").rmdir()
    with pytest.raises(InputError, match="gone"):
        Feed(source)
    assert segments_in(tmp_path / "gone") == []


def test_orders_and_times_of_files() -> None:
    names = ["seg10.ts", "seg2.ts", "seg11.ts", "seg1.ts"]
    assert sorted(names, key=order_of) == ["seg1.ts", "seg2.ts", "seg10.ts", "seg11.ts"]
    assert follows_by_times(100, 160, 60)
    assert follows_by_times(100, 165, 60)
    assert not follows_by_times(100, 168, 60)
    assert not follows_by_times(100, 150, 60)
    assert follows_by_times(100, 100.2, None)
    assert not follows_by_times(100, 105, None)
