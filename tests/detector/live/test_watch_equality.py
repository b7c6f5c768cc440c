"""What ``rcl watch --latency unlimited`` says in the end is what ``rcl detect`` says about the recording."""

from __future__ import annotations

import math
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from watched import SPARSE, FakeClock, in_chunks, playing
from watching import Watch, numbered

from rcl.data.detections import Detections
from rcl.data.streams import Stream
from rcl.detector.checkpoint import save_operating_points
from rcl.detector.live.looking import Looking, decider
from rcl.detector.live.watcher import Watcher
from rcl.detector.localizer import Localizer
from rcl.detector.operating_points import OperatingPoints, without_duplicates
from rcl.evaluation.calibration import Calibration
from rcl.video.extractor import build_extractor
from rcl.video.settings import ExtractionSettings, StreamSettings
from rendered import render
from typed import Rcl
from untrained import FACTS, save_untrained

MOTION = ExtractionSettings(backbone="motion", rate=15, window=4, stride=3)
CUTS = ExtractionSettings(backbone="cuts", rate=10, window=4, stride=5)
LOW = 0.012  # random weights have low scores
POINTS = OperatingPoints(dict.fromkeys(FACTS.labels, LOW), Calibration(1.0, 0.0), 0.5, None, "tests")
Event = tuple[str, float, float, float]


def channels(settings: ExtractionSettings, path: Path) -> int:
    return build_extractor(settings)(path).features.shape[1]


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Eight seconds with B-frames and sound."""
    path = tmp_path_factory.mktemp("stream") / "s.ts"
    return render(path, frames=200, options=SPARSE, audio_seconds=8.0).read_bytes()


@pytest.fixture(scope="module", params=["one stream", "several streams", "resized"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, stream: bytes) -> Path:
    folder = tmp_path_factory.mktemp("run")
    sample = folder / "sample.ts"
    sample.write_bytes(stream[: len(stream) // 4])
    facts = replace(
        FACTS, in_channels=channels(MOTION, sample), extraction=MOTION.model_dump(mode="json"), longest=20.0
    )
    if request.param == "several streams":
        streams = (Stream("motion", facts.in_channels, 5.0), Stream("cuts", channels(CUTS, sample), 2.0))
        extraction = StreamSettings({"motion": MOTION, "cuts": CUTS}).model_dump(mode="json")
        total = sum(each.channels for each in streams)
        facts = replace(facts, in_channels=total, streams=streams, extraction=extraction)
    data = {"resize": 30} if request.param == "resized" else {}
    path = save_untrained(folder / "last.ckpt", facts, data=data)
    save_operating_points(POINTS, path)
    return path


def events_of(found: Detections) -> list[Event]:
    return sorted((d.label, d.start_seconds, d.end_seconds, d.score) for d in found)


def assert_same(watch: Watch, expected: Detections) -> None:
    watch.check()
    found = sorted((e.label, e.start_seconds, e.end_seconds, e.score) for e in watch.events)
    assert [row[0] for row in found] == [row[0] for row in events_of(expected)]
    assert len(found) > 0
    np.testing.assert_allclose([row[1:] for row in found], [row[1:] for row in events_of(expected)], atol=1e-4)


def test_the_command_says_of_an_address_and_a_file_what_rcl_detect_says(
    checkpoint: Path, stream: bytes, tmp_path: Path, rcl_: Rcl
) -> None:
    random_ = random.Random(0)
    for share in (random_.uniform(0.3, 0.9), 1.0):  # the stream may break off anywhere
        received = stream[: round(share * len(stream))]
        recording = tmp_path / "recording.ts"
        recording.write_bytes(received)
        expected = Localizer.load(checkpoint).detect(recording, decide=True)
        cuts = [random_.randrange(len(received)) for _ in range(10)]
        with playing([in_chunks(received, cuts)]) as address:
            sources = [address] if share < 1 else [address, f"file={recording}"]
            output = tmp_path / f"{share}.jsonl"
            options = ("--latency", "unlimited", "--no-reconnect", "--idle", "0.2s", "--output", output)
            result = rcl_("watch", checkpoint, *sources, *options)
        assert result.status == 0, result.err
        assert "trying again" not in result.err
        lines = output.read_text(encoding="utf-8").splitlines()
        for source in ("s", "file")[: len(sources)]:
            watch = Watch(tmp_path / source, "")
            watch.folder.mkdir(exist_ok=True)
            watch.output.write_text("".join(f"{line}\n" for line in lines if f'"source": "{source}"' in line))
            assert_same(watch, expected)


def whole_look(checkpoint: Path, min_score: float) -> Looking:
    localizer = Localizer.load(checkpoint)
    decide = decider(None, labels=localizer.labels, min_score=min_score)
    return Looking(localizer, decide=decide, context_seconds=6 * 3600.0, fill=False)


def test_a_file_that_grows_and_a_folder_of_segments(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a score instead of operating points, and without duplicates."""
    looking = whole_look(checkpoint, LOW)
    pieces = [numbered(tmp_path / "piece.ts", range(at, at + 60), at) for at in (0, 60, 120)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(pieces))
    found = looking.localizer.detect(joined)
    expected = without_duplicates(found[found.scores >= LOW])
    growing, data = tmp_path / "growing.ts", joined.read_bytes()
    growing.write_bytes(data[:5000])
    os.utime(growing, (10**9, 10**9))

    def grow(now: float) -> None:
        size = growing.stat().st_size
        with growing.open("ab") as file:
            file.write(data[size : size + 4000])

    clock = FakeClock(10**9, grow)
    (tmp_path / "a").mkdir()
    watch = Watch(tmp_path / "a", str(growing), looking=looking, latency_seconds=math.inf, clock=clock)
    assert watch.run()
    assert growing.read_bytes() == data
    assert_same(watch, expected)

    (tmp_path / "segments").mkdir()
    for number, piece in enumerate(pieces):
        (tmp_path / "segments" / f"{number}.ts").write_bytes(piece)
    (tmp_path / "b").mkdir()
    watch = Watch(tmp_path / "b", str(tmp_path / "segments"), looking=looking, latency_seconds=math.inf)
    assert watch.run(until=has_ended)
    assert_same(watch, expected)


def has_ended(watcher: Watcher) -> bool:
    return watcher._part is None and watcher.feed.position().get("last") == "2.ts"


@pytest.mark.parametrize("latency", [1.0, 0.0])
def test_with_a_bound_on_the_latency_the_last_word_is_that_of_the_last_look(
    checkpoint: Path, stream: bytes, tmp_path: Path, latency: float
) -> None:
    localizer = Localizer.load(checkpoint)
    decide = decider(None, labels=localizer.labels, min_score=LOW)
    looking = Looking(localizer, decide=decide, context_seconds=60.0)
    last = list[Detections]()
    look = looking.look

    def kept(part):  # type: ignore[no-untyped-def]
        found = look(part)
        last[:] = [found.detections]
        return found

    looking.look = kept  # type: ignore[method-assign]
    (tmp_path / "r.ts").write_bytes(stream)
    watch = Watch(tmp_path, str(tmp_path / "r.ts"), looking=looking, latency_seconds=latency)
    assert watch.run()
    assert_same(watch, last[0])
