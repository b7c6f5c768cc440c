"""What was written is there after any kill; what cannot be written waits; what is not ours is not touched."""

from __future__ import annotations

import errno
import json
import logging
import threading
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcl.detector.live.events import journal as journal_module
from rcl.detector.live.events import known_parts
from rcl.detector.live.events.journal import Journal, write_through
from rcl.detector.live.events.journal_lines import iso_time, parse_line, unix_time
from rcl.detector.live.events.messages import Event, Message, about_part, events_after
from rcl.system.errors import InputError

STARTED = 1_700_000_000.25


def event(number: int, *, part: int = 1, start: float = 2.5, source: str = "cam") -> Event:
    return Event(f"{source}-{part}-{number}", source, part, "löb", start, start + 4.0, 0.75)


def announced(number: int, *, part: int = 1, source: str = "cam") -> Message:
    return Message("announced", source, event(number, part=part, source=source), {"latency_seconds": 1.5})


def some_messages() -> list[Message]:
    return [
        about_part("part", "cam", 1, STARTED),
        announced(1),
        announced(2),
        about_part("part", "other", 7, STARTED + 1, "the first"),
        Message("corrected", "cam", event(1, start=3.0), {"old_start": 2.5}),
        Message("withdrawn", "cam", event(2)),
        announced(1, part=7, source="other"),
        about_part("gap", "cam", 1, STARTED, "the source was away for 12.3 s"),
    ]


class Disk:
    """Writes that fail, in the middle of a line, when there is no more room."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, file: FileIO, data: bytes) -> None:
        part = data[: self.room]
        file.write(part)
        self.room -= len(part)
        if len(part) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")


def written(path: Path, messages: list[Message]) -> bytes:
    with Journal(path, clock=lambda: STARTED + 9) as journal:
        journal.append(messages)
    return path.read_bytes()


def seqs(path: Path) -> list[int]:
    return [json.loads(line)["seq"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines_are_as_documented(tmp_path: Path) -> None:
    lines = written(tmp_path / "events.jsonl", some_messages()).decode().splitlines()
    assert lines[0] == (
        '{"seq": 1, "at": "2023-11-14T22:13:29.250Z", "kind": "part", "source": "cam", "part": 1, '
        '"start_time": "2023-11-14T22:13:20.250Z", "why": ""}'
    )
    assert lines[1] == (
        '{"seq": 2, "at": "2023-11-14T22:13:29.250Z", "kind": "announced", "source": "cam", "id": "cam-1-1", '
        '"part": 1, "label": "löb", "start": 2.5, "end": 6.5, "start_time": "2023-11-14T22:13:22.750Z", '
        '"end_time": "2023-11-14T22:13:26.750Z", "score": 0.75, "latency_seconds": 1.5}'
    )
    entries = [parse_line(line) for line in lines]
    assert [entry.message for entry in entries] == some_messages()
    assert [entry.seq for entry in entries] == [*range(1, 9)]
    assert {entry.at for entry in entries} == {STARTED + 9}


@given(seconds=st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000))
def test_times_are_read_as_they_are_written(seconds: float) -> None:
    assert unix_time(iso_time(seconds)) == pytest.approx(seconds, abs=1e-5)


def test_a_new_process_knows_the_last_part(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "events.jsonl"
    written(path, some_messages())
    with Journal(path) as journal:
        cam, other = journal.last_part("cam"), journal.last_part("other")
        assert cam is not None
        assert other is not None
        assert cam.events == events_after(some_messages()[:3] + some_messages()[4:6])
        assert (cam.number, cam.started_at, cam.next_number) == (1, STARTED, 3)
        assert (other.number, other.started_at, [*other.events]) == (7, STARTED + 1, ["other-7-1"])
        assert journal.last_part("third") is None
        journal.append(
            [about_part("part", "cam", 2, STARTED + 60), Message("clip", "cam", event(1), {"file": "a.mp4"})]
        )
        assert [(part.number, part.events) for part in [journal.last_part("cam")] if part] == [(2, {})]
    last = json.loads(path.read_text().splitlines()[-1])
    assert (last["seq"], last["kind"], last["start_time"]) == (10, "clip", "2023-11-14T22:13:22.750Z")


@settings(max_examples=30)
@given(data=st.data())
def test_after_a_kill_at_any_byte_it_goes_on(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("kill") / "events.jsonl"
    whole = written(path, some_messages())
    torn = whole[: data.draw(st.integers(0, len(whole)))] + data.draw(st.sampled_from([b"", b"\0\0\0"]))
    path.write_bytes(torn)
    complete = torn.count(b"\n")
    if torn.endswith(b"}"):  # only its line feed was missing
        complete += 1
    with Journal(path) as journal:
        assert journal.written_seq == complete
        journal.append([announced(50)])
    assert seqs(path) == [*range(1, complete + 2)]
    assert path.read_bytes().startswith(b"".join(whole.splitlines(keepends=True)[:complete]))


@pytest.mark.parametrize(
    "content",
    [
        b"my notes",
        b"video,start,end\na,1,2\n",
        b'{"taxonomy": []}',
        b'[{"seq": 1}]\n',
        b"\x1f\x8b\x08\0" * 100,
        b'{"seq": 1, "at": "2023-11-14T22:13:29.250Z", "kind": "part", "source": "c"}\n',
    ],
)
def test_a_file_of_somebody_else_is_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match="a message of rcl watch"):
        Journal(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", [b"\0", b"}", b"\n", b'"seq": 2'])
def test_a_damaged_line_is_named_and_nothing_is_changed(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "events.jsonl"
    lines = written(path, some_messages()).splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"seq": 4', damage)
    path.write_bytes(b"".join(lines) + b'{"seq": 99, "a')
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"events\.jsonl, line 4: expected"):
        Journal(path)
    assert path.read_bytes() == before


def test_places_that_hold_no_journal(tmp_path: Path) -> None:
    for place in (tmp_path, "s3://bucket/events.jsonl", "/dev/null"):
        with pytest.raises(InputError):
            Journal(place)


def test_two_processes_do_not_share_one(tmp_path: Path) -> None:
    with Journal(tmp_path / "events.jsonl"), pytest.raises(InputError, match="no other rcl watch"):
        Journal(tmp_path / "events.jsonl")
    Journal(tmp_path / "events.jsonl").close()


# -- a disk that is full -------------------------------------------------------------------------------------------


@given(room=st.integers(0, 2000), more=st.integers(1, 30))
def test_messages_wait_while_the_disk_is_full(tmp_path_factory: pytest.TempPathFactory, room: int, more: int) -> None:
    path = tmp_path_factory.mktemp("full") / "events.jsonl"
    disk = Disk(room)
    with Journal(path, write=disk) as journal:
        for number in range(more):
            journal.append([announced(number)])
            assert journal.waiting + len([*journal.lines()]) == number + 1
        disk.room = 10**9
        journal.tick()
        assert journal.waiting == 0
        assert [json.loads(line)["seq"] for line, _ in journal.lines()] == [*range(1, more + 1)]
    assert seqs(path) == [*range(1, more + 1)]


def test_a_full_disk_is_said_once_and_when_it_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MOST_WAITING", 5)
    disk = Disk(100)
    with caplog.at_level(logging.WARNING, "rcl"), Journal(tmp_path / "events.jsonl", write=disk) as journal:
        for number in range(8):
            journal.append([announced(number)])
        assert (journal.waiting, journal.lost) == (5, 3)
        assert journal.problem == "events.jsonl cannot be written (No space left on device)"
        disk.room = 10**9
        journal.tick()
        journal.append([announced(8)])
        assert journal.problem == ""
    assert seqs(tmp_path / "events.jsonl") == [4, 5, 6, 7, 8, 9]
    said = [record.getMessage().partition("events.jsonl ")[2] for record in caplog.records]
    assert len(said) == 2
    assert said[0].startswith("cannot be written (No space left on device): messages wait")
    assert said[1] == "is written again: 5 messages had waited; 3 messages in all were lost"


def test_nothing_is_put_beside_a_file_that_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("video,start,end,label\n")
    with pytest.raises(InputError, match="line 1: expected a message of rcl watch, found 'video,start"):
        Journal(path)
    assert [*tmp_path.iterdir()] == [path]


def test_a_kill_while_the_disk_is_full_leaves_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with Journal(path, write=Disk(700)) as journal:
        journal.append(some_messages())
    count = path.read_bytes().count(b"\n")
    with Journal(path) as journal:
        assert journal.written_seq == count
        journal.append([announced(9)])
    assert seqs(path) == [*range(1, count + 2)]


def test_a_journal_that_somebody_empties_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with Journal(path) as journal:
        journal.append(some_messages())
        path.write_bytes(b"")
        journal.append([announced(9)])
        assert [json.loads(line)["seq"] for line, _ in journal.lines()] == [9]


# -- many ------------------------------------------------------------------------------------------------------------


def test_several_threads_append(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    def unsynced(file: FileIO, data: bytes) -> None:
        file.write(data)

    with Journal(path, write=unsynced) as journal:
        work = [
            threading.Thread(target=lambda s=f"s{i}": [journal.append([announced(n, source=s)]) for n in range(100)])
            for i in range(4)
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
    assert seqs(path) == [*range(1, 401)]


def test_a_long_part_is_not_kept_in_memory_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_parts, "MOST_EVENTS", 100)
    path = tmp_path / "events.jsonl"
    with Journal(path) as journal:
        journal.append([announced(number) for number in range(1, 1001)])
    with Journal(path) as journal:
        part = journal.last_part("cam")
        assert part is not None
        assert [*part.events] == [f"cam-1-{number}" for number in range(901, 1001)]
        assert part.next_number == 1001


def test_writing_goes_down_to_the_disk(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb", buffering=0) as file:
        write_through(file, b"abc")
    assert (tmp_path / "x").read_bytes() == b"abc"
