"""Clips of events: when they are made, their names, and that the folder does not grow for ever."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from watched import NO_B, FakeClock, collect

from rcl.detector.live.clips.clip_maker import MADE_BY, ClipMaker
from rcl.detector.live.clips.packet_ring import PacketRing
from rcl.detector.live.clips.ring_clips import cut_file
from rcl.detector.live.events.messages import Event, Kind, Message
from rcl.detector.live.sources.feed import Feed
from rcl.detector.live.sources.source import parse_source
from rcl.system.errors import InputError
from rcl.video.clips import read_about
from rendered import render

AT = 1_800_000_000.25  # 2027-01-15 08:00:00.25 UTC


def event(number: int, start: float, end: float, *, label: str = "kick", part: int = 1) -> Event:
    return Event(f"cam-{part}-{number}", "cam", part, label, start, end, 0.9)


def said(event: Event, kind: Kind = "announced") -> Message:
    return Message(kind, "cam", event)


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    """A feed that has given a file of ten seconds."""
    path = render(tmp_path / "cam.ts", frames=250, options=NO_B, audio_seconds=10.0)
    feed = Feed(parse_source(str(path)), clock=FakeClock(4e9), ring=PacketRing())
    collect(feed)
    return feed


def test_a_clip_is_made_when_its_padding_was_seen(feed: Feed, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    maker = ClipMaker(folder, feed.cut, padding_seconds=2.0)
    maker.begin_part(1, AT)
    maker.hear(said(event(1, 3.0, 4.0)))
    maker.hear(said(event(2, 5.0, 6.0, label="Öffnen: a/b?")))
    assert maker.update(1, 5.99) == []
    assert not folder.exists()
    (message,) = maker.update(1, 6.0)
    assert (message.kind, message.event) == ("clip", event(1, 3.0, 4.0))
    path = Path(message.details["path"])
    assert path.name == "cam_20270115-080003.250_kick.mp4"
    assert 0.5 <= message.details["clip_start"] <= 1.0
    assert message.details["clip_end"] == 6.0
    assert "note" not in message.details
    about = read_about(path, made_by=MADE_BY)
    assert about is not None
    assert (about["source"], about["label"], about["at"]) == ("cam", "kick", "2027-01-15T08:00:03.250+00:00")
    assert about["shown_from_seconds"] == pytest.approx(message.details["clip_start"], abs=1e-3)
    assert read_about(path) is None  # rcl clips did not make it
    (message,) = maker.update(2, 0.0)  # the part is over
    assert Path(message.details["path"]).name == "cam_20270115-080005.250_Öffnen-a-b.mp4"
    assert maker.update(2, 100.0) == []


@pytest.mark.parametrize("options", [{"g": "250"}, {"g": "25"}, NO_B])
@pytest.mark.parametrize("start", [0.0, 0.04, 0.7, 6.2])
def test_clips_of_a_transport_stream_begin_at_its_first_key_frame_at_the_latest(
    tmp_path: Path, options: dict[str, str], start: float
) -> None:
    path = render(tmp_path / "cam.ts", frames=200, options={**options, "threads": "1"}, audio_seconds=8.0)
    clip, begins = cut_file(path, Fraction(start), Fraction(start + 1), tmp_path / "clip", comment=str)
    assert begins <= max(start, 0.1)
    with av.open(str(clip)) as container:
        frames = [frame.time for frame in container.decode(video=0)]
    assert frames[-1] == pytest.approx(start + 1 - float(begins), abs=0.2)


def test_corrected_and_withdrawn_events(feed: Feed, tmp_path: Path) -> None:
    maker = ClipMaker(tmp_path / "clips", feed.cut, padding_seconds=0.5)
    maker.hear(said(event(1, 3.0, 4.0)))
    maker.hear(said(event(2, 3.0, 4.0)))
    maker.hear(said(event(1, 3.0, 6.0), "corrected"))
    maker.hear(said(event(2, 3.0, 4.0), "withdrawn"))
    assert maker.update(1, 5.0) == []
    (message,) = maker.update(1, 7.0)
    assert message.event == event(1, 3.0, 6.0)
    maker.hear(said(event(1, 3.0, 5.0), "corrected"))
    assert maker.update(1, 8.0) == []  # it has its clip


def writes(*, made_by: str = MADE_BY) -> Callable[..., tuple[Path, float]]:
    """A cutter that writes a small video."""

    def cut(part: int, start: float, end: float, stem: Path, *, comment: Callable[[Fraction], str]) -> tuple:
        path = stem.with_name(f"{stem.name}.mp4")
        path.parent.mkdir(exist_ok=True)
        with av_open(path) as output:
            output.metadata["comment"] = json.dumps({**json.loads(comment(Fraction(start))), "made_by": made_by})
            stream = output.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
            output.mux([*stream.encode(av.VideoFrame(32, 32, "yuv420p")), *stream.encode(None)])
        os.utime(path, (start, start))
        return path, start

    return cut


def av_open(path: Path) -> av.container.OutputContainer:
    return av.open(str(path), "w")


def test_the_oldest_of_our_clips_are_removed_and_never_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    others = {
        "notes.txt": b"mine",
        "cam_20200101-000000.000_kick.mp4": b"no video",
        "holiday.mp4": b"x",
    }
    for name, data in others.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (1, 1))
    foreign = ClipMaker(folder, writes(made_by="somebody else"))
    foreign.begin_part(1, 100.0)
    foreign.hear(said(event(0, 1.0, 2.0)))
    foreign.update(1, 100)
    kept = {path.name for path in folder.iterdir()}
    assert len(kept) == 4
    maker = ClipMaker(folder, writes(), keep=3)
    maker.begin_part(1, AT)
    for number in range(10):
        maker.hear(said(event(number, 10.0 + number, 11.0 + number)))
        (message,) = maker.update(1, 100)
        assert Path(message.details["path"]).exists()
    names = {path.name for path in folder.iterdir()}
    assert kept < names
    assert sorted(names - kept) == [f"cam_20270115-0800{17 + k}.250_kick.mp4" for k in range(3)]
    smaller = ClipMaker(folder, writes(), keep_bytes=1)
    smaller.begin_part(1, AT)
    smaller.hear(said(event(11, 50.0, 51.0)))
    smaller.update(1, 100)
    names = {path.name for path in folder.iterdir()}
    assert kept < names
    assert len(names - kept) == 1


def test_equal_names_get_a_number(tmp_path: Path) -> None:
    maker = ClipMaker(tmp_path / "clips", writes())
    maker.begin_part(1, AT)
    for number in range(3):
        maker.hear(said(event(number, 3.0, 4.0)))
    names = sorted(Path(message.details["path"]).name for message in maker.update(1, 100))
    stem = "cam_20270115-080003.250_kick"
    assert names == [f"{stem}-2.mp4", f"{stem}-3.mp4", f"{stem}.mp4"]


def test_what_cannot_be_cut_is_said_and_the_others_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cut = writes()

    def sometimes(part: int, start: float, end: float, stem: Path, **more: object) -> tuple:
        if start < 5:
            raise InputError(stem, expected="a key frame that is still in memory", found="none", fix="be quick")
        path, begins = cut(part, start, end, stem, **more)
        return path, begins + 1.5

    maker = ClipMaker(tmp_path / "clips", sometimes, padding_seconds=1)
    maker.hear(said(event(1, 3.0, 4.0)))
    maker.hear(said(event(2, 7.0, 8.0)))
    with caplog.at_level(logging.WARNING, "rcl"):
        (message,) = maker.update(1, 9.0)
    assert message.details["note"] == "the clip begins 1.5 s late: what came before is no longer in memory"
    assert maker.failed == 1
    assert "no clip of cam-1-1" in caplog.text


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    maker = ClipMaker(tmp_path / "clips", writes())
    for number in range(1100):
        maker.hear(said(event(number, 3.0, 4.0)))
    assert len(maker._waiting) == 1000
    assert maker.failed == 100
